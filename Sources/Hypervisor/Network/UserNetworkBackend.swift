import InternetStack
import Logging
import SystemPackage
import VirtioLayout

/// A network inside the VMM, without privileges: an Ethernet with one host besides the guest, 10.0.2.2, which answers
/// ARP and ICMP echo, leases 10.0.2.15 by DHCP, and carries connections to published ports of the host to the guest.
/// There is no way out to other networks.
///
/// A TCP connection ends here: the host's kernel speaks with the client, the stack in this process with the guest. A
/// client whose port nobody answers for in the guest is reset within `patience`, whether there is no program, no
/// network driver or no guest yet. Made before its loop runs or on the loop's thread, and dropped there or after the
/// loop has ended.
@safe public final class UserNetworkBackend: NetworkBackend, @unchecked Sendable {
  // Sendable: used by the device thread only.

  /// The host's address on the link, and its gateway.
  public static let hostAddress = IPv4Address(10, 0, 2, 2)
  /// The address that the guest gets, and that published ports lead to.
  public static let guestAddress = IPv4Address(10, 0, 2, 15)
  /// Most connections at a time; more wait in the host. More than any of our programs serves, so that it is the guest
  /// that chooses who gives way.
  static let mostConnections = 1280
  /// How long a client waits for the guest to answer for the port, counted from its coming, or from when the guest was
  /// last heard from that port: a busy guest is not taken for an absent one. Short of a second, after which people
  /// think that something hangs.
  static let patience: UInt64 = 800_000_000
  /// Bytes that wait in the buffers of all connections, beyond 4 KiB for each direction of each.
  private static let bufferMemory = 4 << 20

  let connectionLimit: Int
  let loop: EventLoop
  let log: Logger
  let listeners: [PublishedListener]
  /// Whether the listening sockets are watched.
  var isAccepting = false
  /// Made when the driver is ready, because only then it is known what frames it takes; nil while there is no driver.
  private(set) var stack: NetworkStack<UserNetworkLink>?
  /// The connections carried, each at the place that its connection has in the stack's table.
  var relays: [TCPRelay?]
  /// How many connections are being carried.
  var connectionCount = 0
  /// Clients that are not carried yet, because there is no driver or much is on the way to the guest, in the order of
  /// their coming.
  var earlyClients: [PublishedClient] = []
  /// What is on its way to the guest.
  let flight = FlightControl()
  /// When those who wait for their turn are looked after at the latest; nil while nobody waits.
  var flightTimer: EventLoop.Timer?
  /// The next look for clients that nobody has answered for; nil while there can be none.
  var patienceTimer: EventLoop.Timer?
  /// Why no connection can be accepted at present, where that has been said.
  var acceptFailure: Errno?
  private var timer: EventLoop.Timer?
  /// When `timer` fires.
  private var timerDeadline = UInt64.max
  /// The frame at hand, copied out of the guest's reach.
  private var frame: [UInt8] = []
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

  /// Both sides are in this process, so nothing has to be summed or cut.
  public let offloads: VirtioFeatures =
    .networkChecksum | .networkHostTSO4 | .networkGuestChecksum | .networkGuestTSO4
  /// The ordinary one.
  public let maximumTransmissionUnit: UInt16? = nil

  /// Makes the network and listens on the published ports at once; connections wait until the guest is there.
  public convenience init(
    publishing ports: [PublishedPort], loop: EventLoop, log: Logger = Logger(label: "xokvm.network")
  ) throws(PublishError) {
    try self.init(
      publishing: ports, loop: loop, log: log, connectionLimit: ports.isEmpty ? 0 : UserNetworkBackend.mostConnections)
  }

  /// The same, for at most `connectionLimit` connections.
  init(
    publishing ports: [PublishedPort], loop: EventLoop, log: Logger = Logger(label: "xokvm.network"),
    connectionLimit: Int
  ) throws(PublishError) {
    self.loop = loop
    self.log = log
    self.connectionLimit = connectionLimit
    // As many again that are over, and that the stack has to remember for a while.
    relays = [TCPRelay?](repeating: nil, count: 2 * connectionLimit)
    var listeners: [PublishedListener] = []
    for port in ports { listeners.append(try PublishedListener(port)) }
    self.listeners = listeners
    // One descriptor for each, beside those of the rest of the machine.
    if connectionLimit > 0 { HostSocket.raiseDescriptorLimit(to: connectionLimit + 256) }
    for listener in listeners {
      do throws(EventLoopError) {
        try loop.register(
          listener.socket.rawValue, readable: { [weak self, unowned listener] in self?.accept(listener) })
      } catch {
        throw .failed(listener.port, .noMemory)
      }
    }
    isAccepting = true
  }

  deinit {
    if let timer { loop.cancel(timer) }
    if let patienceTimer { loop.cancel(patienceTimer) }
    if let flightTimer { loop.cancel(flightTimer) }
    for listener in listeners { loop.unregister(listener.socket.rawValue) }
    for relay in relays { relay?.reset() }
    for client in earlyClients { client.resetOnClose() }
    // Safe: allocated by init, and nobody else has it.
    unsafe buffer.deallocate()
  }

  /// The host's ports, in the order given to `init`; where that was 0, what the host chose.
  public var hostPorts: [UInt16] { listeners.map { HostSocket.port(of: $0.socket.rawValue) ?? $0.port.hostPort } }

  // MARK: NetworkBackend

  /// Brings the network up for a driver that accepted `features`.
  public func start(receiver: any NetworkReceiver, features: VirtioFeatures) {
    var configuration = StackConfiguration()
    configuration.maximumConnections = relays.count
    configuration.bufferMemory = UserNetworkBackend.bufferMemory
    configuration.maximumListeners = 1
    configuration.maximumUDPSockets = 1
    // The guest's programs may come up long after its driver, and on this link only a busy guest loses packets. A
    // client waits less than a second, so the guest is asked for often, and never counts as unreachable.
    configuration.neighborRequestInterval = .milliseconds(100)
    configuration.neighborRequestLimit = .max
    configuration.initialRetransmissionTimeout = .milliseconds(250)
    // Below the patience with which a client waits, so that a lost request to connect is not taken for a port without
    // an answer.
    configuration.maximumRetransmissionTimeout = .milliseconds(600)
    configuration.handshakeRetransmissionLimit = 500
    configuration.retransmissionLimit = 500
    let stack = NetworkStack(
      link: UserNetworkLink(receiver: receiver, features: features),
      hardwareAddress: InternetStack.MACAddress(0x52, 0x55, 10, 0, 2, 2),
      addressing: .manual(address: UserNetworkBackend.hostAddress, prefixLength: 24, gateway: nil),
      configuration: configuration, seed: (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max)))
    let pool = DHCPServerConfiguration(
      firstAddress: UserNetworkBackend.guestAddress, count: 16, router: UserNetworkBackend.hostAddress)
    do throws(NetworkError) {
      try stack.serveDHCP(pool)
    } catch {
      log.error("the user network cannot serve DHCP: \(error); give the guest its address by hand")
    }
    self.stack = stack
    // From now on the guest can answer: clients that came before have their patience again.
    for listener in listeners { listener.lastHeard = max(listener.lastHeard, EventLoop.now) }
    takeTurns()
    setAccepting(true)
    serveSoon()
  }

  /// Takes the network down: connections are reset, new ones wait for a driver, but not for long.
  public func stop() {
    for index in relays.indices { drop(at: index) { $0.reset() } }
    flight.removeAll()
    stack = nil
    setAccepting(true)
    if let timer { loop.cancel(timer) }
    timer = nil
    timerDeadline = .max
  }

  /// Gives the frame to the stack, which takes any frame.
  public func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    guard let stack else { return .done }
    frame.removeAll(keepingCapacity: true)
    packet.appendFrame(to: &frame)
    let metadata = UserNetworkLink.metadata(packet.header)
    let bytes = frame
    // Safe: the array lives for the duration of the call.
    unsafe bytes.withUnsafeBytes { bytes in unsafe stack.receive(bytes, metadata: metadata, now: now) }
    serveSoon()
    return .done
  }

  /// Lets the stack send what it had to keep.
  public func receiveBuffersAvailable() {
    serveSoon()
  }

  // MARK: Driving the stack

  var now: Instant { Instant(nanoseconds: EventLoop.now) }

  /// Serves once the frames or sockets that are ready now have been looked at: one round of answers for all of them.
  func serveSoon() { setTimer(0) }

  private func setTimer(_ deadline: UInt64) {
    guard stack != nil, deadline < timerDeadline else { return }
    if let timer { loop.cancel(timer) }
    timerDeadline = deadline
    let current = EventLoop.now
    timer = loop.schedule(after: deadline > current ? deadline - current : 0) { [weak self] in
      guard let self else { return }
      self.timer = nil
      self.timerDeadline = .max
      self.serve()
    }
  }

  /// Runs the stack, moves the data of connections that changed, and lets the stack send what came of that.
  private func serve() {
    guard let stack else { return }
    stack.poll(now: now)
    // Each connection that changed is looked at; what changes meanwhile has its turn after the descriptors.
    for _ in 0..<max(1, relays.count) {
      guard let connection = stack.nextChangedConnection() else { break }
      if let relay = relays[connection.index], relay.connection == connection {
        noteHeard(relay, stack)
        pump(relay)
      }
    }
    takeTurns()
    stack.poll(now: now)
    stack.link.flush()
    if let deadline = stack.nextDeadline { setTimer(deadline.nanoseconds) }
  }
}
