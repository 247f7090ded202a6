import CLibOS
import ExokernelABI

/// An environment that this program has made. It is a value: nothing ends because the value does.
///
/// There are two kinds. A *companion* shares this program's page table: it sees all of its memory, has a stack and an
/// environment page in a block of its own, and runs beside the program, on another processor even. What the library
/// keeps once for each page table (the console's line, the heap, user threads) is the program's: a companion leaves it
/// alone. A *copy* has a page table of its own, with the program's memory as it was when it was made; to it, the whole
/// library is its own.
public struct ChildEnvironment: Sendable {
  /// What it does: called with the argument and the address of its environment page; returns its exit status.
  public typealias Body = @convention(c) (_ argument: UInt64, _ page: UInt64) -> Int32

  /// Its handle.
  public let handle: UInt64
  /// The slot with the capability for it.
  public let slot: UInt64
  /// Where its page table has its environment page.
  public let pageAddress: UInt64
  private let entry: UInt64
  private let stack: UInt64

  init(handle: UInt64, slot: UInt64, pageAddress: UInt64, entry: UInt64, stack: UInt64) {
    self.handle = handle
    self.slot = slot
    self.pageAddress = pageAddress
    self.entry = entry
    self.stack = stack
  }

  /// Bytes of the stack that a companion has.
  private static var companionStackSize: UInt64 { 16384 }
  private static var blockSize: UInt64 { 0x1_0000 }

  /// Makes a companion. `quotas` are what it may own; one frame and one slice are the least. The capability for it
  /// comes into `slot`, an empty one by default.
  public static func companion(
    quotas: Quotas = Quotas(frames: 1, slices: 1), slot: UInt64? = nil, argument: UInt64 = 0, _ body: Body
  ) throws(CallError) -> ChildEnvironment {
    guard let slot = slot ?? Books.emptySlot else { throw .noSuchCapability }
    var page = PageSpace.companionBase &+ blockSize &- AddressMap.pageSize
    // Whose block it is, its page tells: the kernel takes it away with the environment.
    while let entry = Books.entry(of: page), entry & 1 != 0 { page &+= blockSize }
    guard page < PageSpace.companionBase &+ BooksLayout.environments &* blockSize else { throw .exhausted }
    let lowest = page &- companionStackSize
    if (Books.entry(of: lowest) ?? 0) & 1 == 0 {
      guard PageSpace.mapFresh(at: lowest, count: companionStackSize / AddressMap.pageSize) else { throw .exhausted }
    }
    var block = CreationBlock()
    block.pageAddress = page
    block.sharedTable = Handle.own
    block.quotas = quotas
    let handle = try KernelCall.createEnvironment(block, into: slot)
    let stack = page &- 16
    // Safe: the stack is mapped, and nobody runs on it.
    libos_store64(UInt(stack), unsafe UInt64(unsafeBitCast(body, to: UInt.self)))
    libos_store64(UInt(stack) &+ 8, argument)
    return ChildEnvironment(
      handle: handle, slot: slot, pageAddress: page, entry: UInt64(libos_companion_entry_address()), stack: stack)
  }

  /// Lets it run, on a position of a slice vector: processor << 8 | position, or any.
  public func start(position: UInt64 = CallNumber.any) throws(CallError) {
    try KernelCall.untilPaid { () throws(CallError) in
      try KernelCall.startEnvironment(handle, capability: slot, entry: entry, stack: stack, position: position)
    }
  }

  /// Ends it, if it has not ended, and lets go of the capability for it.
  public func destroy() throws(CallError) {
    do throws(CallError) {
      try KernelCall.destroyEnvironment(handle, capability: slot)
    } catch {
      // It has ended by itself.
      guard error == .noSuchResource else { throw error }
    }
    try KernelCall.dropCapability(slot)
  }

  /// Its record in the books; nil where it has ended and everything it owned has gone back.
  public var record: EnvironmentRecord? { Books.environment(named: handle) }

  /// True while it has not ended.
  public var isLive: Bool {
    guard let record else { return false }
    return record.state != EnvironmentState.ended.rawValue
  }

  /// Waits until it has ended, and everything has gone back where `isGone` says so; false where that takes longer than
  /// `milliseconds`.
  public func wait(untilGone isGone: Bool = true, milliseconds: UInt64 = 5000) -> Bool {
    let deadline = Clock.timeStamp(after: milliseconds &* 1_000_000)
    while isGone ? record != nil : isLive {
      guard Clock.timeStamp < deadline else { return false }
      // Who is not awake keeps neither the processor nor the kernel busy.
      KernelCall.sleep(events: Environment.events, deadline: Clock.timeStamp(after: 200_000))
    }
    return true
  }
}
