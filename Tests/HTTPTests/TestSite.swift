import FileSystems
import HTTP
import RandomFixtures
import StorageFixtures
import Testing

typealias TestServer = HTTPServer<TestTransport, UstarArchive<BlockCache<TestDisk>>>

/// A server of a small site on a disk in memory, and its clock.
struct TestSite: ~Copyable {
  /// When every file of the site was modified: Sun, 06 Nov 1994 08:49:37 GMT.
  static let time: UInt64 = 784_111_777
  static let sizes = [0, 1, 511, 512, 513, 1023, 1024, 4095, 4096, 4097, 8192, 70_000]

  var server: TestServer
  var now = MonotonicTime(nanoseconds: 1_000_000_000)
  private let frames: TestFrames

  init(
    configuration: ServerConfiguration = ServerConfiguration(), frames count: Int = 16, diskDelay: Int = 1,
    files: [(String, [UInt8])] = []
  ) throws {
    var tar = TarWriter()
    for (path, content) in files + Self.files { tar.file(path, content, time: Self.time) }
    tar.add(TarWriter.header(name: "bare/", type: "5"))
    frames = TestFrames(count: count)
    var disk = TestDisk(tar.finished())
    disk.delay = diskDelay
    var archive = UstarArchive(storage: BlockCache(device: disk, frames: frames.frames))
    var calls = 0
    while try !archive.scan() {
      calls += 1
      if calls > 10_000 { throw Stuck() }
    }
    server = HTTPServer(transport: TestTransport(), files: archive, configuration: configuration)
  }

  static let files: [(String, [UInt8])] =
    [
      ("index.html", Array("<h1>root</h1>".utf8)),
      ("docs/index.html", Array("<h1>docs</h1>".utf8)),
      ("docs/a b&c.txt", Array("escaped".utf8)),
      ("image.PNG", [0x89, 0x50, 0x4E, 0x47]),
      ("text.txt", Array("0123456789".utf8)),
      ("ünicode.css", Array("p{}".utf8)),
    ] + sizes.map { ("sizes/\($0)", randomBytes($0, seed: UInt64($0 + 1))) }

  /// Steps until nothing happens and no disk read is under way.
  mutating func settle(limit: Int = 200_000) throws {
    var steps = 0
    while true {
      let progressed = server.step(now: now)
      let isBusy = !server.files.storage.isIdle
      if !progressed, !isBusy { return }
      steps += 1
      if steps > limit { throw Stuck() }
    }
  }

  /// All that the server answers to `request`, the connection left open by the client unless it `finishes`.
  mutating func exchange(_ request: String, finishes: Bool = false) throws -> [UInt8] {
    try exchange(Array(request.utf8), finishes: finishes)
  }

  mutating func exchange(_ request: [UInt8], finishes: Bool = false) throws -> [UInt8] {
    let link = server.transport.connect(sending: request)
    server.transport.links[link].clientFinished = finishes
    try settle()
    return server.transport.links[link].toClient
  }

  /// The one response to a request with the given lines, which must be all that comes.
  mutating func response(_ lines: String..., isHead: Bool = false) throws -> TestResponse {
    let request = lines.map { $0 + "\r\n" }.joined() + "\r\n"
    var bytes = try exchange(request)[...]
    let response = try TestResponse(taking: &bytes, isHead: isHead)
    #expect(bytes.isEmpty)
    return response
  }

  mutating func get(_ target: String, _ fields: String...) throws -> TestResponse {
    let request = (["GET \(target) HTTP/1.1", "Host: h"] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
    var bytes = try exchange(request)[...]
    let response = try TestResponse(taking: &bytes)
    #expect(bytes.isEmpty)
    return response
  }
}

/// A response taken apart by a client that believes nothing.
struct TestResponse {
  struct Malformed: Error {
    var why: String
  }

  var status: Int
  var fields: [String: String] = [:]
  var body: [UInt8] = []

  /// Takes the first response off `bytes`.
  init(taking bytes: inout ArraySlice<UInt8>, isHead: Bool = false) throws {
    let end = Array("\r\n\r\n".utf8)
    guard let headEnd = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else {
      throw Malformed(why: "no end of head in \(String(decoding: bytes.prefix(300), as: UTF8.self))")
    }
    let head = String(decoding: bytes[..<headEnd], as: UTF8.self)
    guard head.utf8.elementsEqual(bytes[..<headEnd]) else { throw Malformed(why: "head is not UTF-8") }
    let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
    let first = lines[0].split(separator: " ", maxSplits: 2)
    guard first.count == 3, first[0] == "HTTP/1.1", let status = Int(first[1]) else { throw Malformed(why: head) }
    self.status = status
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[1].hasPrefix(" ") else { throw Malformed(why: head) }
      let name = parts[0].lowercased()
      guard fields[name] == nil else { throw Malformed(why: "\(name) comes twice") }
      fields[name] = String(parts[1].dropFirst())
    }
    guard fields["server"] == "xokvm" else { throw Malformed(why: "no Server field") }
    bytes = bytes[(headEnd + 4)...]
    if isHead || status == 304 { return }
    guard let length = fields["content-length"].flatMap(Int.init), length <= bytes.count else {
      throw Malformed(why: "bad length: \(head), \(bytes.count) bytes follow")
    }
    body = Array(bytes.prefix(length))
    bytes = bytes.dropFirst(length)
  }

  var text: String { String(decoding: body, as: UTF8.self) }
}
