/// Bytes of physical memory that nobody changes during boot: the command line, the archive. Reads past the end give
/// zero.
@safe struct PhysicalBytes {
  let address: UInt64
  let count: UInt64
  private let base: UnsafeRawPointer

  /// `count` bytes at `address`, which the caller has checked to be inside memory.
  init<Platform: Hardware>(_ address: UInt64, count: UInt64, in hardware: Platform) {
    self.address = address
    self.count = count
    unsafe base = UnsafeRawPointer(hardware.memory(at: address))
  }

  @inline(__always) subscript(index: UInt64) -> UInt8 {
    // Safe: the index is checked.
    index < count ? unsafe base.load(fromByteOffset: Int(truncatingIfNeeded: index), as: UInt8.self) : 0
  }

  /// The little-endian value at `offset`; zero where it passes the end.
  @inline(__always) func load<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type, at offset: UInt64) -> Value {
    guard offset <= count, UInt64(MemoryLayout<Value>.size) <= count &- offset else { return 0 }
    // Safe: the range is checked.
    return unsafe base.loadUnaligned(fromByteOffset: Int(truncatingIfNeeded: offset), as: Value.self)
  }

  /// True where the bytes at `offset` are `text`.
  func matches(_ text: StaticString, at offset: UInt64) -> Bool {
    for index in 0..<text.utf8CodeUnitCount {
      // Safe: the index is inside the static string.
      guard unsafe text.utf8Start[index] == self[offset &+ UInt64(index)] else { return false }
    }
    return true
  }
}
