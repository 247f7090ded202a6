/// Bytes as text of a Swift string literal, seven bits in a character: static strings hold UTF-8, and what decodes an
/// image when the command starts has to be quick.
///
/// Seven bytes, the first in the least significant place, make eight characters, the first of the least significant
/// seven bits; each is XORed with `mask`, so that zeroes are printable. The first eight bytes of the contents are their
/// count.
public enum SevenBitText {
  private static let mask: UInt64 = 0x3030_3030_3030_3030

  /// The text of `bytes` as it stands between the quotes of a literal.
  public static func literal(_ bytes: [UInt8]) -> [UInt8] {
    var contents = (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
    contents += [UInt8](repeating: 0, count: (7 - contents.count % 7) % 7)
    var text: [UInt8] = []
    for start in stride(from: 0, to: contents.count, by: 7) {
      let word = (0..<7).reduce(UInt64(0)) { $0 | UInt64(contents[start + $1]) << (8 * UInt64($1)) }
      for place in 0..<UInt64(8) {
        let character = UInt8(truncatingIfNeeded: (word >> (7 * place) & 0x7f) ^ (mask & 0x7f))
        switch character {
        case 0x20...0x7e where character != 0x22 && character != 0x5c: text.append(character)
        default: text += Array("\\u{\(String(character, radix: 16))}".utf8)
        }
      }
    }
    return text
  }

  /// How many bytes `text`, without escapes, stands for.
  public static func byteCount(_ text: UnsafeRawBufferPointer) -> Int {
    guard text.count >= 16 else { return 0 }
    let start = unsafe decode(text, 0..<2)
    let count = (0..<8).reduce(0) { $0 | Int(start[$1]) << (8 * $1) }
    return min(max(0, count), text.count / 8 * 7 - 8)
  }

  /// The bytes of `range` that `text`, without escapes, stands for; the range is inside `byteCount`.
  public static func bytes(_ text: UnsafeRawBufferPointer, in range: Range<Int>) -> [UInt8] {
    // The count stands before the first byte.
    let groups = (range.lowerBound + 8) / 7..<(range.upperBound + 8 + 6) / 7
    var contents = unsafe decode(text, groups)
    contents.removeLast(groups.upperBound * 7 - 8 - range.upperBound)
    contents.removeFirst(range.lowerBound + 8 - groups.lowerBound * 7)
    return contents
  }

  /// Groups of eight characters as seven bytes each.
  private static func decode(_ text: UnsafeRawBufferPointer, _ groups: Range<Int>) -> [UInt8] {
    // Safe: a group is eight characters of the text, and each store begins seven bytes behind the last one, in room for
    // eight more.
    unsafe [UInt8](unsafeUninitializedCapacity: groups.count * 7 + 8) { target, count in
      for (index, group) in groups.enumerated() {
        var word = unsafe text.loadUnaligned(fromByteOffset: group * 8, as: UInt64.self) ^ mask
        word = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1
        word = word & 0x0000_3fff_0000_3fff | (word & 0x3fff_0000_3fff_0000) >> 2
        word = word & 0x0000_0000_0fff_ffff | (word & 0x0fff_ffff_0000_0000) >> 4
        unsafe UnsafeMutableRawPointer(target.baseAddress.unsafelyUnwrapped).storeBytes(
          of: word, toByteOffset: index * 7, as: UInt64.self)
      }
      count = groups.count * 7
    }
  }
}
