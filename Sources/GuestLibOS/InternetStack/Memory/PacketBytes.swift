/// A view of bytes of a packet, every access checked against its length.
///
/// It borrows memory that its maker keeps valid (the frame handed to `receive`, or a buffer of the stack); views are
/// passed down the call chain and never stored. Parsers check `count` first and then decode: an access outside is a
/// bug of the parser and stops the program, it never reads foreign memory.
@safe struct PacketBytes {
  private let memory: UnsafeRawBufferPointer

  /// Wraps memory that stays valid as long as the view is used.
  init(_ memory: UnsafeRawBufferPointer) { unsafe self.memory = unsafe memory }

  var count: Int { unsafe memory.count }

  /// The memory itself, for copies and sums over the whole view.
  var unsafeMemory: UnsafeRawBufferPointer { unsafe memory }

  func uint8(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < count)
    return unsafe memory.loadUnaligned(fromByteOffset: offset, as: UInt8.self)  // in bounds: checked above
  }

  func uint16(at offset: Int) -> UInt16 {
    precondition(offset >= 0 && offset <= count - 2)
    return UInt16(bigEndian: unsafe memory.loadUnaligned(fromByteOffset: offset, as: UInt16.self))  // checked above
  }

  func uint32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset <= count - 4)
    return UInt32(bigEndian: unsafe memory.loadUnaligned(fromByteOffset: offset, as: UInt32.self))  // checked above
  }

  func address(at offset: Int) -> IPv4Address { IPv4Address(value: uint32(at: offset)) }

  func hardwareAddress(at offset: Int) -> MACAddress {
    MACAddress(value: UInt64(uint16(at: offset)) << 32 | UInt64(uint32(at: offset + 2)))
  }

  /// The part from `offset` on, `length` bytes long; it must lie inside.
  func slice(from offset: Int, count length: Int) -> PacketBytes {
    precondition(offset >= 0 && length >= 0 && offset <= count && length <= count - offset)
    return unsafe PacketBytes(UnsafeRawBufferPointer(rebasing: memory[offset..<offset + length]))  // checked above
  }

  func slice(from offset: Int) -> PacketBytes { slice(from: offset, count: count - offset) }
}
