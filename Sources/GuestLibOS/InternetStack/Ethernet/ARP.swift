/// An ARP packet for IPv4 over Ethernet (RFC 826).
struct ARPPacket {
  static let length = 28

  enum Operation {
    static let request: UInt16 = 1
    static let reply: UInt16 = 2
  }

  var operation: UInt16
  var senderHardware: MACAddress
  var sender: IPv4Address
  var target: IPv4Address

  /// Decodes a packet; nil if it is too short or not about IPv4 over Ethernet.
  init?(parsing bytes: PacketBytes) {
    guard bytes.count >= Self.length, bytes.uint16(at: 0) == 1, bytes.uint16(at: 2) == EthernetHeader.EtherType.ipv4,
      bytes.uint8(at: 4) == 6, bytes.uint8(at: 5) == 4
    else { return nil }
    operation = bytes.uint16(at: 6)
    senderHardware = bytes.hardwareAddress(at: 8)
    sender = bytes.address(at: 14)
    target = bytes.address(at: 24)
  }
}

/// What is known of the way to an IPv4 destination.
enum Route {
  case ready(MACAddress)
  /// ARP is asking; the value is the next hop.
  case resolving(IPv4Address)
  case unreachable
}

extension ProtocolEngine {
  func receiveARP(_ bytes: PacketBytes) {
    guard let packet = ARPPacket(parsing: bytes) else {
      statistics.malformed &+= 1
      return
    }
    guard let interface, !packet.senderHardware.isGroup, packet.senderHardware != hardwareAddress else { return }
    if packet.sender == interface.address {
      // Another station uses our address: keep it, and say so at a limited rate (RFC 5227 section 2.4 (b)).
      statistics.addressConflicts &+= 1
      if announcementBudget.allows(at: now) { _ = sendAnnouncement() }
      return
    }
    // A probe (RFC 5227 section 2.1.1) names no sender, so there is nothing to learn from it.
    if packet.sender != .unspecified, interface.isOnLink(packet.sender), packet.sender != interface.directedBroadcast {
      let isForUs = packet.target == interface.address
      if neighbors.learn(packet.sender, packet.senderHardware, create: isForUs, now: now) {
        sendParkedPackets(to: packet.sender, packet.senderHardware)
      }
      dropEvicted()
    }
    if packet.operation == ARPPacket.Operation.request, packet.target == interface.address {
      sendARP(
        ARPPacket.Operation.reply, sender: interface.address, target: packet.sender,
        targetHardware: packet.senderHardware, to: packet.senderHardware)
    }
  }

  /// The way to `destination`. An unknown neighbour is asked for.
  func route(to destination: IPv4Address) -> Route {
    guard let interface else { return .unreachable }
    if destination == .broadcast || destination == interface.directedBroadcast { return .ready(.broadcast) }
    if destination == interface.address || destination == .unspecified || destination.isMulticast
      || destination.isLoopback
    {
      return .unreachable
    }
    var nextHop = destination
    if !interface.isOnLink(destination) {
      guard let gateway = interface.gateway else { return .unreachable }
      nextHop = gateway
    }
    let (state, request) = neighbors.look(up: nextHop, now: now)
    dropEvicted()
    switch request {
    case .broadcast(let address): sendARPRequest(for: address, to: .broadcast)
    case .unicast(let address, let hardware): sendARPRequest(for: address, to: hardware)
    case nil: break
    }
    switch state {
    case .resolved(let hardware): return .ready(hardware)
    case .resolving: return .resolving(nextHop)
    case .failed: return .unreachable
    }
  }

  func runNeighborTimers() {
    if neighbors.announcementsLeft > 0, interface != nil {
      if sendAnnouncement() { neighbors.announcementsLeft -= 1 }
    }
    if neighbors.nextDeadline > now { return }
    while let step = neighbors.expire(now: now) {
      switch step {
      case .request(let address): sendARPRequest(for: address, to: .broadcast)
      case .fail(let address):
        statistics.unresolvedDropped &+= UInt64(parkedPackets.drop(for: address))
        neighborFailed(address)
      }
    }
  }

  private func sendParkedPackets(to neighbor: IPv4Address, _ hardware: MACAddress) {
    while let (parked, metadata) = parkedPackets.take(for: neighbor, hardware) {
      if !emit(parked, metadata) { statistics.unresolvedDropped &+= 1 }
    }
    neighborResolved()
  }

  private func dropEvicted() {
    if let neighbor = neighbors.takeEvicted() {
      statistics.unresolvedDropped &+= UInt64(parkedPackets.drop(for: neighbor))
    }
  }

  private func sendAnnouncement() -> Bool {
    guard let interface else { return false }
    statistics.arpRequestsSent &+= 1
    return sendARP(
      ARPPacket.Operation.request, sender: interface.address, target: interface.address,
      targetHardware: MACAddress(value: 0), to: .broadcast)
  }

  private func sendARPRequest(for address: IPv4Address, to destination: MACAddress) {
    guard let interface else { return }
    statistics.arpRequestsSent &+= 1
    let isSent = sendARP(
      ARPPacket.Operation.request, sender: interface.address, target: address, targetHardware: MACAddress(value: 0),
      to: destination)
    if !isSent { neighbors.requestNotSent(for: address, now: now) }
  }

  /// Sends an ARP packet; false if the link is full. A lost reply is asked for again.
  @discardableResult private func sendARP(
    _ operation: UInt16, sender: IPv4Address, target: IPv4Address, targetHardware: MACAddress, to station: MACAddress
  ) -> Bool {
    // A buffer of its own: a packet may lie half built in the engine's frame while its route is looked up.
    let frame = arpFrame
    writeEthernetHeader(in: frame, to: station, type: EthernetHeader.EtherType.arp)
    let start = EthernetHeader.length
    frame.set(UInt16(1), at: start)
    frame.set(EthernetHeader.EtherType.ipv4, at: start + 2)
    frame.set(UInt16(0x0604), at: start + 4)
    frame.set(operation, at: start + 6)
    frame.set(hardwareAddress, at: start + 8)
    frame.set(sender, at: start + 14)
    frame.set(targetHardware, at: start + 18)
    frame.set(target, at: start + 24)
    return emit(frame.bytes(from: 0, count: frame.count), FrameMetadata())
  }
}
