import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Signals of the process as events of the loop, by signalfd. To be made before other threads start: they inherit the
/// blocked signals, without which the kernel would deliver them there. The signals stay blocked until the object goes.
@safe public final class SignalEvents {
  private let fd: Int32
  private var previous = sigset_t()
  private weak var loop: EventLoop?

  /// Calls `handler` on the loop's thread for each of `signals` that arrives. Those that the process was started to
  /// ignore, as nohup(1) does, stay ignored.
  public init(_ signals: [Int32], loop: EventLoop, handler: @escaping (Int32) -> Void) throws(EventLoopError) {
    var set = sigset_t()
    // Safe: the sets live for the duration of the calls; so in all of this file.
    unsafe sigemptyset(&set)
    for signal in signals where !Self.isIgnored(signal) { unsafe sigaddset(&set, signal) }
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

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    return unsafe sigaction(signal, nil, &action) == 0 && ignores(action)
  }

  /// Whether an action is to ignore the signal.
  static func ignores(_ action: sigaction) -> Bool {
    // SIG_IGN is the address 1. Safe: a function's address and a word have one size.
    unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self) == 1
  }

  /// Lets `signal`, which is one of those that are served here, have its default effect on the whole process once.
  /// Returns when the process has been continued, where the effect is to stop it. On the loop's thread.
  func performDefault(of signal: Int32) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, signal)
    kill(getpid(), signal)
    // It is pending for the process, and this is the only thread that does not block it.
    unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  deinit {
    loop?.unregister(fd)
    close(fd)
    unsafe pthread_sigmask(SIG_SETMASK, &previous, nil)
  }
}
