/// Memory of fixed size in which frames are built or parked; every access is checked against its size.
@safe final class FrameBuffer {
  private let memory: UnsafeMutableRawBufferPointer

  /// Allocates a buffer of `count` zero bytes.
  init(count: Int) {
    unsafe memory = .allocate(byteCount: count, alignment: 16)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe memory.deallocate() }  // owned by this object alone; views never outlive a call into the stack

  var count: Int { unsafe memory.count }

  func set(_ value: UInt8, at offset: Int) {
    precondition(offset >= 0 && offset < count)
    unsafe memory.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)  // in bounds: checked above
  }

  func set(_ value: UInt16, at offset: Int) {
    precondition(offset >= 0 && offset <= count - 2)
    unsafe memory.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)  // checked above
  }

  func set(_ value: UInt32, at offset: Int) {
    precondition(offset >= 0 && offset <= count - 4)
    unsafe memory.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)  // checked above
  }

  func set(_ address: IPv4Address, at offset: Int) { set(address.value, at: offset) }

  func set(_ address: MACAddress, at offset: Int) {
    set(UInt16(truncatingIfNeeded: address.value >> 32), at: offset)
    set(UInt32(truncatingIfNeeded: address.value), at: offset + 2)
  }

  func clear(from offset: Int, count length: Int) {
    precondition(offset >= 0 && length >= 0 && offset <= count && length <= count - offset)
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + length])
      .initializeMemory(as: UInt8.self, repeating: 0)  // in bounds: checked above
  }

  /// Copies `bytes` to `offset`; they must fit.
  func copy(_ bytes: PacketBytes, to offset: Int) { unsafe copy(bytes.unsafeMemory, to: offset) }

  /// Copies `bytes` to `offset`; they must fit.
  func copy(_ bytes: UnsafeRawBufferPointer, to offset: Int) {
    precondition(offset >= 0 && offset <= count && bytes.count <= count - offset)
    guard let source = bytes.baseAddress, let base = unsafe memory.baseAddress else { return }
    unsafe (base + offset).copyMemory(from: source, byteCount: bytes.count)  // in bounds: checked above
  }

  /// A view of a part, valid until the buffer is next written.
  func bytes(from offset: Int, count length: Int) -> PacketBytes {
    precondition(offset >= 0 && length >= 0 && offset <= count && length <= count - offset)
    return unsafe PacketBytes(UnsafeRawBufferPointer(rebasing: memory[offset..<offset + length]))  // checked above
  }
}
