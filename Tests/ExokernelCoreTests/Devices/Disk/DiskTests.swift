import RandomFixtures
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Disks")
struct DiskTests {
  private func world(blocks: Int = 64, isReadOnly: Bool = false, programs: Int = 2) -> (World, FakeDisk) {
    let disk = FakeDisk(blocks: blocks, isReadOnly: isReadOnly)
    let world = World(programs: programs, disk: disk)
    world.run(0)
    return (world, disk)
  }

  private func interrupt(_ world: World) { world.kernel.deviceInterrupt(UInt64(world.disk!.interrupt)) }
  private func status(_ world: World, _ tag: UInt64, of environment: UInt32 = 0) -> UInt8 {
    world.machine.get(world.pageAddress(environment) + EnvironmentPage.blockStatusOffset + tag)
  }

  @Test("blocks of an extent are read and written where the extent says")
  func transfer() throws {
    let (world, disk) = world()
    let frame = try world.allocate()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 10, count: 20, rights: 3).value()
    #expect(world.kernel.blockSubmit(extent: extent, block: 5, frame: UInt64(frame), operation: 3, tag: 7).error == nil)
    #expect(status(world, 7) == 0)
    #expect(world.kernel.frames[frame].pins == 1)
    #expect(disk.notifications == [0])
    disk.serve()
    interrupt(world)
    #expect(status(world, 7) == 1)
    #expect(world.page(0).events == 1)
    #expect(world.kernel.frames[frame].pins == 0)
    #expect(world.machine.bytes(UInt64(frame) << 12, count: 1536) == Array(disk.contents[15 * 512..<18 * 512]))
    #expect(world.machine.bytes(UInt64(frame) << 12 + 1536, count: 512).allSatisfy { $0 == 0 })
    world.machine.put(UInt64(frame) << 12, bytes: Array(repeating: 0xee, count: 512))
    #expect(
      world.kernel.blockSubmit(extent: extent, block: 19, frame: UInt64(frame), operation: 1 | 1 << 32, tag: 8).error
        == nil)
    disk.serve()
    interrupt(world)
    #expect(disk.contents[29 * 512..<30 * 512].allSatisfy { $0 == 0xee })
    #expect(disk.contents[30 * 512] != 0xee)
    #expect(disk.served.map(\.sector) == [15, 29])
    Audit.check(world)
  }

  @Test("an extent lies on its disk, whatever the numbers")
  func extentBounds() {
    let (world, _) = world()
    func bind(_ first: UInt64, _ count: UInt64, disk: UInt64 = 0, rights: UInt64 = 3, slot: UInt64 = 1) -> CallError? {
      world.kernel.extentBind(slot: slot, disk: disk, first: first, count: count, rights: rights).error
    }
    #expect(bind(0, 64) == nil)
    #expect(bind(63, 1) == nil)
    for (first, count): (UInt64, UInt64) in [
      (0, 0), (64, 0), (64, 1), (0, 65), (1, 64), (.max, 1), (1, .max), (.max, .max), (2, .max - 1), (1 << 63, 1 << 63),
    ] { #expect(bind(first, count) == .badArgument) }
    for disk: UInt64 in [1, 4, 1 << 32, .max] { #expect(bind(0, 1, disk: disk) == .noSuchResource) }
    for rights: UInt64 in [0, 4, 8, 1 << 32 | 4] { #expect(bind(0, 1, rights: rights) == .notPermitted) }
  }

  @Test("a request stays inside its extent, whatever the numbers")
  func requestBounds() throws {
    let (world, disk) = world()
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 10, count: 4, rights: 3).value()
    func submit(_ block: UInt64, _ operation: UInt64, tag: UInt64 = 0) -> CallError? {
      world.kernel.blockSubmit(extent: extent, block: block, frame: frame, operation: operation, tag: tag).error
    }
    for (block, count): (UInt64, UInt64) in [
      (0, 0), (0, 5), (0, 8), (0, 9), (4, 1), (3, 2), (.max, 1), (.max, 4), (.max - 9, 8), (1 << 63, 4),
      (0, 0xffff_ffff),
    ] { #expect(submit(block, count) == .badArgument) }
    for tag: UInt64 in [64, 255, 1 << 32, .max] { #expect(submit(0, 1, tag: tag) == .badArgument) }
    #expect(disk.perform() == nil)
    Audit.check(world)
    #expect(submit(3, 1, tag: 63) == nil)
    #expect(submit(0, 4) == nil)
  }

  @Test("an extent is its owner's alone, and goes no further than its rights")
  func extentRights() throws {
    let (world, _) = world()
    let read = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 1).value()
    let write = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 2).value()
    let frame = UInt64(try world.allocate())
    #expect(
      world.kernel.blockSubmit(extent: read, block: 0, frame: frame, operation: 1 | 1 << 32, tag: 0).error
        == .notPermitted)
    #expect(
      world.kernel.blockSubmit(extent: read, block: 0, frame: frame, operation: 1 | 1 << 63, tag: 0).error
        == .notPermitted)
    #expect(
      world.kernel.blockSubmit(extent: write, block: 0, frame: frame, operation: 1, tag: 0).error == .notPermitted)
    world.run(1)
    let other = UInt64(try world.allocate())
    for extent in [read, write] {
      #expect(
        world.kernel.blockSubmit(extent: extent, block: 0, frame: other, operation: 1, tag: 0).error == .notPermitted)
    }
    let former = Handle.of(Handle.index(read), generation: 0)
    let next = Handle.of(Handle.index(read), generation: 2)
    for extent in [former, next, 2, 0x102, 0x13f, 0x140, 0x1ff, 1 << 31, 0xffff_ffff] {
      #expect(
        world.kernel.blockSubmit(extent: extent, block: 0, frame: other, operation: 1, tag: 0).error == .noSuchResource)
    }
  }

  @Test(
    "an extent is let go of by who dominates its guard, once nothing of it is in flight, and its handle names nothing")
  func unbind() throws {
    let (world, disk) = world()
    let kernel = world.kernel
    let extent = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    let frame = UInt64(try world.allocate())
    _ = try kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: 0).value()
    #expect(kernel.extentUnbind(slot: 0, extent: extent).error == .busy)
    #expect(kernel.extentUnbind(slot: 1, extent: extent).error == .notPermitted)
    #expect(kernel.extentUnbind(slot: 9, extent: extent).error == .noSuchCapability)
    disk.serve()
    interrupt(world)
    for handle in [extent + 256, extent & 0xff, 0x140, 1 << 40 | extent, .max] {
      #expect(kernel.extentUnbind(slot: 0, extent: handle).error == .noSuchResource)
    }
    #expect(kernel.extentUnbind(slot: 0, extent: extent).error == nil)
    #expect(kernel.extentUnbind(slot: 0, extent: extent).error == .noSuchResource)
    let next = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    #expect(next != extent && Handle.index(next) == Handle.index(extent))
    #expect(kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: 0).error == .noSuchResource)
    Audit.check(world)
  }

  @Test("a read-only disk is bound for reading only")
  func readOnly() {
    let (world, _) = world(isReadOnly: true)
    #expect(world.kernel.disks[0].readOnly == 1)
    #expect(world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 2).error == .notPermitted)
    #expect(world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).error == .notPermitted)
    #expect(world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 1).error == nil)
  }

  @Test("the device is given no frame but memory of the environment's own")
  func frames() throws {
    let (world, _) = world()
    world.run(1)
    let foreign = UInt64(try world.allocate())
    world.run(0)
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    let record = world.kernel.environments[0]
    let header = world.kernel.header.value
    for frame in [foreign, UInt64(record.rootTable), UInt64(record.environmentPage), 0, UInt64(header.frontier)] {
      #expect(
        world.kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: 0).error == .notPermitted)
    }
    for frame in [UInt64(header.frameCount), 1 << 32 | UInt64(header.firstFrame), .max] {
      #expect(
        world.kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: 0).error == .noSuchResource)
    }
    Audit.check(world)
  }

  @Test("a frame cannot be freed while the disk works on it, not even for the second of two requests")
  func pins() throws {
    let (world, disk) = world()
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    for tag: UInt64 in [0, 1] {
      _ = try world.kernel.blockSubmit(extent: extent, block: tag, frame: frame, operation: 1, tag: tag).value()
    }
    let head = try #require(disk.perform())
    disk.pushUsed(0, id: UInt32(head), length: 1)
    interrupt(world)
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == .busy)
    disk.serve()
    interrupt(world)
    #expect(world.kernel.frameFree(slot: 0, frame: frame).error == nil)
    Audit.check(world)
  }

  @Test("thirty-two requests are in flight at most, and complete in any order")
  func full() throws {
    let (world, disk) = world()
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 64, rights: 3).value()
    var generator = SeededGenerator(seed: 5)
    for round in 0..<10 {
      for tag: UInt64 in 0..<32 {
        let result = world.kernel.blockSubmit(extent: extent, block: tag, frame: frame, operation: 1, tag: tag)
        #expect(result.error == nil)
      }
      #expect(
        world.kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: 40).error == .deviceFull)
      var heads: [UInt16] = []
      while let head = disk.perform() { heads.append(head) }
      for head in heads.shuffled(using: &generator) { disk.pushUsed(0, id: UInt32(head), length: 1) }
      interrupt(world)
      #expect((0..<32).allSatisfy { status(world, UInt64($0)) == 1 })
      // One for each end, and one for the refusal: there is room again.
      #expect(world.page(0).events == UInt64(round + 1) * 33)
    }
    Audit.check(world)
  }

  @Test("a failed request says so, each time", arguments: [1, 2, 0xff])
  func failure(outcome: UInt8) throws {
    let (world, disk) = world()
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    disk.outcome = outcome
    _ = try world.kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: 3).value()
    disk.serve()
    interrupt(world)
    #expect(status(world, 3) == 2)
  }

  @Test("a device that names requests that are not in flight is not believed")
  func hostileCompletions() throws {
    let (world, disk) = world()
    let frame = try world.allocate()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    _ = try world.kernel.blockSubmit(extent: extent, block: 0, frame: UInt64(frame), operation: 1, tag: 3).value()
    let head = UInt32(try #require(disk.perform()))
    for id: UInt32 in [3, 6, 93, 96, 127, 128, 1000, 0xffff_fffd, .max] {
      disk.pushUsed(0, id: id, length: 1)
      interrupt(world)
      Audit.check(world, "after \(id)")
    }
    #expect(status(world, 3) == 0)
    disk.pushUsed(0, id: head, length: 1)
    disk.pushUsed(0, id: head, length: 1)
    interrupt(world)
    #expect(status(world, 3) == 1)
    #expect(world.page(0).events == 1)
    #expect(world.kernel.frames[frame].pins == 0)
    Audit.check(world)
  }

  @Test(
    "a jump of the device's index finishes nothing that is not in flight, and ends",
    arguments: [33, 1000, 0x8000, 0xffff])
  func indexJump(distance: UInt16) throws {
    let (world, disk) = world()
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    for tag: UInt64 in 0..<3 {
      _ = try world.kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 1, tag: tag).value()
    }
    disk.jumpUsed(0, by: distance)
    for _ in 0..<5 {
      interrupt(world)
      Audit.check(world)
    }
  }

  @Test("extents are used up after the last")
  func exhausted() throws {
    for programs in [1, 2] {
      let (world, _) = world(programs: programs)
      for number in 0..<UInt32(BooksLayout.extents) / UInt32(programs) {
        let handle = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 1, rights: 1).value()
        #expect(handle == Handle.of(number, generation: 1))
      }
      #expect(world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 1, rights: 1).error == .exhausted)
      Audit.check(world)
    }
  }

  @Test("a device that refuses features, has small queues or is of another version is left alone")
  func setUp() {
    let refusing = FakeDisk(blocks: 8)
    refusing.acceptsFeatures = false
    let small = FakeDisk(blocks: 8, number: 2)
    small.queueMaximum = 64
    let old = FakeDisk(blocks: 8, number: 3)
    old.version = 1
    let legacy = FakeDisk(blocks: 8, number: 4)
    legacy.features = 0
    let good = FakeDisk(blocks: 77, number: 5)
    let world = World(otherDevices: [refusing, small, old, legacy, good])
    #expect(world.kernel.header.value.diskCount == 1)
    #expect(world.kernel.disks[0].blocks == 77)
    #expect(good.status == 15)
    #expect([refusing, small, legacy].allSatisfy { $0.status == 128 })
    #expect(old.status == 0)
  }

  @Test("more disks and interfaces than there are records are left alone")
  func tooMany() {
    let disks = (0..<6).map { FakeDisk(blocks: 8, number: UInt32($0)) }
    let networks = (0..<4).map { FakeNetwork(number: UInt32(10 + $0)) }
    let world = World(otherDevices: disks + networks)
    #expect(world.kernel.header.value.diskCount == 4)
    #expect(world.kernel.header.value.interfaceCount == 2)
    #expect(world.kernel.interfaces[0].hardwareAddress == 0x5634_1200_5452)
    Audit.check(world)
  }
}
