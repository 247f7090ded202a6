/// Takes apart the target of a GET or HEAD request (RFC 9112 section 3.2, RFC 3986).
enum RequestTarget {
  /// Decodes the path of the target in `target` (a range of `bytes`) into `path`; gives the range of the query.
  ///
  /// `path` begins with a slash. A target that is not in origin or absolute form, an escape that is none, a NUL and a
  /// segment `..` are bad requests. An escaped slash is part of a name, which no file here can have: not found.
  static func decode(
    _ bytes: Span<UInt8>, _ target: Range<Int>, into path: inout [UInt8]
  ) throws(Status) -> Range<Int>? {
    path.removeAll(keepingCapacity: true)
    guard !target.isEmpty else { throw .badRequest }
    var index = target.lowerBound
    if bytes[index] != ASCII.slash {
      index = try endOfAuthority(bytes, target)
      if index == target.upperBound || bytes[index] != ASCII.slash { path.append(ASCII.slash) }
    }
    var segment = path.count
    var query: Range<Int>?
    while index < target.upperBound {
      var byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "?"):
        query = index..<target.upperBound
        for position in index..<target.upperBound where !isTargetCharacter(bytes[position]) { throw .badRequest }
        index = target.upperBound
        continue
      case UInt8(ascii: "%"):
        guard index + 1 < target.upperBound, let high = ASCII.hexValue(bytes[index]),
          let low = ASCII.hexValue(bytes[index + 1])
        else { throw .badRequest }
        byte = high << 4 | low
        index += 2
        if byte == 0 { throw .badRequest }
        if byte == ASCII.slash { throw .notFound }
        path.append(byte)
      case ASCII.slash:
        try endSegment(path, from: segment)
        path.append(byte)
        segment = path.count
      default:
        guard isTargetCharacter(byte) else { throw .badRequest }
        path.append(byte)
      }
    }
    try endSegment(path, from: segment)
    return query
  }

  /// Visible characters but `#`; bytes from 0x80 on pass, because clients send names in UTF-8 unescaped.
  private static func isTargetCharacter(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte != 0x7F && byte != UInt8(ascii: "#")
  }

  private static func endSegment(_ path: [UInt8], from start: Int) throws(Status) {
    if path.count == start + 2, path[start] == ASCII.dot, path[start + 1] == ASCII.dot { throw .badRequest }
  }

  /// Passes over `http://authority` of the absolute form.
  private static func endOfAuthority(_ bytes: Span<UInt8>, _ target: Range<Int>) throws(Status) -> Int {
    var index = target.lowerBound
    while index < target.upperBound, ASCII.isLetter(bytes[index]) { index += 1 }
    let scheme = bytes.extracting(target.lowerBound..<index)
    guard ASCII.equalIgnoringCase(scheme, "http") || ASCII.equalIgnoringCase(scheme, "https"),
      index + 3 < target.upperBound, ASCII.equal(bytes.extracting(index..<(index + 3)), "://")
    else { throw .badRequest }
    index += 3
    let start = index
    while index < target.upperBound, bytes[index] != ASCII.slash, bytes[index] != UInt8(ascii: "?") { index += 1 }
    guard index > start, RequestParser.isAuthority(bytes.extracting(start..<index)) else { throw .badRequest }
    return index
  }
}
