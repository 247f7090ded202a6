import Foundation
import KernelFixtures
import Testing

@Suite("Wrong use and bad input")
struct BadInputTests {
  @Test("end in one line that says what and what to do, and a status", arguments: BadInput.lines)
  func lines(_ input: BadInput) throws { try expectRefusal(input) }

  @Test("kernels that cannot be booted are refused", arguments: BadInput.kernels)
  func kernels(_ input: BadInput) throws { try expectRefusal(input) }

  @Test("programs, archives and disks that cannot be used are refused, and stay as they are", arguments: BadInput.files)
  func files(_ input: BadInput) throws { try expectRefusal(input) }

  @Test("files for output stay as they are where something is refused, be it them", arguments: BadInput.outputs)
  func outputs(_ input: BadInput) throws { try expectRefusal(input) }

  @Test("more memory is recommended where it helps, and nowhere else")
  func memoryAdvice() throws {
    let folder = try ScratchFolder()
    let code = ELFBuilder.Segment.load(address: 0x10_0000, bytes: [0xf4])
    for (address, says): (UInt64, String) in [
      (0x4000_0000, "raise --memory"), (0x1_4000_0000, "raise --memory"),
      (0xbfff_fff0, "no --memory helps, since devices have the addresses from 3 to 4 GiB"),
      (0xd000_0000, "no --memory helps, since devices have the addresses from 3 to 4 GiB"),
      (0x1000_0000_0000, "no --memory reaches so far"),
    ] {
      let other = ELFBuilder.Segment.load(address: address, bytes: [UInt8](repeating: 0xf4, count: 64))
      let segments = [code, other, .pvhNote(entry: 0x10_0000)]
      let path = try folder.store("k.elf", ELFBuilder(is64: true, segments: segments).bytes)
      let result = try Command.run(Command.xokvm, ["boot", path])
      expectOneLine(result, status: 65, says: [says])
      #expect(result.errors.contains("raise --memory") == (says == "raise --memory"), "\(result.all)")
    }
  }

  @Test("values beyond what the exokernel uses are told, one line each, and it runs")
  func unusedValues() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--memory", "4096", "--cpus", "6", "--app", "hello"])
    #expect(result.status == 0, "\(result.all)")
    #expect(
      result.errors == """
        xokvm: warning: the exokernel uses the first 3072 MiB of --memory 4096
        xokvm: warning: the exokernel uses the first 4 of --cpus 6

        """, "\(result.all)")
    #expect(
      try Command.run(Command.xokvm, ["boot", "--memory", "3072", "--cpus", "4", "--app", "hello"]).errors.isEmpty)
  }

  @Test("as many vCPUs as are allowed start")
  func mostProcessors() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--cpus", "255", "--app", "hello"])
    #expect(result.status == 0 && result.lines.contains { $0.contains("hello from environment 0") }, "\(result.all)")
  }

  @Test("a host port that is in use is told")
  func busyPort() throws {
    let listener = try HostListener()
    let port = listener.port
    try expectRefusal(
      BadInput("a busy port", 69, "port \(port)", "in use") { _ in
        ["boot", "--publish", "\(port):80"]
      })
    withExtendedLifetime(listener) {}
  }

  @Test("a file that may not grow is told", arguments: ["--stats", "--console"])
  func fileSizeLimit(_ option: String) throws {
    let folder = try ScratchFolder()
    let value = (option == "--console" ? "file=" : "") + folder.path("file")
    // The limit is for xokvm alone: what it tells goes through a pipe.
    let script = "{ (ulimit -f 0; exec \"$0\" boot --app hello \"$1\" \"$2\" 2>&1 >/dev/null); echo status $?; } | cat"
    let result = try Command.run("/bin/sh", ["-c", script, Command.xokvm, option, value])
    #expect(result.lines.count == 2 && result.lines.last == "status 74", "\(result.all)")
    #expect(result.output.contains("File too large"), "\(result.all)")
  }

  @Test("a host port below 1024 needs rights", .enabled(if: Unprivileged.isPossible, "setpriv is missing"))
  func lowPort() throws {
    let first = try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding: .utf8)
    guard first?.trimmingCharacters(in: .whitespacesAndNewlines) == "1024" else { return }
    try expectRefusal(
      BadInput("a low port", 77, "port 81", "above 1023", unprivileged: true) { _ in ["boot", "--publish", "81:80"] })
  }

  /// Namespaces in which /dev/kvm is missing, may not be opened, or is something else.
  static let hosts = [
    (name: "missing", mount: "mount -t tmpfs none /dev", status: 69 as Int32, says: "/dev/kvm does not exist"),
    (
      name: "not permitted", mount: "mount --bind /dev/kvm /dev/kvm && mount -o remount,bind,nodev /dev/kvm",
      status: 77, says: "no permission for /dev/kvm"
    ),
    (name: "another device", mount: "mount --bind /dev/null /dev/kvm", status: 69, says: "cannot open /dev/kvm"),
  ]

  @Test(
    "a /dev/kvm that cannot be used is told, with what to do",
    .enabled(if: Command.hasKVM, "there is no usable /dev/kvm to hide"),
    .enabled(if: Command.succeeds("unshare -rm mount -t tmpfs none /dev"), "this user cannot make a mount namespace"),
    arguments: hosts)
  func noKVM(_ host: (name: String, mount: String, status: Int32, says: String)) throws {
    let script = "\(host.mount) && exec '\(Command.xokvm)' boot"
    let result = try Command.run(Command.find("unshare") ?? "", ["-rm", "/bin/sh", "-c", script])
    expectOneLine(result, status: host.status, says: [host.says])
  }

  private func expectRefusal(_ input: BadInput) throws {
    let folder = try ScratchFolder()
    let arguments = try input.arguments(folder)
    let before = try contents(of: folder)
    let isBare = !input.isUnprivileged || geteuid() != 0
    let prefix = isBare ? "" : Unprivileged.prefix
    let result = try Command.run(
      "/bin/sh", ["-c", "cd \"$0\" && exec \(prefix) \"$@\"", folder.url.path, Command.xokvm] + arguments)
    expectOneLine(result, status: input.status, says: input.says)
    #expect(try contents(of: folder) == before, "nothing is changed or left behind")
  }

  private func expectOneLine(_ result: CommandResult, status: Int32, says: [String]) {
    #expect(result.status == status, "\(result.all)")
    #expect(result.errors.hasPrefix("xokvm: "), "\(result.all)")
    #expect(result.errors.hasSuffix("\n") && result.errors.filter(\.isNewline).count == 1, "\(result.all)")
    for text in says { #expect(result.errors.contains(text), "\(result.all)") }
  }

  /// Every file of the folder; pipes are not read.
  private func contents(of folder: ScratchFolder) throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.url.path) {
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(name))
      let isFile = attributes[.type] as? FileAttributeType == .typeRegular
      contents[name] = isFile ? (try? Data(contentsOf: folder.url.appending(path: name))) ?? Data() : Data()
    }
    return contents
  }
}

/// How root runs a command for which file modes count.
enum Unprivileged {
  static let prefix = "setpriv --bounding-set=-all --inh-caps=-all"
  static var isPossible: Bool { geteuid() != 0 || Command.find("setpriv") != nil }
}
