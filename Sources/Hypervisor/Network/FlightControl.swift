/// Limits how many connections may have unacknowledged bytes on the way to the guest.
///
/// A guest's card and its programs have room for some tens of frames that nobody has looked at yet; what comes beyond
/// is lost, and a request that is lost waits for a timer. So a crowd of clients takes turns. A connection that the
/// guest does not acknowledge keeps its turn for `patience` only, so that none can hold up the others. Device thread
/// only.
final class FlightControl {
  /// Connections whose bytes may be on their way at a time.
  static let limit = 40
  /// How long a connection counts that the guest does not answer, in nanoseconds.
  static let patience: UInt64 = 100_000_000

  /// Connections that count now.
  private(set) var count = 0
  /// Those that wait for their turn, in the order of their coming; some may be over or need none any more.
  private var held: [TCPRelay] = []
  private var firstHeld = 0

  /// Whether one more may send.
  var hasRoom: Bool { count < FlightControl.limit }

  /// Takes note of where `relay` stands, after anything was done with it.
  func note(_ relay: TCPRelay, wasHeld: Bool) {
    let isInFlight = relay.isInFlight
    if isInFlight, relay.flightSince == nil, hasRoom {
      relay.flightSince = EventLoop.now
      count += 1
    } else if !isInFlight {
      forget(relay)
    }
    if relay.isHeld, !wasHeld { held.append(relay) }
  }

  /// `relay` is over, or counts no more.
  func forget(_ relay: TCPRelay) {
    guard relay.flightSince != nil else { return }
    relay.flightSince = nil
    count -= 1
  }

  /// The next that may send and waits for it; nil if there is none, or no room.
  func next() -> TCPRelay? {
    guard hasRoom else { return nil }
    while firstHeld < held.count {
      let relay = held[firstHeld]
      firstHeld += 1
      if relay.isHeld { return relay }
    }
    held.removeAll(keepingCapacity: true)
    firstHeld = 0
    return nil
  }

  /// Whether anybody may be waiting.
  var isWaitedFor: Bool { firstHeld < held.count }

  /// Forgets everything.
  func removeAll() {
    count = 0
    held.removeAll()
    firstHeld = 0
  }
}
