import CRingZero
import ExokernelABI
import ExokernelCore

/// The boot, in order, called once by pvh_entry in start.S, which has made: long mode, the link-time tables, a stack.
/// `startInfo` is the physical address that the loader left in ebx. What can fail ends the machine with a line that
/// says why: see BootChecks.swift.
@c(kernel_main)
public func kernelMain(_ startInfo: UInt64) -> Never {
  ConsolePort.open()  // first: whatever fails below says so there
  Processors.prepare(0)  // this processor's number, and its stack's last word, which every entry relies on
  ring0_acquire()  // what follows changes the kernel's state, which the lock guards
  LocalAPIC.open()  // interrupts between processors, and the timer
  let boot = BootChecks.startInfo(at: startInfo)  // where memory, command line and archive are
  FrameTable.map(boot)  // frames have records from here on
  let clock = BootChecks.clock()  // time-stamps per second: the length of a slice
  let entry = KernelGate.choose()  // SYSCALL or int $4: this processor enters by it, and the books tell programs
  kernel.openBooks(boot, timeMultiplier: clock.multiplier, timeShift: clock.shift, entryKind: entry)
  ConsolePort.tellKind()  // whether drawing is of any use: programs see it in the books
  ring0_release()  // the others take the lock for their first steps, and this processor waits for them
  Processors.startOthers()  // now, for programs get positions on all of them
  ring0_acquire()  // alone again
  kernel.startDevices(boot)  // disks and networks, and the length of slices: what the command line says of the machine
  LocalAPIC.routeDevices()  // their interrupts come to this processor, once it runs somebody or waits
  kernel.startPrograms(boot)  // an environment for each program that the command line names
  Milestone.tellBooted()  // the monitor measures the boot
  Dispatcher.run()  // lets the first environment run, and gives the lock back
}
