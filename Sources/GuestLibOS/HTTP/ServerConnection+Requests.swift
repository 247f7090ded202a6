import FileSystems

/// Reading requests, and deciding on the response.
extension ServerConnection {
  mutating func readHead<Transport: StreamTransport & ~Copyable, Files: ReadOnlyFileSystem & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport, _ files: inout Files, _ context: inout StepContext
  ) throws(Transport.Failure) -> Turn where Transport.Connection == Handle {
    let bytes = input
    switch scanner.scan(bytes.span, count: filled) {
    case .complete(let head):
      takeRequest(head, &files, &context)
      return .again
    case .invalid:
      refuse(.badRequest, &context)
      return .again
    case .incomplete:
      if filled == input.count {
        refuse(scanner.lines == 0 ? .uriTooLong : .requestHeaderFieldsTooLarge, &context)
        return .again
      }
    }
    let count = try read(handle, &transport, into: filled..<input.count)
    if count == 0 {
      guard transport.peerFinished(handle) else { return .idle }
      transport.finish(handle)
      release(handle, &transport)
      return .progressed
    }
    if filled == 0 {
      deadline = context.now.advanced(byMilliseconds: context.configuration.requestTimeout)
      yieldsAt = context.now.advanced(byMilliseconds: context.configuration.contestedTimeout)
    }
    filled += count
    return .again
  }

  mutating func takeRequest<Files: ReadOnlyFileSystem & ~Copyable>(
    _ head: Range<Int>, _ files: inout Files, _ context: inout StepContext
  ) {
    consumed = head.upperBound
    // A second reference to the buffer, which nobody writes to meanwhile: nothing is copied.
    let bytes = input
    do throws(Status) {
      try RequestParser.parse(bytes.span, head, request: &request, path: &path)
      guard request.contentLength <= context.configuration.largestSkippedContent else { throw .contentTooLarge }
    } catch {
      refuse(error, &context)
      return
    }
    context.statistics.requests &+= 1
    contentLeft = request.contentLength
    response = ResponsePlanner.plan(request, bytes: bytes.span, path: &path, scratch: &page, files: &files)
    response.date = context.date
    startResponse(context)
    if let file = response.file, response.status.rawValue < 400 {
      if response.omitsContent || response.range.isEmpty {
        writeFileHead(file)
      } else {
        stream = file.stream(response.range)
        phase = .opening
      }
    } else {
      writePage(&context)
    }
  }

  /// Answers a request that cannot be understood or is not waited for, and ends the connection.
  mutating func refuse(_ status: Status, _ context: inout StepContext) {
    context.statistics.requests &+= 1
    response = Response(
      status: status, keepsConnection: false, omitsContent: request.method == .head, date: context.date)
    path.removeAll(keepingCapacity: true)
    request.query = nil
    contentLeft = 0
    startResponse(context)
    writePage(&context)
  }

  mutating func startResponse(_ context: StepContext) {
    let configuration = context.configuration
    let allowance = UInt64(response.range.count) / max(1, configuration.slowestClient)
    responseDeadline =
      context.now.advanced(byMilliseconds: configuration.stallTimeout).advanced(byMilliseconds: allowance &* 1000)
    deadline = context.now.advanced(byMilliseconds: configuration.stallTimeout)
    output.removeAll(keepingCapacity: true)
    written = 0
  }

  mutating func writePage(_ context: inout StepContext) {
    if response.status.rawValue >= 400 { context.statistics.errors &+= 1 }
    response.range = 0..<0
    let bytes = input
    let path = path
    ResponseWriter.appendPage(
      response, path: path.span, query: bytes.span.extracting(request.query ?? 0..<0), page: &page, to: &output)
    phase = .sending
  }

  mutating func writeFileHead(_ file: FileExtent) {
    let path = path
    ResponseWriter.appendFileHead(response, file: file, path: path.span, to: &output)
    if response.omitsContent { response.range = 0..<0 }
    phase = .sending
  }
}
