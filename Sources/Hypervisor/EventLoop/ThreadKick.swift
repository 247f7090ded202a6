#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A signal to one thread of this process that makes the system call at which it waits return with EINTR, and does
/// nothing else.
enum ThreadKick {
  /// The signal.
  static let signal = SIGUSR1

  private static let installHandler: Void = {
    var action = sigaction()
    // Safe: the structure lives for the duration of the call, and the handler touches nothing. No SA_RESTART: the call
    // shall end.
    unsafe action.__sigaction_handler.sa_handler = { _ in }
    unsafe sigaction(ThreadKick.signal, &action, nil)
  }()

  /// Makes kicks harmless. To be called before a thread is made that may be kicked.
  static func prepare() { _ = installHandler }

  /// Lets kicks reach the calling thread: whoever made it may have blocked the signal, and threads inherit that.
  static func admit() {
    var kick = sigset_t()
    // Safe: the set lives for the duration of the calls.
    unsafe sigemptyset(&kick)
    unsafe sigaddset(&kick, signal)
    unsafe pthread_sigmask(SIG_UNBLOCK, &kick, nil)
  }

  /// Kicks a thread that nobody has joined yet. A call that the thread makes afterwards waits all the same: kick until
  /// it shows effect.
  static func send(to thread: pthread_t) {
    pthread_kill(thread, signal)
  }
}
