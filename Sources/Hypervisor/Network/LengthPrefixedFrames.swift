import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Cuts a byte stream into frames, each preceded by its length as a 32-bit big-endian number.
///
/// A class, because a frame is looked at while whoever gets it may call back.
final class LengthPrefixedFrames {
  /// What the stream holds next.
  enum Next: Equatable {
    /// A whole frame, at this place of `bytes`.
    case frame(Range<Int>)
    /// Not yet a whole frame.
    case incomplete
    /// A length that no frame has: the stream makes no sense any more.
    case tooLong(byteCount: UInt32)
  }

  /// What reading gave.
  enum Fill: Equatable {
    /// Some bytes.
    case filled
    /// Nothing at present.
    case empty
    /// The end of the stream.
    case ended
    /// An error.
    case failed(Errno)
  }

  /// The longest frame taken: the longest that a virtio card can carry.
  static var longestFrame: Int { VirtioNetwork.largeFrameByteCount }
  /// The shortest frame passed on: an Ethernet header.
  private static let shortestFrame = 14
  private static let prefix = 4

  /// Storage of fixed size: room for one frame of the longest kind and as much again to read ahead.
  private(set) var bytes = [UInt8](repeating: 0, count: 2 * 65_536)
  private var start = 0
  private var end = 0

  /// Whether a whole frame, or a senseless length, has been read.
  var hasFrame: Bool { nextFrame() != .incomplete }

  /// The next frame of those read. Frames too short to be one are skipped.
  func nextFrame() -> Next {
    while true {
      guard end - start >= LengthPrefixedFrames.prefix else { return .incomplete }
      var length: UInt32 = 0
      for offset in 0..<LengthPrefixedFrames.prefix { length = length << 8 | UInt32(bytes[start + offset]) }
      guard length <= UInt32(LengthPrefixedFrames.longestFrame) else { return .tooLong(byteCount: length) }
      let first = start + LengthPrefixedFrames.prefix
      guard end - first >= Int(length) else { return .incomplete }
      let range = first..<(first + Int(length))
      if range.count >= LengthPrefixedFrames.shortestFrame { return .frame(range) }
      consume(range)
    }
  }

  /// Goes on after a frame that `nextFrame` gave.
  func consume(_ frame: Range<Int>) {
    start = frame.upperBound
    if start == end {
      start = 0
      end = 0
    }
  }

  /// Skips the whole frames and keeps the part of one, so that the stream stays in step.
  func dropFrames() {
    while case .frame(let range) = nextFrame() { consume(range) }
  }

  /// Reads once from `fd`. Call it after `nextFrame` said `incomplete`: then there is room.
  func fill(from fd: Int32) -> Fill {
    if start > 0 {
      // Safe: both ranges are inside the array.
      unsafe bytes.withUnsafeMutableBytes { bytes in
        let base = unsafe bytes.baseAddress.unsafelyUnwrapped
        unsafe memmove(base, base + start, end - start)
      }
      end -= start
      start = 0
    }
    // Safe: as above.
    let count = unsafe bytes.withUnsafeMutableBytes { bytes in
      retryingWhenInterrupted {
        unsafe read(fd, bytes.baseAddress.unsafelyUnwrapped + end, bytes.count - end)
      }
    }
    if count < 0 { return errno == EAGAIN ? .empty : .failed(Errno(rawValue: errno)) }
    if count == 0 { return .ended }
    end += count
    return .filled
  }
}
