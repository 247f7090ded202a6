import CLibOS
import ExokernelABI
import LibOS

/// A page that a fuzz program shares with the environment that makes its calls, so that the next one goes on where that
/// one ended.
///
/// Safe: every address is inside a page that is mapped; who has unmapped it faults, and ends alone.
struct SharedPage {
  /// What its words are for.
  enum Word: UInt64 {
    /// Calls made.
    case calls = 0
    /// Calls that were not refused.
    case accepted
    /// State of the random numbers.
    case random
    /// 1: the slots for disks and networks accept their capabilities.
    case isReady
    /// 1: they have them.
    case isGranted
    /// `violated` where a call returned what no call may, and which call.
    case violation
    /// The last call: number, five arguments.
    case number, a, b, c, d, e
    /// What it returned.
    case result
    /// Calls that are to be made.
    case target
    /// The first of `CallKinds.words` words of bits: bit n is set where call n was accepted at least once.
    case kinds
  }

  /// Says in `violation` that there is one: no number that somebody stores by mistake.
  static var violated: UInt64 { 0x7669_6f6c_6174_6564 }
  /// Where the environment that makes the calls has it mapped.
  static var childAddress: UInt64 { 0x7e00_0000 }

  let address: UInt64

  subscript(word: Word) -> UInt64 {
    get { self[at: word.rawValue] }
    nonmutating set { self[at: word.rawValue] = newValue }
  }

  /// The calls that were accepted at least once.
  var kinds: CallKinds {
    get {
      var kinds = CallKinds()
      for index in 0..<CallKinds.words { kinds.words[index] = self[at: Word.kinds.rawValue &+ UInt64(index)] }
      return kinds
    }
    nonmutating set {
      for index in 0..<CallKinds.words { self[at: Word.kinds.rawValue &+ UInt64(index)] = newValue.words[index] }
    }
  }

  /// Notes that call `number` was accepted.
  func addKind(_ number: UInt64) {
    guard number < UInt64(CallKinds.words) &* 64 else { return }
    self[at: Word.kinds.rawValue &+ number &>> 6] |= 1 &<< (number & 63)
  }

  private subscript(at index: UInt64) -> UInt64 {
    get { libos_load64(UInt(address &+ index &* 8)) }
    nonmutating set { libos_store64(UInt(address &+ index &* 8), newValue) }
  }
}
