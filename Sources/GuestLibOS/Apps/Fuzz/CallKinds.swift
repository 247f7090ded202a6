import ExokernelABI

/// A set of calls, as bits: bit n of all words together stands for call n.
struct CallKinds {
  var words: InlineArray<4, UInt64> = .init(repeating: 0)

  /// Words of a set: room for 256 calls.
  static var words: Int { 4 }

  /// Whether it has all calls of `other`, and none that does not exist.
  func isLater(than other: CallKinds) -> Bool {
    for index in 0..<Self.words {
      let first = UInt64(index) &* 64
      let left = CallNumber.count > first ? CallNumber.count &- first : 0
      let existing: UInt64 = left >= 64 ? .max : 1 &<< left &- 1
      guard words[index] & other.words[index] == other.words[index], words[index] & ~existing == 0 else { return false }
    }
    return true
  }
}
