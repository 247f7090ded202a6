import ExokernelABI

/// Text that grows at its end, as bytes: ASCII and the UTF-8 of literals.
struct TextBuffer {
  private(set) var bytes: [UInt8] = []
  /// Characters that take a place on a line; escape sequences do not.
  private(set) var column = 0

  mutating func put(_ byte: UInt8) {
    bytes.append(byte)
    // The bytes after the first of a character are 10xxxxxx (RFC 3629 section 3).
    if byte & 0xc0 != 0x80 { column += 1 }
  }

  mutating func put(_ text: StaticString) {
    // Safe: a literal's bytes live as long as the program.
    for index in 0..<text.utf8CodeUnitCount { unsafe put(text.utf8Start[index]) }
  }

  mutating func put(_ text: [UInt8]) { for byte in text { put(byte) } }

  /// A decimal number, right-aligned in `width` columns.
  mutating func put(_ value: UInt64, width: Int = 0) {
    let digits = Self.digits(value)
    put(spaces: width - digits.count)
    put(digits)
  }

  /// The same in no more than `width` columns, four at least: thousands, millions and so on where it has more digits.
  mutating func put(short value: UInt64, width: Int) {
    let digits = Self.short(value, width: width)
    put(spaces: width - digits.count)
    put(digits)
  }

  /// A number in at most `width` characters, at least four of them.
  static func short(_ value: UInt64, width: Int) -> [UInt8] {
    let units: StaticString = "kMGTPE"
    var rest = value
    var unit = 0
    var text = digits(rest)
    while text.count > width, unit < units.utf8CodeUnitCount {
      rest /= 1000
      text = digits(rest)
      // Safe: as above, and the index is below the number of units.
      unsafe text.append(units.utf8Start[unit])
      unit += 1
    }
    return text
  }

  /// Appends what takes no place on the line.
  mutating func put(sequence text: StaticString) {
    let before = column
    put(text)
    column = before
  }

  /// Likewise, a number inside such a sequence.
  mutating func put(sequence value: UInt64) {
    let before = column
    put(value)
    column = before
  }

  mutating func put(spaces count: Int) {
    var rest = count
    while rest > 0 {
      put(UInt8(ascii: " "))
      rest -= 1
    }
  }

  /// Spaces up to `column`, counted from 0; one at least.
  mutating func tab(to wanted: Int) { put(spaces: max(1, wanted - column)) }

  /// Text for HTML: markup is escaped.
  mutating func put(escaped text: [UInt8]) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "<"): put("&lt;")
      case UInt8(ascii: ">"): put("&gt;")
      case UInt8(ascii: "&"): put("&amp;")
      case UInt8(ascii: "\""): put("&quot;")
      default: put(byte)
      }
    }
  }

  /// A hierarchical name: its bytes in decimal with dots between, and what it stands for where the kernel gives it out.
  mutating func put(name node: CapabilityNode) {
    guard node.length > 0 else { return put("everything") }
    for index in 0..<UInt64(min(node.length, 8)) {
      if index > 0 { put(UInt8(ascii: ".")) }
      put(node.name &>> (56 &- 8 &* index) & 0xff)
    }
    switch node.name &>> 56 {
    case CapabilityName.disk: put(" disk")
    case CapabilityName.network: put(" network")
    case CapabilityName.console: put(" console")
    default: return
    }
    if node.length == 1, node.name &>> 56 != CapabilityName.console { put("s") }
  }

  /// Rights as letters: r w x a(llocate) g(rant) v (revoke) c(all) k (control).
  mutating func put(rights: Rights) {
    let letters: StaticString = "rwxagvck"
    // Safe: as above; there are eight letters.
    for bit in 0..<8 where rights.rawValue &>> UInt32(bit) & 1 != 0 { unsafe put(letters.utf8Start[bit]) }
  }

  /// A digit or letter for each environment: 0...9, a...z, A...Z, + and -.
  static func glyph(of environment: UInt64) -> UInt8 {
    let offset = UInt8(truncatingIfNeeded: environment & 63)
    switch offset {
    case 0..<10: return UInt8(ascii: "0") + offset
    case 10..<36: return UInt8(ascii: "a") + (offset - 10)
    case 36..<62: return UInt8(ascii: "A") + (offset - 36)
    case 62: return UInt8(ascii: "+")
    default: return UInt8(ascii: "-")
    }
  }

  static func digits(_ value: UInt64) -> [UInt8] {
    var digits: [UInt8] = []
    var rest = value
    repeat {
      digits.append(UInt8(truncatingIfNeeded: rest % 10) + UInt8(ascii: "0"))
      rest /= 10
    } while rest != 0
    digits.reverse()
    return digits
  }
}
