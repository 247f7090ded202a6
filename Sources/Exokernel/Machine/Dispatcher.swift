import CMachine
import ExokernelABI
import ExokernelCore

extension UserFrame {
  /// The frame of the call in progress.
  static var current: UserFrame {
    // Safe: entry.S leaves it there for every call, and the stack is the kernel's alone.
    @inline(__always) get {
      unsafe UnsafePointer<UserFrame>(bitPattern: machine_kernel_stack_top_address() &- 40).unsafelyUnwrapped.pointee
    }
  }
}

/// Who runs next, and how an environment leaves.
enum Dispatcher {
  /// Runs the environment whose turn it is; sleeps where there is none; ends the machine where none is left.
  static func run() -> Never {
    while true {
      let isReceiving = kernel.receiveRest()
      if let position = kernel.nextRunnable() {
        kernel.enter(position)
        let environment = kernel.environments[kernel.current]
        machine_resume(environment.savedInstructionPointer, environment.savedStackPointer)
      }
      if kernel.header.value.liveEnvironments == 0 { Panic.endMachine(kernel.own.value.machineStatus) }
      if !kernel.reap(limit: 16), !isReceiving {
        kernel.armForIdle()
        machine_wait_for_interrupt()
      }
    }
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

@c(kernel_page_fault)
func kernelPageFault(_ frame: UnsafeMutablePointer<TrapFrame>) {
  let address = machine_fault_address()
  // Safe: entry.S passes the frame it has just pushed.
  let instruction = unsafe frame.pointee.instruction
  let code = unsafe frame.pointee.code
  guard code & 4 != 0 else { unsafe Panic.fault(frame, address) }
  guard instruction < AddressMap.directMap else { return unsafe faultInKernelAddress(frame, address) }
  switch kernel.pageFault(instruction: instruction, address: address, code: code) {
  case .upcall(let entry): unsafe enter(entry, frame)
  case .abort(let cause): Dispatcher.abort(cause, at: instruction)
  }
}

/// Ring 3 executes at an address of the kernel's: SYSCALL brought it there without changing the privilege level, or it jumped there.
private func faultInKernelAddress(_ frame: UnsafeMutablePointer<TrapFrame>, _ address: UInt64) {
  // Safe: as in `kernelPageFault`.
  let instruction = unsafe frame.pointee.instruction
  if instruction == UInt64(machine_probe_syscall_arrived_address()), kernel.header.value.layoutVersion == 0 {
    machine_probe_done(1)
  }
  // Whoever jumped there chose rcx, to which the call returns: an address that is none would fault in ring 0.
  if instruction == UInt64(machine_entry_syscall_address()), unsafe frame.pointee.rcx &>> 47 == 0 {
    unsafe resume_as_syscall(frame)
  }
  switch unsafe kernel.pageFault(instruction: instruction, address: address, code: frame.pointee.code) {
  case .upcall(let entry): unsafe enter(entry, frame)
  case .abort(let cause): Dispatcher.abort(cause, at: instruction)
  }
}

@c(kernel_timer)
func kernelTimer(_ frame: UnsafeMutablePointer<TrapFrame>) {
  LocalAPIC.acknowledge()
  // From ring 0 the timer interrupts the idle loop, which looks by itself.
  // Safe: entry.S passes the frame it has just pushed.
  // It may also be a late one of the slice before: that is not the running environment's.
  guard unsafe frame.pointee.codeSegment & 3 != 0, LocalAPIC.isDue else { return }
  // Frames of the ended go back also where the processor is never idle.
  _ = kernel.reap(limit: 8)
  switch unsafe kernel.sliceEnded(at: frame.pointee.instruction) {
  case .goOn: break
  case .epilogue(let entry): unsafe enter(entry, frame)
  case .abort: unsafe Dispatcher.abort(.sliceOverrun, at: frame.pointee.instruction)
  }
}

@c(kernel_device_interrupt)
func kernelDeviceInterrupt(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: entry.S passes the frame it has just pushed.
  let line = unsafe frame.pointee.vector &- LocalAPIC.deviceVector
  kernel.deviceInterrupt(line)
  LocalAPIC.acknowledge()
}

@c(kernel_exception)
func kernelException(_ frame: UnsafeMutablePointer<TrapFrame>, _ others: UnsafePointer<UInt64>) {
  // Safe: entry.S passes the frame it has just pushed.
  guard unsafe frame.pointee.codeSegment & 3 != 0,
    unsafe kernel.header.value.layoutVersion != 0 || frame.pointee.vector == 6
  else {
    unsafe Panic.exception(frame, others)
  }
  if kernel.header.value.layoutVersion == 0 { machine_probe_done(1) }  // SYSCALL is switched off: #UD during the probe
  unsafe Dispatcher.abort(
    .exception(vector: frame.pointee.vector, code: frame.pointee.code), at: frame.pointee.instruction)
}
