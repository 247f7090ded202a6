import CRingZero
import ExokernelABI
import ExokernelCore

/// Guest ring 0 as the kernel's logic sees it. No state: every address is a constant of the linked image.
///
/// Safety of the pointers made here: the symbols are the image's own, and the direct map covers the first 4 GiB, below
/// which every physical address lies that the logic computes.
struct RingZeroHardware: Hardware {
  @inline(__always) init() {}

  @inline(__always) private func pointer(_ address: UInt) -> UnsafeMutableRawPointer {
    unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  @inline(__always) var booksBase: UnsafeMutableRawPointer { unsafe pointer(ring0_books_address()) }
  @inline(__always) var frameTableBase: UnsafeMutableRawPointer { unsafe pointer(0xffff_ffff_4000_0000) }
  @inline(__always) var privateBase: UnsafeMutableRawPointer { unsafe pointer(ring0_private_state_address()) }
  @inline(__always) var booksAddress: UInt64 { physical(ring0_books_address()) }
  @inline(__always) var processorBase: UnsafeMutableRawPointer { unsafe pointer(ring0_processor_base()) }
  @inline(__always) func processorBase(of index: UInt32) -> UnsafeMutableRawPointer {
    unsafe pointer(Processors.base(of: index))
  }
  func interrupt(processor index: UInt32) { LocalAPIC.send(UInt32(Vector.processor), to: index) }
  func flush(processor index: UInt32) { Processors.flush(index) }
  @inline(__always) func entry(of address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    unsafe UnsafeMutablePointer(bitPattern: UInt(AddressMap.kernelSelfMap &+ (address &>> 12) &<< 3)).unsafelyUnwrapped
  }
  @inline(__always) func load(entry place: UnsafeMutablePointer<UInt64>) -> UInt64 { unsafe ring0_load_entry(place) }
  @inline(__always) func memory(at physicalAddress: UInt64) -> UnsafeMutableRawPointer {
    unsafe pointer(UInt(truncatingIfNeeded: AddressMap.directMap &+ physicalAddress))
  }
  @inline(__always) var templateRoot: UInt64 { physical(ring0_boot_root_address()) }
  @inline(__always) var diskRings: UInt64 { physical(ring0_disk_rings_address()) }
  @inline(__always) var networkRings: UInt64 { physical(ring0_network_rings_address()) }
  @inline(__always) func physical(_ symbol: UInt) -> UInt64 { UInt64(symbol &- ImageLayout.base) }

  @inline(__always) func clear(frame physicalAddress: UInt64) { unsafe ring0_clear_page(memory(at: physicalAddress)) }
  @inline(__always) func copy(from source: UInt64, to target: UInt64, count: UInt32) {
    unsafe ring0_copy(memory(at: target), memory(at: source), Int(count))
  }
  @inline(__always) func invalidate(page: UInt64) { ring0_invalidate_page(page) }
  @inline(__always) func activate(root: UInt64) { ring0_write_root(root) }
  @inline(__always) var timeStamp: UInt64 { ring0_time_stamp() }
  @inline(__always) var hasDeadlineTimer: Bool { LocalAPIC.hasDeadline }
  @inline(__always) func armDeadline(at deadline: UInt64) { LocalAPIC.armDeadline(at: deadline) }
  @inline(__always) func armTimer(at deadline: UInt64) { LocalAPIC.arm(at: deadline) }
  func consoleWrite(_ record: UnsafeMutableRawPointer, count: UInt32) { unsafe ConsolePort.write(record, count: count) }
  func tellCrash(at instruction: UInt64, record: UInt64) {
    ring0_out32(MachinePort.crash, UInt32(truncatingIfNeeded: instruction))
    ring0_out32(MachinePort.crash &+ 4, UInt32(truncatingIfNeeded: instruction &>> 32))
    ring0_out32(MachinePort.crash &+ 8, UInt32(truncatingIfNeeded: record))
  }
  @inline(__always) func deviceLoad(_ physicalAddress: UInt64) -> UInt32 {
    ring0_load32(UInt(truncatingIfNeeded: AddressMap.directMap &+ physicalAddress))
  }
  @inline(__always) func deviceStore(_ physicalAddress: UInt64, _ value: UInt32) {
    ring0_store32(UInt(truncatingIfNeeded: AddressMap.directMap &+ physicalAddress), value)
  }
  @inline(__always) func orderStores() { ring0_order_stores() }
  @inline(__always) func orderAll() { ring0_order_all() }
}

/// The kernel on this machine: no storage, so every use is folded into constants.
var kernel: Kernel<RingZeroHardware> {
  @inline(__always) get { Kernel(hardware: RingZeroHardware()) }
}
