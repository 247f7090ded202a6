import BootArchive

/// The images that the command carries: what `xokvm boot` starts when it is given nothing else.
public enum GuestImages {
  /// The exokernel, an ELF file with a PVH entry.
  public static func kernel() -> [UInt8] { decoded(kernelImage) }

  /// The boot archive: a ustar archive of programs, each page-aligned.
  public static func programs() -> [UInt8] { decoded(programsImage) }

  /// Names of the programs in that archive, and where each lies.
  public static func programPlaces() -> [(name: String, range: Range<Int>)] {
    BootArchive.places(byteCount: byteCount(of: programsImage)) { decoded(programsImage, $0) }
  }

  /// The code map of a program of that archive, or of the kernel, as `CodeMap.encoded`; nil where there is none of that
  /// name. Read where something has crashed, and not before.
  public static func codeMap(of name: String) -> [UInt8]? {
    let archive = name == "kernel" ? decoded(kernelMaps) : decoded(programsMaps)
    return BootArchive.files(in: archive).first { $0.name == name }?.contents
  }

  /// A part of that archive: who needs one program need not wait for all of them.
  public static func programs(in range: Range<Int>) -> [UInt8] { decoded(programsImage, range) }
}

/// The bytes that a static string holds as `SevenBitText` writes it.
public func decoded(_ text: StaticString) -> [UInt8] { decoded(text, 0..<byteCount(of: text)) }

private func decoded(_ text: StaticString, _ range: Range<Int>) -> [UInt8] {
  // Safe: a static string's bytes are constant.
  unsafe SevenBitText.bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), in: range)
}

private func byteCount(of text: StaticString) -> Int {
  // Safe: as above.
  unsafe SevenBitText.byteCount(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
