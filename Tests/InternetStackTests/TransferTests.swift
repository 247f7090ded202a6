import Testing

@testable import InternetStack

@Suite("TCP between two stacks") struct TransferTests {
  /// Sends `count` bytes from the client to the server, then FIN; checks every byte.
  static func transfer(_ pair: ConnectedPair, count: Int, limit: TimeSpan = .seconds(100_000)) throws {
    let (client, server) = (pair.client.stack, pair.server.stack)
    var written = 0
    var read = 0
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let done = try pair.network.runThrowing(limit: limit) {
      while written < count {
        let part = min(Pattern.period, count - written)
        let accepted = try Pattern.withBytes(from: written, count: part) { try client.write(pair.c, from: $0) }
        written += accepted
        if written == count { client.finish(pair.c) }
        if accepted < part { break }
      }
      while true {
        let got = try buffer.withUnsafeMutableBytes { try server.read(pair.s, into: $0) }
        if got == 0 { break }
        let isRight = buffer.withUnsafeBytes {
          Pattern.matches(UnsafeRawBufferPointer(rebasing: $0[..<got]), from: read)
        }
        if !isRight { throw TestFailure(what: "content differs after byte \(read)") }
        read += got
      }
      return server.status(of: pair.s)?.isAtEnd == true
    }
    #expect(done)
    #expect(read == count)
  }

  @Test("a connection carries data both ways and closes in order")
  func echo() throws {
    let pair = try ConnectedPair()
    let (client, server) = (pair.client.stack, pair.server.stack)
    _ = try client.write(pair.c, pattern(5000))
    pair.network.run(for: .milliseconds(200))
    let request = try server.read(pair.s)
    #expect(request == pattern(5000))
    _ = try server.write(pair.s, request)
    server.finish(pair.s)
    pair.network.run(for: .milliseconds(200))
    #expect(try client.read(pair.c) == pattern(5000))
    #expect(client.status(of: pair.c)?.isAtEnd == true)
    #expect(client.state(of: pair.c) == .closeWait)
    #expect(server.state(of: pair.s) == .finWait2)
    client.release(pair.c)
    pair.network.run(for: .milliseconds(200))
    #expect(client.status(of: pair.c) == nil)
    #expect(server.state(of: pair.s) == .timeWait)
    pair.network.run(for: .seconds(61))
    #expect(server.state(of: pair.s) == .closed)
    server.release(pair.s)
    #expect(server.status(of: pair.s) == nil)
  }

  @Test("32 MiB arrive intact through 5 % loss")
  func lossyTransfer() throws {
    let pair = try ConnectedPair(seed: 42)
    pair.network.lossPermille = 50
    try Self.transfer(pair, count: 32 << 20)
    #expect(pair.network.lost > 1000)
    #expect(pair.client.stack.statistics.fastRetransmits > 100)
  }

  @Test("data arrives intact through loss, duplication and reordering together", arguments: 1...8)
  func badNetwork(seed: Int) throws {
    let pair = try ConnectedPair(seed: UInt64(seed))
    pair.network.lossPermille = 20 * seed
    pair.network.duplicatePermille = 50
    pair.network.reorderPermille = 100
    try Self.transfer(pair, count: 200_000)
    #expect(pair.server.stack.statistics.outOfOrderSegments > 0)
  }

  @Test("both directions at once, with both sides finishing, survive a bad network", arguments: 1...4)
  func bothDirections(seed: Int) throws {
    let pair = try ConnectedPair(seed: UInt64(seed))
    pair.network.lossPermille = 50
    pair.network.reorderPermille = 50
    let total = 300_000
    let ends = [(pair.client.stack, pair.c), (pair.server.stack, pair.s)]
    var written = [0, 0]
    var read: [[UInt8]] = [[], []]
    let done = try pair.network.runThrowing(limit: .seconds(10_000)) {
      for (index, (stack, connection)) in ends.enumerated() {
        if written[index] < total {
          let part = min(Pattern.period, total - written[index])
          written[index] += try Pattern.withBytes(from: written[index], count: part) {
            try stack.write(connection, from: $0)
          }
          if written[index] == total { stack.finish(connection) }
        }
        read[index] += try stack.read(connection)
      }
      return ends.allSatisfy { $0.0.status(of: $0.1)?.isAtEnd == true }
    }
    #expect(done)
    #expect(read[0] == pattern(total))
    #expect(read[1] == pattern(total))
    for (stack, connection) in ends { stack.release(connection) }
    pair.network.lossPermille = 0
    pair.network.run(for: .seconds(200))
    for (stack, _) in ends { #expect(stack.tcp.slots.allSatisfy { $0 == nil }) }
  }

  @Test("window scaling fills a long fat path: more than 64 KiB in flight")
  func windowScaling() throws {
    var configuration = StackConfiguration()
    configuration.receiveBufferSize = 1 << 20
    configuration.sendBufferSize = 1 << 20
    let pair = try ConnectedPair(clientConfiguration: configuration, serverConfiguration: configuration)
    pair.network.delay = .milliseconds(50)
    let start = pair.network.now
    try Self.transfer(pair, count: 8 << 20)
    // 8 MiB in windows of 64 KiB would take 12.8 s.
    #expect(pair.network.now.nanoseconds - start.nanoseconds < 2_000_000_000)
    #expect(pair.client.stack.statistics.segmentsRetransmitted == 0)
  }

  @Test("a reader that pauses closes the window and loses nothing, even if the window's opening gets lost")
  func slowReader() throws {
    let pair = try ConnectedPair()
    let (client, server) = (pair.client.stack, pair.server.stack)
    var written = 0
    while true {
      let accepted = try client.write(pair.c, pattern(50_000, from: written))
      written += accepted
      pair.network.run(for: .milliseconds(50))
      if accepted == 0 { break }
    }
    #expect(written > 250 * 1024)
    #expect(server.status(of: pair.s)?.readableBytes == 128 * 1024)
    pair.network.run(for: .seconds(30))
    #expect(client.statistics.windowProbes > 3)
    // The next thing the server sends is the news of its open window.
    var lost = 0
    pair.network.filter = { _, from in
      if from == 1, lost == 0 {
        lost += 1
        return false
      }
      return true
    }
    var read = try server.read(pair.s, limit: 1 << 20)
    pair.network.run(for: .milliseconds(100))
    #expect(lost == 1)
    #expect(server.status(of: pair.s)?.readableBytes == 0)
    pair.network.run(for: .seconds(61))
    read += try server.read(pair.s, limit: 1 << 20)
    #expect(read == pattern(written))
    #expect(client.status(of: pair.c)?.unacknowledgedBytes == 0)
  }

  @Test("with offload, large frames carry the data and both ends agree on every byte", arguments: [0, 30])
  func offload(lossPermille: Int) throws {
    let offload = LinkOffload(transmitChecksum: true, maximumSegmentsPerSend: 64)
    let pair = try ConnectedPair(offload: offload, seed: 9)
    pair.network.lossPermille = lossPermille
    try Self.transfer(pair, count: 16 << 20)
    #expect(pair.client.stack.statistics.segmentsSent < 16 << 20 / 1460 / 4)
  }

  @Test("many connections at once share the stack, and all slots come back")
  func manyConnections() throws {
    let (client, server) = (Host(number: 1), Host(number: 2))
    let network = SimulatedNetwork([client, server], seed: 5)
    network.lossPermille = 20
    let listener = try server.stack.listen(port: 80, backlog: 64)
    let size = 20_000
    var clients: [Connection] = []
    for _ in 0..<60 {
      let connection = try client.stack.connect(to: Endpoint(address: server.address, port: 80), now: network.now)
      _ = try client.stack.write(connection, [UInt8(clients.count)])
      client.stack.finish(connection)
      clients.append(connection)
    }
    var received = [[UInt8]](repeating: [], count: clients.count)
    var finished = 0
    let done = try network.runThrowing(limit: .seconds(1000)) {
      _ = server.stack.accept(listener)
      while let connection = server.stack.nextChangedConnection() {
        let request = try server.stack.read(connection)
        guard let number = request.first else { continue }
        #expect(try server.stack.write(connection, pattern(size, from: Int(number))) == size)
        server.stack.release(connection)
      }
      while let connection = client.stack.nextChangedConnection() {
        guard let number = clients.firstIndex(of: connection) else { continue }
        received[number] += try client.stack.read(connection)
        if client.stack.status(of: connection)?.isAtEnd == true {
          finished += 1
          client.stack.release(connection)
        }
      }
      return finished == clients.count
    }
    #expect(done)
    for (number, bytes) in received.enumerated() { #expect(bytes == pattern(size, from: number)) }
    network.run(for: .seconds(300))
    #expect(client.stack.tcp.slots.allSatisfy { $0 == nil })
    #expect(server.stack.tcp.slots.allSatisfy { $0 == nil })
    #expect(server.stack.nextDeadline == nil)
  }

  @Test("1 MiB arrives without loss in little time")
  func plainTransfer() throws {
    let pair = try ConnectedPair()
    try Self.transfer(pair, count: 1 << 20)
    #expect(pair.client.stack.statistics.segmentsRetransmitted == 0)
  }
}

extension SimulatedNetwork {
  func runThrowing(limit: TimeSpan, until condition: () throws -> Bool) throws -> Bool {
    var failure: (any Error)?
    let result = run(limit: limit) {
      do { return try condition() } catch {
        failure = error
        return true
      }
    }
    if let failure { throw failure }
    return result
  }
}
