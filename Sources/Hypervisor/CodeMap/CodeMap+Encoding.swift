extension CodeMap {
  /// First bytes of an encoded map; the last one counts the versions of the format.
  private static let magic: [UInt8] = Array("xokvmap".utf8) + [1]

  /// The map in few bytes: numbers of seven bits a byte, addresses as differences.
  public var encoded: [UInt8] {
    var writer = MapWriter(bytes: Self.magic)
    writer.number(names.count)
    for name in names {
      writer.number(name.utf8.count)
      writer.bytes += name.utf8
    }
    writer.list(functions, address: \.range.lowerBound) { writer, function in
      writer.put(function.range.upperBound &- function.range.lowerBound)
      writer.number(function.name)
    }
    writer.list(lines, address: \.address) { writer, line in
      writer.number(line.file)
      writer.number(line.line)
    }
    writer.list(inlinedCalls, address: \.range.lowerBound) { writer, call in
      writer.put(call.range.upperBound &- call.range.lowerBound)
      writer.number(call.name + 1)
      writer.number(call.callFile)
      writer.number(call.callLine)
      writer.number(call.depth)
    }
    writer.list(unwindRules, address: \.address) { writer, rule in
      writer.number(rule.isInterrupt ? 1 : 0)
      writer.number(rule.frame.map { $0.register + 1 } ?? 0)
      if let frame = rule.frame { writer.put(signed: frame.offset) }
      writer.number(rule.saved.count)
      for saved in rule.saved {
        writer.number(saved.register)
        writer.put(signed: saved.offset)
      }
    }
    return writer.bytes
  }

  /// Reads what `encoded` wrote; nil where `bytes` are something else or end too early.
  public init?(encoded bytes: [UInt8]) {
    self.init()
    guard bytes.starts(with: Self.magic) else { return nil }
    var reader = MapReader(reader: ByteReader(bytes[...], at: Self.magic.count), limit: bytes.count)
    for _ in 0..<reader.count() { names.append(reader.text()) }
    func name(_ index: Int) -> Int? { names.indices.contains(index) ? index : nil }
    functions = reader.list { reader, address in
      let length = reader.put()
      return name(reader.number()).map { Function(range: address..<address.addingClamped(length), name: $0) }
    }
    lines = reader.list { reader, address in
      let file = reader.number()
      let line = reader.number()
      return line == 0 || name(file) != nil ? Line(address: address, file: file, line: line) : nil
    }
    inlinedCalls = reader.list { reader, address in
      let length = reader.put()
      let called = reader.number() - 1
      let file = reader.number()
      let line = reader.number()
      let depth = reader.number()
      guard called < names.count, name(file) != nil else { return nil }
      return InlinedCall(
        range: address..<address.addingClamped(length), name: called, callFile: file, callLine: line, depth: depth)
    }
    unwindRules = reader.list { reader, address in
      let isInterrupt = reader.number() != 0
      let register = reader.number() - 1
      let frame = register < 0 ? nil : UnwindRule.Frame(register: register, offset: reader.signed())
      let saved = (0..<reader.count()).map { _ in
        UnwindRule.Saved(register: reader.number(), offset: reader.signed())
      }
      return UnwindRule(address: address, frame: frame, saved: saved, isInterrupt: isInterrupt)
    }
    guard reader.isWhole else { return nil }
  }
}

private struct MapWriter {
  var bytes: [UInt8]

  mutating func put(_ value: UInt64) {
    var rest = value
    while rest > 0x7f {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
  mutating func number(_ value: Int) { put(UInt64(max(0, value))) }
  /// The sign goes into the lowest bit.
  mutating func put(signed value: Int64) { put(UInt64(bitPattern: value << 1 ^ value >> 63)) }

  mutating func list<Element>(
    _ elements: [Element], address: (Element) -> UInt64, _ write: (inout MapWriter, Element) -> Void
  ) {
    number(elements.count)
    var last: UInt64 = 0
    for element in elements {
      put(address(element) &- last)
      last = address(element)
      write(&self, element)
    }
  }
}

private struct MapReader {
  var reader: ByteReader
  /// No list has more elements than there are bytes.
  let limit: Int
  private var isBroken = false

  init(reader: ByteReader, limit: Int) {
    self.reader = reader
    self.limit = limit
  }

  var isWhole: Bool { !isBroken }

  mutating func put() -> UInt64 {
    if reader.isAtEnd { isBroken = true }
    return reader.unsigned()
  }
  mutating func number() -> Int { Int(put() & 0x7fff_ffff) }
  mutating func count() -> Int {
    let value = number()
    if value > limit { isBroken = true }
    return isBroken ? 0 : value
  }
  mutating func signed() -> Int64 {
    let value = put()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }
  mutating func text() -> String {
    let length = count()
    return String(decoding: (0..<length).map { _ in reader.integer(UInt8.self) }, as: UTF8.self)
  }

  mutating func list<Element>(_ read: (inout MapReader, UInt64) -> Element?) -> [Element] {
    var elements: [Element] = []
    var last: UInt64 = 0
    for _ in 0..<count() where !isBroken {
      last = last &+ put()
      if let element = read(&self, last) { elements.append(element) } else { isBroken = true }
    }
    return elements
  }
}
