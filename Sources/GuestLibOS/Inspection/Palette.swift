/// A colour as terminals number it, and as pages write it.
struct OwnerColour {
  /// Of xterm's 256.
  let terminal: UInt64
  /// Hexadecimal RGB.
  let web: StaticString
}

/// The colours of owners: those of environments come again after twelve.
enum Palette {
  /// Colours that environments have.
  static var count: Int { 12 }

  static func environment(_ number: UInt64) -> OwnerColour {
    switch number % UInt64(count) {
    case 0: OwnerColour(terminal: 75, web: "#5fafff")
    case 1: OwnerColour(terminal: 114, web: "#87d787")
    case 2: OwnerColour(terminal: 215, web: "#ffaf5f")
    case 3: OwnerColour(terminal: 204, web: "#ff5f87")
    case 4: OwnerColour(terminal: 141, web: "#af87ff")
    case 5: OwnerColour(terminal: 80, web: "#5fd7d7")
    case 6: OwnerColour(terminal: 221, web: "#ffd75f")
    case 7: OwnerColour(terminal: 169, web: "#d75faf")
    case 8: OwnerColour(terminal: 108, web: "#87af87")
    case 9: OwnerColour(terminal: 137, web: "#af875f")
    case 10: OwnerColour(terminal: 62, web: "#5f5fd7")
    default: OwnerColour(terminal: 209, web: "#ff875f")
    }
  }

  static var kernel: OwnerColour { OwnerColour(terminal: 245, web: "#8a8a8a") }
}
