import Foundation

/// A call of a tool that makes files out of files. It runs only where its inputs, its arguments or the tool have
/// changed since it last ran.
///
/// Paths are relative to the package's folder or the work folder's, so that a copy of both elsewhere has nothing to
/// run.
struct Step {
  /// What it is called in reports, and the name of its record in the work folder.
  let name: String
  /// The tool's path.
  let tool: String
  /// Its arguments.
  let arguments: [String]
  /// Arguments that do not change what is made, and are no part of the fingerprint.
  var idleArguments: [String] = []
  /// Files that it reads and that stand before any step runs.
  let sources: [String]
  /// Files of other steps that it reads; those steps run before this one.
  let needs: [String]
  /// Files that it makes; the first of them names what it did to the steps that need it.
  let outputs: [String]

  /// The fingerprint of everything that the result depends on.
  func fingerprint() throws -> String {
    var all = Fingerprint()
    all.add(try Self.identity(of: tool))
    for argument in arguments { all.add(argument) }
    for file in sources + needs {
      all.add(file)
      guard let contents = FileManager.default.contents(atPath: file) else { throw GuestBuildError.unreadable(file) }
      all.add(contents)
    }
    return all.text
  }

  /// A tool is known by path, size and time of change: reading a compiler of 200 MB each time would take longer than
  /// what it compiles.
  private static func identity(of tool: String) throws -> String {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: tool),
      let size = attributes[.size] as? UInt64, let changed = attributes[.modificationDate] as? Date
    else { throw GuestBuildError.unreadable(tool) }
    return "\(tool) \(size) \(changed.timeIntervalSince1970)"
  }
}

/// Why images were not built. The tools' own messages are on standard error already.
enum GuestBuildError: Error, CustomStringConvertible {
  /// A file that a step needs is missing or cannot be read.
  case unreadable(String)
  /// A tool ended with an error.
  case tool(step: String, tool: String, status: Int32)
  /// Modules import each other in a circle, or one that is not there.
  case stuck([String])
  /// A program that was named is not there.
  case missing(String)
  /// A program that was named is neither a Swift file nor a folder of some.
  case noProgram(String)
  /// No file of a program has the function with which it begins.
  case noEntry(String)
  /// The result cannot be made or written.
  case unwritable(String, errno: Int32)

  var description: String {
    switch self {
    case .unreadable(let file): "cannot read \(file)"
    case .tool(let step, let tool, let status):
      "\(step) is not built, since \(URL(filePath: tool).lastPathComponent) ended with status \(status): "
        + "see its messages above"
    case .stuck(let names):
      "these steps wait for each other, or for what nobody makes: \(names.joined(separator: ", "))"
    case .missing(let path): "\(path) does not exist: check the path"
    case .noEntry(let path):
      "\(path) has no function program_main, with which a program begins: "
        + "write @c(program_main) public func programMain() -> Int32"
    case .unwritable(let path, let errno):
      "cannot write \(path) (\(String(cString: strerror(errno)))): name another file with -o, or check its folder"
    case .noProgram(let path): "\(path) is no Swift file and no folder of Swift files; name one that holds program_main"
    }
  }

  /// The status of sysexits(3) with which the builder ends.
  var exitStatus: Int32 {
    switch self {
    case .unreadable, .missing, .noProgram: 66
    case .tool, .noEntry: 65
    case .unwritable(_, errno: ENOSPC), .unwritable(_, errno: EIO), .unwritable(_, errno: EFBIG): 74
    case .unwritable: 73
    case .stuck: 70
    }
  }
}
