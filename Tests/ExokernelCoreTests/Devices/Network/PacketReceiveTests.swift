import RandomFixtures
import DownloadedCode
import ExokernelABI
import Testing

@testable import ExokernelCore

@Suite("Packets received")
struct PacketReceiveTests {
  @Test("a packet goes into the ring of the filter that wants it, with its length, and wakes the owner")
  func receive() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let first = try world.bindFilter(slots: 4, etherType: 0x0800)
    world.run(1)
    let second = try world.bindFilter(slots: 4, etherType: 0x0806)
    let packet = World.packet(0x0806, length: 61, number: 9)
    network.receive(packet)
    world.networkInterrupt()
    #expect(world.producer(first) == 0)
    #expect(world.producer(second) == 1)
    #expect(world.slot(second, 0).length == 61)
    #expect(world.packet(second, 0) == packet)
    #expect(world.page(1).events == 1 && world.page(0).events == 0)
    #expect(world.kernel.header.value.counters.packetsReceived == 1)
    #expect(network.notifications.last == 0, "the buffer went back to the device")
    Audit.check(world)
  }

  @Test("a packet that nobody wants is counted and forgotten")
  func unwanted() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 4)
    network.receive(World.packet(0x86dd))
    world.networkInterrupt()
    #expect(world.producer(ring) == 0)
    #expect(world.kernel.header.value.counters.packetsUnwanted == 1)
  }

  @Test("a full ring drops, and goes on when there is room again, round and round", arguments: [2, 4, 64])
  func fullRing(slots: Int) throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: UInt64(slots))
    var consumed = 0
    for round in 0..<10 {
      for number in 0..<slots + 3 {
        network.receive(World.packet(0x0800, number: UInt8(truncatingIfNeeded: round * 100 + number)))
        world.networkInterrupt()
      }
      #expect(world.producer(ring) == UInt32(consumed + slots))
      for number in 0..<slots {
        let bytes = world.packet(ring, (consumed + number) % slots)
        #expect(bytes.last == UInt8(truncatingIfNeeded: round * 100 + number))
      }
      consumed += slots
      world.consume(ring, upTo: UInt32(consumed))
    }
    #expect(world.kernel.header.value.counters.packetsDropped == 30)
    Audit.check(world)
  }

  @Test(
    "what a hostile consumer writes decides only about its own ring",
    arguments: [UInt32.max, 1, 5, 0x8000_0000, 0xffff_fff0])
  func hostileConsumer(consumer: UInt32) throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(1)
    let other = try world.bindFilter(slots: 4, etherType: 0x0806)
    world.run(0)
    let ring = try world.bindFilter(slots: 4)
    for _ in 0..<100 {
      // The producer's word and the frame numbers are overwritten as well: the kernel has its own.
      world.machine.put(UInt64(ring.control) << 12, UInt32(77))
      world.machine.put(UInt64(ring.control) << 12 + PacketRing.framesOffset, UInt64.max)
      world.consume(ring, upTo: consumer)
      network.receive(World.packet(0x0800))
      network.receive(World.packet(0x0806))
      world.networkInterrupt()
      world.consume(other, upTo: world.producer(other))
    }
    #expect(world.producer(other) == 100)
    Audit.check(world)
  }

  @Test("lengths that no packet has are no packets", arguments: [0, 1, 11, 12, 2049, 4096, UInt32.max])
  func badLengths(length: UInt32) throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 4)
    network.receive(World.packet(0x0800), toldLength: length)
    world.networkInterrupt()
    #expect(world.producer(ring) == 0)
    // The buffer went back all the same.
    for _ in 0..<200 {
      #expect(network.receive(World.packet(0x0806)))
      world.networkInterrupt()
    }
  }

  @Test("the longest packet stays inside its slot")
  func longest() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 2)
    network.receive(World.packet(0x0800, length: 2036, number: 0xaa))
    world.networkInterrupt()
    #expect(world.slot(ring, 0).length == 2036)
    #expect(world.machine.bytes(UInt64(ring.frames[0]) << 12 + 2036, count: 12 + 2048).allSatisfy { $0 == 0 })
  }

  @Test("checksum flags are told", arguments: [(0, 0), (1, 2), (2, 1), (3, 2), (0xfc, 0)])
  func flags(device: UInt8, told: UInt32) throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 2)
    network.receive(World.packet(0x0800), flags: device)
    world.networkInterrupt()
    #expect(world.slot(ring, 0).flags == told)
  }

  @Test("one interrupt takes over a bounded number of packets, the rest follows")
  func bound() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 64)
    for _ in 0..<50 { network.receive(World.packet(0x0800)) }
    world.networkInterrupt()
    #expect(world.producer(ring) == 16)
    #expect(world.kernel.receiveRest())
    #expect(world.kernel.receiveRest())
    #expect(!world.kernel.receiveRest())
    #expect(world.producer(ring) == 50)
    #expect(!world.kernel.receiveRest())
  }

  @Test("a jump of the device's index makes no packets", arguments: [65, 100, 1000, 0x8000, 0xffff])
  func indexJump(distance: UInt16) throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 64)
    network.jumpUsed(0, by: distance)
    world.networkInterrupt()
    for _ in 0..<10 { _ = world.kernel.receiveRest() }
    #expect(world.producer(ring) == 0)
    #expect(!world.kernel.receiveRest())
    Audit.check(world)
  }

  @Test("buffers that a device names at random are buffers")
  func randomBuffers() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 64)
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<500 {
      network.pushUsed(
        0, id: UInt32(truncatingIfNeeded: generator.next()), length: UInt32.random(in: 0...3000, using: &generator))
      world.networkInterrupt()
      world.consume(ring, upTo: world.producer(ring))
    }
    Audit.check(world)
  }
}

@Suite("Filters and rings")
struct FilterBindTests {
  @Test("the ring's frames are pinned while it is bound, and no more after that")
  func pins() throws {
    let world = World(network: FakeNetwork())
    world.run(0)
    let ring = try world.bindFilter(slots: 4)
    for frame in ring.frames + [ring.control] {
      #expect(world.kernel.frameFree(slot: 0, frame: UInt64(frame)).error == .busy)
      #expect(world.kernel.tableInstall(slot: 0, frame: UInt64(frame), address: 0xc000_0000, level: 2).error == .busy)
    }
    Audit.check(world)
    #expect(world.kernel.filterUnbind(ring.filter).error == nil)
    for frame in ring.frames + [ring.control] {
      #expect(world.kernel.frameFree(slot: 0, frame: UInt64(frame)).error == nil)
    }
    Audit.check(world)
  }

  @Test("the ring works while none of it is mapped")
  func unmapped() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 2)
    _ = try world.kernel.frameMap(slot: 0, frame: UInt64(ring.control), address: 0x50_0000, rights: 3).value()
    _ = try world.kernel.frameUnmap(address: 0x50_0000).value()
    network.receive(World.packet(0x0800))
    world.networkInterrupt()
    #expect(world.producer(ring) == 1)
  }

  @Test("packets that arrive after the unbinding leave the frames alone")
  func unbound() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let ring = try world.bindFilter(slots: 2)
    network.receive(World.packet(0x0800))
    _ = try world.kernel.filterUnbind(ring.filter).value()
    world.networkInterrupt()
    #expect(world.producer(ring) == 0)
    #expect(world.kernel.header.value.counters.packetsUnwanted == 1)
    #expect(world.kernel.header.value.filterCount == 0)
  }

  @Test("only its owner can unbind a filter")
  func foreignUnbind() throws {
    let world = World(network: FakeNetwork())
    world.run(0)
    let ring = try world.bindFilter(slots: 2)
    world.run(1)
    #expect(world.kernel.filterUnbind(ring.filter).error == .notPermitted)
    for filter in [ring.filter + 1, ring.filter & 0xff, ring.filter + 256, 15, 16, 0x10f, 0x110, 1 << 32, .max] {
      #expect(world.kernel.filterUnbind(filter).error == .noSuchResource)
    }
    Audit.check(world)
  }

  @Test("bad sizes, bad frames and bad programs are refused, and nothing is pinned")
  func refused() throws {
    let world = World(network: FakeNetwork())
    world.run(1)
    let foreign = UInt64(try world.allocate())
    world.run(0)
    let code = UInt64(try world.allocate())
    let control = UInt64(try world.allocate())
    let data = try world.allocate()
    let words = try World.filter(etherType: 0x0800)
    for (index, word) in words.enumerated() { world.machine.put(code << 12 + UInt64(index) * 8, word) }
    world.kernel.frames[UInt32(code)].dirty = 1
    world.kernel.frames[UInt32(control)].dirty = 1
    func bind(code: UInt64 = code, count: UInt64 = UInt64(words.count), ring: UInt64 = control, slots: UInt64 = 4)
      -> CallError?
    {
      world.kernel.filterBind(slot: CapabilitySlot.networks, code: code, count: count, ring: ring, slots: slots).error
    }
    world.machine.put(control << 12 + PacketRing.framesOffset, [data, data].map(UInt64.init)[0] | UInt64(data) << 32)
    for slots: UInt64 in [0, 1, 3, 5, 63, 65, 128, 1 << 32, .max] { #expect(bind(slots: slots) == .badArgument) }
    for count: UInt64 in [0, 65, 1 << 32 | 1, .max] { #expect(bind(count: count) == .badArgument) }
    for frame in [foreign, 0, 1 << 32, .max, UInt64(world.kernel.header.value.frontier)] {
      #expect(bind(code: frame) == .notPermitted)
      #expect(bind(ring: frame) == .notPermitted)
      world.machine.put(
        control << 12 + PacketRing.framesOffset + 4, UInt32(truncatingIfNeeded: frame == .max ? 0 : frame))
      #expect(bind() == .notPermitted)
    }
    world.machine.put(control << 12 + PacketRing.framesOffset + 4, data)
    #expect(bind(count: 1) == .badProgram)
    #expect(bind(code: control) == .badProgram)
    Audit.check(world)
    #expect(bind() == nil)
    Audit.check(world)
  }

  @Test("one frame may be everything at once: it is pinned as often, and let go as often")
  func sameFrame() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    let words = try World.filter(etherType: 0x0800)
    for (index, word) in words.enumerated() { world.machine.put(UInt64(frame) << 12 + UInt64(index) * 8, word) }
    for index in 0..<UInt64(32) { world.machine.put(UInt64(frame) << 12 + PacketRing.framesOffset + index * 4, frame) }
    world.kernel.frames[frame].dirty = 1
    let number = UInt64(frame)
    let filter = try world.kernel.filterBind(slot: 2, code: number, count: UInt64(words.count), ring: number, slots: 64)
      .value()
    #expect(world.kernel.frames[frame].pins == 33)
    for _ in 0..<200 {
      network.receive(World.packet(0x0800, length: 1514, number: 0xff))
      world.networkInterrupt()
    }
    Audit.check(world)
    _ = try world.kernel.filterUnbind(filter).value()
    #expect(world.kernel.frames[frame].pins == 0)
  }

  @Test("filters are used up after the last, and there again after an unbinding")
  func exhausted() throws {
    let world = World(programs: 1, network: FakeNetwork())
    world.run(0)
    var rings: [BoundRing] = []
    for _ in 0..<BooksLayout.filters { rings.append(try world.bindFilter(slots: 2)) }
    #expect(throws: CallError.exhausted) { try world.bindFilter(slots: 2) }
    _ = try world.kernel.filterUnbind(rings[3].filter).value()
    let former = rings[3].filter
    rings[3] = try world.bindFilter(slots: 2)
    #expect(Handle.index(rings[3].filter) == Handle.index(former) && rings[3].filter != former)
    #expect(world.kernel.filterUnbind(former).error == .noSuchResource, "a stale handle names nothing")
    #expect(world.kernel.header.value.filterCount == 16)
    for ring in rings { _ = try world.kernel.filterUnbind(ring.filter).value() }
    #expect(world.kernel.header.value.filterCount == 0)
    Audit.check(world)
  }
}
