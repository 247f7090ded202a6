/// Comparison of byte strings. Paths are bytes, not text: nothing here knows about Unicode.
enum Bytes {
  static let slash = UInt8(ascii: "/")
  static let dot = UInt8(ascii: ".")

  /// Negative, zero or positive as `left` comes before, is equal to, or comes after `right`, byte by byte.
  static func compare(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
    let common = min(left.count, right.count)
    var index = 0
    while index < common {
      if left[index] != right[index] { return left[index] < right[index] ? -1 : 1 }
      index += 1
    }
    return left.count - right.count
  }

  static func equal(_ left: Span<UInt8>, _ right: StaticString) -> Bool {
    guard left.count == right.utf8CodeUnitCount else { return false }
    // A literal's code units live as long as the program; `index` is below their count.
    let text = unsafe right.utf8Start
    for index in left.indices where unsafe left[index] != text[index] { return false }
    return true
  }

  static func isDot(_ component: Span<UInt8>) -> Bool { component.count == 1 && component[0] == dot }

  static func isDotDot(_ component: Span<UInt8>) -> Bool {
    component.count == 2 && component[0] == dot && component[1] == dot
  }

  /// The index after the last byte of the component that begins at `start`.
  static func endOfComponent(in path: Span<UInt8>, from start: Int) -> Int {
    var end = start
    while end < path.count, path[end] != slash { end += 1 }
    return end
  }
}
