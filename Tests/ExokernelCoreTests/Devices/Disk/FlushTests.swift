import ExokernelABI
import Testing
import VirtioLayout

@testable import ExokernelCore

@Suite("Flushes of disks")
struct FlushTests {
  private func world(hasFlush: Bool = true, isReadOnly: Bool = false) -> (World, FakeDisk) {
    let disk = FakeDisk(blocks: 64, isReadOnly: isReadOnly, hasFlush: hasFlush)
    let world = World(programs: 2, disk: disk)
    world.run(0)
    return (world, disk)
  }

  private func interrupt(_ world: World) { world.kernel.deviceInterrupt(UInt64(world.disk!.interrupt)) }
  private func status(_ world: World, _ tag: UInt64, of environment: UInt32 = 0) -> UInt8 {
    world.machine.get(world.pageAddress(environment) + EnvironmentPage.blockStatusOffset + tag)
  }
  private func flush(_ world: World, _ extent: UInt64, slot: UInt64 = 0, tag: UInt64 = 0) -> CallError? {
    world.kernel.diskFlush(slot: slot, extent: extent, tag: tag).error
  }
  private func move(_ world: World, _ extent: UInt64, _ frame: UInt64, isWrite: Bool, tag: UInt64) -> CallError? {
    let operation: UInt64 = 1 | (isWrite ? 1 << 32 : 0)
    return world.kernel.blockSubmit(extent: extent, block: 3, frame: frame, operation: operation, tag: tag).error
  }

  @Test("what was written before a flush is durable once the flush is told to have ended, and not before")
  func durable() throws {
    let (world, disk) = world()
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 10, count: 20, rights: 3).value()
    world.machine.put(frame << 12, bytes: Array(repeating: 0xee, count: 512))
    #expect(move(world, extent, frame, isWrite: true, tag: 1) == nil)
    disk.serve()
    interrupt(world)
    #expect(status(world, 1) == 1)
    #expect(disk.contents[13 * 512] == 0xee && disk.durable[13 * 512] != 0xee)
    #expect(flush(world, extent, tag: 2) == nil)
    #expect(status(world, 2) == 0 && disk.notifications == [0, 0])
    #expect(world.kernel.extents[Handle.index(extent)].inFlight == 1)
    Audit.check(world)
    disk.serve()
    interrupt(world)
    #expect(status(world, 2) == 1 && world.page(0).events == 2)
    #expect(disk.durable[13 * 512] == 0xee)
    #expect(disk.served.map(\.type) == [1, 4] && disk.served[1].sector == 0)
    Audit.check(world)
    // The request that was a flush moves data again.
    #expect(move(world, extent, frame, isWrite: false, tag: 3) == nil)
    disk.serve()
    interrupt(world)
    #expect(status(world, 3) == 1 && disk.served.map(\.type) == [1, 4, 0])
    Audit.check(world)
  }

  @Test("a disk that knows no flush is write-through, so a flush has ended at once")
  func writeThrough() throws {
    let (world, disk) = world(hasFlush: false)
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 2).value()
    #expect(flush(world, extent, tag: 9) == nil)
    #expect(status(world, 9) == 1 && world.page(0).events == 1)
    #expect(disk.perform() == nil && disk.notifications.isEmpty)
    Audit.check(world)
  }

  @Test("a flush that failed says so")
  func failure() throws {
    let (world, disk) = world()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 2).value()
    disk.outcome = VirtioBlock.Status.ioError
    #expect(flush(world, extent, tag: 9) == nil)
    disk.serve()
    interrupt(world)
    #expect(status(world, 9) == 2)
  }

  @Test("a flush needs the right to write, of the extent and of the capability")
  func rights() throws {
    let (world, disk) = world()
    let kernel = world.kernel
    let read = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 1).value()
    let write = try kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 2).value()
    #expect(flush(world, read) == .notPermitted)
    // A capability for its own name that may only read.
    let own = kernel.capabilities[0]
    let derived = kernel.capabilityDerive(slot: 0, into: 6, name: own.name, length: UInt64(own.length), rights: 1)
    #expect(derived.error == nil)
    #expect(flush(world, write, slot: 6) == .notPermitted)
    for slot: UInt64 in [7, 16, 0xffff_ffff] { #expect(flush(world, write, slot: slot) == .noSuchCapability) }
    world.run(1)
    #expect(flush(world, write) == .notPermitted)
    #expect(flush(world, read) == .notPermitted)
    #expect(disk.perform() == nil)
    Audit.check(world)
  }

  @Test("a flush takes no handle but an extent's, and no tag but one that there is")
  func hostileArguments() throws {
    let (world, disk) = world()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    for handle in [extent + 256, extent & 0xff, 0x140, 1 << 31, 0xffff_ffff, 1 << 40 | extent, .max] {
      #expect(flush(world, handle) == .noSuchResource)
    }
    for tag: UInt64 in [64, 255, 1 << 32, .max] { #expect(flush(world, extent, tag: tag) == .badArgument) }
    #expect(disk.perform() == nil)
    Audit.check(world)
  }

  @Test("a device that ends a flush that is none, or none that there is, is not believed")
  func hostileCompletions() throws {
    let (world, disk) = world()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    let frame = UInt64(try world.allocate())
    #expect(move(world, extent, frame, isWrite: false, tag: 1) == nil)
    #expect(flush(world, extent, tag: 2) == nil)
    // Request 0 is no flush; request 2 is free; there is no request 32.
    for id: UInt32 in [96, 98, 127, 128, 0x8000_0061, .max] {
      disk.pushUsed(0, id: id, length: 1)
      interrupt(world)
      Audit.check(world, "after \(id)")
    }
    #expect(status(world, 1) == 0 && status(world, 2) == 0)
    disk.serve()
    interrupt(world)
    disk.pushUsed(0, id: 97, length: 1)
    interrupt(world)
    #expect(status(world, 1) == 1 && status(world, 2) == 1 && world.page(0).events == 2)
    Audit.check(world)
  }

  @Test("who ends behind a flush keeps its record until the disk is done with it")
  func end() throws {
    let (world, disk) = world()
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 2).value()
    #expect(flush(world, extent) == nil)
    #expect(world.kernel.extentUnbind(slot: 0, extent: extent).error == .busy)
    world.kernel.end(0, status: 0)
    world.reapAll()
    #expect(world.kernel.environments[0].state == EnvironmentState.ended.rawValue)
    Audit.check(world)
    disk.serve()
    interrupt(world)
    world.reapAll()
    #expect(world.kernel.environments[0].state == EnvironmentState.free.rawValue)
    Audit.check(world)
  }
}
