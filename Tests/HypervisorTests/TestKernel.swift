import Hypervisor

/// A PVH kernel assembled by hand: 32-bit code at 1 MiB, one segment, one note.
struct TestKernel {
  static let address: UInt32 = 0x10_0000
  /// The code, which runs in 32-bit protected mode from its first byte.
  private(set) var code: [UInt8] = []
  /// Memory the segment takes beyond what the file holds.
  var zeroByteCount: UInt32 = 0

  /// Where the next instruction goes.
  var here: UInt32 { Self.address + UInt32(code.count) }

  /// Any instruction.
  mutating func emit(_ bytes: UInt8...) { code += bytes }

  private mutating func opcode(_ opcode: UInt8, _ immediate: UInt32) {
    code.append(opcode)
    for shift in stride(from: 0, to: 32, by: 8) { code.append(UInt8(truncatingIfNeeded: immediate >> UInt32(shift))) }
  }

  /// mov dx, port; mov al, value; out dx, al
  mutating func out(_ port: UInt16, _ value: UInt8) {
    emit(0x66, 0xba, UInt8(port & 0xff), UInt8(port >> 8), 0xb0, value, 0xee)
  }

  /// Sends a text to COM1 with one `rep outsb`; the text is put behind a jump.
  mutating func print(_ text: String) {
    let bytes = Array(text.utf8)
    opcode(0xe9, UInt32(bytes.count))
    let start = here
    code += bytes
    print(at: start, count: UInt32(bytes.count))
  }

  /// mov esi, address; mov ecx, count; mov dx, 0x3f8; cld; rep outsb
  mutating func print(at address: UInt32, count: UInt32) {
    opcode(0xbe, address)
    opcode(0xb9, count)
    emit(0x66, 0xba, 0xf8, 0x03, 0xfc, 0xf3, 0x6e)
  }

  /// mov eax, [address]
  mutating func loadEAX(_ address: UInt32) { opcode(0xa1, address) }

  /// mov [address], eax
  mutating func storeEAX(_ address: UInt32) { opcode(0xa3, address) }

  /// mov eax, value
  mutating func setEAX(_ value: UInt32) { opcode(0xb8, value) }

  /// jmp $
  mutating func loopForever() { emit(0xeb, 0xfe) }

  /// The ELF file.
  func elf(is64: Bool = false) -> [UInt8] {
    var file = ELFBuilder(is64: is64)
    file.segments = [
      .load(address: UInt64(Self.address), bytes: code, memoryByteCount: UInt64(code.count) + UInt64(zeroByteCount)),
      .pvhNote(entry: UInt64(Self.address)),
    ]
    return file.bytes
  }

  /// A machine that boots the kernel, its console in `path`.
  func configuration(console path: String? = nil, modules: [(ImageSource, String)] = [], commandLine: String = "")
    -> MachineConfiguration
  {
    var configuration = MachineConfiguration(
      boot: BootConfiguration(
        kernel: ImageSource(elf(), name: "test kernel"), modules: modules.map { (image: $0.0, commandLine: $0.1) },
        commandLine: commandLine))
    configuration.memoryByteCount = 16 << 20
    configuration.console = path.map { .file(path: $0) } ?? .none
    // No test waits for ever.
    configuration.timeLimit = 10_000_000_000
    return configuration
  }
}

/// Writes ELF files, right or wrong.
struct ELFBuilder {
  struct Segment {
    var type: UInt32
    var address: UInt64
    var bytes: [UInt8]
    var memoryByteCount: UInt64
    var alignment: UInt64
    /// Replaces what the header says of the bytes' place.
    var fileOffset: UInt64?
    var fileByteCount: UInt64?

    static func load(address: UInt64, bytes: [UInt8], memoryByteCount: UInt64? = nil) -> Segment {
      Segment(
        type: 1, address: address, bytes: bytes, memoryByteCount: memoryByteCount ?? UInt64(bytes.count),
        alignment: 4096)
    }

    /// A note segment with the PVH entry, behind a note of another owner.
    static func pvhNote(entry: UInt64, valueByteCount: Int = 4, alignment: UInt64 = 4) -> Segment {
      var bytes: [UInt8] = []
      func pad() { while bytes.count % Int(alignment) != 0 { bytes.append(0) } }
      func note(_ name: [UInt8], _ type: UInt64, _ value: [UInt8]) {
        bytes += little(UInt64(name.count), 4) + little(UInt64(value.count), 4) + little(type, 4) + name
        pad()
        bytes += value
        pad()
      }
      note(Array("GNU\0".utf8), 3, [1, 2, 3, 4, 5])
      note(Array("Xen\0".utf8), 18, little(entry, valueByteCount))
      return Segment(
        type: 4, address: 0, bytes: bytes, memoryByteCount: UInt64(bytes.count), alignment: alignment)
    }
  }

  var is64 = false
  var machine: UInt64 = 62
  var type: UInt64 = 2
  var segments: [Segment] = []

  static func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  var bytes: [UInt8] {
    let word = is64 ? 8 : 4
    let headerByteCount = is64 ? 64 : 52
    let stride = is64 ? 56 : 32
    func little(_ value: UInt64, _ count: Int) -> [UInt8] { Self.little(value, count) }
    var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1] + [UInt8](repeating: 0, count: 9)
    file +=
      little(type, 2) + little(machine, 2) + little(1, 4) + little(0, word) + little(UInt64(headerByteCount), word)
    file += little(0, word) + little(0, 4) + little(UInt64(headerByteCount), 2)
    file += little(UInt64(stride), 2) + little(UInt64(segments.count), 2) + little(0, 6)
    var offset = headerByteCount + stride * segments.count
    var contents: [UInt8] = []
    for segment in segments {
      let place = segment.fileOffset ?? UInt64(offset)
      let size = segment.fileByteCount ?? UInt64(segment.bytes.count)
      if is64 {
        file += little(UInt64(segment.type), 4) + little(7, 4) + little(place, 8) + little(segment.address, 8)
        file += little(segment.address, 8) + little(size, 8) + little(segment.memoryByteCount, 8)
        file += little(segment.alignment, 8)
      } else {
        file += little(UInt64(segment.type), 4) + little(place, 4) + little(segment.address, 4)
        file += little(segment.address, 4) + little(size, 4) + little(segment.memoryByteCount, 4) + little(7, 4)
        file += little(segment.alignment, 4)
      }
      contents += segment.bytes
      offset += segment.bytes.count
    }
    return file + contents
  }
}
