/// Which service of Linux an operation of the exokernel is held against.
struct LinuxEquivalent {
  /// Name of the operation, one of `PrimitivesBench.names`.
  let operation: String
  let service: LinuxService
  /// How often the operation enters ring 0 and leaves it.
  var entries = 1
}

extension LinuxEquivalent {
  /// Every operation that Linux has a service for. An operation that the bench does not measure has no row.
  static let all = [
    LinuxEquivalent(operation: "null-call", service: .getpid),
    LinuxEquivalent(operation: "null-call-full", service: .getpid),
    LinuxEquivalent(operation: "frame-map", service: .protectPage),
    LinuxEquivalent(operation: "frame-unmap", service: .protectPage),
    LinuxEquivalent(operation: "frame-map-batch", service: .protectPages),
    LinuxEquivalent(operation: "fault-upcall", service: .pageFault),
    // The end of the slice, and the call by which the environment gives the processor away.
    LinuxEquivalent(operation: "slice-switch", service: .yield, entries: 2),
    LinuxEquivalent(operation: "directed-yield", service: .yield),
    LinuxEquivalent(operation: "transfer", service: .pipe),
    LinuxEquivalent(operation: "predicate", service: .futex),
    // Ring 0 is not entered; the processor's way to a handler and back is counted as if it were.
    LinuxEquivalent(operation: "ring3-exception", service: .divideError),
  ]

  static subscript(operation name: String) -> LinuxEquivalent? {
    all.first { $0.operation == name }
  }
}
