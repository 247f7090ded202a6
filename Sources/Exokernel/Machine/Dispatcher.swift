import CMachine
import ExokernelABI
import ExokernelCore

extension UserFrame {
  /// Where the frame of the call in progress is.
  static var place: UnsafeMutablePointer<UserFrame> {
    // Safe: entry.S leaves it there for every call, and the stack is this processor's alone.
    @inline(__always) get {
      unsafe UnsafeMutablePointer(bitPattern: machine_processor_base() &- 40).unsafelyUnwrapped
    }
  }

  /// The frame of the call in progress.
  static var current: UserFrame { @inline(__always) get { unsafe place.pointee } }
}

/// Who runs next, and how an environment leaves. Everything here is called with the kernel's lock held.
enum Dispatcher {
  /// Runs the environment whose turn it is at time-stamp `now`; the short way, where nothing waits to be done and nothing is unusual.
  @inline(__always) static func runNext(at now: UInt64) -> Int64 {
    guard kernel.own.value.attention == 0, let record = kernel.startNextSlice(at: now) else { run() }
    let saved = record.value.savedInstructionPointer
    let prologue = record.value.prologueEntry
    return machine_resume(prologue != 0 ? prologue : saved, record.value.savedStackPointer, saved)
  }

  /// Runs the environment whose turn it is; sleeps where there is none; ends the machine where none is left.
  static func run() -> Never {
    var wasIdle = false
    while true {
      let isReceiving = kernel.receiveRest()
      // Also before somebody runs: programs that give the processor up before each tick of the timer would keep the dead for ever.
      let isBusy = kernel.hasChores && kernel.doChores()
      if let turn = kernel.nextTurn() {
        if wasIdle { kernel.leaveIdle() }
        kernel.enter(turn)
        _ = resume()
      }
      if kernel.header.value.liveEnvironments == 0, kernel.own.value.hasBooted != 0 {
        Panic.endMachine(kernel.own.value.machineStatus)
      }
      let isCleaning = kernel.cleanLarge()
      guard !isBusy, !isCleaning, !isReceiving else { continue }
      kernel.armForIdle()
      machine_release()
      machine_wait_for_interrupt()
      machine_acquire()
      kernel.processor.value.isIdle = 0
      wasIdle = true
    }
  }

  /// Lets an environment go on that gave the processor up, and was switched to.
  @inline(__always) static func resume() -> Int64 {
    let place = kernel.resumption(of: kernel.currentRecord)
    return machine_resume(place.entry, place.stack, place.saved)
  }

  /// Ends the running environment with an epitaph, and runs the next.
  static func abort(_ cause: Cause, at instruction: UInt64) -> Never {
    let environment = kernel.current
    kernel.writeEpitaph(of: environment, cause: cause, instruction: instruction)
    kernel.end(environment, status: 139)
    run()
  }
}

/// Lets the interrupted environment go on at an entry of its own, in 64-bit mode whatever it was in: a 64-bit address in a 32-bit code
/// segment would fault in ring 0.
@inline(__always) private func enter(_ entry: UInt64, _ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: the callers pass the frame that entry.S has pushed.
  unsafe frame.pointee.instruction = entry
  unsafe frame.pointee.codeSegment = 0x33
}

/// The usual way is short, and needs no register that a call preserves: everything else is left to `faultSlowly`.
@c(kernel_page_fault)
func kernelPageFault(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: entry.S passes the frame it has just pushed.
  let instruction = unsafe frame.pointee.instruction
  let code = unsafe frame.pointee.code
  guard code & 4 != 0, instruction < AddressMap.directMap else { return unsafe faultSlowly(frame) }
  let entry = kernel.usualPageFault(instruction: instruction, address: machine_fault_address(), code: code)
  guard entry != 0 else { return unsafe faultSlowly(frame) }
  unsafe enter(entry, frame)
}

@inline(never) private func faultSlowly(_ frame: UnsafeMutablePointer<TrapFrame>) {
  let address = machine_fault_address()
  // Safe: as in `kernelPageFault`.
  guard unsafe frame.pointee.code & 4 != 0 else { return unsafe faultInKernel(frame, address) }
  unsafe faultInKernelAddress(frame, address)
}

/// A page fault with the kernel's rights. Loads of page-table entries may meet a missing table, and go on with an entry of all ones. And a
/// processor that wants to put an exception of ring 3 onto its stack in the environment page may find none.
private func faultInKernel(_ frame: UnsafeMutablePointer<TrapFrame>, _ address: UInt64) {
  // Safe: as in `kernelPageFault`; the linker's symbols enclose pairs of addresses.
  let instruction = unsafe frame.pointee.instruction
  if unsafe frame.pointee.codeSegment & 3 != 0 {
    machine_acquire()
    unsafe Dispatcher.abort(.pageFault(address: address, code: frame.pointee.code), at: instruction)
  }
  var entry = machine_fixups_start_address()
  while entry < machine_fixups_end_address() {
    let pair = unsafe UnsafePointer<UInt64>(bitPattern: entry).unsafelyUnwrapped
    if unsafe pair[0] == instruction {
      unsafe frame.pointee.rax = .max
      unsafe frame.pointee.instruction = pair[1]
      return
    }
    entry &+= 16
  }
  unsafe Panic.fault(frame, address)
}

/// Ring 3 executes at an address of the kernel's: SYSCALL brought it there without changing the privilege level, or it jumped there.
private func faultInKernelAddress(_ frame: UnsafeMutablePointer<TrapFrame>, _ address: UInt64) {
  // Safe: as in `kernelPageFault`.
  let instruction = unsafe frame.pointee.instruction
  if instruction == UInt64(machine_probe_syscall_arrived_address()), kernel.header.value.layoutVersion == 0 {
    machine_probe_done(1)
  }
  // Whoever jumped there chose rcx, to which the call returns: an address that is none would fault in ring 0.
  let entry = UInt64(machine_entry_syscall_address()) &+ UInt64(kernel.processor.value.index) &* 64
  if instruction == entry, unsafe frame.pointee.rcx &>> 47 == 0 {
    unsafe resume_as_syscall(frame)
  }
  switch unsafe kernel.pageFault(instruction: instruction, address: address, code: frame.pointee.code) {
  case .upcall(let entry): unsafe enter(entry, frame)
  case .abort(let cause):
    machine_acquire()
    Dispatcher.abort(cause, at: instruction)
  }
}

/// The end of a slice where entry.S has not served it. The interrupt was acknowledged.
@c(kernel_timer)
func kernelTimer(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // From ring 0 the timer interrupts the idle loop, which looks by itself.
  // It may also be a late one of the slice before: that is not the running environment's.
  // Safe: entry.S passes the frame it has just pushed.
  guard unsafe frame.pointee.codeSegment & 3 != 0, LocalAPIC.isDue(machine_time_stamp()) else { return }
  machine_acquire()
  // Frames of the ended go back, and what was asked for in vain is taken, also where the processor is never idle.
  if kernel.own.value.attention != 0 { _ = kernel.doChores() }
  guard kernel.current != BooksLayout.noEnvironment else { Dispatcher.run() }
  // The time of now: waiting for the lock and the chores may have taken a slice, and a timer that is set to the past lets nobody run.
  switch unsafe kernel.sliceEnded(at: frame.pointee.instruction, now: machine_time_stamp()) {
  case .goOn: break
  case .epilogue(let entry): unsafe enter(entry, frame)
  case .abort: unsafe Dispatcher.abort(.sliceOverrun, at: frame.pointee.instruction)
  }
  machine_release()
}

@c(kernel_device_interrupt)
func kernelDeviceInterrupt(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: entry.S passes the frame it has just pushed.
  let line = unsafe frame.pointee.vector &- LocalAPIC.deviceVector
  kernel.deviceInterrupt(line)
  LocalAPIC.acknowledge()
}

/// Another processor asks: to forget translations, to look for something to run, or to end the environment that runs here.
@c(kernel_processor_interrupt)
func kernelProcessorInterrupt(_ frame: UnsafeMutablePointer<TrapFrame>) {
  LocalAPIC.acknowledge()
  Processors.forgetTranslations()
  // In ring 0 this interrupted the idle loop, which looks by itself.
  // Safe: entry.S passes the frame it has just pushed.
  guard unsafe frame.pointee.codeSegment & 3 != 0, kernel.own.value.doomed != 0 else { return }
  machine_acquire()
  let environment = kernel.current
  kernel.endDoomed()
  if kernel.current != environment { Dispatcher.run() }
  machine_release()
}

/// An exception that ring 3 does not take by itself. Those of the environments go back to them, as if the processor had brought them there.
@c(kernel_exception)
func kernelException(_ frame: UnsafeMutablePointer<TrapFrame>, _ others: UnsafePointer<UInt64>) {
  // Safe: entry.S passes the frame it has just pushed.
  let vector = unsafe frame.pointee.vector
  // What still is on the emergency stack is the machine's fault: nothing that an environment does leads there.
  guard unsafe frame.pointee.codeSegment & 3 != 0, vector != 2, vector != 18,
    kernel.header.value.layoutVersion != 0 || vector == 6
  else {
    unsafe Panic.exception(frame, others)
  }
  // The end of a probe, or SYSCALL is switched off: both tell what is in rax.
  if kernel.header.value.layoutVersion == 0 { unsafe machine_probe_done(UInt32(truncatingIfNeeded: frame.pointee.rax)) }
  let exception = unsafe ExceptionFrame(
    vector: vector, code: frame.pointee.code, instruction: frame.pointee.instruction,
    codeSegment: frame.pointee.codeSegment, flags: frame.pointee.flags, stack: frame.pointee.stack,
    stackSegment: frame.pointee.stackSegment)
  guard let stack = kernel.exceptionStack(for: exception) else {
    machine_acquire()
    Dispatcher.abort(.exception(vector: vector, code: exception.code), at: exception.instruction)
  }
  unsafe enter(AddressMap.exceptionGate, frame)
  unsafe frame.pointee.stack = stack
  unsafe frame.pointee.stackSegment = 0x2b
  // What a gate clears: trap, nested task, resume.
  unsafe frame.pointee.flags &= ~0x1_4100
}
