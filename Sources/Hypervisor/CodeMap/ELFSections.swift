/// The sections and symbols of a 64-bit ELF file (System V ABI, chapter 4).
struct ELFSections {
  /// A symbol of a function or without a type, as assembly files have them.
  struct Symbol {
    var name: String
    var value: UInt64
    var size: UInt64
  }

  private var sections: [String: ArraySlice<UInt8>] = [:]
  /// Address of each section.
  private(set) var addresses: [String: UInt64] = [:]
  /// Addresses of the sections that are loaded. Code may be in those that are not executable, too: the kernel's gate
  /// pages are data to it.
  private(set) var code = AddressRanges()
  /// What all who read the file share.
  let work: ReadingWork

  /// Reads the headers of `file`; there are no sections where they are damaged.
  init(_ file: [UInt8], work: ReadingWork) {
    self.work = work
    var head = ByteReader(file[...], work: work)
    guard file.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return }
    head.move(to: 40)
    let headers: UInt64 = head.integer()
    head.move(to: 58)
    let size: UInt16 = head.integer()
    let count: UInt16 = head.integer()
    let names: UInt16 = head.integer()
    func header(_ index: UInt16) -> (
      name: UInt32, type: UInt32, flags: UInt64, address: UInt64, offset: UInt64, size: UInt64
    )? {
      guard let place = Int(exactly: headers.addingClamped(UInt64(index) * UInt64(size))), place < file.count
      else { return nil }
      var reader = ByteReader(file[...], at: place, work: work)
      return (
        reader.integer(), reader.integer(), reader.integer(), reader.integer(), reader.integer(), reader.integer()
      )
    }
    func contents(_ offset: UInt64, _ size: UInt64) -> ArraySlice<UInt8> {
      guard offset <= UInt64(file.count), size <= UInt64(file.count) - offset else { return [] }
      return file[Int(offset)..<Int(offset + size)]
    }
    guard let nameHeader = header(names) else { return }
    let nameTable = contents(nameHeader.offset, nameHeader.size)
    var code: [Range<UInt64>] = []
    for index in 0..<count where !work.isSpent {
      guard let section = header(index) else { break }
      let name = ByteReader(nameTable, at: Int(section.name), work: work).tableText()
      // Sections of type NOBITS have no contents in the file.
      sections[name] = section.type == 8 ? [] : contents(section.offset, section.size)
      addresses[name] = section.address
      if section.flags & 2 != 0, section.size > 0 {
        work.spend(16)
        code.append(section.address..<section.address.addingClamped(section.size))
      }
    }
    self.code = AddressRanges(code)
  }

  /// A reader of a section.
  func reader(_ name: String, at offset: Int = 0) -> ByteReader { ByteReader(self[name], at: offset, work: work) }

  /// A section's contents; empty where there is none.
  subscript(name: String) -> ArraySlice<UInt8> { sections[name] ?? [] }

  /// Symbols in code, by their address.
  func codeSymbols() -> [Symbol] {
    var reader = reader(".symtab")
    var symbols: [Symbol] = []
    while !reader.isAtEnd {
      let name: UInt32 = reader.integer()
      let info: UInt8 = reader.integer()
      reader.skip(1)
      let section: UInt16 = reader.integer()
      let value: UInt64 = reader.integer()
      let size: UInt64 = reader.integer()
      // Functions, and symbols without a type that are no local labels.
      guard section != 0, name != 0, info & 0xf == 2 || info & 0xf == 0, code.contains(value)
      else { continue }
      let label = self.reader(".strtab", at: Int(name)).tableText()
      if !label.hasPrefix(".L"), !label.hasPrefix("$") || label.hasPrefix("$s") || label.hasPrefix("$e") {
        work.spend(16)
        symbols.append(Symbol(name: label, value: value, size: size))
      }
    }
    return symbols.sorted { $0.value < $1.value }
  }
}
