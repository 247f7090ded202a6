import CLinux
import Hypervisor
import SystemPackage

/// Times rounds of something short.
enum Stopwatch {
  /// Batches that are timed; the quickest counts, as the one that was disturbed least.
  static let batches = 5
  /// Nanoseconds that a batch is to take.
  static let batchTime = 16_000_000.0

  /// Average nanoseconds of a round in the quickest batch. `batch` does as many rounds as it is told, at least one.
  static func nanoseconds(_ batch: (Int) throws(Errno) -> Void) throws(Errno) -> Double {
    func time(_ rounds: Int) throws(Errno) -> Double {
      let start = EventLoop.now
      try batch(rounds)
      return Double(EventLoop.now - start)
    }
    // Warms everything up as well.
    var rounds = 16
    var taken = try time(rounds)
    while taken < batchTime / 16 {
      rounds *= 2
      taken = try time(rounds)
    }
    rounds = max(1, Int(Double(rounds) * batchTime / taken))
    var best = Double.infinity
    for _ in 0..<batches { best = min(best, try time(rounds)) }
    return best / Double(rounds)
  }

  /// Nanoseconds of one addition that waits for the one before: one clock cycle of this processor.
  static func additionChain() throws(Errno) -> Double {
    try nanoseconds { host_add(UInt64($0)) } / Double(HOST_ADDITIONS)
  }
}
