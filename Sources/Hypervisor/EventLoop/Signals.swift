import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Signals of the process as events of the loop, by signalfd. To be made before other threads start: they inherit the blocked
/// signals, without which the kernel would deliver them there. The signals stay blocked until the object goes.
@safe public final class SignalEvents {
  private let fd: Int32
  private var previous = sigset_t()
  private weak var loop: EventLoop?

  /// Calls `handler` on the loop's thread for each of `signals` that arrives.
  public init(_ signals: [Int32], loop: EventLoop, handler: @escaping (Int32) -> Void) throws(EventLoopError) {
    var set = sigset_t()
    // Safe: the sets live for the duration of the calls; so in all of this file.
    unsafe sigemptyset(&set)
    for signal in signals { unsafe sigaddset(&set, signal) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, &previous)
    let fd = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
    guard fd >= 0 else {
      let reason = Errno(rawValue: errno)
      unsafe pthread_sigmask(SIG_SETMASK, &previous, nil)
      throw .cannotCreate(reason)
    }
    self.fd = fd
    self.loop = loop
    try loop.register(
      fd,
      readable: {
        var information = signalfd_siginfo()
        while unsafe read(fd, &information, MemoryLayout<signalfd_siginfo>.size) == MemoryLayout<signalfd_siginfo>.size
        {
          handler(Int32(bitPattern: information.ssi_signo))
        }
      })
  }

  deinit {
    loop?.unregister(fd)
    close(fd)
    unsafe pthread_sigmask(SIG_SETMASK, &previous, nil)
  }
}
