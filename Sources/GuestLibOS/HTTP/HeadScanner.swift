/// Finds the end of a request's head in bytes that arrive piece by piece, looking at each byte once.
struct HeadScanner {
  enum Outcome {
    /// The bytes of the request line and the header fields, with the empty line that ends them.
    case complete(Range<Int>)
    case incomplete
    /// The bytes cannot begin a request.
    case invalid
  }

  private var scanned = 0
  private var lineStart = 0
  private var headStart = 0
  /// Lines that have ended, empty ones before the request line not counted.
  private(set) var lines = 0

  /// Looks at the bytes up to `count` that it has not seen.
  mutating func scan(_ bytes: Span<UInt8>, count: Int) -> Outcome {
    while scanned < count {
      let byte = bytes[scanned]
      scanned += 1
      guard byte == ASCII.lineFeed else {
        // What no request can begin with (such as a TLS handshake) need not be waited out.
        if lines == 0, scanned == headStart + 1, byte != ASCII.carriageReturn, !ASCII.isTokenCharacter(byte) {
          return .invalid
        }
        continue
      }
      let length = scanned - 1 - lineStart
      let isEmpty = length == 0 || length == 1 && bytes[lineStart] == ASCII.carriageReturn
      lineStart = scanned
      if !isEmpty {
        lines += 1
      } else if lines > 0 {
        return .complete(headStart..<scanned)
      } else {
        // Empty lines before a request are passed over (RFC 9112 section 2.2).
        headStart = scanned
      }
    }
    return .incomplete
  }
}
