import Foundation
import InternetStack
import VirtioLayout

@testable import Hypervisor

/// A guest for network tests: the TCP/IP module on the other side of a fake card, with a program that reacts to its
/// connections.
///
/// Everything runs on the loop's thread. Frames pass through queues, as the two stacks must not call into each other.
final class GuestSide: @unchecked Sendable {
  final class CardLink: PacketLink {
    var queue: [(frame: [UInt8], metadata: FrameMetadata)] = []
    let maximumTransmissionUnit = 1500
    let offload: LinkOffload
    init(offload: LinkOffload) { self.offload = offload }
    func send(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool {
      queue.append((Array(frame), metadata))
      return true
    }
  }

  let card = FakeCard()
  let stack: NetworkStack<CardLink>
  let backend: UserNetworkBackend
  let loop: EventLoop
  private let features: VirtioFeatures
  private var inbox: [FakeCard.Packet] = []
  private var isScheduled = false
  private var timer: EventLoop.Timer?
  private var listeners: [Listener] = []
  /// Called for each connection that was accepted or changed.
  var program: (GuestSide, Connection) -> Void = { _, _ in }
  /// Whether a frame gets to the guest's stack.
  var filter: ([UInt8]) -> Bool = { _ in true }
  /// Every connection accepted, in order.
  var connections: [Connection] = []
  /// The longest frame that came, and whether one came with a checksum left open.
  var longestFrame = 0
  var sawPartialChecksum = false
  var sawFullChecksum = false
  var isRunning = false

  init(
    _ backend: UserNetworkBackend, loop: EventLoop, features: VirtioFeatures, addressing: Addressing? = nil,
    connections: Int = 64
  ) {
    self.backend = backend
    self.loop = loop
    self.features = features
    let offload = LinkOffload(
      transmitChecksum: features.contains(.networkChecksum),
      maximumSegmentsPerSend: features.contains(.networkHostTSO4) ? 44 : 1)
    var configuration = StackConfiguration()
    configuration.maximumConnections = connections
    configuration.timeWait = .milliseconds(50)
    stack = NetworkStack(
      link: CardLink(offload: offload), hardwareAddress: InternetStack.MACAddress(0x52, 0x54, 0, 0, 0, 1),
      addressing: addressing ?? .manual(address: UserNetworkBackend.guestAddress, prefixLength: 24, gateway: nil),
      configuration: configuration, seed: (1, 2))
    card.onDeliver = { [weak self] packet in
      guard let self, filter(packet.frame) else { return }
      inbox.append(packet)
      longestFrame = max(longestFrame, packet.frame.count)
      if packet.frame.count > 54, packet.frame[12..<14] == [8, 0], packet.frame[23] == 6 {
        if packet.header.flags & VirtioNetwork.Flag.needsChecksum != 0 {
          sawPartialChecksum = true
        } else {
          sawFullChecksum = true
        }
      }
      wake()
    }
  }

  /// The driver comes up.
  func start() {
    isRunning = true
    backend.start(receiver: card, features: features)
    wake()
  }

  /// The driver goes away.
  func stop() {
    isRunning = false
    backend.stop()
  }

  func listen(_ port: UInt16, backlog: Int = 32) throws {
    listeners.append(try stack.listen(port: port, backlog: backlog))
  }

  /// Has the guest look after its connections soon.
  func wake() {
    guard !isScheduled else { return }
    isScheduled = true
    loop.schedule(after: 0) { [weak self] in self?.serve() }
  }

  private func serve() {
    isScheduled = false
    guard isRunning else { return }
    let now = Instant(nanoseconds: EventLoop.now)
    let packets = inbox
    inbox.removeAll()
    for packet in packets {
      packet.frame.withUnsafeBytes { stack.receive($0, metadata: UserNetworkLink.metadata(packet.header), now: now) }
    }
    stack.poll(now: now)
    for listener in listeners {
      while let connection = stack.accept(listener) {
        connections.append(connection)
        program(self, connection)
      }
    }
    while let connection = stack.nextChangedConnection() {
      if connections.contains(connection) { program(self, connection) }
    }
    stack.poll(now: now)
    let sent = stack.link.queue
    stack.link.queue.removeAll()
    for packet in sent { _ = backend.transmit(packet.frame, header: UserNetworkLink.header(packet.metadata)) }
    if let timer { loop.cancel(timer) }
    timer = nil
    if let deadline = stack.nextDeadline?.nanoseconds {
      let current = EventLoop.now
      timer = loop.schedule(after: deadline > current ? deadline - current : 0) { [weak self] in self?.serve() }
    }
  }

  /// Reads what there is, at most 64 KiB.
  func read(_ connection: Connection) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = (try? buffer.withUnsafeMutableBytes { try stack.read(connection, into: $0) }) ?? 0
    return Array(buffer[..<count])
  }

  /// Writes what fits; returns how much that was.
  func write(_ connection: Connection, _ bytes: ArraySlice<UInt8>) -> Int {
    (try? bytes.withUnsafeBytes { try stack.write(connection, from: $0) }) ?? 0
  }
}

/// Programs of the guest.
enum GuestPrograms {
  /// Sends back what comes, then ends when the peer ends.
  static func echo() -> (GuestSide, Connection) -> Void {
    var pending: [(connection: Connection, bytes: ArraySlice<UInt8>)] = []
    return { guest, connection in
      if !pending.contains(where: { $0.connection == connection }) { pending.append((connection, [])) }
      let index = pending.firstIndex { $0.connection == connection }!
      while true {
        if !pending[index].bytes.isEmpty {
          pending[index].bytes.removeFirst(guest.write(connection, pending[index].bytes))
          if !pending[index].bytes.isEmpty { return }
        }
        let read = guest.read(connection)
        if read.isEmpty { break }
        pending[index].bytes = read[...]
      }
      if guest.stack.status(of: connection)?.isAtEnd == true {
        guest.stack.finish(connection)
        guest.stack.release(connection)
      }
    }
  }

  /// Sends `bytes` and ends, reading nothing.
  static func source(_ bytes: [UInt8]) -> (GuestSide, Connection) -> Void {
    var sent: [(connection: Connection, count: Int)] = []
    return { guest, connection in
      if !sent.contains(where: { $0.connection == connection }) { sent.append((connection, 0)) }
      let index = sent.firstIndex { $0.connection == connection }!
      guard sent[index].count < bytes.count else { return }
      sent[index].count += guest.write(connection, bytes[sent[index].count...])
      if sent[index].count == bytes.count { guest.stack.finish(connection) }
    }
  }
}
