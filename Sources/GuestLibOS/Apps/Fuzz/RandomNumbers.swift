/// Random numbers that a seed repeats (SplitMix64: Steele, Lea and Flood, 2014), and the odd values that find mistakes.
struct RandomNumbers {
  /// Where the sequence is; whoever goes on from here goes on with it.
  private(set) var state: UInt64

  /// The sequence that goes on from `state`.
  init(state: UInt64) { self.state = state }

  /// Any number.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed &>> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed &>> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed &>> 31
  }

  /// A number below `limit`, which is not 0.
  mutating func below(_ limit: UInt64) -> UInt64 { (next() &>> 11) % limit }

  /// True once in `count` times.
  mutating func once(in count: UInt64) -> Bool { below(count) == 0 }

  /// A number that nobody expects.
  mutating func odd() -> UInt64 {
    switch below(8) {
    case 0: next()
    case 1: below(16)
    case 2: 0 &- below(16)
    case 3: 1 &<< below(64)
    case 4: (1 &<< below(64)) &- 1
    case 5: UInt64(UInt32.max) &- 2 &+ below(5)
    case 6: below(2) &<< 63 | below(2) &<< 47 | below(1 &<< 20) &<< 12
    default: next() & next() & next()
    }
  }
}
