/// What a cache frame holds and what may be done with it.
struct FrameState {
  enum Content: UInt8 {
    /// Nothing; free to take.
    case empty
    /// A read into it is under way: it must be neither looked at nor taken.
    case loading
    /// The bytes of its page.
    case ready
    /// A read of several pages failed as a whole; this page is read alone before it counts as bad.
    case suspect
    /// The device cannot read the page.
    case failed
  }

  var content = Content.empty
  /// The page (4096 bytes of the disk) that the frame stands for, unless empty.
  var page: UInt64 = 0
  /// Used since the clock's hand last came by.
  var referenced = false
  /// Somebody waits for the page and has not seen it yet.
  var awaited = false
  /// When the content last changed, in polls.
  var since: UInt64 = 0
  /// The next frame of the same hash bucket, or -1.
  var nextInBucket = -1
  /// The next frame filled by the same request, or -1.
  var nextInRequest = -1
}

/// Finds the frame that stands for a page, and chooses the frame to give up: a hash table over frames and a clock.
struct CacheTable {
  var frames: [FrameState]
  private var buckets: [Int]
  private let bucketMask: UInt64
  private var hand = 0
  /// Pages given up so far to make room for others.
  private(set) var evictions: UInt64 = 0

  /// Polls for which an awaited page that arrived is kept for the reader who asked. Enough for every connection of a
  /// server to come by; short enough that readers who went away do not hold frames.
  private static let keptForReader: UInt64 = 64
  /// Polls for which a bad page is remembered, so that all who wait for it learn of the error.
  static let errorRemembered: UInt64 = 64

  /// A table of `count` empty frames that may grow to `capacity`.
  init(count: Int, capacity: Int) {
    frames = [FrameState](repeating: FrameState(), count: count)
    var size = 1
    while size < capacity * 2 { size *= 2 }
    buckets = [Int](repeating: -1, count: size)
    bucketMask = UInt64(size - 1)
  }

  private func bucket(of page: UInt64) -> Int {
    // Fibonacci hashing; neighbouring pages are the common case and spread evenly.
    Int(truncatingIfNeeded: ((page &* 0x9E37_79B9_7F4A_7C15) >> 32) & bucketMask)
  }

  func frame(of page: UInt64) -> Int? {
    var index = buckets[bucket(of: page)]
    while index >= 0 {
      if frames[index].page == page { return index }
      index = frames[index].nextInBucket
    }
    return nil
  }

  /// Makes `index`, an empty frame, stand for `page`, which no other frame does.
  mutating func assign(_ index: Int, to page: UInt64, content: FrameState.Content, now: UInt64) {
    let bucket = bucket(of: page)
    frames[index] = FrameState(content: content, page: page, since: now, nextInBucket: buckets[bucket])
    buckets[bucket] = index
  }

  /// Makes frame `index` empty.
  mutating func release(_ index: Int) {
    guard frames[index].content != .empty else { return }
    let bucket = bucket(of: frames[index].page)
    if buckets[bucket] == index {
      buckets[bucket] = frames[index].nextInBucket
    } else {
      var previous = buckets[bucket]
      while previous >= 0, frames[previous].nextInBucket != index { previous = frames[previous].nextInBucket }
      if previous >= 0 { frames[previous].nextInBucket = frames[index].nextInBucket }
    }
    frames[index] = FrameState()
  }

  /// An empty frame, made so by giving up the page least in use; nil when every frame is loading or promised.
  mutating func takeFrame(now: UInt64) -> Int? {
    // Twice around: the first pass takes away the second chance, the second finds what did not use it.
    for _ in 0..<(2 * frames.count) {
      let index = hand
      hand = hand + 1 == frames.count ? 0 : hand + 1
      switch frames[index].content {
      case .empty:
        return index
      case .loading:
        continue
      case .failed, .suspect:
        if now &- frames[index].since < Self.errorRemembered { continue }
      case .ready:
        if frames[index].awaited, now &- frames[index].since < Self.keptForReader { continue }
        if frames[index].referenced {
          frames[index].referenced = false
          continue
        }
      }
      release(index)
      evictions &+= 1
      return index
    }
    return nil
  }
}
