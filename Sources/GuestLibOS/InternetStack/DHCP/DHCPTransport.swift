/// Carries DHCP messages over UDP. They go past the sockets, since they must pass before there is an address.
extension ProtocolEngine {
  /// The lease that the DHCP client holds; nil without one, and with manual addressing.
  public var lease: DHCPLease? { dhcpClient?.lease }

  /// Serves DHCP on the link from now on. Needs an address.
  public func serveDHCP(_ configuration: DHCPServerConfiguration) throws(NetworkError) {
    guard let interface else { throw .notConfigured }
    dhcpServer = DHCPServer(configuration: configuration, interface: interface)
  }

  /// The address that our DHCP server has leased to a station.
  public func leasedAddress(of client: MACAddress) -> IPv4Address? {
    dhcpServer?.leasedAddress(of: client, now: now)
  }

  func runDHCPClient() {
    // Two steps at most follow from one another (expiry, then discovery).
    for _ in 0..<2 {
      guard let due = dhcpClient?.nextDeadline, now >= due else { return }
      let random = random()
      let action = dhcpClient?.poll(
        now: now, hardwareAddress: hardwareAddress, configuration: configuration, random: random)
      perform(action ?? .none)
    }
  }

  /// Takes a datagram for one of the DHCP ports; false if it is not for DHCP here.
  func receiveDHCP(_ payload: PacketBytes, source: Endpoint, destinationPort: UInt16) -> Bool {
    if destinationPort == DHCPMessage.clientPort, dhcpClient != nil {
      guard let message = DHCPMessage(parsing: payload) else {
        statistics.malformed &+= 1
        return true
      }
      let action = dhcpClient?.receive(message, hardwareAddress: hardwareAddress, now: now)
      perform(action ?? .none)
      runDHCPClient()
      return true
    }
    if destinationPort == DHCPMessage.serverPort, dhcpServer != nil {
      guard let message = DHCPMessage(parsing: payload) else {
        statistics.malformed &+= 1
        return true
      }
      if let reply = dhcpServer?.respond(to: message, now: now) { sendServerReply(reply) }
      return true
    }
    return false
  }

  private func perform(_ action: DHCPClient.Action) {
    switch action {
    case .none: return
    case .configure(let interface): setInterface(interface)
    case .deconfigure: setInterface(nil)
    case .send(let message, let destination): sendClientMessage(message, to: destination)
    }
  }

  private static var payloadStart: Int { EthernetHeader.length + IPv4Header.length + UDPHeader.length }

  private func sendClientMessage(_ message: DHCPMessage, to destination: IPv4Address) {
    let length = message.write(to: frame, at: Self.payloadStart)
    let source = Endpoint(address: message.clientAddress, port: DHCPMessage.clientPort)
    let target = Endpoint(address: destination, port: DHCPMessage.serverPort)
    let metadata = writeUDPHeader(source: source, destination: target, payloadLength: length)
    if destination == .broadcast {
      let isSent = sendDatagram(
        from: source.address, to: destination, station: .broadcast, payloadLength: length, metadata)
      if !isSent { dhcpClient?.messageNotSent(now: now) }
    } else {
      // A renewal that is not sent has time: it is repeated, and rebinding follows.
      _ = sendIPv4(
        from: source.address, to: destination, protocolNumber: IPv4Header.ProtocolNumber.udp,
        payloadLength: UDPHeader.length + length, metadata: metadata)
    }
  }

  /// Sends a reply where section 4.1 of RFC 2131 wants it.
  private func sendServerReply(_ reply: DHCPMessage) {
    guard let address else { return }
    var destination = IPv4Address.broadcast
    var station = MACAddress.broadcast
    if reply.kind != .refuse {
      if reply.clientAddress != .unspecified {
        destination = reply.clientAddress
        station = reply.hardwareAddress
      } else if !reply.broadcastFlag, reply.yourAddress != .unspecified {
        // The client does not answer ARP for this address yet: its hardware address is in the message.
        destination = reply.yourAddress
        station = reply.hardwareAddress
      }
    }
    let length = reply.write(to: frame, at: Self.payloadStart)
    let metadata = writeUDPHeader(
      source: Endpoint(address: address, port: DHCPMessage.serverPort),
      destination: Endpoint(address: destination, port: DHCPMessage.clientPort), payloadLength: length)
    // If the link is full the client asks again.
    _ = sendDatagram(from: address, to: destination, station: station, payloadLength: length, metadata)
  }

  private func sendDatagram(
    from source: IPv4Address, to destination: IPv4Address, station: MACAddress, payloadLength: Int,
    _ metadata: FrameMetadata
  ) -> Bool {
    let length = UDPHeader.length + payloadLength
    writeIPv4Header(
      source: source, destination: destination, protocolNumber: IPv4Header.ProtocolNumber.udp, payloadLength: length)
    writeEthernetHeader(in: frame, to: station, type: EthernetHeader.EtherType.ipv4)
    return emit(length: EthernetHeader.length + IPv4Header.length + length, metadata: metadata)
  }
}
