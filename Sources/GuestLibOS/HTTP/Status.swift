/// The status codes this server answers with (RFC 9110 section 15, RFC 6585 section 5).
public enum Status: UInt16, Error, Sendable {
  /// The file follows.
  case ok = 200
  /// Part of the file follows.
  case partialContent = 206
  /// A directory was asked for without its slash.
  case movedPermanently = 301
  /// The client's copy is good.
  case notModified = 304
  /// The request is malformed.
  case badRequest = 400
  /// The path names no file.
  case notFound = 404
  /// The method is not GET or HEAD.
  case methodNotAllowed = 405
  /// The request did not come to its end in time.
  case requestTimeout = 408
  /// `If-Match` or `If-Unmodified-Since` does not hold.
  case preconditionFailed = 412
  /// The request's content is longer than is read away.
  case contentTooLarge = 413
  /// The request line does not fit.
  case uriTooLong = 414
  /// The range lies behind the end of the file.
  case rangeNotSatisfiable = 416
  /// The request expects something else than `100-continue`.
  case expectationFailed = 417
  /// The header fields do not fit.
  case requestHeaderFieldsTooLarge = 431
  /// The file could not be read.
  case internalServerError = 500
  /// The method or transfer coding is not known.
  case notImplemented = 501
  /// The request is not of HTTP/1.
  case httpVersionNotSupported = 505

  /// The phrase that goes with the code.
  public var reason: StaticString {
    switch self {
    case .ok: "OK"
    case .partialContent: "Partial Content"
    case .movedPermanently: "Moved Permanently"
    case .notModified: "Not Modified"
    case .badRequest: "Bad Request"
    case .notFound: "Not Found"
    case .methodNotAllowed: "Method Not Allowed"
    case .requestTimeout: "Request Timeout"
    case .preconditionFailed: "Precondition Failed"
    case .contentTooLarge: "Content Too Large"
    case .uriTooLong: "URI Too Long"
    case .rangeNotSatisfiable: "Range Not Satisfiable"
    case .expectationFailed: "Expectation Failed"
    case .requestHeaderFieldsTooLarge: "Request Header Fields Too Large"
    case .internalServerError: "Internal Server Error"
    case .notImplemented: "Not Implemented"
    case .httpVersionNotSupported: "HTTP Version Not Supported"
    }
  }
}
