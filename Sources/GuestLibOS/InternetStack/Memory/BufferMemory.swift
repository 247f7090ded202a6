/// The account of the memory that the byte queues of a stack hold, so that many connections together stay within a
/// limit.
///
/// The first piece of a queue is always granted: every connection gets on, if slowly. Beyond that a queue may hold at
/// most a quarter of what is left of the limit (dynamic thresholds; Choudhury and Hahne, IEEE/ACM Transactions on
/// Networking 6(2), 1998): a few busy connections get all they want, and those that come when much is taken still find
/// some.
final class BufferMemory {
  /// Bytes that all queues may hold together, the first piece of each not counted.
  let limit: Int
  /// Bytes held, the first piece of each queue not counted.
  private(set) var used = 0

  /// An account of at most `limit` bytes.
  init(limit: Int) { self.limit = max(0, limit) }

  /// How many bytes a queue that holds `held` may hold in all at present, pieces being of `piece` bytes.
  func allowance(held: Int, piece: Int) -> Int {
    // What it has beyond the first piece is counted in `used`, and counts as free for itself.
    let own = max(0, held - piece)
    return max(held, piece, piece + (limit - used + own) / 4)
  }

  /// Whether a queue that holds `held` bytes gets another `piece`; if so it is entered.
  func grants(_ piece: Int, held: Int) -> Bool {
    if held == 0 { return true }
    guard held + piece <= allowance(held: held, piece: piece), piece <= limit - used else { return false }
    used += piece
    return true
  }

  /// A queue that held `held` bytes has given one piece back.
  func returned(_ piece: Int, held: Int) {
    if held > piece { used -= piece }
  }
}
