/// Reads content in the chunked transfer coding away (RFC 9112 section 7.1), piece by piece as it comes.
///
/// Strict where leniency would let two parties see different ends of a request: every line ends with CR LF, a size has
/// nothing but hexadecimal digits before its extensions, a trailer line is a field line. Extensions and trailers are
/// dropped.
struct ChunkedReader {
  enum Outcome: Equatable {
    case incomplete
    /// The last chunk and the trailer section have been read.
    case complete
    case malformed
    /// More content than is read away, or more beside it than a head may have.
    case tooLong
  }

  private enum State {
    /// In a chunk's size; at its first digit, or behind one.
    case sizeStart, size
    /// Behind a size, in white space that an extension must follow; in an extension.
    case beforeExtension, chunkExtension
    case sizeLineFeed
    case data
    case dataCarriageReturn, dataLineFeed
    /// At the start of a line of the trailer section, in a field's name, in its value.
    case trailerStart, trailerName, trailerValue
    case trailerLineFeed, lastLineFeed
    case ended(Outcome)
  }

  private var state = State.sizeStart
  /// Of the chunk at hand: its size as far as read, or what is left of its data.
  private var chunkLeft: UInt64 = 0
  /// Content that may still come.
  private var contentLeft: UInt64
  /// Bytes of extensions, trailers and leading zeros that may still come. What else is beside the data is bounded by
  /// the data.
  private var overheadLeft: Int

  /// A reader of at most `content` bytes of data, and of `overhead` bytes of extensions, trailers and zeros before
  /// sizes.
  init(content: UInt64 = 0, overhead: Int = 0) {
    contentLeft = content
    overheadLeft = overhead
  }

  /// Reads on through `range` of `bytes`; tells what came of it and where it stopped, which is before the end only when
  /// it is over.
  mutating func read(_ bytes: Span<UInt8>, _ range: Range<Int>) -> (outcome: Outcome, end: Int) {
    var index = range.lowerBound
    while index < range.upperBound {
      if case .data = state {
        let count = min(UInt64(range.upperBound - index), chunkLeft)
        chunkLeft -= count
        index += Int(truncatingIfNeeded: count)
        if chunkLeft == 0 { state = .dataCarriageReturn }
        continue
      }
      state = next(bytes[index])
      index += 1
      if case .ended(let outcome) = state { return (outcome, index) }
    }
    return (.incomplete, index)
  }

  private mutating func next(_ byte: UInt8) -> State {
    switch state {
    case .sizeStart:
      chunkLeft = 0
      return ASCII.hexValue(byte).map { takeDigit($0) } ?? .ended(.malformed)
    case .size:
      if let digit = ASCII.hexValue(byte) { return takeDigit(digit) }
      if byte == ASCII.carriageReturn { return .sizeLineFeed }
      return extensionBegins(byte)
    case .beforeExtension: return extensionBegins(byte)
    case .chunkExtension:
      return byte == ASCII.carriageReturn ? .sizeLineFeed : overhead(byte, then: .chunkExtension)
    case .sizeLineFeed: return byte == ASCII.lineFeed ? beginChunk() : .ended(.malformed)
    case .dataCarriageReturn: return byte == ASCII.carriageReturn ? .dataLineFeed : .ended(.malformed)
    case .dataLineFeed: return byte == ASCII.lineFeed ? .sizeStart : .ended(.malformed)
    case .trailerStart:
      if byte == ASCII.carriageReturn { return .lastLineFeed }
      return ASCII.isTokenCharacter(byte) ? overhead(byte, then: .trailerName) : .ended(.malformed)
    case .trailerName:
      if byte == UInt8(ascii: ":") { return overhead(byte, then: .trailerValue) }
      return ASCII.isTokenCharacter(byte) ? overhead(byte, then: .trailerName) : .ended(.malformed)
    case .trailerValue:
      return byte == ASCII.carriageReturn ? .trailerLineFeed : overhead(byte, then: .trailerValue)
    case .trailerLineFeed: return byte == ASCII.lineFeed ? .trailerStart : .ended(.malformed)
    case .lastLineFeed: return .ended(byte == ASCII.lineFeed ? .complete : .malformed)
    case .data, .ended: return state
    }
  }

  /// No size overflows: one that is beyond what may come ends the reading.
  private mutating func takeDigit(_ digit: UInt8) -> State {
    chunkLeft = chunkLeft << 4 | UInt64(digit)
    if chunkLeft > min(contentLeft, UInt64.max >> 4) { return .ended(.tooLong) }
    return chunkLeft == 0 ? overhead(UInt8(ascii: "0"), then: .size) : .size
  }

  private mutating func extensionBegins(_ byte: UInt8) -> State {
    switch byte {
    case UInt8(ascii: ";"): overhead(byte, then: .chunkExtension)
    case ASCII.space, ASCII.tab: overhead(byte, then: .beforeExtension)
    default: .ended(.malformed)
    }
  }

  /// One byte beside the content, of those that a field's value may have.
  private mutating func overhead(_ byte: UInt8, then next: State) -> State {
    guard ASCII.isFieldCharacter(byte) else { return .ended(.malformed) }
    overheadLeft -= 1
    return overheadLeft < 0 ? .ended(.tooLong) : next
  }

  private mutating func beginChunk() -> State {
    contentLeft -= chunkLeft
    return chunkLeft == 0 ? .trailerStart : .data
  }
}
