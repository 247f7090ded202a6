import DownloadedCode
import ExokernelABI
import InternetStack
import LibOS

/// The packet interface of the exokernel as the stack's link. A reference: the stack sends through it, the program
/// receives.
public final class KernelLink: PacketLink {
  private var interface: PacketInterface
  /// The received frame: the slot is given back before the stack sends its answer through the same interface.
  private var frame = [UInt8](repeating: 0, count: Int(PacketRing.slotSize))
  /// Frames taken out of the kernel's ring while the program was sending.
  private let waiting = FrameQueue(byteCount: 256 << 10)

  /// Binds `filter` to a ring of its own on an interface.
  public init(interface number: UInt64, filter: borrowing FilterBuilder) throws(CallError) {
    interface = try PacketInterface(interface: number, filter: filter)
  }

  /// What the program wants to see: ARP, echo requests and its port; with a fixed address of its own only what is for
  /// that, else DHCP too.
  public static func filter(port: UInt16, address: IPv4Address?) throws(FilterBuilderError) -> FilterBuilder {
    var filter = FilterBuilder()
    if let address {
      try filter.accept(.ipv4(destination: address.value, protocol: 6, destinationPort: port))
      try filter.accept(.arp(target: address.value))
      try filter.accept(.ipv4(destination: address.value, protocol: 1))
    } else {
      try filter.accept(.ipv4(protocol: 6, destinationPort: port))
      try filter.accept(.etherType(0x0806))
      try filter.accept(.ipv4(protocol: 1))
      try filter.accept(.ipv4(protocol: 17, destinationPort: 68))
    }
    try filter.finish()
    return filter
  }

  /// The interface's address.
  public var hardwareAddress: MACAddress {
    let bits = interface.record.hardwareAddress
    func byte(_ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: bits >> (8 * index)) }
    return MACAddress(byte(0), byte(1), byte(2), byte(3), byte(4), byte(5))
  }

  /// Largest payload of a frame in bytes.
  public var maximumTransmissionUnit: Int { Int(min(1500, max(576, interface.record.maximumTransmissionUnit))) }

  /// What the device computes for the stack.
  public var offload: LinkOffload {
    LinkOffload(
      transmitChecksum: interface.record.offload & 1 != 0,
      maximumSegmentsPerSend: interface.record.offload & 2 != 0 ? 45 : 1)
  }

  /// Sends a frame; false where there is no room for it now.
  public func send(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool {
    var block = SendBlock()
    if metadata.needsChecksum {
      block.needsChecksum = 1
      block.checksumStart = metadata.checksumStart
      block.checksumOffset = metadata.checksumOffset
    }
    if metadata.gsoSize > 0 {
      block.segmentation = 1
      block.segmentSize = metadata.gsoSize
      block.headerLength = metadata.headerLength
    }
    // The stack's buffer, used during the call.
    let isSent = unsafe interface.send(frame, header: block)
    emptyRing()
    return isSent
  }

  /// Takes over what has come while the kernel was sending. Its ring has few slots, and a packet that finds none is
  /// lost; the answers to a hundred clients take longer than the next hundred requests.
  private func emptyRing() {
    while interface.hasPacket, waiting.hasRoom(for: Int(PacketRing.slotSize)) {
      // The slot's bytes, valid during the closure.
      _ = unsafe interface.receive { bytes, checksum in
        _ = unsafe waiting.append(bytes, Self.metadata(checksum))
      }
    }
  }

  private static func metadata(_ checksum: ReceivedChecksum) -> FrameMetadata {
    FrameMetadata(needsChecksum: checksum == .notComputed, checksumIsValid: checksum == .valid)
  }

  /// Gives one received frame to `stack`; false when there is none.
  public func receive(into stack: NetworkStack<KernelLink>, now: Instant) -> Bool {
    var count = 0
    var metadata = FrameMetadata()
    // What came first is first. The array's memory is used during the calls; no more bytes are copied than it has room
    // for.
    if let first = unsafe frame.withUnsafeMutableBytes({ unsafe waiting.take(into: $0) }) {
      (count, metadata) = first
    } else {
      // The slot's bytes, valid during the closure.
      let found = unsafe interface.receive { bytes, checksum in
        count = min(bytes.count, frame.count)
        unsafe frame.withUnsafeMutableBytes { copy in
          unsafe copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
        }
        metadata = Self.metadata(checksum)
      }
      guard found else { return false }
    }
    // The array's memory, used during the call; `count` is within it.
    unsafe frame.withUnsafeBytes { bytes in
      unsafe stack.receive(UnsafeRawBufferPointer(rebasing: bytes[0..<count]), metadata: metadata, now: now)
    }
    return true
  }
}
