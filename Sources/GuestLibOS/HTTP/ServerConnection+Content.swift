/// Reading the content of a request away: the response follows it, so that a request whose content is malformed is
/// refused.
extension ServerConnection {
  /// Goes on to read the content of the request, whose response is planned, or to the response where there is none.
  mutating func beginContent(_ context: StepContext) {
    switch request.content {
    case .none: return beginResponse(context)
    case .length(let length): contentLeft = length
    case .chunked:
      contentLeft = 0
      chunks = ChunkedReader(
        content: context.configuration.largestSkippedContent, overhead: ServerConfiguration.largestHead)
    }
    phase = .content
    deadline = context.now.advanced(byMilliseconds: context.configuration.requestTimeout)
    yieldsAt = context.now.advanced(byMilliseconds: context.configuration.contestedTimeout)
  }

  /// Sends `100 Continue` where it is due, then reads content; at its end the response begins.
  mutating func readContent<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport, _ context: inout StepContext
  ) throws(Transport.Failure) -> Turn where Transport.Connection == Handle {
    if written < interimCount {
      let count = try transport.write(handle, from: output.span.extracting(written..<interimCount))
      written += count
      if written < interimCount { return count > 0 ? .progressed : .idle }
    }
    switch takeContent() {
    case .complete:
      beginResponse(context)
      return .again
    case .malformed:
      refuse(.badRequest, &context)
      return .again
    case .tooLong:
      refuse(.contentTooLarge, &context)
      return .again
    case .incomplete: break
    }
    // All that was in the buffer was content.
    consumed = 0
    filled = try read(handle, &transport, into: 0..<input.count)
    if filled > 0 { return .again }
    guard transport.peerFinished(handle) else { return .idle }
    // RFC 9112 section 8: the request is incomplete.
    refuse(.badRequest, &context)
    return .again
  }

  /// Takes what the buffer has of the content.
  private mutating func takeContent() -> ChunkedReader.Outcome {
    guard request.content == .chunked else {
      let present = min(filled - consumed, Int(clamping: contentLeft))
      consumed += present
      contentLeft -= UInt64(present)
      return contentLeft == 0 ? .complete : .incomplete
    }
    // A second reference to the buffer, which nobody writes to meanwhile: nothing is copied.
    let bytes = input
    let (outcome, end) = chunks.read(bytes.span, consumed..<filled)
    consumed = end
    return outcome
  }
}
