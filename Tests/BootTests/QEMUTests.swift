import Foundation
import Testing

/// The images that `xokvm image` writes, on another VMM with its stock devices.
@Suite(
  "QEMU's microvm",
  .enabled(
    if: Command.hasKVM && Command.find("qemu-system-x86_64") != nil,
    "QEMU or /dev/kvm is missing: apt-get install qemu-system-x86"))
struct QEMUTests {
  private let folder: ScratchFolder
  private let boot: [String]

  init() throws {
    folder = try ScratchFolder()
    let written = try Command.run(
      Command.xokvm, ["image", "--kernel", folder.path("kernel.elf"), "--programs", folder.path("programs.tar")])
    #expect(written.status == 0 && written.output.isEmpty && written.errors.isEmpty, "\(written.all)")
    boot = [
      "-enable-kvm", "-cpu", "qemu64", "-M", "microvm,acpi=off,isa-serial=on,x-option-roms=off", "-nodefaults",
      "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-m", "256",
      "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-global", "virtio-mmio.force-legacy=false",
      "-kernel", folder.path("kernel.elf"),
    ]
  }

  private func run(_ arguments: [String]) throws -> CommandResult {
    try Command.run(Command.find("qemu-system-x86_64") ?? "", boot + arguments)
  }

  @Test("boots our kernel and programs, unchanged")
  func hello() throws {
    let result = try run(["-initrd", folder.path("programs.tar"), "-append", "app=hello app=hello"])
    #expect(result.status == 1, "0 by way of isa-debug-exit: \(result.all)")
    #expect(result.output.contains("[0 hello] hello from environment 0"), "\(result.all)")
    #expect(result.output.contains("[1 hello] hello from environment 1"))
  }

  @Test("is told of a program that is not there, and of a boot archive that is none, and runs the rest")
  func malformedArchive() throws {
    let missing = try run(["-initrd", folder.path("programs.tar"), "-append", "app=nobody app=hello"])
    #expect(missing.output.contains("[kernel] cannot start nobody: no such program in the boot archive"))
    #expect(missing.output.contains("hello from environment"))
    #expect(missing.status == 66 << 1 | 1, "\(missing.all)")
    try folder.store("noise", ScratchFolder.noise(10_000))
    let noise = try run(["-initrd", folder.path("noise"), "-append", "app=hello"])
    #expect(noise.output.contains("[kernel] cannot start hello: the first boot module is no ustar archive"))
    #expect(noise.status == 65 << 1 | 1, "\(noise.all)")
  }

  @Test("serves our web server with its own disk and network")
  func web() throws {
    let site = try Site(files: Site.files.filter { $0.size < 1 << 20 })
    let port = try Command.freePort()
    let machine = try Command.start(
      Command.find("qemu-system-x86_64") ?? "",
      boot + [
        "-initrd", folder.path("programs.tar"), "-append", "app=web",
        "-drive", "id=disk,file=\(site.archive),format=raw,if=none,readonly=on",
        "-device", "virtio-blk-device,drive=disk",
        "-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:\(port)-:80", "-device", "virtio-net-device,netdev=net",
      ])
    #expect(machine.waitForOutput("serving", seconds: 60), "\(machine.output)\(machine.errors)")
    let client = try WebClient(port: port)
    for path in ["index.html", "empty.txt", "middle.bin"] {
      let response = try client.request("GET", "/\(path)")
      #expect(response.status == 200)
      #expect(try response.body == site.contents(path), "\(path)")
    }
    machine.signal(SIGTERM)
    _ = machine.wait(seconds: 10)
  }
}
