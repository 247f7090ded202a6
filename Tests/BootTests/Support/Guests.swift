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

  /// Starts a machine with these programs, which are stored in `folder`; those of other names are bundled ones.
  static func start(_ programs: [String], in folder: ScratchFolder, options: [String] = []) throws -> RunningCommand {
    try Command.start(Command.xokvm, try arguments(programs, in: folder) + options)
  }

  /// The command line for a machine with these programs, which are stored in `folder`; those of other names are bundled
  /// ones.
  static func arguments(_ programs: [String], in folder: ScratchFolder) throws -> [String] {
    var arguments = ["boot"]
    for program in programs {
      let name = String(program.prefix { $0 != ":" })
      if let file = files.first(where: { $0.name == name }) {
        try folder.store(name, file.contents)
        arguments += ["--app", folder.path(program)]
      } else {
        arguments += ["--app", program]
      }
    }
    return arguments
  }
}
