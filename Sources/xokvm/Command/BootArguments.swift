import ArgumentParser
import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The value of `--app`: a program and its arguments.
struct ProgramArgument: Equatable {
  /// The name of a bundled program, or a path.
  var name: String
  /// What follows the colon.
  var arguments: String

  init(name: String, arguments: String = "") {
    self.name = name
    self.arguments = arguments
  }

  /// Reads `NAME[:ARGUMENTS]`. Where the whole text names a file, it is that file; else the name ends before the first
  /// colon behind which it names one, or, where none does, before the first colon.
  init(parsing text: String) throws {
    let ends = text.indices.filter { text[$0] == ":" } + [text.endIndex]
    let isFile = { (end: String.Index) in isThere(String(text[..<end])) }
    let end = isFile(text.endIndex) ? text.endIndex : ends.first(where: isFile) ?? ends[0]
    guard end > text.startIndex else {
      throw ValidationError("there is no name: give one of a bundled program, or the path of an ELF file")
    }
    name = String(text[..<end])
    arguments = String(text[end...].dropFirst())
    // Words of the kernel's command line are divided by spaces.
    guard arguments.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
      throw ValidationError("the program's arguments hold a space or a control character: divide them by commas")
    }
  }
}

/// The value of `--disk`.
struct DiskArgument: ExpressibleByArgument, Equatable {
  var configuration: DiskConfiguration

  init?(argument: String) {
    let suffix = ",readonly"
    // A file may be named so.
    let isReadOnly = argument.hasSuffix(suffix) && !isThere(argument)
    let path = isReadOnly ? String(argument.dropLast(suffix.count)) : argument
    guard !path.isEmpty else { return nil }
    configuration = DiskConfiguration(path: path, isReadOnly: isReadOnly)
  }
}

/// The value of `--network`.
enum NetworkArgument: ExpressibleByArgument, Equatable {
  case none
  case user
  case tap(name: String)
  case unix(path: String)

  init?(argument: String) {
    switch argument {
    case "none": self = .none
    case "user": self = .user
    default:
      if let name = value(of: "tap", in: argument) {
        self = .tap(name: name)
      } else if let path = value(of: "unix", in: argument) {
        self = .unix(path: path)
      } else {
        return nil
      }
    }
  }
}

/// The value of `--console`.
struct ConsoleArgument: ExpressibleByArgument, Equatable {
  var target: ConsoleTarget

  init(target: ConsoleTarget) {
    self.target = target
  }

  init?(argument: String) {
    switch argument {
    case "stdio": target = .standard
    case "none": target = .none
    default:
      guard let path = value(of: "file", in: argument) else { return nil }
      target = .file(path: path)
    }
  }

  var defaultValueDescription: String { "stdio" }
}

/// Reads a whole number; where the text is none, the refusal names the range, which is checked later. `unit` is what is
/// counted, if anything.
func integer<Number: FixedWidthInteger & Sendable>(
  in range: ClosedRange<Number>, _ unit: String? = nil
) -> @Sendable (String) throws -> Number {
  { text in
    guard let value = Number(text) else {
      let what = unit.map { "a number of \($0)" } ?? "a number"
      throw ValidationError("it is not \(what) from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}

/// Reads a positive number of seconds, at most some thirty years.
func seconds(_ text: String) throws -> Double {
  guard let value = Double(text), value > 0, value <= 1e9 else {
    throw ValidationError("it is not a positive number of seconds, at most 1000000000")
  }
  return value
}

/// Whether `path` names anything but a folder.
private func isThere(_ path: String) -> Bool {
  var status = stat()
  // Safe: the string and the structure live for the duration of the call.
  return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
}

/// What follows `key=`, unless that is nothing.
private func value(of key: String, in argument: String) -> String? {
  guard argument.hasPrefix(key + "="), argument.utf8.count > key.utf8.count + 1 else { return nil }
  return String(argument.dropFirst(key.count + 1))
}
