/// Received frames that wait for the stack, in the order of their coming: for an owner whose link has room for few, and
/// who must not lose those that come while it is sending. It holds memory only for frames that wait.
public final class FrameQueue {
  private var ring = RingBuffer()
  /// For the words before the frames.
  private let word = FrameBuffer(count: prefix)
  /// Length and flags of a frame.
  private static var prefix: Int { 4 }
  /// Longest frame taken, in bytes.
  public static var longestFrame: Int { 0xFFFF }

  /// A queue for `byteCount` bytes (a power of two from 1,024 on, or the next above), 4 of which each frame takes
  /// beside its own.
  public init(byteCount: Int) { ring.open(minimum: byteCount) }

  /// Whether nothing waits.
  public var isEmpty: Bool { ring.count == 0 }

  /// Whether a frame of `count` bytes has room.
  public func hasRoom(for count: Int) -> Bool { count <= Self.longestFrame && Self.prefix + count <= ring.available }

  /// Puts a frame at the end, with what its link says of its checksum; false where there is no room.
  public func append(_ frame: UnsafeRawBufferPointer, _ metadata: FrameMetadata) -> Bool {
    guard hasRoom(for: frame.count) else { return false }
    let flags: UInt32 = (metadata.checksumIsValid ? 1 : 0) | (metadata.needsChecksum ? 2 : 0)
    word.set(UInt32(truncatingIfNeeded: frame.count) | flags << 16, at: 0)
    // Safe: both buffers live during the calls; there is room for both.
    _ = unsafe ring.append(word.bytes(from: 0, count: Self.prefix).unsafeMemory)
    _ = unsafe ring.append(frame)
    return true
  }

  /// Takes the first frame out into `buffer`, which has room for any frame that was put in; its length and what was
  /// said of its checksum, or nil where nothing waits.
  public func take(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, metadata: FrameMetadata)? {
    guard ring.count >= Self.prefix else { return nil }
    ring.copy(from: 0, count: Self.prefix, to: word, at: 0)
    ring.discard(Self.prefix)
    let about = word.bytes(from: 0, count: Self.prefix).uint32(at: 0)
    let length = Int(about & 0xFFFF)
    let count = min(length, buffer.count)
    // Safe: the part lies inside the caller's buffer, which lives during the call.
    _ = unsafe ring.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
    ring.discard(length - count)
    return (count, FrameMetadata(needsChecksum: about & 2 << 16 != 0, checksumIsValid: about & 1 << 16 != 0))
  }
}
