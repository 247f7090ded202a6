/// The media type of a file by the extension of its name.
public enum MediaType {
  /// The value of `Content-Type` for the file at `path`; upper and lower case are the same.
  ///
  /// Text goes as UTF-8. What is not known is `application/octet-stream`, which clients save and do not interpret.
  public static func forPath(_ path: Span<UInt8>) -> StaticString {
    var start = path.count
    while start > 0, path[start - 1] != ASCII.dot {
      start -= 1
      if path[start] == ASCII.slash { return "application/octet-stream" }
    }
    guard start > 0 else { return "application/octet-stream" }
    let found = path.extracting(start..<path.count)
    return text(found) ?? image(found) ?? other(found) ?? "application/octet-stream"
  }

  private static func text(_ found: Span<UInt8>) -> StaticString? {
    if matches(found, "html") || matches(found, "htm") { return "text/html; charset=utf-8" }
    if matches(found, "css") { return "text/css; charset=utf-8" }
    if matches(found, "js") || matches(found, "mjs") { return "text/javascript; charset=utf-8" }
    if matches(found, "txt") || matches(found, "text") || matches(found, "log") { return "text/plain; charset=utf-8" }
    if matches(found, "md") { return "text/markdown; charset=utf-8" }
    if matches(found, "csv") { return "text/csv; charset=utf-8" }
    if matches(found, "vtt") { return "text/vtt; charset=utf-8" }
    if matches(found, "ics") { return "text/calendar; charset=utf-8" }
    return nil
  }

  private static func image(_ found: Span<UInt8>) -> StaticString? {
    if matches(found, "png") { return "image/png" }
    if matches(found, "jpg") || matches(found, "jpeg") { return "image/jpeg" }
    if matches(found, "gif") { return "image/gif" }
    if matches(found, "svg") { return "image/svg+xml" }
    if matches(found, "webp") { return "image/webp" }
    if matches(found, "avif") { return "image/avif" }
    if matches(found, "ico") { return "image/vnd.microsoft.icon" }
    if matches(found, "bmp") { return "image/bmp" }
    if matches(found, "tif") || matches(found, "tiff") { return "image/tiff" }
    return nil
  }

  private static func other(_ found: Span<UInt8>) -> StaticString? {
    if matches(found, "json") || matches(found, "map") { return "application/json" }
    if matches(found, "xml") { return "application/xml" }
    if matches(found, "wasm") { return "application/wasm" }
    if matches(found, "pdf") { return "application/pdf" }
    if matches(found, "zip") { return "application/zip" }
    if matches(found, "gz") { return "application/gzip" }
    if matches(found, "tar") { return "application/x-tar" }
    if matches(found, "xhtml") { return "application/xhtml+xml" }
    if matches(found, "webmanifest") { return "application/manifest+json" }
    if matches(found, "woff2") { return "font/woff2" }
    if matches(found, "woff") { return "font/woff" }
    if matches(found, "ttf") { return "font/ttf" }
    if matches(found, "otf") { return "font/otf" }
    if matches(found, "mp3") { return "audio/mpeg" }
    if matches(found, "ogg") || matches(found, "oga") { return "audio/ogg" }
    if matches(found, "wav") { return "audio/wav" }
    if matches(found, "mp4") { return "video/mp4" }
    if matches(found, "webm") { return "video/webm" }
    return nil
  }

  private static func matches(_ found: Span<UInt8>, _ text: StaticString) -> Bool {
    ASCII.equalIgnoringCase(found, text)
  }
}
