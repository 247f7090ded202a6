/// The symbols of a 64-bit ELF file (System V ABI, chapter 4, "Symbol Table").
public struct SymbolTable: Sendable {
  private var symbols: [(name: String, value: UInt64)] = []

  /// Reads the symbols of `image`; there are none where the image is malformed or stripped.
  public init(of image: [UInt8]) {
    func load<Value: FixedWidthInteger>(_: Value.Type, _ offset: UInt64) -> Value? {
      guard let start = Int(exactly: offset), start <= image.count - MemoryLayout<Value>.size else { return nil }
      return (0..<MemoryLayout<Value>.size).reduce(0) { $0 | Value(image[start + $1]) << (8 * $1) }
    }
    guard image.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]), let headers = load(UInt64.self, 40),
      let size = load(UInt16.self, 58), let count = load(UInt16.self, 60)
    else { return }
    func header(_ index: UInt64) -> UInt64 { headers &+ index &* UInt64(size) }
    for index in 0..<UInt64(count) where load(UInt32.self, header(index) &+ 4) == 2 {
      guard let start = load(UInt64.self, header(index) &+ 24), let bytes = load(UInt64.self, header(index) &+ 32),
        let link = load(UInt32.self, header(index) &+ 40), let names = load(UInt64.self, header(UInt64(link)) &+ 24)
      else { return }
      for entry in 0..<min(bytes / 24, 1 << 20) {
        let place = start &+ entry &* 24
        guard let name = load(UInt32.self, place), let value = load(UInt64.self, place &+ 8),
          let first = Int(exactly: names &+ UInt64(name)), first < image.count
        else { return }
        symbols.append((String(decoding: image[first...].prefix { $0 != 0 }.prefix(256), as: UTF8.self), value))
      }
    }
  }

  /// The address of a symbol.
  public subscript(name: String) -> UInt64? {
    symbols.first { $0.name == name }?.value
  }
}
