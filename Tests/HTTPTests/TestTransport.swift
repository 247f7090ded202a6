import HTTP

/// Connections in memory, whose client ends a test holds.
struct TestTransport: StreamTransport {
  struct Broken: Error {}

  struct Link {
    /// Sent by the client, not yet read by the server.
    var toServer: [UInt8] = []
    var clientFinished = false
    /// Written by the server.
    var toClient: [UInt8] = []
    /// Bytes the server may still write.
    var window = Int.max
    var serverFinished = false
    var aborted = false
    var released = false
    var isBroken = false
  }

  var links: [Link] = []
  var accepted = 0
  /// Most bytes moved by one read or write.
  var largestPiece = Int.max
  /// Uses of connections after their release, and the like.
  var mistakes: [String] = []

  mutating func connect(sending bytes: [UInt8] = []) -> Int {
    links.append(Link(toServer: bytes))
    return links.count - 1
  }

  private mutating func check(_ connection: Int, _ operation: String) {
    if links[connection].released { mistakes.append("\(operation) after release of \(connection)") }
  }

  mutating func accept() -> Int? {
    guard accepted < links.count else { return nil }
    accepted += 1
    return accepted - 1
  }

  mutating func read(_ connection: Int, into buffer: UnsafeMutableRawBufferPointer) throws(Broken) -> Int {
    check(connection, "read")
    if links[connection].isBroken { throw Broken() }
    if buffer.isEmpty { mistakes.append("read into nothing") }
    let count = min(buffer.count, links[connection].toServer.count, largestPiece)
    buffer.copyBytes(from: links[connection].toServer[..<count])
    links[connection].toServer.removeFirst(count)
    return count
  }

  mutating func write(_ connection: Int, from bytes: Span<UInt8>) throws(Broken) -> Int {
    check(connection, "write")
    if links[connection].isBroken { throw Broken() }
    if links[connection].serverFinished { mistakes.append("write after finish of \(connection)") }
    if bytes.isEmpty { mistakes.append("write of nothing") }
    let count = min(bytes.count, links[connection].window, largestPiece)
    bytes.withUnsafeBufferPointer { links[connection].toClient.append(contentsOf: $0[..<count]) }
    links[connection].window -= count
    return count
  }

  mutating func peerFinished(_ connection: Int) -> Bool {
    check(connection, "peerFinished")
    return links[connection].clientFinished && links[connection].toServer.isEmpty
  }

  mutating func finish(_ connection: Int) {
    check(connection, "finish")
    links[connection].serverFinished = true
  }

  mutating func abort(_ connection: Int) {
    check(connection, "abort")
    links[connection].aborted = true
  }

  mutating func release(_ connection: Int) {
    check(connection, "release")
    links[connection].released = true
  }
}
