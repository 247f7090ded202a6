import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Runs of pages, restrictions and other page tables")
struct MappingRunTests {
  /// Frames in a row.
  private func row(_ world: World, _ count: UInt64) throws -> UInt64 {
    let first = UInt64(try world.allocate())
    for index in 1..<count { #expect(UInt64(try world.allocate()) == first + index) }
    return first
  }

  @Test("a run is mapped up to the first difference, and tells how far")
  func map() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let first = try row(world, 12)
    func map(_ address: UInt64, count: UInt64) -> UInt64 {
      kernel.frameMap(slot: 0, frame: first, address: address, rights: 3, count: count).number
    }
    #expect(map(0x50_0000, count: 8) == 8)
    _ = try world.allocateMapped(at: 0x51_3000)
    #expect(map(0x51_0000, count: 8) == 3, "a page that is mapped")
    #expect(kernel.frameGuard(slot: 0, frame: first + 5, name: 0, length: 0, allowed: 0).error == .notPermitted)
    let name = CapabilityName.environment(0, generation: 1)
    _ = kernel.frameGuard(slot: 0, frame: first + 5, name: name | 9 << 16, length: 6, allowed: 7)
    #expect(map(0x52_0000, count: 8) == 5, "another guard")
    _ = kernel.frameGuard(slot: 0, frame: first + 4, name: name, length: 5, allowed: 3)
    #expect(map(0x53_0000, count: 8) == 4, "other allowed rights")
    #expect(kernel.frameUnmap(address: 0x50_0000, count: 80).number == 8)
    #expect(world.machine.invalidated.suffix(8) == (0..<8).map { 0x50_0000 + $0 * 4096 })
    #expect(kernel.frameUnmap(address: 0x50_0000, count: 8).error == .noSuchResource)
    #expect(kernel.frameUnmap(address: 0x51_0000, count: 2).number == 2)
    Audit.check(world)
  }

  @Test("no run is longer than 64 pages, or leaves its table, or reaches the environment page")
  func bounds() throws {
    let world = World(programs: 1)
    world.run(0)
    let first = try row(world, 100)
    #expect(world.kernel.frameMap(slot: 0, frame: first, address: 0x50_0000, rights: 1, count: 100).number == 64)
    #expect(world.kernel.frameUnmap(address: 0x50_0000, count: .max).number == 64)
    #expect(
      world.kernel.frameMap(slot: 0, frame: first, address: 0x5e_a000, rights: 1, count: 64).number == 19,
      "up to the stack")
    #expect(world.kernel.frameUnmap(address: 0x5e_a000, count: 19).number == 19)
    Audit.check(world)
    let address = AddressMap.environmentPage - 4096
    #expect(world.kernel.frameUnmap(address: address, count: 2).number == 1)
    #expect(world.kernel.frameUnmap(address: AddressMap.environmentPage, count: 2).error == .badAddress)
    _ = world.kernel.tableInstall(slot: 0, frame: CallNumber.any, address: 0x60_0000, level: 1)
    #expect(world.kernel.frameMap(slot: 0, frame: first, address: 0x7f_f000, rights: 1, count: 8).number == 1)
    Audit.check(world)
  }

  @Test("protecting changes rights, clears what the processor noted, and needs what mapping needs")
  func protect() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let first = try row(world, 3)
    _ = kernel.frameMap(slot: 0, frame: first, address: 0x50_0000, rights: 3, count: 3)
    let place = try #require(world.machine.walk(kernel.processor.value.activeRoot, 0x50_0000))
    place.pointee |= 0x60
    world.machine.touch(0x50_0000)
    #expect(kernel.frameProtect(address: 0x50_0000, rights: 1, count: 9).number == 3)
    #expect(world.entry(0x50_0000) == first << 12 | 1 << 63 | 5)
    Audit.check(world)
    let name = CapabilityName.environment(0, generation: 1)
    _ = kernel.frameGuard(slot: 0, frame: first + 1, name: name, length: 5, allowed: 1)
    #expect(kernel.frameProtect(address: 0x50_0000, rights: 3, count: 3).number == 1, "up to the restricted one")
    #expect(kernel.frameProtect(address: 0x50_1000, rights: 3).error == .notPermitted)
    #expect(kernel.frameProtect(address: 0x50_3000, rights: 1).error == .noSuchResource)
    #expect(kernel.frameProtect(address: 0x90_0000, rights: 1).error == .noPageTable)
    #expect(kernel.frameProtect(address: 0x40_0000, rights: 3).error == .noSuchResource, "the archive's")
    #expect(kernel.frameProtect(address: AddressMap.environmentPage, rights: 1).error == .noSuchResource)
    #expect(kernel.frameProtect(slot: 9, address: 0x50_0000, rights: 1).error == .noSuchCapability)
    #expect(kernel.frameProtect(slot: 1, address: 0x50_0000, rights: 1).error == .notPermitted)
    for address in PageTableTests.badAddresses {
      #expect(kernel.frameProtect(address: address, rights: 1).error == .badAddress)
    }
    Audit.check(world)
  }

  @Test("entries that map nothing keep 63 bits of the libOS's own")
  func entryWrite() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    #expect(kernel.entryWrite(address: 0x50_0000, value: ~1).error == nil)
    #expect(world.machine.walk(kernel.processor.value.activeRoot, 0x50_0000)?.pointee == ~1)
    #expect(kernel.entryWrite(address: 0x50_0000, value: 5).error == .badArgument)
    #expect(kernel.entryWrite(address: 0x90_0000, value: 4).error == .noPageTable)
    #expect(kernel.entryWrite(address: 0x40_0000, value: 4).error == .busy)
    for address in PageTableTests.badAddresses + [AddressMap.reserved] {
      #expect(kernel.entryWrite(address: address, value: 4).error == .badAddress)
    }
    #expect(kernel.frameUnmap(address: 0x50_0000).error == .noSuchResource)
    _ = try world.allocateMapped(at: 0x50_0000)
    Audit.check(world)
  }

  @Test("a frame's guard is changed to what the capability dominates, and says what may be mapped")
  func frameGuard() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let frame = UInt64(try world.allocate())
    let name = CapabilityName.environment(0, generation: 1)
    func change(_ slot: UInt64, _ frame: UInt64, _ name: UInt64, _ length: UInt64, _ allowed: UInt64) -> CallError? {
      kernel.frameGuard(slot: slot, frame: frame, name: name, length: length, allowed: allowed).error
    }
    #expect(change(0, frame, name, 9, 7) == .badArgument)
    #expect(change(0, frame, name, 5, 8) == .badArgument)
    #expect(change(0, frame, name, 4, 7) == .notPermitted)
    #expect(change(1, frame, name, 5, 7) == .notPermitted)
    #expect(change(9, frame, name, 5, 7) == .noSuchCapability)
    #expect(change(0, .max, name, 5, 7) == .noSuchResource)
    #expect(change(0, UInt64(kernel.environments[0].rootTable), name, 5, 7) == .noSuchResource)
    #expect(change(0, frame, name, 5, 1) == nil)
    #expect(kernel.frameMap(slot: 0, frame: frame, address: 0x50_0000, rights: 3).error == .notPermitted)
    #expect(kernel.frameMap(slot: 0, frame: frame, address: 0x50_0000, rights: 4).error == .notPermitted)
    #expect(kernel.frameMap(slot: 0, frame: frame, address: 0x50_0000, rights: 1).error == nil)
    #expect(change(3, frame, CapabilityName.environment(1, generation: 1), 5, 3) == nil)
    #expect(kernel.frameMap(slot: 0, frame: frame, address: 0x50_1000, rights: 1).error == .notPermitted)
    world.run(1)
    #expect(kernel.frameMap(slot: 0, frame: frame, address: 0x50_0000, rights: 3).error == nil)
    Audit.check(world)
  }

  @Test("a frame is given to an environment that has room, with its guard")
  func frameGive() throws {
    let world = World()
    let kernel = world.kernel
    world.run(0)
    let child = try world.spawn(quotas: [6, 1, 0, 0, 0, 0])
    let table = world.handle(child) | 5 << 32
    let frame = UInt64(try world.allocateMapped(at: 0x50_0000))
    #expect(kernel.frameGive(slot: 0, frame: frame, environment: world.handle(child)).error == .notPermitted)
    #expect(kernel.frameGive(slot: 0, frame: frame, environment: (world.handle(child) + 256) | 5 << 32).error != nil)
    #expect(kernel.frameGive(slot: 5, frame: frame, environment: table).error == .notPermitted)
    #expect(kernel.frameGive(slot: 9, frame: frame, environment: table).error == .noSuchCapability)
    #expect(kernel.frameGive(slot: 0, frame: .max, environment: table).error == .noSuchResource)
    #expect(kernel.frameGive(slot: 0, frame: frame, environment: table).error == nil)
    #expect(kernel.frames[UInt32(frame)].owner == UInt8(child))
    #expect(kernel.frames[UInt32(frame)].guardName == kernel.environments[child].guardName)
    Audit.check(world)
    let second = UInt64(try world.allocate())
    #expect(kernel.frameGive(slot: 0, frame: second, environment: table).error == .exhausted)
    _ = try kernel.environmentDestroy(slot: 5, environment: world.handle(child))
    world.reapAll()
    Audit.check(world)
    #expect(kernel.frames[UInt32(frame)].kind == 0)
    #expect(world.entry(0x50_0000) == nil, "the giver has lost it, and is told")
    #expect(world.told(0).map(\.resource) == [frame])
  }

  @Test("another's page table is changed with the right to control it, and all processors forget")
  func elsewhere() throws {
    let world = World(programs: 1, processors: 2)
    let kernel = world.kernel
    world.run(0)
    let child = try world.spawn()
    let table = world.handle(child) | 5 << 32
    let frame = UInt64(try world.allocate())
    func map(_ table: UInt64) -> CallError? {
      kernel.frameMap(slot: 0, frame: frame, address: 0x50_0000, rights: 3, table: table).error
    }
    #expect(map(world.handle(child)) == .notPermitted)
    #expect(map(world.handle(child) | 9 << 32) == .noSuchCapability)
    #expect(map((world.handle(child) + 256) | 5 << 32) == .noSuchResource)
    #expect(map(table) == nil)
    #expect(map(table) == .busy)
    Audit.check(world)
    // The child runs elsewhere and has used the page.
    let position = try #require((0..<UInt32(128)).first { kernel.slices[$0].ownerPlusOne == child + 1 })
    let here = world.machine.processor
    try #require(position / 64 != here)
    world.machine.processor = position / 64
    kernel.enter(Turn(position: position % 64, environment: child))
    world.machine.touch(0x50_0000)
    world.machine.processor = here
    #expect(kernel.frameProtect(address: 0x50_0000, rights: 1, table: table).number == 1)
    #expect(world.machine.flushes == [position / 64])
    Audit.check(world)
    #expect(kernel.frameUnmap(address: 0x50_0000, count: 1, table: table).number == 1)
    Audit.check(world)
  }

  @Test("one processor forgets translations of a page table that the running environment shares")
  func sharedTable() throws {
    let world = World(programs: 1)
    let kernel = world.kernel
    world.run(0)
    let handle = try world.create(page: 0x51_0000, sharedTable: Handle.own).value()
    let table = handle | 5 << 32
    _ = try kernel.framesAllocateMapped(slot: 0, address: 0x50_0000, count: 3).value()
    for page: UInt64 in [0x50_0000, 0x50_1000, 0x50_2000] { world.machine.touch(page) }
    #expect(kernel.frameProtect(slot: 0, address: 0x50_0000, rights: 1, count: 2, table: table).number == 2)
    Audit.check(world)
    #expect(kernel.frameUnmap(address: 0x50_0000, count: 3, table: table).number == 3)
    Audit.check(world)
  }
}
