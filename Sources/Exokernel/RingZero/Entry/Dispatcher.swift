import CRingZero
import ExokernelABI
import ExokernelCore

extension UserFrame {
  /// Where the frame of the call in progress is.
  static var place: UnsafeMutablePointer<UserFrame> {
    // Safe: entries.S leaves it there for every call, and the stack is this processor's alone.
    @inline(__always) get {
      unsafe UnsafeMutablePointer(bitPattern: ring0_processor_base() &- UInt(MemoryLayout<UserFrame>.size))
        .unsafelyUnwrapped
    }
  }

  /// The frame of the call in progress.
  static var current: UserFrame { @inline(__always) get { unsafe place.pointee } }
}

/// Who runs next, and how an environment leaves. Everything here is called with the kernel's lock held.
enum Dispatcher {
  /// Runs the environment whose turn it is behind `node`, which is `Kernel.sliceNode`, at time-stamp `now`; the short
  /// way, where nothing waits to be done and nothing is unusual.
  @inline(__always) static func runNext(after node: Cell<SliceNode>, at now: UInt64) -> Int64 {
    guard kernel.kernelPrivate.value.needsChores == 0, let record = kernel.startNextSlice(after: node, at: now) else {
      run()
    }
    let saved = record.value.savedInstructionPointer
    let prologue = record.value.prologueEntry
    return ring0_resume(prologue != 0 ? prologue : saved, record.value.savedStackPointer, saved)
  }

  /// Runs the environment whose turn it is; sleeps where there is none; ends the machine where none is left.
  static func run() -> Never {
    var wasIdle = false
    while true {
      let isReceiving = kernel.receiveRest()
      // Also before somebody runs: programs that give the processor up before each tick of the timer would keep the
      // dead for ever.
      let isBusy = kernel.hasChores && kernel.doChores()
      if let turn = kernel.nextTurn() {
        if wasIdle { kernel.leaveIdle() }
        kernel.enter(turn)
        _ = resume()
      }
      if kernel.header.value.liveEnvironments == 0, kernel.kernelPrivate.value.hasBooted != 0 {
        Panic.endMachine(kernel.kernelPrivate.value.machineStatus)
      }
      // However much there is to do, nobody waits longer for the lock than one round of it takes, and no device longer
      // to be heard.
      guard !isBusy, !isReceiving else {
        kernel.leaveProcessor()
        ring0_release()
        ring0_serve_interrupts()
        ring0_acquire()
        continue
      }
      kernel.armForIdle()
      ring0_release()
      ring0_wait_for_interrupt()
      ring0_acquire()
      kernel.processor.value.isIdle = 0
      wasIdle = true
    }
  }

  /// Lets an environment go on that gave the processor up, and was switched to.
  @inline(__always) static func resume() -> Int64 {
    let place = kernel.resumption(of: kernel.currentRecord)
    return ring0_resume(place.entry, place.stack, place.saved)
  }

  /// Ends the running environment with an epitaph, and runs the next.
  static func abort(_ cause: Cause, at instruction: UInt64) -> Never {
    let environment = kernel.current
    kernel.writeEpitaph(of: environment, cause: cause, instruction: instruction)
    kernel.end(environment, status: 139)
    run()
  }
}

/// Lets the interrupted environment go on at an entry of its own, in 64-bit mode whatever it was in: a 64-bit address
/// in a 32-bit code segment would fault in ring 0.
@inline(__always) func enter(_ entry: UInt64, _ frame: UnsafeMutablePointer<TrapFrame>) {
  // Safe: the callers pass the frame that entries.S has pushed.
  unsafe frame.pointee.instruction = entry
  unsafe frame.pointee.codeSegment = Selector.userCode
}
