import HTTP
import StorageFixtures
import Testing

/// Many clients, some of which want nothing but places.
struct ContentionTests {
  private static func site(places: Int) throws -> TestSite {
    var configuration = ServerConfiguration()
    configuration.connections = places
    return try TestSite(configuration: configuration, diskDelay: 0)
  }

  /// Ways to hold a place without a complete request.
  static let halves = [
    "GET / HTTP/1.1\r\nHost", "", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nabc",
    "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    "GET /text.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  ]

  @Test("half requests do not hold up a fresh one while there are places", arguments: halves)
  func enoughPlaces(half: String) throws {
    var site = try Self.site(places: 512)
    for _ in 0..<300 { _ = site.server.transport.connect(sending: Array(half.utf8)) }
    try site.settle()
    #expect(try site.get("/text.txt").text == "0123456789")
  }

  @Test(
    "nor where there are none: all of them give way, the oldest first, within their tenth of a second",
    arguments: halves)
  func fewPlaces(half: String) throws {
    var site = try Self.site(places: 64)
    for _ in 0..<300 { _ = site.server.transport.connect(sending: Array(half.utf8)) }
    try site.settle()
    let fresh = site.server.transport.connect(sending: Array("GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    var milliseconds = 0
    while site.server.transport.links[fresh].toClient.isEmpty, milliseconds < 10_000 {
      milliseconds += 10
      site.now = site.now.advanced(byMilliseconds: 10)
      try site.settle()
    }
    // Each of the 64 places changes hands every tenth of a second: 300 before it take less than half a second.
    #expect(milliseconds <= 500, "\(milliseconds) ms")
    var bytes = site.server.transport.links[fresh].toClient[...]
    #expect(try TestResponse(taking: &bytes).text == "0123456789")
    #expect(site.server.transport.mistakes == [])
  }

  @Test(
    "while clients wait, answers end their connections, so that nobody's request meets a connection that was given away"
  )
  func closing() throws {
    var site = try Self.site(places: 8)
    let request = Array("GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
    var links: [Int] = []
    for _ in 0..<40 { links.append(site.server.transport.connect(sending: request)) }
    for _ in 0..<40 {
      try site.settle()
      // Clients that were told so end their connections.
      for link in links where site.server.transport.links[link].serverFinished {
        site.server.transport.links[link].clientFinished = true
      }
    }
    for (index, link) in links.enumerated() {
      var bytes = site.server.transport.links[link].toClient[...]
      let response = try TestResponse(taking: &bytes)
      #expect(response.text == "0123456789")
      #expect((response.fields["connection"] == "close") == (index < 32), "connection \(index)")
      #expect(!site.server.transport.links[link].aborted)
    }
    #expect(site.server.openConnections == 8)
  }

  @Test("a connection that must wait for its head's rest keeps what came, however long the head")
  func growth() throws {
    var site = try Self.site(places: 4)
    let head = Array(
      "GET /text.txt HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "f", count: 7000))\r\n\r\n".utf8)
    let link = site.server.transport.connect()
    for start in stride(from: 0, to: 2 * head.count, by: 700) {
      let both = head + head
      site.server.transport.links[link].toServer += both[start..<min(start + 700, both.count)]
      try site.settle()
    }
    var bytes = site.server.transport.links[link].toClient[...]
    #expect(try TestResponse(taking: &bytes).text == "0123456789")
    #expect(try TestResponse(taking: &bytes).text == "0123456789")
    #expect(bytes.isEmpty)
  }
}
