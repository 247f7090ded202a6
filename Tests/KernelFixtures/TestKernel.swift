/// A PVH kernel assembled by hand: 32-bit code at 1 MiB, one segment, one note.
package struct TestKernel {
  package static let address: UInt32 = 0x10_0000
  /// The code, which runs in 32-bit protected mode from its first byte.
  package private(set) var code: [UInt8] = []
  /// Memory the segment takes beyond what the file holds.
  package var zeroByteCount: UInt32 = 0

  /// Without code.
  package init() {}

  /// Where the next instruction goes.
  package var here: UInt32 { Self.address + UInt32(code.count) }

  /// Any instruction.
  package mutating func emit(_ bytes: UInt8...) { code += bytes }

  private mutating func opcode(_ opcode: UInt8, _ immediate: UInt32) {
    code.append(opcode)
    for shift in stride(from: 0, to: 32, by: 8) { code.append(UInt8(truncatingIfNeeded: immediate >> UInt32(shift))) }
  }

  /// mov dx, port; mov al, value; out dx, al
  package mutating func out(_ port: UInt16, _ value: UInt8) {
    emit(0x66, 0xba, UInt8(port & 0xff), UInt8(port >> 8), 0xb0, value, 0xee)
  }

  /// Sends a text to COM1 with one `rep outsb`; the text is put behind a jump.
  package mutating func print(_ text: String) {
    let bytes = Array(text.utf8)
    opcode(0xe9, UInt32(bytes.count))
    let start = here
    code += bytes
    print(at: start, count: UInt32(bytes.count))
  }

  /// mov esi, address; mov ecx, count; mov dx, 0x3f8; cld; rep outsb
  package mutating func print(at address: UInt32, count: UInt32) {
    opcode(0xbe, address)
    opcode(0xb9, count)
    emit(0x66, 0xba, 0xf8, 0x03, 0xfc, 0xf3, 0x6e)
  }

  /// mov eax, [address]
  package mutating func loadEAX(_ address: UInt32) { opcode(0xa1, address) }

  /// mov [address], eax
  package mutating func storeEAX(_ address: UInt32) { opcode(0xa3, address) }

  /// mov eax, value
  package mutating func setEAX(_ value: UInt32) { opcode(0xb8, value) }

  /// jmp $
  package mutating func loopForever() { emit(0xeb, 0xfe) }

  /// The ELF file.
  package func elf(is64: Bool = false) -> [UInt8] {
    var file = ELFBuilder(is64: is64)
    file.segments = [
      .load(address: UInt64(Self.address), bytes: code, memoryByteCount: UInt64(code.count) + UInt64(zeroByteCount)),
      .pvhNote(entry: UInt64(Self.address)),
    ]
    return file.bytes
  }
}
