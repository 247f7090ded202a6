import CKVM
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why the event loop refused something.
public enum EventLoopError: Error, Equatable, CustomStringConvertible {
  /// The host refused one of the loop's own descriptors (epoll, eventfd, timerfd).
  case cannotCreate(Errno)
  /// The descriptor cannot be watched: it is not open, or it is watched already.
  case cannotRegister(fd: Int32, Errno)

  /// What went wrong, with the value, for a person.
  public var description: String {
    switch self {
    case .cannotCreate(let errno): "cannot create the event loop (\(errno)); raise the limit on open files"
    case .cannotRegister(let fd, let errno): "cannot watch file descriptor \(fd) (\(errno))"
    }
  }
}

/// The virtual machine's I/O thread: descriptors that become ready, deadlines, and work posted by other threads.
///
/// One thread calls `run`. Everything else but `post` and `stop` belongs to that thread: it is called either before
/// `run` or from inside a handler. Handlers must not block; readiness is level-triggered, so a handler may do a bounded
/// amount of work and return, and one that cannot go on (a full ring) takes its interest away with `update` until it
/// can.
@safe public final class EventLoop: DeviceThread, @unchecked Sendable {
  /// Which kinds of readiness wake a handler.
  public struct Interest: OptionSet, Sendable {
    /// The bits of the set.
    public let rawValue: UInt32
    /// A set from its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Data, a connection or the end of the stream can be read.
    public static let readable = Interest(rawValue: 1)
    /// Data can be written.
    public static let writable = Interest(rawValue: 2)
  }

  /// Names one scheduled deadline.
  public struct Timer: Hashable, Sendable {
    let deadline: UInt64
    let serial: UInt64
  }

  private struct Registration {
    let generation: UInt32
    var interest: Interest
    let readable: (() -> Void)?
    let writable: (() -> Void)?
    /// A regular file: epoll refuses it because it is ready at all times.
    var isAlwaysReady = false
    /// In the epoll set; a registration without interest is taken out, or a hang-up would wake the loop for ever.
    var isArmed = false
  }

  private struct Mailbox {
    var work: [@Sendable () -> Void] = []
    var isStopped = false
  }

  private let epoll: Int32
  private let wakeup: Int32
  /// What one wait returned; `batch` events long. Only the loop's thread uses it.
  private let events: UnsafeMutablePointer<epoll_event>
  private static let batch = 64
  private let mailbox = Mutex(Mailbox())
  private var registrations: [Int32: Registration] = [:]
  private var alwaysReadyCount = 0
  private var generation: UInt32 = 0
  /// Ascending by deadline. Few timers live at a time, and most are cancelled early, so a sorted array does.
  private var timers: [(timer: Timer, work: () -> Void)] = []
  private var timerSerial: UInt64 = 0

  /// Makes a loop that watches nothing yet.
  public init() throws(EventLoopError) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw .cannotCreate(Errno(rawValue: errno)) }
    wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wakeup >= 0 else {
      let reason = Errno(rawValue: errno)
      close(epoll)
      throw .cannotCreate(reason)
    }
    unsafe events = .allocate(capacity: EventLoop.batch)
    // Safe: the event lives for the duration of the call.
    var event = unsafe epoll_event(events: EPOLLIN.rawValue, data: epoll_data(u64: EventLoop.wakeupMark))
    // The object is whole by now: its end closes both, and frees the events.
    guard unsafe epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event) == 0 else {
      throw .cannotCreate(Errno(rawValue: errno))
    }
  }

  deinit {
    close(epoll)
    close(wakeup)
    // Safe: allocated by init, and nobody can be in `run`.
    unsafe events.deallocate()
  }

  private static let wakeupMark = UInt64.max

  // MARK: Descriptors

  /// Watches `fd`, which stays the caller's and must be unregistered before it is closed. The interest is the handlers
  /// given; errors and hang-ups call the readable handler, or the writable one where that is all there is: reading or
  /// writing tells.
  public func register(
    _ fd: Int32, readable: (() -> Void)? = nil, writable: (() -> Void)? = nil
  ) throws(EventLoopError) {
    guard registrations[fd] == nil else { throw .cannotRegister(fd: fd, .fileExists) }
    generation &+= 1
    var registration = Registration(generation: generation, interest: [], readable: readable, writable: writable)
    var interest: Interest = []
    if readable != nil { interest.insert(.readable) }
    if writable != nil { interest.insert(.writable) }
    try arm(fd, &registration, interest)
    registrations[fd] = registration
  }

  /// Changes which readiness of a registered `fd` wakes its handlers; an empty interest silences it.
  public func update(_ fd: Int32, interest: Interest) throws(EventLoopError) {
    guard var registration = registrations[fd] else { throw .cannotRegister(fd: fd, .noSuchFileOrDirectory) }
    guard registration.interest != interest else { return }
    try arm(fd, &registration, interest)
    registrations[fd] = registration
  }

  /// Stops watching `fd`. Readiness already collected for it is dropped. Does nothing for a descriptor that is not
  /// watched.
  public func unregister(_ fd: Int32) {
    guard let registration = registrations.removeValue(forKey: fd) else { return }
    if registration.isAlwaysReady, !registration.interest.isEmpty { alwaysReadyCount -= 1 }
    if registration.isArmed { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nil) }
  }

  private func arm(_ fd: Int32, _ registration: inout Registration, _ interest: Interest) throws(EventLoopError) {
    if registration.isAlwaysReady {
      alwaysReadyCount += (interest.isEmpty ? 0 : 1) - (registration.interest.isEmpty ? 0 : 1)
      registration.interest = interest
      return
    }
    let operation =
      interest.isEmpty ? EPOLL_CTL_DEL : registration.isArmed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD
    if interest.isEmpty, !registration.isArmed { return }
    var mask: UInt32 = 0
    if interest.contains(.readable) { mask |= EPOLLIN.rawValue }
    if interest.contains(.writable) { mask |= EPOLLOUT.rawValue }
    let mark = UInt64(registration.generation) << 32 | UInt64(UInt32(bitPattern: fd))
    // Safe: the event lives for the duration of the call.
    var event = unsafe epoll_event(events: mask, data: epoll_data(u64: mark))
    if unsafe epoll_ctl(epoll, operation, fd, &event) != 0 {
      let reason = Errno(rawValue: errno)
      guard reason == .notPermitted, operation == EPOLL_CTL_ADD else { throw .cannotRegister(fd: fd, reason) }
      registration.isAlwaysReady = true
      alwaysReadyCount += 1
    } else {
      registration.isArmed = !interest.isEmpty
    }
    registration.interest = interest
  }

  // MARK: Work and deadlines

  /// Runs `work` on the loop's thread, soon. May be called from any thread; work posted after the loop stopped is not
  /// run.
  public func post(_ work: @escaping @Sendable () -> Void) {
    let wasEmpty = mailbox.withLock { mailbox in
      mailbox.work.append(work)
      return mailbox.work.count == 1
    }
    if wasEmpty { wake() }
  }

  /// Makes `run` return once the handler at work has finished. May be called from any thread, before `run` as well.
  public func stop() {
    mailbox.withLock { $0.isStopped = true }
    wake()
  }

  private func wake() {
    // A full counter means that the loop is awake already, so the result does not matter.
    eventfd_write(wakeup, 1)
  }

  /// Runs `work` once, `nanoseconds` from now.
  @discardableResult
  public func schedule(after nanoseconds: UInt64, _ work: @escaping () -> Void) -> Timer {
    let (sum, overflow) = EventLoop.now.addingReportingOverflow(nanoseconds)
    timerSerial &+= 1
    let timer = Timer(deadline: overflow ? .max : sum, serial: timerSerial)
    let index = timers.lastIndex { $0.timer.deadline <= timer.deadline }.map { $0 + 1 } ?? 0
    timers.insert((timer, work), at: index)
    return timer
  }

  /// Forgets a deadline; one that has passed already is ignored.
  public func cancel(_ timer: Timer) {
    if let index = timers.firstIndex(where: { $0.timer == timer }) { timers.remove(at: index) }
  }

  /// Nanoseconds of CLOCK_MONOTONIC.
  public static var now: UInt64 {
    var time = timespec()
    // Safe: the structure lives for the duration of the call.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  // MARK: The loop

  /// Serves until `stop`. Returns at once where `stop` came first.
  public func run() {
    while true {
      let (work, isStopped) = mailbox.withLock { mailbox in
        let work = mailbox.work
        mailbox.work.removeAll()
        return (work, mailbox.isStopped)
      }
      if isStopped { return }
      for item in work { item() }
      runTimers()
      let count = wait()
      for index in 0..<count {
        // Safe: the wait stored `count` events.
        let event = unsafe events[index]
        unsafe dispatch(mark: event.data.u64, readiness: event.events)
      }
      if alwaysReadyCount > 0 { dispatchAlwaysReady() }
    }
  }

  /// Waits for readiness until the next deadline.
  private func wait() -> Int {
    let count: Int32
    if alwaysReadyCount > 0 {
      // Safe: `events` has room for a batch.
      count = unsafe epoll_wait(epoll, events, Int32(EventLoop.batch), 0)
    } else if let next = timers.first?.timer.deadline {
      let now = EventLoop.now
      let left = next > now ? next - now : 0
      var timeout = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
      // Safe: as above, and the timeout lives for the duration of the call.
      count = unsafe epoll_pwait2(epoll, events, Int32(EventLoop.batch), &timeout, nil)
    } else {
      // Safe: as above.
      count = unsafe epoll_wait(epoll, events, Int32(EventLoop.batch), -1)
    }
    return Int(max(count, 0))
  }

  private func dispatch(mark: UInt64, readiness: UInt32) {
    if mark == EventLoop.wakeupMark {
      var value: eventfd_t = 0
      // Safe: the value lives for the duration of the call. The work itself is taken at the head of the loop.
      unsafe eventfd_read(wakeup, &value)
      return
    }
    let fd = Int32(truncatingIfNeeded: mark)
    let generation = UInt32(truncatingIfNeeded: mark >> 32)
    let failed = readiness & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
    // A handler of the same batch may have unregistered the descriptor, or registered another under its number.
    if let entry = registrations[fd], entry.generation == generation, entry.interest.contains(.readable),
      failed || readiness & EPOLLIN.rawValue != 0
    {
      entry.readable?()
    }
    if let entry = registrations[fd], entry.generation == generation, entry.interest.contains(.writable),
      failed || readiness & EPOLLOUT.rawValue != 0
    {
      entry.writable?()
    }
  }

  private func dispatchAlwaysReady() {
    for (fd, snapshot) in registrations where snapshot.isAlwaysReady {
      if let entry = registrations[fd], entry.generation == snapshot.generation, entry.interest.contains(.readable) {
        entry.readable?()
      }
      if let entry = registrations[fd], entry.generation == snapshot.generation, entry.interest.contains(.writable) {
        entry.writable?()
      }
    }
  }

  private func runTimers() {
    guard !timers.isEmpty else { return }
    let now = EventLoop.now
    // Only what was due on entry: a handler that schedules for "now" must not starve the descriptors.
    while let first = timers.first, first.timer.deadline <= now {
      timers.removeFirst()
      first.work()
    }
  }
}
