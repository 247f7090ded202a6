/// The transfer codings of a request, from all its `Transfer-Encoding` lines in their order (RFC 9112 sections 6.1, 6.3
/// and 7).
struct TransferCodings {
  /// There was such a field.
  private(set) var isPresent = false
  private var endsChunked = false
  private var chunkedCount = 0
  private var hasOther = false
  private var isMalformed = false

  /// Takes the value of one field line.
  mutating func take(_ value: Span<UInt8>) {
    isPresent = true
    var cursor = 0
    while let place = ASCII.nextElement(value, cursor: &cursor) {
      let coding = value.extracting(place)
      var end = 0
      while end < coding.count, ASCII.isTokenCharacter(coding[end]) { end += 1 }
      endsChunked = ASCII.equalIgnoringCase(coding.extracting(0..<end), "chunked")
      if endsChunked {
        chunkedCount += 1
        // It has no parameters.
        if end < coding.count { isMalformed = true }
      } else {
        hasOther = true
        if end == 0 { isMalformed = true }
      }
    }
  }

  /// Throws the status of a request whose content has no end that everybody must see alike, or a coding that is not
  /// known here. The connection must be closed then.
  func check() throws(Status) {
    guard isPresent else { return }
    guard endsChunked, chunkedCount == 1, !isMalformed else { throw .badRequest }
    if hasOther { throw .notImplemented }
  }
}
