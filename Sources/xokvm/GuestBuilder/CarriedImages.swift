// The plug-in compiles this file together with the sources of BootArchive and CodeMap: there is no module to import.
#if canImport(BootArchive)
  import BootArchive
#endif
import Foundation

/// The images that the command or its tests carry, as Swift source that holds them in static strings, as `SevenBitText`
/// writes them.
///
/// `kernel` makes `kernelImage` and, in a file beside it, `kernelMaps`, an archive of its code map; `programs` makes an
/// archive of the programs and one of their maps; `guests` an archive of the programs in a folder of tests, with the
/// module that they share.
struct CarriedImages {
  private let kind: String
  private let output: URL
  private let guests: String
  private let work: String
  private let tools: Toolchain

  /// Takes the plug-in's arguments, and makes the package's folder the current one.
  init(_ arguments: [String]) throws {
    kind = arguments[0]
    let package = arguments[1]
    guard FileManager.default.changeCurrentDirectoryPath(package) else { throw GuestBuildError.unreadable(package) }
    work = relativePath(arguments[2])
    output = URL(filePath: arguments[3])
    tools = Toolchain(
      swiftc: arguments[4], clang: arguments[5], linker: arguments[6], objcopy: arguments[7],
      mapper: CommandLine.arguments[0])
    guests = arguments.count > 8 ? relativePath(arguments[8]) : ""
  }

  /// Builds, and writes what has changed: a file with the same contents keeps its time, so that nothing is compiled
  /// again for it.
  func build() throws {
    var images: GuestRecipes
    var maps: [(name: String, file: String)] = []
    let contents: () throws -> Data
    switch kind {
    case "kernel":
      images = try GuestRecipes(tools: tools, work: "\(work)/ring0", flags: GuestFlags.ringZero)
      let kernel = try images.kernel()
      maps = [("kernel", kernel.map)]
      contents = { try read(kernel.image) }
    case "programs":
      images = try GuestRecipes(tools: tools, work: "\(work)/ring3", flags: [])
      let programs = try images.programs(try GuestModule.programs())
      maps = programs.map { ($0.name, $0.map) }
      contents = { try archive(programs.map { ($0.name, $0.image) }) }
    default:
      images = try GuestRecipes(tools: tools, work: "\(work)/ring3", flags: [])
      let support = GuestModule(name: "GuestSupport", path: "\(guests)/Support")
      let files = try FileManager.default.contentsOfDirectory(atPath: guests).filter { $0.hasSuffix(".swift") }.sorted()
      let programs = try images.programs(files.map { try .program(at: "\(guests)/\($0)") }, support: support)
      contents = { try archive(programs.map { ($0.name, $0.image) }) }
    }
    let runner = StepRunner(work: images.recipe.work)
    try runner.run(images.recipe.steps)
    try write("\(kind)Image", try contents(), to: output)
    if !maps.isEmpty {
      let file = output.deletingLastPathComponent().appending(path: "\(kind)Maps.swift")
      try write("\(kind)Maps", try archive(maps), to: file)
    }
    print(
      "\(kind): \(runner.ran.count) of \(images.recipe.steps.count) steps ran\(runner.ran.isEmpty ? "" : ":")",
      runner.ran.joined(separator: " "))
  }

  private func archive(_ files: [(name: String, file: String)]) throws -> Data {
    var archive = BootArchive()
    for file in files { archive.append(file.name, [UInt8](try read(file.file))) }
    return Data(archive.finished())
  }

  private func write(_ name: String, _ image: Data, to file: URL) throws {
    let text =
      Array("// Made by GuestBuilder.\nlet \(name): StaticString = \"".utf8) + SevenBitText.literal([UInt8](image))
      + Array("\"\n".utf8)
    guard FileManager.default.contents(atPath: file.path) != Data(text) else { return }
    try Data(text).write(to: file)
  }
}

/// A file's contents.
func read(_ file: String) throws -> Data {
  guard let contents = FileManager.default.contents(atPath: file) else { throw GuestBuildError.unreadable(file) }
  return contents
}

/// `path` as it is called from the current folder, where it lies below it.
func relativePath(_ path: String) -> String {
  let here = FileManager.default.currentDirectoryPath + "/"
  return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
}
