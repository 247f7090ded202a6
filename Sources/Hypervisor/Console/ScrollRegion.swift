/// Whether what was written to a terminal leaves a part of it to scroll alone: DECSTBM of the VT100,
/// `ESC [ TOP ; BOTTOM r`, sets that part, and without numbers gives the whole height back.
struct ScrollRegion {
  private enum Place {
    case text
    case escape
    /// Behind `ESC [`, with or without a number so far.
    case parameters(hasNumber: Bool)
  }

  /// A part scrolls alone.
  private(set) var isSet = false
  private var place = Place.text

  /// Takes what is written next.
  mutating func take(_ byte: UInt8) {
    switch (place, byte) {
    case (_, 0x1b): place = .escape
    case (.text, _): break
    case (.escape, UInt8(ascii: "[")): place = .parameters(hasNumber: false)
    case (.parameters, UInt8(ascii: "0")...UInt8(ascii: "9")): place = .parameters(hasNumber: true)
    case (.parameters, UInt8(ascii: ";")): break
    case (.parameters(let hasNumber), UInt8(ascii: "r")):
      isSet = hasNumber
      place = .text
    default: place = .text
    }
  }
}
