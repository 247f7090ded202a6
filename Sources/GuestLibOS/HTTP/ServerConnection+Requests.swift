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
      if filled == input.count, input.count < ServerConfiguration.largestHead { growInput() }
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
      if case .length(let length) = request.content, length > context.configuration.largestSkippedContent {
        throw .contentTooLarge
      }
    } catch {
      refuse(error, &context)
      return
    }
    context.statistics.requests &+= 1
    var scratch: [UInt8] = []
    response = ResponsePlanner.plan(request, bytes: bytes.span, path: &path, scratch: &scratch, files: &files)
    response.date = context.date
    if context.isContested { response.keepsConnection = false }
    clearOutput()
    planContinue()
    if let file = response.file, response.status.rawValue < 400 {
      if response.omitsContent || response.range.isEmpty {
        writeFileHead(file)
      } else {
        stream = file.stream(response.range)
        opensFile = true
      }
    } else {
      writePage(&context)
    }
    beginContent(context)
  }

  /// A client that waits with its content is told to send it, or gets its final status at once; it may then send the
  /// content or not, so the connection ends (RFC 9110 section 10.1.1).
  private mutating func planContinue() {
    guard request.content != .none, request.expectsContinue || response.status == .expectationFailed else { return }
    if response.status.rawValue >= 400 {
      response.keepsConnection = false
      request.content = .none
    } else if consumed == filled {
      output.append("HTTP/1.1 100 Continue\r\n\r\n")
      interimCount = output.count
    }
  }

  /// Answers a request that cannot be understood or is not waited for, and ends the connection.
  mutating func refuse(_ status: Status, _ context: inout StepContext) {
    // A request whose head was good has been counted, and its method is known.
    var isHead = false
    if case .content = phase {
      isHead = request.method == .head
    } else {
      context.statistics.requests &+= 1
      isHead = consumed > 0 && request.method == .head
    }
    response = Response(status: status, keepsConnection: false, omitsContent: isHead, date: context.date)
    path.removeAll(keepingCapacity: true)
    request = Request()
    clearOutput()
    writePage(&context)
    beginResponse(context)
  }

  /// Begins to write the response that is planned: the request has come to its end.
  mutating func beginResponse(_ context: StepContext) {
    let configuration = context.configuration
    let allowance = UInt64(response.range.count) / max(1, configuration.slowestClient)
    responseDeadline =
      context.now.advanced(byMilliseconds: configuration.stallTimeout).advanced(byMilliseconds: allowance &* 1000)
    deadline = context.now.advanced(byMilliseconds: configuration.stallTimeout)
    phase = opensFile ? .opening : .sending
  }

  private mutating func clearOutput() {
    output.removeAll(keepingCapacity: true)
    written = 0
    interimCount = 0
    opensFile = false
  }

  mutating func writePage(_ context: inout StepContext) {
    if response.status.rawValue >= 400 { context.statistics.errors &+= 1 }
    response.range = 0..<0
    let bytes = input
    let path = path
    var page: [UInt8] = []
    ResponseWriter.appendPage(
      response, path: path.span, query: bytes.span.extracting(request.query ?? 0..<0), page: &page, to: &output)
  }

  mutating func writeFileHead(_ file: FileExtent) {
    let path = path
    ResponseWriter.appendFileHead(response, file: file, path: path.span, to: &output)
    if response.omitsContent { response.range = 0..<0 }
  }
}
