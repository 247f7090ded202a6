import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread for what may take long and cannot go through an io_uring: so that network, signals and timers, which share
/// the device thread, do not wait for a disk. It does one piece of work at a time, in the order in which they came, and
/// starts with the first.
///
/// The device's lock is held for every call. The thread itself takes no lock but its own, so whoever holds the device's
/// may wait for it.
@safe final class DiskWorker {
  /// A piece of work, which throws why the host refused it.
  struct Job {
    let tag: UInt64
    let work: () throws(Errno) -> Void
    /// Called on the thread once the result can be taken.
    let finished: () -> Void
  }

  /// What became of a piece of work.
  struct Result {
    let tag: UInt64
    /// Why the host refused it; nil where it was done.
    let error: Errno?
  }

  /// What device and thread share.
  @safe private final class Shared: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [Job] = []
    private var results: [Result] = []
    private var isBusy = false
    private var isStopped = false

    init() {
      // Safe: both have fixed addresses for the object's life, as pthread wants it.
      unsafe mutex = .allocate(capacity: 1)
      unsafe mutex.initialize(to: pthread_mutex_t())
      unsafe pthread_mutex_init(mutex, nil)
      unsafe changed = .allocate(capacity: 1)
      unsafe changed.initialize(to: pthread_cond_t())
      unsafe pthread_cond_init(changed, nil)
    }

    deinit {
      unsafe pthread_cond_destroy(changed)
      unsafe changed.deallocate()
      unsafe pthread_mutex_destroy(mutex)
      unsafe mutex.deallocate()
    }

    private func withLock<Value>(_ body: () -> Value) -> Value {
      unsafe pthread_mutex_lock(mutex)
      defer { unsafe pthread_mutex_unlock(mutex) }
      return body()
    }

    func append(_ job: Job) {
      withLock {
        jobs.append(job)
        unsafe pthread_cond_broadcast(changed)
      }
    }

    func takeResults() -> [Result] {
      withLock {
        defer { results.removeAll(keepingCapacity: true) }
        return results
      }
    }

    /// Forgets what has not begun, and waits for what has.
    func cancel() {
      withLock {
        results += jobs.map { Result(tag: $0.tag, error: .canceled) }
        jobs.removeAll()
        while isBusy { unsafe pthread_cond_wait(changed, mutex) }
      }
    }

    func stop() {
      withLock {
        isStopped = true
        unsafe pthread_cond_broadcast(changed)
      }
    }

    /// The thread.
    func run() {
      while let job = next() {
        var result = Result(tag: job.tag, error: nil)
        do throws(Errno) { try job.work() } catch { result = Result(tag: job.tag, error: error) }
        withLock {
          results.append(result)
          isBusy = false
          unsafe pthread_cond_broadcast(changed)
        }
        job.finished()
      }
    }

    private func next() -> Job? {
      withLock {
        while jobs.isEmpty, !isStopped { unsafe pthread_cond_wait(changed, mutex) }
        guard !isStopped else { return nil }
        isBusy = true
        return jobs.removeFirst()
      }
    }
  }

  private let shared = Shared()
  private var thread: pthread_t?

  /// Has `job` done; false where the host refuses a thread, and nothing was begun.
  func begin(_ job: Job) -> Bool {
    guard start() else { return false }
    shared.append(job)
    return true
  }

  /// What was done since the last call.
  func takeResults() -> [Result] { thread == nil ? [] : shared.takeResults() }

  /// Waits for what is under way, and forgets the rest: `takeResults` has all of it then.
  func cancel() { if thread != nil { shared.cancel() } }

  private func start() -> Bool {
    guard thread == nil else { return true }
    var new = pthread_t()
    // Safe: the reference is balanced at the thread's start.
    let reference = unsafe Unmanaged.passRetained(shared).toOpaque()
    let result = unsafe pthread_create(
      &new, nil,
      { reference in
        if let reference = unsafe reference {
          // Safe: `start` passed a retained Shared.
          unsafe Unmanaged<Shared>.fromOpaque(reference).takeRetainedValue().run()
        }
        return nil
      }, reference)
    guard result == 0 else {
      unsafe Unmanaged<Shared>.fromOpaque(reference).release()
      return false
    }
    thread = new
    return true
  }

  deinit {
    guard let thread else { return }
    shared.stop()
    // Where the thread itself lets go of the device last, nobody is left to wait for it.
    if pthread_equal(pthread_self(), thread) != 0 { pthread_detach(thread) } else { pthread_join(thread, nil) }
  }
}
