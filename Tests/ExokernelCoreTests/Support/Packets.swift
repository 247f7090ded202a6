import DownloadedCode
import ExokernelABI

@testable import ExokernelCore

/// A ring bound by a test: its control frame, data frames and filter.
struct BoundRing {
  let filter: UInt64
  let control: UInt32
  let frames: [UInt32]
}

extension World {
  /// Words of a filter that accepts packets of an EtherType.
  static func filter(etherType: UInt16) throws -> [UInt64] {
    var builder = FilterBuilder()
    try builder.accept(.etherType(etherType))
    try builder.finish()
    return builder.withWords { words in words.indices.map { words[$0] } }
  }

  /// A packet of an EtherType, with a number in it.
  static func packet(_ type: UInt16, length: Int = 60, number: UInt8 = 0) -> [UInt8] {
    var packet = [UInt8](repeating: number, count: length)
    packet[12] = UInt8(type >> 8)
    packet[13] = UInt8(type & 0xff)
    return packet
  }

  /// Binds a filter of the running environment's to a ring of fresh frames.
  func bindFilter(slots: UInt64, etherType: UInt16 = 0x0800) throws -> BoundRing {
    let code = try allocate()
    let words = try Self.filter(etherType: etherType)
    for (index, word) in words.enumerated() { machine.put(UInt64(code) << 12 + UInt64(index) * 8, word) }
    kernel.frames[code].dirty = 1
    let control = try allocate()
    let frames = try (0..<slots / 2).map { _ in try allocate() }
    for (index, frame) in frames.enumerated() {
      machine.put(UInt64(control) << 12 + PacketRing.framesOffset + UInt64(index) * 4, frame)
    }
    kernel.frames[control].dirty = 1
    let result = kernel.filterBind(
      slot: CapabilitySlot.networks, code: UInt64(code), count: UInt64(words.count), ring: UInt64(control), slots: slots
    )
    return BoundRing(filter: try result.value(), control: control, frames: frames)
  }

  /// Sends pieces in the name of the running environment.
  func send(
    _ environment: UInt32, _ pieces: [SendPiece], header: SendBlock = SendBlock(),
    slot: UInt64 = CapabilitySlot.networks,
    interface: UInt64 = 0
  ) -> CallResult {
    var block = header
    block.pieces = UInt32(pieces.count)
    let address = pageAddress(environment) + EnvironmentPage.sendBlockOffset
    machine.put(address, block)
    for (index, piece) in pieces.enumerated() where index < 200 { machine.put(address + 16 + UInt64(index) * 8, piece) }
    return kernel.packetSend(slot: slot, interface: interface)
  }

  /// Lets the kernel look at what the network interface has received.
  func networkInterrupt() { kernel.deviceInterrupt(UInt64(network!.interrupt)) }

  func producer(_ ring: BoundRing) -> UInt32 { machine.get(UInt64(ring.control) << 12) }
  func consume(_ ring: BoundRing, upTo consumer: UInt32) { machine.put(UInt64(ring.control) << 12 + 4, consumer) }
  func slot(_ ring: BoundRing, _ index: Int) -> PacketSlot {
    machine.get(UInt64(ring.control) << 12 + PacketRing.slotsOffset + UInt64(index) * 8)
  }
  /// The packet in a slot.
  func packet(_ ring: BoundRing, _ index: Int) -> [UInt8] {
    machine.bytes(
      UInt64(ring.frames[index / 2]) << 12 + UInt64(index % 2) * 2048, count: Int(slot(ring, index).length))
  }
}
