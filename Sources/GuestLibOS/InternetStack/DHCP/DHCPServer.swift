/// What a stack's DHCP server hands out.
public struct DHCPServerConfiguration: Sendable {
  /// First address of the pool. The pool lies on the link and does not contain the server's own address.
  public var firstAddress: IPv4Address
  /// Number of addresses in the pool, 1 to 256.
  public var count: Int
  /// The router told to clients, usually the server itself.
  public var router: IPv4Address?
  /// The name server told to clients.
  public var nameServer: IPv4Address?
  /// How long an address is leased.
  public var leaseSeconds: UInt32

  /// Describes a pool.
  public init(
    firstAddress: IPv4Address, count: Int, router: IPv4Address? = nil, nameServer: IPv4Address? = nil,
    leaseSeconds: UInt32 = 86_400
  ) {
    self.firstAddress = firstAddress
    self.count = count
    self.router = router
    self.nameServer = nameServer
    self.leaseSeconds = leaseSeconds
  }
}

/// A server with one pool (RFC 2131 section 4.3): a value that answers messages; it sends nothing and stores no file.
struct DHCPServer {
  private struct Binding {
    let address: IPv4Address
    /// Nil while the address is set aside after a client found it in use.
    var client: MACAddress?
    /// Acknowledged, not only offered.
    var isBound: Bool
    var expires: Instant
  }

  private let configuration: DHCPServerConfiguration
  private let interface: InterfaceAddress
  private var bindings: [Binding] = []

  init(configuration: DHCPServerConfiguration, interface: InterfaceAddress) {
    self.configuration = configuration
    self.interface = interface
  }

  /// The address that `client` holds a lease of.
  func leasedAddress(of client: MACAddress, now: Instant) -> IPv4Address? {
    bindings.first { $0.client == client && $0.isBound && $0.expires > now }?.address
  }

  /// The answer to a client's message; nil if there is none.
  mutating func respond(to message: DHCPMessage, now: Instant) -> DHCPMessage? {
    // Relays are not served: the pool is for the link only.
    guard !message.isReply, message.relay == .unspecified, !message.hardwareAddress.isGroup else { return nil }
    let client = message.hardwareAddress
    switch message.kind {
    case .discover:
      guard let address = choose(for: client, wish: message.requestedAddress, now: now) else { return nil }
      bind(address, to: client, isBound: false, until: now + .seconds(60))
      return answer(.offer, message, address)
    case .request: return respondToRequest(message, client, now)
    case .decline:
      guard message.server == nil || message.server == interface.address, let address = message.requestedAddress,
        let index = bindings.firstIndex(where: { $0.address == address && $0.client == client })
      else { return nil }
      bindings[index].client = nil
      bindings[index].expires = now + .seconds(600)
      return nil
    case .release:
      bindings.removeAll { $0.client == client && $0.address == message.clientAddress }
      return nil
    case .inform: return answer(.acknowledge, message, nil)
    case .offer, .acknowledge, .refuse: return nil
    }
  }

  /// The three kinds of request of section 4.3.2.
  private mutating func respondToRequest(_ message: DHCPMessage, _ client: MACAddress, _ now: Instant) -> DHCPMessage? {
    if let server = message.server, server != interface.address {
      // The client chose another server: our offer is free again.
      bindings.removeAll { $0.client == client && !$0.isBound }
      return nil
    }
    let wanted = message.requestedAddress ?? message.clientAddress
    let held = bindings.firstIndex { $0.client == client && $0.expires > now }
    if let held, bindings[held].address == wanted {
      bind(wanted, to: client, isBound: true, until: now + .seconds(configuration.leaseSeconds))
      return answer(.acknowledge, message, wanted)
    }
    // Renewing or rebinding after we forgot the client (this server keeps no file): its address is free, so be it.
    if message.server == nil, held == nil, isInPool(wanted), isFree(wanted, now: now) {
      bind(wanted, to: client, isBound: true, until: now + .seconds(configuration.leaseSeconds))
      return answer(.acknowledge, message, wanted)
    }
    return answer(.refuse, message, nil)
  }

  /// The client's present address, else the one it wishes, else the first that was never used or is free again.
  private func choose(for client: MACAddress, wish: IPv4Address?, now: Instant) -> IPv4Address? {
    if let binding = bindings.first(where: { $0.client == client }) { return binding.address }
    if let wish, isInPool(wish), isFree(wish, now: now) { return wish }
    for offset in 0..<poolCount {
      let address = IPv4Address(value: configuration.firstAddress.value &+ UInt32(offset))
      if isInPool(address), isFree(address, now: now) { return address }
    }
    return nil
  }

  private var poolCount: Int { min(max(configuration.count, 1), 256) }

  private func isInPool(_ address: IPv4Address) -> Bool {
    let offset = address.value &- configuration.firstAddress.value
    return offset < UInt32(poolCount) && address != interface.address && interface.isOnLink(address)
      && address != interface.directedBroadcast
  }

  private func isFree(_ address: IPv4Address, now: Instant) -> Bool {
    !bindings.contains { $0.address == address && $0.expires > now }
  }

  private mutating func bind(_ address: IPv4Address, to client: MACAddress, isBound: Bool, until expires: Instant) {
    if let index = bindings.firstIndex(where: { $0.address == address && $0.client == client }) {
      // An offer to a client that holds the address does not shorten its lease.
      if !isBound, bindings[index].isBound, bindings[index].expires > expires { return }
      bindings[index].isBound = isBound
      bindings[index].expires = expires
      return
    }
    bindings.removeAll { $0.address == address || $0.client == client }
    bindings.append(Binding(address: address, client: client, isBound: isBound, expires: expires))
  }

  private func answer(_ kind: DHCPMessage.Kind, _ question: DHCPMessage, _ address: IPv4Address?) -> DHCPMessage {
    var reply = DHCPMessage(
      isReply: true, kind: kind, transaction: question.transaction, hardwareAddress: question.hardwareAddress)
    reply.broadcastFlag = question.broadcastFlag
    reply.server = interface.address
    if kind == .refuse { return reply }
    reply.clientAddress = question.kind == .discover ? .unspecified : question.clientAddress
    reply.subnetMask = interface.mask
    reply.router = configuration.router
    reply.nameServer = configuration.nameServer
    guard let address else { return reply }
    let seconds = configuration.leaseSeconds
    reply.yourAddress = address
    reply.leaseSeconds = seconds
    if seconds != .max {
      reply.renewalSeconds = seconds / 2
      reply.rebindingSeconds = UInt32(UInt64(seconds) * 7 / 8)
    }
    return reply
  }
}
