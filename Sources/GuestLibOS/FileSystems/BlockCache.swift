/// Counts of what a block cache did, since it was made.
public struct BlockCacheStatistics: Sendable {
  /// Looks at a page that was there.
  public internal(set) var hits: UInt64 = 0
  /// Reads that a waiting reader caused.
  public internal(set) var misses: UInt64 = 0
  /// Requests given to the device.
  public internal(set) var requests: UInt64 = 0
  /// Pages read before anybody asked for them.
  public internal(set) var pagesReadAhead: UInt64 = 0
  /// Requests that the device reported as failed.
  public internal(set) var failures: UInt64 = 0
  /// Pages given up to make room for others.
  public internal(set) var evictions: UInt64 = 0
  /// Completions whose token names no request under way; the device is at fault.
  public internal(set) var strayCompletions: UInt64 = 0
}

/// A bounded cache of disk pages in a fixed set of frames: the storage of a file system on a raw disk.
///
/// Readers ask for bytes and are told `.wouldBlock` while the page is on its way; any number of readers wait for one
/// read. A frame with a read under way is never taken for another page. Pages are given up by the clock algorithm.
public struct BlockCache<Device: BlockDevice & ~Copyable>: ~Copyable, ByteStorage {
  /// The disk. The owner may look at it; reads go through the cache.
  public var device: Device
  private var counts = BlockCacheStatistics()

  private var frames: [CacheFrame]
  private var table: CacheTable
  /// First frame of each request under way, -1 when the entry is free; the rest follow by `nextInRequest`.
  private var requests: [Int]
  /// Reuse counter of each request entry, part of its token, so that a late second completion is recognised.
  private var generations: [UInt16]
  private var loadingFrames = 0
  /// Polls so far: the cache's clock.
  private var polls: UInt64 = 0
  /// The frames of the request being put together.
  private var cluster: [CacheFrame] = []

  /// Most pages fetched ahead of one reader.
  private static var largestWindow: Int { 16 }
  private static var largestRequestCount: Int { 256 }

  /// A cache of `device` in `frames`: at least one, each the cache's alone from now on. `capacity` tells how many
  /// frames there will ever be, if `add` is to bring more.
  public init(device: consuming Device, frames: [CacheFrame], capacity: Int = 0) {
    precondition(!frames.isEmpty, "a block cache needs at least one frame")
    self.device = device
    self.frames = frames
    let capacity = max(frames.count, capacity)
    table = CacheTable(count: frames.count, capacity: capacity)
    let count = min(capacity, Self.largestRequestCount)
    requests = [Int](repeating: -1, count: count)
    generations = [UInt16](repeating: 0, count: count)
    cluster.reserveCapacity(Self.largestWindow)
  }

  /// What the cache did.
  public var statistics: BlockCacheStatistics {
    var counts = counts
    counts.evictions = table.evictions
    return counts
  }

  /// Frames that the cache has.
  public var frameCount: Int { frames.count }

  /// Lets the cache use `more` frames, each its alone from now on. For owners who find memory to spare.
  public mutating func add(_ more: [CacheFrame]) {
    frames.append(contentsOf: more)
    for _ in more { table.frames.append(FrameState()) }
  }

  /// Bytes of the disk.
  public var byteCount: UInt64 { min(device.blockCount, .max / UInt64(BlockNumber.size)) * UInt64(BlockNumber.size) }

  /// True when no read is under way.
  public var isIdle: Bool { loadingFrames == 0 }

  /// Takes note of the reads that ended; true when there was one.
  public mutating func poll() -> Bool {
    polls &+= 1
    var any = false
    // No more than there can be; what a faulty device adds waits for the next poll.
    for _ in 0..<requests.count {
      guard let completion = device.nextCompletion() else { break }
      any = true
      complete(completion)
    }
    return any
  }

  /// Shows `body` bytes of one page: from `offset` to the end of the page, the disk or the count, whichever is first.
  public mutating func withBytes<Outcome>(
    at offset: UInt64, atMost count: Int, stream: inout ReadStream, _ body: (Span<UInt8>) -> Outcome
  ) -> StorageAccess<Outcome> {
    guard count > 0, offset < byteCount else { return .failed(.beyondEnd(byteCount: byteCount)) }
    let page = offset / UInt64(CacheFrame.size)
    let index: Int
    switch access(page, stream: &stream) {
    case .done(let found): index = found
    case .wouldBlock: return .wouldBlock
    case .failed(let error): return .failed(error)
    }
    let start = Int(truncatingIfNeeded: offset % UInt64(CacheFrame.size))
    let untilEnd = Int(clamping: byteCount - offset)
    let length = min(count, CacheFrame.size - start, untilEnd)
    // The frame's 4096 bytes are vouched for by CacheFrame's initializer; a ready frame has no read under way.
    let address = unsafe (frames[index].address + start).assumingMemoryBound(to: UInt8.self)
    return .done(body(unsafe Span<UInt8>(_unsafeStart: address, count: length)))
  }

  // MARK: - Pages

  /// The frame that holds `page`, or why there is none yet; starts the read when nobody has.
  private mutating func access(_ page: UInt64, stream: inout ReadStream) -> StorageAccess<Int> {
    let isNext = page == stream.nextPage
    if isNext {
      stream.window = min(max(2, stream.window * 2), Self.largestWindow, frames.count / 2)
    } else if page &+ 1 != stream.nextPage {
      stream.window = 0
    }
    stream.nextPage = page &+ 1

    guard let index = table.frame(of: page) else {
      let ahead = min(stream.endPage, page &+ 1 &+ UInt64(stream.window))
      fetch(from: page, upTo: max(ahead, page &+ 1), awaited: true)
      return .wouldBlock
    }
    switch table.frames[index].content {
    case .ready:
      counts.hits &+= 1
      table.frames[index].referenced = true
      table.frames[index].awaited = false
      if isNext, stream.window > 0 { readAhead(of: page, stream: stream) }
      return .done(index)
    case .suspect:
      table.release(index)
      fetch(from: page, upTo: page &+ 1, awaited: true)
      return .wouldBlock
    case .failed:
      if polls &- table.frames[index].since < CacheTable.errorRemembered {
        return .failed(.readFailed(firstBlock(of: page)))
      }
      table.release(index)
      fetch(from: page, upTo: page &+ 1, awaited: true)
      return .wouldBlock
    case .loading, .empty:
      table.frames[index].awaited = true
      return .wouldBlock
    }
  }

  /// Fetches the rest of the window when less than half of it is there.
  private mutating func readAhead(of page: UInt64, stream: ReadStream) {
    let end = min(stream.endPage, page &+ 1 &+ UInt64(stream.window))
    var missing = page &+ 1
    while missing < end, table.frame(of: missing) != nil { missing &+= 1 }
    guard missing < end, missing &- page <= UInt64(stream.window / 2) &+ 1 else { return }
    fetch(from: missing, upTo: end, awaited: false)
  }

  private func firstBlock(of page: UInt64) -> BlockNumber { BlockNumber(page &* CacheFrame.blocks) }

  // MARK: - Requests

  /// Starts reads of the pages `first..<end` up to one that is there, by as few requests as the device allows.
  private mutating func fetch(from first: UInt64, upTo end: UInt64, awaited: Bool) {
    var page = first
    while page < end {
      let count = read(from: page, upTo: end, awaited: awaited && page == first)
      if count == 0 { return }
      page &+= count
    }
  }

  /// Starts one read of the pages `first..<end`, or as many of them as are missing, are on the disk and find a frame;
  /// tells how many.
  private mutating func read(from first: UInt64, upTo end: UInt64, awaited: Bool) -> UInt64 {
    guard let request = requests.firstIndex(of: -1) else { return 0 }
    let most = max(1, min(device.maximumFramesPerRequest, frames.count))
    cluster.removeAll(keepingCapacity: true)
    var head = -1
    var tail = -1
    var page = first
    while page < end, cluster.count < most, page &* CacheFrame.blocks < device.blockCount, table.frame(of: page) == nil
    {
      let isAwaited = awaited && page == first
      // Reading ahead must not take the frames that waiting readers need.
      if !isAwaited, loadingFrames + cluster.count >= frames.count / 2 { break }
      guard let index = table.takeFrame(now: polls) else { break }
      table.assign(index, to: page, content: .loading, now: polls)
      table.frames[index].awaited = isAwaited
      if tail >= 0 { table.frames[tail].nextInRequest = index } else { head = index }
      tail = index
      cluster.append(frames[index])
      page &+= 1
    }
    guard head >= 0 else { return 0 }

    let block = firstBlock(of: first)
    let count = min((page &- first) &* CacheFrame.blocks, device.blockCount &- block.index)
    let token = BlockRequestToken(
      rawValue: UInt32(truncatingIfNeeded: request) | UInt32(generations[request]) << 16)
    let destination = cluster
    guard device.submitRead(block: block, count: count, into: destination.span, token: token) else {
      while head >= 0 {
        let next = table.frames[head].nextInRequest
        table.release(head)
        head = next
      }
      return 0
    }
    requests[request] = head
    loadingFrames += cluster.count
    counts.requests &+= 1
    counts.misses &+= awaited ? 1 : 0
    counts.pagesReadAhead &+= UInt64(cluster.count - (awaited ? 1 : 0))
    return UInt64(cluster.count)
  }

  private mutating func complete(_ completion: BlockCompletion) {
    let request = Int(completion.token.rawValue & 0xFFFF)
    guard request < requests.count, requests[request] >= 0,
      generations[request] == UInt16(truncatingIfNeeded: completion.token.rawValue >> 16)
    else {
      counts.strayCompletions &+= 1
      return
    }
    var index = requests[request]
    requests[request] = -1
    generations[request] &+= 1
    if !completion.succeeded { counts.failures &+= 1 }
    let isAlone = table.frames[index].nextInRequest < 0
    while index >= 0 {
      let next = table.frames[index].nextInRequest
      loadingFrames -= 1
      table.frames[index].nextInRequest = -1
      table.frames[index].since = polls
      if completion.succeeded {
        table.frames[index].content = .ready
        table.frames[index].referenced = true
      } else if !table.frames[index].awaited {
        table.release(index)
      } else {
        table.frames[index].content = isAlone ? .failed : .suspect
      }
      index = next
    }
  }
}
