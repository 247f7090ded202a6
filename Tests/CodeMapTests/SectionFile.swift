/// A 64-bit ELF file that is made of sections alone, right or wrong: what a code map is read from.
struct SectionFile {
  /// Code at 0x1000, so that addresses there count.
  private var sections: [(name: [UInt8], type: UInt32, flags: UInt64, address: UInt64, bytes: [UInt8])] = [
    ([], 0, 0, 0, []), (Array(".text".utf8), 1, 6, 0x1000, [UInt8](repeating: 0x90, count: 0x1000)),
  ]

  /// The file with those sections beside the code.
  static func of(_ sections: KeyValuePairs<String, [UInt8]>) -> [UInt8] {
    var file = SectionFile()
    for (name, bytes) in sections { file.add(name, bytes) }
    return file.bytes
  }

  mutating func add(_ name: String, _ bytes: [UInt8], flags: UInt64 = 0, address: UInt64 = 0) {
    sections.append((Array(name.utf8), 1, flags, address, bytes))
  }

  var bytes: [UInt8] {
    var names: [UInt8] = []
    var contents: [UInt8] = []
    var headers: [UInt8] = []
    for section in sections + [(Array(".shstrtab".utf8), 3, 0, 0, [])] {
      let place = names.count
      names += section.name + [0]
      let isLast = section.name == Array(".shstrtab".utf8)
      let bytes = isLast ? names : section.bytes
      headers += little(place, 4) + little(Int(section.type), 4) + little(Int(section.flags), 8)
      headers += little(Int(section.address), 8) + little(64 + contents.count, 8) + little(bytes.count, 8)
      headers += [UInt8](repeating: 0, count: 24)
      contents += bytes
    }
    var head: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
    head += little(2, 2) + little(62, 2) + little(1, 4) + little(0x1000, 8) + little(0, 8)
    head += little(64 + contents.count, 8) + little(0, 4) + little(64, 2) + little(0, 4) + little(64, 2)
    return head + little(sections.count + 1, 2) + little(sections.count, 2) + contents + headers
  }
}

/// `count` bytes of a number, the lowest first.
func little(_ value: Int, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 < 8 ? value >> (8 * $0) : 0) }
}

/// A section's entry with its length before it.
func counted(_ bytes: [UInt8]) -> [UInt8] { little(bytes.count, 4) + bytes }

/// The same bytes again and again.
func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
  var all: [UInt8] = []
  all.reserveCapacity(bytes.count * count)
  for _ in 0..<count { all += bytes }
  return all
}
