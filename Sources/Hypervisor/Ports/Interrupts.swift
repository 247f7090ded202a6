/// A device's wire to the interrupt controller. In a VM it is an irqfd: an eventfd that KVM turns into an interrupt.
public protocol InterruptLine: AnyObject, Sendable {
  /// Raises one interrupt. Callable from any thread; does not block.
  func raise()
}

/// The thread that runs the devices: an event loop that takes work from any thread and does it in order, one after
/// another.
///
/// Devices are written against this rather than the event loop itself, so that tests can run them step by step.
public protocol DeviceThread: AnyObject, Sendable {
  /// Runs `work` soon on the device thread. Callable from any thread, that one included; never runs `work` before it
  /// returns to the event loop.
  func post(_ work: @escaping @Sendable () -> Void)
}
