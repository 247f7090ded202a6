import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes text to a descriptor, blocking or not, and tells behind a gap how much the host has refused. Of one thread,
/// which it holds up.
struct DescriptorWriter {
  /// How a piece was written.
  struct Outcome {
    /// How many of its bytes.
    var written = 0
    /// Why not all; nil also where the writing was abandoned.
    var error: Errno?
  }

  let fd: Int32
  /// The end of a line was written.
  private(set) var sawLineEnd = false
  /// Bytes that were not written since the last ones that were.
  private var missing: UInt64 = 0
  private var endsInLineEnd = true

  init(fd: Int32) { self.fd = fd }

  /// Writes `text`, after a line about what is missing before it. `isAbandoned` is looked at before each wait.
  mutating func write(_ text: UnsafeRawBufferPointer, isAbandoned: borrowing Atomic<Bool>) -> Outcome {
    if missing > 0 {
      let notice = OutputRing.notice(of: missing, afterLineEnd: endsInLineEnd)
      // Safe: the array lives for the duration of the call.
      let told = unsafe notice.withUnsafeBytes { unsafe writeAll($0, isAbandoned) }
      if told.written < notice.count {
        missing += UInt64(text.count)
        return Outcome(written: 0, error: told.error)
      }
      missing = 0
    }
    let outcome = unsafe writeAll(text, isAbandoned)
    missing += UInt64(text.count - outcome.written)
    return outcome
  }

  private mutating func writeAll(_ text: UnsafeRawBufferPointer, _ isAbandoned: borrowing Atomic<Bool>) -> Outcome {
    var outcome = Outcome()
    while outcome.written < text.count, !isAbandoned.load(ordering: .acquiring) {
      // Safe: the range lies inside the text.
      let rest = unsafe UnsafeRawBufferPointer(rebasing: text[outcome.written...])
      let result = unsafe Glibc.write(fd, rest.baseAddress, rest.count)
      if result > 0 {
        let part = unsafe rest.prefix(result)
        sawLineEnd = unsafe sawLineEnd || part.contains(0x0a)
        endsInLineEnd = unsafe part.last == 0x0a
        outcome.written += result
        continue
      }
      switch Errno(rawValue: errno) {
      case .interrupted: continue
      case .resourceTemporarilyUnavailable:
        // Somebody who shares the descriptor has made it non-blocking. A kick ends the wait.
        var entry = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
        // Safe: one structure, which lives for the duration of the call.
        unsafe poll(&entry, 1, -1)
      case let error:
        outcome.error = error
        return outcome
      }
    }
    return outcome
  }
}
