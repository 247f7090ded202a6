import Synchronization

/// The end of a machine: whoever first has a reason to end it says so here, from any thread, and everyone stops.
final class MachineControl: Sendable {
  private let loop: EventLoop
  private let first = Mutex<MachineOutcome?>(nil)
  private let stopping = Atomic<Bool>(false)

  init(loop: EventLoop) {
    self.loop = loop
  }

  /// Whether the machine is to end; vCPUs look at it before they enter the guest.
  var isStopping: Bool { stopping.load(ordering: .acquiring) }

  /// How it ended, once it has.
  var outcome: MachineOutcome? { first.withLock { $0 } }

  /// Ends the machine. Only the first reason counts.
  func finish(_ outcome: MachineOutcome) {
    first.withLock { first in if first == nil { first = outcome } }
    stopping.store(true, ordering: .releasing)
    loop.stop()
  }
}
