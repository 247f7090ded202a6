import Foundation
import Testing

@testable import Hypervisor

/// What many clients at once, rude ones among them, find of the web server.
enum Crowd {
  static let request = "GET /one.css HTTP/1.1\r\nHost: test\r\n\r\n"
  static let files = Site.files.filter { $0.size <= 1234 }

  /// Half requests by the hundred hold up nobody: a fresh one beside them takes a second at most, and what a crowd of
  /// that size takes here to be served, which on a busy host is the most of it.
  static func expectFreshRequestsServed(port: UInt16, address: String = "127.0.0.1") throws {
    for (count, half) in [
      (64, "GET / HTTP/1.1\r\nHost"), (300, "GET / HTTP/1.1\r\nHost"), (300, ""),
      (300, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
    ] {
      let whole = ClientCrowd(count, port: port, address: address)
      let start = Date()
      whole.connectAll()
      whole.sendAll(request, expectingResponse: true)
      #expect(whole.settle(seconds: 30))
      let usual = Date().timeIntervalSince(start)

      let crowd = ClientCrowd(count, port: port, address: address)
      crowd.connectAll()
      if !half.isEmpty { crowd.sendAll(half, expectingResponse: false) }
      #expect(crowd.settle())
      let begin = Date()
      // A guest that gets no processor of a busy host for most of a second is taken for an absent one, and its client
      // asks again.
      var status: Int?
      while status == nil, Date().timeIntervalSince(begin) < 30 {
        status = try? WebClient(port: port, address: address, seconds: 30).request("GET", "/one.css").status
      }
      #expect(status == 200)
      let seconds = Date().timeIntervalSince(begin)
      #expect(seconds < 1 + 2 * usual, "beside \(count) of '\(half)': \(seconds) s, a crowd takes \(usual) s")
    }
  }

  /// Connections that stay are all served, again and again.
  static func expectCrowdServed(port: UInt16, address: String = "127.0.0.1") throws {
    let idle = ClientCrowd(200, port: port, address: address)
    idle.connectAll()
    for _ in 0..<2 {
      idle.sendAll(request, expectingResponse: true)
      #expect(idle.settle(seconds: 30), "\(idle.responses) responses")
    }
    #expect(idle.errors.total == 0, "\(idle.errors)")
    #expect(idle.responses == 400 && idle.closings == 0)

    let busy = ClientCrowd(600, port: port, address: address)
    busy.connectAll()
    #expect(busy.ask(request, seconds: 1), "a response is missing")
    #expect(busy.errors.total == 0, "\(busy.errors)")
    #expect(busy.responses >= 600)
  }

  /// Whether this user may make TAP devices on this host.
  static let canMakeTaps = Command.succeeds(
    "ip tuntap add dev xkprobe mode tap && ip link delete xkprobe && [ -r /dev/net/tun ] && [ -w /dev/net/tun ]")
}

@Suite("A crowd of clients", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"), .serialized)
struct CrowdTests {
  private func serve(_ site: Site, _ options: [String]) throws -> RunningCommand {
    let machine = try Command.start(
      Command.xokvm, ["boot", "--app", "web", "--disk", "\(site.archive),readonly", "--timeout", "60"] + options)
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    return machine
  }

  @Test("is served through the user network: 300 half requests delay nobody, 200 and 600 connections see no error")
  func userNetwork() throws {
    let site = try Site(files: Crowd.files)
    let port = try Command.freePort()
    let machine = try serve(site, ["--publish", "\(port):80"])
    try Crowd.expectFreshRequestsServed(port: port)
    try Crowd.expectCrowdServed(port: port)
    machine.signal(SIGTERM)
    let end = machine.wait(seconds: 10)
    #expect(end.status == 128 + SIGTERM, "\(end.all)")
    #expect(end.errors.isEmpty, "\(end.errors)")
  }

  @Test("is served by a machine with little memory, if by fewer places")
  func littleMemory() throws {
    let site = try Site(files: Crowd.files)
    let port = try Command.freePort()
    let machine = try serve(site, ["--publish", "\(port):80", "--memory", "24"])
    try Crowd.expectFreshRequestsServed(port: port)
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).status == 128 + SIGTERM)
  }

  @Test("a host without descriptors for all clients says so once, and serves the others as descriptors come free")
  func fewDescriptors() throws {
    let site = try Site(files: Crowd.files)
    let port = try Command.freePort()
    let line =
      "ulimit -n 64; exec '\(Command.xokvm)' boot --app web --disk '\(site.archive)',readonly --publish \(port):80 --timeout 60"
    let machine = try Command.start("/bin/sh", ["-c", line])
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    var crowd: ClientCrowd? = ClientCrowd(100, port: port)
    crowd!.connectAll()
    crowd!.sendAll(Crowd.request, expectingResponse: true)
    #expect(!crowd!.settle(seconds: 0.5), "some wait")
    #expect(crowd!.responses >= 20, "\(crowd!.responses)")
    let used = try #require(machine.processorSeconds)
    usleep(500_000)
    #expect(try #require(machine.processorSeconds) - used < 0.25, "waiting costs no processor")
    #expect(machine.errors.split(separator: "\n").count == 1, "\(machine.errors)")
    crowd = nil
    let client = try WebClient(port: port, seconds: 5)
    #expect(try client.request("GET", "/one.css").status == 200)
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).status == 128 + SIGTERM)
  }
}

/// Machines on a TAP device of this host, with an address of TEST-NET-3 (RFC 5737).
@Suite(
  "A crowd on a TAP device", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"),
  .enabled(if: Crowd.canMakeTaps, "this user cannot make TAP devices on this host"), .serialized)
struct TapCrowdTests {
  private let name = "xk\(getpid())"

  private func serve(_ site: Site) throws -> RunningCommand {
    let lines =
      "ip tuntap add dev \(name) mode tap && ip address add 203.0.113.1/24 dev \(name) && ip link set \(name) up"
    try #require(Command.succeeds(lines))
    let machine = try Command.start(
      Command.xokvm,
      [
        "boot", "--app", "web:ip=203.0.113.2/24", "--disk", "\(site.archive),readonly", "--network", "tap=\(name)",
        "--timeout", "60",
      ])
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    return machine
  }

  private func removeDevice() { _ = Command.succeeds("ip link delete \(name)") }

  @Test("is served: 300 half requests delay nobody, 200 and 600 connections see no error")
  func served() throws {
    let site = try Site(files: Crowd.files)
    defer { removeDevice() }
    let machine = try serve(site)
    #expect(try WebClient(port: 80, address: "203.0.113.2").request("GET", "/one.css").status == 200)
    try Crowd.expectFreshRequestsServed(port: 80, address: "203.0.113.2")
    try Crowd.expectCrowdServed(port: 80, address: "203.0.113.2")
    machine.signal(SIGTERM)
    let end = machine.wait(seconds: 10)
    #expect(end.status == 128 + SIGTERM, "\(end.all)")
    #expect(end.errors.isEmpty, "\(end.errors)")
  }

  @Test("a device that is deleted under a running machine is said once and costs no processor")
  func deleted() throws {
    let site = try Site(files: Crowd.files)
    defer { removeDevice() }
    let machine = try serve(site)
    removeDevice()
    let deadline = Date().addingTimeInterval(5)
    while machine.errors.isEmpty, Date() < deadline { usleep(10_000) }
    let used = try #require(machine.processorSeconds)
    usleep(500_000)
    #expect(try #require(machine.processorSeconds) - used < 0.2)
    machine.signal(SIGTERM)
    let end = machine.wait(seconds: 10)
    #expect(end.status == 128 + SIGTERM, "\(end.all)")
    #expect(end.errors.components(separatedBy: "TAP device '\(name)' was deleted").count == 2, "\(end.errors)")
    #expect(end.errors.split(separator: "\n").count == 1, "\(end.errors)")
  }
}
