import BootArchive
import Foundation
import GuestImages

/// What a command did.
struct CommandResult {
  let status: Int32
  let output: String
  let errors: String

  /// Lines of the output.
  var lines: [String] { output.split(whereSeparator: \.isNewline).map(String.init) }
}

/// The commands that the tests run, and where they find them.
enum Command {
  /// Folder of the products that were built with the tests.
  static let products: URL =
    Bundle.allBundles.map(\.bundleURL).first { $0.pathExtension == "xctest" }?
    .deletingLastPathComponent() ?? URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()

  static var xokvm: String { products.appending(path: "xokvm").path }

  /// Path of a program on PATH.
  static func find(_ name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  static var hasKVM: Bool { access("/dev/kvm", R_OK | W_OK) == 0 }

  /// Runs a command to its end; it is killed after `seconds`.
  static func run(_ path: String, _ arguments: [String], seconds: Double = 60) throws -> CommandResult {
    try start(path, arguments).wait(seconds: seconds)
  }

  static func start(_ path: String, _ arguments: [String]) throws -> RunningCommand {
    try RunningCommand(path, arguments)
  }

  /// A file name in a fresh folder that goes with the test process.
  static func temporaryFile(_ name: String) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appending(path: "xokvm-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder.appending(path: name).path
  }
}

/// A command that runs; its output is collected in files, so that no pipe can fill.
final class RunningCommand {
  private let process = Process()
  private let outputPath: String
  private let errorPath: String

  init(_ path: String, _ arguments: [String]) throws {
    outputPath = try Command.temporaryFile("output")
    errorPath = outputPath + "-errors"
    for path in [outputPath, errorPath] where !FileManager.default.createFile(atPath: path, contents: nil) {
      throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path])
    }
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    try process.run()
  }

  /// What it has written so far.
  var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }
  /// What it has written to standard error so far.
  var errors: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }
  var isRunning: Bool { process.isRunning }
  var identifier: Int32 { process.processIdentifier }

  /// Waits until the output holds `text`; false after `seconds`, or where the command ends without it.
  func waitForOutput(_ text: String, seconds: Double = 30) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while Date() < deadline {
      if output.contains(text) { return true }
      if !process.isRunning { return output.contains(text) }
      usleep(20_000)
    }
    return false
  }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits for the end, or kills after `seconds`.
  func wait(seconds: Double = 60) -> CommandResult {
    let deadline = Date().addingTimeInterval(seconds)
    while process.isRunning, Date() < deadline { usleep(10_000) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return CommandResult(status: status, output: output, errors: errors)
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
  }
}

/// The ring-3 test programs of Tests/BootTests/Guests, as ELF files.
enum Guests {
  /// Folder with one file per program, named like its source in lower case.
  static let folder: String = {
    do {
      let first = try Command.temporaryFile("x")
      let folder = URL(filePath: first).deletingLastPathComponent()
      for (name, contents) in BootArchive.files(in: decoded(guestsImage)) {
        try Data(contents).write(to: folder.appending(path: name))
      }
      return folder.path
    } catch {
      return "/nonexistent"
    }
  }()

  /// Path of a program, with arguments where it takes some.
  static func path(_ name: String) -> String { "\(folder)/\(name)" }
}
