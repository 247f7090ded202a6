/// The images that the command carries: what `xokvm boot` starts when it is given nothing else.
public enum GuestImages {
  /// The exokernel, an ELF file with a PVH entry.
  public static func kernel() -> [UInt8] { decoded(kernelImage) }

  /// The boot archive: a ustar archive of programs, each page-aligned.
  public static func programs() -> [UInt8] { decoded(programsImage) }
}

/// The bytes that a static string holds in base64 (RFC 4648, section 4).
public func decoded(_ text: StaticString) -> [UInt8] {
  let table = digitValues
  // Safe: a static string's bytes are constant.
  let source = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  var padding = 0
  while unsafe padding < 2 && padding < source.count && source[source.count - 1 - padding] == 0x3d { padding += 1 }
  let groups = source.count / 4
  let count = groups * 3
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
    for group in 0..<groups {
      // Safe: a group is four characters of the source and three bytes of the target, and the table has a value for every byte.
      let a = unsafe UInt32(table[Int(source[group * 4])])
      let b = unsafe UInt32(table[Int(source[group * 4 + 1])])
      let c = unsafe UInt32(table[Int(source[group * 4 + 2])])
      let d = unsafe UInt32(table[Int(source[group * 4 + 3])])
      let word = a << 18 | b << 12 | c << 6 | d
      unsafe target[group * 3] = UInt8(truncatingIfNeeded: word >> 16)
      unsafe target[group * 3 + 1] = UInt8(truncatingIfNeeded: word >> 8)
      unsafe target[group * 3 + 2] = UInt8(truncatingIfNeeded: word)
    }
    initialized = count - padding
  }
  return bytes
}

private let digitValues: [UInt8] = {
  var table = [UInt8](repeating: 0, count: 256)
  for (index, character) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated() {
    table[Int(character)] = UInt8(index)
  }
  return table
}()
