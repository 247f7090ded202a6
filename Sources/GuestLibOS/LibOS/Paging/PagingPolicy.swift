/// Decides which page of a `PagedRegion` leaves its frame when another one is to come. The kernel has no say in it, and
/// no other program is touched by it.
///
/// A policy is told of places, numbered from 0 up to the number of frames: each holds one page of the region. It is
/// asked inside a page fault, so it must not allocate.
public protocol PagingPolicy {
  /// Whether `touched` is to be called: that costs a look at the page-table entry of every resident page at each fault,
  /// and a kernel call for each that was touched.
  static var readsAccessedBits: Bool { get }
  /// Page `page` has come into `place`, which was empty or has just lost its page.
  mutating func brought(page: Int, into place: Int)
  /// The program has touched the page in `place` since the last fault.
  mutating func touched(_ place: Int)
  /// The place whose page leaves so that `page` can come. Every place is full.
  mutating func victim(for page: Int) -> Int
}

/// Least recently used: the page leaves that was not touched for the longest time, counted in faults of the region. It
/// is exact as far as the accessed bits tell: of pages that were last touched between the same two faults, the one in
/// the lower place leaves.
public struct LeastRecentlyUsed: PagingPolicy {
  private var lastUse: [UInt64]
  private var now: UInt64 = 0

  /// A policy for so many frames.
  public init(frames: Int) { lastUse = [UInt64](repeating: 0, count: frames) }

  /// True: it lives on them.
  public static var readsAccessedBits: Bool { true }

  /// The page that comes is the one that is used now.
  public mutating func brought(page: Int, into place: Int) {
    now &+= 1
    lastUse[place] = now
  }

  /// Used since the last fault.
  public mutating func touched(_ place: Int) { lastUse[place] = now }

  /// The place with the oldest use.
  public mutating func victim(for page: Int) -> Int {
    var oldest = 0
    for place in lastUse.indices where lastUse[place] < lastUse[oldest] { oldest = place }
    return oldest
  }
}

/// The policy of a program that goes through its pages from the first to the last, again and again: the page leaves
/// whose turn comes last, which is the resident one that is closest behind the page that is needed. For this order of
/// accesses no policy has fewer faults (Belady, 1966, "A study of replacement algorithms for a virtual-storage
/// computer"), where one that looks at the past alone evicts each page just before it is needed.
public struct SequentialLoop: PagingPolicy {
  private var pageIn: [Int]
  private let pages: Int

  /// A policy for so many frames, and a region of `pages` pages.
  public init(frames: Int, pages: Int) {
    pageIn = [Int](repeating: 0, count: frames)
    self.pages = pages
  }

  /// False: the program knows what it will do.
  public static var readsAccessedBits: Bool { false }

  /// Notes what is where.
  public mutating func brought(page: Int, into place: Int) { pageIn[place] = page }

  /// Nothing that it does not know.
  public mutating func touched(_ place: Int) {}

  /// The place whose page is needed after all others.
  public mutating func victim(for page: Int) -> Int {
    var latest = 0
    for place in pageIn.indices where distance(from: page, to: pageIn[place]) > distance(from: page, to: pageIn[latest])
    {
      latest = place
    }
    return latest
  }

  /// Steps of the loop from one page to another.
  private func distance(from page: Int, to other: Int) -> Int { other >= page ? other - page : other - page + pages }
}
