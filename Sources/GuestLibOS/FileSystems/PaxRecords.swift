/// What extended headers say about members, beyond the members' own headers. Absent is nil.
struct ExtendedAttributes {
  var path: [UInt8]?
  var linkPath: [UInt8]?
  var size: UInt64?
  var modificationTime: Int64?

  static let none = ExtendedAttributes()

  var isEmpty: Bool { path == nil && linkPath == nil && size == nil && modificationTime == nil }

  /// Takes over the records of a pax header (POSIX.1-2024 pax, "pax Extended Header"): `LENGTH KEY=VALUE` and newline,
  /// the length in decimal, of the whole record. Later records win; an empty value takes an earlier one back.
  mutating func apply(_ records: Span<UInt8>) throws(UstarProblem) {
    var start = 0
    while start < records.count {
      var length = 0
      var index = start
      while index < records.count, let digit = Self.digit(records[index]) {
        length = length * 10 + digit
        guard length <= records.count else { throw .badExtendedHeader }
        index += 1
      }
      let end = start + length
      guard index > start, index < end, end <= records.count, records[index] == UInt8(ascii: " "),
        records[end - 1] == UInt8(ascii: "\n")
      else { throw .badExtendedHeader }
      let keyStart = index + 1
      var keyEnd = keyStart
      while keyEnd < end, records[keyEnd] != UInt8(ascii: "=") { keyEnd += 1 }
      guard keyEnd < end, keyEnd > keyStart else { throw .badExtendedHeader }
      try apply(key: records.extracting(keyStart..<keyEnd), value: records.extracting((keyEnd + 1)..<(end - 1)))
      start = end
    }
  }

  private mutating func apply(key: Span<UInt8>, value: Span<UInt8>) throws(UstarProblem) {
    if Bytes.equal(key, "path") {
      path = value.isEmpty ? nil : try Self.text(value)
    } else if Bytes.equal(key, "linkpath") {
      linkPath = value.isEmpty ? nil : try Self.text(value)
    } else if Bytes.equal(key, "size") {
      size = value.isEmpty ? nil : try Self.decimal(value)
    } else if Bytes.equal(key, "mtime") {
      modificationTime = value.isEmpty ? nil : try Self.seconds(value)
    } else if key.count > 11, Bytes.equal(key.extracting(0..<11), "GNU.sparse.") {
      // The member's data is a map and pieces, not the file.
      throw .unsupportedMember(typeFlag: UInt8(ascii: "S"))
    }
  }

  private static func digit(_ byte: UInt8) -> Int? {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
  }

  private static func text(_ value: Span<UInt8>) throws(UstarProblem) -> [UInt8] {
    var copy: [UInt8] = []
    copy.reserveCapacity(value.count)
    for index in value.indices {
      guard value[index] != 0 else { throw .badExtendedHeader }
      copy.append(value[index])
    }
    return copy
  }

  private static func decimal(_ value: Span<UInt8>) throws(UstarProblem) -> UInt64 {
    var number: UInt64 = 0
    guard !value.isEmpty else { throw .badExtendedHeader }
    for index in value.indices {
      guard let digit = digit(value[index]), number <= (UInt64.max - 9) / 10 else { throw .badExtendedHeader }
      number = number * 10 + UInt64(digit)
    }
    return number
  }

  /// A decimal number of seconds, its sign and fraction allowed, rounded down.
  private static func seconds(_ value: Span<UInt8>) throws(UstarProblem) -> Int64 {
    let isNegative = value[0] == UInt8(ascii: "-")
    var point = isNegative ? 1 : 0
    let start = point
    while point < value.count, value[point] != UInt8(ascii: ".") { point += 1 }
    guard let whole = Int64(exactly: try decimal(value.extracting(start..<point))) else { throw .badExtendedHeader }
    var hasFraction = false
    for index in min(point + 1, value.count)..<value.count {
      guard let digit = digit(value[index]) else { throw .badExtendedHeader }
      hasFraction = hasFraction || digit != 0
    }
    return isNegative ? -whole - (hasFraction ? 1 : 0) : whole
  }
}
