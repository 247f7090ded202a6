import CLinux
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Runs one measurement in a process of its own, whose signal handlers, threads, memory and processor end with it.
enum MeasuringProcess {
  /// What the process tells, in memory that it shares with the command. All zeroes: nothing yet.
  private struct Report {
    var error: Int32 = 0
    var nanoseconds: Double = 0
  }

  /// Seconds after which the process is ended by SIGALRM. It needs a fraction of one.
  private static let timeLimit: UInt32 = 10

  /// The result of `measure`, run in a process that stays on one processor. `name` is for the error.
  static func nanoseconds(of name: String, _ measure: () throws(Errno) -> Double) throws(CommandFailure) -> Double {
    let report: Report
    let status: Int32?
    do throws(Errno) {
      let pages = try MappedPages(count: 1, protection: PROT_READ | PROT_WRITE, isShared: true)
      // Safe: the mapping is larger and more aligned than the report, and outlives both uses. The process has ended, or
      // is the child, when the report is touched.
      let place = unsafe pages.base.bindMemory(to: Report.self, capacity: 1)
      var child = try ChildProcess {
        do throws(Errno) {
          try prepare()
          unsafe place.pointee = Report(nanoseconds: try measure())
        } catch {
          unsafe place.pointee = Report(error: error.rawValue)
        }
      }
      status = child.wait()
      report = unsafe place.pointee
      _ = consume pages
    } catch {
      throw refusal(name, error)
    }
    guard report.error == 0 else { throw refusal(name, Errno(rawValue: report.error)) }
    guard report.nanoseconds > 0 else {
      let end = status.map { $0 & 0x7f == 0 ? "with status \($0 >> 8)" : "by signal \($0 & 0x7f)" } ?? "early"
      throw CommandFailure(
        status: .osError,
        "cannot measure \(name): its process ended \(end): try again when the host has less to do, or without --against-linux"
      )
    }
    return report.nanoseconds
  }

  private static func refusal(_ name: String, _ error: Errno) -> CommandFailure {
    CommandFailure(
      status: .osError, "cannot measure \(name) (\(error)): raise this user's limits, or leave out --against-linux")
  }

  /// On the child: the time limit, no inherited signal mask, and one processor for everything that runs from here on.
  private static func prepare() throws(Errno) {
    signal(SIGALRM, SIG_DFL)
    var none = sigset_t()
    // Safe: the set lives for the duration of the calls.
    unsafe sigemptyset(&none)
    unsafe sigprocmask(SIG_SETMASK, &none, nil)
    alarm(timeLimit)
    try stayOnProcessor()
  }

  /// Keeps the calling thread, and the threads and processes that it makes, on the processor where it is.
  private static func stayOnProcessor() throws(Errno) {
    var number: UInt32 = 0
    // Safe: number and mask live for the duration of the calls.
    guard unsafe linux_getcpu(&number) == 0 else { throw Errno(rawValue: errno) }
    var mask = [UInt64](repeating: 0, count: Int(number) / 64 + 1)
    mask[Int(number) / 64] = 1 << UInt64(number % 64)
    guard unsafe linux_sched_setaffinity(mask, mask.count * 8) == 0 else { throw Errno(rawValue: errno) }
  }
}
