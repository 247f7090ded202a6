import RandomFixtures
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("The boot command line")
struct CommandLineTests {
  /// The known words of a command line, as text.
  private func words(_ bytes: [UInt8], _ part: CommandLine.Part = .all) -> [String] {
    let machine = FakeMachine(memory: 1 << 20)
    if !bytes.isEmpty { machine.put(0x9_0000, bytes: bytes) }
    var line = CommandLine(PhysicalBytes(0x9_0000, count: UInt64(bytes.count), in: machine), part)
    var found: [String] = []
    while let word = line.next(), found.count < 5000 {
      switch word {
      case .device(let address, let interrupt): found.append("device \(String(address, radix: 16)) \(interrupt)")
      case .program(let name, let arguments):
        #expect(name.upperBound <= UInt64(bytes.count) && arguments.upperBound <= UInt64(bytes.count))
        let text = { (range: Range<UInt64>) in
          String(decoding: bytes[Int(range.lowerBound)..<Int(range.upperBound)], as: UTF8.self)
        }
        found.append("program \(text(name)) (\(text(arguments)))")
      case .slice(let microseconds): found.append("slice \(microseconds)")
      }
    }
    return found
  }
  private func words(_ text: String) -> [String] { words(Array(text.utf8)) }

  @Test("devices as Linux knows them")
  func devices() {
    #expect(words("virtio_mmio.device=512@0xfeb00000:5") == ["device feb00000 5"])
    #expect(
      words("virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=0x200@0xD0001000:23")
        == ["device d0000000 5", "device d0001000 17"].map { $0 == "device d0001000 17" ? "device d0001000 23" : $0 })
    #expect(words("virtio_mmio.device=1M@3489660928:7:0") == ["device d0000000 7"])
  }

  @Test("malformed devices are passed over")
  func badDevices() {
    for text in [
      "virtio_mmio.device=", "virtio_mmio.device=512", "virtio_mmio.device=512@", "virtio_mmio.device=512@0xfeb00000",
      "virtio_mmio.device=512@0xfeb00000:", "virtio_mmio.device=512@0xfeb00000:24", "virtio_mmio.device=@0xfeb00000:5",
      "virtio_mmio.device=512@0xfeb00001:5", "virtio_mmio.device=512@0xfffffe04:5",
      "virtio_mmio.device=512@0xffffffffffffff00:5",
      "virtio_mmio.device=512@0xfffffffffffffffc:5", "virtio_mmio.device=512@0x100000000:5",
      "virtio_mmio.device=512@0x:5",
      "virtio_mmio.device=512@0x11111111111111111:5", "xvirtio_mmio.device=512@0xfeb00000:5",
    ] { #expect(words(text) == [], "\(text)") }
  }

  @Test("programs with and without arguments, in their order")
  func programs() {
    #expect(
      words("app=hello app=web:ip=10.0.0.2/24,gateway=10.0.0.1") == [
        "program hello ()", "program web (ip=10.0.0.2/24,gateway=10.0.0.1)",
      ])
    #expect(words("app=a: app=b:c:d") == ["program a ()", "program b (c:d)"])
    #expect(words("app=") == ["program  ()"])
  }

  @Test("unknown words and spaces are passed over")
  func unknown() {
    #expect(words("  console=ttyS0   app=a  quiet myapp=b slice=500 panic=-1 ") == ["program a ()", "slice 500"])
    #expect(words("") == [])
    #expect(words("   ") == [])
    #expect(words("slice=x slice= slice=0x10") == ["slice 16"])
  }

  @Test("random text is read to its end and never past it")
  func fuzz() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the command line's fuzz: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let parts = [
      "virtio_mmio.device=", "app=", "slice=", "512", "@", "0x", "feb00000", ":", "5", " ", "K", "M", "z", "\u{7f}",
      "9999999999999999999",
    ]
    for _ in 0..<3000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0..<12, using: &generator) {
        bytes += Array(parts.randomElement(using: &generator)!.utf8)
      }
      if Bool.random(using: &generator), !bytes.isEmpty {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let all = words(bytes)
      #expect(all.count <= bytes.count, "seed \(seed)")
      // Each part has its words in their order, wherever the others stand.
      #expect(words(bytes, .programs) == all.filter { $0.hasPrefix("program ") }, "seed \(seed)")
      #expect(words(bytes, .machine) == all.filter { !$0.hasPrefix("program ") }, "seed \(seed)")
    }
  }

  @Test("an unknown program is told, with status 66; the others run")
  func unknownProgram() {
    let world = World(programs: 1, words: "app=no\u{1b}[2Jsuch")
    #expect(world.machine.takeConsole() == "[kernel] cannot start no?[2Jsuch: no such program in the boot archive\n")
    #expect(world.kernel.kernelPrivate.value.machineStatus == 66)
    #expect(world.kernel.header.value.liveEnvironments == 1)
  }

  @Test("a command line without a program is told, with the status of wrong use")
  func noProgram() {
    let world = World(programs: 0, words: "quiet console=ttyS0")
    #expect(
      world.machine.takeConsole() == "[kernel] there is no program to run: name one on the command line, app=NAME\n")
    #expect(world.kernel.kernelPrivate.value.machineStatus == 64)
    let other = World(programs: 1)
    #expect(other.machine.takeConsole() == "" && other.kernel.kernelPrivate.value.machineStatus == 0)
  }

  @Test("slices have the length asked for")
  func sliceLength() {
    let world = World(programs: 0)
    // 2.6 GHz, as KVM tells it: nanoseconds are time stamps times the multiplier, shifted right by 33.
    let multiplier = UInt64(Double(1 << 33) / 2.6)
    world.kernel.openBooks(world.boot, timeMultiplier: multiplier, timeShift: 33, entryKind: 0)
    for microseconds: UInt64 in [100, 10_000, 1_000_000, 100_000_000, 3_600_000_000, .max] {
      let expected = Double(min(microseconds, 3_600_000_000)) * 2600
      #expect(abs(Double(world.kernel.timeStamps(microseconds: microseconds)) / expected - 1) < 1e-6)
    }
    for (multiplier, shift): (UInt64, UInt32) in [(0, 0), (1, 0), (1, 63), (.max, 63), (UInt64(UInt32.max), 1)] {
      world.kernel.openBooks(world.boot, timeMultiplier: multiplier, timeShift: shift, entryKind: 0)
      _ = world.kernel.timeStamps(microseconds: .max)
    }
  }
}
