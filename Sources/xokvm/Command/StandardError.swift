import Hypervisor
import Logging
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the command says on standard error: one line each, whatever a file in it may be named. Any thread; a reader
/// that stalls holds nobody up but, for a second at most, the end of the command.
enum StandardError {
  /// Nil where nothing was said yet, or the host has no descriptors or threads left.
  private static let output = Mutex<BoundedOutput?>(nil)
  /// Milliseconds in which a reader must take something at the end.
  private static let grace: Int32 = 200

  /// Says one line, which begins with the command's name.
  static func say(_ message: String) {
    let line = "xokvm: \(message)".utf8.map { $0 < 0x20 || $0 == 0x7f ? 0x3f : $0 } + [0x0a]
    let isAppended = output.withLock { output in
      if output == nil { output = started() }
      output?.append(line.span)
      return output != nil
    }
    guard !isAppended else { return }
    // Safe: the array's own storage. Where standard error is gone, the status has to do.
    _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// Waits until what was said is written; a second at most.
  static func finish() {
    let last = output.withLock { output in
      defer { output = nil }
      return output
    }
    last?.finish(grace: grace)
  }

  private static func started() -> BoundedOutput? {
    guard let output = try? BoundedOutput(fd: STDERR_FILENO, ownsDescriptor: false), (try? output.start()) != nil else {
      return nil
    }
    return output
  }
}

/// Hands what the hypervisor logs, from warnings on, to standard error as lines of the command's.
struct StandardErrorLog: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .warning

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    StandardError.say(event.message.description)
  }
}
