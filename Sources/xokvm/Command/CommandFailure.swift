import Hypervisor

/// The command has done its work, and its status says how that went.
struct CommandEnd: Error {
  let status: ExitStatus
}

/// Why the command ends without having done what it was asked for: one line that says what and what to do.
struct CommandFailure: Error, CustomStringConvertible {
  let status: ExitStatus
  let message: String

  init(status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  var description: String { message }
}
