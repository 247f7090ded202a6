import Foundation
import Testing

@testable import Hypervisor

@Suite("A published port", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct PublishTests {
  /// Connects to `port`; how long until the connection was reset, in seconds, or nil where it ended otherwise within
  /// ten.
  private func secondsToReset(_ port: UInt16, sending text: String) throws -> Double? {
    let begin = Date()
    let client = try WebClient(port: port, seconds: 10)
    do {
      try client.send(text)
      _ = try client.response()
      return nil
    } catch let failure as WebFailure {
      let isReset = ["reset", "Broken pipe"].contains { failure.description.contains($0) }
      return isReset ? Date().timeIntervalSince(begin) : nil
    }
  }

  @Test("behind which no program listens is reset within a second, beside one that is served")
  func otherPort() throws {
    let site = try Site(files: [Site.File(path: "index.html", size: 10, type: "text/html")])
    let (served, silent) = (try Command.freePort(), try Command.freePort())
    let machine = try Command.start(
      Command.xokvm,
      [
        "boot", "--app", "web", "--disk", "\(site.archive),readonly", "--publish", "\(served):80", "--publish",
        "\(silent):81", "--timeout", "60",
      ])
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    for text in ["", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"] {
      let seconds = try secondsToReset(silent, sending: text)
      #expect(seconds.map { $0 < 1 } == true, "\(seconds.map { "\($0) s" } ?? "no reset")")
      #expect(try WebClient(port: served, seconds: 5).request("GET", "/").status == 200)
    }
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).status == 128 + SIGTERM)
  }

  @Test("of a machine whose programs know no network is reset within a second")
  func noNetwork() throws {
    let folder = try ScratchFolder()
    let port = try Command.freePort()
    let machine = try Guests.start(["politeloop"], in: folder, options: ["--publish", "\(port):80", "--timeout", "60"])
    defer { withExtendedLifetime(folder) {} }
    let deadline = Date().addingTimeInterval(10)
    while !Self.listens(port), Date() < deadline { usleep(10_000) }
    for _ in 0..<2 {
      let seconds = try secondsToReset(port, sending: "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(seconds.map { $0 < 1 } == true, "\(seconds.map { "\($0) s" } ?? "no reset")")
    }
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).status == 128 + SIGTERM)
  }

  @Test("a client that comes while the machine starts waits for it, most of a second if need be")
  func early() throws {
    let site = try Site(files: [Site.File(path: "index.html", size: 10, type: "text/html")])
    let port = try Command.freePort()
    let machine = try Command.start(
      Command.xokvm,
      ["boot", "--app", "web", "--disk", "\(site.archive),readonly", "--publish", "\(port):80", "--timeout", "60"])
    let deadline = Date().addingTimeInterval(10)
    while !Self.listens(port), Date() < deadline { usleep(500) }
    // On a busy host the start takes longer than a client waits; then the next one is served.
    for _ in 0..<20 {
      guard let seconds = try secondsToReset(port, sending: "GET / HTTP/1.1\r\nHost: h\r\n\r\n") else { break }
      #expect(seconds > 0.6, "reset after \(seconds) s")
    }
    #expect(try WebClient(port: port, seconds: 10).request("GET", "/").status == 200)
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).status == 128 + SIGTERM)
  }

  /// Whether somebody listens at `port`, found without connecting.
  private static func listens(_ port: UInt16) -> Bool {
    let text = (try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)) ?? ""
    let place = String(format: ":%04X 00000000:0000 0A", port)
    return text.contains(place)
  }
}

@Suite("A machine without a DHCP server", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct NoDHCPTests {
  @Test("says so after ten seconds, once, and goes on asking")
  func unanswered() throws {
    let folder = try ScratchFolder()
    let site = try Site(files: [Site.File(path: "index.html", size: 10, type: "text/html")])
    let server = try StreamServer(path: folder.path("socket"))
    let machine = try Command.start(
      Command.xokvm,
      [
        "boot", "--app", "web", "--disk", "\(site.archive),readonly", "--network", "unix=\(folder.path("socket"))",
        "--timeout", "60",
      ])
    try server.accept()
    var asked: [Double] = []
    let begin = Date()
    var told: Double?
    while Date().timeIntervalSince(begin) < 25, told == nil || asked.allSatisfy({ $0 < told! }) {
      // DHCP requests are broadcast frames of UDP to port 67.
      if let frame = server.frame(milliseconds: 100), frame.count > 42, frame[36..<38] == [0, 67] {
        asked.append(Date().timeIntervalSince(begin))
      }
      if told == nil, machine.output.contains("no DHCP server") { told = Date().timeIntervalSince(begin) }
    }
    #expect(told.map { (9...14).contains($0) } == true, "\(machine.output)")
    #expect(asked.last.map { $0 > told ?? 0 } == true, "it goes on asking: \(asked)")
    machine.signal(SIGTERM)
    let end = machine.wait(seconds: 10)
    #expect(end.status == 128 + SIGTERM, "\(end.all)")
    #expect(end.output.components(separatedBy: "no DHCP server").count == 2, "\(end.output)")
  }
}

/// The server of a `--network unix=PATH`, which reads frames and answers nothing.
private final class StreamServer {
  private let listener: Int32
  private var connection: Int32 = -1
  private var buffered: [UInt8] = []

  init(path: String) throws {
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0, listen(listener, 1) == 0 else { throw WebFailure(description: "cannot listen at \(path)") }
  }

  /// Waits for the machine.
  func accept() throws {
    var place = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    guard poll(&place, 1, 10_000) == 1 else { throw WebFailure(description: "the machine does not connect") }
    connection = Glibc.accept(listener, nil, nil)
  }

  /// The next frame that comes within a time.
  func frame(milliseconds: Int32) -> [UInt8]? {
    while true {
      if buffered.count >= 4 {
        let length = buffered[..<4].reduce(0) { $0 << 8 | Int($1) }
        if buffered.count >= 4 + length {
          defer { buffered.removeFirst(4 + length) }
          return Array(buffered[4..<(4 + length)])
        }
      }
      var place = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
      guard poll(&place, 1, milliseconds) == 1 else { return nil }
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = read(connection, &chunk, chunk.count)
      guard count > 0 else { return nil }
      buffered += chunk[..<count]
    }
  }

  deinit {
    close(listener)
    if connection >= 0 { close(connection) }
  }
}
