import Foundation

/// A module of the guest: a folder of Swift files, or one file.
struct GuestModule {
  /// The module's name.
  var name: String
  /// Its folder or file, relative to the package's folder or absolute.
  let path: String
  /// Folders of C modules that it imports beside the package's own.
  var headers: [String] = []

  /// The exokernel's modules: ring 0.
  static let kernel = [
    GuestModule(name: "ExokernelABI", path: "Sources/Exokernel/ABI"),
    GuestModule(name: "VirtioLayout", path: "Sources/Exokernel/VirtioLayout"),
    GuestModule(name: "DownloadedCode", path: "Sources/Exokernel/DownloadedCode"),
    GuestModule(name: "ExokernelCore", path: "Sources/Exokernel/Core"),
    GuestModule(name: "RingZero", path: "Sources/Exokernel/RingZero"),
  ]

  /// What programs may import: ring 3.
  static let libraries = [
    GuestModule(name: "ExokernelABI", path: "Sources/Exokernel/ABI"),
    GuestModule(name: "DownloadedCode", path: "Sources/Exokernel/DownloadedCode"),
    GuestModule(name: "LibOS", path: "Sources/GuestLibOS/LibOS"),
    GuestModule(name: "InternetStack", path: "Sources/GuestLibOS/InternetStack"),
    GuestModule(name: "FileSystems", path: "Sources/GuestLibOS/FileSystems"),
    GuestModule(name: "HTTP", path: "Sources/GuestLibOS/HTTP"),
    GuestModule(name: "Inspection", path: "Sources/GuestLibOS/Inspection"),
    GuestModule(name: "Service", path: "Sources/GuestLibOS/Service"),
  ]

  /// The programs that the command carries: each folder in Sources/GuestLibOS/Apps is one, named as the folder in small
  /// letters.
  static func programs() throws -> [GuestModule] {
    let apps = "Sources/GuestLibOS/Apps"
    return try FileManager.default.contentsOfDirectory(atPath: apps).sorted()
      .filter { !Self.files("swift", at: "\(apps)/\($0)").isEmpty }
      .map { GuestModule(name: "Program_\($0.lowercased())", path: "\(apps)/\($0)") }
  }

  /// A program of one file or folder, whose name it gets in small letters.
  static func program(at path: String) throws -> GuestModule {
    guard FileManager.default.fileExists(atPath: path) else { throw GuestBuildError.missing(path) }
    guard !files("swift", at: path).isEmpty else { throw GuestBuildError.noProgram(path) }
    let file = URL(filePath: path)
    let name = file.deletingPathExtension().lastPathComponent.lowercased()
    let letters = name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
    return GuestModule(
      name: "Program_\(String(letters))", path: path,
      headers: [file.deletingLastPathComponent().appending(path: "CInstructions").relativePath])
  }

  /// A program's name in a boot archive.
  var programName: String { String(name.dropFirst("Program_".count)) }

  /// Its Swift files.
  var swiftFiles: [String] { Self.files("swift", at: path) }

  /// True where one of its functions is called by its C name, from assembly or another module. Only then is its object
  /// file linked: whatever else a program calls of it, Embedded Swift compiles into the program.
  func hasCNames() throws -> Bool {
    try swiftFiles.contains { file in try text(of: file).contains("@c(") }
  }

  /// True where one of its files names the function with which a program begins.
  func hasEntry() throws -> Bool {
    try swiftFiles.contains { file in try text(of: file).contains("program_main") }
  }

  private func text(of file: String) throws -> String {
    guard let contents = FileManager.default.contents(atPath: file) else { throw GuestBuildError.unreadable(file) }
    return String(decoding: contents, as: UTF8.self)
  }

  /// Names of modules that its files import.
  func imports() throws -> Set<String> {
    var names: Set<String> = []
    for file in swiftFiles {
      for line in try text(of: file).split(separator: "\n") {
        let words = line.split(separator: " ")
        if let place = words.firstIndex(of: "import"), place < 2, place + 1 < words.count {
          names.insert(String(words[place + 1]))
        }
      }
    }
    return names
  }

  /// The files with an extension in a folder and below, in a fixed order, or the one file that is named.
  static func files(_ pathExtension: String, at path: String) -> [String] {
    if path.hasSuffix(".\(pathExtension)") { return FileManager.default.fileExists(atPath: path) ? [path] : [] }
    return (FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? [])
      .filter { $0.hasSuffix(".\(pathExtension)") }.sorted().map { "\(path)/\($0)" }
  }
}
