import Foundation

/// What a command did.
struct CommandResult {
  let status: Int32
  let output: String
  let errors: String

  /// Lines of the output.
  var lines: [String] { output.split(whereSeparator: \.isNewline).map(String.init) }
  /// The lines that programs and the kernel have written: without those, indented, that tell where in the source a
  /// crash was.
  var guestLines: [String] { lines.filter { !$0.hasPrefix("  ") } }
  /// Everything it wrote, for the messages of failed expectations.
  var all: String { "status \(status)\n\(output)\(errors)" }
}

/// The commands that the tests run, and where they find them.
enum Command {
  /// Folder of the products that were built with the tests.
  static let products: URL =
    Bundle.allBundles.map(\.bundleURL).first { $0.pathExtension == "xctest" }?.deletingLastPathComponent()
    ?? URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()

  static var xokvm: String { products.appending(path: "xokvm").path }

  /// The command of a release build, where the environment names one.
  static var release: String? {
    ProcessInfo.processInfo.environment["XOKVM_RELEASE"].flatMap {
      FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil
    }
  }

  /// Path of a program on PATH.
  static func find(_ name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// True inside of a processor that is emulated, where everything takes many times longer, and single steps thousands
  /// of times.
  static var isSlowHost: Bool { ProcessInfo.processInfo.environment["XOKVM_SLOW_HOST"] != nil }

  static var hasKVM: Bool { access("/dev/kvm", R_OK | W_OK) == 0 }

  /// Runs a command to its end; it is killed after `seconds`.
  static func run(_ path: String, _ arguments: [String], seconds: Double = 60) throws -> CommandResult {
    try start(path, arguments).wait(seconds: seconds)
  }

  static func start(_ path: String, _ arguments: [String]) throws -> RunningCommand {
    try RunningCommand(path, arguments)
  }

  /// Whether a shell line ends with status 0.
  static func succeeds(_ line: String) -> Bool {
    (try? run("/bin/sh", ["-c", line], seconds: 10).status) == 0
  }

  /// A TCP port of this host that nobody listened at a moment ago.
  static func freePort() throws -> UInt16 {
    let listener = try HostListener()
    return listener.port
  }
}

/// A folder of scratch files that goes with the object.
final class ScratchFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "xokvm-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// The path of a file in it.
  func path(_ name: String) -> String { url.appending(path: name).path }

  /// Stores a file and returns its path.
  @discardableResult func store(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let place = url.appending(path: name)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: place)
    return place.path
  }

  /// Random bytes, which compress to nothing that a wrong answer could resemble.
  static func noise(_ count: Int) throws -> Data {
    guard count > 0 else { return Data() }
    let source = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
    return try source.read(upToCount: count) ?? Data()
  }
}

/// A command that runs; its output is collected in files, so that no pipe can fill.
final class RunningCommand {
  private let process = Process()
  private let folder: ScratchFolder

  init(_ path: String, _ arguments: [String]) throws {
    folder = try ScratchFolder()
    try folder.store("output", [])
    try folder.store("errors", [])
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: folder.path("output"))
    process.standardError = FileHandle(forWritingAtPath: folder.path("errors"))
    try process.run()
  }

  private func text(_ name: String) -> String {
    String(decoding: (try? Data(contentsOf: folder.url.appending(path: name))) ?? Data(), as: UTF8.self)
  }

  /// What it has written so far.
  var output: String { text("output") }
  /// What it has written to standard error so far.
  var errors: String { text("errors") }

  /// Waits until the output holds `text`; false after `seconds`, or where the command ends without it.
  func waitForOutput(_ text: String, seconds: Double = 30) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while Date() < deadline {
      let isRunning = process.isRunning
      if output.contains(text) { return true }
      if !isRunning { return false }
      usleep(20_000)
    }
    return false
  }

  /// Time of the host's processors that it has used, in seconds, to a hundredth; nil where it has ended.
  var processorSeconds: Double? {
    // proc(5): the name, in parentheses, may hold anything; utime and stime are the 12th and 13th fields behind it.
    guard let text = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8),
      let name = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[name...].split(separator: " ")
    guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return nil }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// From now on its first thread, which serves the devices, is the last to get a processor that others want; false
  /// where the host refuses that.
  func yieldToOthers() -> Bool { setpriority(.init(PRIO_PROCESS.rawValue), UInt32(process.processIdentifier), 19) == 0 }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits for the end, or kills after `seconds`.
  func wait(seconds: Double = 60) -> CommandResult {
    let deadline = Date().addingTimeInterval(seconds)
    while process.isRunning, Date() < deadline { usleep(5_000) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    while process.isRunning { usleep(1_000) }
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return CommandResult(status: status, output: output, errors: errors)
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
  }
}
