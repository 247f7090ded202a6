import CRingZero
import ExokernelABI
import ExokernelCore

// The interrupts, as entries.S brings them: the timer, the devices, and other processors.

/// The end of a slice where entries.S has not served it. The interrupt was acknowledged.
@c(kernel_timer)
func kernelTimer(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // From ring 0 the timer interrupts the idle loop, which looks by itself.
  // Safe: entries.S passes the frame it has just pushed.
  guard unsafe frame.pointee.codeSegment & Selector.privilege != 0 else { return }
  // It may be a late one of the slice before, which is not the running environment's; or an early one of this slice,
  // and then it is the only one.
  guard LocalAPIC.isDue(ring0_time_stamp()) else { return LocalAPIC.arm(at: kernel.processor.value.timer) }
  ring0_acquire()
  // Frames of the ended go back, and what was asked for in vain is taken, also where the processor is never idle.
  if kernel.kernelPrivate.value.needsChores != 0 { _ = kernel.doChores() }
  guard kernel.current != BooksLayout.noEnvironment else { Dispatcher.run() }
  // The time of now: waiting for the lock and the chores may have taken a slice, and a timer that is set to the past
  // lets nobody run.
  switch unsafe kernel.sliceEnded(at: frame.pointee.instruction, now: ring0_time_stamp()) {
  case .goOn: break
  case .epilogue(let entry): unsafe enter(entry, frame)
  case .abort: unsafe Dispatcher.abort(.sliceOverrun, at: frame.pointee.instruction)
  }
  ring0_release()
}

@c(kernel_device_interrupt)
func kernelDeviceInterrupt(_ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: entries.S passes the frame it has just pushed.
  let line = unsafe frame.pointee.vector &- Vector.device
  kernel.deviceInterrupt(line)
  LocalAPIC.acknowledge()
}

/// Another processor asks: to forget translations, to look for something to run, or to end the environment that runs
/// here.
@c(kernel_processor_interrupt)
func kernelProcessorInterrupt(_ frame: UnsafeMutablePointer<TrapFrame>) {
  LocalAPIC.acknowledge()
  Processors.forgetTranslations()
  // In ring 0 this interrupted the idle loop, which looks by itself.
  // Safe: entries.S passes the frame it has just pushed.
  guard unsafe frame.pointee.codeSegment & Selector.privilege != 0, kernel.kernelPrivate.value.destroyed != 0 else {
    return
  }
  ring0_acquire()
  let environment = kernel.current
  kernel.endDestroyed()
  if kernel.current != environment { Dispatcher.run() }
  ring0_release()
}
