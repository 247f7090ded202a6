import FileSystems

/// What all connections of one step share.
struct StepContext {
  let now: MonotonicTime
  let configuration: ServerConfiguration
  /// Clients wait for places: connections that are answered now are told to end.
  let isContested: Bool
  var statistics: ServerStatistics

  /// The time to state in responses.
  var date: Int64? {
    configuration.unixTimeAtClockZero.map { $0 &+ Int64(clamping: now.seconds) }
  }
}

/// One place for a connection, with its buffers, which stay from one connection to the next.
struct ServerConnection<Handle> {
  enum Phase {
    case free
    /// Reading the head of a request.
    case head
    /// The response is planned; reading the content of the request away first.
    case content
    /// The disk fetches the first bytes of the file.
    case opening
    /// Writing the response.
    case sending
    /// All is written and finished; waiting for the client to finish.
    case lingering
  }

  /// What a turn came to.
  enum Turn {
    /// Nothing could be done.
    case idle
    /// Something was done, and nothing more can be done now.
    case progressed
    /// Something was done, and the next turn may do more.
    case again
  }

  var phase = Phase.free
  /// When something must have happened.
  var deadline = MonotonicTime.never
  /// From when on it may be ended for a client that waits, while no response is due to it.
  var yieldsAt = MonotonicTime.never
  var handle: Handle?

  /// Received bytes: the request being answered, or the content of it that is being read, and what the client sent
  /// after it.
  var input: [UInt8] = []
  var filled = 0
  /// Bytes of `input` that belong to the request being answered.
  var consumed = 0
  var scanner = HeadScanner()

  var request = Request()
  var path: [UInt8] = []
  var response = Response(status: .notFound, keepsConnection: false)
  var stream = ReadStream(range: 0..<0)
  /// The file's first bytes are to be fetched before the head of the response is written.
  var opensFile = false
  /// Heads and error pages on their way out.
  var output: [UInt8] = []
  var written = 0
  /// How much of `output` is a `100 Continue` before the response.
  var interimCount = 0
  /// Latest end of the response, however the client creeps.
  var responseDeadline = MonotonicTime.never
  /// Content of the request that is still to be read away, where its length is known.
  var contentLeft: UInt64 = 0
  /// The reader of content that comes in chunks.
  var chunks = ChunkedReader()
  /// Bytes read away while lingering.
  var lingered = 0

  static var turnsPerStep: Int { 16 }

  /// A place without buffers: they come with its first connection and stay, but for what an unusually long head needed.
  init() {}

  var isFree: Bool { if case .free = phase { true } else { false } }

  /// True while no complete request is here, or after the response: none is lost when the connection ends now.
  var canYield: Bool {
    switch phase {
    case .head, .content, .lingering: true
    case .free, .opening, .sending: false
    }
  }

  /// Takes a new connection into this free place.
  mutating func open(_ handle: Handle, now: MonotonicTime, _ configuration: ServerConfiguration) {
    self.handle = handle
    if input.isEmpty {
      input = [UInt8](repeating: 0, count: ServerConfiguration.smallestInput)
      path.reserveCapacity(480)
      output.reserveCapacity(992)
    }
    filled = 0
    consumed = 0
    written = 0
    interimCount = 0
    scanner = HeadScanner()
    phase = .head
    deadline = now.advanced(byMilliseconds: configuration.idleTimeout)
    // Its request may be on the way.
    yieldsAt = now.advanced(byMilliseconds: configuration.contestedTimeout)
  }

  /// Does what can be done now, within bounds; true when that was anything.
  mutating func advance<Transport: StreamTransport & ~Copyable, Files: ReadOnlyFileSystem & ~Copyable>(
    transport: inout Transport, files: inout Files, context: inout StepContext
  ) -> Bool where Transport.Connection == Handle {
    guard let handle else { return false }
    if context.now >= deadline {
      expire(handle, &transport, &context)
      return true
    }
    var progressed = false
    for _ in 0..<Self.turnsPerStep {
      let turn: Turn
      do throws(Transport.Failure) {
        switch phase {
        case .free: turn = .idle
        case .head: turn = try readHead(handle, &transport, &files, &context)
        case .content: turn = try readContent(handle, &transport, &context)
        case .opening: turn = openFile(&files, &context)
        case .sending: turn = try send(handle, &transport, &files, &context)
        case .lingering: turn = try linger(handle, &transport)
        }
      } catch {
        if case .lingering = phase {} else { context.statistics.broken &+= 1 }
        release(handle, &transport)
        return true
      }
      switch turn {
      case .idle: return progressed
      case .progressed: return true
      case .again: progressed = true
      }
    }
    return progressed
  }

  /// Ends a connection that `canYield`, to make room for another. A client that has begun a request is told what became
  /// of it, as far as that can be sent at once.
  mutating func evict<Transport: StreamTransport & ~Copyable>(
    _ transport: inout Transport, _ context: inout StepContext
  ) where Transport.Connection == Handle {
    guard let handle else { return }
    if case .lingering = phase { return release(handle, &transport) }
    if hasBegunRequest {
      context.statistics.timeouts &+= 1
      // Not into the middle of a `100 Continue`.
      guard written == 0 || written == interimCount else { return breakOff(handle, &transport) }
      refuse(.requestTimeout, &context)
      do throws(Transport.Failure) {
        guard try transport.write(handle, from: output.span) == output.count else {
          return breakOff(handle, &transport)
        }
      } catch {
        return release(handle, &transport)
      }
    }
    transport.finish(handle)
    release(handle, &transport)
  }

  /// Bytes of a request are here, and not all of it.
  private var hasBegunRequest: Bool {
    switch phase {
    case .head: filled > 0
    case .content: true
    default: false
    }
  }

  private mutating func breakOff<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport
  ) where Transport.Connection == Handle {
    transport.abort(handle)
    release(handle, &transport)
  }

  // MARK: - The end

  /// Reads away what the client still sends: a reset in its place could destroy the response on its way.
  mutating func linger<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport
  ) throws(Transport.Failure) -> Turn where Transport.Connection == Handle {
    let count = try read(handle, &transport, into: 0..<input.count)
    lingered += count
    if count > 0, lingered < 1 << 18 { return .again }
    guard count > 0 || transport.peerFinished(handle) else { return .idle }
    release(handle, &transport)
    return .progressed
  }

  mutating func expire<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport, _ context: inout StepContext
  ) where Transport.Connection == Handle {
    switch phase {
    case .free: break
    case .head where hasBegunRequest, .content where written == 0 || written == interimCount:
      context.statistics.timeouts &+= 1
      refuse(.requestTimeout, &context)
    case .head:
      context.statistics.timeouts &+= 1
      transport.finish(handle)
      release(handle, &transport)
    case .content, .opening, .sending:
      context.statistics.timeouts &+= 1
      breakOff(handle, &transport)
    case .lingering:
      release(handle, &transport)
    }
  }

  mutating func release<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport
  ) where Transport.Connection == Handle {
    transport.release(handle)
    self.handle = nil
    phase = .free
    deadline = .never
    dropLargeInput()
  }

  /// Gives back what an unusually long head needed. Nothing of the buffer is in use.
  mutating func dropLargeInput() {
    if input.count > ServerConfiguration.smallestInput {
      input = [UInt8](repeating: 0, count: ServerConfiguration.smallestInput)
    }
  }

  /// Makes more room for a head; the buffer is below the largest size.
  mutating func growInput() {
    // So that with what Swift keeps beside an array's bytes it is a power of two.
    let size = min(2 * input.count + 32, ServerConfiguration.largestHead)
    var larger = [UInt8](repeating: 0, count: size)
    for index in 0..<filled { larger[index] = input[index] }
    input = larger
  }

  mutating func read<Transport: StreamTransport & ~Copyable>(
    _ handle: Handle, _ transport: inout Transport, into range: Range<Int>
  ) throws(Transport.Failure) -> Int where Transport.Connection == Handle {
    // Callers' ranges lie inside the buffer, whose memory is the array's and is used during the call only.
    let count = unsafe try input.withUnsafeMutableBufferPointer { buffer throws(Transport.Failure) -> Int in
      let part = unsafe UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[range]))
      return unsafe try transport.read(handle, into: part)
    }
    return min(max(count, 0), range.count)
  }
}
