import Foundation
import KernelFixtures
import Testing

@Suite("A console that nobody reads", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct StalledConsoleTests {
  private struct Machine {
    let folder: ScratchFolder
    let arguments: [String]
    let statistics: String

    /// A machine of these programs, test programs by name and bundled ones.
    init(_ programs: [String], _ options: [String] = []) throws {
      folder = try ScratchFolder()
      statistics = folder.path("statistics.json")
      arguments = try Guests.arguments(programs, in: folder) + options + ["--stats", statistics]
    }

    /// Bytes of the console as `--stats` counts them.
    func console() throws -> (written: Int, dropped: Int) {
      let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: statistics))) as? [String: Any]
      let console = try #require(json?["console"] as? [String: Int])
      return (try #require(console["writtenBytes"]), try #require(console["droppedBytes"]))
    }
  }

  private func expectService(at port: UInt16) throws {
    for _ in 0..<3 {
      let start = Date()
      let response = try WebClient(port: port, seconds: 10).request("GET", "/one.css", headers: "Connection: close\r\n")
      #expect(response.status == 200)
      #expect(Date().timeIntervalSince(start) < 5)
    }
  }

  @Test("an unread pipe stops neither the web server nor --timeout, on one processor or two", arguments: [1, 2])
  func pipe(processors: Int) throws {
    let site = try Site(files: [.init(path: "one.css", size: 1, type: "text/css")])
    let port = try Command.freePort()
    let machine = try Machine(
      ["web", "flood"],
      ["--disk", site.archive, "--publish", "\(port):80", "--cpus", "\(processors)", "--timeout", "6"])
    let pipe = try TestPipe(capacity: 4096)
    let command = try SpawnedCommand(Command.xokvm, machine.arguments, output: .descriptor(pipe.writer))
    // The pipe is full long before this.
    usleep(1_500_000)
    try expectService(at: port)
    #expect(command.status(within: 12) == 124, "\(command.errors)")
    #expect(command.errors.isEmpty, "\(command.errors)")
    let console = try machine.console()
    #expect(console.written <= 8192 && console.dropped > 0)
  }

  @Test(
    "a terminal behind a stalled line leaves SIGTERM, --timeout and Ctrl-A x their effect", arguments: [0, 1, 2],
    [false, true])
  func terminal(way: Int, isOtherKernel: Bool) throws {
    let machine = try Machine(["flood"], way == 1 ? ["--timeout", "2"] : [])
    var arguments = machine.arguments
    if isOtherKernel {
      // 64 KiB at a time without one end of a line.
      var kernel = TestKernel()
      let top = kernel.here
      kernel.print(at: top, count: 65536)
      let distance = UInt32(bitPattern: Int32(top) - Int32(kernel.here) - 5)
      kernel.emit(0xe9)
      kernel.emit(UInt8(distance & 0xff), UInt8(distance >> 8 & 0xff), UInt8(distance >> 16 & 0xff), 0xff)
      arguments = ["boot", try machine.folder.store("flood.elf", kernel.elf())] + (way == 1 ? ["--timeout", "2"] : [])
    }
    let terminal = try TestTerminal()
    let command = try SpawnedCommand(
      Command.xokvm, arguments, input: .file(terminal.path), output: .file(terminal.path))
    // Nobody reads the other side: it is full after some kilobytes.
    usleep(1_000_000)
    if way == 0 { command.signal(SIGTERM) }
    if way == 2 { terminal.type("\u{1}x") }
    let expected: Int32 = [128 + SIGTERM, 124, 0][way]
    #expect(command.status(within: 4) == expected, "\(command.errors)")
    #expect(!terminal.isRaw)
  }

  @Test("a full disk is told once, the machine runs on, and the status says that text was lost")
  func fullDisk() throws {
    let site = try Site(files: [.init(path: "one.css", size: 1, type: "text/css")])
    let port = try Command.freePort()
    let machine = try Machine(
      ["web", "hello"], ["--disk", site.archive, "--publish", "\(port):80", "--timeout", "30"])
    let command = try SpawnedCommand(Command.xokvm, machine.arguments, output: .file("/dev/full"))
    usleep(700_000)
    try expectService(at: port)
    command.signal(SIGTERM)
    #expect(command.status(within: 5) == 128 + SIGTERM)
    #expect(command.errors.hasPrefix("xokvm: cannot write the console (No space left on device)"), "\(command.errors)")
    #expect(command.errors.filter(\.isNewline).count == 1, "\(command.errors)")
    #expect(try machine.console().dropped > 0)

    let hello = try SpawnedCommand(Command.xokvm, ["boot"], output: .file("/dev/full"))
    #expect(hello.status(within: 10) == 74)
    #expect(hello.errors.filter(\.isNewline).count == 1, "\(hello.errors)")
  }

  @Test(
    "a disk that has room again gets the text that follows, and a line about what is missing",
    .enabled(if: Command.succeeds("unshare -rm mount -t tmpfs none /mnt"), "this user cannot make a mount namespace"))
  func roomAgain() throws {
    let machine = try Machine(["flood"])
    let script = """
      mount -t tmpfs -o size=64k none /mnt && head -c 60000 /dev/zero > /mnt/filler
      "$@" > /mnt/console & sleep 2; rm /mnt/filler; sleep 1; kill $!; wait $!
      head -c 40000 /mnt/console
      """
    let result = try Command.run(
      Command.find("unshare") ?? "", ["-rm", "/bin/sh", "-c", script, "sh", Command.xokvm] + machine.arguments)
    #expect(result.errors.hasPrefix("xokvm: cannot write the console (No space left on device)"), "\(result.errors)")
    #expect(result.output.contains(#/\n\[xokvm\] [0-9]+ bytes dropped\n/#), "\(result.output.suffix(500))")
  }

  @Test("a reader that goes away ends the machine quietly, as SIGPIPE would")
  func closedPipe() throws {
    let result = try Command.run("/bin/sh", ["-c", "{ \"$0\" boot; echo status $? >&2; } | head -n 1", Command.xokvm])
    #expect(result.lines.count == 1 && result.output.contains("hello from environment"), "\(result.all)")
    #expect(result.errors == "status 141\n", "\(result.all)")
  }

  @Test("a reader that begins late gets all that was said, though the machine has ended")
  func lateReader() throws {
    let pipe = try TestPipe(capacity: 4096)
    let expected = try Command.run(Command.xokvm, ["boot"]).lines.count
    let command = try SpawnedCommand(
      Command.xokvm, ["boot", "--app", "hello", "--app", "hello"], output: .descriptor(pipe.writer))
    usleep(800_000)
    #expect(pipe.readAll().split(separator: "\n").count == expected)
    #expect(command.status(within: 5) == 0)
  }

  @Test("a descriptor that somebody has made non-blocking loses nothing, and stays as it is")
  func nonBlocking() throws {
    let machine = try Machine(["flood"], ["--timeout", "1", "--command-line", "slice=100000"])
    let pipe = try TestPipe(capacity: 4096)
    #expect(fcntl(pipe.writer, F_SETFL, O_WRONLY | O_NONBLOCK) == 0)
    let command = try SpawnedCommand(Command.xokvm, machine.arguments, output: .descriptor(pipe.writer))
    #expect(fcntl(pipe.writer, F_GETFL) & O_NONBLOCK != 0)
    let text = pipe.readAll()
    #expect(command.status(within: 5) == 124)
    let numbers = text.matches(of: #/line ([0-9]+) of/#).compactMap { Int($0.1) }
    #expect(numbers.count > 10 && numbers.first == 1_000_000_000)
    #expect(!text.contains("[xokvm]"), "the reader was quick enough")
    #expect(try machine.console().dropped == 0)
  }

  @Test("a FIFO without a reader is refused as the console's file, not waited for")
  func fifo() throws {
    let folder = try ScratchFolder()
    #expect(mkfifo(folder.path("fifo"), 0o600) == 0)
    let result = try Command.run(
      Command.xokvm, ["boot", "--console", "file=" + folder.path("fifo"), "--timeout", "1"], seconds: 5)
    #expect(result.status == 73 && result.errors.contains("fifo"), "\(result.all)")
  }

  @Test("standard error that stalls with it does not hold up the end")
  func stalledErrors() throws {
    let pipe = try TestPipe(capacity: 4096)
    // Full before the command says its line.
    _ = fcntl(pipe.writer, F_SETFL, O_WRONLY | O_NONBLOCK)
    let noise = [UInt8](repeating: 0x78, count: 4096)
    while write(pipe.writer, noise, noise.count) > 0 {}
    _ = fcntl(pipe.writer, F_SETFL, O_WRONLY)
    let command = try SpawnedCommand(
      Command.xokvm, ["boot", "--app", "nobody"], output: .descriptor(pipe.writer), errors: .descriptor(pipe.writer))
    #expect(command.status(within: 5) == 66)
  }

  @Test("an environment's flood is cut in the kernel, and the cut is told in its name")
  func kernelBudget() throws {
    // Slices so long that the flood is over the budget also where ring 0 is emulated.
    let result = try Guests.boot(
      "flood", "politeloop", options: ["--timeout", "3", "--command-line", "slice=200000"])
    #expect(result.status == 124)
    let notices = result.output.matches(of: #/\n\[0 flood\] ([0-9]+) bytes dropped\n/#)
    #expect(!notices.isEmpty && notices.allSatisfy { Int($0.1)! > 0 }, "\(result.output.suffix(500))")
    #expect(result.output.contains("[1 politeloop] about to loop"), "\(result.output.prefix(500))")
  }
}
