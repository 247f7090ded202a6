/// The methods, as far as the server tells them apart.
enum Method {
  case get
  case head
  /// A method that HTTP defines and this server does not offer.
  case notAllowed
  case unknown
}

/// How the content of a request ends (RFC 9112 section 6.3).
enum RequestContent: Equatable {
  case none
  /// After so many bytes, at least one.
  case length(UInt64)
  /// After the last chunk and the trailer section.
  case chunked
}

/// One request, without its path, which is kept in a buffer of its own. Ranges are places in the bytes parsed.
struct Request {
  var method = Method.get
  /// False for HTTP/1.0.
  var isVersion11 = true
  var keepsConnection = true
  var content = RequestContent.none
  /// The client waits for `100 Continue` or a final status before it sends the content.
  var expectsContinue = false
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
