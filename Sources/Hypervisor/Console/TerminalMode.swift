import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A terminal without line editing and echo, for as long as the object lives and the process does not stop.
///
/// Whatever signal ends the process, the terminal first gets its mode back: signals whose default is to end it, and
/// that nobody here handles, have a handler meanwhile, which restores the mode and lets the default act. One object at
/// a time; of the event loop's thread, but for that handler, which any thread may run at any instruction.
@safe final class TerminalMode {
  private let fd: Int32
  /// The mode to which the terminal goes back; known while `isRaw`.
  private var original = termios()
  /// The mode was changed, and nobody has restored it.
  private(set) var isRaw = false
  /// The signals for which the handler is installed.
  private var handled: [Int32] = []

  /// Signals that end the process by default and are nobody's here. The orderly ones are served by the event loop,
  /// SIGUSR1 kicks threads, and SIGPIPE and SIGXFSZ are ignored.
  private static let fatalSignals: [Int32] = [
    SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGUSR2, SIGALRM, SIGSTKFLT, SIGXCPU, SIGVTALRM,
    SIGPROF, SIGPOLL, SIGPWR, SIGSYS,
  ]

  /// What the handler needs: the descriptor, or -1 where there is nothing to restore, and the mode. The mode is written
  /// before the descriptor.
  private static let handlerFd = Atomic<Int32>(-1)
  // Safe: allocated once, never freed, and written only while `handlerFd` is -1.
  nonisolated(unsafe) private static let handlerMode = UnsafeMutablePointer<termios>.allocate(capacity: 1)

  /// What was to happen on each signal before. Safe: allocated once, never freed, and written before the handler is
  /// installed.
  nonisolated(unsafe) private static let previousActions = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)

  /// Nil where `fd` is not the process's controlling terminal. Where another job has it, it stays as it is until
  /// `setRaw` finds the process in the foreground.
  init?(fd: Int32) {
    self.fd = fd
    guard tcgetpgrp(fd) >= 0 else { return nil }
    setRaw()
    installHandlers()
  }

  deinit {
    restore()
    // Safe: the table has a place for each signal's number.
    for signal in handled { unsafe sigaction(signal, Self.previousActions + Int(signal), nil) }
  }

  /// Whether the process may set the terminal and read it. Another job's terminal is left alone.
  private static func isForeground(_ fd: Int32) -> Bool { tcgetpgrp(fd) == getpgrp() }

  /// Gives the terminal the mode that it had, before the process stops.
  func restore() {
    guard isRaw, Self.isForeground(fd) else { return }
    // Safe: the structure lives for the duration of the call.
    unsafe tcsetattr(fd, TCSANOW, &original)
    isRaw = false
    Self.handlerFd.store(-1, ordering: .releasing)
  }

  /// Makes the terminal raw, also once more after the process was stopped; false where it is not in the foreground.
  @discardableResult func setRaw() -> Bool {
    guard Self.isForeground(fd) else { return false }
    // Where the process was stopped without a chance to restore the mode, what is there now need not be what was there
    // before. Safe: the structure lives for the duration of the call.
    if !isRaw { guard unsafe tcgetattr(fd, &original) == 0 else { return false } }
    var mode = original
    mode.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
    mode.c_iflag &= ~tcflag_t(ICRNL | IXON)
    // Ctrl-C stays a signal; the keys for quit and suspend are the guest's. 0 disables a key.
    // Safe: the indices are those of the structure's keys.
    unsafe withUnsafeMutableBytes(of: &mode.c_cc) { keys in
      unsafe keys[Int(VMIN)] = 1
      unsafe keys[Int(VTIME)] = 0
      unsafe keys[Int(VQUIT)] = 0
      unsafe keys[Int(VSUSP)] = 0
    }
    if !isRaw {
      // Safe: the handler does not read the mode before the descriptor is stored.
      unsafe Self.handlerMode.initialize(to: original)
      Self.handlerFd.store(fd, ordering: .releasing)
      isRaw = true
    }
    // Safe: the structure lives for the duration of the call.
    return unsafe tcsetattr(fd, TCSANOW, &mode) == 0
  }

  private func installHandlers() {
    for signal in Self.fatalSignals {
      var action = sigaction()
      // Safe: the structures live for the duration of the calls, and the table has a place for each signal's number.
      // The handler calls nothing but functions that POSIX calls async-signal-safe: tcgetpgrp, getpgrp, tcsetattr,
      // sigaction, raise.
      unsafe action.__sigaction_handler.sa_handler = { TerminalMode.endProcess(by: $0) }
      action.sa_flags = SA_ONSTACK
      let previous = unsafe Self.previousActions + Int(signal)
      guard unsafe sigaction(signal, nil, previous) == 0, unsafe !SignalEvents.ignores(previous.pointee) else {
        continue
      }
      unsafe sigaction(signal, &action, nil)
      handled.append(signal)
    }
  }

  /// The handler: the terminal gets its mode back, and then happens what would have happened without it, which is the
  /// signal's default, or a report of the Swift runtime's.
  private static func endProcess(by signal: Int32) {
    let fd = handlerFd.load(ordering: .acquiring)
    // Safe: the mode was written before the descriptor, and the action before the handler was installed.
    if fd >= 0, isForeground(fd) { _ = unsafe tcsetattr(fd, TCSANOW, handlerMode) }
    unsafe sigaction(signal, previousActions + Int(signal), nil)
    // It is blocked until the handler returns.
    raise(signal)
  }
}
