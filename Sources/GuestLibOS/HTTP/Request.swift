/// The methods, as far as the server tells them apart.
enum Method {
  case get
  case head
  /// A method that HTTP defines and this server does not offer.
  case notAllowed
  case unknown
}

/// One request, without its path, which is kept in a buffer of its own. Ranges are places in the bytes parsed.
struct Request {
  var method = Method.get
  /// False for HTTP/1.0.
  var isVersion11 = true
  var keepsConnection = true
  var contentLength: UInt64 = 0
  /// Set when the request is well-formed and yet refused; the connection can go on.
  var refusal: Status?
  var query: Range<Int>?

  var ifMatch: Range<Int>?
  var ifNoneMatch: Range<Int>?
  var ifModifiedSince: Int64?
  var ifUnmodifiedSince: Int64?
  var ifRange: Range<Int>?
  var range: ByteRange?
}
