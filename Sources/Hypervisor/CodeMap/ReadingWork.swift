/// What the reading of one file may still cost. A file can ask for far more than its size, by tables that many entries
/// share and rows of a byte each; once the work is spent, every reader of the file is at its end, and so are all loops
/// over it.
///
/// A step is about a byte read, or 4 bytes of memory kept. Used on one thread.
final class ReadingWork {
  /// Steps that are left.
  private(set) var left: Int

  /// So many steps.
  init(limit: Int) { left = max(0, limit) }

  var isSpent: Bool { left == 0 }

  /// Takes `steps`, or what is left.
  func spend(_ steps: Int) { left = steps < left ? left - max(0, steps) : 0 }
}

extension CodeMap {
  /// How much reading a file may cost.
  public struct Limit: Equatable, Sendable {
    /// Greatest size of a file, in bytes.
    public var byteCount: Int
    /// Most steps. A step is about a byte read, or 4 bytes of memory kept.
    public var steps: Int

    /// A limit.
    public init(byteCount: Int, steps: Int) {
      self.byteCount = byteCount
      self.steps = steps
    }

    /// For files of our own making.
    public static let none = Limit(byteCount: .max, steps: .max)
    /// For files of anybody's that are read while a machine waits: a second or two of a processor here, and 64 MiB
    /// beside the file's bytes. The bundled programs take at most a fifth of it.
    public static let report = Limit(byteCount: 64 << 20, steps: 8 << 20)
  }

  /// Why there is no map of a file.
  public enum ReadingError: Error, Equatable, CustomStringConvertible {
    /// The file has more bytes than are read.
    case tooLarge(byteCount: Int, limit: Int)
    /// What it tells of its code takes more than `limit` steps to read.
    case tooMuchWork(limit: Int)
    /// The file is not what it was when the machine started, or cannot be read any more.
    case changed

    /// What is wrong, to go behind the file's name, and what to do.
    public var description: String {
      switch self {
      case .tooLarge(let byteCount, let limit):
        "has \(byteCount) bytes, and \(limit) at most are read: link it without what is no code"
      case .tooMuchWork(let limit):
        "has debug information that takes more than \(limit) steps to read: it is damaged, or strip it"
      case .changed: "is not what it was when the machine started: start again"
      }
    }
  }
}
