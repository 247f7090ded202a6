/// A TCP sequence number: 32 bits that wrap around (RFC 9293 section 3.4).
struct SequenceNumber: Equatable {
  let value: UInt32

  init(_ value: UInt32) { self.value = value }

  /// The distance from `b` to `a`, negative if `a` lies before `b`. Numbers are compared only by it.
  static func - (a: SequenceNumber, b: SequenceNumber) -> Int { Int(Int32(bitPattern: a.value &- b.value)) }

  static func + (a: SequenceNumber, length: Int) -> SequenceNumber {
    SequenceNumber(a.value &+ UInt32(truncatingIfNeeded: length))
  }

  static func - (a: SequenceNumber, length: Int) -> SequenceNumber { a + -length }

  static func < (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b < 0 }
  static func > (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b > 0 }
  static func <= (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b <= 0 }
  static func >= (a: SequenceNumber, b: SequenceNumber) -> Bool { a - b >= 0 }

  /// The later of two numbers.
  static func later(_ a: SequenceNumber, _ b: SequenceNumber) -> SequenceNumber { a > b ? a : b }
}
