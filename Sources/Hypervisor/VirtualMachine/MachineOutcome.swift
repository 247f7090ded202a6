/// How a virtual machine ended.
public enum MachineOutcome: Error, Equatable, Sendable {
  /// The guest said so, with this status.
  case exited(status: UInt8)
  /// The guest reset or switched off the machine.
  case reset
  /// The user quit it (Ctrl-A x).
  case quit
  /// A signal arrived.
  case signalled(Int32)
  /// The time the user gave it is over.
  case timedOut
  /// Nobody will ever read its console: the reader closed the pipe.
  case consoleClosed
  /// It cannot go on.
  case failed(MachineFailure)

  /// The status the command ends with: the guest's, 0 for reset and quit, 128 + n for signal n, 124 for time; 141
  /// without a reader, as if SIGPIPE had come.
  public var exitStatus: ExitStatus {
    switch self {
    case .exited(let status): ExitStatus(rawValue: Int32(status))
    case .reset, .quit: .success
    case .signalled(let number): .signal(number)
    case .timedOut: .timedOut
    case .consoleClosed: .signal(13)
    case .failed(.host): .osError
    case .failed: .software
    }
  }

  /// The outcome in one word, for the statistics.
  public var name: String {
    switch self {
    case .exited: "exited"
    case .reset: "reset"
    case .quit: "quit"
    case .signalled: "signalled"
    case .timedOut: "timedOut"
    case .consoleClosed: "consoleClosed"
    case .failed: "failed"
    }
  }
}
