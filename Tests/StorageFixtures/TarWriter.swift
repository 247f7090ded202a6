/// Makes archives header by header, well-formed or not.
package struct TarWriter {
  package var bytes: [UInt8] = []

  package init() {}

  package static func header(
    name: String, size: UInt64 = 0, type: Character = "0", link: String = "", prefix: String = "",
    magic: [UInt8] = Array("ustar\u{0}00".utf8), time: UInt64 = 0
  ) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ text: [UInt8], _ offset: Int) { block.replaceSubrange(offset..<(offset + text.count), with: text) }
    put(Array(name.utf8), 0)
    put(Array("0000644".utf8), 100)
    put(octal(size, 11), 124)
    put(octal(time, 11), 136)
    block[156] = type.asciiValue ?? 0
    put(Array(link.utf8), 157)
    put(magic, 257)
    put(Array(prefix.utf8), 345)
    return sealed(block)
  }

  package static func octal(_ value: UInt64, _ digits: Int) -> [UInt8] {
    let text = String(value, radix: 8)
    return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
  }

  /// The header with the right checksum.
  package static func sealed(_ header: [UInt8]) -> [UInt8] {
    var block = header
    block.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
    let sum = block.reduce(0) { $0 + UInt64($1) }
    block.replaceSubrange(148..<156, with: octal(sum, 6) + [0, 0x20])
    return block
  }

  package mutating func add(_ header: [UInt8], data: [UInt8] = []) {
    bytes += header + data
    bytes += [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
  }

  package mutating func file(_ name: String, _ data: [UInt8], prefix: String = "", time: UInt64 = 0) {
    add(Self.header(name: name, size: UInt64(data.count), prefix: prefix, time: time), data: data)
  }

  package mutating func pax(_ records: [(String, String)], type: Character = "x") {
    var data: [UInt8] = []
    for (key, value) in records {
      let rest = " \(key)=\(value)\n".utf8.count
      var length = rest + 1
      while "\(length)".utf8.count + rest != length { length += 1 }
      data += Array("\(length) \(key)=\(value)\n".utf8)
    }
    add(Self.header(name: "././@PaxHeader", size: UInt64(data.count), type: type), data: data)
  }

  /// The archive with its end.
  package func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
