import ExokernelABI
import FileSystems
import LibOS

/// A disk extent of the exokernel as the block cache wants it: one call and one frame per request.
struct KernelDisk: BlockDevice, ~Copyable {
  private var extent: DiskExtent
  /// The cache's token of each request in flight, by the kernel's tag.
  private var tokens: [BlockRequestToken]

  init(disk: UInt64) throws(CallError) {
    extent = try DiskExtent(disk: disk, rights: .read)
    tokens = [BlockRequestToken](repeating: BlockRequestToken(rawValue: 0), count: DiskExtent.requestLimit)
  }

  var blockCount: UInt64 { extent.blockCount }

  var maximumFramesPerRequest: Int { 1 }

  mutating func submitRead(
    block: BlockNumber, count: UInt64, into frames: Span<CacheFrame>, token: BlockRequestToken
  ) -> Bool {
    // Only the address is used, as a number: the kernel finds the frame and checks whose it is.
    let page = unsafe UInt64(UInt(bitPattern: frames[0].address))
    do throws(CallError) {
      tokens[try extent.submit(block: block.index, count: count, page: page)] = token
      return true
    } catch {
      return false
    }
  }

  mutating func nextCompletion() -> BlockCompletion? {
    guard let end = extent.nextCompletion() else { return nil }
    return BlockCompletion(token: tokens[end.tag], succeeded: end.succeeded)
  }
}

/// Pages for the block cache: a first few, and more while the machine has frames that nobody uses.
struct CacheMemory {
  /// Pages that the cache gets at once.
  static let step = 64
  /// Most pages of the cache: 16 MiB.
  static let limit = 4096

  private(set) var count: Int
  /// Frames that are kept for the service's clients.
  private let reserve: UInt64

  /// Goes on after `count` pages that the cache has already, and leaves `reserve` frames alone.
  init(grown count: Int = 0, reserve: UInt64 = 0) {
    self.count = count
    self.reserve = reserve
  }

  /// The next pages; nil when there are none to spare. Looks at the books first and asks the kernel only for what it
  /// has.
  mutating func take() -> [CacheFrame]? {
    guard count + Self.step <= Self.limit, let record = Books.environment(Environment.number) else { return nil }
    // Three quarters of what is free beyond the reserve stay free for others.
    let step = UInt64(Self.step)
    let quotaLeft = UInt64(record.quota(.frames).limit &- min(record.frames, record.quota(.frames).limit))
    guard UInt64(Books.header.freeFrames) > 4 * step + reserve, quotaLeft > 4 * step + reserve,
      let start = PageSpace.mapAnywhere(count: step)
    else { return nil }
    var frames: [CacheFrame] = []
    for index in 0..<Self.step {
      guard let address = unsafe UnsafeMutableRawPointer(bitPattern: UInt(start) + UInt(index) * 4096) else {
        return nil
      }
      // The page was mapped just now, for this cache alone, and is never unmapped.
      frames.append(unsafe CacheFrame(index: count + index, address: address))
    }
    count += Self.step
    return frames
  }
}
