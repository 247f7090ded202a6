/// What ARP knows of the neighbours on the link. Its size is fixed; the least recently used entry makes room.
struct NeighborCache {
  /// What is known of one neighbour.
  enum State: Equatable {
    /// Requests are out; the count says how many.
    case resolving(requests: Int)
    case resolved(MACAddress)
    /// Nobody answered; asked again when the entry expires.
    case failed
  }

  struct Entry {
    var address: IPv4Address
    var state: State
    /// Resolving: time of the next request. Resolved, failed: end of the entry's life.
    var expires: Instant
    /// Resolved: from when on a use of the entry asks the neighbour for a confirmation.
    var refresh: Instant
    var lastUsed: Instant
  }

  private(set) var entries: [Entry] = []
  private let capacity: Int
  private let lifetime: TimeSpan
  private let requestInterval: TimeSpan
  private let requestLimit: Int
  /// The neighbour that last lost its entry to another one; what waits for it must be dropped.
  private var evicted: IPv4Address?
  /// Announcements of our own address (RFC 5227 section 2.3) still to send.
  var announcementsLeft = 0

  init(capacity: Int, lifetime: TimeSpan, requestInterval: TimeSpan, requestLimit: Int) {
    self.capacity = max(1, capacity)
    self.lifetime = lifetime
    self.requestInterval = requestInterval
    self.requestLimit = max(1, requestLimit)
    entries.reserveCapacity(self.capacity)
  }

  /// A request that must be sent.
  enum Request {
    case broadcast(IPv4Address)
    /// Confirms a known neighbour.
    case unicast(IPv4Address, MACAddress)
  }

  /// Earliest time at which `expire` has work: only entries being resolved have any.
  var nextDeadline: Instant {
    var deadline = Instant.never
    for entry in entries {
      if case .resolving = entry.state { deadline = min(deadline, entry.expires) }
    }
    return deadline
  }

  /// What is known of `address`; an unknown one enters the cache as being resolved, and `request` must be sent.
  mutating func look(up address: IPv4Address, now: Instant) -> (state: State, request: Request?) {
    guard let index = entries.firstIndex(where: { $0.address == address }) else {
      insert(
        Entry(
          address: address, state: .resolving(requests: 1), expires: now + requestInterval, refresh: .never,
          lastUsed: now))
      return (.resolving(requests: 1), .broadcast(address))
    }
    entries[index].lastUsed = now
    let entry = entries[index]
    switch entry.state {
    case .resolving: return (entry.state, nil)
    case .failed, .resolved:
      if now >= entry.expires {
        entries[index].state = .resolving(requests: 1)
        entries[index].expires = now + requestInterval
        return (.resolving(requests: 1), .broadcast(address))
      }
      if case .resolved(let hardware) = entry.state, now >= entry.refresh {
        entries[index].refresh = now + .seconds(5)
        return (entry.state, .unicast(address, hardware))
      }
      return (entry.state, nil)
    }
  }

  /// Notes that `address` is at `hardware`. Unknown neighbours are added only if `create` is set (RFC 826).
  /// Returns whether packets may be waiting for this news.
  mutating func learn(_ address: IPv4Address, _ hardware: MACAddress, create: Bool, now: Instant) -> Bool {
    let tenth = TimeSpan(nanoseconds: lifetime.nanoseconds / 10)
    let fresh = Entry(
      address: address, state: .resolved(hardware), expires: now + lifetime,
      refresh: now + TimeSpan(nanoseconds: lifetime.nanoseconds - tenth.nanoseconds), lastUsed: now)
    if let index = entries.firstIndex(where: { $0.address == address }) {
      var wasWaiting = true
      if case .resolved = entries[index].state { wasWaiting = false }
      entries[index] = fresh
      return wasWaiting
    }
    if create { insert(fresh) }
    return false
  }

  /// Takes one step for an entry whose request was not answered in time; nil when nothing is due.
  mutating func expire(now: Instant) -> Step? {
    for index in entries.indices {
      guard case .resolving(let requests) = entries[index].state, now >= entries[index].expires else { continue }
      let address = entries[index].address
      if requests >= requestLimit {
        entries[index].state = .failed
        entries[index].expires = now + .seconds(3)
        return .fail(address)
      }
      entries[index].state = .resolving(requests: requests &+ 1)
      entries[index].expires = now + requestInterval
      return .request(address)
    }
    return nil
  }

  /// The link was full: the request is made again soon, and does not count.
  mutating func requestNotSent(for address: IPv4Address, now: Instant) {
    guard let index = entries.firstIndex(where: { $0.address == address }),
      case .resolving(let requests) = entries[index].state
    else { return }
    entries[index].state = .resolving(requests: requests - 1)
    entries[index].expires = now + .milliseconds(10)
  }

  enum Step {
    case request(IPv4Address)
    case fail(IPv4Address)
  }

  private mutating func insert(_ entry: Entry) {
    if entries.count < capacity {
      entries.append(entry)
      return
    }
    var oldest = 0
    for index in entries.indices where entries[index].lastUsed < entries[oldest].lastUsed { oldest = index }
    evicted = entries[oldest].address
    entries[oldest] = entry
  }

  /// The neighbour that last lost its entry, told once.
  mutating func takeEvicted() -> IPv4Address? {
    defer { evicted = nil }
    return evicted
  }
}

/// Packets (complete but for the destination's MAC address) that wait for ARP, in a fixed number of slots.
struct ParkedPackets {
  private struct Slot {
    var nextHop: IPv4Address?
    var length = 0
    var metadata = FrameMetadata()
  }

  private var slots: [Slot]
  private let memory: FrameBuffer
  private let slotSize: Int

  init(limit: Int, largest: Int) {
    slots = [Slot](repeating: Slot(), count: max(1, limit))
    slotSize = largest
    memory = FrameBuffer(count: slots.count * slotSize)
  }

  /// Keeps a frame; false if there is no room.
  mutating func park(_ frame: PacketBytes, _ metadata: FrameMetadata, nextHop: IPv4Address) -> Bool {
    guard frame.count <= slotSize, let index = slots.firstIndex(where: { $0.nextHop == nil }) else { return false }
    memory.copy(frame, to: index * slotSize)
    slots[index] = Slot(nextHop: nextHop, length: frame.count, metadata: metadata)
    return true
  }

  /// Takes out one frame for `nextHop`, now addressed to `hardware`; valid until the next `park`.
  mutating func take(for nextHop: IPv4Address, _ hardware: MACAddress) -> (frame: PacketBytes, metadata: FrameMetadata)?
  {
    guard let index = slots.firstIndex(where: { $0.nextHop == nextHop }) else { return nil }
    let slot = slots[index]
    slots[index].nextHop = nil
    memory.set(hardware, at: index * slotSize)
    return (memory.bytes(from: index * slotSize, count: slot.length), slot.metadata)
  }

  /// Drops what waits for `nextHop` and returns how many packets that were.
  mutating func drop(for nextHop: IPv4Address) -> Int {
    var dropped = 0
    for index in slots.indices where slots[index].nextHop == nextHop {
      slots[index].nextHop = nil
      dropped += 1
    }
    return dropped
  }
}
