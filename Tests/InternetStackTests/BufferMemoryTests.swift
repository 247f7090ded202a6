import RandomFixtures
import Testing

@testable import InternetStack

/// Memory of the connections' buffers: it comes with the bytes, goes with them, and stays within its limit.
struct BufferMemoryTests {
  @Test("a queue does what an array would, and holds no piece that none of its bytes need", arguments: [1, 2, 3, 4])
  func model(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let account = BufferMemory(limit: 1 << 20)
    do {
      var ring = RingBuffer()
      ring.open(minimum: 32 << 10, account: account)
      var model: [UInt8] = []
      var written = 0
      for _ in 0..<4000 {
        switch random.next() % 4 {
        case 0:
          let bytes = pattern(Int(random.next() % 20_000), from: written)
          let accepted = bytes.withUnsafeBytes { ring.append($0) }
          #expect(accepted == min(bytes.count, (32 << 10) - model.count), "seed \(seed)")
          model += bytes[..<accepted]
          written += accepted
        case 1:
          // Out of order: the second part first.
          let whole = pattern(Int(random.next() % 9000), from: written)
          guard whole.count <= ring.available else { continue }
          let cut = whole.isEmpty ? 0 : Int(random.next() % UInt64(whole.count))
          let (early, late) = (Array(whole[..<cut]), Array(whole[cut...]))
          #expect(late.withUnsafeBytes { ring.place(PacketBytes($0), distance: cut) })
          #expect(early.withUnsafeBytes { ring.place(PacketBytes($0), distance: 0) })
          ring.commit(whole.count)
          model += whole
          written += whole.count
        case 2:
          let count = min(Int(random.next() % 20_000), model.count)
          ring.discard(count)
          model.removeFirst(count)
        default:
          var target = [UInt8](repeating: 0, count: Int(random.next() % 20_000))
          let peeked = target.withUnsafeMutableBytes { ring.peek(into: $0) }
          #expect(Array(target[..<peeked]) == Array(model.prefix(target.count)), "seed \(seed)")
          let count = target.withUnsafeMutableBytes { ring.read(into: $0) }
          #expect(Array(target[..<count]) == Array(model.prefix(target.count)), "seed \(seed)")
          model.removeFirst(count)
        }
        #expect(ring.count == model.count)
        // Two pieces may be held in part: where the bytes begin and where they end.
        #expect(ring.held <= model.count + 2 * RingBuffer.smallestPiece, "seed \(seed)")
        #expect(model.count > 0 || ring.held == 0, "an empty queue holds nothing, seed \(seed)")
        #expect(account.used == max(0, ring.held - RingBuffer.smallestPiece), "seed \(seed)")
      }
    }
    #expect(account.used == 0, "all is returned with the queue")
  }

  @Test("queues together stay within the limit, and each always gets its first piece")
  func limit() {
    let piece = RingBuffer.smallestPiece
    let account = BufferMemory(limit: 64 * piece)
    let flood = [UInt8](repeating: 7, count: 128 << 10)
    var counts: [Int] = []
    for _ in 0..<100 {
      let queue = Queue(account)
      counts.append(queue.fill(flood))
      Queue.all.append(queue)
    }
    defer { Queue.all.removeAll() }
    #expect(account.used <= account.limit)
    #expect(counts[0] == 17 * piece, "its first piece, and a quarter of the 64 that nobody else has")
    #expect(counts.allSatisfy { $0 >= piece })
    #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 >= $1 }, "later ones get less: \(counts)")
    // What one gives back another gets.
    Queue.all[0].drain()
    #expect(Queue.all[99].fill(flood) > 0)
    #expect(account.used <= account.limit)
  }

  @Test("idle connections hold no buffer memory, however much went through them")
  func idle() throws {
    let pair = try ConnectedPair()
    let bytes = pattern(300_000)
    var sent = 0
    var received = 0
    #expect(
      pair.network.run {
        sent += (try? pair.client.stack.write(pair.c, bytes, from: sent)) ?? 0
        received += (try? pair.server.stack.read(pair.s).count) ?? 0
        return received == bytes.count
      })
    #expect(pair.network.run { pair.client.stack.status(of: pair.c)?.unacknowledgedBytes == 0 })
    for host in [pair.client, pair.server] {
      for block in host.stack.tcp.slots.compactMap({ $0 }) {
        #expect(block.sendBuffer.held == 0)
        #expect(block.receiveBuffer.held == 0)
      }
      #expect(host.stack.bufferMemory.used == 0)
    }
  }

  @Test("many transfers through little memory all come through", arguments: [0, 20])
  func scarce(lossPermille: Int) throws {
    var configuration = StackConfiguration()
    configuration.bufferMemory = 32 << 10
    let client = Host(number: 1, configuration: configuration)
    let server = Host(number: 2, configuration: configuration)
    let network = SimulatedNetwork([client, server], seed: 11)
    network.lossPermille = lossPermille
    let listener = try server.stack.listen(port: 80, backlog: 64)
    let count = 24
    let bytes = pattern(60_000)
    var connections: [(handle: Connection, sent: Int)] = []
    for _ in 0..<count {
      let server = Endpoint(address: server.address, port: 80)
      connections.append((try client.stack.connect(to: server, now: network.now), 0))
    }
    var accepted: [(handle: Connection, got: [UInt8])] = []
    var highest = 0
    var rounds = 0
    while accepted.count < count || accepted.contains(where: { $0.got.count < bytes.count }), rounds < 200_000 {
      rounds += 1
      network.run(for: .milliseconds(5))
      for index in connections.indices where connections[index].sent < bytes.count {
        connections[index].sent +=
          (try? client.stack.write(connections[index].handle, bytes, from: connections[index].sent)) ?? 0
      }
      while let handle = server.stack.accept(listener) { accepted.append((handle, [])) }
      // A reader that comes seldom, so that what is received piles up.
      if rounds % 7 == 0 {
        for index in accepted.indices {
          accepted[index].got += (try? server.stack.read(accepted[index].handle, limit: 3000)) ?? []
        }
      }
      highest = max(highest, server.stack.bufferMemory.used, client.stack.bufferMemory.used)
    }
    #expect(accepted.count == count)
    #expect(accepted.allSatisfy { $0.got == bytes })
    #expect(highest > 0 && highest <= 32 << 10, "\(highest)")
  }

  @Test(
    "a queue of frames gives them back in order, with what was said of them, as many as have room", arguments: [5, 6])
  func frameQueue(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let queue = FrameQueue(byteCount: 16 << 10)
    var model: [(bytes: [UInt8], metadata: FrameMetadata)] = []
    var refused = 0
    for _ in 0..<5000 {
      if random.next() % 5 < 3 {
        let bytes = pattern(Int(random.next() % 2049), from: Int(random.next() % 1000))
        let metadata = FrameMetadata(
          needsChecksum: random.next() & 1 == 0, checksumIsValid: random.next() & 1 == 0)
        let used = model.reduce(0) { $0 + 4 + $1.bytes.count }
        let isTaken = bytes.withUnsafeBytes { queue.append($0, metadata) }
        #expect(isTaken == (used + 4 + bytes.count <= 16 << 10))
        if isTaken { model.append((bytes, metadata)) } else { refused += 1 }
      } else {
        var buffer = [UInt8](repeating: 0, count: 2048)
        let taken = buffer.withUnsafeMutableBytes { queue.take(into: $0) }
        #expect((taken == nil) == model.isEmpty)
        guard let taken, !model.isEmpty else { continue }
        let first = model.removeFirst()
        #expect(Array(buffer[..<taken.count]) == first.bytes, "seed \(seed)")
        #expect(taken.metadata.checksumIsValid == first.metadata.checksumIsValid)
        #expect(taken.metadata.needsChecksum == first.metadata.needsChecksum)
      }
      let isEmpty = queue.isEmpty
      #expect(isEmpty == model.isEmpty)
    }
    #expect(refused > 0)
  }

  @Test("a peer that never ends its side of a released connection does not keep its slot from others")
  func finWait2() throws {
    var configuration = StackConfiguration()
    configuration.maximumConnections = 4
    let (client, server) = (Host(number: 1), Host(number: 2, configuration: configuration))
    let network = SimulatedNetwork([client, server])
    let listener = try server.stack.listen(port: 80, backlog: 4)
    for round in 0..<12 {
      let c = try client.stack.connect(to: Endpoint(address: server.address, port: 80), now: network.now)
      var accepted: Connection?
      #expect(
        network.run(limit: .milliseconds(500)) {
          accepted = accepted ?? server.stack.accept(listener)
          return accepted != nil
        }, "round \(round)")
      guard let accepted else { return }
      // The server ends and lets go; the client never does.
      server.stack.finish(accepted)
      server.stack.release(accepted)
      #expect(network.run(limit: .seconds(1)) { client.stack.status(of: c)?.peerFinished == true })
    }
  }
}

/// A queue behind a reference, for arrays.
private final class Queue {
  nonisolated(unsafe) static var all: [Queue] = []
  private var ring = RingBuffer()

  init(_ account: BufferMemory) { ring.open(minimum: 128 << 10, account: account) }

  func fill(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { ring.append($0) } }
  func drain() { ring.discard(ring.count) }
}
