import CKVM
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Text for a descriptor of the host that may take it slowly or never: a ring of fixed size, and a thread that does
/// nothing but write it.
///
/// Whoever appends never waits for the reader. The descriptor is one that other processes may share, so that its
/// O_NONBLOCK is not ours to change, and a terminal may take less than poll(2) promised: only a thread of its own may
/// write there. What finds no room, or what the host refuses to write, is dropped and counted, and a line tells how
/// much once there is room again.
@safe public final class BoundedOutput: @unchecked Sendable {
  /// What the thread tells, on itself.
  public struct Events: Sendable {
    /// The first whole line was written.
    public var onFirstLine: @Sendable () -> Void = {}
    /// The host refused to write, for the first time; later text is tried all the same.
    public var onError: @Sendable (Errno) -> Void = { _ in }
    /// Nobody will ever read: the other end of the pipe is closed.
    public var onClosed: @Sendable () -> Void = {}

    /// Events of which nobody wants to hear.
    public init() {}
  }

  fileprivate enum Waiting {
    case no
    /// For any text.
    case text
    /// For the end of a line that has begun.
    case lineEnd
  }

  fileprivate struct State: ~Copyable {
    var ring: OutputRing
    var waiting = Waiting.no
    /// When a line that has no end yet is written all the same.
    var partialDeadline: UInt64 = 0
    /// What is left is to be written, and then the thread ends.
    var isEnding = false
    var written: UInt64 = 0
    /// Bytes that were taken out of the ring and could not be written.
    var lost: UInt64 = 0
    /// The first error of the host.
    var error: Errno?
    var isClosed = false
  }

  /// Bytes that wait for a slow reader at most.
  public static let capacity = 256 << 10
  private static let chunk = 16 << 10
  /// So many bytes are written without waiting for the end of their line.
  fileprivate static let lineLimit = 4096
  fileprivate static let partialDelay: UInt64 = 5_000_000

  private let fd: Int32
  private let ownsDescriptor: Bool
  private let events: Events
  private let wake: EventDescriptor
  private let done: EventDescriptor
  private let state: Mutex<State>
  /// The thread shall give up what it is writing.
  private let isAbandoned = Atomic<Bool>(false)
  /// Of whoever calls `start` and `finish`.
  private var thread: pthread_t?

  /// Text goes to `fd`, which is closed with the object where it `ownsDescriptor`.
  public init(fd: Int32, ownsDescriptor: Bool, events: Events = Events()) throws(EventLoopError) {
    self.fd = fd
    self.ownsDescriptor = ownsDescriptor
    self.events = events
    wake = try EventDescriptor()
    done = try EventDescriptor()
    state = Mutex(State(ring: OutputRing(capacity: Self.capacity)))
  }

  deinit {
    if ownsDescriptor { close(fd) }
  }

  /// Adds text, all of it or nothing. Any thread; takes no time but the copy's.
  public func append(_ text: Span<UInt8>) {
    let wakes = state.withLock { state in
      state.ring.append(text)
      return state.needsWake()
    }
    if wakes { wake.raise() }
  }

  /// Bytes that were written, and bytes that were dropped, so far.
  public var counts: (written: UInt64, dropped: UInt64) {
    state.withLock { ($0.written, $0.ring.dropped + $0.lost) }
  }

  /// Why the host first refused to write; nil where it did not. A reader that went away is no such reason.
  public var error: Errno? { state.withLock { $0.error } }

  /// Starts the thread; what was appended before is written then. To be called once, with `finish` to follow.
  public func start() throws(EventLoopError) {
    ThreadKick.prepare()
    // The thread takes no signal that ends or stops the process away from the event loop, which may begin to serve them
    // later.
    var blocked = sigset_t()
    var previous = sigset_t()
    // Safe: the sets live for the duration of the calls.
    unsafe sigfillset(&blocked)
    for signal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS] { unsafe sigdelset(&blocked, signal) }
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }
    var thread = pthread_t()
    // Safe: the thread's start balances the reference, so the object lives as long as its thread.
    let reference = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(&thread, nil, { unsafe BoundedOutput.main($0) }, reference)
    guard result == 0 else {
      unsafe Unmanaged<BoundedOutput>.fromOpaque(reference).release()
      throw .cannotCreate(Errno(rawValue: result))
    }
    self.thread = thread
  }

  /// Writes what is left and ends the thread. Where the reader takes nothing for `milliseconds`, or takes longer than
  /// five times that, the rest is dropped. Where the host cannot interrupt the write, the thread and the descriptor are
  /// left to the end of the process.
  public func finish(grace milliseconds: Int32) {
    guard let thread else { return }
    self.thread = nil
    state.withLock { $0.isEnding = true }
    wake.raise()
    var written = counts.written
    var isDone = false
    for _ in 0..<5 where !isDone {
      isDone = Self.wait(for: done.rawValue, POLLIN, milliseconds: milliseconds)
      let now = counts.written
      if now == written { break }
      written = now
    }
    isAbandoned.store(true, ordering: .releasing)
    for _ in 0..<20 where !isDone {
      ThreadKick.send(to: thread)
      isDone = Self.wait(for: done.rawValue, POLLIN, milliseconds: 5)
    }
    if isDone { pthread_join(thread, nil) } else { pthread_detach(thread) }
  }

  /// Waits until a descriptor is ready; false after `milliseconds`, or where a signal came.
  private static func wait(for fd: Int32, _ events: Int32, milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: fd, events: Int16(truncatingIfNeeded: events), revents: 0)
    // Safe: one structure, which lives for the duration of the call.
    return unsafe poll(&entry, 1, milliseconds) > 0
  }

  // MARK: On the thread

  private static func main(_ reference: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let reference = unsafe reference else { return nil }
    // Safe: `start` passed a retained object.
    unsafe Unmanaged<BoundedOutput>.fromOpaque(reference).takeRetainedValue().run()
    return nil
  }

  fileprivate enum Step {
    case write(Int)
    case wait(milliseconds: Int32)
    case end
  }

  private func run() {
    ThreadKick.admit()
    // The thread's own. As an address, since a pointer would not cross the lock.
    let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunk, alignment: 16)
    // Safe: allocated just now, and nobody uses it behind this scope.
    defer { unsafe storage.deallocate() }
    let buffer = UInt(bitPattern: storage.baseAddress)
    var writer = DescriptorWriter(fd: fd)
    while true {
      switch state.withLock({ unsafe $0.next(into: Self.bytes(at: buffer)) }) {
      case .write(let count):
        let sawLineEnd = writer.sawLineEnd
        // Safe: `next` has filled in `count` bytes.
        let text = unsafe UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(Self.bytes(at: buffer))[..<count])
        note(unsafe writer.write(text, isAbandoned: isAbandoned), of: count)
        if !sawLineEnd, writer.sawLineEnd { events.onFirstLine() }
      case .wait(let milliseconds):
        if Self.wait(for: wake.rawValue, POLLIN, milliseconds: milliseconds) { wake.take() }
      case .end:
        done.raise()
        return
      }
    }
  }

  /// The thread's buffer of `chunk` bytes.
  @unsafe private static func bytes(at address: UInt) -> UnsafeMutableBufferPointer<UInt8> {
    unsafe UnsafeMutableBufferPointer(start: UnsafeMutablePointer(bitPattern: address), count: chunk)
  }

  private func note(_ outcome: DescriptorWriter.Outcome, of count: Int) {
    let (isFirstError, isFirstClosed) = state.withLock { state in
      state.written += UInt64(outcome.written)
      state.lost += UInt64(count - outcome.written)
      guard let error = outcome.error else { return (false, false) }
      if error == .brokenPipe {
        defer { state.isClosed = true }
        return (false, !state.isClosed)
      }
      defer { state.error = state.error ?? error }
      return (state.error == nil, false)
    }
    if isFirstError, let error = outcome.error { events.onError(error) }
    if isFirstClosed { events.onClosed() }
  }
}

extension BoundedOutput.State {
  /// Whether the thread waits for what has just come; from then on it is awake.
  mutating func needsWake() -> Bool {
    let wakes =
      switch waiting {
      case .no: false
      case .text: ring.count > 0
      case .lineEnd: ring.hasLineEnd || ring.count >= BoundedOutput.lineLimit
      }
    if wakes { waiting = .no }
    return wakes
  }

  /// What the thread does next. Text that is to be written is in `buffer` then.
  mutating func next(into buffer: UnsafeMutableBufferPointer<UInt8>) -> BoundedOutput.Step {
    ring.tellOfDrops()
    if ring.count == 0 {
      if isEnding { return .end }
      waiting = .text
      partialDeadline = 0
      return .wait(milliseconds: -1)
    }
    guard ring.hasLineEnd || ring.count >= BoundedOutput.lineLimit || isEnding else {
      let now = EventLoop.now
      if partialDeadline == 0 { partialDeadline = now + BoundedOutput.partialDelay }
      if now < partialDeadline {
        waiting = .lineEnd
        return .wait(milliseconds: Int32((partialDeadline - now) / 1_000_000) + 1)
      }
      return unsafe take(into: buffer)
    }
    return unsafe take(into: buffer)
  }

  private mutating func take(into buffer: UnsafeMutableBufferPointer<UInt8>) -> BoundedOutput.Step {
    waiting = .no
    partialDeadline = 0
    // Safe: the buffer is the thread's own.
    return .write(unsafe ring.take(into: buffer))
  }
}
