import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("What ended environments owned comes back from whoever has it")
struct ForcedEndTests {
  /// Chores until the record of an ended environment is free; nil where it takes more than the bound.
  private func choresToFree(_ world: World, _ ended: UInt32) -> Int? {
    for count in 0...world.reaperBound(ended) {
      if world.kernel.environments[ended].state == EnvironmentState.free.rawValue { return count }
      _ = world.kernel.doChores()
      Audit.check(world)
    }
    return nil
  }

  @Test("a record comes back though somebody maps one of its frames")
  func zombie() throws {
    let world = World(programs: 1)
    let kernel = world.kernel
    world.run(0)
    for round in 0..<80 as Range<UInt64> {
      let parent = try world.spawn(quotas: [40, 1, 0, 0, 1, 0], into: 5)
      let table = world.handle(parent) | 5 << 32
      _ = try kernel.framesAllocateMapped(slot: 5, address: 0x50_0000, count: 1, table: table).value()
      let frame = try #require(
        (0..<kernel.frames.count).first { kernel.frames[$0].kind == 1 && kernel.frames[$0].owner == UInt8(parent) })
      let address = 0x48_0000 + round % 64 * 4096
      _ = try kernel.frameMap(slot: 5, frame: UInt64(frame), address: address, rights: 1).value()
      world.machine.touch(address)
      _ = try kernel.environmentDestroy(slot: 5, environment: world.handle(parent))
      #expect(choresToFree(world, parent) != nil, "round \(round)")
      #expect(world.entry(address) == nil && world.page(0).repossessed == round + 1)
      #expect(world.told(0).last.map { $0.resource == UInt64(frame) && $0.address == address } == true)
      // The sweep that has found the mapping goes on to its end.
      for _ in 0..<world.reaperBound(parent) where kernel.hasChores { _ = kernel.doChores() }
      #expect(!kernel.hasChores && kernel.kernelPrivate.value.needsChores == 0)
      _ = kernel.capabilityDrop(slot: 5)
    }
  }

  @Test("a record comes back though somebody's predicate looks at one of its frames, and the waiter is told")
  func pinnedZombie() throws {
    let world = World()
    let kernel = world.kernel
    _ = try waitedFor(world)
    kernel.end(0, status: 0)
    #expect(choresToFree(world, 0) != nil)
    #expect(world.told(1).map(\.address) == [Repossession.predicate] && world.runNext() == 1)
    #expect(world.page(1).matchedTerm == 0)
  }

  /// A frame of the first environment's, for which the second one waits with a predicate.
  private func waitedFor(_ world: World) throws -> UInt32 {
    world.run(0)
    let frame = try world.allocate(slot: CapabilitySlot.disks)
    world.run(1)
    #expect(try bind(world, frame) == nil)
    #expect(world.sleepUntil())
    return frame
  }

  /// Binds a predicate of the running environment's on a frame that everybody may read.
  private func bind(_ world: World, _ frame: UInt32) throws -> CallError? {
    let program = try world.allocate()
    let word = Comparison(.frame, place: UInt64(frame) << 12, low: 1, high: 1, capability: CapabilitySlot.disks)
    world.machine.put(UInt64(program) << 12, word)
    return world.kernel.predicateBind(slot: 0, frame: UInt64(program), offset: 0, count: 1).error
  }

  @Test(
    "a reader's predicate does not keep the owner from freeing a frame or giving it away", arguments: [true, false])
  func reader(isFreed: Bool) throws {
    let world = World(programs: 2)
    let kernel = world.kernel
    let frame = try waitedFor(world)
    world.run(0)
    let child = try world.spawn()
    let result =
      isFreed
      ? kernel.frameFree(slot: CapabilitySlot.disks, frame: UInt64(frame))
      : kernel.frameGive(
        slot: CapabilitySlot.disks, frame: UInt64(frame), environment: world.handle(child) | 5 << 32)
    #expect(result.error == nil)
    Audit.check(world)
    #expect(kernel.environments[1].state == EnvironmentState.runnable.rawValue && kernel.predicates[1].count == 0)
    #expect(world.told(1).map(\.resource) == [UInt64(frame)] && world.page(1).events == 1)
  }

  @Test("a record whose frame a device has waits without chores")
  func waiting() throws {
    let disk = FakeDisk(blocks: 64)
    let world = World(disk: disk)
    let kernel = world.kernel
    world.run(0)
    let frame = UInt64(try world.allocate())
    let extent = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 64, rights: 1).value()
    _ = try kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 8, tag: 0).value()
    kernel.end(0, status: 0)
    for _ in 0..<100 { _ = kernel.doChores() }
    #expect(!kernel.hasChores && kernel.kernelPrivate.value.needsChores == 0)
    disk.serve()
    kernel.deviceInterrupt(UInt64(disk.interrupt))
    #expect(choresToFree(world, 0) != nil)
  }

  @Test("packets of living environments that a device does not send are no chores for an ended one's frames")
  func stuckSender() throws {
    let disk = FakeDisk(blocks: 64)
    let world = World(disk: disk, network: FakeNetwork())
    let kernel = world.kernel
    world.run(1)
    #expect(world.send(1, [SendPiece(frame: try world.allocate(), offset: 0, length: 60)]).error == nil)
    world.run(0)
    let frame = UInt64(try world.allocate())
    let extent = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 64, rights: 1).value()
    _ = try kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 8, tag: 0).value()
    kernel.end(0, status: 0)
    for _ in 0..<100 { _ = kernel.doChores() }
    #expect(kernel.environments[0].state == EnvironmentState.ended.rawValue && !kernel.hasChores)
    Audit.check(world)
  }

  @Test("an end in the middle of a sweep leaves nobody out, where another shares the page table")
  func endDuringSweep() throws {
    let world = World(programs: 3)
    let kernel = world.kernel
    world.run(2)
    let frame = try world.allocate(slot: CapabilitySlot.disks)
    world.run(1)
    let result = kernel.frameMap(slot: CapabilitySlot.disks, frame: UInt64(frame), address: 0x50_0000, rights: 1)
    #expect(result.error == nil)
    world.run(0)
    _ = try world.create(page: 0x51_0000, sharedTable: Handle.own).value()
    kernel.end(2, status: 0)
    while !kernel.needsSweep { _ = kernel.reap(limit: 1) }
    kernel.sweep(limit: 2)
    #expect(kernel.kernelPrivate.value.sweep.environment == 0)
    kernel.end(0, status: 0)
    #expect(choresToFree(world, 2) != nil)
    world.run(1)
    #expect(world.entry(0x50_0000) == nil)
  }

  @Test("a sweep finds a page table that somebody with a number it has passed has taken over meanwhile")
  func handedOnDuringSweep() throws {
    let world = World(programs: 4)
    let kernel = world.kernel
    kernel.end(0, status: 0)
    world.reapAll()
    world.run(3)
    let frame = try world.allocate(slot: CapabilitySlot.disks)
    for reader: UInt32 in [1, 2] {
      world.run(reader)
      let result = kernel.frameMap(slot: CapabilitySlot.disks, frame: UInt64(frame), address: 0x50_0000, rights: 1)
      #expect(result.error == nil)
    }
    kernel.end(3, status: 0)
    while !kernel.needsSweep { _ = kernel.reap(limit: 1) }
    kernel.sweep(limit: 2)
    #expect(kernel.kernelPrivate.value.sweep.environment == 1)
    world.run(2)
    let child = try world.create(page: 0x51_0000, sharedTable: Handle.own).value()
    #expect(Handle.index(child) == 0)
    kernel.end(2, status: 0)
    #expect(choresToFree(world, 3) != nil)
    let table = try #require(kernel.lastTable(root: kernel.rootTable(of: 0), address: 0x50_0000))
    #expect(kernel.tableEntry(table, 0x50_0000 >> 12) & 1 == 0)
  }
}
