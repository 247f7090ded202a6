import BootArchive
import Foundation
import GuestImages

/// The ring-3 test programs of Tests/BootTests/Guests. Where one is named, arguments may follow behind a colon.
enum Guests {
  /// Each is named like its source in lower case.
  private static let files = BootArchive.files(in: decoded(guestsImage))

  /// Runs a machine with these programs to its end; it is killed after `seconds`.
  static func boot(_ programs: String..., options: [String] = [], seconds: Double = 60) throws -> CommandResult {
    let folder = try ScratchFolder()
    defer { withExtendedLifetime(folder) {} }
    return try start(programs, in: folder, options: options).wait(seconds: seconds)
  }

  /// Starts a machine with these programs, which are stored in `folder`.
  static func start(_ programs: [String], in folder: ScratchFolder, options: [String] = []) throws -> RunningCommand {
    var arguments = ["boot"]
    let names = programs.map { String($0.prefix { $0 != ":" }) }
    for (name, contents) in files where names.contains(name) { try folder.store(name, contents) }
    for program in programs { arguments += ["--app", folder.path(program)] }
    return try Command.start(Command.xokvm, arguments + options)
  }
}
