import Foundation
import Testing

@Suite("Signals and the terminal", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct TerminalSignalTests {
  /// A machine that runs for ever on a terminal of its own, which it has made raw.
  private func start(ignoring: [Int32] = []) throws
    -> (terminal: TestTerminal, command: SpawnedCommand, before: termios)
  {
    let folder = try ScratchFolder()
    let terminal = try TestTerminal()
    let before = terminal.mode
    let command = try SpawnedCommand(
      Command.xokvm, try Guests.arguments(["politeloop"], in: folder) + ["--timeout", "60"],
      input: .file(terminal.path), output: .file(terminal.path), ignoring: ignoring)
    try #require(terminal.waitUntil(raw: true), "\(command.errors)")
    return (terminal, command, before)
  }

  private func expect(_ terminal: TestTerminal, isAs before: termios) {
    let after = terminal.mode
    #expect(after.c_lflag == before.c_lflag && after.c_iflag == before.c_iflag && after.c_oflag == before.c_oflag)
    let keys = [before, after].map { withUnsafeBytes(of: $0.c_cc) { Array($0) } }
    #expect(keys[0] == keys[1])
  }

  @Test(
    "each signal that ends the process gives the terminal its mode back, and tells itself in the status",
    arguments: [
      SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGUSR2,
      SIGXCPU, SIGVTALRM, SIGPROF,
    ])
  func ends(by signal: Int32) throws {
    let (terminal, command, before) = try start()
    command.signal(signal)
    #expect(command.status(within: 5) == 128 + signal, "\(command.errors)")
    #expect(terminal.waitUntil(raw: false, seconds: 1))
    expect(terminal, isAs: before)
  }

  @Test("SIGTSTP stops it with the terminal as it was; SIGCONT makes it raw again, and Ctrl-A x still quits")
  func stopAndContinue() throws {
    let (terminal, command, before) = try start()
    for _ in 0..<2 {
      // The new session has one process group, which is orphaned: there only SIGSTOP stops. The mode changes all the
      // same.
      command.signal(SIGTSTP)
      usleep(100_000)
      command.signal(SIGSTOP)
      #expect(command.waitForState("T"))
      // As a shell does when a job stops.
      var cooked = before
      tcsetattr(terminal.slave, TCSANOW, &cooked)
      command.signal(SIGCONT)
      #expect(terminal.waitUntil(raw: true, seconds: 5))
    }
    terminal.type("\u{1}x")
    #expect(command.status(within: 5) == 0)
    expect(terminal, isAs: before)
  }

  @Test("a job of a shell is stopped by SIGTSTP with the terminal as it was, and goes on in the foreground")
  func shellJob() throws {
    let folder = try ScratchFolder()
    let arguments = try Guests.arguments(["politeloop"], in: folder) + ["--timeout", "60"]
    let terminal = try TestTerminal()
    let before = terminal.mode
    // Job control gives the machine a process group of its own, whose parent is in another one of the session: not an
    // orphaned group.
    let script = """
      set -m; "$@" & echo $! > "$0"; fg %1 >/dev/null; echo stopped; read line; fg %1 >/dev/null; echo over $?
      """
    let shell = try SpawnedCommand(
      "/bin/sh", ["-c", script, folder.path("pid"), Command.xokvm] + arguments, input: .file(terminal.path),
      output: .file(terminal.path), errors: .file(terminal.path))
    // In the background at first, where it does not touch the terminal; `fg` continues it.
    let text = terminal.read(until: "about to loop")
    try #require(terminal.waitUntil(raw: true, seconds: 5), "\(text)")
    let number = try String(contentsOfFile: folder.path("pid"), encoding: .utf8)
    let pid = try #require(Int32(number.trimmingCharacters(in: .whitespacesAndNewlines)))
    kill(pid, SIGTSTP)
    #expect(terminal.read(until: "stopped").contains("stopped"))
    expect(terminal, isAs: before)
    terminal.type("\n")
    #expect(terminal.waitUntil(raw: true, seconds: 5))
    kill(pid, SIGTERM)
    #expect(terminal.read(until: "over").contains("over"))
    #expect(shell.status(within: 5) != nil)
    expect(terminal, isAs: before)
  }

  @Test("what nohup has made it ignore does not end it")
  func nohup() throws {
    let (terminal, command, _) = try start(ignoring: [SIGHUP])
    command.signal(SIGHUP)
    #expect(command.status(within: 0.5) == nil)
    command.signal(SIGTERM)
    #expect(command.status(within: 5) == 128 + SIGTERM)
    #expect(!terminal.isRaw)
  }

  @Test("a terminal that resizes changes nothing")
  func resize() throws {
    let (terminal, command, _) = try start()
    for rows: UInt16 in [10, 50, 1, 200] {
      terminal.resize(rows: rows, columns: rows * 2)
      command.signal(SIGWINCH)
    }
    #expect(command.status(within: 0.3) == nil)
    terminal.type("\u{1}x")
    #expect(command.status(within: 5) == 0)
  }
}
