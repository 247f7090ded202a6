/// What arguments say, as bytes: Embedded Swift compares no strings.
public enum ArgumentText {
  /// True where `bytes` are those of `text`.
  public static func equal(_ bytes: ArraySlice<UInt8>, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    // A literal's code units live as long as the program; the index stays below their count.
    for (index, byte) in bytes.enumerated() where unsafe byte != text.utf8Start[index] { return false }
    return true
  }

  /// A decimal number of one to nine digits; nil where it is none.
  public static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
    guard (1...9).contains(digits.count) else { return nil }
    var value: UInt64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + UInt64(digit - UInt8(ascii: "0"))
    }
    return value
  }
}
