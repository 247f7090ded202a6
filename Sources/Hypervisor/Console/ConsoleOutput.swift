import CKVM
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where the guest's console text goes: a descriptor of the host, written line by line.
///
/// vCPU threads write and wait while the reader is slow, which slows the guest down instead of losing text; `stop` ends the wait.
/// A line without an end (a prompt) is written by the event loop a few milliseconds later.
@safe public final class ConsoleOutput: @unchecked Sendable {
  private struct State {
    var buffer: [UInt8] = []
    /// The line that is being written, and the last one that ended and was not empty, as far as they are remembered.
    var line: [UInt8] = []
    var lastLine: [UInt8] = []
    var isFlushScheduled = false
    /// Nothing can be written any more: an error, or nobody reads and the machine ends.
    var isClosed = false

    mutating func remember(_ byte: UInt8) {
      if byte != 0x0a {
        if byte >= 0x20, line.count < ConsoleOutput.lineLimit { line.append(byte) }
      } else if !line.isEmpty {
        swap(&line, &lastLine)
        line.removeAll(keepingCapacity: true)
      }
    }
  }

  private static let flushDelay: UInt64 = 5_000_000
  private static let bufferLimit = 4096
  private static let lineLimit = 400

  private let fd: Int32
  private let ownsDescriptor: Bool
  private let loop: EventLoop
  private let stopEvent: Int32
  private let grace = Atomic<Int32>(0)
  private let state = Mutex(State())
  private let onFirstLine: @Sendable () -> Void
  private let onError: @Sendable (Errno) -> Void
  private let sawLine = Atomic<Bool>(false)

  /// Text goes to `fd`, which is closed with the object where it `ownsDescriptor`. `onFirstLine` is called after the first whole
  /// line was written, `onError` when writing failed; both from whichever thread wrote.
  public init(
    fd: Int32, ownsDescriptor: Bool, loop: EventLoop, onFirstLine: @escaping @Sendable () -> Void,
    onError: @escaping @Sendable (Errno) -> Void
  ) throws(EventLoopError) {
    stopEvent = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard stopEvent >= 0 else { throw .cannotCreate(Errno(rawValue: errno)) }
    self.fd = fd
    self.ownsDescriptor = ownsDescriptor
    self.loop = loop
    self.onFirstLine = onFirstLine
    self.onError = onError
  }

  deinit {
    close(stopEvent)
    if ownsDescriptor { close(fd) }
  }

  /// Adds text. Called by vCPU threads; waits while the reader is slow.
  public func append(_ text: Span<UInt8>) {
    let needsFlush = state.withLock { state in
      guard !state.isClosed else { return false }
      var hasLine = false
      for index in text.indices {
        state.buffer.append(text[index])
        state.remember(text[index])
        hasLine = hasLine || text[index] == 0x0a
        if state.buffer.count >= Self.bufferLimit {
          drain(&state, isPatient: true)
          hasLine = false
        }
      }
      if hasLine {
        drain(&state, isPatient: true)
        return false
      }
      if state.buffer.isEmpty || state.isFlushScheduled { return false }
      state.isFlushScheduled = true
      return true
    }
    if needsFlush {
      loop.post { [self] in
        loop.schedule(after: Self.flushDelay) { [self] in flushFromLoop() }
      }
    }
  }

  /// The last line with something on it, without control characters and cut where it is long; nil where there was none.
  public var lastLine: String? {
    let bytes = state.withLock { $0.line.isEmpty ? $0.lastLine : $0.line }
    return bytes.isEmpty ? nil : String(decoding: bytes.map { $0 == 0x7f ? 0x3f : $0 }, as: UTF8.self)
  }

  /// The event loop must not wait: not for a writing vCPU, and not for the reader.
  private func flushFromLoop() {
    let isDone = state.withLockIfAvailable { state in
      drain(&state, isPatient: false)
      state.isFlushScheduled = !state.buffer.isEmpty
      return state.buffer.isEmpty
    }
    if isDone != true {
      loop.schedule(after: Self.flushDelay) { [self] in flushFromLoop() }
    }
  }

  /// The machine ends: whoever waits for the reader goes on waiting for at most `milliseconds`.
  public func stop(grace milliseconds: Int32) {
    grace.store(milliseconds, ordering: .releasing)
    eventfd_write(stopEvent, 1)
  }

  /// Writes what is left. To be called after `stop`, when no vCPU runs any more.
  public func finish() {
    state.withLock { drain(&$0, isPatient: true) }
  }

  private func drain(_ state: inout State, isPatient: Bool) {
    var written = 0
    while written < state.buffer.count, !state.isClosed {
      switch waitUntilWritable(isPatient: isPatient) {
      case .ready: break
      case .later:
        state.buffer.removeFirst(written)
        return
      case .never: state.isClosed = true
      }
      if state.isClosed { break }
      // What fits into a pipe that is not full, so that the write does not block.
      let count = min(state.buffer.count - written, Self.bufferLimit)
      // Safe: the range lies inside the array.
      let result = unsafe state.buffer.withUnsafeBytes { unsafe write(fd, $0.baseAddress! + written, count) }
      if result > 0 {
        if !sawLine.load(ordering: .relaxed), state.buffer[written..<(written + result)].contains(0x0a),
          !sawLine.exchange(true, ordering: .relaxed)
        {
          onFirstLine()
        }
        written += result
      } else if result < 0, errno != EINTR, errno != EAGAIN {
        state.isClosed = true
        onError(Errno(rawValue: errno))
      }
    }
    state.buffer.removeAll(keepingCapacity: true)
  }

  private enum Readiness {
    case ready
    case later
    case never
  }

  private func waitUntilWritable(isPatient: Bool) -> Readiness {
    while true {
      var entries = (
        pollfd(fd: fd, events: Int16(POLLOUT), revents: 0), pollfd(fd: stopEvent, events: Int16(POLLIN), revents: 0)
      )
      // Safe: two adjacent structures of the type that poll takes.
      let count = unsafe withUnsafeMutableBytes(of: &entries) { bytes in
        unsafe poll(bytes.bindMemory(to: pollfd.self).baseAddress, 2, isPatient ? -1 : 0)
      }
      if count < 0, errno == EINTR { continue }
      // An error condition counts as ready: the write tells which it is.
      if entries.0.revents != 0 { return .ready }
      if !isPatient { return .later }
      guard entries.1.revents != 0 else { continue }
      var last = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
      // Safe: one structure.
      let ready = unsafe poll(&last, 1, grace.load(ordering: .acquiring))
      return ready > 0 ? .ready : .never
    }
  }
}
