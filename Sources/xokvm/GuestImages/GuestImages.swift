import BootArchive

/// The images that the command carries: what `xokvm boot` starts when it is given nothing else.
public enum GuestImages {
  /// The exokernel, an ELF file with a PVH entry.
  public static func kernel() -> [UInt8] { decoded(kernelImage) }

  /// The boot archive: a ustar archive of programs, each page-aligned.
  public static func programs() -> [UInt8] { decoded(programsImage) }
}

/// The bytes that a static string holds as `SevenBitText` writes it.
public func decoded(_ text: StaticString) -> [UInt8] {
  // Safe: a static string's bytes are constant.
  unsafe SevenBitText.bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
