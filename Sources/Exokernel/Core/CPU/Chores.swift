// What the kernel does besides running environments, a few small steps at a time: it ends environments that were
// destroyed while they ran, takes back what ended ones owned and what was asked for in vain, and clears large frames.
extension Kernel {
  /// True where there is something to do besides running environments.
  @inline(__always) public var hasChores: Bool {
    kernelPrivate.value.reaping | kernelPrivate.value.asked | kernelPrivate.value.destroyed
      | UInt64(kernelPrivate.value.largeDirty) != 0
  }

  /// A few small steps of what there is to do; true while more can be done at once.
  public func doChores() -> Bool {
    if kernelPrivate.value.destroyed != 0 { endDestroyed() }
    let isReaping = reap(limit: 8)
    let isPressing = repossess(limit: 8)
    let isCleaning = cleanLarge()
    kernelPrivate.value.needsChores =
      hasChores || kernelPrivate.value.moreReceived != 0 ? 1 : kernelPrivate.value.lacksDeadlineTimer
    return isPressing || isReaping || isCleaning
  }
}
