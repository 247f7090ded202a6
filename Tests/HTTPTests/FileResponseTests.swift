import FileSystems
import HTTP
import RandomFixtures
import StorageFixtures
import Testing

struct FileResponseTests {
  @Test("every file comes back byte for byte, with its length and type", arguments: [Int.max, 1, 7, 1460])
  func files(largestPiece: Int) throws {
    var site = try TestSite()
    site.server.transport.largestPiece = largestPiece
    for (path, content) in TestSite.files where largestPiece > 1 || content.count < 5000 {
      let target =
        "/"
        + path.utf8.map { byte in
          byte == 0x20 || byte == 0x26 || byte >= 0x80 ? "%" + String(byte, radix: 16) : String(UnicodeScalar(byte))
        }.joined()
      let response = try site.get(target)
      #expect(response.status == 200, "\(path)")
      #expect(response.body == content, "\(path)")
      #expect(response.fields["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT")
      #expect(response.fields["connection"] == nil)
      #expect(response.fields["date"] == nil, "there is no clock")
    }
    #expect(site.server.transport.mistakes == [])
  }

  @Test("a file of several MiB comes through a small cache and a small window", arguments: [0, 5])
  func largeFile(diskDelay: Int) throws {
    let content = randomBytes(5_000_001, seed: 99)
    var site = try TestSite(frames: 6, diskDelay: diskDelay, files: [("big.bin", content)])
    let link = site.server.transport.connect(sending: Array("GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    site.server.transport.links[link].window = 0
    var received: [UInt8] = []
    received.reserveCapacity(content.count + 1000)
    while received.count < content.count + 200 {
      site.server.transport.links[link].window = 50_000
      try site.settle()
      let part = site.server.transport.links[link].toClient
      if part.isEmpty { break }
      received += part
      site.server.transport.links[link].toClient = []
    }
    var rest = received[...]
    let response = try TestResponse(taking: &rest)
    #expect(response.status == 200)
    #expect(response.body == content)
    #expect(rest.isEmpty)
    #expect(site.server.statistics.bodyBytes == 5_000_001)
  }

  @Test("HEAD gives the fields of GET and no content")
  func head() throws {
    var site = try TestSite()
    for target in ["/text.txt", "/sizes/70000", "/sizes/0", "/nothing", "/docs", "/docs/"] {
      let get = try site.get(target)
      let head = try site.response("HEAD \(target) HTTP/1.1", "Host: h", isHead: true)
      #expect(head.status == get.status)
      #expect(head.fields == get.fields)
    }
    let unsatisfiable = try site.response(
      "HEAD /text.txt HTTP/1.1", "Host: h", "Range: bytes=99-", isHead: true)
    #expect(unsatisfiable.status == 200, "ranges are for GET")
  }

  @Test(
    "the type follows the extension, whatever its case",
    arguments: [
      ("a.html", "text/html; charset=utf-8"), ("a.b.HTM", "text/html; charset=utf-8"),
      ("s.css", "text/css; charset=utf-8"), ("s.js", "text/javascript; charset=utf-8"),
      ("t.TxT", "text/plain; charset=utf-8"), ("p.png", "image/png"), ("p.jpeg", "image/jpeg"),
      ("p.svg", "image/svg+xml"),
      ("d.json", "application/json"), ("d.wasm", "application/wasm"), ("d.pdf", "application/pdf"),
      ("f.woff2", "font/woff2"), ("noextension", "application/octet-stream"),
      ("dir.html/x", "application/octet-stream"),
      ("x.unknown", "application/octet-stream"), ("x.", "application/octet-stream"), ("", "application/octet-stream"),
    ])
  func mediaTypes(path: String, type: String) {
    let bytes = Array(path.utf8)
    let found = MediaType.forPath(bytes.span)
    #expect("\(found)" == type)
  }

  @Test("a directory answers with its index, or leads to its slash, or is not found")
  func directories() throws {
    var site = try TestSite()
    #expect(try site.get("/").text == "<h1>root</h1>")
    #expect(try site.get("/docs/").text == "<h1>docs</h1>")
    #expect(try site.get("/docs/").fields["content-type"] == "text/html; charset=utf-8")
    for (target, location) in [
      ("/docs", "/docs/"), ("/docs?a=b&c", "/docs/?a=b&c"), ("//docs", "/docs/"), ("/%64ocs", "/docs/"),
      ("http://h/docs", "/docs/"), ("/bare", "/bare/"),
    ] {
      let response = try site.get(target)
      #expect(response.status == 301)
      #expect(response.fields["location"] == location)
    }
    #expect(try site.get("/bare/").status == 404)
    #expect(try site.get("/text.txt/").status == 404)
    #expect(try site.get("/text.txt/x").status == 404)
  }

  @Test("conditions save sending what the client has")
  func conditions() throws {
    var site = try TestSite()
    let first = try site.get("/text.txt")
    let tag = try #require(first.fields["etag"])
    let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    let cases: [(String, Int)] = [
      ("If-None-Match: \(tag)", 304), ("If-None-Match: W/\(tag)", 304), ("If-None-Match: \"x\", \(tag)", 304),
      ("If-None-Match: *", 304), ("If-None-Match: \"x\"", 200), ("If-None-Match:", 200),
      ("If-Modified-Since: \(date)", 304), ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200),
      ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 304), ("If-Modified-Since: Sun Nov  6 08:49:37 1994", 304),
      ("If-Modified-Since: yesterday", 200), ("If-None-Match: \"x\"\r\nIf-Modified-Since: \(date)", 200),
      ("If-Match: \(tag)", 200), ("If-Match: *", 200), ("If-Match: \"x\"", 412), ("If-Match: W/\(tag)", 412),
      ("If-Unmodified-Since: \(date)", 200), ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 412),
    ]
    for (field, status) in cases {
      let response = try site.get("/text.txt", field)
      #expect(response.status == status, "\(field)")
      if status == 304 {
        #expect(response.fields["etag"] == tag)
        #expect(response.fields["content-length"] == nil)
      }
    }
    #expect(try site.get("/sizes/1", "If-None-Match: \(tag)").status == 200)
  }

  @Test("one range comes alone; others are refused or passed over")
  func ranges() throws {
    var site = try TestSite()
    let tag = try #require(try site.get("/text.txt").fields["etag"])
    let cases: [(String, String, String)] = [
      ("bytes=0-3", "0123", "bytes 0-3/10"), ("bytes=5-", "56789", "bytes 5-9/10"), ("bytes=-3", "789", "bytes 7-9/10"),
      ("bytes=9-9", "9", "bytes 9-9/10"), ("bytes=2-99999999999999999999999", "23456789", "bytes 2-9/10"),
      ("bytes=-99", "0123456789", "bytes 0-9/10"), ("Bytes= 1-2 ", "12", "bytes 1-2/10"),
    ]
    for (range, text, contentRange) in cases {
      let response = try site.get("/text.txt", "Range: \(range)")
      #expect(response.status == 206, "\(range)")
      #expect(response.text == text)
      #expect(response.fields["content-range"] == contentRange)
    }
    for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"] {
      let response = try site.get("/text.txt", "Range: \(range)")
      #expect(response.status == 416, "\(range)")
      #expect(response.fields["content-range"] == "bytes */10")
    }
    #expect(try site.get("/sizes/0", "Range: bytes=0-").status == 416)
    for range in ["bytes=1-2,4-5", "bytes=3-1", "bytes=-", "bytes=a-b", "bytes=1", "lines=1-2", "bytes", ""] {
      #expect(try site.get("/text.txt", "Range: \(range)").text == "0123456789", "\(range)")
    }
    #expect(try site.get("/text.txt", "Range: bytes=0-1", "Range: bytes=0-1").status == 200)
    let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    for (validator, status) in [
      (tag, 206), (date, 206), ("\"x\"", 200), ("W/" + tag, 200), ("*", 200), ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
    ] {
      #expect(try site.get("/text.txt", "Range: bytes=0-1", "If-Range: \(validator)").status == status, "\(validator)")
    }
    let big = try site.get("/sizes/70000", "Range: bytes=4000-65535")
    #expect(big.body == Array(randomBytes(70_000, seed: 70_001)[4000...65535]))
  }

  @Test("with a clock, responses are dated")
  func date() throws {
    var configuration = ServerConfiguration()
    configuration.unixTimeAtClockZero = 951_782_399
    var site = try TestSite(configuration: configuration)
    #expect(try site.get("/").fields["date"] == "Tue, 29 Feb 2000 00:00:00 GMT")
    site.now = site.now.advanced(byMilliseconds: 86_400_000)
    #expect(try site.get("/x").fields["date"] == "Wed, 01 Mar 2000 00:00:00 GMT")
  }

  @Test("a file that the disk cannot read is a 500; one that breaks off in the middle breaks the connection")
  func diskErrors() throws {
    // The content of the second file begins at block 208, which is the start of a page that holds no header.
    var site = try TestSite(frames: 16, files: [("first", randomBytes(206 * 512)), ("big", randomBytes(200_000))])
    site.server.files.storage.device.badBlocks = [208]
    #expect(try site.get("/big").status == 500)
    for _ in 0..<200 { _ = site.server.step(now: site.now) }
    site.server.files.storage.device.badBlocks = [408]
    let bytes = try site.exchange("GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
    let text = String(decoding: bytes.prefix(15), as: UTF8.self)
    #expect(text == "HTTP/1.1 200 OK")
    #expect(bytes.count < 110_000)
    let last = site.server.transport.links.last
    #expect(last?.aborted == true)
    #expect(last?.released == true)
    #expect(site.server.transport.mistakes == [])
  }
}
