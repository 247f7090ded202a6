import CLibOS
import ExokernelABI

/// A range of a disk that this program has bound: reads and writes move whole blocks between it and the program's own
/// pages, flushes make durable what was written.
///
/// Completions are bytes in the environment page, so asking for them costs no call.
public struct DiskExtent: ~Copyable {
  /// Blocks of 512 bytes in the extent.
  public let blockCount: UInt64
  private let number: UInt64
  /// Bit n is set where tag n is in flight.
  private var inFlight: UInt64 = 0
  /// Most requests in flight.
  public static var requestLimit: Int { Int(EnvironmentPage.blockTags) }

  /// Binds all of disk `disk` with `rights`.
  public init(disk: UInt64, rights: Rights) throws(CallError) {
    guard let record = Books.disk(disk) else { throw .noSuchResource }
    try self.init(disk: disk, first: 0, count: record.blocks, rights: rights)
  }

  /// Binds `count` blocks of disk `disk` from `first` on with `rights`.
  public init(disk: UInt64, first: UInt64, count: UInt64, rights: Rights) throws(CallError) {
    number = try KernelCall.bindExtent(disk: disk, first: first, count: count, rights: rights)
    blockCount = count
  }

  /// Starts moving `count` (1...8) blocks from `block` on into, or out of, the page at `address`; returns the request's
  /// tag. Throws `deviceFull` where no tag is left, or no room in
  /// this environment's share of the disk: an event follows when there is, so sleep on events, and try again.
  public mutating func submit(block: UInt64, count: UInt64, page address: UInt64, isWrite: Bool = false)
    throws(CallError) -> Int
  {
    guard let frame = Books.frameNumber(of: address) else { throw .badAddress }
    let tag = try freeTag()
    try KernelCall.submitBlocks(
      extent: number, first: block, count: count, frame: frame, isWrite: isWrite, tag: UInt64(tag))
    inFlight |= 1 &<< UInt64(tag)
    return tag
  }

  /// Starts making durable what was written; returns the request's tag. Once it has succeeded, every write whose
  /// success `nextCompletion` had told before this call outlives a crash of the host, and a loss of power where the
  /// host's disk keeps its word. Writes under way may or may not be covered. Needs an extent bound for writing; throws
  /// as `submit` does.
  public mutating func flush() throws(CallError) -> Int {
    let tag = try freeTag()
    try KernelCall.flushDisk(extent: number, tag: UInt64(tag))
    inFlight |= 1 &<< UInt64(tag)
    return tag
  }

  private func freeTag() throws(CallError) -> Int {
    guard inFlight != .max else { throw .deviceFull }
    return (~inFlight).trailingZeroBitCount
  }

  /// The tag of a request that has ended and whether all its blocks arrived; nil where none has.
  public mutating func nextCompletion() -> (tag: Int, succeeded: Bool)? {
    var rest = inFlight
    while rest != 0 {
      let tag = rest.trailingZeroBitCount
      rest &= rest &- 1
      let status = libos_load8(UInt(AddressMap.environmentPage &+ EnvironmentPage.blockStatusOffset) &+ UInt(tag))
      if status != 0 {
        inFlight &= ~(1 &<< UInt64(tag))
        return (tag, status == 1)
      }
    }
    return nil
  }
}
