/// An ELF executable's loadable segments and PVH entry, checked against the file (System V ABI, "Object Files"; 32- and
/// 64-bit).
public struct ELFImage: Sendable {
  /// One PT_LOAD segment: bytes of the file and zeroes after them, at a physical address.
  public struct Segment: Equatable, Sendable {
    /// Where in the file the bytes start.
    public let fileOffset: Int
    /// How many bytes the file holds.
    public let fileByteCount: Int
    /// Where in the guest they go (p_paddr).
    public let address: GuestAddress
    /// How much memory the segment takes; what the file does not hold is zero.
    public let memoryByteCount: Int
    /// The address after the last byte.
    public var end: UInt64 { address.rawValue + UInt64(memoryByteCount) }
  }

  /// The segments that take memory, ascending by address, without overlaps.
  public let segments: [Segment]
  /// Where the guest is entered in 32-bit protected mode: the note XEN_ELFNOTE_PHYS32_ENTRY, inside a segment.
  public let entry: UInt32
  /// The address after the last byte of the last segment.
  public var end: UInt64 { segments.last?.end ?? 0 }
  private let source: ImageSource

  /// Reads and checks the headers of `source`.
  public init(_ source: ImageSource) throws(BootError) {
    let name = source.name
    guard source.byteCount >= 16, try source.bytes(from: 0, byteCount: 4) == [0x7f, 0x45, 0x4c, 0x46] else {
      let start = try source.bytes(from: 0, byteCount: min(source.byteCount, FileFormat.prefixByteCount))
      throw .notELF(image: name, format: FileFormat.name(of: start))
    }
    let headers = try Self.programHeaders(source)
    var segments: [Segment] = []
    var entry: UInt64?
    // All notes together: any number of segments may share their bytes.
    var noteBytesLeft = 1 << 20
    for header in headers {
      guard let offset = Int(exactly: header.offset), let count = Int(exactly: header.fileByteCount),
        offset <= source.byteCount, count <= source.byteCount - offset
      else {
        // Segments of other kinds than these two are none of a loader's business, wherever they point.
        if header.type != ProgramHeader.load, header.type != ProgramHeader.note { continue }
        throw .truncated(image: name)
      }
      switch header.type {
      case ProgramHeader.load where header.memoryByteCount > 0:
        guard header.memoryByteCount >= header.fileByteCount else {
          throw .unsupportedELF(image: name, reason: "a file with a segment larger than its memory")
        }
        guard let memory = Int(exactly: header.memoryByteCount), header.address <= .max - header.memoryByteCount else {
          throw .outsideMemory(image: name, address: GuestAddress(header.address), byteCount: .max, memory: 0)
        }
        segments.append(
          Segment(
            fileOffset: offset, fileByteCount: count, address: GuestAddress(header.address), memoryByteCount: memory))
      case ProgramHeader.note where entry == nil && count <= noteBytesLeft:
        noteBytesLeft -= count
        let notes = try source.bytes(from: offset, byteCount: count)
        // The generic ABI aligns 64-bit notes to 8 bytes, most tools to 4; the segment's alignment says which.
        entry = Self.entry(in: notes, alignment: header.alignment == 8 ? 8 : 4)
      default: break
      }
    }
    segments.sort { $0.address < $1.address }
    for (lower, upper) in zip(segments, segments.dropFirst()) where lower.end > upper.address.rawValue {
      throw .overlappingSegments(image: name, address: upper.address)
    }
    guard let entry else { throw .noEntryNote(image: name) }
    guard let short = UInt32(exactly: entry),
      segments.contains(where: { $0.address.rawValue <= entry && entry < $0.end })
    else { throw .invalidEntry(image: name, address: entry) }
    self.segments = segments
    self.entry = short
    self.source = source
  }

  /// Copies the segments to their places in `memory`, whose bytes are zero.
  public func load(into memory: GuestMemory) throws(BootError) {
    for segment in segments {
      // The part that is zero must be memory, too; it is, already.
      guard memory.contains(segment.address, byteCount: segment.memoryByteCount) else {
        throw .outsideMemory(
          image: source.name, address: segment.address, byteCount: segment.memoryByteCount, memory: memory.byteCount)
      }
    }
    for segment in segments {
      try source.copy(from: segment.fileOffset, byteCount: segment.fileByteCount, to: memory, at: segment.address)
    }
  }

  // MARK: Headers

  private struct ProgramHeader {
    static let load: UInt32 = 1
    static let note: UInt32 = 4
    let type: UInt32
    let offset: UInt64
    let address: UInt64
    let fileByteCount: UInt64
    let memoryByteCount: UInt64
    let alignment: UInt64
  }

  private static func programHeaders(_ source: ImageSource) throws(BootError) -> [ProgramHeader] {
    let name = source.name
    let identification = try source.bytes(from: 0, byteCount: 16)
    let is64 = identification[4] == 2
    guard is64 || identification[4] == 1, identification[5] == 1 else {
      throw .unsupportedELF(image: name, reason: "a big-endian ELF file, or one of an unknown class")
    }
    guard source.byteCount >= (is64 ? 64 : 52) else { throw .truncated(image: name) }
    let file = try source.bytes(from: 0, byteCount: is64 ? 64 : 52)
    let type = file.integer(16, 2)
    let machine = file.integer(18, 2)
    // EM_386 is 3, EM_X86_64 is 62.
    guard machine == 62 || (machine == 3 && !is64) else {
      throw .unsupportedELF(image: name, reason: "an ELF file for machine \(machine), not for x86")
    }
    // ET_EXEC is 2, ET_DYN 3: a position-independent kernel is loaded where it was linked.
    guard type == 2 || type == 3 else {
      throw .unsupportedELF(image: name, reason: "an ELF file of type \(type), not an executable")
    }
    let start = is64 ? file.integer(32, 8) : file.integer(28, 4)
    let stride = file.integer(is64 ? 54 : 42, 2)
    let count = file.integer(is64 ? 56 : 44, 2)
    guard count > 0, stride >= (is64 ? 56 : 32) else {
      throw .unsupportedELF(image: name, reason: "an ELF file without program headers")
    }
    guard let offset = Int(exactly: start), offset <= source.byteCount else { throw .truncated(image: name) }
    let table = try source.bytes(from: offset, byteCount: Int(stride * count))
    return (0..<Int(count)).map { index in
      let at = index * Int(stride)
      return is64
        ? ProgramHeader(
          type: UInt32(truncatingIfNeeded: table.integer(at, 4)), offset: table.integer(at + 8, 8),
          address: table.integer(at + 24, 8), fileByteCount: table.integer(at + 32, 8),
          memoryByteCount: table.integer(at + 40, 8), alignment: table.integer(at + 48, 8))
        : ProgramHeader(
          type: UInt32(truncatingIfNeeded: table.integer(at, 4)), offset: table.integer(at + 4, 4),
          address: table.integer(at + 12, 4), fileByteCount: table.integer(at + 16, 4),
          memoryByteCount: table.integer(at + 20, 4), alignment: table.integer(at + 28, 4))
    }
  }

  /// The PVH entry in a run of notes: owner "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY), a 4- or 8-byte address.
  private static func entry(in notes: [UInt8], alignment: Int) -> UInt64? {
    var at = 0
    while at + 12 <= notes.count {
      let nameByteCount = Int(notes.integer(at, 4))
      let valueByteCount = Int(notes.integer(at + 4, 4))
      let nameStart = at + 12
      let valueStart = (nameStart + nameByteCount + alignment - 1) & -alignment
      guard valueStart + valueByteCount <= notes.count else { return nil }
      if notes.integer(at + 8, 4) == 18, nameByteCount == 4, notes.integer(nameStart, 4) == 0x006e_6558 {
        if valueByteCount == 4 || valueByteCount == 8 { return notes.integer(valueStart, valueByteCount) }
      }
      at = (valueStart + valueByteCount + alignment - 1) & -alignment
    }
    return nil
  }
}

extension [UInt8] {
  /// The little-endian integer of `byteCount` (at most 8) bytes at `offset`; missing bytes count as zero.
  fileprivate func integer(_ offset: Int, _ byteCount: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<byteCount where offset + index < count {
      value |= UInt64(self[offset + index]) << UInt64(8 * index)
    }
    return value
  }
}
