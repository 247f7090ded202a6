import CLibOS
import ExokernelABI

/// Pages that are more than the frames behind them: the rest is on a disk. Who leaves for whom, `Policy` says.
///
/// The region lives from page faults that its owner hands to `serve`, by `PageFaults.handler`. What the page tables
/// know is not kept twice: whether a page was touched or written say the accessed and dirty bits, which are read
/// without a call, and an entry that maps nothing says where in the swap extent the page is. A page that was never
/// written takes no place there, and comes back as zeros.
///
/// Safety: one thread of the processor, and the memory behind the addresses is reached only by loads and stores.
/// Companions that share the page table must leave the region alone, and a copy of the program does not get it.
public final class PagedRegion<Policy: PagingPolicy> {
  /// Its first address.
  public let address: UInt64
  /// Pages in it.
  public let pages: Int
  /// Faults that it served.
  public private(set) var faults: UInt64 = 0
  /// Pages that it wrote to the disk.
  public private(set) var pagesWritten: UInt64 = 0
  /// Pages that it read from the disk.
  public private(set) var pagesRead: UInt64 = 0

  private var policy: Policy
  private var disk: DiskExtent
  private var places: [Place] = []
  private var usedPlaces = 0
  private var usedSwap: UInt64 = 0

  /// A frame of the region's and what is in it.
  private struct Place {
    let frame: UInt64
    var page = 0
    /// `PageEntry` value that the page had when it came, and gets back when it leaves unchanged.
    var origin: UInt64 = 0
    /// Its dirty bit was seen and cleared.
    var isDirty = false
  }

  /// A region of `pages` pages, all zero, behind which are `frames` frames and `disk`, which must have room for all of
  /// them. Throws what the kernel refuses frames with, and `exhausted` where addresses or blocks do not suffice.
  public init(pages: Int, frames: Int, policy: Policy, disk: consuming DiskExtent) throws(CallError) {
    guard pages > 0, frames > 0, disk.blockCount / Self.blocksPerPage >= UInt64(pages),
      let address = PageSpace.reserve(count: UInt64(pages))
    else { throw .exhausted }
    self.address = address
    self.pages = pages
    self.policy = policy
    self.disk = disk
    do throws(CallError) {
      for _ in 0..<frames { places.append(Place(frame: try KernelCall.allocateFrame())) }
    } catch {
      for place in places { try KernelCall.freeFrame(place.frame) }
      throw error
    }
  }

  /// Whether a fault at `address` was one of this region's, and is served: the page is there now. False as well where
  /// the disk fails, for then there is no page.
  public func serve(_ address: UInt64, _ code: PageFaultCode) -> Bool {
    guard address >= self.address, address < self.address &+ UInt64(pages) &* AddressMap.pageSize, !code.isViolation
    else { return false }
    faults &+= 1
    do throws(CallError) {
      let page = Int(truncatingIfNeeded: (address &- self.address) &>> 12)
      if Policy.readsAccessedBits { try tellTouches() }
      var place = usedPlaces
      if usedPlaces < places.count {
        usedPlaces += 1
      } else {
        place = policy.victim(for: page)
        try evict(place)
      }
      try bring(page, into: place)
      policy.brought(page: page, into: place)
      return true
    } catch { return false }
  }

  private static var blocksPerPage: UInt64 { 8 }
  private static var accessed: UInt64 { 0x20 }
  private static var dirty: UInt64 { 0x40 }

  private func addressOf(_ page: Int) -> UInt64 { address &+ UInt64(page) &* AddressMap.pageSize }

  /// Tells the policy which pages were touched since the last fault, and clears their bits. Both bits go at once, so
  /// the dirty one is noted.
  private func tellTouches() throws(CallError) {
    for place in 0..<usedPlaces {
      let page = addressOf(places[place].page)
      guard let entry = Books.entry(of: page), entry & Self.accessed != 0 else { continue }
      if entry & Self.dirty != 0 { places[place].isDirty = true }
      try KernelCall.protectPages(at: page, rights: .read | .write)
      policy.touched(place)
    }
  }

  /// Takes the page out of a place, and writes it to the swap extent where it was changed.
  private func evict(_ place: Int) throws(CallError) {
    let page = addressOf(places[place].page)
    var origin = places[place].origin
    if places[place].isDirty || (Books.entry(of: page) ?? 0) & Self.dirty != 0 {
      if origin == 0 {
        usedSwap &+= 1
        origin = usedSwap &<< 1
      }
      try move(page, SwapEntry.block(origin), isWrite: true)
      pagesWritten &+= 1
    }
    try KernelCall.unmapFrame(at: page)
    if origin != 0 { try KernelCall.writeEntry(at: page, origin) }
  }

  /// Puts a page into a place that is empty.
  private func bring(_ page: Int, into place: Int) throws(CallError) {
    let address = addressOf(page)
    let origin = Books.entry(of: address) ?? 0
    try KernelCall.mapFrame(places[place].frame, at: address, rights: .read | .write)
    if origin != 0 {
      try move(address, SwapEntry.block(origin), isWrite: false)
      pagesRead &+= 1
    } else {
      for offset in stride(from: 0 as UInt64, to: AddressMap.pageSize, by: 8) {
        libos_store64(UInt(address &+ offset), 0)
      }
      // It was not the program who wrote.
      try KernelCall.protectPages(at: address, rights: .read | .write)
    }
    places[place].page = page
    places[place].origin = origin
    places[place].isDirty = false
  }

  /// Moves a mapped page from or to the disk, and waits for it.
  private func move(_ page: UInt64, _ block: UInt64, isWrite: Bool) throws(CallError) {
    _ = try disk.submit(block: block, count: Self.blocksPerPage, page: page, isWrite: isWrite)
    while true {
      let events = Environment.events
      if let end = disk.nextCompletion() {
        guard end.succeeded else { throw .noSuchResource }
        return
      }
      KernelCall.sleep(events: events, deadline: 0)
    }
  }
}

/// What stands in the page-table entry of a page that is not mapped: 0 where it was never written, otherwise the number
/// of its place in the swap extent, counted from 1, times 2.
private enum SwapEntry {
  /// The place's first block.
  static func block(_ entry: UInt64) -> UInt64 { ((entry &>> 1) &- 1) &* 8 }
}
