import Foundation
import Testing

/// What a program was told is durable, when the monitor ends without a chance to do anything.
@Suite("A flush that has ended", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct DurabilityTests {
  /// What the program `diskflush` writes.
  private static let expected = Data(
    (0..<64 as Range<UInt64>).flatMap { page in
      (0..<512 as Range<UInt64>).flatMap { word in
        withUnsafeBytes(of: (page << 32 | word).littleEndian) { Array($0) }
      }
    })
  private static let byteCount = 64 * 4096 + 4096

  private func check(_ disk: String, _ before: Data) throws {
    let after = try Data(contentsOf: URL(filePath: disk))
    #expect(after.prefix(Self.expected.count) == Self.expected && after.count == Self.byteCount)
    #expect(after.suffix(4096) == before.suffix(4096))
  }

  @Test("is found in the image when the monitor is killed behind it")
  func killed() throws {
    let folder = try ScratchFolder()
    let before = try ScratchFolder.noise(Self.byteCount)
    let disk = try folder.store("disk", before)
    let machine = try Guests.start(["diskflush"], in: folder, options: ["--disk", disk])
    #expect(machine.waitForOutput("[0 diskflush] durable"), "\(machine.output)\(machine.errors)")
    machine.signal(SIGKILL)
    #expect(machine.wait().status == 128 + SIGKILL)
    try check(disk, before)
  }

  @Test(
    "ends well only where the host has synchronized the image",
    .enabled(if: Command.succeeds("strace -o /dev/null true"), "strace is missing, or may not trace"))
  func synchronized() throws {
    let folder = try ScratchFolder()
    let disk = try folder.store("disk", try ScratchFolder.noise(Self.byteCount))
    // Where every fdatasync fails, a flush that went another way would end well.
    let machine = try Command.start(
      Command.find("strace") ?? "",
      [
        "-f", "-o", folder.path("trace"), "-e", "trace=io_uring_setup,fdatasync", "-e",
        "inject=io_uring_setup:error=EPERM", "-e", "inject=fdatasync:error=EIO", Command.xokvm,
      ] + (try Guests.arguments(["diskflush"], in: folder)) + ["--disk", disk, "--timeout", "60"])
    let result = machine.wait()
    #expect(result.status == 74 && !result.output.contains("durable"), "\(result.all)")
    let trace = try String(contentsOfFile: folder.path("trace"), encoding: .utf8)
    #expect(trace.split(separator: "\n").count { $0.contains("fdatasync(") } == 1, "\(trace)")
  }

  @Test("is refused to an extent of a read-only disk")
  func readOnly() throws {
    let folder = try ScratchFolder()
    let disk = try folder.store("disk", try ScratchFolder.noise(Self.byteCount))
    let result = try Guests.boot("diskflush", options: ["--disk", "\(disk),readonly"])
    #expect(result.lines == ["[0 diskflush] refused: not permitted"] && result.status == 77, "\(result.all)")
  }

  @Test(
    "is found in the image when QEMU is killed behind it",
    .enabled(if: Command.find("qemu-system-x86_64") != nil, "QEMU is missing: apt-get install qemu-system-x86"))
  func qemu() throws {
    let folder = try ScratchFolder()
    let before = try ScratchFolder.noise(Self.byteCount)
    let disk = try folder.store("disk", before)
    _ = try Guests.arguments(["diskflush"], in: folder)
    let (kernel, programs) = (folder.path("kernel.elf"), folder.path("programs.tar"))
    #expect(try Command.run(Command.xokvm, ["image", "--kernel", kernel]).status == 0)
    let archive = ["--format=ustar", "-cf", programs, "-C", folder.path("."), "diskflush"]
    #expect(try Command.run(Command.find("tar") ?? "", archive).status == 0)
    let machine = try Command.start(
      Command.find("qemu-system-x86_64") ?? "",
      [
        "-enable-kvm", "-cpu", "qemu64", "-M", "microvm,acpi=off,isa-serial=on,x-option-roms=off", "-nodefaults",
        "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-m", "256",
        "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", programs,
        "-append", "app=diskflush", "-drive", "id=disk,file=\(disk),format=raw,if=none",
        "-device", "virtio-blk-device,drive=disk",
      ])
    #expect(machine.waitForOutput("[0 diskflush] durable", seconds: 60), "\(machine.output)\(machine.errors)")
    machine.signal(SIGKILL)
    _ = machine.wait()
    try check(disk, before)
  }
}
