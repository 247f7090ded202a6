import FileSystems

/// Writing responses, and what follows them.
extension ServerConnection {
  /// Waits for the first bytes of the file, so that an unreadable file can still be told by a status.
  mutating func openFile<Files: ReadOnlyFileSystem & ~Copyable>(
    _ files: inout Files, _ context: inout StepContext
  ) -> Turn {
    guard let file = response.file else { return .idle }
    switch files.withBytes(of: file, at: response.range.lowerBound, atMost: 1, stream: &stream, { _ in }) {
    case .wouldBlock:
      return .idle
    case .done:
      writeFileHead(file)
    case .failed:
      response.status = .internalServerError
      response.file = nil
      writePage(&context)
    }
    phase = .sending
    return .again
  }

  enum WriteOutcome<Failure: Error> {
    case wrote(Int)
    case failed(Failure)
  }

  mutating func send<Transport: StreamTransport & ~Copyable, Files: ReadOnlyFileSystem & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport, _ files: inout Files, _ context: inout StepContext
  ) throws(Transport.Failure) -> Turn where Transport.Connection == Handle {
    var total = 0
    while written < output.count {
      let count = try transport.write(handle, from: output.span.extracting(written..<output.count))
      if count == 0 { return noteProgress(total, context) }
      written += count
      total += count
    }
    while let file = response.file, !response.range.isEmpty {
      if total >= context.configuration.bytesPerStep { return noteProgress(total, context) }
      let access = files.withBytes(
        of: file, at: response.range.lowerBound, atMost: response.range.count, stream: &stream
      ) { bytes -> WriteOutcome<Transport.Failure> in
        do throws(Transport.Failure) {
          return .wrote(try transport.write(handle, from: bytes))
        } catch {
          return .failed(error)
        }
      }
      switch access {
      case .wouldBlock, .done(.wrote(0)):
        return noteProgress(total, context)
      case .done(.wrote(let count)):
        response.range = (response.range.lowerBound + UInt64(count))..<response.range.upperBound
        context.statistics.bodyBytes &+= UInt64(count)
        total += count
      case .done(.failed(let error)):
        throw error
      case .failed:
        // The length was promised: only breaking the connection tells that the rest is missing.
        context.statistics.broken &+= 1
        transport.abort(handle)
        release(handle, &transport)
        return .progressed
      }
    }
    endResponse(handle, &transport, context)
    return .again
  }

  mutating func noteProgress(_ total: Int, _ context: StepContext) -> Turn {
    guard total > 0 else { return .idle }
    deadline = min(context.now.advanced(byMilliseconds: context.configuration.stallTimeout), responseDeadline)
    return .progressed
  }

  mutating func endResponse<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport, _ context: StepContext
  ) where Transport.Connection == Handle {
    if !response.keepsConnection {
      transport.finish(handle)
      lingered = 0
      phase = .lingering
      deadline = context.now.advanced(byMilliseconds: context.configuration.lingerTimeout)
      yieldsAt = context.now.advanced(byMilliseconds: context.configuration.contestedTimeout)
    } else {
      beginNextRequest(context)
    }
  }

  mutating func beginNextRequest(_ context: StepContext) {
    // What came behind the request moves to the front of the buffer.
    var position = 0
    while consumed + position < filled {
      input[position] = input[consumed + position]
      position += 1
    }
    filled = position
    consumed = 0
    interimCount = 0
    written = 0
    if filled == 0 { dropLargeInput() }
    scanner = HeadScanner()
    phase = .head
    let configuration = context.configuration
    deadline = context.now.advanced(
      byMilliseconds: filled > 0 ? configuration.requestTimeout : configuration.idleTimeout)
    yieldsAt = context.now.advanced(byMilliseconds: filled > 0 ? configuration.contestedTimeout : 0)
  }
}
