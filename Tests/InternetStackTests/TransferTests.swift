import Testing

@testable import InternetStack

@Suite("TCP between two stacks") struct TransferTests {
  /// Sends `count` bytes from the client to the server, then FIN; checks every byte.
  static func transfer(_ pair: ConnectedPair, count: Int, limit: TimeSpan = .seconds(100_000)) throws {
    let (client, server) = (pair.client.stack, pair.server.stack)
    let chunk = 1 << 16
    var written = 0
    var read = 0
    var block = pattern(chunk)
    var blockStart = 0
    var buffer = [UInt8](repeating: 0, count: chunk)
    var expected = pattern(chunk)
    var expectedStart = 0
    let done = try pair.network.runThrowing(limit: limit) {
      while written < count {
        if written >= blockStart + chunk {
          blockStart = written
          block = pattern(min(chunk, count - written), from: written)
        }
        let part = min(block.count, count - blockStart) - (written - blockStart)
        let accepted = try block.withUnsafeBytes {
          try client.write(pair.c, from: UnsafeRawBufferPointer(rebasing: $0[(written - blockStart)...].prefix(part)))
        }
        written += accepted
        if written == count { client.finish(pair.c) }
        if accepted < part { break }
      }
      while true {
        let got = try buffer.withUnsafeMutableBytes { try server.read(pair.s, into: $0) }
        if got == 0 { break }
        var offset = 0
        while offset < got {
          if read + offset >= expectedStart + chunk {
            expectedStart += chunk
            expected = pattern(chunk, from: expectedStart)
          }
          let inBlock = read + offset - expectedStart
          let length = min(got - offset, chunk - inBlock)
          let isSame = buffer.withUnsafeBytes { a in
            expected.withUnsafeBytes { b in a[offset..<offset + length].elementsEqual(b[inBlock..<inBlock + length]) }
          }
          if !isSame { throw TestFailure(what: "content differs after byte \(read + offset)") }
          offset += length
        }
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
