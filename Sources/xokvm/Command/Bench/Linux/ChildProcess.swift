import CLinux
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A process made of this one by fork(2). It ends with this value at the latest, or with the thread that made it.
struct ChildProcess: ~Copyable {
  private let id: pid_t
  private var isReaped = false

  /// Runs `body` in a child, which ends when that returns. Only for a process of one thread: locks that another thread
  /// held would stay locked in the child.
  init(_ body: () -> Void) throws(Errno) {
    let parent = getpid()
    let id = linux_fork()
    guard id >= 0 else { throw Errno(rawValue: errno) }
    guard id > 0 else {
      // Without exit handlers and without the output that the parent has not written yet.
      guard linux_set_parent_death_signal(SIGKILL) == 0, getppid() == parent else { _exit(1) }
      body()
      _exit(0)
    }
    self.id = id
  }

  /// Waits for its end and returns its status as of wait(2); nil where the system keeps none, because SIGCHLD is
  /// ignored.
  mutating func wait() -> Int32? {
    isReaped = true
    return Self.reap(id)
  }

  deinit {
    guard !isReaped else { return }
    kill(id, SIGKILL)
    _ = Self.reap(id)
  }

  private static func reap(_ id: pid_t) -> Int32? {
    var status: Int32 = 0
    var result: pid_t
    // Safe: the status lives for the duration of the call.
    repeat { result = unsafe waitpid(id, &status, 0) } while result < 0 && errno == EINTR
    return result == id ? status : nil
  }
}
