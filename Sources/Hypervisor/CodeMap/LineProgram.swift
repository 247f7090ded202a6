/// The line number programs of an ELF file (DWARF 4 and 5, section 6.2), executed.
struct LineProgram {
  /// A row of the table that a program makes.
  struct Row {
    var address: UInt64
    var file: String
    var line: Int
    var isEnd: Bool
  }

  private let sections: ELFSections

  init(_ sections: ELFSections) { self.sections = sections }

  /// Everything that stands before a program's instructions.
  struct Header {
    var version: UInt16 = 0
    var instructionLength: UInt8 = 1
    var lineBase: Int8 = 0
    var lineRange: UInt8 = 1
    var operandCounts: [UInt8] = []
    var files: [String] = []
    var end = 0
  }

  /// Rows of all programs, without those of code that the linker has left out.
  func rows() -> [Row] {
    var rows: [Row] = []
    var reader = sections.reader(".debug_line")
    while !reader.isAtEnd {
      guard let header = header(&reader) else { break }
      var program = reader.limited(to: header.end)
      run(&program, header, &rows)
      reader.move(to: header.end)
    }
    return rows
  }

  /// Names of the files of the program at `offset`, as the entries of its unit number them.
  func files(at offset: UInt64) -> [String] {
    guard let offset = Int(exactly: offset) else { return [] }
    var reader = sections.reader(".debug_line", at: offset)
    return header(&reader)?.files ?? []
  }

  private func header(_ reader: inout ByteReader) -> Header? {
    var header = Header()
    let length: UInt32 = reader.integer()
    guard length < 0xffff_fff0 else { return nil }
    header.end = reader.offset + Int(length)
    header.version = reader.integer()
    guard (2...5).contains(header.version) else { return nil }
    if header.version >= 5 { reader.skip(2) }
    let headerLength: UInt32 = reader.integer()
    let start = reader.offset + Int(headerLength)
    header.instructionLength = reader.integer()
    if header.version >= 4 { reader.skip(1) }
    reader.skip(1)
    header.lineBase = reader.integer()
    header.lineRange = max(1, reader.integer())
    let base: UInt8 = reader.integer()
    header.operandCounts = (0..<Int(max(1, base)) - 1).map { _ in reader.integer() }
    if header.version >= 5 {
      header.files = entries(&reader, skipping: true)
    } else {
      while !reader.text().isEmpty {}
      header.files = [""]
      while true {
        let name = reader.text()
        guard !name.isEmpty else { break }
        for _ in 0..<3 { _ = reader.unsigned() }
        header.files.append(baseName(name))
      }
    }
    reader.move(to: start)
    return header
  }

  /// The directory table, and the file table behind it, of version 5: described by themselves.
  private func entries(_ reader: inout ByteReader, skipping directories: Bool) -> [String] {
    let formatCount: UInt8 = reader.integer()
    let formats = (0..<formatCount).map { _ in (reader.unsigned(), reader.unsigned()) }
    let count = reader.unsigned()
    var names: [String] = []
    for _ in 0..<min(count, 1 << 20) {
      guard !reader.isAtEnd else { break }
      // Files without a format cost their number.
      sections.work.spend(8)
      var name = ""
      for (content, form) in formats {
        switch form {
        case 0x08:
          name =
            content == 1
            ? reader.text()
            : {
              _ = reader.text(); return name
            }()
        case 0x1f, 0x0e:
          let offset: UInt32 = reader.integer()
          if content == 1 {
            name = sections.reader(form == 0x1f ? ".debug_line_str" : ".debug_str", at: Int(offset)).tableText()
          }
        case 0x0b: reader.skip(1)
        case 0x05: reader.skip(2)
        case 0x06: reader.skip(4)
        case 0x07: reader.skip(8)
        case 0x0f: _ = reader.unsigned()
        case 0x1e: reader.skip(16)
        default: return names
        }
      }
      names.append(baseName(name))
    }
    return directories ? entries(&reader, skipping: false) : names
  }

  private func baseName(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

  private func run(_ reader: inout ByteReader, _ header: Header, _ rows: inout [Row]) {
    // The state machine's registers.
    var address: UInt64 = 0
    var file = 1
    var line = 1
    var sequence: [Row] = []
    func name() -> String { header.files.indices.contains(file) ? header.files[file] : "" }
    func append(isEnd: Bool) {
      sections.work.spend(16)
      sequence.append(Row(address: address, file: name(), line: isEnd ? 0 : max(0, line), isEnd: isEnd))
    }
    let base = UInt8(truncatingIfNeeded: header.operandCounts.count + 1)
    func advance(_ operation: UInt64) { address = address &+ operation &* UInt64(header.instructionLength) }
    while !reader.isAtEnd {
      let code: UInt8 = reader.integer()
      switch code {
      case base...:
        let adjusted = code - base
        advance(UInt64(adjusted / header.lineRange))
        line = line &+ Int(header.lineBase) &+ Int(adjusted % header.lineRange)
        append(isEnd: false)
      case 0:
        let length = reader.unsigned()
        let end = Int(min(UInt64(Int.max), UInt64(reader.offset).addingClamped(length)))
        let extended: UInt8 = reader.integer()
        switch extended {
        case 1:
          append(isEnd: true)
          // The linker gives code that it leaves out the address 0.
          if let first = sequence.first, first.address != 0 { rows += sequence }
          (address, file, line, sequence) = (0, 1, 1, [])
        case 2: address = reader.integer()
        default: break
        }
        reader.move(to: end)
      case 1: append(isEnd: false)
      case 2: advance(reader.unsigned())
      case 3: line = line &+ Int(truncatingIfNeeded: reader.signed())
      case 4: file = Int(truncatingIfNeeded: reader.unsigned())
      case 8: advance(UInt64((255 - base) / header.lineRange))
      case 9: address = address &+ UInt64(reader.integer(UInt16.self))
      default: for _ in 0..<header.operandCounts[Int(code) - 1] { _ = reader.unsigned() }
      }
    }
  }
}
