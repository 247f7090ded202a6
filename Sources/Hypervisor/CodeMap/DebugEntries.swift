/// The entries of functions and inlined calls in an ELF file (DWARF 4, sections 2 and 3). Units of other versions are
/// passed over: what is known of their code are symbols and lines.
struct DebugEntries {
  /// A function's code or an inlined call's.
  struct Code {
    var ranges: [Range<UInt64>]
    var name: String?
    /// File and line of the call; nil for a function.
    var call: (file: String, line: Int)?
    var depth: Int
  }

  private let sections: ELFSections
  private let lines: LineProgram

  init(_ sections: ELFSections) {
    self.sections = sections
    lines = LineProgram(sections)
  }

  private struct Abbreviation {
    var tag: UInt64
    var hasChildren: Bool
    var attributes: [(name: UInt64, form: UInt64)]
  }

  /// An entry's attributes that count here.
  private struct Entry {
    var tag: UInt64 = 0
    var name: String?
    var origin: UInt64?
    var low: UInt64?
    var high: UInt64?
    var highIsLength = false
    var ranges: UInt64?
    var callFile = 0
    var callLine = 0
    var statementList: UInt64?
  }

  /// Functions and inlined calls whose code the linker has kept.
  func code() -> [Code] {
    var all: [Code] = []
    var reader = sections.reader(".debug_info")
    while !reader.isAtEnd {
      let start = reader.offset
      let length: UInt32 = reader.integer()
      guard length < 0xffff_fff0 else { break }
      let end = reader.offset + Int(length)
      let version: UInt16 = reader.integer()
      if version == 4 || version == 3 {
        let abbreviations: UInt32 = reader.integer()
        reader.skip(1)
        var unit = reader.limited(to: end)
        all += code(&unit, unitStart: start, self.abbreviations(at: Int(abbreviations)))
      }
      reader.move(to: end)
    }
    return all
  }

  private func code(_ reader: inout ByteReader, unitStart: Int, _ abbreviations: [UInt64: Abbreviation]) -> [Code] {
    var entries: [(entry: Entry, depth: Int)] = []
    /// Names by the entry's place in the section, and where an entry without a name has it from.
    var names: [UInt64: String] = [:]
    var origins: [UInt64: UInt64] = [:]
    var depth = 0
    var files: [String] = []
    while !reader.isAtEnd {
      let place = UInt64(reader.offset)
      let number = reader.unsigned()
      guard number != 0 else {
        depth -= 1
        if depth <= 0 { break }
        continue
      }
      guard let abbreviation = abbreviations[number], let entry = entry(&reader, abbreviation, UInt64(unitStart)) else {
        break
      }
      if let list = entry.statementList { files = lines.files(at: list) }
      if let name = entry.name { names[place] = name } else if let origin = entry.origin { origins[place] = origin }
      if entry.tag == 0x2e || entry.tag == 0x1d {
        sections.work.spend(32)
        entries.append((entry, depth))
      }
      if abbreviation.hasChildren { depth += 1 }
    }
    return entries.compactMap { entry, depth in
      let ranges = ranges(of: entry)
      guard !ranges.isEmpty else { return nil }
      var name = entry.name
      var origin = entry.origin
      // A declaration's definition's instance: three steps at most.
      for _ in 0..<4 where name == nil {
        guard let place = origin else { break }
        name = names[place]
        origin = origins[place]
      }
      let file = files.indices.contains(entry.callFile) ? files[entry.callFile] : ""
      return Code(ranges: ranges, name: name, call: entry.tag == 0x1d ? (file, entry.callLine) : nil, depth: depth)
    }
  }

  private func ranges(of entry: Entry) -> [Range<UInt64>] {
    if let low = entry.low, let high = entry.high {
      let end = entry.highIsLength ? low.addingClamped(high) : high
      return low != 0 && end > low ? [low..<end] : []
    }
    guard let list = entry.ranges, let offset = Int(exactly: list) else { return [] }
    var reader = sections.reader(".debug_ranges", at: offset)
    var ranges: [Range<UInt64>] = []
    // Inlined code has no base but 0: units that have several ranges say so.
    while !reader.isAtEnd {
      let start: UInt64 = reader.integer()
      let end: UInt64 = reader.integer()
      if start == 0, end == 0 { break }
      // Addresses of what the linker has left out are small.
      if start != .max, start > 0xfff, end > start { ranges.append(start..<end) }
    }
    return ranges
  }

  private func abbreviations(at offset: Int) -> [UInt64: Abbreviation] {
    var table: [UInt64: Abbreviation] = [:]
    var reader = sections.reader(".debug_abbrev", at: offset)
    while !reader.isAtEnd {
      let number = reader.unsigned()
      guard number != 0 else { break }
      var abbreviation = Abbreviation(
        tag: reader.unsigned(), hasChildren: reader.integer(UInt8.self) != 0, attributes: [])
      while !reader.isAtEnd {
        let name = reader.unsigned()
        let form = reader.unsigned()
        if name == 0, form == 0 { break }
        abbreviation.attributes.append((name, form))
      }
      table[number] = abbreviation
    }
    return table
  }

  /// Reads one entry's attributes; nil where a form is unknown, behind which nothing can be read.
  private func entry(_ reader: inout ByteReader, _ abbreviation: Abbreviation, _ unitStart: UInt64) -> Entry? {
    var entry = Entry()
    entry.tag = abbreviation.tag
    // There are attributes without bytes.
    sections.work.spend(abbreviation.attributes.count)
    for (attribute, form) in abbreviation.attributes where !reader.isAtEnd {
      var number: UInt64 = 0
      var text: String?
      switch form {
      case 0x01, 0x07, 0x20: number = reader.integer()
      case 0x0b, 0x0c, 0x11: number = UInt64(reader.integer(UInt8.self))
      case 0x05, 0x12: number = UInt64(reader.integer(UInt16.self))
      case 0x06, 0x13, 0x17, 0x10: number = UInt64(reader.integer(UInt32.self))
      case 0x0e:
        let offset: UInt32 = reader.integer()
        if attribute == 0x03 {
          text = sections.reader(".debug_str", at: Int(offset)).tableText()
        }
      case 0x14: number = reader.integer()
      case 0x08: text = reader.text()
      case 0x0d: number = UInt64(bitPattern: reader.signed())
      case 0x0f, 0x15: number = reader.unsigned()
      case 0x0a: reader.skip(UInt64(reader.integer(UInt8.self)))
      case 0x03: reader.skip(UInt64(reader.integer(UInt16.self)))
      case 0x04: reader.skip(UInt64(reader.integer(UInt32.self)))
      case 0x09, 0x18: reader.skip(reader.unsigned())
      case 0x19: number = 1
      default: return nil
      }
      switch attribute {
      case 0x03: entry.name = text
      case 0x10: entry.statementList = number
      case 0x11: entry.low = number
      case 0x12:
        entry.high = number
        entry.highIsLength = form != 0x01
      // References within the unit, but for DW_FORM_ref_addr.
      case 0x31, 0x47: entry.origin = form == 0x10 ? number : number &+ unitStart
      case 0x55: entry.ranges = number
      case 0x58: entry.callFile = Int(truncatingIfNeeded: number)
      case 0x59: entry.callLine = Int(truncatingIfNeeded: number & 0x7fff_ffff)
      default: break
      }
    }
    return entry
  }
}
