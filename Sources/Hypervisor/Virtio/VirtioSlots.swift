/// The places of virtio devices on the memory bus, which the kernel learns from its command line.
///
/// Each device takes 4 KiB from 0xd0000000 on and an interrupt line of its own. `virtio_mmio.device=SIZE@ADDRESS:IRQ`
/// is what Linux understands (Documentation/admin-guide/kernel-parameters.txt), and our kernel as well.
final class VirtioSlots {
  static let start: UInt64 = 0xd000_0000
  static let slotByteCount: UInt64 = 4096
  /// Lines that no device of a PC uses here: not the timer (0), keyboard (1), cascade (2), serial ports (3, 4), clock
  /// (8) and coprocessor (13); those up to 15 first, because they reach the 8259s as well as the I/O APIC.
  static let lines: [UInt32] = [5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]

  private let memory: GuestMemory
  private let loop: EventLoop
  private(set) var transports: [VirtioMMIOTransport] = []
  /// Kept open as long as the machine lives.
  private var doorbells: [EventDescriptor] = []
  private var watched: [Int32] = []

  init(memory: GuestMemory, loop: EventLoop) {
    self.memory = memory
    self.loop = loop
  }

  deinit {
    for doorbell in doorbells { loop.unregister(doorbell.rawValue) }
    for descriptor in watched { loop.unregister(descriptor) }
  }

  /// Puts `device` into the next slot: registers on `bus`, doorbells as ioeventfds, the interrupt as an irqfd.
  func add(
    _ device: any VirtioDevice, to bus: inout AddressBus, _ descriptor: borrowing VirtualMachineDescriptor
  ) throws {
    let index = transports.count
    guard index < Self.lines.count else { throw MachineError.tooManyDevices(limit: Self.lines.count) }
    let start = Self.start + UInt64(index) * Self.slotByteCount
    let interrupt = try EventDescriptor()
    try descriptor.connect(interrupt: interrupt.rawValue, toLine: Self.lines[index])
    let transport = VirtioMMIOTransport(device: device, memory: memory, line: interrupt, thread: loop)
    try bus.add(transport, at: start, byteCount: Self.slotByteCount)
    for (queue, doorbell) in transport.doorbells.enumerated() {
      let event = try EventDescriptor()
      try descriptor.connect(
        doorbell: event.rawValue, at: GuestAddress(start + doorbell.offset), byteCount: doorbell.byteCount,
        value: doorbell.value)
      try loop.register(
        event.rawValue,
        readable: { [unowned event, unowned transport] in
          event.take()
          transport.notify(queue: queue)
        })
      doorbells.append(event)
    }
    if let block = device as? VirtioBlockDevice, let completions = block.completionDescriptor {
      try loop.register(completions, readable: { [unowned block] in block.completionsReady() })
      watched.append(completions)
    }
    transports.append(transport)
  }

  /// What the command line tells of the devices, each with a space before it.
  var commandLine: String {
    transports.indices.map { index in
      let start = Self.start + UInt64(index) * Self.slotByteCount
      return " virtio_mmio.device=4K@0x\(String(start, radix: 16)):\(Self.lines[index])"
    }.joined()
  }

  /// Stops all devices: afterwards none touches guest memory. To be called when no vCPU and no event loop runs any
  /// more.
  func shutDown() {
    for transport in transports { transport.shutDown() }
  }
}
