import ArgumentParser
import Hypervisor
import Logging

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The command.
@main struct XOKVM: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "xokvm",
    abstract: "Runs library-OS programs on an exokernel, or any PVH kernel, in a KVM virtual machine.",
    version: "xokvm 0.1",
    subcommands: [BootCommand.self, ImageCommand.self, BenchCommand.self, FuzzCommand.self])

  /// Parses, runs, and turns every error into one line on standard error and a status of sysexits(3).
  static func main() {
    holdStandardDescriptors()
    // A reader that goes away, or a file that may not grow, is an error of the write, not a signal.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    LoggingSystem.bootstrap { _ in StandardErrorLog() }
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      conclude(error)
    }
    endProcess(.success)
  }

  /// Ends as the command's work did.
  private static func conclude(_ error: any Error) -> Never {
    switch error {
    case let end as CommandEnd: endProcess(end.status)
    case let failure as CommandFailure: report(failure)
    case let error as MachineError: report(CommandFailure(status: error.exitStatus, error.description))
    case let error as BootError: report(CommandFailure(status: error.exitStatus, error.description))
    case _ where exitCode(for: error).isSuccess:
      // Help or the version was asked for.
      do { try StandardOutput.write(fullMessage(for: error) + "\n") } catch { conclude(error) }
      endProcess(.success)
    default:
      report(CommandFailure(status: .usage, "\(oneLine(message(for: error))): see '\(help(for: error))'"))
    }
  }

  /// Puts something in the place of closed standard descriptors that ends for a reader and fails for a writer, so that
  /// no file that is opened later gets their numbers, and with them what is meant for the console or the user.
  private static func holdStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is taken, which is this one. Safe: a constant string.
      _ = unsafe open("/dev/null", O_RDONLY)
    }
  }

  /// The command that tells of the options that were meant: the argument parser names it behind the usage.
  private static func help(for error: any Error) -> String {
    let text = fullMessage(for: error)
    let start = "See '"
    for line in text.split(separator: "\n").reversed() {
      let words = line.drop { $0 == " " }
      guard words.hasPrefix(start) else { continue }
      return String(words.dropFirst(start.count).prefix { $0 != "'" })
    }
    return "xokvm --help"
  }

  private static func oneLine(_ text: String) -> String {
    var line = text.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
    while line.hasSuffix(".") || line.hasSuffix(" ") { line.removeLast() }
    return line
  }

  private static func report(_ failure: CommandFailure) -> Never {
    StandardError.say(failure.message)
    endProcess(failure.status)
  }
}

/// Ends the process at once, but for what is still to be said, which gives memory and descriptors back faster than
/// taking objects apart.
private func endProcess(_ status: ExitStatus) -> Never {
  StandardError.finish()
  exit(status.rawValue)
}
