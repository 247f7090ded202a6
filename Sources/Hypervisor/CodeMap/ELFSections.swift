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
  private(set) var code: [Range<UInt64>] = []

  /// Reads the headers of `file`; there are no sections where they are damaged.
  init(_ file: [UInt8]) {
    var head = ByteReader(file[...])
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
      var reader = ByteReader(file[...], at: place)
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
    for index in 0..<count {
      guard let section = header(index) else { return }
      var reader = ByteReader(nameTable, at: Int(section.name))
      let name = reader.text()
      // Sections of type NOBITS have no contents in the file.
      sections[name] = section.type == 8 ? [] : contents(section.offset, section.size)
      addresses[name] = section.address
      if section.flags & 2 != 0, section.size > 0 {
        code.append(section.address..<section.address.addingClamped(section.size))
      }
    }
  }

  /// A section's contents; empty where there is none.
  subscript(name: String) -> ArraySlice<UInt8> { sections[name] ?? [] }

  /// Symbols in code, by their address.
  func codeSymbols() -> [Symbol] {
    let strings = self[".strtab"]
    var reader = ByteReader(self[".symtab"])
    var symbols: [Symbol] = []
    while !reader.isAtEnd {
      let name: UInt32 = reader.integer()
      let info: UInt8 = reader.integer()
      reader.skip(1)
      let section: UInt16 = reader.integer()
      let value: UInt64 = reader.integer()
      let size: UInt64 = reader.integer()
      // Functions, and symbols without a type that are no local labels.
      guard section != 0, name != 0, info & 0xf == 2 || info & 0xf == 0, code.contains(where: { $0.contains(value) })
      else { continue }
      var text = ByteReader(strings, at: Int(name))
      let label = text.text()
      if !label.hasPrefix(".L"), !label.hasPrefix("$") || label.hasPrefix("$s") || label.hasPrefix("$e") {
        symbols.append(Symbol(name: label, value: value, size: size))
      }
    }
    return symbols.sorted { $0.value < $1.value }
  }
}
