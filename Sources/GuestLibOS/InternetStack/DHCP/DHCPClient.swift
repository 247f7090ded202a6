/// What a DHCP server has leased to us.
public struct DHCPLease: Equatable, Sendable {
  /// The leased address, the prefix of its link and the first router.
  public var interface: InterfaceAddress
  /// The server that gave the lease.
  public var server: IPv4Address
  /// The first name server, if one was named.
  public var nameServer: IPv4Address?
}

/// The client's state machine (RFC 2131 section 4.4): a value that says what to send and what changed; it sends
/// nothing.
///
/// Requests go out at once at start, without the random delay that the RFC proposes for rooms full of desktop machines.
struct DHCPClient {
  enum State: Equatable {
    /// No lease; discovering servers.
    case selecting
    /// Waiting for the chosen server's acknowledgement.
    case requesting
    case bound
    case renewing
    case rebinding
  }

  /// What must be done now.
  enum Action: Equatable {
    case none
    /// Send `message`, broadcast or to a server.
    case send(DHCPMessage, to: IPv4Address)
    case configure(InterfaceAddress)
    case deconfigure
  }

  private(set) var state = State.selecting
  private(set) var lease: DHCPLease?
  private(set) var nextDeadline = Instant(nanoseconds: 0)
  private var transaction: UInt32
  private var attempts = 0
  private var offered = IPv4Address.unspecified
  private var offeringServer = IPv4Address.unspecified
  private var renewAt = Instant.never
  private var rebindAt = Instant.never
  private var expiresAt = Instant.never
  /// When the request that is being answered was first sent: from there leases count (section 4.4.1).
  private var requestedAt = Instant(nanoseconds: 0)

  init(firstTransaction: UInt32) { transaction = firstTransaction }

  /// Takes the step that is due. `random` varies the times of repetition.
  mutating func poll(
    now: Instant, hardwareAddress: MACAddress, configuration: StackConfiguration, random: UInt64
  ) -> Action {
    guard now >= nextDeadline else { return .none }
    switch state {
    case .selecting:
      if attempts == 0 { transaction &+= 1 }
      wait(now, configuration, random)
      return .send(message(.discover, hardwareAddress), to: .broadcast)
    case .requesting:
      // After about a minute without an answer the server counts as gone (section 3.1, point 5).
      if attempts > 4 {
        restart(at: now)
        return .none
      }
      wait(now, configuration, random)
      return .send(requestMessage(hardwareAddress), to: .broadcast)
    case .bound:
      state = .renewing
      transaction &+= 1
      requestedAt = now
      return poll(now: now, hardwareAddress: hardwareAddress, configuration: configuration, random: random)
    case .renewing:
      if now >= rebindAt {
        state = .rebinding
        transaction &+= 1
        requestedAt = now
        return poll(now: now, hardwareAddress: hardwareAddress, configuration: configuration, random: random)
      }
      nextDeadline = min(rebindAt, now + retryInterval(until: rebindAt, now))
      return .send(requestMessage(hardwareAddress), to: lease?.server ?? .broadcast)
    case .rebinding:
      if now >= expiresAt {
        lease = nil
        restart(at: now)
        return .deconfigure
      }
      nextDeadline = min(expiresAt, now + retryInterval(until: expiresAt, now))
      return .send(requestMessage(hardwareAddress), to: .broadcast)
    }
  }

  /// Takes a message from a server.
  mutating func receive(_ message: DHCPMessage, hardwareAddress: MACAddress, now: Instant) -> Action {
    guard message.isReply, message.transaction == transaction, message.hardwareAddress == hardwareAddress else {
      return .none
    }
    switch (message.kind, state) {
    case (.offer, .selecting):
      guard let server = message.server, Self.isUsable(message.yourAddress), attempts > 0 else { return .none }
      offered = message.yourAddress
      offeringServer = server
      state = .requesting
      attempts = 0
      requestedAt = now
      nextDeadline = now
      return .none
    case (.acknowledge, .requesting), (.acknowledge, .renewing), (.acknowledge, .rebinding):
      return bind(message, now: now)
    case (.refuse, .requesting):
      guard message.server == nil || message.server == offeringServer else { return .none }
      restart(at: now + .seconds(1))
      return .none
    case (.refuse, .renewing), (.refuse, .rebinding):
      lease = nil
      restart(at: now)
      return .deconfigure
    default: return .none
    }
  }

  /// The link was full, as it may be while a driver starts: the message is made again soon, and does not count.
  mutating func messageNotSent(now: Instant) {
    attempts = max(0, attempts - 1)
    nextDeadline = min(nextDeadline, now + .milliseconds(10))
  }

  private mutating func bind(_ message: DHCPMessage, now: Instant) -> Action {
    guard Self.isUsable(message.yourAddress), let seconds = message.leaseSeconds, seconds > 0 else { return .none }
    if state == .requesting, message.yourAddress != offered { return .none }
    let prefixLength = message.subnetMask.map { UInt8((~$0.value).leadingZeroBitCount) } ?? 24
    let interface = InterfaceAddress(
      address: message.yourAddress, prefixLength: prefixLength,
      gateway: message.router.flatMap { Self.isUsable($0) ? $0 : nil })
    lease = DHCPLease(
      interface: interface, server: message.server ?? lease?.server ?? offeringServer, nameServer: message.nameServer)
    state = .bound
    if seconds == .max {
      (renewAt, rebindAt, expiresAt) = (.never, .never, .never)
    } else {
      let rebinding = min(message.rebindingSeconds ?? .max, UInt32(UInt64(seconds) * 7 / 8))
      let renewal = min(message.renewalSeconds ?? .max, min(seconds / 2, rebinding))
      // At least a second, so that a server of nonsense leases cannot keep us busy.
      renewAt = requestedAt + .seconds(max(renewal, 1))
      rebindAt = requestedAt + .seconds(rebinding)
      expiresAt = requestedAt + .seconds(seconds)
    }
    nextDeadline = renewAt
    return .configure(interface)
  }

  private mutating func restart(at instant: Instant) {
    state = .selecting
    attempts = 0
    nextDeadline = instant
  }

  /// Sets the time of the next repetition: doubled each time up to 64 s, varied by up to a second (section 4.1).
  private mutating func wait(_ now: Instant, _ configuration: StackConfiguration, _ random: UInt64) {
    let base = configuration.dhcpRetransmission.backedOff(doublings: attempts, limit: .seconds(64))
    let spread = min(TimeSpan.seconds(1).nanoseconds, base.nanoseconds / 4)
    let variation = random % (2 * spread + 1)
    nextDeadline = now + TimeSpan(nanoseconds: base.nanoseconds - spread + variation)
    attempts += 1
  }

  /// Half of the time left, but not less than a minute (section 4.4.5).
  private func retryInterval(until end: Instant, _ now: Instant) -> TimeSpan {
    max(TimeSpan(nanoseconds: end.since(now).nanoseconds / 2), .seconds(60))
  }

  private func message(_ kind: DHCPMessage.Kind, _ hardwareAddress: MACAddress) -> DHCPMessage {
    DHCPMessage(isReply: false, kind: kind, transaction: transaction, hardwareAddress: hardwareAddress)
  }

  /// A request as section 4.3.2 wants it in each state.
  private func requestMessage(_ hardwareAddress: MACAddress) -> DHCPMessage {
    var request = message(.request, hardwareAddress)
    if let lease, state == .renewing || state == .rebinding {
      request.clientAddress = lease.interface.address
    } else {
      request.requestedAddress = offered
      request.server = offeringServer
    }
    return request
  }

  private static func isUsable(_ address: IPv4Address) -> Bool {
    address != .unspecified && address != .broadcast && !address.isMulticast && !address.isLoopback
  }
}
