/// A service of Linux that does for a process what an operation of the exokernel does for an environment.
enum LinuxService: String, CaseIterable, Sendable {
  /// The system call that does the least: into Linux and back.
  case getpid
  /// Access to one page, granted and taken in turn.
  case protectPage = "mprotect of 1 page"
  /// The same for a hundred pages in one call.
  case protectPages = "mprotect of 100 pages"
  /// A store to a page without access, the handler that steps over it, and the return.
  case pageFault = "SIGSEGV handler"
  /// A division by zero, the handler that steps over it, and the return.
  case divideError = "SIGFPE handler"
  /// From one process to another on the same processor by sched_yield(2), as often as it takes.
  case yield = "sched_yield"
  /// One byte to a process that waits for it on the same processor, one way.
  case pipe
  /// One thread wakes another on the same processor, and sleeps.
  case futex = "futex wake and wait"

  /// The name in tables.
  var name: String { rawValue }
}
