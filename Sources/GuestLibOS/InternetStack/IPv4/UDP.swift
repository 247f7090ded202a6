/// Names an open UDP socket. A handle outlives its socket: then calls answer `unknownSocket`.
public struct UDPSocket: Equatable, Sendable {
  let index: Int
  let generation: UInt32
}

/// What is known of a received datagram.
public struct ReceivedDatagram: Equatable, Sendable {
  /// Who sent it.
  public var source: Endpoint
  /// To which address it was sent: ours or a broadcast.
  public var destination: IPv4Address
  /// Bytes put into the caller's buffer.
  public var count: Int
  /// Whether the buffer was too short and the rest is lost.
  public var isTruncated: Bool
}

/// An open UDP socket: its port and its received datagrams, each stored behind a record of its origin.
final class UDPSocketState {
  /// Source address, destination address, source port, zero, length.
  static let recordLength = 16

  let port: UInt16
  let generation: UInt32
  var queue = RingBuffer()

  init(port: UInt16, generation: UInt32, bufferSize: Int) {
    self.port = port
    self.generation = generation
    queue.open(minimum: min(bufferSize, 1 << 30))
  }
}

/// The header of a UDP datagram (RFC 768).
enum UDPHeader {
  static let length = 8
}

extension ProtocolEngine {
  /// Opens a socket on `port`, or on a free ephemeral port if it is nil.
  public func openUDP(port: UInt16?) throws(NetworkError) -> UDPSocket {
    guard let index = udpSockets.firstIndex(where: { $0 == nil }) else { throw .tableFull }
    let chosen: UInt16
    if let port {
      guard port != 0 else { throw .noUsablePort }
      guard socketIndex(forPort: port) == nil else { throw .portInUse(port) }
      chosen = port
    } else {
      chosen = freeEphemeralUDPPort()
    }
    udpGeneration &+= 1
    udpSockets[index] = UDPSocketState(
      port: chosen, generation: udpGeneration, bufferSize: configuration.datagramBufferSize)
    return UDPSocket(index: index, generation: udpGeneration)
  }

  /// Closes a socket; what it has received and nobody has read is lost. A stale handle is ignored.
  public func closeUDP(_ socket: UDPSocket) {
    if state(of: socket) != nil { udpSockets[socket.index] = nil }
  }

  /// The port of a socket; nil for a stale handle.
  public func port(of socket: UDPSocket) -> UInt16? { state(of: socket)?.port }

  /// Sends one datagram. It may wait for ARP; whether it arrives is not known, as ever with UDP.
  public func sendUDP(
    _ socket: UDPSocket, to destination: Endpoint, from payload: UnsafeRawBufferPointer, now: Instant
  ) throws(NetworkError) {
    guard let state = state(of: socket) else { throw .unknownSocket }
    guard let address else { throw .notConfigured }
    guard destination.port != 0 else { throw .noUsablePort }
    if now > self.now { self.now = now }
    let maximum = maximumTransmissionUnit - IPv4Header.length - UDPHeader.length
    guard payload.count <= maximum else { throw .datagramTooLong(maximum: maximum) }
    // The caller's bytes are valid during this call, in which they are copied into the frame.
    unsafe frame.copy(payload, to: EthernetHeader.length + IPv4Header.length + UDPHeader.length)
    let source = Endpoint(address: address, port: state.port)
    let metadata = writeUDPHeader(source: source, destination: destination, payloadLength: payload.count)
    let result = sendIPv4(
      from: address, to: destination.address, protocolNumber: IPv4Header.ProtocolNumber.udp,
      payloadLength: UDPHeader.length + payload.count, metadata: metadata)
    switch result {
    case .sent, .parked: return
    case .linkFull, .dropped: throw .busy
    case .unreachable: throw .unreachable(destination.address)
    }
  }

  /// Takes the oldest received datagram; nil if there is none. What does not fit the buffer is lost.
  public func receiveUDP(
    _ socket: UDPSocket, into buffer: UnsafeMutableRawBufferPointer
  ) throws(NetworkError) -> ReceivedDatagram? {
    guard let state = state(of: socket) else { throw .unknownSocket }
    guard state.queue.count >= UDPSocketState.recordLength else { return nil }
    // The engine's frame serves as scratch memory for the record.
    state.queue.copy(from: 0, count: UDPSocketState.recordLength, to: frame, at: 0)
    let record = frame.bytes(from: 0, count: UDPSocketState.recordLength)
    let source = Endpoint(address: record.address(at: 0), port: record.uint16(at: 8))
    let destination = record.address(at: 4)
    let length = Int(record.uint32(at: 12))
    state.queue.discard(UDPSocketState.recordLength)
    // The destination is cut to the datagram, so that the next record stays in the queue.
    let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, length)])
    let count = unsafe state.queue.read(into: part)
    state.queue.discard(length - count)
    return ReceivedDatagram(source: source, destination: destination, count: count, isTruncated: count < length)
  }

  func receiveUDP(
    _ bytes: PacketBytes, packet: PacketBytes, _ header: IPv4Header, _ metadata: FrameMetadata, isBroadcast: Bool
  ) {
    guard bytes.count >= UDPHeader.length else {
      statistics.malformed &+= 1
      return
    }
    let source = Endpoint(address: header.source, port: bytes.uint16(at: 0))
    let destinationPort = bytes.uint16(at: 2)
    let length = Int(bytes.uint16(at: 4))
    guard length >= UDPHeader.length, length <= bytes.count else {
      statistics.malformed &+= 1
      return
    }
    if bytes.uint16(at: 6) != 0, !metadata.checksumNeedsNoCheck {
      var checksum = InternetChecksum()
      checksum.addPseudoHeader(
        source: header.source, destination: header.destination, protocolNumber: header.protocolNumber, length: length)
      checksum.add(bytes.slice(from: 0, count: length))
      guard checksum.complement == 0 else {
        statistics.badChecksums &+= 1
        return
      }
    }
    let payload = bytes.slice(from: UDPHeader.length, count: length - UDPHeader.length)
    if receiveDHCP(payload, source: source, destinationPort: destinationPort) { return }
    guard interface != nil else { return }
    guard let index = socketIndex(forPort: destinationPort), let state = udpSockets[index] else {
      sendUnreachable(.port, about: packet, header, isBroadcast: isBroadcast)
      return
    }
    enqueue(payload, from: source, to: header.destination, in: state)
  }

  private func enqueue(
    _ payload: PacketBytes, from source: Endpoint, to destination: IPv4Address, in state: UDPSocketState
  ) {
    let record = UDPSocketState.recordLength
    guard state.queue.available >= record + payload.count else {
      statistics.datagramsDropped &+= 1
      return
    }
    frame.set(source.address, at: 0)
    frame.set(destination, at: 4)
    frame.set(source.port, at: 8)
    frame.set(UInt16(0), at: 10)
    frame.set(UInt32(truncatingIfNeeded: payload.count), at: 12)
    guard state.queue.place(frame.bytes(from: 0, count: record), distance: 0),
      state.queue.place(payload, distance: record)
    else {
      statistics.datagramsDropped &+= 1
      return
    }
    state.queue.commit(record + payload.count)
    statistics.datagramsReceived &+= 1
  }

  /// Writes the header in front of a payload that lies in `frame`, and says what the link must do.
  func writeUDPHeader(source: Endpoint, destination: Endpoint, payloadLength: Int) -> FrameMetadata {
    let start = EthernetHeader.length + IPv4Header.length
    let length = UDPHeader.length + payloadLength
    frame.set(source.port, at: start)
    frame.set(destination.port, at: start + 2)
    frame.set(UInt16(truncatingIfNeeded: length), at: start + 4)
    frame.set(UInt16(0), at: start + 6)
    var checksum = InternetChecksum()
    checksum.addPseudoHeader(
      source: source.address, destination: destination.address, protocolNumber: IPv4Header.ProtocolNumber.udp,
      length: length)
    if offload.transmitChecksum {
      frame.set(checksum.folded, at: start + 6)
      return FrameMetadata(needsChecksum: true, checksumStart: UInt16(start), checksumOffset: 6)
    }
    checksum.add(frame.bytes(from: start, count: length))
    // A computed 0 is sent as its other form, because 0 means "no checksum".
    frame.set(checksum.complement == 0 ? 0xFFFF : checksum.complement, at: start + 6)
    return FrameMetadata()
  }

  private func state(of socket: UDPSocket) -> UDPSocketState? {
    guard socket.index >= 0, socket.index < udpSockets.count, let state = udpSockets[socket.index],
      state.generation == socket.generation
    else { return nil }
    return state
  }

  private func socketIndex(forPort port: UInt16) -> Int? {
    udpSockets.firstIndex { $0.map { $0.port == port } ?? false }
  }

  /// There are more ephemeral ports than sockets, so the search ends.
  private func freeEphemeralUDPPort() -> UInt16 {
    while true {
      let port = nextEphemeralUDPPort
      nextEphemeralUDPPort = port == .max ? 49_152 : port + 1
      if socketIndex(forPort: port) == nil { return port }
    }
  }
}
