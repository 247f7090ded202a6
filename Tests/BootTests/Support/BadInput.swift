import Foundation
import GuestImages
import KernelFixtures
import Testing

/// A wrong use or input of the command, and how the command must end: one line that says what is wrong, and this
/// status.
struct BadInput: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let status: Int32
  /// What the line must contain.
  let says: [String]
  /// Runs the command without the rights of root, where the tests have them.
  var isUnprivileged = false
  /// Stores what the command is given, in a folder that is its working directory, and returns its arguments.
  let arguments: @Sendable (ScratchFolder) throws -> [String]

  init(
    _ description: String, _ status: Int32, _ says: String..., unprivileged: Bool = false,
    arguments: @escaping @Sendable (ScratchFolder) throws -> [String]
  ) {
    testDescription = description
    self.status = status
    self.says = says
    isUnprivileged = unprivileged
    self.arguments = arguments
  }

  /// A command line that needs no files.
  init(line: String, _ status: Int32, _ says: String...) {
    testDescription = line
    self.status = status
    self.says = says
    arguments = { _ in line.split(separator: " ").map(String.init) }
  }
}

// The numbers of sysexits(3).
private let usage: Int32 = 64
private let dataError: Int32 = 65
private let noInput: Int32 = 66
private let unavailable: Int32 = 69
private let cannotCreate: Int32 = 73
private let noPermission: Int32 = 77

extension BadInput {
  /// Words of the command line.
  static let lines = [
    BadInput(line: "boot --bogus", usage, "--bogus"),
    BadInput(line: "bogus", usage, "bogus"),
    BadInput(line: "boot --app", usage, "--app"),
    BadInput(line: "boot --memory none", usage, "--memory", "1 to 1048576"),
    BadInput(line: "boot --memory -1", usage, "--memory -1", "1 to 1048576"),
    BadInput(line: "boot --memory 0", usage, "--memory 0"),
    BadInput(line: "boot --cpus 0", usage, "--cpus 0"),
    BadInput(line: "boot --cpus 256", usage, "--cpus 256", "1 to 255"),
    BadInput(line: "boot --cpus two", usage, "'two'", "1 to 255"),
    BadInput(line: "boot --app :argument", usage, ":argument", "there is no name"),
    BadInput(line: "boot" + String(repeating: " --app hello", count: 65), usage, "65 times", "64 programs"),
    BadInput(line: "boot --timeout -1", usage, "--timeout", "'-1'", "not a positive number of seconds"),
    BadInput(line: "boot --timeout 99999999999", usage, "'99999999999'", "at most 1000000000"),
    BadInput(line: "boot --console nowhere", usage, "--console", "nowhere"),
    BadInput(line: "boot --network internet", usage, "--network", "internet"),
    BadInput(line: "boot --network none --network user", usage, "--network none"),
    BadInput(line: "boot --publish 80", usage, "--publish", "HOSTPORT:GUESTPORT"),
    BadInput(line: "boot --publish x", usage, "'x'", "no colon between two ports"),
    BadInput(line: "boot --publish 8080:80 --publish 8080:81", usage, "port 8080 of 127.0.0.1", "already", "two host"),
    BadInput(line: "boot --publish 8080:80 --publish 0.0.0.0:8080:81", usage, "already as 127.0.0.1:8080"),
    BadInput(line: "boot --publish 80:", usage, "--publish", "the guest's port '' is not a number"),
    BadInput(line: "boot --publish example:80:80", usage, "--publish", "neither localhost nor an IPv4 address"),
    BadInput(line: "boot --publish [::1:80:80", usage, "--publish", "bracket"),
    BadInput(line: "boot --publish :80", usage, "--publish"),
    BadInput(line: "boot --publish 65536:80", usage, "--publish", "65536 is not one from 1 to 65535"),
    BadInput(line: "boot --publish 8080:0", usage, "--publish"),
    BadInput(line: "boot --publish 8080:80:90:100", usage, "--publish"),
    BadInput(line: "boot --publish 8080:80 --network tap=tap0", usage, "--publish"),
    BadInput(line: "boot --network tap=no/name", usage, "no/name"),
    BadInput(line: "image", usage, "--kernel", "see 'xokvm image --help'"),
    BadInput(line: "image extra", usage, "'extra'", "see 'xokvm image --help'"),
    BadInput(line: "bench primitives --slice 9", usage, "--slice 9", "10 to 10000"),
    BadInput(line: "bench primitives --rounds -1", usage, "--rounds -1", "see 'xokvm bench primitives --help'"),
    BadInput(line: "bench primitives --rounds none", usage, "'none'", "a number of rounds from 1 to 1000000"),
    BadInput(line: "fuzz --calls -1", usage, "'-1'", "1 to 4294967296", "see 'xokvm fuzz --help'"),
    BadInput(line: "fuzz --seed -1", usage, "'-1'", "it is not a number from 0"),
    BadInput("a kernel without a name", usage, "the name of the kernel is empty") { _ in ["boot", ""] },
    BadInput(line: "boot --network tap=xokvm-none", noInput, "xokvm-none", "ip tuntap add"),
    BadInput(line: "boot --network tap=lo", noInput, "'lo'", "not a TAP device"),
    BadInput(line: "boot --network unix=nothing", noInput, "nothing"),
    BadInput(line: "boot --app nobody", noInput, "'nobody'", "hello"),
    BadInput(line: "boot --app ./nobody", noInput, "./nobody"),
    BadInput(line: "boot nothing.elf", noInput, "nothing.elf", "check the path"),
    BadInput(line: "boot .", noInput, "not a regular file"),
    BadInput(line: "fuzz --kernel nothing", noInput, "nothing", "check the path"),
    BadInput(line: "boot --module nothing", noInput, "nothing"),
    BadInput(line: "boot --disk nothing.img", noInput, "nothing.img", "does not exist"),
    BadInput(line: "boot --disk .", noInput, "directory"),
    BadInput(line: "boot --disk /dev/null", noInput, "/dev/null"),
    BadInput(line: "boot --stats no/folder", cannotCreate, "no/folder"),
    BadInput(line: "boot --console file=no/folder", cannotCreate, "no/folder"),
    BadInput(line: "image --kernel no/folder", cannotCreate, "no/folder"),
    BadInput(line: "boot --memory 1", dataError, "1 MiB", "--memory"),
    BadInput(line: "boot --memory 4", dataError, "4 MiB", "--memory"),
    BadInput(line: "boot --memory 6", dataError, "in 6 MiB", "--memory 12"),
    BadInput(line: "boot --memory 11", dataError, "in 11 MiB", "--memory 12"),
    BadInput(line: "boot --app web", noInput, "disk 0", "--disk"),
    BadInput(line: "boot --app web:ip=nonsense", usage, "usage"),
    BadInput(line: "boot --app hello:" + String(repeating: "x", count: 513), dataError, "longer than 512 bytes"),
  ]

  /// Kernels.
  static let kernels = [
    BadInput("a kernel that is not ELF", dataError, "k.elf", "not an ELF file") {
      ["boot", try $0.store("k.elf", ScratchFolder.noise(8192))]
    },
    BadInput("a compressed kernel", dataError, "k.gz is a gzip-compressed file, not an ELF file") {
      ["boot", try $0.store("k.gz", gzip)]
    },
    BadInput("a bzImage as a kernel", dataError, "k is a Linux bzImage, not an ELF file", "vmlinux") {
      var image = [UInt8](repeating: 0, count: 1024)
      image.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
      return ["boot", try $0.store("k", image)]
    },
    BadInput("our kernel without a program", usage, "there is no program to run", "app=NAME") {
      ["boot", try $0.store("k.elf", GuestImages.kernel())]
    },
    BadInput("an empty kernel", dataError, "k.elf") { ["boot", try $0.store("k.elf", [])] },
    truncated(20), truncated(100), truncated(200), truncated(5000),
    BadInput("a kernel for another machine", dataError, "k.elf") {
      var file = ELFBuilder(segments: [code, .pvhNote(entry: 0x10_0000)])
      file.machine = 183
      return ["boot", try $0.store("k.elf", file.bytes)]
    },
    kernel("a segment above memory", dataError, "outside", [.load(address: 0x4000_0000, bytes: [0xf4]), code]),
    kernel(
      "a segment that passes the end of memory", dataError, "outside",
      [.load(address: 0xfff_f000, bytes: [0xf4], memoryByteCount: 0x2000), code]),
    kernel(
      "a segment that passes the end of numbers", dataError, "k.elf",
      [.load(address: .max - 0xfff, bytes: [0xf4], memoryByteCount: 0x2000), code], is64: true),
    kernel("two segments in one place", dataError, "two segments", [code, code]),
    kernel(
      "a segment where the boot information goes", dataError, "boot information",
      [.load(address: 0x9_0000, bytes: [0xf4]), code]),
    BadInput("a kernel without a PVH note", dataError, "XEN_ELFNOTE_PHYS32_ENTRY") {
      ["boot", try $0.store("k.elf", ELFBuilder(segments: [code]).bytes)]
    },
    BadInput("a kernel that is entered outside its segments", dataError, "entered") {
      ["boot", try $0.store("k.elf", ELFBuilder(segments: [code, .pvhNote(entry: 0x20_0000)]).bytes)]
    },
    BadInput("a command line that is too long", usage, "command line") { _ in
      ["boot", "--command-line", String(repeating: "x", count: 10_000)]
    },
    BadInput("a file name of two lines", noInput, "two?lines") { _ in ["boot", "two\nlines"] },
  ]

  /// Programs, archives and disks.
  static let files = [
    BadInput("a program that is not ELF", dataError, "is not a program") {
      ["boot", "--app", try $0.store("p", ScratchFolder.noise(8192))]
    },
    BadInput("an archive as a program", dataError, "p.tar is a tar archive, not a program") {
      ["boot", "--app", try $0.store("p.tar", GuestImages.programs())]
    },
    BadInput("a compressed program", dataError, "p.xz is an xz-compressed file, not a program") {
      ["boot", "--app", try $0.store("p.xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2, 3])]
    },
    BadInput("arguments with a space", usage, "hello:a b", "divide them by commas") { _ in
      ["boot", "--app", "hello:a b"]
    },
    BadInput("a compressed boot archive", dataError, "the first boot module is compressed") {
      [
        "boot", try $0.store("k.elf", GuestImages.kernel()), "--module", try $0.store("p.tar.gz", gzip),
        "--command-line", "app=hello",
      ]
    },
    BadInput("no boot archive", dataError, "there is no boot archive") {
      ["boot", try $0.store("k.elf", GuestImages.kernel()), "--command-line", "app=hello"]
    },
    BadInput("a program that does not start beside one that does", noInput, "the kernel said", "cannot start nobody") {
      [
        "boot", try $0.store("k.elf", GuestImages.kernel()), "--module", try $0.store("p.tar", GuestImages.programs()),
        "--command-line", "app=nobody app=hello",
      ]
    },
    BadInput("a program that is to be relocated", dataError, "is not a program") { _ in ["boot", "--app", "/bin/sh"] },
    BadInput("a program that is a kernel", dataError, "cannot start k") {
      ["boot", "--app", try $0.store("k.elf", GuestImages.kernel())]
    },
    BadInput("a boot archive of noise", dataError, "no ustar archive") {
      [
        "boot", try $0.store("k.elf", GuestImages.kernel()), "--module",
        try $0.store("p.tar", ScratchFolder.noise(8192)),
        "--command-line", "app=hello",
      ]
    },
    BadInput("a boot archive that ends early", dataError, "no ustar archive") {
      [
        "boot", try $0.store("k.elf", GuestImages.kernel()), "--module",
        try $0.store("p.tar", GuestImages.programs().prefix(6000)), "--command-line", "app=web",
      ]
    },
    BadInput("a program that is not in the boot archive", noInput, "cannot start nobody") {
      [
        "boot", try $0.store("k.elf", GuestImages.kernel()), "--module", try $0.store("p.tar", GuestImages.programs()),
        "--command-line", "app=nobody",
      ]
    },
    disk("of noise, for the web server", dataError, "not a tar archive", try ScratchFolder.noise(8192)),
    disk("with a gzip-compressed archive", dataError, "compressed with gzip", Data(gzip)),
    disk(
      "with a zstd-compressed archive", dataError, "compressed with zstd",
      Data([0x28, 0xb5, 0x2f, 0xfd] + [UInt8](repeating: 1, count: 1020))),
    disk("with an archive that ends early", dataError, "archive", Data(GuestImages.programs().prefix(10_240))),
    disk("that is empty", dataError, "is empty", Data()),
    disk("of 1000 bytes", dataError, "not a multiple of 512", Data(count: 1000)),
    disk("that is used twice", unavailable, "in use", try ScratchFolder.noise(8192), options: ["--disk", "site.img"]),
    disk(
      "that may not be read", noPermission, "may not be read", try ScratchFolder.noise(8192), name: "site.img,readonly",
      mode: 0),
    disk(
      "that may not be written", noPermission, "site.img,readonly' where it may be read",
      try ScratchFolder.noise(8192), mode: 0o444),
    BadInput("a FIFO as a disk", noInput, "neither a regular file") {
      mkfifo($0.path("pipe"), 0o600)
      return ["boot", "--disk", "pipe"]
    },
    fifo("kernel") { [$0] }, fifo("module") { ["--module", $0] }, fifo("program") { ["--app", "./" + $0] },
    BadInput("a kernel that may not be read", noPermission, "k.elf", unprivileged: true) {
      chmod(try $0.store("k.elf", GuestImages.kernel()), 0)
      return ["boot", "k.elf"]
    },
  ]

  /// Starts as gzip's files do; what follows is as random as theirs.
  private static let gzip: [UInt8] =
    [0x1f, 0x8b, 8, 0] + (4..<1024).map { UInt8(truncatingIfNeeded: $0 * 167 ^ $0 >> 3) }

  private static let code = ELFBuilder.Segment.load(address: 0x10_0000, bytes: [0xf4])

  private static func fifo(_ role: String, _ arguments: @escaping @Sendable (String) -> [String]) -> BadInput {
    BadInput("a FIFO without a writer as a " + role, noInput, "not a regular file") {
      mkfifo($0.path("pipe"), 0o600)
      return ["boot"] + arguments("pipe")
    }
  }

  private static func truncated(_ byteCount: Int) -> BadInput {
    BadInput("a kernel of which \(byteCount) bytes are left", dataError, "k.elf", "ends before") {
      ["boot", try $0.store("k.elf", GuestImages.kernel().prefix(byteCount))]
    }
  }

  private static func kernel(
    _ description: String, _ status: Int32, _ says: String, _ segments: [ELFBuilder.Segment], is64: Bool = false
  ) -> BadInput {
    let bytes = ELFBuilder(is64: is64, segments: segments + [.pvhNote(entry: 0x10_0000)]).bytes
    return BadInput("a kernel with " + description, status, says) { ["boot", try $0.store("k.elf", bytes)] }
  }

  private static func disk(
    _ description: String, _ status: Int32, _ says: String,
    _ contents: @escaping @autoclosure @Sendable () throws -> Data,
    name: String = "site.img", mode: mode_t? = nil, options: [String] = []
  ) -> BadInput {
    BadInput("a disk " + description, status, says, unprivileged: mode != nil) {
      let path = try $0.store("site.img", contents())
      if let mode { chmod(path, mode) }
      return ["boot", "--app", "web", "--network", "user", "--disk", name] + options
    }
  }
}
