import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Shares of devices")
struct DeviceSharesTests {
  private func interrupt(_ world: World) { world.kernel.deviceInterrupt(UInt64(world.disk!.interrupt)) }

  /// Eight blocks of the disk for the running environment.
  private func bind(_ world: World) throws -> UInt64 {
    try world.kernel.extentBind(slot: 1, disk: 0, first: 0, count: 8, rights: 3).value()
  }

  private func read(_ world: World, _ extent: UInt64, _ frame: UInt32) -> CallError? {
    world.kernel.blockSubmit(extent: extent, block: 0, frame: UInt64(frame), operation: 1, tag: 0).error
  }

  /// Reads until it is refused; returns how often it was not.
  private func fill(_ world: World, _ extent: UInt64, _ frame: UInt32) -> Int {
    for count in 0..<100 {
      guard let error = read(world, extent, frame) else { continue }
      #expect(error == .deviceFull)
      return count
    }
    return 100
  }

  /// A child of the running environment's that may use the devices, too.
  private func spawn(_ world: World) throws -> UInt32 {
    let parent = world.kernel.current
    let child = try world.spawn(quotas: [20, 1, 0, 1, 0, 0], into: 5)
    for slot in [CapabilitySlot.disks, CapabilitySlot.networks] {
      world.kernel.capabilities[child * 16 + UInt32(slot)] = world.kernel.capabilities[parent * 16 + UInt32(slot)]
    }
    #expect(world.kernel.capabilityDrop(slot: 5).error == nil)
    return child
  }

  @Test("one environment cannot take all of a disk's requests from another that holds an extent of it")
  func diskHog() throws {
    let world = World(programs: 2, disk: FakeDisk(blocks: 64))
    world.run(1)
    let (other, otherFrame) = (try bind(world), try world.allocate())
    world.run(0)
    let (hog, frame) = (try bind(world), try world.allocate())
    #expect(fill(world, hog, frame) == 16)
    world.run(1)
    #expect(fill(world, other, otherFrame) == 16)
    Audit.check(world)
  }

  @Test("who comes when all requests are taken is told when there is room, and has it before who took them")
  func latecomer() throws {
    let disk = FakeDisk(blocks: 64)
    let world = World(programs: 2, disk: disk)
    world.run(0)
    let (hog, frame) = (try bind(world), try world.allocate())
    #expect(fill(world, hog, frame) == 32)
    world.run(1)
    let (other, otherFrame) = (try bind(world), try world.allocate())
    #expect(read(world, other, otherFrame) == .deviceFull)
    #expect(world.page(1).events == 0)
    world.run(0)
    #expect(read(world, hog, frame) == .deviceFull)
    disk.pushUsed(0, id: UInt32(try #require(disk.perform())), length: 1)
    interrupt(world)
    #expect(world.page(1).events == 1, "told of room")
    #expect(world.page(0).events == 1, "its own request has ended; it has more than its share, so no room")
    #expect(read(world, hog, frame) == .deviceFull)
    world.run(1)
    #expect(read(world, other, otherFrame) == nil)
    Audit.check(world)
    disk.serve()
    interrupt(world)
    #expect(world.kernel.diskDrivers[0].waiting == 0)
    #expect(world.page(1).events == 2 && world.page(0).events == 33)
    world.run(0)
    #expect(fill(world, hog, frame) == 16)
    Audit.check(world)
  }

  @Test("children bring a program no larger part, and share their program's evenly")
  func children() throws {
    let world = World(programs: 2, disk: FakeDisk(blocks: 64))
    world.run(1)
    let (other, otherFrame) = (try bind(world), try world.allocate())
    world.run(0)
    var taken = 0
    var extents: [(UInt32, UInt64, UInt32)] = [(0, try bind(world), try world.allocate())]
    for _ in 0..<3 {
      world.run(0)
      let child = try spawn(world)
      #expect(world.kernel.environments[child].account == 0)
      world.run(child)
      extents.append((child, try bind(world), try world.allocate()))
    }
    for (environment, extent, frame) in extents {
      world.run(environment)
      let count = fill(world, extent, frame)
      #expect(count == 4, "environment \(environment)")
      taken += count
    }
    #expect(taken == 16)
    world.run(1)
    #expect(fill(world, other, otherFrame) == 16)
    Audit.check(world)
  }

  @Test("shares grow when others let go of their extents, or end")
  func leaving() throws {
    let world = World(programs: 3, disk: FakeDisk(blocks: 64))
    var extents: [UInt64] = []
    for environment: UInt32 in [1, 2, 0] {
      world.run(environment)
      extents.append(try bind(world))
    }
    let frame = try world.allocate()
    #expect(fill(world, extents[2], frame) == 10)
    world.run(1)
    #expect(world.kernel.extentUnbind(slot: 0, extent: extents[0]).error == nil)
    world.run(0)
    #expect(fill(world, extents[2], frame) == 6)
    Audit.check(world)
    world.kernel.end(2, status: 0)
    #expect(fill(world, extents[2], frame) == 16)
    Audit.check(world)
  }

  @Test("who waits for room and ends waits no more, and what it had in flight is no one's")
  func endOfWaiting() throws {
    let disk = FakeDisk(blocks: 64)
    let world = World(programs: 2, disk: disk)
    world.run(1)
    let (extent, frame) = (try bind(world), try world.allocate())
    #expect(fill(world, extent, frame) == 32)
    #expect(world.kernel.diskDrivers[0].waiting == 2)
    world.kernel.end(1, status: 0)
    #expect(world.kernel.diskDrivers[0].waiting == 0)
    Audit.check(world)
    disk.serve()
    interrupt(world)
    world.reapAll()
    #expect(world.kernel.environments[1].state == EnvironmentState.free.rawValue)
    Audit.check(world)
  }

  @Test("who reads by an extent of another's has a share of its own")
  func foreignExtent() throws {
    let world = World(programs: 2, disk: FakeDisk(blocks: 64))
    world.run(0)
    let (extent, frame) = (try bind(world), try world.allocate())
    world.kernel.capabilities[16 + 7] = world.kernel.capabilities[0]
    world.run(1)
    let foreign = UInt64(try world.allocate())
    func submit() -> CallError? {
      world.kernel.blockSubmit(slot: 7, extent: extent, block: 0, frame: foreign, operation: 1, tag: 0).error
    }
    #expect(submit() == .deviceFull)
    #expect(world.page(1).events == 1, "told at once that it has a share now")
    #expect(submit() == nil)
    Audit.check(world)
    world.run(0)
    #expect(fill(world, extent, frame) == 16)
  }

  @Test("one environment cannot take all of an interface's descriptors, and who is refused is told of room")
  func sendHog() throws {
    let network = FakeNetwork()
    let world = World(programs: 2, network: network)
    var pieces: [[SendPiece]] = []
    for environment: UInt32 in 0..<2 {
      world.run(environment)
      let frame = try world.allocate()
      pieces.append(Array(repeating: SendPiece(frame: frame, offset: 0, length: 60), count: 18))
    }
    #expect(world.send(1, pieces[1]).error == nil)
    _ = network.sendAll()
    world.run(0)
    var count = 0
    while world.send(0, pieces[0]).error == nil { count += 1 }
    #expect(count == 6, "128 descriptors, 19 for each packet")
    Audit.check(world)
    let flags = network.queues[1].available
    #expect(world.machine.get(flags) as UInt16 == 0, "the device is asked to interrupt")
    world.run(1)
    for _ in 0..<6 { #expect(world.send(1, pieces[1]).error == nil) }
    #expect(world.send(1, pieces[1]).error == .deviceFull)
    let before = (world.page(0).events, world.page(1).events)
    world.networkInterrupt()
    #expect(world.page(0).events == before.0 && world.page(1).events == before.1, "nothing was sent")
    _ = network.sendAll()
    world.networkInterrupt()
    #expect(world.page(0).events == before.0 + 1 && world.page(1).events == before.1 + 1)
    #expect(world.machine.get(flags) as UInt16 == 1)
    // Four chains are taken over by each call, and the first are the hog's: told at once to try again.
    #expect(world.send(1, pieces[1]).error == .deviceFull)
    #expect(world.page(1).events == before.1 + 2)
    #expect(world.send(1, pieces[1]).error == nil)
    Audit.check(world)
  }

  @Test("who is refused though the device has sent more than was taken over is told at once")
  func sentAlready() throws {
    let network = FakeNetwork()
    let world = World(programs: 1, network: network)
    world.run(0)
    let frame = try world.allocate()
    let one = [SendPiece(frame: frame, offset: 0, length: 60)]
    let many = Array(repeating: one[0], count: 18)
    while world.send(0, one).error == nil {}
    _ = network.sendAll()
    world.networkInterrupt()
    let before = world.page(0).events
    var refusals: UInt64 = 0
    while world.send(0, many).error == .deviceFull, refusals < 100 { refusals += 1 }
    #expect(refusals == 2, "each call takes over four packets of two descriptors")
    #expect(world.page(0).events == before + refusals)
    #expect(world.kernel.interfaceDrivers[0].waiting == 0)
    Audit.check(world)
  }

  @Test("of more environments than a program's part would last for, the first have a packet each, and the others wait")
  func manySenders() throws {
    let network = FakeNetwork()
    let world = World(programs: 1, network: network)
    world.run(0)
    var sent = 0
    for _ in 0..<16 {
      world.run(0)
      let child = try spawn(world)
      world.run(child)
      let frame = try world.allocate()
      let pieces = Array(repeating: SendPiece(frame: frame, offset: 0, length: 60), count: 18)
      if world.send(child, pieces).error == nil { sent += 1 }
      if sent > 6 { #expect(world.send(child, pieces).error == .deviceFull) }
      Audit.check(world)
    }
    #expect(sent == 13)
    #expect(world.kernel.interfaceDrivers[0].waiting != 0)
  }
}
