/// Builds one line in a fixed buffer; what does not fit is left out.
@safe struct LineWriter {
  /// Bytes in the buffer.
  static let capacity: UInt32 = 512
  let base: UnsafeMutableRawPointer
  private(set) var count: UInt32 = 0

  // Safe: the caller gives `capacity` bytes, and `count` stays below that.
  init(base: UnsafeMutableRawPointer) { unsafe self.base = base }

  @inline(__always) mutating func append(_ byte: UInt8) {
    guard count < Self.capacity &- 2 else { return }
    // Safe: `count` was just checked.
    unsafe base.storeBytes(of: byte, toByteOffset: Int(count), as: UInt8.self)
    count &+= 1
  }

  /// Appends a byte of somebody's name: what is not printable ASCII becomes a question mark.
  mutating func append(printable byte: UInt8) { append(Self.printable(byte)) }

  /// The byte, or a question mark where it is not printable ASCII.
  static func printable(_ byte: UInt8) -> UInt8 { byte > 0x20 && byte < 0x7f ? byte : 0x3f }

  mutating func append(_ text: StaticString) {
    // Safe: a static string's bytes are constant.
    unsafe append(UnsafeRawPointer(text.utf8Start), count: UInt32(truncatingIfNeeded: text.utf8CodeUnitCount))
  }

  /// Appends bytes that anybody wrote: control characters become question marks. Eight at a time where there is nothing
  /// to mend.
  mutating func append(_ bytes: UnsafeRawPointer, count number: UInt32) {
    var index: UInt32 = 0
    while index < number, count &+ 10 < Self.capacity {
      if index &+ 8 <= number {
        // Safe: `index + 8 <= number`.
        let word = unsafe bytes.loadUnaligned(fromByteOffset: Int(index), as: UInt64.self)
        // Every byte is 0x20...0x7e exactly where subtracting 0x20, adding 1 and doing nothing leave its highest bit
        // clear.
        if ((word &- 0x2020_2020_2020_2020) | (word &+ 0x0101_0101_0101_0101) | word) & 0x8080_8080_8080_8080 == 0 {
          // Safe: `count + 10 < capacity`.
          unsafe base.storeBytes(of: word, toByteOffset: Int(count), as: UInt64.self)
          count &+= 8
          index &+= 8
          continue
        }
      }
      // Safe: the character's bytes are below `number`, as `characterLength` is told.
      let length = unsafe characterLength(bytes + Int(index), limit: number &- index)
      if length == 0 { append(0x3f) }
      for part in 0..<length { unsafe append(bytes.load(fromByteOffset: Int(index &+ part), as: UInt8.self)) }
      index &+= length == 0 ? 1 : length
    }
  }

  /// Length of the UTF-8 character (RFC 3629) at `bytes`, of which `limit` exist; 0 for a control character, of either
  /// set, and for what is no character.
  private func characterLength(_ bytes: UnsafeRawPointer, limit: UInt32) -> UInt32 {
    // Safe: no offset reaches `limit`, which is at least 1.
    let first = unsafe bytes.load(as: UInt8.self)
    if first < 0x80 { return first < 0x20 && first != 9 || first == 0x7f ? 0 : 1 }
    guard first >= 0xc2, first < 0xf5 else { return 0 }
    let length: UInt32 = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    guard length <= limit else { return 0 }
    // The least second byte: above the second set of control characters, and no longer than needed; the greatest: no
    // surrogate, no more than 21 bits.
    let second = unsafe bytes.load(fromByteOffset: 1, as: UInt8.self)
    let least: UInt8 = first == 0xc2 || first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80
    let greatest: UInt8 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf
    guard second >= least, second <= greatest else { return 0 }
    for index in 2..<length {
      guard unsafe bytes.load(fromByteOffset: Int(index), as: UInt8.self) & 0xc0 == 0x80 else { return 0 }
    }
    return length
  }

  /// Appends the bytes of a word of printable characters, from the least significant one up to the highest that is not
  /// zero.
  mutating func append(packed word: UInt64) {
    guard count < Self.capacity &- 10 else { return }
    // Safe: at least eight bytes are left.
    unsafe base.storeBytes(of: word, toByteOffset: Int(count), as: UInt64.self)
    count &+= UInt32(truncatingIfNeeded: (71 &- word.leadingZeroBitCount) / 8)
  }

  mutating func append(decimal value: UInt64) {
    guard value >= 10 else { return append(UInt8(truncatingIfNeeded: value) &+ 48) }
    var divisor: UInt64 = 1
    var steps = 0
    while steps < 19, value / divisor >= 10 {
      divisor &*= 10
      steps &+= 1
    }
    while divisor != 0 {
      append(UInt8(truncatingIfNeeded: value / divisor % 10) &+ 48)
      divisor /= 10
    }
  }

  mutating func append(hexadecimal value: UInt64) {
    append("0x")
    var shift: UInt64 = 60
    while shift > 0, value &>> shift == 0 { shift &-= 4 }
    while true {
      let digit = UInt8(truncatingIfNeeded: value &>> shift & 15)
      append(digit < 10 ? digit &+ 48 : digit &+ 87)
      if shift == 0 { return }
      shift &-= 4
    }
  }

  /// Ends the line: the last byte of the buffer is kept for this.
  mutating func endLine() {
    // Safe: `append` leaves room for one byte.
    unsafe base.storeBytes(of: 10, toByteOffset: Int(count), as: UInt8.self)
    count &+= 1
  }
}
