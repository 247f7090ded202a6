/// Parses the head of a request (RFC 9112 sections 2 to 6, strictly; a bare line feed ends a line, as section 2.2
/// allows).
enum RequestParser {
  /// What matters of the fields until all are seen.
  private struct Fields {
    var hosts = 0
    var contentLengths = 0
    var contentLength: UInt64 = 0
    var transferCodings = TransferCodings()
    /// `Expect` names something else than `100-continue`.
    var expectsOther = false
    var closes = false
    var keepsAlive = false
    var ranges = 0
  }

  /// Parses `head`, a range of `bytes` that a `HeadScanner` found, into `request` and the decoded `path`.
  ///
  /// Throws the status to answer with when the request is malformed or its end cannot be told: the connection must be
  /// closed then. `request.method` is set as soon as it is known, for the sake of HEAD.
  static func parse(
    _ bytes: Span<UInt8>, _ head: Range<Int>, request: inout Request, path: inout [UInt8]
  ) throws(Status) {
    request = Request()
    path.removeAll(keepingCapacity: true)
    var cursor = head.lowerBound
    let line = nextLine(bytes, head.upperBound, &cursor)
    let target = try parseRequestLine(bytes, line, &request)

    var fields = Fields()
    while true {
      let line = nextLine(bytes, head.upperBound, &cursor)
      if line.isEmpty { break }
      try parseField(bytes, line, &request, &fields)
    }

    guard fields.hosts == 1 || !request.isVersion11 && fields.hosts == 0 else { throw .badRequest }
    request.content = try content(fields, isVersion11: request.isVersion11)
    request.keepsConnection = !fields.closes && (request.isVersion11 || fields.keepsAlive)
    if fields.ranges > 1 || request.method != .get { request.range = nil }
    try parseTarget(bytes, target, &request, &path)
    // In 1.0 there are no expectations, and without content nothing to wait with (RFC 9110 section 10.1.1).
    if request.isVersion11, fields.expectsOther { request.refusal = .expectationFailed }
    if !request.isVersion11 || request.content == .none { request.expectsContinue = false }
  }

  /// How the content ends, as RFC 9112 section 6.3 says.
  private static func content(_ fields: Fields, isVersion11: Bool) throws(Status) -> RequestContent {
    guard fields.contentLengths <= 1 else { throw .badRequest }
    if fields.transferCodings.isPresent {
      // Together with a length, or in 1.0, it is a sign of request smuggling (RFC 9112 section 6.1).
      guard fields.contentLengths == 0, isVersion11 else { throw .badRequest }
      try fields.transferCodings.check()
      return .chunked
    }
    return fields.contentLength > 0 ? .length(fields.contentLength) : .none
  }

  private static func parseTarget(
    _ bytes: Span<UInt8>, _ target: Range<Int>, _ request: inout Request, _ path: inout [UInt8]
  ) throws(Status) {
    switch request.method {
    case .notAllowed: request.refusal = .methodNotAllowed
    case .unknown: request.refusal = .notImplemented
    case .get, .head:
      do throws(Status) {
        request.query = try RequestTarget.decode(bytes, target, into: &path)
      } catch .notFound {
        request.refusal = .notFound
      } catch {
        throw error
      }
    }
  }

  /// The bytes of the line at `cursor` without its end; moves the cursor behind it.
  private static func nextLine(_ bytes: Span<UInt8>, _ limit: Int, _ cursor: inout Int) -> Range<Int> {
    let start = cursor
    var end = start
    while end < limit, bytes[end] != ASCII.lineFeed { end += 1 }
    cursor = min(end + 1, limit)
    if end > start, bytes[end - 1] == ASCII.carriageReturn { end -= 1 }
    return start..<end
  }

  // MARK: - Request line

  private static func parseRequestLine(
    _ bytes: Span<UInt8>, _ line: Range<Int>, _ request: inout Request
  ) throws(Status) -> Range<Int> {
    var index = line.lowerBound
    while index < line.upperBound, ASCII.isTokenCharacter(bytes[index]) { index += 1 }
    guard index > line.lowerBound, index < line.upperBound, bytes[index] == ASCII.space else { throw .badRequest }
    request.method = method(bytes.extracting(line.lowerBound..<index))
    let start = index + 1
    index = start
    while index < line.upperBound, bytes[index] > ASCII.space, bytes[index] != 0x7F { index += 1 }
    guard index > start, index < line.upperBound, bytes[index] == ASCII.space else { throw .badRequest }
    let version = bytes.extracting((index + 1)..<line.upperBound)
    guard version.count == 8, ASCII.equal(version.extracting(0..<5), "HTTP/"), ASCII.isDigit(version[5]),
      version[6] == ASCII.dot, ASCII.isDigit(version[7])
    else { throw .badRequest }
    guard version[5] == UInt8(ascii: "1") else { throw .httpVersionNotSupported }
    request.isVersion11 = version[7] != UInt8(ascii: "0")
    return start..<index
  }

  private static func method(_ name: Span<UInt8>) -> Method {
    if ASCII.equal(name, "GET") { return .get }
    if ASCII.equal(name, "HEAD") { return .head }
    let others =
      ASCII.equal(name, "POST") || ASCII.equal(name, "PUT") || ASCII.equal(name, "DELETE")
      || ASCII.equal(name, "OPTIONS") || ASCII.equal(name, "PATCH") || ASCII.equal(name, "TRACE")
      || ASCII.equal(name, "CONNECT")
    return others ? .notAllowed : .unknown
  }

  // MARK: - Fields

  private static func parseField(
    _ bytes: Span<UInt8>, _ line: Range<Int>, _ request: inout Request, _ fields: inout Fields
  ) throws(Status) {
    var colon = line.lowerBound
    while colon < line.upperBound, ASCII.isTokenCharacter(bytes[colon]) { colon += 1 }
    // This refuses continuation lines and spaces before the colon too (sections 5.1 and 5.2).
    guard colon > line.lowerBound, colon < line.upperBound, bytes[colon] == UInt8(ascii: ":") else { throw .badRequest }
    for index in colon..<line.upperBound where !ASCII.isFieldCharacter(bytes[index]) { throw .badRequest }
    let name = bytes.extracting(line.lowerBound..<colon)
    let place = ASCII.trim(bytes, (colon + 1)..<line.upperBound)
    let value = bytes.extracting(place)

    if ASCII.equalIgnoringCase(name, "host") {
      fields.hosts += 1
      guard value.isEmpty || isAuthority(value) else { throw .badRequest }
    } else if ASCII.equalIgnoringCase(name, "connection") {
      var cursor = 0
      while let option = ASCII.nextElement(value, cursor: &cursor) {
        if ASCII.equalIgnoringCase(value.extracting(option), "close") { fields.closes = true }
        if ASCII.equalIgnoringCase(value.extracting(option), "keep-alive") { fields.keepsAlive = true }
      }
    } else if ASCII.equalIgnoringCase(name, "content-length") {
      fields.contentLengths += 1
      guard let length = ASCII.decimal(value) else { throw .badRequest }
      fields.contentLength = length
    } else if ASCII.equalIgnoringCase(name, "transfer-encoding") {
      fields.transferCodings.take(value)
    } else if ASCII.equalIgnoringCase(name, "expect") {
      var cursor = 0
      while let place = ASCII.nextElement(value, cursor: &cursor) {
        if ASCII.equalIgnoringCase(value.extracting(place), "100-continue") {
          request.expectsContinue = true
        } else {
          fields.expectsOther = true
        }
      }
    } else if ASCII.equalIgnoringCase(name, "range") {
      fields.ranges += 1
      request.range = ByteRange(value)
    } else {
      parseCondition(name, value, place, &request)
    }
  }

  /// Conditions that come twice or are not understood are as if absent, which at worst sends a file once too often.
  private static func parseCondition(
    _ name: Span<UInt8>, _ value: Span<UInt8>, _ place: Range<Int>, _ request: inout Request
  ) {
    if ASCII.equalIgnoringCase(name, "if-none-match") {
      request.ifNoneMatch = request.ifNoneMatch == nil ? place : 0..<0
    } else if ASCII.equalIgnoringCase(name, "if-modified-since") {
      request.ifModifiedSince = HTTPDate.parse(value)
    } else if ASCII.equalIgnoringCase(name, "if-match") {
      request.ifMatch = place
    } else if ASCII.equalIgnoringCase(name, "if-unmodified-since") {
      request.ifUnmodifiedSince = HTTPDate.parse(value)
    } else if ASCII.equalIgnoringCase(name, "if-range") {
      request.ifRange = request.ifRange == nil ? place : 0..<0
    }
  }

  /// True when `value` is made of what a host and port may contain (RFC 3986 section 3.2, without user information).
  static func isAuthority(_ value: Span<UInt8>) -> Bool {
    for index in value.indices {
      let byte = value[index]
      if ASCII.isDigit(byte) || ASCII.isLetter(byte) { continue }
      switch byte {
      case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"),
        UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
        UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"),
        UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
        continue
      default: return false
      }
    }
    return true
  }
}
