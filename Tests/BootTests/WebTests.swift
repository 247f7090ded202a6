import Foundation
import Testing

/// A folder of files, the archive made of it, and a machine that serves it on a port of the host.
final class ServedSite {
  let folder: URL
  let archive: String
  let port: UInt16
  let machine: RunningCommand

  /// Files of the site, with their contents and the type they must be served with.
  static let files: [(path: String, size: Int, type: String)] = [
    ("index.html", 1234, "text/html"), ("empty.txt", 0, "text/plain"), ("one.css", 1, "text/css"),
    ("folder/block.js", 512, "javascript"), ("folder/page.png", 4096, "image/png"), ("folder/over.json", 4097, "application/json"),
    ("large.bin", 5 << 20, "application/octet-stream"),
  ]

  init(extra: [String] = ["--publish"]) throws {
    folder = URL(filePath: try Command.temporaryFile("site"))
    var generator = SystemRandomNumberGenerator()
    for file in Self.files {
      let place = folder.appending(path: file.path)
      try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data((0..<(file.size + 7) / 8).flatMap { _ in
        withUnsafeBytes(of: generator.next()) { Array($0) }
      }.prefix(file.size)).write(to: place)
    }
    archive = folder.path + ".tar"
    let tar = try Command.run(Command.find("tar") ?? "/bin/tar", ["-cf", archive, "-C", folder.path, "."])
    guard tar.status == 0 else { throw WebFailure(description: "tar: \(tar.errors)") }
    port = UInt16.random(in: 20000..<60000)
    machine = try Command.start(
      Command.xokvm, ["boot", "--app", "web", "--disk", archive, "--publish", "\(port):80", "--timeout", "120"])
    guard machine.waitForOutput("serving") else {
      throw WebFailure(description: "the web server did not start: \(machine.output)\(machine.errors)")
    }
  }

  func contents(_ path: String) throws -> [UInt8] { try Array(Data(contentsOf: folder.appending(path: path))) }
}

@Suite("The web server", .serialized, .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct WebTests {
  @Test("serves every file byte for byte, with type and length, to clients that keep the connection or do not")
  func everything() throws {
    let site = try ServedSite()
    let before = try Data(contentsOf: URL(filePath: site.archive))
    let client = try WebClient(port: site.port)
    for file in ServedSite.files {
      let response = try client.request("GET", "/\(file.path)")
      #expect(response.status == 200, "\(file.path)")
      #expect(try response.body == site.contents(file.path), "\(file.path)")
      #expect(response.headers["content-length"] == "\(file.size)")
      #expect(response.headers["content-type"]?.contains(file.type) == true, "\(file.path) \(response.headers)")
    }
    #expect(try client.request("GET", "/").body == site.contents("index.html"))
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
    let rude = try WebClient(port: site.port)
    try rude.send("this is no request\r\n\r\n")
    #expect(try rude.response().status == 400)

    try parallel(site)
    site.machine.signal(SIGTERM)
    let end = site.machine.wait(seconds: 10)
    #expect(end.status == 128 + SIGTERM || end.status == 0, "\(end.status) \(end.errors)")
    #expect(try Data(contentsOf: URL(filePath: site.archive)) == before, "the disk image is as it was")
  }

  /// Sixteen connections at a time, each with requests of its own.
  private func parallel(_ site: ServedSite) throws {
    let clients = try (0..<16).map { _ in try WebClient(port: site.port) }
    for round in 0..<3 {
      for (index, client) in clients.enumerated() {
        let file = ServedSite.files[(index + round) % (ServedSite.files.count - 1)]
        try client.send("GET /\(file.path) HTTP/1.1\r\nHost: test\r\n\r\n")
      }
      for (index, client) in clients.enumerated() {
        let file = ServedSite.files[(index + round) % (ServedSite.files.count - 1)]
        let response = try client.response()
        #expect(try response.body == site.contents(file.path), "connection \(index), round \(round)")
      }
    }
  }
}
