/// Gives an ELF file other sections than it has, right or wrong: what it loads stays as it is.
package struct SectionAppender {
  /// A section with bytes of its own, or with no more than a range of addresses.
  package struct Section {
    var name: String
    var isLoaded: Bool
    var address: UInt64
    var byteCount: UInt64
    var bytes: [UInt8]

    /// Bytes that only readers of the file see.
    package static func data(_ name: String, _ bytes: [UInt8]) -> Section {
      Section(name: name, isLoaded: false, address: 0, byteCount: UInt64(bytes.count), bytes: bytes)
    }

    /// Addresses that are code.
    package static func code(_ range: Range<UInt64>) -> Section {
      Section(
        name: ".text", isLoaded: true, address: range.lowerBound, byteCount: range.upperBound - range.lowerBound,
        bytes: [])
    }
  }

  /// The symbol table and its strings of one function at those addresses, which has that name.
  package static func function(_ name: [UInt8], _ range: Range<UInt64>) -> [Section] {
    let symbol = ELFBuilder.little(1, 4) + [2, 0, 1, 0] + ELFBuilder.little(range.lowerBound, 8)
    return [
      .code(range), .data(".symtab", symbol + ELFBuilder.little(range.upperBound - range.lowerBound, 8)),
      .data(".strtab", [0] + name + [0]),
    ]
  }

  /// `image`, a 64-bit file, with those sections.
  package static func file(_ image: [UInt8], with sections: [Section]) -> [UInt8] {
    func little(_ value: UInt64, _ count: Int) -> [UInt8] { ELFBuilder.little(value, count) }
    var file = image
    var names: [UInt8] = [0]
    var headers = [UInt8](repeating: 0, count: 64)
    for section in sections + [.data(".shstrtab", [])] {
      let name = names.count
      names += Array(section.name.utf8) + [0]
      let isLast = section.name == ".shstrtab"
      // NOBITS, or bytes of the file; loaded and executable, or neither.
      headers += little(UInt64(name), 4) + little(section.isLoaded ? 8 : 1, 4) + little(section.isLoaded ? 6 : 0, 8)
      headers += little(section.address, 8) + little(UInt64(file.count), 8)
      headers += little(isLast ? UInt64(names.count) : section.byteCount, 8) + [UInt8](repeating: 0, count: 24)
      file += isLast ? names : section.bytes
    }
    file.replaceSubrange(40..<48, with: little(UInt64(file.count), 8))
    file.replaceSubrange(58..<60, with: little(64, 2))
    file.replaceSubrange(60..<62, with: little(UInt64(sections.count + 2), 2))
    file.replaceSubrange(62..<64, with: little(UInt64(sections.count + 1), 2))
    return file + headers
  }
}
