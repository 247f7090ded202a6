import Testing

@testable import InternetStack

@Suite("ARP, ICMP, UDP") struct LinkAndDatagramTests {
  /// Sends a datagram of text.
  private func send(_ host: Host, _ socket: UDPSocket, to: Endpoint, _ text: [UInt8], _ now: Instant) throws {
    try text.withUnsafeBytes { try host.stack.sendUDP(socket, to: to, from: $0, now: now) }
  }

  private func receive(_ host: Host, _ socket: UDPSocket, limit: Int = 2000) throws -> (ReceivedDatagram, [UInt8])? {
    var buffer = [UInt8](repeating: 0, count: limit)
    guard let datagram = try buffer.withUnsafeMutableBytes({ try host.stack.receiveUDP(socket, into: $0) }) else {
      return nil
    }
    return (datagram, Array(buffer[..<datagram.count]))
  }

  @Test("a datagram waits for ARP, arrives, and is answered without another request")
  func datagram() throws {
    let (a, b) = (Host(number: 1), Host(number: 2))
    let network = SimulatedNetwork([a, b])
    network.run(for: .milliseconds(10))
    let announced = a.stack.statistics.arpRequestsSent
    #expect(announced == 1)
    let client = try a.stack.openUDP(port: nil)
    let server = try b.stack.openUDP(port: 7)
    try send(a, client, to: Endpoint(address: b.address, port: 7), pattern(1000), network.now)
    network.run(for: .milliseconds(10))
    let (datagram, bytes) = try #require(try receive(b, server))
    #expect(bytes == pattern(1000))
    #expect(datagram.source == Endpoint(address: a.address, port: a.stack.port(of: client)!))
    try send(b, server, to: datagram.source, [1, 2, 3], network.now)
    network.run(for: .milliseconds(10))
    #expect(try receive(a, client, limit: 2)?.0.isTruncated == true)
    #expect(try receive(a, client)?.0 == nil)
    #expect(a.stack.statistics.arpRequestsSent == 2)
    #expect(b.stack.statistics.arpRequestsSent == 1)
  }
}
