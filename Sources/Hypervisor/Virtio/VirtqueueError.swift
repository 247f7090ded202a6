/// What a driver did wrong with a virtqueue. The device that meets one stops, says so in its status
/// (DEVICE_NEEDS_RESET), and leaves guest memory alone until it is reset. Values are what the guest wrote.
public enum VirtqueueError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A part of a split virtqueue.
  public enum Part: String, Sendable {
    /// The descriptor table.
    case descriptorTable = "descriptor table"
    /// The ring that the driver writes.
    case availableRing = "available ring"
    /// The ring that the device writes.
    case usedRing = "used ring"
  }

  /// The size is not a power of two from 1 to the queue's maximum.
  case invalidSize(UInt32, maximum: UInt16)
  /// The part's address is not a multiple of what the specification asks for.
  case misaligned(Part, GuestAddress)
  /// The part is not inside guest memory.
  case ringOutsideMemory(Part, GuestAddress, byteCount: Int)
  /// Two parts share bytes.
  case overlap(Part, Part)
  /// The available index moved by more than the queue's size.
  case indexJump(from: UInt16, to: UInt16)
  /// A descriptor index is not below the size of its table.
  case invalidDescriptorIndex(UInt16)
  /// A chain is longer than its table, so it loops.
  case loop
  /// A buffer has no bytes.
  case emptyBuffer
  /// A buffer is not inside guest memory.
  case bufferOutsideMemory(GuestAddress, byteCount: UInt32)
  /// A chain has more buffers than the device takes.
  case tooManyBuffers(maximum: Int)
  /// A chain's buffers have more than 2^32 - 1 bytes.
  case chainTooLong
  /// A buffer for the device to read follows one for it to write.
  case readableAfterWritable
  /// An indirect descriptor, although the driver did not accept the feature.
  case indirectNotAccepted
  /// An indirect descriptor that has a next one.
  case indirectWithNext
  /// An indirect descriptor inside an indirect table.
  case nestedIndirect
  /// The length of an indirect table is not a positive multiple of 16, or it is larger than the device takes.
  case invalidIndirectLength(UInt32)
  /// The chain is sound, but it is not a request of this device.
  case malformedRequest(Reason)
  /// The driver changed the device's set-up out of order.
  case invalidSequence(Reason)

  /// Text known at compile time.
  public struct Reason: Equatable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The text.
    public let description: String
    /// The reason with this text.
    public init(stringLiteral value: StaticString) { description = value.description }
  }

  /// What is wrong, with the value, for a person.
  public var description: String {
    switch self {
    case .invalidSize(let size, let maximum): "queue size \(size) is not a power of two from 1 to \(maximum)"
    case .misaligned(let part, let address): "\(part.rawValue) at \(address) is misaligned"
    case .ringOutsideMemory(let part, let address, let byteCount):
      "\(part.rawValue) at \(address)+\(byteCount) is outside guest memory"
    case .overlap(let first, let second): "\(first.rawValue) and \(second.rawValue) overlap"
    case .indexJump(let from, let to): "available index jumped from \(from) to \(to)"
    case .invalidDescriptorIndex(let index): "descriptor index \(index) is outside its table"
    case .loop: "descriptor chain loops"
    case .emptyBuffer: "descriptor of zero bytes"
    case .bufferOutsideMemory(let address, let byteCount): "buffer \(address)+\(byteCount) is outside guest memory"
    case .tooManyBuffers(let maximum): "descriptor chain has more than \(maximum) buffers"
    case .chainTooLong: "descriptor chain has more than 2^32 - 1 bytes"
    case .readableAfterWritable: "device-readable buffer after a device-writable one"
    case .indirectNotAccepted: "indirect descriptor without the feature"
    case .indirectWithNext: "indirect descriptor with a next one"
    case .nestedIndirect: "indirect descriptor inside an indirect table"
    case .invalidIndirectLength(let byteCount): "indirect table of \(byteCount) bytes"
    case .malformedRequest(let reason): "malformed request: \(reason)"
    case .invalidSequence(let reason): "invalid sequence: \(reason)"
    }
  }
}
