import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads standard input for the guest's serial port, as fast as the guest takes it.
///
/// On a terminal, keys arrive one by one and unechoed; Ctrl-A is an escape: Ctrl-A x quits, Ctrl-A Ctrl-A (or a) is one
/// Ctrl-A. Ctrl-C stays a signal. Elsewhere every byte is the guest's. All of it happens on the loop's thread.
@safe public final class ConsoleInput {
  private static let terminalLimit = 4096

  private let fd: Int32
  private let loop: EventLoop
  private let deliver: (Span<UInt8>) -> Int
  private let onQuit: () -> Void
  private let terminal: TerminalMode?
  private var pending: [UInt8] = []
  private var sawEscape = false

  /// Reads `fd` and hands its bytes to `deliver`, which returns how many it took; then the rest waits for
  /// `roomAvailable`. A terminal that another job has is not read before the process comes to its foreground. Nil where
  /// the terminal is not the process's own.
  public init?(
    fd: Int32, loop: EventLoop, deliver: @escaping (Span<UInt8>) -> Int, onQuit: @escaping () -> Void
  ) throws(EventLoopError) {
    if isatty(fd) == 1 {
      guard let mode = TerminalMode(fd: fd) else { return nil }
      terminal = mode
    } else {
      terminal = nil
    }
    self.fd = fd
    self.loop = loop
    self.deliver = deliver
    self.onQuit = onQuit
    do {
      try loop.register(fd, readable: { [unowned self] in readable() })
      if let terminal, !terminal.isRaw { try loop.update(fd, interest: []) }
    } catch .cannotRegister(_, .badFileDescriptor) {
      // Standard input is closed: there is no input.
      return nil
    }
  }

  deinit {
    loop.unregister(fd)
  }

  /// Whether it reads a terminal, whose mode it has changed.
  public var isTerminal: Bool { terminal != nil }

  /// The process is about to stop: the terminal gets its mode back.
  public func willStop() { terminal?.restore() }

  /// The process goes on after it was stopped: the terminal is raw again, unless another job has it now; then it is not
  /// read, which would stop the process once more.
  public func hasContinued() {
    guard let terminal else { return }
    try? loop.update(fd, interest: terminal.setRaw() ? .readable : [])
  }

  /// The guest has made room.
  public func roomAvailable() {
    guard !pending.isEmpty else { return }
    flush()
    if pending.isEmpty { try? loop.update(fd, interest: .readable) }
  }

  private func readable() {
    var result = 0
    var error = Errno(rawValue: 0)
    // Safe: at most as many bytes as there is room for are stored.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
      result = unsafe read(fd, buffer.baseAddress, buffer.count)
      error = Errno(rawValue: errno)
      count = max(0, result)
    }
    // Somebody who shares the descriptor has made it non-blocking and read what was there, or a signal came: there may
    // be more later.
    if result < 0, error == .interrupted || error == .resourceTemporarilyUnavailable { return }
    guard result > 0 else {
      // The end of the input, or an error: the guest goes on without.
      loop.unregister(fd)
      return
    }
    if terminal == nil { pending += bytes } else { translate(bytes) }
    flush()
    // A terminal is read on, for the sake of Ctrl-A x; what the guest does not take in time is lost.
    if terminal != nil {
      pending.removeLast(max(0, pending.count - Self.terminalLimit))
    } else if !pending.isEmpty {
      try? loop.update(fd, interest: [])
    }
  }

  private func translate(_ bytes: [UInt8]) {
    let controlA: UInt8 = 1
    for byte in bytes {
      if sawEscape {
        sawEscape = false
        switch byte {
        case UInt8(ascii: "x"), UInt8(ascii: "X"): onQuit()
        case controlA, UInt8(ascii: "a"): pending.append(controlA)
        default: pending += [controlA, byte]
        }
      } else if byte == controlA {
        sawEscape = true
      } else {
        pending.append(byte)
      }
    }
  }

  private func flush() {
    let taken = deliver(pending.span)
    pending.removeFirst(min(taken, pending.count))
  }
}
