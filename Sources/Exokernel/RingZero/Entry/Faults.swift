import CRingZero
import ExokernelABI
import ExokernelCore

// Page faults and other exceptions, as entries.S brings them.

/// The usual way is short, and needs no register that a call preserves: everything else is left to `faultSlowly`.
@c(kernel_page_fault)
func kernelPageFault(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: entries.S passes the frame it has just pushed.
  let instruction = unsafe frame.pointee.instruction
  let code = unsafe frame.pointee.code
  guard code & PageFaultCode.user != 0, instruction < AddressMap.directMap else { return unsafe faultSlowly(frame) }
  let entry = kernel.usualPageFault(instruction: instruction, address: ring0_fault_address(), code: code)
  guard entry != 0 else { return unsafe faultSlowly(frame) }
  unsafe enter(entry, frame)
}

@inline(never) private func faultSlowly(_ frame: UnsafeMutablePointer<TrapFrame>) {
  let address = ring0_fault_address()
  // Safe: as in `kernelPageFault`.
  guard unsafe frame.pointee.code & PageFaultCode.user != 0 else { return unsafe faultInKernel(frame, address) }
  unsafe unusualFault(frame, address)
}

/// A page fault with the kernel's rights. Loads of page-table entries may meet a missing table, and go on with an entry
/// of all ones. The processor pushes ring-3 exceptions onto the stack in the environment page; if that page is not
/// mapped, the push faults here.
private func faultInKernel(_ frame: UnsafeMutablePointer<TrapFrame>, _ address: UInt64) {
  // Safe: as in `kernelPageFault`; the linker's symbols enclose pairs of addresses.
  let instruction = unsafe frame.pointee.instruction
  if unsafe frame.pointee.codeSegment & Selector.privilege != 0 {
    ring0_acquire()
    unsafe Dispatcher.abort(.pageFault(address: address, code: frame.pointee.code), at: instruction)
  }
  var entry = ring0_fixups_start_address()
  while entry < ring0_fixups_end_address() {
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

/// A page fault of ring 3 that is not a usual upcall: SYSCALL or a jump led to a kernel address, no fault entry is
/// bound, or a fault is pending.
private func unusualFault(_ frame: UnsafeMutablePointer<TrapFrame>, _ address: UInt64) {
  // Safe: as in `kernelPageFault`.
  let instruction = unsafe frame.pointee.instruction
  if instruction == UInt64(ring0_probe_syscall_arrived_address()), kernel.header.value.layoutVersion == 0 {
    ring0_probe_done(1)
  }
  // Whoever jumped to the entry of SYSCALL chose rcx, to which the call returns: an address that is none would fault in
  // ring 0.
  let entry = UInt64(ring0_entry_syscall_address()) &+ UInt64(kernel.processor.value.index) &* 64
  if instruction == entry, unsafe frame.pointee.rcx &>> 47 == 0 {
    unsafe resume_as_syscall(frame)
  }
  switch unsafe kernel.pageFault(instruction: instruction, address: address, code: frame.pointee.code) {
  case .upcall(let entry): unsafe enter(entry, frame)
  case .abort(let cause):
    ring0_acquire()
    Dispatcher.abort(cause, at: instruction)
  }
}

/// An exception that ring 3 does not take by itself. Those of the environments go back to them, as if the processor had
/// brought them there.
@c(kernel_exception)
func kernelException(_ frame: UnsafeMutablePointer<TrapFrame>, _ others: UnsafePointer<UInt64>) {
  // Safe: entries.S passes the frame it has just pushed.
  let vector = unsafe frame.pointee.vector
  if unsafe mendReturn(frame) { return }
  // What still is on the emergency stack is the machine's fault: nothing that an environment does leads there.
  guard unsafe frame.pointee.codeSegment & Selector.privilege != 0, vector != Vector.nonMaskable,
    vector != Vector.machineCheck,
    kernel.header.value.layoutVersion != 0 || vector == Vector.invalidInstruction
  else {
    unsafe Panic.exception(frame, others)
  }
  // The end of a probe, or SYSCALL is switched off: both tell what is in rax.
  if kernel.header.value.layoutVersion == 0 { unsafe ring0_probe_done(UInt32(truncatingIfNeeded: frame.pointee.rax)) }
  let exception = unsafe ExceptionFrame(
    vector: vector, code: frame.pointee.code, instruction: frame.pointee.instruction,
    codeSegment: frame.pointee.codeSegment, flags: frame.pointee.flags, stack: frame.pointee.stack,
    stackSegment: frame.pointee.stackSegment)
  guard let stack = kernel.exceptionStack(for: exception) else {
    ring0_acquire()
    Dispatcher.abort(.exception(vector: vector, code: exception.code), at: exception.instruction)
  }
  unsafe enter(AddressMap.exceptionGate, frame)
  unsafe frame.pointee.stack = stack
  unsafe frame.pointee.stackSegment = Selector.userData
  unsafe frame.pointee.flags &= ~ProcessorFlags.clearedByGates
}

/// The bytes of IRETQ.
private var interruptReturn: UInt16 { 0xcf48 }

/// A return to ring 3 that found no stack segment, which is mended, and tried again. Some processors (QEMU's) empty it
/// on the way through a gate to a stack of its own, even from ring 3 to ring 3, where none may return without one;
/// others leave it alone. The gate page fills it again, but the kernel may be entered before that, or be left by what
/// such an entry has put at the top of the stack.
private func mendReturn(_ frame: UnsafeMutablePointer<TrapFrame>) -> Bool {
  // Safe: entries.S passes the frame it has just pushed. The instruction is the kernel's own, which is mapped, and
  // where it is an IRETQ, the stack pointer is that of a frame for it.
  guard unsafe frame.pointee.vector == Vector.protection,
    unsafe frame.pointee.codeSegment & Selector.privilege == 0,
    unsafe UnsafeRawPointer(bitPattern: UInt(frame.pointee.instruction)).unsafelyUnwrapped
      .loadUnaligned(as: UInt16.self) == interruptReturn,
    let returning = unsafe UnsafeMutablePointer<UserFrame>(bitPattern: UInt(frame.pointee.stack)),
    unsafe returning.pointee.codeSegment & Selector.privilege == Selector.privilege,
    unsafe returning.pointee.stackSegment & ~Selector.privilege == 0
  else { return false }
  unsafe returning.pointee.stackSegment = Selector.userData
  return true
}
