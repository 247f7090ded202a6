import RandomFixtures
import HTTP
import StorageFixtures
import Testing

struct ConnectionTests {
  private static let pipeline =
    "GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n"
    + "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nGET /fake HTTP/1.1\r\nHost: h\r\n\r\n"
    + "HEAD /sizes/513 HTTP/1.1\r\nHost: h\r\n\r\n" + "\r\nGET /sizes/513 HTTP/1.1\nHost: h\n\n"
    + "GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + "GET /ignored HTTP/1.1\r\n"

  private func checkPipeline(_ output: [UInt8]) throws {
    var bytes = output[...]
    #expect(try TestResponse(taking: &bytes).text == "0123456789")
    #expect(try TestResponse(taking: &bytes).status == 405)
    let head = try TestResponse(taking: &bytes, isHead: true)
    #expect(head.fields["content-length"] == "513")
    #expect(try TestResponse(taking: &bytes).body == randomBytes(513, seed: 514))
    let last = try TestResponse(taking: &bytes)
    #expect(last.status == 404)
    #expect(last.fields["connection"] == "close")
    #expect(bytes.isEmpty)
  }

  @Test("pipelined requests are answered in order, split at any byte")
  func pipelining() throws {
    let request = Array(Self.pipeline.utf8)
    var site = try TestSite()
    for split in 0...request.count {
      let link = site.server.transport.connect(sending: Array(request[..<split]))
      try site.settle()
      if !site.server.transport.links[link].released {
        site.server.transport.links[link].toServer += request[split...]
      }
      site.server.transport.links[link].clientFinished = true
      try site.settle()
      let end = site.server.transport.links[link]
      try checkPipeline(end.toClient)
      #expect(end.released && end.serverFinished && !end.aborted)
      site.server.transport.links[link] = TestTransport.Link(released: true)
    }
    #expect(site.server.transport.mistakes == [])
    let open = site.server.openConnections
    #expect(open == 0)
  }

  @Test("requests that come byte by byte are answered")
  func byteByByte() throws {
    var site = try TestSite()
    site.server.transport.largestPiece = 1
    let link = site.server.transport.connect()
    for byte in Self.pipeline.utf8 {
      if site.server.transport.links[link].released { break }
      site.server.transport.links[link].toServer.append(byte)
      try site.settle()
    }
    try checkPipeline(site.server.transport.links[link].toClient)
  }

  @Test("many connections get their own answers at the same time", arguments: [16, 64, 200])
  func parallel(count: Int) throws {
    var site = try TestSite(frames: 8, diskDelay: 3)
    site.server.transport.largestPiece = 1000
    let sizes = TestSite.sizes
    for number in 0..<count {
      let size = sizes[number % sizes.count]
      _ = site.server.transport.connect(
        sending: Array("GET /sizes/\(size) HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
      site.server.transport.links[number].clientFinished = true
    }
    try site.settle()
    for number in 0..<count {
      var bytes = site.server.transport.links[number].toClient[...]
      let size = sizes[number % sizes.count]
      #expect(try TestResponse(taking: &bytes).body == randomBytes(size, seed: UInt64(size + 1)))
      #expect(site.server.transport.links[number].released)
    }
    #expect(site.server.statistics.connections == UInt64(count))
    #expect(site.server.transport.mistakes == [])
  }

  @Test("an idle connection gives way to a waiting client")
  func eviction() throws {
    var configuration = ServerConfiguration()
    configuration.connections = 4
    var site = try TestSite(configuration: configuration)
    for _ in 0..<20 {
      let response = try site.get("/text.txt")
      #expect(response.text == "0123456789")
    }
    let open = site.server.openConnections
    #expect(open <= 4)
    #expect(site.server.transport.links.filter { !$0.released }.count == 4)
    #expect(site.server.transport.links.allSatisfy { !$0.aborted })
  }

  @Test("connections in the middle of a request or response do not give way")
  func noEviction() throws {
    var configuration = ServerConfiguration()
    configuration.connections = 2
    var site = try TestSite(configuration: configuration)
    let reading = site.server.transport.connect(sending: Array("GET /te".utf8))
    let writing = site.server.transport.connect(sending: Array("GET /sizes/70000 HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    site.server.transport.links[writing].window = 5000
    try site.settle()
    let third = site.server.transport.connect(sending: Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    try site.settle()
    #expect(site.server.transport.links[third].toClient.isEmpty)
    site.server.transport.links[reading].toServer += Array("xt.txt HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
    site.server.transport.links[writing].window = .max
    try site.settle()
    #expect(site.server.transport.links[writing].toClient.count > 70_000)
    #expect(!site.server.transport.links[third].toClient.isEmpty)
    #expect(!site.server.transport.links[reading].toClient.isEmpty)
  }

  @Test("new and half-read connections give way to a waiting client after a tenth of a second, and not before")
  func contention() throws {
    var configuration = ServerConfiguration()
    configuration.connections = 2
    var site = try TestSite(configuration: configuration)
    let new = site.server.transport.connect(sending: [])
    let half = site.server.transport.connect(sending: Array("GET /te".utf8))
    try site.settle()
    let third = site.server.transport.connect(sending: Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    try site.settle()
    let deadline = site.server.nextDeadline
    #expect(deadline == site.now.advanced(byMilliseconds: 100))
    site.now = MonotonicTime(nanoseconds: site.now.nanoseconds + 99_999_999)
    try site.settle()
    #expect(!site.server.transport.links[new].serverFinished)
    #expect(!site.server.transport.links[half].serverFinished)
    #expect(site.server.transport.links[third].toClient.isEmpty)
    site.now = MonotonicTime(nanoseconds: site.now.nanoseconds + 1)
    try site.settle()
    #expect(!site.server.transport.links[third].toClient.isEmpty)
    #expect(site.server.transport.links[new].released)
    #expect(site.server.transport.links[new].toClient.isEmpty)
    // The third one, idle now, gives way at once; after that the half-read one has to.
    let fourth = site.server.transport.connect(sending: Array("GET /te".utf8))
    let fifth = site.server.transport.connect(sending: Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    try site.settle()
    #expect(site.server.transport.links[third].released)
    #expect(!site.server.transport.links[fourth].serverFinished)
    let answer = String(decoding: site.server.transport.links[half].toClient, as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 408 "), "\(answer)")
    site.now = site.now.advanced(byMilliseconds: 100)
    try site.settle()
    #expect(!site.server.transport.links[fifth].toClient.isEmpty)
    #expect(site.server.transport.mistakes == [])
  }

  @Test("an idle connection ends in silence when its time is up")
  func idleTimeout() throws {
    var site = try TestSite()
    _ = try site.get("/text.txt")
    let next = site.server.nextDeadline
    let deadline = try #require(next)
    #expect(deadline == site.now.advanced(byMilliseconds: 15_000))
    let answer = site.server.transport.links[0].toClient
    site.now = MonotonicTime(nanoseconds: deadline.nanoseconds - 1)
    try site.settle()
    #expect(!site.server.transport.links[0].serverFinished)
    site.now = deadline
    try site.settle()
    #expect(site.server.transport.links[0].serverFinished)
    #expect(site.server.transport.links[0].released)
    #expect(site.server.transport.links[0].toClient == answer)
    let none = site.server.nextDeadline
    #expect(none == nil)
  }

  @Test("a client that drips its request is cut off with 408, however it drips")
  func slowRequest() throws {
    var site = try TestSite()
    let link = site.server.transport.connect(sending: Array("GET / HTTP/1.1\r\n".utf8))
    try site.settle()
    for _ in 0..<11 {
      site.now = site.now.advanced(byMilliseconds: 1000)
      site.server.transport.links[link].toServer += Array("a: b\r\n".utf8)
      try site.settle()
    }
    var bytes = site.server.transport.links[link].toClient[...]
    #expect(try TestResponse(taking: &bytes).status == 408)
    #expect(site.server.transport.links[link].serverFinished)
    site.now = site.now.advanced(byMilliseconds: 3000)
    try site.settle()
    #expect(site.server.transport.links[link].released)
    #expect(site.server.statistics.timeouts == 1)
  }

  @Test("a client that does not read, or reads too slowly, is cut off")
  func slowReader() throws {
    for drip in [0, 1000] {
      var site = try TestSite(files: [("big", randomBytes(2_000_000))])
      let link = site.server.transport.connect(sending: Array("GET /big HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
      site.server.transport.links[link].window = 1000
      try site.settle()
      var seconds = 0
      while !site.server.transport.links[link].released, seconds < 10_000 {
        seconds += 10
        site.now = site.now.advanced(byMilliseconds: 10_000)
        site.server.transport.links[link].window += drip
        try site.settle()
      }
      #expect(site.server.transport.links[link].aborted)
      #expect(seconds == (drip == 0 ? 30 : 1990), "after 30 s, or 30 s and 1 s for each KiB")
    }
  }

  @Test("a connection that breaks, in whatever state, is given back once")
  func broken() throws {
    var site = try TestSite()
    for request in [
      "", "GET /", "GET /sizes/70000 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
    ] {
      let link = site.server.transport.connect(sending: Array(request.utf8))
      site.server.transport.links[link].window = 500
      try site.settle()
      site.server.transport.links[link].isBroken = true
      try site.settle()
      #expect(site.server.transport.links[link].released, "\(request)")
    }
    let open = site.server.openConnections
    #expect(open == 0)
    #expect(site.server.transport.mistakes == [])
  }

  @Test("a client that finishes sending still gets its answer")
  func halfClose() throws {
    var site = try TestSite()
    for (request, answers) in [
      ("GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n", true), ("GET /text.txt HT", false), ("", false),
      ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", true),
    ] {
      let bytes = try site.exchange(request, finishes: true)
      #expect(bytes.isEmpty == !answers)
      #expect(site.server.transport.links.last?.released == true)
    }
    #expect(site.server.transport.mistakes == [])
  }

  @Test("a server that has ended a connection reads on until the client has, or for two seconds")
  func lingering() throws {
    var site = try TestSite()
    let link = site.server.transport.connect(
      sending: Array("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n".utf8) + randomBytes(100_000))
    try site.settle()
    #expect(site.server.transport.links[link].serverFinished)
    #expect(site.server.transport.links[link].toServer.isEmpty)
    #expect(!site.server.transport.links[link].released)
    site.now = site.now.advanced(byMilliseconds: 2000)
    try site.settle()
    #expect(site.server.transport.links[link].released)
    let flood = site.server.transport.connect(sending: Array("x y z\r\n\r\n".utf8) + randomBytes(400_000))
    try site.settle()
    #expect(site.server.transport.links[flood].released, "but not for ever")
  }

  @Test("hostile bytes are answered or cut off, and others are served", arguments: 1...60 as ClosedRange<UInt64>)
  func fuzz(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var site = try TestSite(frames: Int.random(in: 2...16, using: &generator))
    site.server.transport.largestPiece = Int.random(in: 1...3000, using: &generator)
    let words = [
      "GET ", "HEAD ", "POST ", "/", "text.txt", "sizes/4097", "..", "%2e", "%00", "?", "http://h", " HTTP/1.1",
      " HTTP/1.0",
      "\r\n", "\n", "\r\n\r\n", "\n\n", "Host: h", "Host:", "Content-Length: ", "5", "99999999999999999999",
      "Range: bytes=",
      "0-", "-1", "Connection: close", "Transfer-Encoding: chunked", "\r\n5\r\nhello\r\n0\r\n\r\n",
      "Expect: 100-continue", "If-None-Match: *", "If-Modified-Since: ",
      "Sun, 06 Nov 1994 08:49:37 GMT", ":", " ", "\t", "\0", "\u{FF}", "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ]
    for _ in 0..<40 {
      var request: [UInt8] = []
      if Bool.random(using: &generator) { request += Array("GET / HTTP/1.1\r\nHost: h\r\n".utf8) }
      for _ in 0..<Int.random(in: 1...30, using: &generator) {
        if Int.random(in: 0..<12, using: &generator) == 0 {
          request.append(UInt8.random(in: 0...255, using: &generator))
        } else {
          request += Array(words.randomElement(using: &generator)!.utf8)
        }
      }
      let link = site.server.transport.connect(sending: request)
      site.server.transport.links[link].clientFinished = Bool.random(using: &generator)
      try site.settle()
      var bytes = site.server.transport.links[link].toClient[...]
      // The answers are well-formed, except that a client cannot know which of them are to HEAD.
      let first = request.drop { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }
      if !first.starts(with: Array("HEAD".utf8)), !bytes.isEmpty {
        #expect(throws: Never.self, "seed \(seed)") { try TestResponse(taking: &bytes) }
      }
      if Int.random(in: 0..<5, using: &generator) == 0 {
        site.now = site.now.advanced(byMilliseconds: UInt64.random(in: 0...20_000, using: &generator))
      }
    }
    #expect(try site.get("/text.txt").text == "0123456789", "seed \(seed)")
    site.now = site.now.advanced(byMilliseconds: 60_000)
    try site.settle()
    site.now = site.now.advanced(byMilliseconds: 60_000)
    try site.settle()
    let open = site.server.openConnections
    #expect(open == 0, "seed \(seed)")
    #expect(site.server.transport.mistakes == [], "seed \(seed)")
  }
}
