extension CodeMap {
  /// Reads what an ELF file tells of its code: symbols, and DWARF's lines, inlined calls and call frames where it has
  /// them. Damaged files give a map with less in it; those that cost more than `limit` give none.
  public init(elf file: [UInt8], within limit: Limit = .none) throws(ReadingError) {
    self.init()
    guard file.count <= limit.byteCount else { throw .tooLarge(byteCount: file.count, limit: limit.byteCount) }
    let work = ReadingWork(limit: limit.steps)
    read(ELFSections(file, work: work))
    guard !work.isSpent else { throw .tooMuchWork(limit: limit.steps) }
  }

  private mutating func read(_ sections: ELFSections) {
    var table = NameTable()
    func isCode(_ address: UInt64) -> Bool { sections.code.contains(address) }

    let code = DebugEntries(sections).code()
    var isKnown: Set<UInt64> = []
    for entry in code where entry.call == nil {
      guard let name = entry.name else { continue }
      for range in entry.ranges where isCode(range.lowerBound) && isKnown.insert(range.lowerBound).inserted {
        functions.append(Function(range: range, name: table.number(of: name)))
      }
    }
    addSymbols(sections, &isKnown, &table)
    functions.sort { $0.range.lowerBound < $1.range.lowerBound }
    for entry in code {
      guard let call = entry.call else { continue }
      let name = entry.name.map { table.number(of: $0) } ?? -1
      for range in entry.ranges where isCode(range.lowerBound) {
        inlinedCalls.append(
          InlinedCall(
            range: range, name: name, callFile: table.number(of: call.file), callLine: call.line, depth: entry.depth))
      }
    }
    inlinedCalls.sort { ($0.range.lowerBound, $0.depth) < ($1.range.lowerBound, $1.depth) }
    addLines(sections, &table)
    names = table.names
    for rule in CallFrames(sections).rules().enumerated().sorted(by: { ($0.1.address, $0.0) < ($1.1.address, $1.0) })
      .map(\.element) where isCode(rule.address) || rule.frame == nil
    {
      // The end of one function is often the start of the next.
      if unwindRules.last?.address == rule.address { unwindRules.removeLast() }
      unwindRules.append(rule)
    }
  }

  /// Functions that only symbols tell of: assembly, and languages whose units were passed over. One without a size ends
  /// at the next.
  private mutating func addSymbols(_ sections: ELFSections, _ isKnown: inout Set<UInt64>, _ table: inout NameTable) {
    let symbols = sections.codeSymbols()
    let starts = (symbols.map(\.value) + functions.map(\.range.lowerBound)).sorted()
    for symbol in symbols where isKnown.insert(symbol.value).inserted {
      let sectionEnd = sections.code.range(of: symbol.value)?.upperBound ?? symbol.value
      let next = starts.partition { $0 > symbol.value }
      let end =
        symbol.size != 0
        ? symbol.value.addingClamped(symbol.size) : min(sectionEnd, next < starts.count ? starts[next] : sectionEnd)
      guard end > symbol.value else { continue }
      functions.append(Function(range: symbol.value..<end, name: table.number(of: Self.functionName(symbol.name))))
    }
  }

  private mutating func addLines(_ sections: ELFSections, _ table: inout NameTable) {
    // Rows of one address: the last one counts, but the end of a sequence gives way to the next one's start.
    let rows = LineProgram(sections).rows().enumerated()
      .sorted { ($0.1.address, $0.1.isEnd ? 0 : 1, $0.0) < ($1.1.address, $1.1.isEnd ? 0 : 1, $1.0) }
    for (_, row) in rows {
      let line = Line(address: row.address, file: row.line == 0 ? 0 : table.number(of: row.file), line: row.line)
      if lines.last?.address == line.address { lines.removeLast() }
      if let last = lines.last, last.line == line.line, last.file == line.file { continue }
      lines.append(line)
    }
  }

  /// A mangled name's own part as it is written in Swift; other names as they are. Swift mangles identifiers with their
  /// length before them (docs/ABI/Mangling.rst): the module's, then those of types, each with its kind behind it, then
  /// the function's own, and behind that its labels and types. `s` stands for the module Swift, `S` and a letter for
  /// one of its types.
  static func functionName(_ symbol: String) -> String {
    guard symbol.hasPrefix("$s") || symbol.hasPrefix("$e") else { return symbol }
    var rest = Array(symbol.utf8)[2...]
    var name: ArraySlice<UInt8>?
    if rest.first == UInt8(ascii: "s") {
      rest.removeFirst()
    } else if rest.first == UInt8(ascii: "S"), rest.count > 1 {
      rest.removeFirst(2)
    } else {
      name = identifier(&rest)
    }
    while let next = identifier(&rest) {
      name = next
      // Behind a private name stands what tells its file from others.
      if rest.starts(with: "33_".utf8) { rest = rest.dropFirst(35).drop { $0 == UInt8(ascii: "L") } }
      guard let letter = rest.first, "VCO".utf8.contains(letter) else { break }
      rest.removeFirst()
    }
    return name.map { String(decoding: $0, as: UTF8.self) } ?? symbol
  }

  /// Takes an identifier and its length off the start of `rest`; nil, and nothing is taken, where there is none.
  private static func identifier(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard let length = Int(String(decoding: digits, as: UTF8.self)), length > 0, digits.first != 0x30,
      length <= rest.count - digits.count
    else { return nil }
    let identifier = rest.dropFirst(digits.count).prefix(length)
    rest = rest.dropFirst(digits.count + length)
    return identifier
  }
}

/// Names and their numbers while a map is made.
struct NameTable {
  private(set) var names: [String] = []
  private var numbers: [String: Int] = [:]

  mutating func number(of name: String) -> Int {
    if let known = numbers[name] { return known }
    numbers[name] = names.count
    names.append(name)
    return names.count - 1
  }
}
