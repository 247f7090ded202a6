import FileSystems

/// Decides how to answer a request: finds the file, and evaluates conditions and ranges (RFC 9110 sections 13 and 14).
enum ResponsePlanner {
  /// Plans the answer to `request`, whose ranges are places in `bytes`. `path` may grow by `index.html`.
  static func plan<Files: ReadOnlyFileSystem & ~Copyable>(
    _ request: Request, bytes: Span<UInt8>, path: inout [UInt8], scratch: inout [UInt8], files: inout Files
  ) -> Response {
    var response = Response(
      status: .notFound, keepsConnection: request.keepsConnection, isVersion10: !request.isVersion11,
      omitsContent: request.method == .head)
    if let refusal = request.refusal {
      response.status = refusal
      return response
    }
    let isDirectoryPath = path.last == ASCII.slash
    if isDirectoryPath { path.append("index.html") }
    switch files.find(path.span) {
    case .file(let file):
      plan(file, request, bytes: bytes, scratch: &scratch, response: &response)
    case .directory where !isDirectoryPath:
      response.status = .movedPermanently
    case .directory, .missing, .brokenLink:
      if isDirectoryPath { path.removeLast(10) }
    }
    return response
  }

  private static func plan(
    _ file: FileExtent, _ request: Request, bytes: Span<UInt8>, scratch: inout [UInt8], response: inout Response
  ) {
    response.file = file
    response.status = status(file, request, bytes: bytes, scratch: &scratch)
    guard response.status == .ok else { return }
    response.range = 0..<file.size
    guard let range = request.range, rangeApplies(file, request, bytes: bytes, scratch: &scratch) else { return }
    if let resolved = range.resolved(size: file.size) {
      response.status = .partialContent
      response.range = resolved
    } else {
      response.status = .rangeNotSatisfiable
    }
  }

  /// The conditions in the order of RFC 9110 section 13.2.2.
  private static func status(
    _ file: FileExtent, _ request: Request, bytes: Span<UInt8>, scratch: inout [UInt8]
  ) -> Status {
    let tag = EntityTag(modificationTime: file.modificationTime, size: file.size)
    if let list = request.ifMatch {
      guard tag.isIn(bytes.extracting(list), allowsWeak: false, scratch: &scratch) else { return .preconditionFailed }
    } else if let time = request.ifUnmodifiedSince, file.modificationTime > time {
      return .preconditionFailed
    }
    if let list = request.ifNoneMatch {
      if tag.isIn(bytes.extracting(list), allowsWeak: true, scratch: &scratch) { return .notModified }
    } else if let time = request.ifModifiedSince, file.modificationTime <= time {
      return .notModified
    }
    return .ok
  }

  /// Whether `If-Range` lets the range count: the client's part must be of the file as it is.
  private static func rangeApplies(
    _ file: FileExtent, _ request: Request, bytes: Span<UInt8>, scratch: inout [UInt8]
  ) -> Bool {
    guard let place = request.ifRange else { return true }
    let validator = bytes.extracting(place)
    if let time = HTTPDate.parse(validator) { return time == file.modificationTime }
    // `*` is no validator.
    guard validator.count > 1 else { return false }
    let tag = EntityTag(modificationTime: file.modificationTime, size: file.size)
    return tag.isIn(validator, allowsWeak: false, scratch: &scratch)
  }
}
