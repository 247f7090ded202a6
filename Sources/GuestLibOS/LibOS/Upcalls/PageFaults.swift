import CLibOS
import ExokernelABI

/// What a page fault's error code says (AMD64 Architecture Programmer's Manual, volume 2, section 8.4.2).
public struct PageFaultCode: Sendable {
  /// The processor's error code.
  public let rawValue: UInt64
  /// The page is mapped, and its rights do not allow the access.
  public var isViolation: Bool { rawValue & 1 != 0 }
  /// It was a write.
  public var isWrite: Bool { rawValue & 2 != 0 }
  /// It was an instruction fetch.
  public var isFetch: Bool { rawValue & 16 != 0 }
}

/// Page faults: the program decides what a page is and where it comes from.
///
/// Safety: one thread of the processor; a handler runs on the fault stack of 8 KiB and must not fault itself. It may
/// call the kernel, also to sleep; it must not allocate, for the fault may come out of the heap.
public enum PageFaults {
  /// Serves a fault at an address, which may lie anywhere in a page: true where the instruction may be tried again,
  /// false where this is no page of the handler's. Then the stack grows, or the environment ends.
  public static var handler: ((UInt64, PageFaultCode) -> Bool)? {
    get { unsafe served }
    set { unsafe served = newValue }
  }
  nonisolated(unsafe) private static var served: ((UInt64, PageFaultCode) -> Bool)?
  /// Stack that grows on demand: everything from here up to the initial stack.
  static var stackFloor: UInt64 { 0x5c_0000 }
}

#if hasFeature(Embedded)
  /// Serves a page fault at `address`. Called by upcalls.S with all registers saved; `code` is the processor's error
  /// code.
  @c(libos_fault)
  public func libosFault(_ address: UInt64, _ code: UInt64, _ instruction: UInt64) {
    if let handler = PageFaults.handler, handler(address, PageFaultCode(rawValue: code)) { return }
    let page = address & ~0xfff
    if page >= PageFaults.stackFloor, page < AddressMap.environmentPage, code & 1 == 0,
      PageSpace.mapFresh(at: page, count: 1)
    {
      return
    }
    KernelCall.declineFault()
  }
#endif
