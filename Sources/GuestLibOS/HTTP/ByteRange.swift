/// One range of bytes as a request states it (RFC 9110 section 14.1.2).
enum ByteRange: Equatable {
  /// From the first to the last byte, both included; the last may be behind the end.
  case span(first: UInt64, last: UInt64)
  /// The last `count` bytes.
  case suffix(count: UInt64)

  /// Reads the value of `Range`. Nil for several ranges, other units and malformed ones: these are as if absent.
  init?(_ value: Span<UInt8>) {
    guard value.count > 6, ASCII.equalIgnoringCase(value.extracting(0..<6), "bytes=") else { return nil }
    let range = ASCII.trim(value, 6..<value.count)
    guard let dash = range.first(where: { value[$0] == UInt8(ascii: "-") }) else { return nil }
    let firstText = value.extracting(range.lowerBound..<dash)
    let lastText = value.extracting((dash + 1)..<range.upperBound)
    if firstText.isEmpty {
      guard let count = ASCII.decimal(lastText) else { return nil }
      self = .suffix(count: count)
      return
    }
    guard let first = ASCII.decimal(firstText) else { return nil }
    if lastText.isEmpty {
      self = .span(first: first, last: .max)
      return
    }
    guard let last = ASCII.decimal(lastText), first <= last else { return nil }
    self = .span(first: first, last: last)
  }

  /// The bytes meant, of a file of `size` bytes; nil when there are none.
  func resolved(size: UInt64) -> Range<UInt64>? {
    switch self {
    case .span(let first, let last):
      guard first < size else { return nil }
      return first..<(last < size ? last + 1 : size)
    case .suffix(let count):
      guard count > 0, size > 0 else { return nil }
      return (size - min(count, size))..<size
    }
  }
}
