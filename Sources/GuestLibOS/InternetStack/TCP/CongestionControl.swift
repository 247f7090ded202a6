/// The congestion window: slow start, congestion avoidance, fast retransmit and recovery (RFC 5681, RFC 6582
/// "NewReno"), with windows counted in bytes (RFC 3465).
struct CongestionControl {
  /// How many duplicates signal a loss.
  static let duplicateThreshold = 3
  /// Upper bound of the window, that of a scaled send window.
  private static let largestWindow = 1 << 30

  private(set) var window = 0
  private(set) var threshold = Int.max
  private(set) var duplicates = 0
  private(set) var inRecovery = false
  /// Partial acknowledgements in the current recovery.
  private(set) var partialCount = 0
  /// Set by output while the window, and not data or the peer, is what limits sending; only then does it grow.
  var isLimiting = false
  /// Highest sequence number sent when the last loss was noticed.
  private var recover: SequenceNumber
  private var segmentSize = 0
  private var initialWindow = 0
  /// A retransmission timeout occurred and what was then in flight is not yet acknowledged.
  private var inTimeoutRecovery = false
  private var acknowledgedInAvoidance = 0

  init(initialSequence: SequenceNumber) { recover = initialSequence }

  /// Begins with an established connection.
  mutating func start(segmentSize: Int, initialSegments: Int) {
    self.segmentSize = segmentSize
    initialWindow = max(1, initialSegments) * segmentSize
    window = initialWindow
  }

  /// Takes a smaller segment size after path MTU discovery.
  mutating func reduceSegmentSize(to size: Int) { segmentSize = size }

  /// Bytes that may be in flight: on the first duplicates one new segment each (limited transmit, RFC 3042).
  var sendWindow: Int {
    !inRecovery && duplicates < Self.duplicateThreshold ? window + duplicates * segmentSize : window
  }

  /// Takes an acknowledgement of `bytes` new bytes up to `upTo`, when `flight` bytes stay outstanding.
  /// Returns whether the first outstanding segment must be sent again at once (partial acknowledgement).
  mutating func acknowledged(bytes: Int, upTo: SequenceNumber, flight: Int) -> Bool {
    duplicates = 0
    if inRecovery {
      if upTo >= recover {
        window = min(threshold, max(flight, segmentSize) + segmentSize)
        inRecovery = false
        return false
      }
      partialCount += 1
      // A hole remains behind the repaired one: deflate by what left the network (RFC 6582 section 3.2, step 3).
      window = max(window - bytes, 0)
      if bytes >= segmentSize { window += segmentSize }
      window = max(window, segmentSize)
      return true
    }
    let wasInTimeoutRecovery = inTimeoutRecovery
    if upTo >= recover { inTimeoutRecovery = false }
    guard isLimiting || wasInTimeoutRecovery else { return false }
    if window < threshold {
      // By all that was acknowledged, since links that merge frames let one acknowledgement stand for many segments;
      // after a timeout by one segment at most (RFC 3465 section 2.3).
      window = min(window + (wasInTimeoutRecovery ? min(bytes, segmentSize) : bytes), Self.largestWindow)
    } else {
      acknowledgedInAvoidance += bytes
      if acknowledgedInAvoidance >= window {
        acknowledgedInAvoidance -= window
        window = min(window + segmentSize, Self.largestWindow)
        acknowledgedInAvoidance = min(acknowledgedInAvoidance, window)
      }
    }
    return false
  }

  /// Takes a duplicate acknowledgement of everything up to `upTo`. Returns whether it signals a loss, so that the first
  /// outstanding segment must be sent again.
  mutating func duplicate(upTo: SequenceNumber, flight: Int, highest: SequenceNumber) -> Bool {
    duplicates += 1
    if inRecovery {
      window = min(window + segmentSize, Self.largestWindow)
      return false
    }
    // Duplicates of an acknowledgement below `recover` stem from repeated segments, not from a new loss.
    guard duplicates == Self.duplicateThreshold, upTo > recover else { return false }
    threshold = max(flight / 2, 2 * segmentSize)
    window = threshold + Self.duplicateThreshold * segmentSize
    recover = highest
    inRecovery = true
    partialCount = 0
    acknowledgedInAvoidance = 0
    return true
  }

  /// The retransmission timer expired; `isFirst` on the first expiry for this data.
  mutating func timedOut(flight: Int, highest: SequenceNumber, isFirst: Bool) {
    if isFirst { threshold = max(flight / 2, 2 * segmentSize) }
    window = segmentSize
    recover = highest
    inRecovery = false
    inTimeoutRecovery = true
    duplicates = 0
    acknowledgedInAvoidance = 0
  }

  /// Sending resumes after an idle time longer than the retransmission timeout (RFC 5681 section 4.1).
  mutating func restartAfterIdle() { window = min(window, initialWindow) }
}
