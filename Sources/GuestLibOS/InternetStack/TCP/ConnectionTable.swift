/// A listener: its port and the connections it has made that nobody has accepted yet.
final class ListenerState {
  let port: UInt16
  let generation: UInt32
  let backlog: Int
  /// Half-open connections.
  var halfOpen: [Int] = []
  /// Established connections in the order of their establishment.
  var ready: [Int] = []

  init(port: UInt16, generation: UInt32, backlog: Int) {
    self.port = port
    self.generation = generation
    self.backlog = max(1, backlog)
    halfOpen.reserveCapacity(self.backlog)
    ready.reserveCapacity(self.backlog)
  }

  var isFull: Bool { halfOpen.count + ready.count >= backlog }
}

/// The TCP connections and listeners of a stack, found by handle or by tuple; all tables have fixed sizes.
struct ConnectionTable {
  private(set) var slots: [ControlBlock?]
  private var generations: [UInt32]
  private var free: IndexQueue
  /// Heads of the chains of connections by hash of their tuple.
  private var buckets: [Int?]
  private var lastFound: ControlBlock?
  var listeners: [ListenerState?]
  var listenerGeneration: UInt32 = 0
  /// Connections that have, or may have, something to send.
  var outputQueue: IndexQueue
  /// Connections whose status changed since the owner last asked.
  var eventQueue: IndexQueue
  /// No timer is due before this time.
  var nextDeadline = Instant.never

  init(configuration: StackConfiguration) {
    let capacity = min(max(configuration.maximumConnections, 1), 32_768)
    slots = [ControlBlock?](repeating: nil, count: capacity)
    generations = [UInt32](repeating: 0, count: capacity)
    free = IndexQueue(capacity: capacity)
    for index in 0..<capacity { free.append(index) }
    var bucketCount = 16
    while bucketCount < capacity { bucketCount *= 2 }
    buckets = [Int?](repeating: nil, count: bucketCount)
    listeners = [ListenerState?](repeating: nil, count: max(1, configuration.maximumListeners))
    outputQueue = IndexQueue(capacity: capacity)
    eventQueue = IndexQueue(capacity: capacity)
  }

  /// The connection a handle names, dead or alive.
  func find(_ handle: Connection) -> ControlBlock? {
    guard handle.index >= 0, handle.index < slots.count, let block = slots[handle.index],
      block.generation == handle.generation, block.isOwned, !block.isReleased
    else { return nil }
    return block
  }

  /// The living connection between two endpoints.
  mutating func find(local: Endpoint, remote: Endpoint, hash: SipHash) -> ControlBlock? {
    // Segments come in runs, so the last one found is the likely one.
    if let lastFound, lastFound.remote == remote, lastFound.local == local { return lastFound }
    var next = buckets[bucket(local, remote, hash)]
    while let index = next, let block = slots[index] {
      if block.remote == remote, block.local == local {
        lastFound = block
        return block
      }
      next = block.nextInBucket
    }
    return nil
  }

  func findListener(port: UInt16) -> Int? { listeners.firstIndex { $0.map { $0.port == port } ?? false } }

  func find(_ handle: Listener) -> ListenerState? {
    guard handle.index >= 0, handle.index < listeners.count, let listener = listeners[handle.index],
      listener.generation == handle.generation
    else { return nil }
    return listener
  }

  var isFull: Bool { free.isEmpty }

  /// Takes a free slot for a new connection; nil if there is none.
  mutating func insert(hash: SipHash, _ make: (_ index: Int, _ generation: UInt32) -> ControlBlock) -> ControlBlock? {
    guard let index = free.removeFirst() else { return nil }
    generations[index] &+= 1
    let block = make(index, generations[index])
    slots[index] = block
    let bucket = bucket(block.local, block.remote, hash)
    block.nextInBucket = buckets[bucket]
    buckets[bucket] = index
    return block
  }

  /// Takes a connection out of the lookup by tuple; its handle stays valid.
  mutating func unlink(_ block: ControlBlock, hash: SipHash) {
    if lastFound === block { lastFound = nil }
    let bucket = bucket(block.local, block.remote, hash)
    if buckets[bucket] == block.index {
      buckets[bucket] = block.nextInBucket
      return
    }
    var next = buckets[bucket]
    while let index = next, let candidate = slots[index] {
      if candidate.nextInBucket == block.index {
        candidate.nextInBucket = block.nextInBucket
        return
      }
      next = candidate.nextInBucket
    }
  }

  /// Frees the slot of a connection that is unlinked already.
  mutating func remove(_ block: ControlBlock) {
    if block.isQueuedForOutput { outputQueue.remove(block.index) }
    if block.isQueuedForEvent { eventQueue.remove(block.index) }
    slots[block.index] = nil
    free.append(block.index)
  }

  private func bucket(_ local: Endpoint, _ remote: Endpoint, _ hash: SipHash) -> Int {
    let addresses = UInt64(local.address.value) << 32 | UInt64(remote.address.value)
    let ports = UInt64(local.port) << 16 | UInt64(remote.port)
    return Int(truncatingIfNeeded: hash.hash(addresses, ports)) & (buckets.count - 1)
  }
}
