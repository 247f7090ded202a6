/// Bytes as the ASCII characters of HTTP. No Unicode anywhere.
enum ASCII {
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
  static let space = UInt8(ascii: " ")
  static let tab = UInt8(ascii: "\t")
  static let slash = UInt8(ascii: "/")
  static let dot = UInt8(ascii: ".")
  static let comma = UInt8(ascii: ",")
  static let quote = UInt8(ascii: "\"")

  static func lowercase(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  static func hexValue(_ byte: UInt8) -> UInt8? {
    if isDigit(byte) { return byte - UInt8(ascii: "0") }
    let letter = byte | 0x20
    return (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(letter) ? letter - UInt8(ascii: "a") + 10 : nil
  }

  /// `tchar` of RFC 9110 section 5.6.2.
  static func isTokenCharacter(_ byte: UInt8) -> Bool {
    if isDigit(byte) || isLetter(byte) { return true }
    switch byte {
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
      UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      return true
    default: return false
    }
  }

  /// What a field value may contain: visible characters, space, tab and bytes from 0x80 on (RFC 9110 section 5.5).
  static func isFieldCharacter(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == tab }

  static func equal(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    // A literal's code units live as long as the program; `index` is below their count.
    let characters = unsafe text.utf8Start
    for index in bytes.indices where unsafe bytes[index] != characters[index] { return false }
    return true
  }

  /// Compares with `text`, which has no upper-case letters.
  static func equalIgnoringCase(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    // As above.
    let characters = unsafe text.utf8Start
    for index in bytes.indices where unsafe lowercase(bytes[index]) != characters[index] { return false }
    return true
  }

  /// `range` of `bytes` without spaces and tabs at either end.
  static func trim(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end, bytes[start] == space || bytes[start] == tab { start += 1 }
    while end > start, bytes[end - 1] == space || bytes[end - 1] == tab { end -= 1 }
    return start..<end
  }

  /// A decimal number of digits alone; too large ones count as the largest. Nil for anything else.
  static func decimal(_ bytes: Span<UInt8>) -> UInt64? {
    guard !bytes.isEmpty else { return nil }
    var value: UInt64 = 0
    for index in bytes.indices {
      guard isDigit(bytes[index]) else { return nil }
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, tooLargeAfterAll) = product.addingReportingOverflow(UInt64(bytes[index] - UInt8(ascii: "0")))
      value = tooLarge || tooLargeAfterAll ? .max : sum
    }
    return value
  }

  /// The range of the next element of a comma-separated list from `cursor` on, trimmed; moves the cursor behind it.
  static func nextElement(_ list: Span<UInt8>, cursor: inout Int) -> Range<Int>? {
    while cursor < list.count {
      var end = cursor
      while end < list.count, list[end] != comma { end += 1 }
      let element = trim(list, cursor..<end)
      cursor = end + 1
      if !element.isEmpty { return element }
    }
    return nil
  }
}

extension [UInt8] {
  mutating func append(_ text: StaticString) {
    // A literal's code units live as long as the program.
    let characters = unsafe text.utf8Start
    for index in 0..<text.utf8CodeUnitCount { unsafe append(characters[index]) }
  }

  mutating func append(decimal value: UInt64, width: Int = 1) {
    var divisor: UInt64 = 1
    var digits = 1
    while digits < width || value / divisor >= 10 {
      divisor *= 10
      digits += 1
    }
    while divisor > 0 {
      append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
  }

  mutating func append(hexadecimal value: UInt64) {
    var shift = 60
    while shift > 0, value >> UInt64(shift) == 0 { shift -= 4 }
    while shift >= 0 {
      append(hexDigit: UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15)
      shift -= 4
    }
  }

  mutating func append(hexDigit digit: UInt8) {
    append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
  }
}
