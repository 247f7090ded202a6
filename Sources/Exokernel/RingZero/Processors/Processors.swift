import CRingZero
import ExokernelABI
import ExokernelCore

/// More than one processor: starting them, and what they ask of each other.
enum Processors {
  /// Most processors that the kernel uses: those for which tables.S has stacks.
  private static var limit: UInt32 { UInt32(BooksLayout.processors) }

  /// Commands of the local APIC: a processor resets itself, and starts in real mode at a page.
  private static var initialize: UInt32 { 0x4500 }
  private static var startUp: UInt32 { 0x4600 }

  /// The state of processor `index`: the end of its stack.
  @inline(__always) static func base(of index: UInt32) -> UInt {
    ImageLayout.stacks &+ (UInt(index) &+ 1) &* ImageLayout.stackSize &- UInt(ProcessorState.size)
  }

  /// What a processor's state must hold before the first entry: its number, and the stack segment at the end of its
  /// stack.
  static func prepare(_ index: UInt32) {
    let state = unsafe UnsafeMutableRawPointer(bitPattern: base(of: index)).unsafelyUnwrapped
    // Safe: both are inside the processor's own stack, which nobody uses yet.
    unsafe state.assumingMemoryBound(to: ProcessorState.self).pointee.index = index
    unsafe (state - 8).storeBytes(of: Selector.userData, as: UInt64.self)
  }

  /// Starts the other processors, one after the other (Intel SDM volume 3, section 9.4), and counts those that come.
  static func startOthers() {
    defer { closeIdentity() }
    let features = Processor.identification(1)
    let present = features[3] & 1 &<< 28 != 0 ? features[1] &>> 16 & 0xff : 1
    let count = present < limit ? present : limit
    guard count > 1 else { return KernelGate.openWithoutLock() }
    let length = ring0_trampoline_end_address() &- ring0_trampoline_start_address()
    let hardware = RingZeroHardware()
    hardware.copy(
      from: hardware.physical(ring0_trampoline_start_address()), to: ImageLayout.trampoline,
      count: UInt32(truncatingIfNeeded: length))
    for index in 1..<count {
      prepare(index)
      ring0_set_starting_processor(UInt64(index))
      LocalAPIC.send(initialize, to: index)
      for _ in 0..<32 { ring0_pause() }
      LocalAPIC.send(startUp | UInt32(truncatingIfNeeded: ImageLayout.trampoline &>> 12), to: index)
      guard comes(index) else { return }
    }
  }

  /// Address 0 maps nothing from now on.
  private static func closeIdentity() {
    let directory = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_identity_directory_address())
      .unsafelyUnwrapped
    // Safe: the first entry of a table of the image's.
    unsafe directory.pointee = 0
    ring0_invalidate_page(0)
  }

  /// Waits until processor `index` has counted itself, half a second at most.
  private static func comes(_ index: UInt32) -> Bool {
    let start = ring0_time_stamp()
    let patience = kernel.timeStamps(microseconds: 500_000)
    while ring0_time_stamp() &- start < patience {
      // Safe: the header is the kernel's, and outlives everything.
      let isHere = unsafe withUnsafePointer(to: &kernel.header.value.processorCount) {
        unsafe ring0_load_flag($0) > index
      }
      if isHere { return true }
      ring0_pause()
    }
    return false
  }

  /// Makes another processor forget its translations, and waits until it has. It may be waiting for the lock that we
  /// hold, or run an environment: it looks in both cases, so the wait is as long as the way out of its kernel.
  static func flush(_ index: UInt32) {
    let flag = unsafe flushFlag(of: base(of: index))
    unsafe ring0_store_flag(flag, 1)
    ring0_order_all()
    LocalAPIC.send(UInt32(Vector.processor), to: index)
    var turns: UInt32 = 0
    while unsafe ring0_load_flag(flag) != 0 {
      turns &+= 1
      // Like `wait_for_lock`: the host may have stopped the other processor.
      if turns & 31 == 0 { ring0_out8(MachinePort.yield, 0) } else { ring0_pause() }
    }
  }

  /// Forgets this processor's translations, if somebody has asked for it.
  static func forgetTranslations() {
    let flag = unsafe flushFlag(of: ring0_processor_base())
    guard unsafe ring0_load_flag(flag) != 0 else { return }
    ring0_write_root(ring0_read_root())
    unsafe ring0_store_flag(flag, 0)
  }

  /// `ProcessorState.flush` of the state at `base`.
  private static func flushFlag(of base: UInt) -> UnsafeMutablePointer<UInt32> {
    // Safe: the state is that of a processor, whose stack is always there.
    unsafe UnsafeMutablePointer(bitPattern: base &+ ProcessorState.flushOffset).unsafelyUnwrapped
  }
}

/// Another processor's first steps: called by start.S on its own stack.
@c(kernel_processor_main)
public func kernelProcessorMain(_ index: UInt32) -> Never {
  LocalAPIC.open()
  Processor.enableVectors()
  KernelGate.open()
  ring0_acquire()
  kernel.openProcessor()
  kernel.header.value.processorCount = index &+ 1
  Dispatcher.run()
}
