/// The number of a 512-byte block, counted from the start of a disk or of the extent a program was given.
public struct BlockNumber: Comparable, Sendable {
  /// Bytes of one block: the sector of virtio-blk and the record of tape archives.
  public static let size = 512

  /// The block's position, from zero.
  public var index: UInt64

  /// Names the block at position `index`.
  public init(_ index: UInt64) { self.index = index }

  /// Names the block that holds byte `offset`.
  public init(containingByte offset: UInt64) { self.index = offset / UInt64(Self.size) }

  /// Orders blocks by their position.
  public static func < (left: BlockNumber, right: BlockNumber) -> Bool { left.index < right.index }
}

/// One page frame that blocks are read into. The platform hands out a fixed array of them.
@safe public struct CacheFrame: Sendable {
  /// Bytes of one frame: a page, eight blocks.
  public static let size = 4096
  /// Blocks that fit in one frame.
  public static let blocks = UInt64(size / BlockNumber.size)

  /// The frame's place in the array given to the cache. A device looks up here the name the kernel knows the frame by.
  public let index: Int
  /// The first of 4096 bytes, page-aligned.
  public nonisolated(unsafe) let address: UnsafeMutableRawPointer

  /// Describes a frame. Unsafe: the 4096 bytes at `address` must be page-aligned, readable, written by nobody but the
  /// device, and must stay so while any cache or device knows the frame.
  @unsafe public init(index: Int, address: UnsafeMutableRawPointer) {
    self.index = index
    unsafe self.address = unsafe address
  }
}

/// Names one submitted read; the device gives it back, unchanged, with the completion.
public struct BlockRequestToken: Equatable, Sendable {
  /// The bits a device has to carry.
  public var rawValue: UInt32

  /// Makes a token of the bits a device carried.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// The end of one read.
public struct BlockCompletion: Sendable {
  /// The read that ended.
  public var token: BlockRequestToken
  /// True when every block arrived in its frame; false when any failed (the frames then hold nothing of use).
  public var succeeded: Bool

  /// Tells that the read named by `token` ended, well or badly.
  public init(token: BlockRequestToken, succeeded: Bool) {
    self.token = token
    self.succeeded = succeeded
  }
}

/// A disk (or an extent of one) that moves blocks into page frames on its own and tells when it has.
///
/// Nothing here waits. In the guest a read is one call of the exokernel, and a completion is a counter in memory.
public protocol BlockDevice: ~Copyable {
  /// Blocks of 512 bytes that can be read. Constant.
  var blockCount: UInt64 { get }

  /// Most frames that one request may fill, 1 or more. Constant.
  var maximumFramesPerRequest: Int { get }

  /// Starts reading `count` blocks from `block` on into `frames`, eight blocks a frame, in order.
  ///
  /// The caller keeps `block` a multiple of 8, `block + count` within `blockCount`, and `count` a multiple of 8 unless
  /// the disk ends there; it leaves the frames alone until the completion comes. A device without room for the request
  /// answers false and does nothing; the caller asks again later.
  mutating func submitRead(
    block: BlockNumber, count: UInt64, into frames: Span<CacheFrame>, token: BlockRequestToken
  ) -> Bool

  /// The next read that ended, in any order, each once; nil when there is none now.
  ///
  /// The device makes sure that a frame's bytes are visible before it tells of them.
  mutating func nextCompletion() -> BlockCompletion?
}
