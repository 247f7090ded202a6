import CLibOS
import ExokernelABI

/// The prologue upcall: a program is told when it gets the processor back, before it goes on where it was.
///
/// Safety: one thread of the processor; the handler is set before the entry is named.
public enum SliceBeginning {
  nonisolated(unsafe) fileprivate static var served: (() -> Void)?

  /// Calls `handler` whenever this program gets the processor back. It runs on the program's stack, must be quick, and
  /// may neither allocate nor make calls that give the processor up.
  public static func setHandler(_ handler: @escaping () -> Void) throws(CallError) {
    unsafe served = handler
    try KernelCall.changeUpcalls { $0.prologueEntry = UInt64(libos_prologue_entry_address()) }
  }
}

#if hasFeature(Embedded)
  /// Tells the program that it has the processor back; upcalls.S calls it on the stack that the program goes on with.
  @c(libos_prologue)
  public func libosPrologue() {
    if let handler = unsafe SliceBeginning.served { handler() }
  }
#endif
