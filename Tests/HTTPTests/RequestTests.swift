import HTTP
import StorageFixtures
import Testing

struct RequestTests {
  @Test(
    "malformed requests are refused and the connection ends",
    arguments: [
      ("GET / HTTP/1.1\r\n\r\n", 400),  // no Host
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
      ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
      ("GET /\r\n\r\n", 400),  // HTTP/0.9
      ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
      ("GET / http/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400),
      ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
      ("GET text.txt HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /../x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /a/.. HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /a/%2e%2E/x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /%4 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /% HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET /\u{1} HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      (" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nA: b\u{0}\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", 400),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", 413),
      ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
      ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400),
      ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
      ("\u{16}\u{3}\u{1}", 400),  // a TLS handshake
      ("\r\n\r\n\u{0}", 400),
    ])
  func refused(request: String, status: Int) throws {
    var site = try TestSite(diskDelay: 0)
    var bytes = try site.exchange(request)[...]
    let response = try TestResponse(taking: &bytes)
    #expect(bytes.isEmpty)
    #expect(response.status == status)
    #expect(response.fields["connection"] == "close")
    #expect(site.server.transport.links[0].serverFinished)
    #expect(site.server.transport.mistakes == [])
  }

  @Test(
    "requests that are refused in order leave the connection usable",
    arguments: [
      ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 405),
      ("PUT /text.txt HTTP/1.1\r\nHost: h\r\n\r\n", 405),
      ("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
      ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 405),
      ("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
      ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
      ("PATCH / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
      ("get / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
      ("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", 501),
      ("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n", 404),
      ("GET /docs%2findex.html HTTP/1.1\r\nHost: h\r\n\r\n", 404),
      ("GET / HTTP/1.1\r\nHost: h\r\nExpect: the-unexpected\r\n\r\n", 417),
      ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue, more\r\n\r\n", 417),
    ])
  func refusedInOrder(request: String, status: Int) throws {
    var site = try TestSite()
    var bytes = try site.exchange(request + "GET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n")[...]
    let response = try TestResponse(taking: &bytes)
    #expect(response.status == status)
    if status == 405 { #expect(response.fields["allow"] == "GET, HEAD") }
    let next = try TestResponse(taking: &bytes)
    #expect(next.text == "0123456789")
    #expect(bytes.isEmpty)
  }

  @Test("what the standard lets a server take is taken")
  func lenient() throws {
    var site = try TestSite()
    for request in [
      "GET /text.txt HTTP/1.1\nHost: h\n\n", "\r\n\r\nGET /text.txt HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET http://other/text.txt HTTP/1.1\r\nHost: h\r\n\r\n", "GET HTTPS://h:8443/text.txt HTTP/1.1\r\nhOsT:h\r\n\r\n",
      "GET /text.txt?x=%zz/../y HTTP/1.1\r\nHost:\r\n\r\n", "GET //./text.txt HTTP/1.1\r\nHost: [::1]:80 \t\r\n\r\n",
      "GET /%74ext%2Etxt HTTP/1.9\r\nHost: h\r\nX: \u{E9}\t!\r\n\r\n",
      "GET /text.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    ] {
      var bytes = try site.exchange(request)[...]
      #expect(try TestResponse(taking: &bytes).text == "0123456789", "\(request)")
    }
    let raw = try site.get("/ünicode.css")
    #expect(raw.text == "p{}")
    #expect(try site.get("/docs/a%20b%26c.txt").text == "escaped")
    #expect(try site.response("GET http://h HTTP/1.1", "Host: h").text == "<h1>root</h1>")
    #expect(try site.response("GET http://h?q HTTP/1.1", "Host: h").text == "<h1>root</h1>")
  }

  @Test("the connection stays in 1.1 and ends in 1.0, unless the request says otherwise")
  func persistence() throws {
    var site = try TestSite()
    let cases: [(String, String?)] = [
      ("HTTP/1.1\r\nHost: h", nil), ("HTTP/1.1\r\nHost: h\r\nConnection: close", "close"),
      ("HTTP/1.1\r\nHost: h\r\nConnection: upgrade, CLOSE", "close"), ("HTTP/1.0", "close"),
      ("HTTP/1.0\r\nConnection: Keep-Alive", "keep-alive"), ("HTTP/1.0\r\nConnection: keep-alive, close", "close"),
    ]
    for (rest, connection) in cases {
      var bytes = try site.exchange("GET /text.txt \(rest)\r\n\r\n")[...]
      let response = try TestResponse(taking: &bytes)
      #expect(response.text == "0123456789")
      #expect(response.fields["connection"] == connection, "\(rest)")
      #expect(site.server.transport.links.last?.serverFinished == (connection == "close"), "\(rest)")
    }
  }

  @Test("an error page shows the path escaped and cut")
  func escaping() throws {
    var site = try TestSite()
    let response = try site.get("/%3Cscript%3Ealert('%22')&%3C/script%3E")
    #expect(response.status == 404)
    #expect(!response.text.contains("<script"))
    #expect(response.text.contains("&lt;script&gt;alert(&#39;&quot;&#39;)&amp;&lt;/script&gt;"))
    let long = try site.get("/" + String(repeating: "<", count: 4000).replacing("<", with: "%3C").prefix(6000))
    #expect(long.body.count < 2000)
    let redirect = try site.get("/%0d%0aX:%20y")
    #expect(redirect.status == 404)
  }

  @Test("a redirect cannot be led to another host or split into fields")
  func redirectSafety() throws {
    var site = try TestSite(files: [("\\evil.com/x", []), ("a\r\nSet-Cookie: b/x", []), ("100%/x", [])])
    #expect(try site.get("//\\evil.com").fields["location"] == "/%5cevil.com/")
    #expect(try site.get("/a%0D%0ASet-Cookie:%20b").fields["location"] == "/a%0d%0aSet-Cookie%3a%20b/")
    #expect(try site.get("/100%25").fields["location"] == "/100%25/")
  }

  @Test("a head up to 8 KiB is taken; a longer line is 414, longer fields 431")
  func sizes() throws {
    var site = try TestSite()
    func request(target: Int, field: Int) -> String {
      "GET /text.txt?\(String(repeating: "q", count: target)) HTTP/1.1\r\nHost: h\r\n"
        + "X: \(String(repeating: "f", count: field))\r\n\r\n"
    }
    let limit = ServerConfiguration.largestHead
    #expect((8000...8192).contains(limit))
    let overhead = request(target: 0, field: 0).utf8.count
    for (target, field, status) in [
      (limit - overhead, 0, 200), (0, limit - overhead, 200), (limit, 0, 414), (100_000, 0, 414),
      (0, limit + 1 - overhead, 431),
      (10, 100_000, 431),
    ] {
      var bytes = try site.exchange(request(target: target, field: field))[...]
      #expect(try TestResponse(taking: &bytes).status == status, "\(target) \(field)")
    }
    var lines = try site.exchange("GET / HTTP/1.1\r\n" + String(repeating: "a:\r\n", count: 5000))[...]
    #expect(try TestResponse(taking: &lines).status == 431)
    #expect(site.server.transport.mistakes == [])
  }
}
