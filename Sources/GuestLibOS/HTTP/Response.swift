import FileSystems

/// A response before it is written: status, and what the header fields say about the file.
struct Response {
  var status: Status
  var keepsConnection: Bool
  /// The response goes to an HTTP/1.0 client, which must be told that the connection stays.
  var isVersion10 = false
  /// The request was HEAD: no content follows, whatever the fields say.
  var omitsContent = false
  /// The file that the response is about.
  var file: FileExtent?
  /// The bytes of the file to send.
  var range: Range<UInt64> = 0..<0
  /// The time to state, if known.
  var date: Int64?
}

/// Writes heads and error pages into byte arrays, which keep their capacity from one response to the next.
enum ResponseWriter {
  /// Appends status line and header fields of a response that carries (or, for HEAD and 304, is about) a file.
  static func appendFileHead(_ response: Response, file: FileExtent, path: Span<UInt8>, to output: inout [UInt8]) {
    appendStatusLine(response, to: &output)
    if HTTPDate.canBeWritten(file.modificationTime) {
      output.append("Last-Modified: ")
      HTTPDate.append(file.modificationTime, to: &output)
      output.append("\r\n")
    }
    output.append("ETag: ")
    EntityTag(modificationTime: file.modificationTime, size: file.size).append(to: &output)
    output.append("\r\nAccept-Ranges: bytes\r\n")
    if response.status != .notModified {
      output.append("Content-Type: ")
      output.append(MediaType.forPath(path))
      output.append("\r\nContent-Length: ")
      output.append(decimal: UInt64(response.range.count))
      output.append("\r\n")
    }
    if response.status == .partialContent {
      output.append("Content-Range: bytes ")
      output.append(decimal: response.range.lowerBound)
      output.append("-")
      output.append(decimal: response.range.upperBound - 1)
      output.append("/")
      output.append(decimal: file.size)
      output.append("\r\n")
    }
    output.append("\r\n")
  }

  /// Appends a whole response without a file: an error, or the way to a directory (then `query` goes with it).
  static func appendPage(
    _ response: Response, path: Span<UInt8>, query: Span<UInt8>, page: inout [UInt8], to output: inout [UInt8]
  ) {
    appendStatusLine(response, to: &output)
    switch response.status {
    case .methodNotAllowed:
      output.append("Allow: GET, HEAD\r\n")
    case .movedPermanently:
      output.append("Location: ")
      appendDirectoryReference(path, query: query, to: &output)
      output.append("\r\n")
    case .rangeNotSatisfiable:
      output.append("Content-Range: bytes */")
      output.append(decimal: response.file?.size ?? 0)
      output.append("\r\n")
    default: break
    }
    page.removeAll(keepingCapacity: true)
    appendPageContent(response.status, path: path, to: &page)
    output.append("Content-Type: text/html; charset=utf-8\r\nContent-Length: ")
    output.append(decimal: UInt64(page.count))
    output.append("\r\n\r\n")
    if !response.omitsContent { output.append(contentsOf: page) }
  }

  private static func appendStatusLine(_ response: Response, to output: inout [UInt8]) {
    output.append("HTTP/1.1 ")
    output.append(decimal: UInt64(response.status.rawValue))
    output.append(" ")
    output.append(response.status.reason)
    output.append("\r\nServer: xokvm\r\n")
    if let date = response.date, HTTPDate.canBeWritten(date) {
      output.append("Date: ")
      HTTPDate.append(date, to: &output)
      output.append("\r\n")
    }
    if !response.keepsConnection {
      output.append("Connection: close\r\n")
    } else if response.isVersion10 {
      output.append("Connection: keep-alive\r\n")
    }
  }

  /// Longest path shown on an error page.
  private static let shownPathLength = 200

  private static func appendPageContent(_ status: Status, path: Span<UInt8>, to page: inout [UInt8]) {
    page.append("<!doctype html>\n<title>")
    page.append(decimal: UInt64(status.rawValue))
    page.append(" ")
    page.append(status.reason)
    page.append("</title>\n<h1>")
    page.append(status.reason)
    page.append("</h1>\n<p>")
    for index in 0..<min(path.count, shownPathLength) { append(escaped: path[index], to: &page) }
    if path.count > shownPathLength { page.append("...") }
    page.append("</p>\n")
  }

  private static func append(escaped byte: UInt8, to page: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "<"): page.append("&lt;")
    case UInt8(ascii: ">"): page.append("&gt;")
    case UInt8(ascii: "&"): page.append("&amp;")
    case ASCII.quote: page.append("&quot;")
    case UInt8(ascii: "'"): page.append("&#39;")
    case 0..<0x20, 0x7F: page.append("?")
    default: page.append(byte)
    }
  }

  /// Appends a reference to the directory `path`, from the root, with its slash. One leading slash and no more: two
  /// would name another host.
  private static func appendDirectoryReference(_ path: Span<UInt8>, query: Span<UInt8>, to output: inout [UInt8]) {
    var start = 0
    while start < path.count, path[start] == ASCII.slash { start += 1 }
    output.append(ASCII.slash)
    for index in start..<path.count {
      let byte = path[index]
      if ASCII.isDigit(byte) || ASCII.isLetter(byte) || isUnreservedInPath(byte) {
        output.append(byte)
      } else {
        output.append(UInt8(ascii: "%"))
        output.append(hexDigit: byte >> 4)
        output.append(hexDigit: byte & 15)
      }
    }
    output.append(ASCII.slash)
    if !query.isEmpty {
      output.append(UInt8(ascii: "?"))
      for index in query.indices { output.append(query[index]) }
    }
  }

  private static func isUnreservedInPath(_ byte: UInt8) -> Bool {
    switch byte {
    case ASCII.slash, ASCII.dot, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"),
      UInt8(ascii: "@"), UInt8(ascii: "="), UInt8(ascii: ","), UInt8(ascii: "!"), UInt8(ascii: "("), UInt8(ascii: ")"):
      true
    default: false
    }
  }
}
