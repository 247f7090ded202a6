import Foundation
import Testing

/// The host's ways to fail while a machine starts or runs, and where each is tested:
///
/// | the host | expected | test |
/// |---|---|---|
/// | nobody reads the console, or its disk is full | dropped, counted, told; all else goes on | `StalledConsoleTests` |
/// | a file may not grow (RLIMIT_FSIZE) | told, status 74 | `BadInputTests` |
/// | no /dev/kvm, or no permission | told, status 69 or 77 | `BadInputTests` |
/// | signals that end, stop or continue the process | the terminal's mode is right | `TerminalSignalTests` |
/// | a terminal that resizes | nothing | `TerminalSignalTests` |
/// | standard input floods, or is read by others | nothing else is held up | here, `ConsoleInputTests` |
/// | standard descriptors are closed | no file gets their numbers | here |
/// | the file system of a disk image is full | the guest is told of an error, the user why | here |
/// | a disk image becomes shorter | the same | here |
/// | io_uring refused | transfers on a thread of the disk's | here |
/// | fdatasync fails | the flush fails | `DurabilityTests` |
/// | no descriptors left (EMFILE) | told, a status of sysexits(3) | here |
/// | address space limited (RLIMIT_AS) | told, status 71 | here |
/// | memory limited by a cgroup | pages are taken when touched, so a large machine runs | here |
/// | clocks far from the usual; the host's clock is set | nothing waits for the wall clock | here |
/// | SIGSTOP and SIGCONT | connections go on | here |
/// | /proc is not there | the Swift runtime finds no arguments, so the help is shown and nothing starts | - |
/// | userfaultfd refused | not used by any part of the monitor | - |
@Suite("The host's ways to fail", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct HostFailureTests {
  private static let hasNamespaces = Command.succeeds("unshare -rm mount -t tmpfs none /mnt")

  /// A web server with one file.
  private struct Server {
    let site: Site
    let port: UInt16
    let arguments: [String]

    init(byteCount: Int = 1) throws {
      site = try Site(files: [.init(path: "one.css", size: byteCount, type: "text/css")])
      port = try Command.freePort()
      arguments = ["boot", "--app", "web", "--disk", site.archive, "--publish", "\(port):80", "--timeout", "60"]
    }

    func expectFile(seconds: Int = 10) throws {
      let response = try WebClient(port: port, seconds: seconds).request("GET", "/one.css")
      #expect(response.status == 200)
      #expect(try response.body == site.contents("one.css"))
    }
  }

  private func shell(_ script: String, _ arguments: [String], prefix: [String] = []) throws -> CommandResult {
    let words = prefix + ["/bin/sh", "-c", script, "sh"] + arguments
    return try Command.run(Command.find(words[0]) ?? words[0], Array(words.dropFirst()))
  }

  @Test(
    "without descriptors the command says so in a line, or does without",
    arguments: [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28])
  func descriptors(limit: Int) throws {
    let folder = try ScratchFolder()
    let disk = try folder.store("disk.img", [UInt8](repeating: 0, count: 4096))
    let result = try shell(
      "ulimit -n \(limit); exec \"$@\"",
      [Command.xokvm, "boot", "--app", "hello", "--disk", disk, "--network", "user", "--timeout", "20"])
    // 127: the dynamic loader itself found no descriptor.
    if result.status == 0 || result.status == 127 { return }
    #expect((64...78).contains(result.status), "\(result.all)")
    #expect(result.errors.hasPrefix("xokvm: ") && result.errors.filter(\.isNewline).count == 1, "\(result.all)")
  }

  @Test("an address space that is too small for the guest is told, with a smaller --memory as the remedy")
  func addressSpace() throws {
    let result = try shell("ulimit -v 2000000; exec \"$@\"", [Command.xokvm, "boot", "--memory", "4096"])
    #expect(result.status == 71, "\(result.all)")
    #expect(result.errors.contains("smaller --memory"), "\(result.all)")
  }

  private static let canLimitMemory = Command.succeeds(
    "mkdir /sys/fs/cgroup/xokvm-probe && { test -w /sys/fs/cgroup/xokvm-probe/memory.max; a=$?; "
      + "rmdir /sys/fs/cgroup/xokvm-probe; exit $a; }")

  @Test(
    "a machine larger than its memory cgroup runs as long as it touches less",
    .enabled(if: canLimitMemory, "this user cannot make a memory cgroup"))
  func memoryCgroup() throws {
    let script = """
      g=/sys/fs/cgroup/xokvm-$$; mkdir $g && echo 100M > $g/memory.max || exit 1
      (sh -c 'echo $PPID' > $g/cgroup.procs; exec "$@"); s=$?; rmdir $g; exit $s
      """
    let result = try shell(script, [Command.xokvm, "boot", "--memory", "1024", "--timeout", "20"])
    #expect(result.status == 0, "\(result.all)")
  }

  @Test(
    "a host that refuses io_uring still serves disks",
    .enabled(if: Command.succeeds("strace -o /dev/null true"), "strace is missing, or may not trace"))
  func noIOURing() throws {
    let server = try Server(byteCount: 300_000)
    let folder = try ScratchFolder()
    let command = try SpawnedCommand(
      Command.find("strace") ?? "",
      [
        "-f", "-o", folder.path("trace"), "-e", "trace=io_uring_setup", "-e", "inject=io_uring_setup:error=EPERM",
        Command.xokvm,
      ] + server.arguments.dropLast() + ["6"], output: .file("/dev/null"))
    usleep(1_500_000)
    try server.expectFile(seconds: 20)
    let trace = try String(contentsOfFile: folder.path("trace"), encoding: .utf8)
    #expect(trace.contains("io_uring_setup") && trace.contains("INJECTED"), "\(trace.prefix(300))")
    #expect(command.status(within: 15) == 124, "\(command.errors)")
    withExtendedLifetime(folder) {}
  }

  @Test(
    "a clock that is far from the usual one changes no wait",
    .enabled(if: Command.succeeds("unshare -rT --monotonic 1000000000 true"), "this user cannot make a time namespace"))
  func clock() throws {
    let start = Date()
    let result = try Command.run(
      Command.find("unshare") ?? "",
      ["-rT", "--monotonic", "1000000000", "--boottime", "2000000000", Command.xokvm, "boot", "--timeout", "20"])
    #expect(result.status == 0 && result.lines.count > 4, "\(result.all)")
    #expect(Date().timeIntervalSince(start) < 10)
  }

  @Test("a process that is stopped and continued serves on")
  func stopped() throws {
    let server = try Server()
    let machine = try Command.start(Command.xokvm, server.arguments)
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    let client = try WebClient(port: server.port, seconds: 10)
    #expect(try client.request("GET", "/one.css").status == 200)
    for _ in 0..<2 {
      machine.signal(SIGSTOP)
      usleep(400_000)
      machine.signal(SIGCONT)
      #expect(try client.request("GET", "/one.css").status == 200)
    }
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 5).status == 128 + SIGTERM)
  }

  @Test("standard input that floods, from a pipe or a terminal, holds up neither the guest nor Ctrl-A x")
  func inputFlood() throws {
    let server = try Server()
    let terminal = try TestTerminal()
    let command = try SpawnedCommand(
      Command.xokvm, server.arguments, input: .file(terminal.path), output: .file("/dev/null"))
    try #require(terminal.waitUntil(raw: true))
    _ = fcntl(terminal.master, F_SETFL, O_RDWR | O_NONBLOCK)
    let noise = [UInt8](repeating: 0x79, count: 4096)
    let end = Date().addingTimeInterval(0.7)
    var sent = 0
    while Date() < end { sent += max(0, write(terminal.master, noise, noise.count)) }
    // Far more than a terminal's own buffer: it was read all the time.
    #expect(sent > 100_000)
    try server.expectFile()
    terminal.type("\u{1}x")
    #expect(command.status(within: 5) == 0, "\(command.errors)")

    let other = try Server()
    let pipe = try TestPipe(capacity: 4096)
    let second = try SpawnedCommand(
      Command.xokvm, other.arguments, input: .file("/dev/zero"), output: .descriptor(pipe.writer))
    usleep(700_000)
    try other.expectFile()
    second.signal(SIGTERM)
    #expect(second.status(within: 5) == 128 + SIGTERM)
  }

  @Test("standard descriptors that are closed are nobody else's, and the machine runs")
  func closedDescriptors() throws {
    let input = try shell("exec \"$@\" <&-", [Command.xokvm, "boot"])
    #expect(input.status == 0 && input.errors.isEmpty, "\(input.all)")
    let output = try shell("exec \"$@\" >&-", [Command.xokvm, "boot"])
    #expect(output.status == 74, "\(output.all)")
    #expect(output.errors.contains("cannot write the console") && output.errors.filter(\.isNewline).count == 1)
    #expect(try shell("exec \"$@\" 2>&-", [Command.xokvm, "boot"]).status == 0)
  }

  @Test(
    "a file system without room for a sparse image is told to guest and user, and the machine runs on",
    .enabled(if: hasNamespaces, "this user cannot make a mount namespace"))
  func fullImage() throws {
    let folder = try ScratchFolder()
    let arguments = try Guests.arguments(["diskwrite", "hello"], in: folder)
    let script = """
      mount -t tmpfs -o size=64k none /mnt && truncate -s 1M /mnt/disk.img && head -c 65536 /dev/zero > /mnt/filler
      exec "$@" --disk /mnt/disk.img
      """
    let result = try shell(script, [Command.xokvm] + arguments, prefix: ["unshare", "-rm"])
    #expect(result.status == 0 && result.output.contains("the disk failed"), "\(result.all)")
    #expect(result.output.contains("[1 hello] "), "\(result.all)")
    #expect(result.errors.contains("the disk /mnt/disk.img failed (No space left on device)"), "\(result.all)")
    #expect(result.errors.filter(\.isNewline).count == 1, "\(result.all)")
  }

  @Test("a disk image that becomes shorter is told once, and what is left is served")
  func shrunkImage() throws {
    let site = try Site(files: [.init(path: "b.bin", size: 2 << 20, type: "application/octet-stream")])
    let port = try Command.freePort()
    let machine = try Command.start(
      Command.xokvm, ["boot", "--app", "web", "--disk", site.archive, "--publish", "\(port):80", "--timeout", "60"])
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    #expect(truncate(site.archive, 4096) == 0)
    // The answer begins before the disk fails: it ends early.
    for _ in 0..<2 { _ = try? WebClient(port: port, seconds: 5).request("GET", "/b.bin") }
    machine.signal(SIGTERM)
    let result = machine.wait(seconds: 5)
    #expect(result.status == 128 + SIGTERM, "\(result.all)")
    #expect(result.errors.contains("the disk \(site.archive) has become shorter"), "\(result.all)")
    #expect(result.errors.filter(\.isNewline).count == 1, "\(result.all)")
  }
}
