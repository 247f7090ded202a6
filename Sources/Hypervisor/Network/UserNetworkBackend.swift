import InternetStack
import Logging
import SystemPackage
import VirtioLayout

/// A network inside the VMM, without privileges: an Ethernet with one host besides the guest, 10.0.2.2, which answers ARP and ICMP
/// echo, leases 10.0.2.15 by DHCP, and carries connections to published ports of the host to the guest. There is no way out to other
/// networks.
///
/// A TCP connection ends here: the host's kernel speaks with the client, the stack in this process with the guest.
/// Made before its loop runs or on the loop's thread, and dropped there or after the loop has ended.
@safe public final class UserNetworkBackend: NetworkBackend, @unchecked Sendable {
  // Sendable: used by the device thread only.

  /// The host's address on the link, and its gateway.
  public static let hostAddress = IPv4Address(10, 0, 2, 2)
  /// The address that the guest gets, and that published ports lead to.
  public static let guestAddress = IPv4Address(10, 0, 2, 15)
  /// Most connections carried at a time; more wait in the host.
  private static let connectionLimit = 256
  /// How long not to accept after the host ran out of descriptors.
  private static let acceptPause: UInt64 = 100_000_000

  private final class ListeningPort {
    let port: PublishedPort
    let socket: OwnedDescriptor
    init(_ port: PublishedPort) throws(PublishError) {
      self.port = port
      socket = try HostSocket.listen(port)
    }
  }

  private let loop: EventLoop
  private let log: Logger
  private let listeners: [ListeningPort]
  private var isAccepting = false
  /// Made when the driver is ready, because only then it is known what frames it takes; nil while there is no driver.
  private var stack: NetworkStack<GuestLink>?
  private var relays: [TCPRelay] = []
  private var timer: EventLoop.Timer?
  /// When `timer` fires.
  private var timerDeadline = UInt64.max
  /// The frame at hand, copied out of the guest's reach.
  private var frame: [UInt8] = []
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

  /// Both sides are in this process, so nothing has to be summed or cut.
  public let offloads: VirtioFeatures =
    .networkChecksum | .networkHostTSO4 | .networkGuestChecksum | .networkGuestTSO4
  /// The ordinary one.
  public let maximumTransmissionUnit: UInt16? = nil

  /// Makes the network and listens on the published ports at once; connections wait until the guest is there.
  public init(
    publishing ports: [PublishedPort], loop: EventLoop, log: Logger = Logger(label: "xokvm.network")
  ) throws(PublishError) {
    self.loop = loop
    self.log = log
    var listeners: [ListeningPort] = []
    for port in ports { listeners.append(try ListeningPort(port)) }
    self.listeners = listeners
    for listener in listeners {
      do throws(EventLoopError) {
        try loop.register(
          listener.socket.rawValue, readable: { [weak self, unowned listener] in self?.accept(listener) })
        try loop.update(listener.socket.rawValue, interest: [])
      } catch {
        throw .failed(listener.port, .noMemory)
      }
    }
  }

  deinit {
    if let timer { loop.cancel(timer) }
    for listener in listeners { loop.unregister(listener.socket.rawValue) }
    for relay in relays { relay.reset() }
    // Safe: allocated by init, and nobody else has it.
    unsafe buffer.deallocate()
  }

  /// The host's ports, in the order given to `init`; where that was 0, what the host chose.
  public var hostPorts: [UInt16] { listeners.map { HostSocket.port(of: $0.socket.rawValue) ?? $0.port.hostPort } }

  /// How many connections are being carried.
  var connectionCount: Int { relays.count }

  // MARK: NetworkBackend

  /// Brings the network up for a driver that accepted `features`.
  public func start(receiver: any NetworkReceiver, features: VirtioFeatures) {
    var configuration = StackConfiguration()
    configuration.maximumConnections = 2 * UserNetworkBackend.connectionLimit
    configuration.maximumListeners = 1
    configuration.maximumUDPSockets = 1
    // The guest's programs may come up long after its driver, and on this link only a busy guest loses packets.
    configuration.neighborRequestLimit = 300
    configuration.initialRetransmissionTimeout = .milliseconds(250)
    configuration.maximumRetransmissionTimeout = .seconds(2)
    configuration.handshakeRetransmissionLimit = 150
    configuration.retransmissionLimit = 150
    let stack = NetworkStack(
      link: GuestLink(receiver: receiver, features: features),
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
    setAccepting(true)
    serveSoon()
  }

  /// Takes the network down: connections are reset, new ones wait in the host.
  public func stop() {
    setAccepting(false)
    for relay in relays { relay.reset() }
    relays.removeAll()
    stack = nil
    if let timer { loop.cancel(timer) }
    timer = nil
    timerDeadline = .max
  }

  /// Gives the frame to the stack, which takes any frame.
  public func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    guard let stack else { return .done }
    frame.removeAll(keepingCapacity: true)
    packet.appendFrame(to: &frame)
    let metadata = GuestLink.metadata(packet.header)
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

  private var now: Instant { Instant(nanoseconds: EventLoop.now) }

  /// Serves once the frames or sockets that are ready now have been looked at: one round of answers for all of them.
  private func serveSoon() { setTimer(0) }

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
    for _ in 0..<(2 * UserNetworkBackend.connectionLimit) {
      guard let connection = stack.nextChangedConnection() else { break }
      if let index = relays.firstIndex(where: { $0.connection == connection }) { pump(at: index) }
    }
    stack.poll(now: now)
    stack.link.flush()
    if let deadline = stack.nextDeadline { setTimer(deadline.nanoseconds) }
  }

  // MARK: Connections

  private func setAccepting(_ isAccepting: Bool) {
    guard isAccepting != self.isAccepting else { return }
    self.isAccepting = isAccepting
    for listener in listeners {
      do throws(EventLoopError) {
        try loop.update(listener.socket.rawValue, interest: isAccepting ? [.readable] : [])
      } catch {
        log.error("port \(listener.port.hostPort) is no longer served: \(error)")
      }
    }
  }

  private func accept(_ listener: ListeningPort) {
    while let stack, isAccepting {
      guard relays.count < UserNetworkBackend.connectionLimit else { return setAccepting(false) }
      switch HostSocket.accept(listener.socket.rawValue) {
      case .success(let fd): carry(fd, to: listener.port.guestPort, stack)
      case .failure(.wouldBlock), .failure(.resourceTemporarilyUnavailable): return
      case .failure(.connectionAbort): continue
      case .failure(let errno):
        log.warning("cannot accept a connection on port \(listener.port.hostPort) (\(errno)); trying again")
        setAccepting(false)
        loop.schedule(after: UserNetworkBackend.acceptPause) { [weak self] in
          if let self, self.stack != nil { self.setAccepting(true) }
        }
        return
      }
    }
  }

  private func carry(_ fd: Int32, to guestPort: UInt16, _ stack: NetworkStack<GuestLink>) {
    let socket = OwnedDescriptor(fd)
    do throws(NetworkError) {
      let connection = try stack.connect(
        to: Endpoint(address: UserNetworkBackend.guestAddress, port: guestPort), now: now)
      // The host's client has chosen already what to send at once.
      try stack.setCoalescing(connection, false)
      do throws(EventLoopError) {
        let relay = try TCPRelay(socket: socket, connection: connection, stack: stack, loop: loop) {
          [weak self] relay in
          self?.wake(relay)
        }
        relays.append(relay)
      } catch {
        stack.abort(connection)
        stack.release(connection)
        log.warning("a connection to port \(guestPort) was dropped: \(error)")
      }
    } catch {
      HostSocket.resetOnClose(fd)
      log.warning("a connection to port \(guestPort) of the guest was refused: \(error)")
    }
    serveSoon()
  }

  /// The host's side of a relay is ready.
  private func wake(_ relay: TCPRelay) {
    if let index = relays.firstIndex(where: { $0 === relay }) { pump(at: index) }
    serveSoon()
  }

  private func pump(at index: Int) {
    // Safe: the buffer lives as long as this object and is used by one relay at a time.
    guard unsafe relays[index].pump(buffer) == .over else { return }
    relays.swapAt(index, relays.count - 1)
    relays.removeLast()
    if stack != nil { setAccepting(true) }
  }
}
