// What the kernel does besides running environments, a few small steps at a time: it ends environments that were
// destroyed while they ran, takes back what ended ones owned and what was asked for in vain, and clears large frames.
extension Kernel {
  /// True where there is something to do besides running environments.
  @inline(__always) public var hasChores: Bool {
    (kernelPrivate.value.reaperWaits == 0 ? kernelPrivate.value.reaping : 0) | kernelPrivate.value.asked
      | kernelPrivate.value.destroyed | UInt64(kernelPrivate.value.largeDirty) != 0 || needsSweep
  }

  /// A few small steps of what there is to do; true while more can be done at once.
  public func doChores() -> Bool {
    if kernelPrivate.value.destroyed != 0 { endDestroyed() }
    // The end of a sweep is what the others wait for, and the reaper may let go of what a request waits for.
    sweep(limit: Self.choreSteps)
    let isReaping = reap(limit: Self.choreSteps)
    let isPressing = repossess(limit: Self.choreSteps)
    let isCleaning = cleanLarge()
    kernelPrivate.value.needsChores =
      hasChores || kernelPrivate.value.moreReceived != 0 ? 1 : kernelPrivate.value.lacksDeadlineTimer
    return isPressing || isReaping || needsSweep || isCleaning
  }

  /// Steps of each kind in one call of `doChores`.
  static var choreSteps: UInt32 { 8 }
}
