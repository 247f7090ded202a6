import CLibOS
import ExokernelABI

/// Six words: what a protected control transfer carries, and a slot of a `MessageRing`.
public typealias Message = InlineArray<6, UInt64>

/// Answering protected control transfers: each arrives on the same stack, is served to its end, and answered by a
/// transfer back.
///
/// Safety: one thread of the processor, and one transfer at a time: while one is served, the kernel refuses others.
public enum TransferServer {
  nonisolated(unsafe) private static var handler: ((UInt64, inout Message) -> Bool)?

  /// Serves transfers from environments whose guards start with the first `length` bytes of `name` (0: from everybody)
  /// for ever. `handler` gets the caller's handle, which nobody can forge, and the message, which it changes into the
  /// answer; it returns false where there is none, as for an asynchronous transfer. `stackPages` fresh pages are its
  /// stack. Throws where the kernel or memory refuses.
  public static func serve(
    from name: UInt64, length: UInt64, stackPages: UInt64 = 4, _ handler: @escaping (UInt64, inout Message) -> Bool
  ) throws(CallError) -> Never {
    guard let stack = PageSpace.mapStack(pages: stackPages) else { throw .exhausted }
    unsafe self.handler = handler
    // Safe: transfers.S calls it with six words on the stack.
    unsafe libos_set_transfer_server { caller, message in
      guard let message = unsafe message else { return }
      unsafe TransferServer.answer(caller, UnsafeMutableRawPointer(message).assumingMemoryBound(to: Message.self))
    }
    try KernelCall.bindTransfer(
      entry: UInt64(libos_transfer_entry_address()), stack: stack &+ stackPages &* AddressMap.pageSize, name: name,
      length: length)
    rest()
  }

  private static func answer(_ caller: UInt64, _ message: UnsafeMutablePointer<Message>) {
    if let handler = unsafe handler, unsafe handler(caller, &message.pointee) {
      // Who waits for us needs no capability of ours. A caller that ended meanwhile, or does not wait, gets no answer.
      do throws(CallError) {
        _ = try unsafe KernelCall.transfer(
          to: caller, capability: CapabilitySlot.own, mode: .final, message: &message.pointee)
      } catch {}
    }
    rest()
  }

  /// Sleeps: transfers arrive at sleepers only, and do not come back here.
  private static func rest() -> Never {
    while true { KernelCall.sleep(events: Environment.events, deadline: 0) }
  }
}
