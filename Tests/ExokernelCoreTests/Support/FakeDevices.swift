import ExokernelABI
import ExokernelCore
import VirtioLayout

/// The registers and queues of a virtio-mmio device; what it does with its queues is up to the test, honest or not.
class FakeDevice {
  struct Queue {
    var size: UInt32 = 0
    var isReady = false
    var descriptors: UInt64 = 0
    var available: UInt64 = 0
    var used: UInt64 = 0
    var availableSeen: UInt16 = 0
    var usedIndex: UInt16 = 0
  }

  let address: UInt64
  let interrupt: UInt32
  let deviceID: UInt32
  var features: UInt64
  var version: UInt32 = 2
  var queueMaximum: UInt32 = 256
  var acceptsFeatures = true
  var configuration: [UInt8] = Array(repeating: 0, count: 0x100)
  var driverFeatures: UInt64 = 0
  var status: UInt32 = 0
  var notifications: [UInt32] = []
  var queues = [Queue(), Queue()]
  unowned var machine: FakeMachine!
  private var select: UInt32 = 0
  private var featureSelect: UInt32 = 0

  init(_ deviceID: UInt32, number: UInt32, features: UInt64) {
    address = 0xfeb0_0000 + UInt64(number) * 0x200
    interrupt = 5 + number
    self.deviceID = deviceID
    self.features = features | VirtioFeatures.version1.rawValue
  }

  func load(_ offset: UInt64) -> UInt32 {
    switch offset {
    case VirtioMMIO.Register.magicValue: return VirtioMMIO.magic
    case VirtioMMIO.Register.version: return version
    case VirtioMMIO.Register.deviceID: return deviceID
    case VirtioMMIO.Register.deviceFeatures:
      return UInt32(truncatingIfNeeded: featureSelect == 0 ? features : features >> 32)
    case VirtioMMIO.Register.status: return acceptsFeatures ? status : status & ~8
    case VirtioMMIO.Register.queueSizeMaximum: return queueMaximum
    case VirtioMMIO.Register.configuration...:
      let start = Int(offset - VirtioMMIO.Register.configuration)
      return (0..<4).reduce(0) { $0 | UInt32(configuration[start + $1]) << UInt32($1 * 8) }
    default: return 0
    }
  }

  func store(_ offset: UInt64, _ value: UInt32) {
    let queue = Int(select & 1)
    switch offset {
    case VirtioMMIO.Register.deviceFeaturesSelect, VirtioMMIO.Register.driverFeaturesSelect: featureSelect = value
    case VirtioMMIO.Register.driverFeatures:
      driverFeatures |= UInt64(value) << (featureSelect == 0 ? 0 : 32)
    case VirtioMMIO.Register.status: status = value
    case VirtioMMIO.Register.queueSelect: select = value
    case VirtioMMIO.Register.queueSize: queues[queue].size = value
    case VirtioMMIO.Register.queueDescriptorLow: queues[queue].descriptors = UInt64(value)
    case VirtioMMIO.Register.queueDriverLow: queues[queue].available = UInt64(value)
    case VirtioMMIO.Register.queueDeviceLow: queues[queue].used = UInt64(value)
    case VirtioMMIO.Register.queueReady: queues[queue].isReady = value == 1
    case VirtioMMIO.Register.queueNotify: if notifications.count < 1000 { notifications.append(value) }
    default: break
    }
  }

  /// The next chain's head that the driver made available.
  func takeAvailable(_ queue: Int) -> UInt16? {
    let index: UInt16 = machine.get(queues[queue].available + 2)
    guard index != queues[queue].availableSeen else { return nil }
    let slot = UInt64(queues[queue].availableSeen) % UInt64(queues[queue].size)
    queues[queue].availableSeen &+= 1
    let head: UInt16 = machine.get(queues[queue].available + 4 + slot * 2)
    return head
  }

  /// Tells the driver that the chain `id` is used.
  func pushUsed(_ queue: Int, id: UInt32, length: UInt32) {
    let slot = UInt64(queues[queue].usedIndex) % UInt64(queues[queue].size)
    machine.put(queues[queue].used + 4 + slot * 8, id)
    machine.put(queues[queue].used + 4 + slot * 8 + 4, length)
    jumpUsed(queue, by: 1)
  }

  /// Moves the used index without any entry: what a broken device does.
  func jumpUsed(_ queue: Int, by distance: UInt16) {
    queues[queue].usedIndex &+= distance
    machine.put(queues[queue].used + 2, queues[queue].usedIndex)
  }

  func descriptor(_ queue: Int, _ index: UInt16) -> VirtqueueDescriptor {
    machine.get(queues[queue].descriptors + UInt64(index) * 16)
  }

  /// The descriptors of a chain.
  func chain(_ queue: Int, _ head: UInt16) -> [VirtqueueDescriptor] {
    var all = [descriptor(queue, head)]
    while all[all.count - 1].flags & 1 != 0, all.count <= 256 { all.append(descriptor(queue, all[all.count - 1].next)) }
    return all
  }
}

/// A disk, its contents in an array.
final class FakeDisk: FakeDevice {
  var contents: [UInt8]
  /// What a loss of power would leave: what was there at the last flush.
  var durable: [UInt8]
  /// Status that requests end with.
  var outcome: UInt8 = 0
  var served: [(type: UInt32, sector: UInt64, byteCount: UInt32)] = []

  init(blocks: Int, number: UInt32 = 0, isReadOnly: Bool = false, hasFlush: Bool = true) {
    contents = (0..<(blocks * 512)).map { UInt8(truncatingIfNeeded: $0 / 512 &+ $0) }
    durable = contents
    let features: VirtioFeatures = (isReadOnly ? .blockReadOnly : .none) | (hasFlush ? .blockFlush : .none)
    super.init(VirtioDeviceID.block, number: number, features: features.rawValue)
    for byte in 0..<8 { configuration[byte] = UInt8(truncatingIfNeeded: blocks >> (byte * 8)) }
  }

  /// Serves one request, if there is one; returns its head without telling the driver.
  func perform() -> UInt16? {
    guard let head = takeAvailable(0) else { return nil }
    let parts = chain(0, head)
    let type: UInt32 = machine.get(parts[0].address)
    let sector: UInt64 = machine.get(parts[0].address + 8)
    if type == VirtioBlock.RequestType.flush {
      precondition(parts.count == 2 && parts[1].byteCount == 1, "a flush has no data (virtio 1.2, section 5.2.6)")
      served.append((type, sector, 0))
      if outcome == 0 { durable = contents }
      machine.put(parts[1].address, outcome)
      return head
    }
    let range = Int(sector) * 512..<Int(sector) * 512 + Int(parts[1].byteCount)
    served.append((type, sector, parts[1].byteCount))
    if outcome == 0 {
      if type == 0 {
        machine.put(parts[1].address, bytes: Array(contents[range]))
      } else {
        contents.replaceSubrange(range, with: machine.bytes(parts[1].address, count: range.count))
      }
    }
    machine.put(parts[2].address, outcome)
    return head
  }

  /// Serves everything and tells.
  func serve() { while let head = perform() { pushUsed(0, id: UInt32(head), length: 1) } }
}

/// A network interface.
final class FakeNetwork: FakeDevice {
  init(number: UInt32 = 1, features: UInt64 = VirtioFeatures.networkMACAddress.rawValue) {
    super.init(VirtioDeviceID.network, number: number, features: features)
    configuration.replaceSubrange(0..<6, with: [0x52, 0x54, 0, 0x12, 0x34, 0x56])
  }

  /// Puts a packet into the next receive buffer; false where the driver gave none.
  @discardableResult func receive(_ packet: [UInt8], flags: UInt8 = 0, toldLength: UInt32? = nil) -> Bool {
    guard let head = takeAvailable(0) else { return false }
    let buffer = descriptor(0, head)
    var bytes = [UInt8](repeating: 0, count: 12)
    bytes[0] = flags
    machine.put(buffer.address, bytes: bytes + packet)
    pushUsed(0, id: UInt32(head), length: toldLength ?? UInt32(packet.count + 12))
    return true
  }

  /// Takes the next packet to be sent: its head, header and bytes.
  func takeSent() -> (head: UInt16, header: [UInt8], packet: [UInt8])? {
    guard let head = takeAvailable(1) else { return nil }
    let parts = chain(1, head)
    return (
      head, machine.bytes(parts[0].address, count: Int(parts[0].byteCount)),
      parts.dropFirst().flatMap { machine.bytes($0.address, count: Int($0.byteCount)) }
    )
  }

  /// Sends everything and tells.
  func sendAll() -> [[UInt8]] {
    var packets: [[UInt8]] = []
    while let sent = takeSent() {
      packets.append(sent.packet)
      pushUsed(1, id: UInt32(sent.head), length: 0)
    }
    return packets
  }
}
