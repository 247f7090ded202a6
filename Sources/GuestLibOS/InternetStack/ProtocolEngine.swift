/// The protocols of a `NetworkStack`, whose base class it is; see there for how it is driven.
public class ProtocolEngine {
  let hardwareAddress: MACAddress
  let configuration: StackConfiguration
  let maximumTransmissionUnit: Int
  let offload: LinkOffload
  let hash: SipHash

  /// The time of the last `receive` or `poll`.
  var now = Instant(nanoseconds: 0)
  /// Counter behind `random`.
  private var randomCounter: UInt64 = 0

  /// The frame being built.
  let frame: FrameBuffer
  let arpFrame = FrameBuffer(count: EthernetHeader.length + ARPPacket.length)
  /// Set when the link refuses a frame, until the next `poll`.
  var linkIsFull = false
  /// Counters since the stack was made.
  public internal(set) var statistics = StackStatistics()

  /// The interface's address; nil while DHCP has not got one.
  public internal(set) var interface: InterfaceAddress?
  var neighbors: NeighborCache
  var parkedPackets: ParkedPackets
  /// Identification of the next IPv4 packet.
  var nextIdentification: UInt16 = 0
  var icmpErrorBudget = RateLimit(burst: 10, interval: .milliseconds(100))
  var announcementBudget = RateLimit(burst: 2, interval: .seconds(10))

  var udpSockets: [UDPSocketState?]
  var udpGeneration: UInt32 = 0
  var nextEphemeralUDPPort: UInt16
  var dhcpClient: DHCPClient?
  var dhcpServer: DHCPServer?
  var tcp: ConnectionTable
  /// The account of the memory of the connections' buffers.
  let bufferMemory: BufferMemory
  /// Position in the sequence of ephemeral TCP ports.
  var nextPortOffset: UInt16 = 0

  init(
    hardwareAddress: MACAddress, addressing: Addressing, configuration: StackConfiguration, seed: (UInt64, UInt64),
    maximumTransmissionUnit: Int, offload: LinkOffload
  ) {
    self.hardwareAddress = hardwareAddress
    self.configuration = configuration
    self.maximumTransmissionUnit = min(max(maximumTransmissionUnit, 576), 65_535)
    self.offload = offload
    hash = SipHash(key: seed)
    let largestPacket = offload.maximumSegmentsPerSend > 1 ? 65_535 : self.maximumTransmissionUnit
    frame = FrameBuffer(count: EthernetHeader.length + largestPacket)
    neighbors = NeighborCache(
      capacity: configuration.neighborCacheSize, lifetime: configuration.neighborLifetime,
      requestInterval: configuration.neighborRequestInterval, requestLimit: configuration.neighborRequestLimit)
    parkedPackets = ParkedPackets(
      limit: configuration.parkedPacketLimit, largest: EthernetHeader.length + self.maximumTransmissionUnit)
    udpSockets = [UDPSocketState?](repeating: nil, count: max(1, configuration.maximumUDPSockets))
    tcp = ConnectionTable(configuration: configuration)
    bufferMemory = BufferMemory(limit: configuration.bufferMemory)
    nextEphemeralUDPPort = 49_152 | UInt16(truncatingIfNeeded: hash.hash(0, 1))
    switch addressing {
    case .manual(let address, let prefixLength, let gateway):
      interface = InterfaceAddress(address: address, prefixLength: prefixLength, gateway: gateway)
      neighbors.announcementsLeft = 1
    case .dhcp:
      dhcpClient = DHCPClient(firstTransaction: UInt32(truncatingIfNeeded: hash.hash(0, 2)))
    }
  }

  /// Hands the frame to the link. Overridden by `NetworkStack`.
  func transmit(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool { false }

  /// The interface's address; nil while it has none.
  public var address: IPv4Address? { interface?.address }

  /// Whether the interface has an address.
  public var isConfigured: Bool { interface != nil }

  /// Takes one Ethernet frame (without frame check sequence) that has arrived. The bytes are used during the call only.
  ///
  /// Anything may be in the frame. Urgent answers are sent at once; the others wait for `poll`, so that one answer
  /// serves a batch of frames.
  public func receive(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata, now: Instant) {
    advanceClock(to: now)
    statistics.framesReceived &+= 1
    receiveEthernet(unsafe PacketBytes(frame), metadata)  // the view does not outlive this call
  }

  /// Runs timers that are due and sends what is to be sent. Cheap when there is nothing to do.
  public func poll(now: Instant) {
    advanceClock(to: now)
    linkIsFull = false
    runNeighborTimers()
    runDHCPClient()
    runConnectionTimers()
    flushConnections()
  }

  /// When `poll` must next be called though nothing arrives; nil if never. It may be a little early, never late.
  public var nextDeadline: Instant? {
    var deadline = min(neighbors.nextDeadline, tcp.nextDeadline)
    deadline = min(deadline, neighbors.announcementsLeft > 0 && interface != nil ? now : .never)
    deadline = min(deadline, dhcpClient?.nextDeadline ?? .never)
    if !tcp.outputQueue.isEmpty { deadline = min(deadline, now) }
    // A full link is tried again after a millisecond, unless its owner polls earlier.
    if linkIsFull { deadline = max(deadline, now + .milliseconds(1)) }
    return deadline == .never ? nil : deadline
  }

  /// Time never runs backwards inside the stack, whatever the owner's clock does.
  private func advanceClock(to instant: Instant) {
    if instant > now { now = instant }
  }

  /// A pseudo-random number that outsiders cannot predict.
  func random() -> UInt64 {
    randomCounter &+= 1
    return hash.hash(randomCounter, 0x7261_6E64)
  }

  /// Sends the first `length` bytes of `frame`.
  func emit(length: Int, metadata: FrameMetadata = FrameMetadata()) -> Bool {
    emit(frame.bytes(from: 0, count: length), metadata)
  }

  func emit(_ bytes: PacketBytes, _ metadata: FrameMetadata) -> Bool {
    // The view covers memory of the engine that stays untouched during the call.
    if unsafe transmit(bytes.unsafeMemory, metadata: metadata) {
      statistics.framesSent &+= 1
      return true
    }
    statistics.linkFull &+= 1
    linkIsFull = true
    return false
  }

  /// Takes a new address, or gives up the old one; connections of the old address fail.
  func setInterface(_ new: InterfaceAddress?) {
    if let old = interface, old.address != new?.address { failConnections(of: old.address) }
    if new?.address != interface?.address { neighbors.announcementsLeft = new == nil ? 0 : 1 }
    interface = new
  }
}

/// A token bucket: `burst` events at once, then one per `interval`.
struct RateLimit {
  private let burst: UInt64
  private let interval: TimeSpan
  private var spentUntil = Instant(nanoseconds: 0)

  init(burst: UInt64, interval: TimeSpan) {
    self.burst = burst
    self.interval = interval
  }

  /// Whether one more event may happen now; if so it is counted.
  mutating func allows(at now: Instant) -> Bool {
    let start = max(spentUntil, now)
    let backlog = start.since(now).nanoseconds
    if backlog > (burst - 1) &* interval.nanoseconds { return false }
    spentUntil = start + interval
    return true
  }
}
