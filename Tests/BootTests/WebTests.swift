import Foundation
import Testing

@Suite("The web server", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct WebTests {
  @Test("serves every file byte for byte, with type and length, to clients that keep the connection or do not")
  func everything() throws {
    let site = try Site()
    let before = try Data(contentsOf: URL(filePath: site.archive))
    let port = try Command.freePort()
    let machine = try Command.start(
      Command.xokvm,
      ["boot", "--app", "web", "--disk", site.archive, "--publish", "\(port):80", "--timeout", "120"])
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")

    let client = try WebClient(port: port)
    for file in Site.files {
      let response = try client.request("GET", "/\(file.path)")
      #expect(response.status == 200, "\(file.path)")
      #expect(try response.body == site.contents(file.path), "\(file.path)")
      #expect(response.headers["content-length"] == "\(file.size)")
      #expect(response.headers["content-type"]?.contains(file.type) == true, "\(file.path) \(response.headers)")
    }
    #expect(try client.request("GET", "/").body == site.contents("index.html"))
    try expectErrors(client, port: port)
    try parallel(site, port: port)

    machine.signal(SIGTERM)
    let end = machine.wait(seconds: 10)
    #expect(end.status == 128 + SIGTERM, "\(end.all)")
    #expect(end.errors.isEmpty)
    #expect(try Data(contentsOf: URL(filePath: site.archive)) == before, "the disk image is as it was")
  }

  /// HEAD, what is not there or not allowed, and ends of connections.
  private func expectErrors(_ client: WebClient, port: UInt16) throws {
    let head = try client.request("HEAD", "/large.bin")
    #expect(head.status == 200)
    #expect(head.headers["content-length"] == "\(5 << 20)")
    #expect(try client.request("GET", "/nothing").status == 404)
    let refused = try client.request("DELETE", "/index.html")
    #expect(refused.status == 405)
    #expect(refused.headers["allow"] == "GET, HEAD")
    let last = try client.request("GET", "/one.css", headers: "Connection: close\r\n")
    #expect(last.status == 200)
    #expect(last.headers["connection"]?.lowercased() == "close")
    #expect(try client.isEnded())
    let rude = try WebClient(port: port)
    try rude.send("this is no request\r\n\r\n")
    #expect(try rude.response().status == 400)
    #expect(try rude.isEnded())
  }

  /// Sixteen connections at a time, each with requests of its own.
  private func parallel(_ site: Site, port: UInt16) throws {
    let files = Site.files.filter { $0.size < 1 << 20 }
    let clients = try (0..<16).map { _ in try WebClient(port: port) }
    for round in 0..<3 {
      for (index, client) in clients.enumerated() {
        try client.send("GET /\(files[(index + round) % files.count].path) HTTP/1.1\r\nHost: test\r\n\r\n")
      }
      for (index, client) in clients.enumerated() {
        let path = files[(index + round) % files.count].path
        #expect(try client.response().body == site.contents(path), "connection \(index), round \(round)")
      }
    }
  }
}
