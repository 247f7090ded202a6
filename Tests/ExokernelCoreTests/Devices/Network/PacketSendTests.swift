import RandomFixtures
import ExokernelABI
import Testing
import VirtioLayout

@testable import ExokernelCore

@Suite("Packets sent")
struct PacketSendTests {
  @Test("pieces of frames leave as one packet, and the environment is told when")
  func send() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frames = [try world.allocateMapped(at: 0x50_0000), try world.allocateMapped(at: 0x50_1000)]
    world.machine.put(UInt64(frames[0]) << 12 + 100, bytes: [1, 2, 3])
    world.machine.put(UInt64(frames[1]) << 12 + 4094, bytes: [4, 5])
    let pieces = [
      SendPiece(frame: frames[0], offset: 100, length: 3), SendPiece(frame: frames[1], offset: 4094, length: 2),
    ]
    #expect(world.send(0, pieces).error == nil)
    #expect(network.notifications.last == 1)
    #expect(world.kernel.frames[frames[0]].pins == 1)
    Audit.check(world)
    #expect(network.sendAll() == [[1, 2, 3, 4, 5]])
    #expect(world.send(0, []).error == nil)
    #expect(world.page(0).packetsSent == 1)
    #expect(world.kernel.frames[frames[0]].pins == 0)
    Audit.check(world)
  }

  @Test("a frame in the device's hands cannot be freed")
  func pinned() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    _ = world.send(0, [SendPiece(frame: frame, offset: 0, length: 60)])
    #expect(world.kernel.frameFree(slot: 0, frame: UInt64(frame)).error == .busy)
    _ = network.sendAll()
    _ = world.send(0, [])
    #expect(world.kernel.frameFree(slot: 0, frame: UInt64(frame)).error == nil)
  }

  @Test("bad pieces are refused wherever they stand, and nothing is changed")
  func badPieces() throws {
    let world = World(network: FakeNetwork())
    world.run(1)
    let foreign = try world.allocate()
    world.run(0)
    let frame = try world.allocate()
    let table = world.kernel.environments[0].rootTable
    let bad: [(SendPiece, CallError)] = [
      (SendPiece(frame: frame, offset: 0, length: 0), .badArgument),
      (SendPiece(frame: frame, offset: 0, length: 4097), .badArgument),
      (SendPiece(frame: frame, offset: 4095, length: 2), .badArgument),
      (SendPiece(frame: frame, offset: 0xffff, length: 0xffff), .badArgument),
      (SendPiece(frame: .max, offset: 0, length: 60), .badArgument),
      (SendPiece(frame: world.kernel.header.value.frameCount, offset: 0, length: 60), .badArgument),
      (SendPiece(frame: foreign, offset: 0, length: 60), .notPermitted),
      (SendPiece(frame: table, offset: 0, length: 60), .notPermitted),
      (SendPiece(frame: 0, offset: 0, length: 60), .notPermitted),
      (SendPiece(frame: world.kernel.header.value.frontier, offset: 0, length: 60), .notPermitted),
    ]
    let good = SendPiece(frame: frame, offset: 0, length: 60)
    for (piece, error) in bad {
      for place in 0..<3 {
        var pieces = [good, good, good]
        pieces[place] = piece
        #expect(world.send(0, pieces).error == error)
        Audit.check(world)
      }
    }
    #expect(world.kernel.frames[frame].pins == 0)
    #expect(world.send(0, [good, good]).error == nil)
    #expect(world.network!.sendAll().first?.count == 120)
  }

  @Test("at most eighteen pieces make a packet", arguments: [19, 20, 0xffff, 0x8000_0000, UInt32.max])
  func tooMany(count: UInt32) {
    let world = World(network: FakeNetwork())
    world.run(0)
    var block = SendBlock()
    block.pieces = count
    world.machine.put(world.pageAddress(0) + EnvironmentPage.sendBlockOffset, block)
    #expect(world.kernel.packetSend(slot: CapabilitySlot.networks, interface: 0).error == .badArgument)
  }

  @Test("an interface that is not there sends nothing", arguments: [1, 2, 1 << 32, UInt64.max])
  func noInterface(number: UInt64) {
    let world = World(network: FakeNetwork())
    world.run(0)
    #expect(world.send(0, [], interface: number).error == .noSuchResource)
  }

  @Test("descriptors are used up, and back when the device has sent, in any order")
  func exhaustion() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    let pieces = Array(repeating: SendPiece(frame: frame, offset: 0, length: 60), count: 18)
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<20 {
      var accepted = 0
      while world.send(0, pieces).error == nil { accepted += 1 }
      #expect(accepted == 13, "256 descriptors, 19 for each packet")
      #expect(world.send(0, pieces).error == .deviceFull)
      Audit.check(world)
      var heads: [UInt16] = []
      while let sent = network.takeSent() { heads.append(sent.head) }
      for head in heads.shuffled(using: &generator) { network.pushUsed(1, id: UInt32(head), length: 0) }
      for _ in 0..<4 { _ = world.send(0, []) }
      #expect(world.kernel.interfaceDrivers[0].freeDescriptors == 256)
      Audit.check(world)
    }
    #expect(world.page(0).packetsSent == 260)
    #expect(world.kernel.frames[frame].pins == 0)
  }

  @Test("a device that gives back what it has not, or twice, changes nothing")
  func hostileReclaim() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    let pieces = Array(repeating: SendPiece(frame: frame, offset: 0, length: 60), count: 3)
    for _ in 0..<3 { _ = world.send(0, pieces) }
    let head = UInt32(try #require(network.takeSent()).head)
    // Twice; the middle of a chain; a free descriptor; numbers out of range, some of which end in a chain's head.
    for id in [head, head, head + 1, 200, 255, 256, head + 256, head + 4 + 65536, .max] {
      network.pushUsed(1, id: id, length: 0)
      _ = world.send(0, [])
      Audit.check(world, "after \(id)")
    }
    #expect(world.page(0).packetsSent == 1)
    #expect(world.kernel.frames[frame].pins == 6)
  }

  @Test("random answers of the device never break the free list")
  func randomReclaim() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    var generator = SeededGenerator(seed: 12)
    for _ in 0..<400 {
      let count = Int.random(in: 0...18, using: &generator)
      _ = world.send(0, Array(repeating: SendPiece(frame: frame, offset: 0, length: 60), count: count))
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: network.jumpUsed(1, by: UInt16.random(in: 0...600, using: &generator))
      default: network.pushUsed(1, id: UInt32.random(in: 0...300, using: &generator), length: 0)
      }
    }
    Audit.check(world)
  }

  @Test("the device is asked only for what was agreed on")
  func offloads() throws {
    let features: [VirtioFeatures] = [.none, .networkChecksum, .networkChecksum | .networkHostTSO4, .networkHostTSO4]
    let expected: [[UInt8]] = [
      [0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 7, 8], [1, 1, 3, 4, 5, 6, 7, 8], [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    for (offered, bytes) in zip(features, expected) {
      let network = FakeNetwork(features: offered.rawValue)
      let world = World(network: network)
      world.run(0)
      let frame = try world.allocate()
      var header = SendBlock()
      header.needsChecksum = 0xff
      header.segmentation = 0xff
      header.headerLength = 0x0403
      header.segmentSize = 0x0605
      header.checksumStart = 0x0807
      header.checksumOffset = 0x0a09
      header.reserved = 0xffff
      #expect(world.send(0, [SendPiece(frame: frame, offset: 0, length: 60)], header: header).error == nil)
      let sent = try #require(network.takeSent())
      #expect(Array(sent.header[0..<8]) == bytes)
      #expect(Array(sent.header[10..<12]) == [0, 0])
    }
  }

  @Test("a device that wants no notification gets none")
  func noNotification() throws {
    let network = FakeNetwork()
    let world = World(network: network)
    world.run(0)
    let frame = try world.allocate()
    world.machine.put(network.queues[1].used, UInt16(1))
    let before = network.notifications.count
    _ = world.send(0, [SendPiece(frame: frame, offset: 0, length: 60)])
    #expect(network.notifications.count == before)
    #expect(network.takeSent() != nil)
  }
}
