/// All that is known of one TCP connection (RFC 9293 section 3.3.1, "transmission control block").
///
/// The ring buffers are opened when the connection is established (or requested by us), and closed as soon as nothing
/// more goes through them. They hold memory only for bytes that wait, so that a half-open or an idle connection costs
/// little.
final class ControlBlock {
  let index: Int
  let generation: UInt32
  let local: Endpoint
  let remote: Endpoint
  var state: ConnectionState
  var failure: ConnectionFailure?
  /// The listener that made it, until it is accepted.
  var listener: Int?
  /// The owner has a handle: it connected, or has accepted the connection.
  var isOwned: Bool
  /// The owner has released its handle.
  var isReleased = false

  // Sending. The send buffer begins with the byte at `unacknowledged` (behind the SYN).
  var sendBuffer = RingBuffer()
  let initialSequence: SequenceNumber
  var unacknowledged: SequenceNumber
  /// Next to be sent; falls back to `unacknowledged` when the timer expires.
  var nextToSend: SequenceNumber
  /// Behind everything that was ever sent.
  var highestSent: SequenceNumber
  var sendWindow = 0
  /// Sequence and acknowledgement number of the segment that last updated the send window.
  var windowUpdateSequence: SequenceNumber
  var windowUpdateAcknowledgment: SequenceNumber
  var largestSendWindow = 0
  var sendScale: UInt8 = 0
  var segmentSize = 536
  /// End of the last segment smaller than `segmentSize`.
  var smallSegmentEnd: SequenceNumber
  var coalesces: Bool
  var finishRequested = false
  var finSent = false
  /// The first outstanding segment is to be sent again whatever the windows say.
  var mustRepeatFirst = false
  var congestion: CongestionControl
  var lastSent = Instant(nanoseconds: 0)

  // Round-trip measurement: one segment at a time.
  var timeout: RetransmissionTimeout
  var measuredEnd: SequenceNumber?
  var measuredSince = Instant(nanoseconds: 0)

  // Receiving.
  var receiveBuffer = RingBuffer()
  var reassembly = Reassembly()
  var initialReceiveSequence = SequenceNumber(0)
  var nextExpected = SequenceNumber(0)
  /// Right edge of the window we have advertised; it never moves left.
  var advertisedEdge = SequenceNumber(0)
  var receiveScale: UInt8 = 0
  /// Window scaling was offered by the peer.
  var peerScales = false
  /// Where the peer's FIN lies, known as soon as it arrived, even ahead of data.
  var peerFinSequence: SequenceNumber?
  var peerFinished = false
  /// Payload of the peer's segments as seen so far; two of them make an acknowledgement due.
  var peerSegmentSize = 1
  /// Received in order since the last acknowledgement.
  var unacknowledgedReceived = 0
  var mustAcknowledge = false
  var challengeBudget = RateLimit(burst: 10, interval: .milliseconds(500))

  // Timers; `never` while off.
  var retransmitAt = Instant.never
  var probeAt = Instant.never
  var acknowledgeAt = Instant.never
  /// End of TIME-WAIT, or of a released connection's FIN-WAIT-2.
  var lingerUntil = Instant.never
  /// Expiries of the retransmission timer, or probes, since the peer last answered.
  var retries = 0
  /// Window probes since the window closed.
  var probes = 0

  // Places in the engine's lists.
  var nextInBucket: Int?
  var isQueuedForOutput = false
  var isQueuedForEvent = false
  var awaitsNeighbor = false
  let createdAt: Instant

  init(
    index: Int, generation: UInt32, local: Endpoint, remote: Endpoint, state: ConnectionState,
    initialSequence: SequenceNumber, configuration: StackConfiguration, isOwned: Bool, now: Instant
  ) {
    self.index = index
    self.generation = generation
    self.local = local
    self.remote = remote
    self.state = state
    self.initialSequence = initialSequence
    self.isOwned = isOwned
    unacknowledged = initialSequence
    nextToSend = initialSequence
    highestSent = initialSequence
    smallSegmentEnd = initialSequence
    windowUpdateSequence = SequenceNumber(0)
    windowUpdateAcknowledgment = initialSequence
    coalesces = configuration.coalescesSmallSegments
    congestion = CongestionControl(initialSequence: initialSequence)
    timeout = RetransmissionTimeout(configuration: configuration)
    createdAt = now
  }

  var handle: Connection { Connection(index: index, generation: generation) }

  /// Whether the owner is still interested in what is received.
  var delivers: Bool { !isReleased }

  /// Earliest of the timers.
  var deadline: Instant { min(min(retransmitAt, probeAt), min(acknowledgeAt, lingerUntil)) }

  /// Bytes (and FIN) sent and not acknowledged.
  var flight: Int { highestSent - unacknowledged }

  /// Room for received data, behind `nextExpected`.
  var receiveWindow: Int { receiveBuffer.available }

  func openBuffers(_ configuration: StackConfiguration, _ account: BufferMemory) {
    sendBuffer.open(minimum: min(configuration.sendBufferSize, 1 << 30), account: account)
    receiveBuffer.open(minimum: min(configuration.receiveBufferSize, 1 << 30), account: account)
  }

  func stopTimers() {
    retransmitAt = .never
    probeAt = .never
    acknowledgeAt = .never
    lingerUntil = .never
  }
}
