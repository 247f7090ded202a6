import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("The end of an environment")
struct EnvironmentEndTests {
  @Test("everything goes back: frames, slices, extents, filters, capabilities")
  func everything() throws {
    let world = World(programs: 1, disk: FakeDisk(blocks: 64), network: FakeNetwork())
    let free = world.kernel.header.value.freeFrames + world.kernel.environments[0].frames
    world.run(0)
    _ = world.kernel.framesAllocateMapped(slot: 0, address: 0x50_0000, count: 60)
    _ = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
    _ = try world.kernel.sliceAllocate(slot: 0, position: 40).value()
    _ = try world.bindFilter(slots: 4)
    Audit.check(world)
    world.kernel.end(0, status: 3)
    Audit.check(world)
    #expect(world.kernel.header.value.liveEnvironments == 0)
    #expect(world.kernel.kernelPrivate.value.machineStatus == 3)
    #expect(world.kernel.processor.value.slicesTaken == 0)
    #expect(world.kernel.nextTurn() == nil)
    #expect(
      world.machine.activated.last == FakeMachine.Place.template,
      "the page table in force is not one that is taken back")
    for slot in 0..<UInt32(16) { #expect(world.kernel.capabilities[slot].rights.isEmpty) }
    world.reapAll()
    Audit.check(world)
    #expect(world.kernel.header.value.freeFrames == free)
    #expect(world.kernel.environments[0].state == EnvironmentState.free.rawValue)
  }

  @Test("one step takes one frame, so every piece of work has a bound")
  func steps() {
    let world = World()
    world.run(0)
    world.kernel.end(0, status: 0)
    let frames = world.kernel.environments[0].frames
    #expect(world.kernel.reap(limit: 3))
    #expect(world.kernel.environments[0].frames == frames - 3)
    Audit.check(world)
  }

  @Test("a frame that the disk still writes goes back after the disk is done, and holds nothing else up")
  func inFlight() throws {
    let disk = FakeDisk(blocks: 64)
    let world = World(disk: disk)
    world.run(0)
    let frame = UInt64(try world.allocate())
    let extent = try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 64, rights: 1).value()
    _ = try world.kernel.blockSubmit(extent: extent, block: 0, frame: frame, operation: 8, tag: 0).value()
    world.kernel.end(0, status: 0)
    world.run(1)
    world.kernel.end(1, status: 0)
    world.reapAll()
    Audit.check(world)
    #expect(world.kernel.environments[0].state == EnvironmentState.ended.rawValue)
    #expect(world.kernel.environments[0].frames == 1)
    #expect(world.kernel.environments[1].state == EnvironmentState.free.rawValue)
    disk.serve()
    world.kernel.deviceInterrupt(UInt64(disk.interrupt))
    world.reapAll()
    #expect(world.kernel.environments[0].state == EnvironmentState.free.rawValue)
    Audit.check(world)
  }

  @Test("packets of an ended environment are taken over from the device without anybody sending")
  func sentAfterEnd() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    #expect(world.send(0, [SendPiece(frame: frame, offset: 0, length: 60)]).error == nil)
    world.kernel.end(0, status: 0)
    world.reapAll()
    #expect(world.kernel.environments[0].frames == 1)
    _ = network.sendAll()
    world.reapAll()
    world.reapAll()
    #expect(world.kernel.environments[0].state == EnvironmentState.free.rawValue)
    Audit.check(world)
  }

  @Test("a completion for the former user of a record does not touch the new one")
  func reusedRecord() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    _ = world.send(0, [SendPiece(frame: frame, offset: 0, length: 60)])
    _ = world.kernel.upcallBind(fault: 0x40_0000, epilogue: 0x40_0010)
    world.kernel.end(0, status: 0)
    world.reapAll()
    #expect(try world.load() == 2, "the record is not used while the device has a frame of it")
    _ = network.sendAll()
    world.reapAll()
    world.reapAll()
    let again = try world.load()
    #expect(again == 0)
    let record = world.kernel.environments[0]
    #expect(record.generation == 2 && record.faultEntry == 0 && record.epilogueEntry == 0 && record.slicesRun == 0)
    #expect(world.page(0).packetsSent == 0)
    Audit.check(world)
  }

  @Test("the machine's status is the first failure")
  func status() {
    let world = World(programs: 3)
    for (environment, status): (UInt32, UInt32) in [(0, 0), (1, 7), (2, 9)] {
      world.run(environment)
      world.kernel.end(environment, status: status)
    }
    #expect(world.kernel.kernelPrivate.value.machineStatus == 7)
    #expect(world.kernel.environments[2].exitStatus == 9)
  }
}
