/// The validator of a file: changes when the file's size or time does (RFC 9110 section 8.8.3).
struct EntityTag {
  var modificationTime: Int64
  var size: UInt64

  /// Appends the tag with its quotes.
  func append(to output: inout [UInt8]) {
    output.append(ASCII.quote)
    output.append(hexadecimal: UInt64(bitPattern: modificationTime))
    output.append("-")
    output.append(hexadecimal: size)
    output.append(ASCII.quote)
  }

  /// True when `list`, the value of `If-None-Match` or `If-Match`, is `*` or holds this tag. `scratch` is overwritten.
  func isIn(_ list: Span<UInt8>, allowsWeak: Bool, scratch: inout [UInt8]) -> Bool {
    scratch.removeAll(keepingCapacity: true)
    append(to: &scratch)
    var cursor = 0
    // Commas inside other servers' tags cut them to pieces, which equal no tag of ours.
    while let element = ASCII.nextElement(list, cursor: &cursor) {
      if element.count == 1, list[element.lowerBound] == UInt8(ascii: "*") { return true }
      var start = element.lowerBound
      if element.count > 2, list[start] == UInt8(ascii: "W"), list[start + 1] == ASCII.slash {
        if !allowsWeak { continue }
        start += 2
      }
      if Self.equal(list, start..<element.upperBound, scratch) { return true }
    }
    return false
  }

  private static func equal(_ bytes: Span<UInt8>, _ range: Range<Int>, _ other: [UInt8]) -> Bool {
    guard range.count == other.count else { return false }
    for index in 0..<other.count where bytes[range.lowerBound + index] != other[index] { return false }
    return true
  }
}
