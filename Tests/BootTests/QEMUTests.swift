import Foundation
import Testing

/// The images that `xokvm image` writes, on another VMM with its stock devices.
@Suite(
  "QEMU's microvm",
  .enabled(if: Command.hasKVM && Command.find("qemu-system-x86_64") != nil, "QEMU is missing: apt-get install qemu-system-x86"))
struct QEMUTests {
  private static let machine = [
    "-enable-kvm", "-cpu", "qemu64", "-M", "microvm,acpi=off,isa-serial=on,x-option-roms=off", "-nodefaults", "-no-user-config",
    "-display", "none", "-serial", "stdio", "-no-reboot", "-m", "256", "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
    "-global", "virtio-mmio.force-legacy=false",
  ]

  private func images() throws -> (kernel: String, programs: String) {
    let kernel = try Command.temporaryFile("kernel.elf")
    let programs = try Command.temporaryFile("programs.tar")
    let written = try Command.run(Command.xokvm, ["image", "--kernel", kernel, "--programs", programs])
    #expect(written.status == 0, "\(written.errors)")
    return (kernel, programs)
  }

  @Test("boots our kernel and programs, unchanged")
  func hello() throws {
    let (kernel, programs) = try images()
    let result = try Command.run(
      Command.find("qemu-system-x86_64") ?? "",
      Self.machine + ["-kernel", kernel, "-initrd", programs, "-append", "app=hello app=hello"], seconds: 60)
    #expect(result.status == 1, "0 by way of isa-debug-exit: \(result.output)\(result.errors)")
    #expect(result.output.contains("[0 hello] hello from environment 0"), "\(result.output)\(result.errors)")
    #expect(result.output.contains("[1 hello] hello from environment 1"))
  }

  @Test("serves our web server with its own disk and network")
  func web() throws {
    let (kernel, programs) = try images()
    let folder = try Command.temporaryFile("site")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let page = Data("served by the exokernel on QEMU\n".utf8)
    try page.write(to: URL(filePath: folder + "/index.html"))
    let archive = folder + ".tar"
    _ = try Command.run(Command.find("tar") ?? "/bin/tar", ["-cf", archive, "-C", folder, "."])
    let port = UInt16.random(in: 20000..<60000)
    let machine = try Command.start(
      Command.find("qemu-system-x86_64") ?? "",
      Self.machine + [
        "-kernel", kernel, "-initrd", programs, "-append", "app=web",
        "-drive", "id=disk,file=\(archive),format=raw,if=none,readonly=on", "-device", "virtio-blk-device,drive=disk",
        "-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:\(port)-:80", "-device", "virtio-net-device,netdev=net",
      ])
    #expect(machine.waitForOutput("serving", seconds: 60), "\(machine.output)\(machine.errors)")
    let response = try WebClient(port: port).request("GET", "/index.html")
    #expect(response.status == 200)
    #expect(response.body == Array(page))
    machine.signal(SIGTERM)
    _ = machine.wait(seconds: 10)
  }
}
