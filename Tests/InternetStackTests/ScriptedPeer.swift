import Testing

@testable import InternetStack

/// A TCP segment of the tests, made by hand or decoded from what a stack sent.
struct TestSegment: Equatable, CustomStringConvertible {
  var sourcePort: UInt16 = 5000
  var destinationPort: UInt16 = 80
  var sequence: UInt32
  var acknowledgment: UInt32 = 0
  var flags: SegmentFlags
  var window: UInt16 = 65_535
  var mss: UInt16?
  var scale: UInt8?
  var payload: [UInt8] = []

  var description: String {
    var names = ""
    for (flag, name) in [(SegmentFlags.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, "A")] {
      if flags.contains(flag) { names += name }
    }
    return "\(names) seq \(sequence) ack \(acknowledgment) win \(window) len \(payload.count)"
  }

  /// The Ethernet frame that carries the segment, with right checksums.
  func frame(from: (MACAddress, IPv4Address), to: (MACAddress, IPv4Address)) -> [UInt8] {
    var options: [UInt8] = []
    if let mss { options += [2, 4, UInt8(mss >> 8), UInt8(mss & 255)] }
    if let scale { options += [1, 3, 3, scale] }
    var tcp: [UInt8] = bigEndian(sourcePort) + bigEndian(destinationPort) + bigEndian(sequence)
    tcp += bigEndian(acknowledgment) + [UInt8((20 + options.count) / 4) << 4, flags.rawValue]
    tcp += bigEndian(window) + [0, 0, 0, 0] + options + payload
    let pseudo = from.1.bytes + to.1.bytes + [0, 6] + bigEndian(UInt16(truncatingIfNeeded: tcp.count))
    tcp.replaceSubrange(16..<18, with: bigEndian(onesComplement(pseudo + tcp)))
    return ipv4Frame(from: from, to: to, protocolNumber: 6, payload: tcp)
  }

  /// Decodes a frame; nil if it holds no TCP segment.
  init?(frame: Frame) {
    let bytes = frame.bytes
    guard bytes.count >= 54, bytes[12] == 8, bytes[13] == 0, bytes[23] == 6 else { return nil }
    let tcp = Array(bytes[34...])
    func u16(_ at: Int) -> UInt16 { UInt16(tcp[at]) << 8 | UInt16(tcp[at + 1]) }
    func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) << 16 | UInt32(u16(at + 2)) }
    let header = Int(tcp[12] >> 4) * 4
    self.init(
      sourcePort: u16(0), destinationPort: u16(2), sequence: u32(4), acknowledgment: u32(8),
      flags: SegmentFlags(rawValue: tcp[13]), window: u16(14), payload: Array(tcp[header...]))
    var offset = 20
    while offset < header {
      switch tcp[offset] {
      case 2: mss = u16(offset + 2)
      case 3: scale = tcp[offset + 2]
      case 1:
        offset += 1
        continue
      default: break
      }
      offset += Int(tcp[offset + 1])
    }
    if !frame.metadata.needsChecksum {
      let pseudo = Array(bytes[26..<34]) + [0, 6] + bigEndian(UInt16(truncatingIfNeeded: tcp.count))
      if onesComplement(pseudo + tcp) != 0 { Issue.record("the stack sent a wrong TCP checksum") }
    }
  }

  init(
    sourcePort: UInt16 = 5000, destinationPort: UInt16 = 80, sequence: UInt32, acknowledgment: UInt32 = 0,
    flags: SegmentFlags, window: UInt16 = 65_535, mss: UInt16? = nil, scale: UInt8? = nil, payload: [UInt8] = []
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.acknowledgment = acknowledgment
    self.flags = flags
    self.window = window
    self.mss = mss
    self.scale = scale
    self.payload = payload
  }
}

func bigEndian(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
func bigEndian(_ value: UInt32) -> [UInt8] { bigEndian(UInt16(value >> 16)) + bigEndian(UInt16(value & 0xFFFF)) }

/// The Internet checksum as its definition has it, independent of the code under test.
func onesComplement(_ bytes: [UInt8]) -> UInt16 {
  var sum: UInt32 = 0
  for (index, byte) in bytes.enumerated() {
    sum += UInt32(byte) << (index % 2 == 0 ? 8 : 0)
    if sum > 0xFFFF { sum -= 0xFFFF }
  }
  return ~UInt16(sum)
}

func ethernetFrame(from: MACAddress, to: MACAddress, type: UInt16, payload: [UInt8]) -> [UInt8] {
  to.bytes + from.bytes + bigEndian(type) + payload
}

func ipv4Frame(
  from: (MACAddress, IPv4Address), to: (MACAddress, IPv4Address), protocolNumber: UInt8, payload: [UInt8],
  fragment: UInt16 = 0x4000
) -> [UInt8] {
  var header: [UInt8] = [0x45, 0] + bigEndian(UInt16(truncatingIfNeeded: 20 + payload.count)) + [0, 1]
  header += bigEndian(fragment) + [64, protocolNumber, 0, 0] + from.1.bytes + to.1.bytes
  header.replaceSubrange(10..<12, with: bigEndian(onesComplement(header)))
  return ethernetFrame(from: from.0, to: to.0, type: 0x0800, payload: header + payload)
}

func arpFrame(operation: UInt16, from: (MACAddress, IPv4Address), target: IPv4Address, to: MACAddress = .broadcast)
  -> [UInt8]
{
  ethernetFrame(
    from: from.0, to: to, type: 0x0806,
    payload: [0, 1, 8, 0, 6, 4] + bigEndian(operation) + from.0.bytes + from.1.bytes + [0, 0, 0, 0, 0, 0] + target.bytes
  )
}

/// A peer that is played by the test, segment by segment, against one stack.
final class ScriptedPeer {
  let host: Host
  var now = Instant(nanoseconds: 1_000_000_000)
  let hardware = MACAddress(2, 0, 0, 0, 0, 99)
  let address = IPv4Address(10, 0, 0, 99)

  init(configuration: StackConfiguration = StackConfiguration(), offload: LinkOffload = LinkOffload()) {
    host = Host(number: 1, configuration: configuration, offload: offload)
    host.stack.poll(now: now)
    // The stack learns our address from a request.
    receive(arpFrame(operation: 1, from: (hardware, address), target: host.address))
    host.outbox.frames.removeAll()
  }

  var stack: Stack { host.stack }

  func receive(_ frame: [UInt8], metadata: FrameMetadata = FrameMetadata()) {
    frame.withUnsafeBytes { stack.receive($0, metadata: metadata, now: now) }
  }

  /// Gives a segment to the stack without polling.
  func give(_ segment: TestSegment) {
    receive(segment.frame(from: (hardware, address), to: (host.hardwareAddress, host.address)))
  }

  /// Gives a segment to the stack and returns what it sends.
  @discardableResult func exchange(_ segment: TestSegment) -> [TestSegment] {
    give(segment)
    return poll()
  }

  /// Polls the stack and returns the segments sent since the last time. ARP requests are answered.
  @discardableResult func poll() -> [TestSegment] {
    stack.poll(now: now)
    var frames = host.outbox.frames
    host.outbox.frames.removeAll()
    if frames.contains(where: { $0.bytes.count == 42 && $0.bytes[13] == 6 && Array($0.bytes[38...]) == address.bytes })
    {
      receive(arpFrame(operation: 2, from: (hardware, address), target: host.address, to: host.hardwareAddress))
      stack.poll(now: now)
      frames += host.outbox.frames
      host.outbox.frames.removeAll()
    }
    return frames.compactMap { TestSegment(frame: $0) }
  }

  /// Lets time pass, polling exactly at the stack's deadlines; returns segments with the milliseconds of their sending.
  func wait(_ span: TimeSpan) -> [(milliseconds: UInt64, segment: TestSegment)] {
    let start = now
    let end = now + span
    var sent: [(UInt64, TestSegment)] = []
    while true {
      for segment in poll() { sent.append(((now.nanoseconds - start.nanoseconds) / 1_000_000, segment)) }
      guard let deadline = stack.nextDeadline, deadline <= end else { break }
      if deadline > now { now = deadline }
    }
    now = end
    for segment in poll() { sent.append(((now.nanoseconds - start.nanoseconds) / 1_000_000, segment)) }
    return sent
  }

  /// A connection with its numbers as the peer sees them.
  struct Established {
    var connection: Connection
    /// Next sequence number of the peer.
    var mine: UInt32
    /// Next sequence number expected from the stack.
    var theirs: UInt32
    var stackPort: UInt16
    var peerPort: UInt16

    /// A segment from the peer.
    func segment(
      _ flags: SegmentFlags, _ payload: [UInt8] = [], at offset: Int = 0, acknowledging: Int = 0,
      window: UInt16 = 65_535
    ) -> TestSegment {
      TestSegment(
        sourcePort: peerPort, destinationPort: stackPort, sequence: mine &+ UInt32(truncatingIfNeeded: offset),
        acknowledgment: theirs &+ UInt32(truncatingIfNeeded: acknowledging), flags: flags, window: window,
        payload: payload)
    }
  }

  /// A connection that the peer has requested and the stack has accepted.
  func accepted(
    port: UInt16 = 80, peerPort: UInt16 = 5000, mss: UInt16 = 1460, scale: UInt8? = nil, window: UInt16 = 65_535,
    listener: Listener? = nil
  ) throws -> Established {
    let listener = try listener ?? stack.listen(port: port, backlog: 4)
    let initial: UInt32 = 0xFFFF_FF00  // wraps soon
    let answer = exchange(
      TestSegment(
        sourcePort: peerPort, destinationPort: port, sequence: initial, flags: .syn, window: window, mss: mss,
        scale: scale)
    ).first
    guard let answer, answer.flags == [.syn, .ack], answer.acknowledgment == initial &+ 1 else {
      throw TestFailure(what: "a request was answered by \(answer?.description ?? "nothing")")
    }
    var numbers = Established(
      connection: Connection(index: 0, generation: 0), mine: initial &+ 1, theirs: answer.sequence &+ 1,
      stackPort: port, peerPort: peerPort)
    exchange(numbers.segment(.ack, window: window))
    guard let connection = stack.accept(listener), stack.state(of: connection) == .established else {
      throw TestFailure(what: "a connection was not established")
    }
    numbers.connection = connection
    return numbers
  }

  /// A connection that the stack has requested; it stays in SYN-SENT.
  func requested(port: UInt16 = 9000) throws -> (connection: Connection, syn: TestSegment) {
    let connection = try stack.connect(to: Endpoint(address: address, port: port), now: now)
    let syn = try #require(poll().first)
    #expect(syn.flags == .syn)
    return (connection, syn)
  }
}
