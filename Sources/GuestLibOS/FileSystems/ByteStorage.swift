/// Why bytes could not be had.
public enum StorageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The device reported an error for the read that covers this block.
  case readFailed(BlockNumber)
  /// The bytes asked for lie at or behind the end of the storage, which has this many bytes.
  case beyondEnd(byteCount: UInt64)

  /// What failed, where, and what to do.
  public var description: String {
    switch self {
    case .readFailed(let block): "the disk could not read block \(block.index): check the disk image"
    case .beyondEnd(let count): "a read behind the end of the disk (\(count) bytes): the image is too short"
    }
  }
}

/// The outcome of asking for bytes that may have to be fetched first.
public enum StorageAccess<Outcome> {
  /// The bytes were there, and this came of looking at them.
  case done(Outcome)
  /// They are being fetched: poll the storage and ask again.
  case wouldBlock
  /// They cannot be had.
  case failed(StorageError)
}

/// Remembers how one reader moves through a range of bytes, so that the storage can fetch ahead of it.
public struct ReadStream: Sendable {
  /// The page after the one last read.
  var nextPage: UInt64
  /// The first page that must not be fetched ahead.
  let endPage: UInt64
  /// Pages to fetch ahead of the reader; grows as long as it reads on in sequence.
  var window = 0

  /// A reader that begins at the start of `range` (byte offsets) and will not want anything behind it.
  public init(range: Range<UInt64>) {
    nextPage = range.lowerBound / UInt64(CacheFrame.size)
    endPage = range.isEmpty ? nextPage : (range.upperBound - 1) / UInt64(CacheFrame.size) + 1
  }
}

/// Random-access bytes that may have to be fetched before they can be seen.
public protocol ByteStorage: ~Copyable {
  /// Bytes there are. Constant.
  var byteCount: UInt64 { get }

  /// Takes note of what the device has done; true when there was anything. Call it often.
  mutating func poll() -> Bool

  /// Shows `body` the bytes from `offset` on: at least one, at most `count`, as many as lie together.
  ///
  /// A 512-byte block at a multiple of 512 always lies together. The bytes are valid during `body` alone.
  mutating func withBytes<Outcome>(
    at offset: UInt64, atMost count: Int, stream: inout ReadStream, _ body: (Span<UInt8>) -> Outcome
  ) -> StorageAccess<Outcome>
}

/// Storage that is in memory from the start, such as a boot module or a mapped file.
@safe public struct MemoryStorage: ByteStorage {
  private let start: UnsafeRawPointer?
  private let count: Int

  /// Shows the bytes of `memory`. Unsafe: they must stay readable and unchanged as long as the storage is in use.
  @unsafe public init(_ memory: UnsafeRawBufferPointer) {
    unsafe start = UnsafeRawPointer(memory.baseAddress)
    count = memory.count
  }

  /// Bytes there are.
  public var byteCount: UInt64 { UInt64(count) }

  /// Does nothing: the bytes are all there.
  public mutating func poll() -> Bool { false }

  /// Shows `body` all bytes asked for; never answers `.wouldBlock`.
  public mutating func withBytes<Outcome>(
    at offset: UInt64, atMost limit: Int, stream: inout ReadStream, _ body: (Span<UInt8>) -> Outcome
  ) -> StorageAccess<Outcome> {
    guard limit > 0, offset < byteCount, let start = unsafe start else {
      return .failed(.beyondEnd(byteCount: byteCount))
    }
    // Inside the memory that the initializer's caller vouches for: offset < count, and the length is cut to the rest.
    let first = Int(truncatingIfNeeded: offset)
    let bytes = unsafe Span<UInt8>(
      _unsafeStart: (start + first).assumingMemoryBound(to: UInt8.self), count: min(limit, count - first))
    return .done(body(bytes))
  }
}
