import CLibOS
import ExokernelABI

/// Exceptions other than page faults: division errors, breakpoints, invalid instructions and so on. They arrive here
/// without the kernel where the processor can do that, and nobody but this program learns of them.
///
/// Safety: one thread of the processor; a handler runs on the stack that it interrupts, below its red zone, and may be
/// interrupted by another exception. It must not allocate, for the exception may come out of the heap.
public enum Exceptions {
  /// Serves exceptions: looks at the frame, changes it to say where and how the program goes on, and returns true;
  /// false ends the environment. Without a handler every exception does.
  public static var handler: ((inout ExceptionFrame) -> Bool)? {
    get { unsafe served }
    set {
      unsafe served = newValue
      let entry = newValue == nil ? 0 : UInt64(libos_exception_entry_address())
      EnvironmentWord.exceptionEntry.store(entry)
    }
  }
  nonisolated(unsafe) private static var served: ((inout ExceptionFrame) -> Bool)?
}

#if hasFeature(Embedded)
  /// Serves the exception whose frame is at `place`; upcalls.S calls it with all registers saved, those of
  /// floating-point and vectors at `state`, as FXSAVE lays them out.
  @c(libos_exception)
  public func libosException(_ place: UInt, _ state: UInt) {
    // Safe: upcalls.S passes the frame that the gate page has made, and what it has just saved.
    let frame = unsafe UnsafeMutablePointer<ExceptionFrame>(bitPattern: place).unsafelyUnwrapped
    let vector = unsafe frame.pointee.vector
    guard let handler = Exceptions.handler, unsafe handler(&frame.pointee) else {
      unsafe KernelCall.declineException(frame.pointee)
    }
    // An x87 exception stays pending until its flag is cleared; it was told.
    if vector == 16 { libos_store32(state, libos_load32(state) & ~0x80ff_0000) }
  }
#endif
