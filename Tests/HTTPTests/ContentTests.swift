import HTTP
import RandomFixtures
import StorageFixtures
import Testing

/// Requests with content: chunked or of a stated length, and clients that wait for `100 Continue`.
struct ContentTests {
  private static let next = "GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n"

  private static func chunked(_ method: String, _ body: String, fields: String = "") -> String {
    "\(method) HTTP/1.1\r\nHost: h\r\n\(fields)Transfer-Encoding: chunked\r\n\r\n\(body)"
  }

  @Test(
    "a request with chunked content is answered, and the connection goes on behind the content",
    arguments: [
      "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5;x=y\r\nhello\r\n0;last\r\nT: 1\r\n\r\n",
      "00005\r\nhello\r\n000\r\n\r\n",
      "5 ; a = \"b;c\"\r\nhello\r\n0\r\n\r\n", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\nX:\r\nY: z \t\r\n\r\n",
      // The content looks like requests.
      "1f\r\nGET /fake HTTP/1.1\r\nHost: h\r\n\r\n\r\n0\r\n\r\n", "2\r\n\r\n\r\n0\r\n\r\n",
    ])
  func chunkedContent(body: String) throws {
    var site = try TestSite()
    for (method, status) in [("GET /docs/", 200), ("POST /x", 405), ("PUT /text.txt", 405), ("BREW /pot", 501)] {
      let request = Array((Self.chunked(method, body) + Self.next).utf8)
      for split in [0, request.count / 3, request.count / 2, request.count - Self.next.utf8.count, request.count - 1] {
        let link = site.server.transport.connect(sending: Array(request[..<split]))
        try site.settle()
        site.server.transport.links[link].toServer += request[split...]
        try site.settle()
        var bytes = site.server.transport.links[link].toClient[...]
        #expect(try TestResponse(taking: &bytes).status == status, "\(method) \(body) split at \(split)")
        #expect(try TestResponse(taking: &bytes).text == "0123456789", "\(method) \(body) split at \(split)")
        #expect(bytes.isEmpty)
        #expect(!site.server.transport.links[link].serverFinished)
      }
    }
    #expect(site.server.transport.mistakes == [])
  }

  @Test(
    "content that is malformed is refused, and the connection ends",
    arguments: [
      "\r\n", "g\r\n", "-1\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", " 5\r\nhello\r\n", "5\nhello\n0\n\n",
      "5\r\nhelloo\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\rhello\r\n", "5 \r\nhello\r\n",
      "5 x\r\nhello\r\n", "5;a\u{0}\r\nhello\r\n", "5;a\nb\r\nhello\r\n", "0\r\n: x\r\n\r\n", "0\r\nno colon\r\n\r\n",
      "0\r\na: b\n\r\n", "0\r\n\n", "0\r\n folded\r\n\r\n", "0\r\na : b\r\n\r\n", "0\r\na: \u{1}\r\n\r\n", "\u{0}",
      ";\r\n",
    ])
  func malformed(body: String) throws {
    var site = try TestSite()
    var bytes = try site.exchange(Self.chunked("POST /x", body) + Self.next)[...]
    let response = try TestResponse(taking: &bytes)
    #expect(response.status == 400)
    #expect(response.fields["connection"] == "close")
    #expect(bytes.isEmpty)
    #expect(site.server.transport.links[0].serverFinished)
  }

  @Test(
    "content beyond what is read away is refused as soon as it shows, and no size overflows",
    arguments: [
      "10001\r\n", "fffffffffffffffff\r\nabc", "10000000000000000\r\n", "ffffffffffffffff\r\n", "8000000000000000\r\n",
      "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n1\r\n",
      String(repeating: "0", count: 9000), "1;" + String(repeating: "e", count: 9000),
      "0\r\nT: " + String(repeating: "e", count: 9000),
      "0\r\n" + String(repeating: "T: e\r\n", count: 3000),
    ])
  func tooLong(body: String) throws {
    var site = try TestSite()
    var bytes = try site.exchange(Self.chunked("GET /text.txt", body) + Self.next)[...]
    let response = try TestResponse(taking: &bytes)
    #expect(response.status == 413)
    #expect(response.fields["connection"] == "close")
    #expect(bytes.isEmpty)
  }

  @Test(
    "a request whose end two parties could see differently is refused, and the connection ends",
    arguments: [
      ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", 400),
      ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400),
      ("Transfer-Encoding: xchunked\r\n", 400), ("Transfer-Encoding: identity\r\n", 400),
      ("Transfer-Encoding: chunked, gzip\r\n", 400), ("Transfer-Encoding: chunked, chunked\r\n", 400),
      ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400), ("Transfer-Encoding:\r\n", 400),
      ("Transfer-Encoding: chunked;q=1\r\n", 400), ("Transfer-Encoding: \"chunked\"\r\n", 400),
      ("Transfer-Encoding: gzip, chunked\r\n", 501), ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
      ("Content-Length: 5\r\nContent-Length: 0\r\n", 400), ("Content-Length: +5\r\n", 400),
    ])
  func framing(fields: String, status: Int) throws {
    var site = try TestSite()
    var bytes = try site.exchange("POST /x HTTP/1.1\r\nHost: h\r\n\(fields)\r\n0\r\n\r\n" + Self.next)[...]
    let response = try TestResponse(taking: &bytes)
    #expect(response.status == status)
    #expect(response.fields["connection"] == "close")
    #expect(bytes.isEmpty)
    #expect(site.server.transport.links[0].serverFinished)
  }

  @Test("names of codings have no case, and empty elements of their list do not count")
  func codingNames() throws {
    var site = try TestSite()
    for value in ["Chunked", " , chunked ,", "CHUNKED\t"] {
      var bytes = try site.exchange(
        "GET /text.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \(value)\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + Self.next)[
          ...]
      #expect(try TestResponse(taking: &bytes).text == "0123456789")
      #expect(try TestResponse(taking: &bytes).text == "0123456789")
    }
  }

  @Test("a client that waits for permission gets it once, sends its content, and gets its answer")
  func continues() throws {
    for (field, content) in [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
      for window in [Int.max, 10] {
        var site = try TestSite()
        let link = site.server.transport.connect(
          sending: Array("GET /text.txt HTTP/1.1\r\nHost: h\r\n\(field)\r\nExpect: 100-CONTINUE\r\n\r\n".utf8))
        site.server.transport.links[link].window = window
        try site.settle()
        let interim = "HTTP/1.1 100 Continue\r\n\r\n"
        let first = String(decoding: site.server.transport.links[link].toClient, as: UTF8.self)
        #expect(first == String(interim.prefix(window)))
        site.server.transport.links[link].window = .max
        try site.settle()
        site.server.transport.links[link].toServer += Array((content + Self.next).utf8)
        try site.settle()
        let all = site.server.transport.links[link].toClient
        #expect(all.starts(with: interim.utf8))
        var bytes = all[interim.utf8.count...]
        #expect(try TestResponse(taking: &bytes).text == "0123456789")
        #expect(try TestResponse(taking: &bytes).text == "0123456789")
        #expect(bytes.isEmpty)
        #expect(site.server.transport.mistakes == [])
      }
    }
  }

  @Test("no permission is given for content that is here already, that there is none of, or in HTTP/1.0")
  func needless() throws {
    var site = try TestSite()
    for (version, rest) in [
      ("1.1", "Content-Length: 5\r\n\r\nhello"), ("1.1", "\r\n"), ("1.1", "Content-Length: 0\r\n\r\n"),
      ("1.0", "Connection: keep-alive\r\nContent-Length: 5\r\n\r\n"),
    ] {
      let link = site.server.transport.connect(
        sending: Array("GET /text.txt HTTP/\(version)\r\nHost: h\r\nExpect: 100-continue\r\n\(rest)".utf8))
      try site.settle()
      if version == "1.0" { site.server.transport.links[link].toServer += Array("hello".utf8) }
      try site.settle()
      var bytes = site.server.transport.links[link].toClient[...]
      #expect(try TestResponse(taking: &bytes).text == "0123456789", "\(version) \(rest)")
      #expect(bytes.isEmpty)
      #expect(!site.server.transport.links[link].serverFinished)
    }
  }

  @Test("a client that waits with content nobody wants gets the final status at once, and the connection ends")
  func finalStatus() throws {
    var site = try TestSite()
    for (line, expectation, status) in [
      ("POST /x", "100-continue", 405), ("GET /nothing", "100-continue", 404), ("BREW /", "100-continue", 501),
      ("GET /text.txt", "a-miracle", 417), ("POST /x", "100-continue, a-miracle", 417),
    ] {
      var bytes = try site.exchange(
        "\(line) HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: \(expectation)\r\n\r\n")[...]
      let response = try TestResponse(taking: &bytes)
      #expect(response.status == status, "\(line)")
      #expect(response.fields["connection"] == "close", "\(line)")
      #expect(bytes.isEmpty)
      #expect(site.server.transport.links.last?.serverFinished == true)
    }
  }

  @Test("content that does not come, or not to its end, is not waited for without end")
  func slowContent() throws {
    for field in ["Content-Length: 50", "Transfer-Encoding: chunked", "Content-Length: 50\r\nExpect: 100-continue"] {
      var site = try TestSite()
      let link = site.server.transport.connect(
        sending: Array("GET /text.txt HTTP/1.1\r\nHost: h\r\n\(field)\r\n\r\n".utf8))
      try site.settle()
      for _ in 0..<11 {
        site.now = site.now.advanced(byMilliseconds: 1000)
        site.server.transport.links[link].toServer += [UInt8(ascii: "1")]
        try site.settle()
      }
      var all = site.server.transport.links[link].toClient[...]
      if field.contains("Expect") { all = all.dropFirst("HTTP/1.1 100 Continue\r\n\r\n".utf8.count) }
      #expect(try TestResponse(taking: &all).status == (field.contains("chunked") ? 413 : 408), "\(field)")
      #expect(site.server.transport.links[link].serverFinished)
      let cut = try site.exchange("POST /x HTTP/1.1\r\nHost: h\r\n\(field)\r\n\r\n1", finishes: true)
      var bytes = cut[...]
      #expect(try TestResponse(taking: &bytes).status == (field.contains("Expect") ? 405 : 400), "\(field)")
      #expect(site.server.transport.mistakes == [])
    }
  }

  @Test("any content in any chunks, in pieces of any size, is passed over", arguments: 1...40 as ClosedRange<UInt64>)
  func property(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var site = try TestSite()
    site.server.transport.largestPiece = Int.random(in: 1...2000, using: &random)
    var request: [UInt8] = []
    let count = 10
    for _ in 0..<count {
      request += Array("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        let size = Int.random(in: 1...1500, using: &random)
        var line = String(size, radix: 16, uppercase: Bool.random(using: &random))
        if Bool.random(using: &random) { line = String(repeating: "0", count: Int(random.next() % 20)) + line }
        if Bool.random(using: &random) { line += " ;name=\"a value; with \u{E9}\"" }
        request += Array("\(line)\r\n".utf8)
        request += (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        request += Array("\r\n".utf8)
      }
      request += Array("0\r\n".utf8)
      for index in 0..<Int(random.next() % 3) { request += Array("Trailer-\(index): value\r\n".utf8) }
      request += Array("\r\n".utf8)
    }
    var bytes = try site.exchange(request + Array(Self.next.utf8))[...]
    for _ in 0..<count { #expect(try TestResponse(taking: &bytes).status == 405, "seed \(seed)") }
    #expect(try TestResponse(taking: &bytes).text == "0123456789", "seed \(seed)")
    #expect(bytes.isEmpty)
  }

  @Test("hostile content never lets its bytes be taken for more requests", arguments: 1...40 as ClosedRange<UInt64>)
  func hostile(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var site = try TestSite()
    site.server.transport.largestPiece = Int.random(in: 1...200, using: &random)
    let words = [
      "0", "5", "f", "FFFFFFFF", "\r\n", "\r\n", "\n", "\r", ";", " ", "\"", ":", "hello", "0\r\n\r\n", "\0", "T: 1",
      "ffffffffffffffff", "GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n",
    ]
    for _ in 0..<50 {
      var body = "40\r\n" + String(repeating: "x", count: 64) + "\r\n"
      for _ in 0..<Int.random(in: 1...12, using: &random) { body += words.randomElement(using: &random)! }
      let link = site.server.transport.connect(sending: Array(Self.chunked("POST /x", body).utf8))
      site.server.transport.links[link].clientFinished = true
      try site.settle()
      var bytes = site.server.transport.links[link].toClient[...]
      let first = try TestResponse(taking: &bytes)
      #expect([400, 405, 413].contains(first.status), "seed \(seed) \(body)")
      // Only content that ends well is followed by a request.
      if first.status != 405 { #expect(bytes.isEmpty, "seed \(seed) \(body)") }
      #expect(site.server.transport.links[link].released, "seed \(seed) \(body)")
    }
    #expect(try site.get("/text.txt").text == "0123456789")
    #expect(site.server.transport.mistakes == [])
  }
}
