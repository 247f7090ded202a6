import CLinux
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A signal's handler, installed as long as this value.
@safe private struct SignalHandler: ~Copyable {
  typealias Body = @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void

  private let signal: Int32
  private var previous = sigaction()

  init(_ signal: Int32, _ body: Body) throws(Errno) {
    self.signal = signal
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_sigaction = unsafe body
    action.sa_flags = SA_SIGINFO
    // Safe: the structures live for the duration of the call, and the handlers below are for this signal.
    guard unsafe sigaction(signal, &action, &previous) == 0 else { throw Errno(rawValue: errno) }
  }

  deinit {
    var action = previous
    unsafe sigaction(signal, &action, nil)
  }
}

/// Makes the interrupted context go on `byteCount` bytes later.
///
/// Async-signal-safe: it changes one word of the context and calls nothing. The signals come from one instruction,
/// never from within a function of the library.
private func stepOver(_ context: UnsafeMutableRawPointer?, _ byteCount: Int) {
  // Safe: with SA_SIGINFO the third argument is a ucontext_t. Register 16 is RIP (sys/ucontext.h).
  unsafe context?.assumingMemoryBound(to: ucontext_t.self).pointee.uc_mcontext.gregs.16 += Int64(byteCount)
}

extension LinuxService {
  /// A store to a page without access: fault, signal, handler, return after the store.
  static func measurePageFault() throws(Errno) -> Double {
    let page = try MappedPages(count: 1, protection: PROT_NONE)
    let handler = try unsafe SignalHandler(SIGSEGV) { _, _, context in unsafe stepOver(context, HOST_STORE_BYTES) }
    let time = try Stopwatch.nanoseconds { rounds in
      var round = 0
      while round < rounds {
        // Safe: the mapping is there, and the handler steps over the fault.
        unsafe host_store(page.base)
        round &+= 1
      }
    }
    _ = consume handler
    return time
  }

  /// A division by zero: exception, signal, handler, return after the division.
  static func measureDivideError() throws(Errno) -> Double {
    let handler = try unsafe SignalHandler(SIGFPE) { _, _, context in unsafe stepOver(context, HOST_DIVIDE_BYTES) }
    let time = try Stopwatch.nanoseconds { rounds in
      var round = 0
      while round < rounds {
        host_divide(0)
        round &+= 1
      }
    }
    _ = consume handler
    return time
  }
}
