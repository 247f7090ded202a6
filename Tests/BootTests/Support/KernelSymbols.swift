import GuestImages

/// The symbols of the bundled kernel: what its enemies can know as well.
enum KernelSymbols {
  /// The value of symbol `name`, or 0.
  static func address(of name: String) -> UInt64 {
    let image = GuestImages.kernel()
    func value(_ offset: UInt64, _ byteCount: UInt64) -> UInt64 {
      (0..<byteCount).reduce(0) { $0 | UInt64(image[Int(offset + $1)]) << (8 * $1) }
    }
    let sections = value(40, 8)
    for section in (0..<value(60, 2)).map({ sections + $0 * 64 }) where value(section + 4, 4) == 2 {
      let strings = value(sections + value(section + 40, 4) * 64 + 24, 8)
      let table = value(section + 24, 8)
      for symbol in stride(from: table, to: table + value(section + 32, 8), by: 24) {
        let start = Int(strings + value(symbol, 4))
        if image[start...].prefix(while: { $0 != 0 }).elementsEqual(name.utf8) { return value(symbol + 8, 8) }
      }
    }
    return 0
  }
}
