import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An eventfd with KVM at its other end, as an interrupt line (irqfd) or a doorbell (ioeventfd).
public final class EventDescriptor: InterruptLine {
  /// The descriptor, for KVM and for the event loop. It is closed with this object.
  public let rawValue: Int32

  /// A new eventfd, non-blocking.
  public init() throws(EventLoopError) {
    rawValue = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard rawValue >= 0 else { throw .cannotCreate(Errno(rawValue: errno)) }
  }

  deinit {
    close(rawValue)
  }

  /// Signals the other end.
  public func raise() {
    // It can only fail when the counter is full, and then the other end has its signal.
    eventfd_write(rawValue, 1)
  }

  /// Takes the signals that have arrived; returns whether there were any.
  @discardableResult
  public func take() -> Bool {
    var count: eventfd_t = 0
    // Safe: the value lives for the duration of the call.
    return unsafe eventfd_read(rawValue, &count) == 0
  }
}
