import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where the guest's console text goes: a bounded output, and the memory of what was said last.
///
/// vCPU threads append and never wait. Text that nobody reads is dropped and counted; see `BoundedOutput`.
public final class ConsoleOutput: Sendable {
  /// Lines as far as they are remembered: without control characters, and cut where they are long.
  private struct Memory {
    /// The line that is being written, and the last one that ended and was not empty.
    var line: [UInt8] = []
    var lastLine: [UInt8] = []
    /// The first line in which our kernel says what is wrong.
    var kernelLine: [UInt8] = []
    /// Whether a part of the terminal scrolls alone.
    var region = ScrollRegion()

    mutating func remember(_ byte: UInt8) {
      region.take(byte)
      if byte != 0x0a {
        if byte >= 0x20, line.count < ConsoleOutput.lineLimit { line.append(byte) }
      } else if !line.isEmpty {
        swap(&line, &lastLine)
        line.removeAll(keepingCapacity: true)
        if kernelLine.isEmpty, lastLine.starts(with: ConsoleOutput.kernelPrefix) { kernelLine = lastLine }
      }
    }
  }

  private static let lineLimit = 400
  private static let kernelPrefix = "[kernel] ".utf8

  /// Whether control sequences make sense there.
  public let isTerminal: Bool

  private let output: BoundedOutput
  private let memory = Mutex(Memory())

  /// Text goes to `fd`, which is closed with the object where it `ownsDescriptor`.
  public init(fd: Int32, ownsDescriptor: Bool, events: BoundedOutput.Events) throws(EventLoopError) {
    isTerminal = isatty(fd) == 1
    output = try BoundedOutput(fd: fd, ownsDescriptor: ownsDescriptor, events: events)
  }

  /// Adds text. Any thread; never waits for the reader.
  public func append(_ text: Span<UInt8>) {
    memory.withLock { memory in
      for index in text.indices { memory.remember(text[index]) }
    }
    output.append(text)
  }

  /// The last line with something on it; nil where there was none.
  public var lastLine: String? { memory.withLock { Self.text($0.line.isEmpty ? $0.lastLine : $0.line) } }

  /// The first line that our kernel wrote in its own name, which it does where something is wrong; nil where there was
  /// none.
  public var kernelLine: String? { memory.withLock { Self.text($0.kernelLine) } }

  private static func text(_ line: [UInt8]) -> String? {
    line.isEmpty ? nil : String(decoding: line.map { $0 == 0x7f ? 0x3f : $0 }, as: UTF8.self)
  }

  /// Bytes that were written and dropped, and why the host first refused to write.
  var result: (written: UInt64, dropped: UInt64, error: Errno?) {
    let counts = output.counts
    return (counts.written, counts.dropped, output.error)
  }

  /// Begins to write.
  func start() throws(EventLoopError) { try output.start() }

  /// Gives a terminal on which the guest has drawn its whole height for scrolling again, and the cursor a fresh last
  /// line. To be called when no vCPU runs any more, before `finish`.
  func endDrawing() {
    guard isTerminal, memory.withLock({ $0.region.isSet }) else { return }
    // Colours, the region, the cursor. A sequence that the guest has begun is given up by the escape character.
    append(Array("\u{1b}[0m\u{1b}[r\u{1b}[999;1H\n".utf8).span)
  }

  /// Writes what is left, as `BoundedOutput.finish`. To be called when no vCPU runs any more.
  func finish(grace milliseconds: Int32) { output.finish(grace: milliseconds) }
}
