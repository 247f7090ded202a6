import RandomFixtures
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Programs from the boot archive")
struct LoaderTests {
  typealias Segment = TestProgram.Segment

  /// A machine that was told to start `program` and nothing else.
  private func world(_ program: [UInt8], files: [(String, [UInt8])] = []) -> World {
    World(programs: 1, files: [("p", program)] + files)
  }

  @Test("read-only pages are mapped where they lie in the archive, writable ones are copied, the rest is zero")
  func standard() throws {
    let world = World(programs: 2)
    for environment: UInt32 in 0...1 {
      world.run(environment)
      let text = try #require(world.entry(0x40_0000))
      #expect(text & 1 << 63 == 0 && text & 2 == 0)
      let frame = UInt32(text >> 12 & 0xf_ffff)
      #expect(frame < world.kernel.header.value.firstFrame)
      #expect(world.machine.get(UInt64(frame) << 12, as: UInt8.self) == 0x90)
      let data = try #require(world.entry(0x40_2000))
      #expect(data & 2 != 0 && data >> 63 == 1)
      let copy = UInt64(data & 0xf_ffff_f000)
      #expect(world.kernel.frames[UInt32(copy >> 12)].owner == UInt8(environment))
      #expect(world.machine.bytes(copy, count: 16).allSatisfy { $0 == 0 })
      #expect(world.machine.bytes(copy + 16, count: 100) == Array(1...100))
      #expect(world.machine.bytes(copy + 116, count: 3980).allSatisfy { $0 == 0 })
      #expect(world.entry(0x40_3000) != nil)
      #expect(world.entry(0x40_4000) == nil)
      #expect(world.entry(0x40_1000) == nil)
      for page in 1...AddressMap.initialStackPages {
        #expect(world.entry(AddressMap.environmentPage - page * 4096) != nil)
      }
      #expect(world.entry(AddressMap.environmentPage - (AddressMap.initialStackPages + 1) * 4096) == nil)
      #expect(
        world.entry(AddressMap.environmentPage).map { $0 >> 12 & 0xf_ffff } == world.pageAddress(environment) >> 12)
    }
    let record = world.kernel.environments[1]
    #expect(record.savedInstructionPointer == 0x40_0000 && record.savedStackPointer == AddressMap.environmentPage)
    #expect(record.name.0 == 0x70)
    #expect(world.page(1).environment == 1)
    #expect(world.page(1).argumentsLength == 8)
    let arguments = world.machine.bytes(world.pageAddress(1) + EnvironmentPage.argumentsOffset, count: 8)
    #expect(String(decoding: arguments, as: UTF8.self) == "argument")
    Audit.check(world)
  }

  @Test("a read-only segment that does not lie in the archive as in memory is copied")
  func misaligned() throws {
    var segment = TestProgram.text
    segment.contents = Array(1...200)
    segment.offset = 4096 + 8
    segment.fileSize = 192
    let world = world(TestProgram.elf(segments: [segment]))
    world.run(0)
    let entry = try #require(world.entry(0x40_0000))
    #expect(entry >> 12 & 0xf_ffff >= UInt64(world.kernel.header.value.firstFrame))
    #expect(world.machine.bytes(entry & 0xf_ffff_f000, count: 192) == Array(9...200))
    Audit.check(world)
  }

  @Test("what follows a read-only segment in the file is not in its memory")
  func readOnlyTail() throws {
    let short = Segment(
      flags: 4, address: 0x40_0000, contents: Array(repeating: 7, count: 4000), memorySize: 5000, fileSize: 100)
    let world = world(TestProgram.elf(segments: [short]))
    world.run(0)
    let entry = try #require(world.entry(0x40_0000))
    #expect(world.machine.bytes(entry & 0xf_ffff_f000, count: 100).allSatisfy { $0 == 7 })
    #expect(world.machine.bytes(entry & 0xf_ffff_f000 + 100, count: 3996).allSatisfy { $0 == 0 })
    #expect(world.entry(0x40_1000).map { $0 & 2 } == 0)
  }

  @Test("segments outside the addresses of programs are refused")
  func addresses() {
    let places: [(UInt64, UInt64)] = [
      (0, 4096), (0xf000, 4096), (AddressMap.userEnd, 4096), (AddressMap.userEnd - 4096, 8192),
      (AddressMap.gatePage, 4096),
      (0xffff_ffff_8020_0000, 4096), (.max - 4095, 4096), (.max - 4095, 0x2_0000), (.max, 100), (0x40_0000, 1 << 40),
      (0x40_0000, .max), (AddressMap.environmentPage, 4096), (AddressMap.environmentPage - 4096, 4096),
    ]
    for (address, size) in places {
      var segment = TestProgram.text
      segment.address = address & ~0xfff
      segment.memorySize = size
      segment.contents = [0x90]
      let world = world(TestProgram.elf(segments: [segment]))
      #expect(world.kernel.header.value.liveEnvironments == 0, "at \(address), \(size) bytes")
      #expect(world.machine.takeConsole().contains("[kernel] cannot start p: a segment lies outside"), "at \(address)")
      #expect(world.kernel.kernelPrivate.value.machineStatus == 65)
      Audit.check(world)
      world.reapAll()
      Audit.check(world)
      #expect(world.kernel.environments[0].state == EnvironmentState.free.rawValue)
    }
  }

  @Test("segments that overlap are refused")
  func overlap() {
    var other = TestProgram.data
    other.address = 0x40_0800
    let world = world(TestProgram.elf(segments: [TestProgram.text, other]))
    #expect(world.kernel.header.value.liveEnvironments == 0)
    Audit.check(world)
  }

  @Test("segments that pass the file's end, files that are too short and headers of other machines are malformed")
  func malformed() {
    var programs: [[UInt8]] = [
      [], [0x7f], Array(TestProgram.standard.prefix(63)), Array(TestProgram.standard.prefix(170)),
    ]
    for (offset, size): (UInt64?, UInt64?) in [(1 << 40, nil), (.max, nil), (nil, 1 << 40), (nil, .max), (9000, 4096)] {
      var segment = TestProgram.text
      segment.offset = offset
      segment.fileSize = size
      segment.memorySize = 1 << 20
      programs.append(TestProgram.elf(segments: [segment]))
    }
    for (place, value): (Int, UInt8) in [
      (0, 0), (4, 1), (5, 2), (16, 3), (18, 3), (54, 1), (56, 0), (56, 17), (39, 0xff),
    ] {
      var program = TestProgram.standard
      program[place] = value
      programs.append(program)
    }
    for program in programs {
      let world = world(program)
      #expect(world.machine.takeConsole() == "[kernel] cannot start p: not a static x86-64 ELF program\n")
      #expect(world.kernel.header.value.liveEnvironments == 0)
      Audit.check(world)
    }
  }

  @Test("a program for which memory does not suffice, page tables included, leaves nothing behind")
  func memory() throws {
    let single = World(programs: 1)
    let needed = Int(single.kernel.environments[0].frames)
    withExtendedLifetime(single) {}
    for free in 0...needed {
      let world = World(programs: 1, memory: Int(FakeMachine.Place.firstFree) + free * 4096)
      #expect(world.kernel.header.value.liveEnvironments == (free == needed ? 1 : 0))
      world.reapAll()
      Audit.check(world)
      #expect(world.kernel.header.value.freeFrames == UInt32(free == needed ? 0 : free))
      guard free < needed else { continue }
      #expect(world.machine.takeConsole().contains("not enough memory"))
      #expect(throws: LoadError.exhausted) { try world.load() }
    }
  }

  @Test("programs share the machine evenly, and what they use already counts")
  func shares() {
    for programs in 1...5 {
      let world = World(programs: programs, processors: 2)
      let header = world.kernel.header.value
      for environment in 0..<UInt32(programs) {
        let record = world.kernel.environments[environment]
        if programs > 1 {
          #expect(record.quota(.frames).limit == (header.frameCount - header.firstFrame) / UInt32(programs))
          #expect(record.quota(.slices).limit == UInt32(128 / programs))
          #expect(record.quota(.filters).limit == UInt32(16 / programs))
        } else {
          #expect(record.quota(.frames).limit == header.frameCount)
        }
        #expect(record.quota(.slices).used == 1)
      }
      Audit.check(world)
    }
  }

  @Test("programs beyond the last record or the last frame are told, the others run")
  func exhausted() {
    let crowd = World(programs: 66)
    #expect(crowd.kernel.header.value.liveEnvironments == 64)
    #expect(crowd.machine.takeConsole().split(separator: "\n").count == 2)
    Audit.check(crowd)
    let small = World(programs: 20, memory: Int(FakeMachine.Place.firstFree) + 40 * 4096)
    let single = World(programs: 1)
    let needed = withExtendedLifetime(single) { single.kernel.environments[0].frames }
    #expect(small.kernel.header.value.liveEnvironments == 40 / needed)
    Audit.check(small)
    small.reapAll()
    Audit.check(small)
  }

  @Test("memory without a free frame has none", arguments: [0, 4096, 0x17_f123, 0x18_0000, 0x18_0001, 0x18_0fff])
  func noMemory(size: UInt64) {
    let world = World(programs: 0)
    var boot = world.boot
    boot.memorySize = size
    world.kernel.openBooks(boot, timeMultiplier: 1, timeShift: 0, entryKind: 0)
    #expect(world.kernel.header.value.freeFrames == 0)
    #expect(world.kernel.createBootEnvironment() == nil)
  }

  @Test("a random file in the place of a program is loaded or refused, and never breaks the books")
  func fuzz() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the loader's fuzz: \(seed)")
    var generator = SeededGenerator(seed: seed)
    var started = 0
    for round in 0..<300 {
      var program = TestProgram.standard
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 16..<176, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: program[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: program[place] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator)!
        default:
          let word = [0, 1, 0xfff, 0x1000, 1 << 32, AddressMap.userEnd, 1 << 63, .max - 4095, .max].randomElement(
            using: &generator)!
          let field = 64 + [8, 16, 32, 40, 64, 72, 88, 96].randomElement(using: &generator)!
          for byte in 0..<8 { program[field + byte] = UInt8(truncatingIfNeeded: word >> (UInt64(byte) * 8)) }
        }
      }
      if round % 10 == 0 { program = Array(program.prefix(Int.random(in: 0..<program.count, using: &generator))) }
      let world = World(programs: 2, memory: 4 << 20, files: [("p", program)])
      started += Int(world.kernel.header.value.liveEnvironments)
      let faults = Audit.faults(world)
      #expect(faults.isEmpty, "seed \(seed), round \(round): \(faults.prefix(3))")
      for environment in 0..<UInt32(2) where world.kernel.environments[environment].quota(.slices).used != 0 {
        world.run(environment)
        world.kernel.end(environment, status: 0)
      }
      world.reapAll()
      #expect(Audit.faults(world).isEmpty, "seed \(seed), round \(round), after the end")
      #expect(world.kernel.kernelPrivate.value.reaping == 0)
    }
    #expect(started > 0)
  }
}

@Suite("The boot archive")
struct ArchiveTests {
  private func find(_ name: String, in bytes: [UInt8]) -> Range<UInt64>? {
    let machine = FakeMachine(memory: 4 << 20)
    machine.put(0x20_0000, bytes: bytes)
    machine.put(0x10_0000, bytes: Array(name.utf8))
    let archive = Archive(bytes: PhysicalBytes(0x20_0000, count: UInt64(bytes.count), in: machine))
    return archive.find(
      0..<UInt64(name.utf8.count), of: PhysicalBytes(0x10_0000, count: UInt64(name.utf8.count), in: machine))
  }

  @Test("files are found by their whole name, with or without a leading ./")
  func find() {
    let archive = TestProgram.archive([("hello", [1, 2, 3]), ("./web", [4]), ("empty", [])])
    #expect(find("hello", in: archive) == 4096..<4099)
    #expect(find("web", in: archive).map { Int($0.upperBound - $0.lowerBound) } == 1)
    #expect(find("empty", in: archive).map { $0.isEmpty } == true)
    for name in ["hell", "hello2", "", "w", "HELLO", "./hello", String(repeating: "x", count: 100)] {
      #expect(find(name, in: archive) == nil)
    }
  }

  @Test("a name may have ninety-seven bytes")
  func longName() {
    let name = String(repeating: "n", count: 97)
    #expect(find(name, in: TestProgram.archive([(name, [1])])) != nil)
    #expect(find(String(repeating: "n", count: 96), in: TestProgram.archive([(name, [1])])) == nil)
  }

  @Test("a file that passes the archive's end, and everything behind it, is not there")
  func truncated() {
    let archive = TestProgram.archive([("a", Array(repeating: 1, count: 5000)), ("b", [1])])
    for count in stride(from: 0, to: archive.count, by: 97) {
      let cut = Array(archive.prefix(count))
      if let found = find("a", in: cut) { #expect(found.upperBound <= UInt64(count)) }
      if let found = find("b", in: cut) { #expect(found.upperBound <= UInt64(count)) }
    }
  }

  @Test("random changes never find a file outside the archive")
  func fuzz() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the archive's fuzz: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let good = TestProgram.archive([("a", [1]), ("b", Array(repeating: 2, count: 700)), ("c", [])])
    for _ in 0..<500 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let header = [3584, 7680, 11776].randomElement(using: &generator)!
        let place =
          header + [0, 1, 124 + Int.random(in: 0..<12, using: &generator), 156, 257].randomElement(using: &generator)!
        bytes[place % bytes.count] = UInt8.random(in: 0...255, using: &generator)
      }
      for name in ["a", "b", "c"] {
        if let found = find(name, in: bytes) { #expect(found.upperBound <= UInt64(bytes.count), "seed \(seed)") }
      }
    }
  }
}
