/// Computes the retransmission timeout from measured round trips (RFC 6298).
struct RetransmissionTimeout {
  private var smoothed: UInt64?
  private var variation: UInt64 = 0
  private let minimum: TimeSpan
  private let maximum: TimeSpan
  /// The timeout, backed off if it expired since the last measurement.
  private(set) var current: TimeSpan

  init(configuration: StackConfiguration) {
    minimum = configuration.minimumRetransmissionTimeout
    maximum = max(configuration.maximumRetransmissionTimeout, minimum)
    current = min(configuration.initialRetransmissionTimeout, maximum)
  }

  /// Takes a measurement, which must not be of a retransmitted segment (Karn's algorithm).
  mutating func measured(_ roundTrip: TimeSpan) {
    let sample = roundTrip.nanoseconds
    if let old = smoothed {
      let difference = old > sample ? old - sample : sample - old
      variation = variation - variation / 4 + difference / 4
      smoothed = old - old / 8 + sample / 8
    } else {
      smoothed = sample
      variation = sample / 2
    }
    // The clock's granularity counts as 1 ms: finer timers would fire on every jitter.
    let (timeout, overflow) = (smoothed ?? sample).addingReportingOverflow(max(1_000_000, variation &* 4))
    current = min(max(TimeSpan(nanoseconds: overflow ? .max : timeout), minimum), maximum)
  }

  /// Doubles the timeout after it expired (section 5.5).
  mutating func backOff() { current = current.backedOff(doublings: 1, limit: maximum) }

  /// Starts data after a handshake whose SYN had to be repeated: 3 s until something is measured (section 5.7).
  mutating func restartAfterLostSYN() {
    if smoothed == nil { current = min(max(.seconds(3), minimum), maximum) }
  }

  /// The interval to the next window probe after `count` probes (RFC 9293 section 3.8.6.1).
  func probeInterval(after count: Int) -> TimeSpan { current.backedOff(doublings: count, limit: maximum) }
}
