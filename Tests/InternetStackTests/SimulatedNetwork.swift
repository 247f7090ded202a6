import RandomFixtures
import Glibc
import InternetStack

/// A frame on its way.
struct Frame {
  var bytes: [UInt8]
  var metadata = FrameMetadata()
}

/// Where the frames that a stack sends are collected.
final class Outbox {
  var frames: [Frame] = []
  var limit = Int.max
}

struct TestLink: PacketLink {
  let outbox: Outbox
  var maximumTransmissionUnit = 1500
  var offload = LinkOffload()

  mutating func send(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool {
    if outbox.frames.count >= outbox.limit { return false }
    let bytes = [UInt8](unsafeUninitializedCapacity: frame.count) { target, count in
      UnsafeMutableRawBufferPointer(target).copyMemory(from: frame)
      count = frame.count
    }
    outbox.frames.append(Frame(bytes: bytes, metadata: metadata))
    return true
  }
}

typealias Stack = NetworkStack<TestLink>

/// A stack with its outbox.
final class Host {
  let stack: Stack
  let outbox = Outbox()
  let hardwareAddress: MACAddress

  init(
    number: UInt8, addressing: Addressing? = nil, configuration: StackConfiguration = StackConfiguration(),
    mtu: Int = 1500, offload: LinkOffload = LinkOffload()
  ) {
    hardwareAddress = MACAddress(2, 0, 0, 0, 0, number)
    stack = Stack(
      link: TestLink(outbox: outbox, maximumTransmissionUnit: mtu, offload: offload), hardwareAddress: hardwareAddress,
      addressing: addressing ?? .manual(address: IPv4Address(10, 0, 0, number), prefixLength: 24, gateway: nil),
      configuration: configuration, seed: (0x1234_5678_9ABC_DEF0, UInt64(number)))
  }

  var address: IPv4Address { stack.address ?? .unspecified }
}

/// A hub that connects hosts with a delay, and may lose, duplicate and reorder frames. Time is virtual.
final class SimulatedNetwork {
  var hosts: [Host]
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  var delay = TimeSpan.milliseconds(1)
  var lossPermille = 0
  var duplicatePermille = 0
  var reorderPermille = 0
  /// Decides about each frame; false loses it.
  var filter: ((Frame, _ from: Int) -> Bool)?
  var random: SeededGenerator
  private(set) var lost = 0

  private struct Flight {
    var due: UInt64
    var to: Int
    var frame: Frame
  }
  /// Ascending by `due`; what is before `firstFlight` has arrived.
  private var flights: [Flight] = []
  private var firstFlight = 0

  init(_ hosts: [Host], seed: UInt64 = 1) {
    self.hosts = hosts
    random = SeededGenerator(seed: seed)
  }

  private func collect() {
    for (index, host) in hosts.enumerated() where !host.outbox.frames.isEmpty {
      let frames = host.outbox.frames
      host.outbox.frames.removeAll(keepingCapacity: true)
      for frame in frames {
        if let filter, !filter(frame, index) { continue }
        if random.happens(permille: lossPermille) {
          lost += 1
          continue
        }
        let copies = random.happens(permille: duplicatePermille) ? 2 : 1
        for _ in 0..<copies {
          var due = now.nanoseconds + delay.nanoseconds
          if random.happens(permille: reorderPermille) { due += delay.nanoseconds * (1 + random.next() % 5) / 2 }
          for target in hosts.indices where target != index { launch(Flight(due: due, to: target, frame: frame)) }
        }
      }
    }
  }

  private func launch(_ flight: Flight) {
    var position = flights.count
    while position > firstFlight, flights[position - 1].due > flight.due { position -= 1 }
    flights.insert(flight, at: position)
  }

  /// Lets everything happen that happens at the next point in time; false if nothing will ever happen, or not before
  /// `end`.
  func step(until end: Instant = Instant(nanoseconds: .max)) -> Bool {
    for host in hosts { host.stack.poll(now: now) }
    collect()
    var next = Instant(nanoseconds: .max)
    if firstFlight < flights.count { next = Instant(nanoseconds: flights[firstFlight].due) }
    for host in hosts { if let deadline = host.stack.nextDeadline { next = min(next, deadline) } }
    if next.nanoseconds == .max || next > end { return false }
    now = max(now, next)
    while firstFlight < flights.count, flights[firstFlight].due <= now.nanoseconds {
      let flight = flights[firstFlight]
      firstFlight += 1
      let metadata = receiveMetadata(flight.frame.metadata)
      flight.frame.bytes.withUnsafeBytes { hosts[flight.to].stack.receive($0, metadata: metadata, now: now) }
    }
    if firstFlight > 4096 {
      flights.removeFirst(firstFlight)
      firstFlight = 0
    }
    return true
  }

  private func receiveMetadata(_ sent: FrameMetadata) -> FrameMetadata { sent }

  /// Runs until `condition` holds; false if it does not within `limit` of virtual time.
  func run(limit: TimeSpan = .seconds(600), until condition: () -> Bool) -> Bool {
    let end = now + limit
    while !condition() {
      if !step(until: end) {
        now = end
        for host in hosts { host.stack.poll(now: now) }
        return condition()
      }
    }
    return true
  }

  /// Lets virtual time pass.
  func run(for span: TimeSpan) {
    let end = now + span
    while step(until: end) {}
    now = end
    for host in hosts { host.stack.poll(now: now) }
  }
}

extension Stack {
  /// Writes as much of `bytes` from `offset` on as fits.
  func write(_ c: Connection, _ bytes: [UInt8], from offset: Int = 0) throws -> Int {
    try bytes.withUnsafeBytes { buffer in
      try self.write(c, from: UnsafeRawBufferPointer(rebasing: buffer[offset...]))
    }
  }

  /// Reads at most `limit` bytes.
  func read(_ c: Connection, limit: Int = 65_536) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = try bytes.withUnsafeMutableBytes { try self.read(c, into: $0) }
    return Array(bytes[..<count])
  }

  func state(of c: Connection) -> ConnectionState? { status(of: c)?.state }
}

/// Two hosts with a connection between them, the first one's made by `connect`, the second one's by `accept`.
struct ConnectedPair {
  let network: SimulatedNetwork
  let client: Host
  let server: Host
  let listener: Listener
  let c: Connection
  let s: Connection

  init(
    clientConfiguration: StackConfiguration = StackConfiguration(),
    serverConfiguration: StackConfiguration = StackConfiguration(), offload: LinkOffload = LinkOffload(),
    seed: UInt64 = 1
  ) throws {
    client = Host(number: 1, configuration: clientConfiguration, offload: offload)
    server = Host(number: 2, configuration: serverConfiguration, offload: offload)
    network = SimulatedNetwork([client, server], seed: seed)
    listener = try server.stack.listen(port: 80, backlog: 8)
    c = try client.stack.connect(to: Endpoint(address: server.address, port: 80), now: network.now)
    var accepted: Connection?
    let (server, listener) = (server, listener)
    _ = network.run(limit: .seconds(10)) {
      accepted = server.stack.accept(listener)
      return accepted != nil
    }
    guard let accepted else { throw TestFailure(what: "no connection came about") }
    s = accepted
  }
}

struct TestFailure: Error {
  let what: String
}

/// Bytes that depend on their position, so that any mix-up shows. They repeat after a prime number of bytes.
enum Pattern {
  static let period = 65_521
  /// Two periods, so that a run of up to one period is contiguous wherever it begins.
  private static let table: [UInt8] = {
    var random = SeededGenerator(seed: 99)
    let once = (0..<period).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    return once + once
  }()

  /// Calls `body` with `count` (at most one period) bytes of the pattern from `start` on.
  static func withBytes<R>(from start: Int, count: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try table.withUnsafeBytes {
      try body(UnsafeRawBufferPointer(rebasing: $0[start % period..<start % period + count]))
    }
  }

  /// Whether `bytes` are those of the pattern from `start` on.
  static func matches(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let length = min(period, bytes.count - offset)
      let isSame = withBytes(from: start + offset, count: length) {
        memcmp($0.baseAddress!, bytes.baseAddress! + offset, length) == 0
      }
      if !isSame { return false }
      offset += length
    }
    return true
  }
}

/// `count` bytes of the pattern from `start` on.
func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count)
  while bytes.count < count {
    let length = min(Pattern.period, count - bytes.count)
    Pattern.withBytes(from: start + bytes.count, count: length) { bytes.append(contentsOf: $0) }
  }
  return bytes
}

extension SeededGenerator {
  mutating func happens(permille: Int) -> Bool { permille > 0 && Int(next() % 1000) < permille }
}
