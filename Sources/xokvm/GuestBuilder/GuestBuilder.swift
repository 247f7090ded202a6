import BootArchive
import Foundation

/// Builds the guest's images: `GuestBuilder kernel|programs|guests PACKAGE WORK OUTPUT SWIFTC CLANG LINKER [GUESTS]`.
///
/// The output is Swift source that holds the image in a static string, as `SevenBitText` writes it. Called by the plug-in only.
@main struct GuestBuilder {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count >= 8 else {
      FileHandle.standardError.write(Data("GuestBuilder is called by the build plug-in\n".utf8))
      exit(64)
    }
    do {
      let toolchain = Toolchain(
        package: URL(filePath: arguments[2]), work: URL(filePath: arguments[3]), swiftc: arguments[5],
        clang: arguments[6],
        linker: arguments[7])
      try? FileManager.default.removeItem(at: toolchain.work)
      try FileManager.default.createDirectory(at: toolchain.work, withIntermediateDirectories: true)
      let image: Data
      switch arguments[1] {
      case "kernel": image = try buildKernel(toolchain)
      case "programs":
        image = try buildPrograms(
          toolchain,
          [
            Program(name: "books", folder: "Sources/GuestLibOS/Apps/Books"),
            Program(name: "fuzz", folder: "Sources/GuestLibOS/Apps/Fuzz"),
            Program(name: "hello", folder: "Sources/GuestLibOS/Apps/Hello"),
            Program(name: "primitives", folder: "Sources/GuestLibOS/Apps/Primitives"),
            Program(name: "status", folder: "Sources/GuestLibOS/Apps/Status"),
            Program(name: "web", folder: "Sources/GuestLibOS/Apps/Web"),
          ])
      default:
        let folder = URL(filePath: arguments[8])
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        let programs = files.filter { $0.pathExtension == "swift" }.sorted { $0.path < $1.path }
        let support = GuestModule("GuestSupport", folder.appending(path: "Support").path)
        image = try buildPrograms(toolchain, programs.map { Program(file: $0) }, support: support)
      }
      let text =
        Array("// Made by GuestBuilder.\nlet \(arguments[1])Image: StaticString = \"".utf8)
        + SevenBitText.literal([UInt8](image)) + Array("\"\n".utf8)
      try Data(text).write(to: URL(filePath: arguments[4]))
    } catch {
      FileHandle.standardError.write(Data("\(error)\n".utf8))
      exit(1)
    }
  }
}

/// The exokernel: ring 0, no allocation, no floating point.
private func buildKernel(_ tools: Toolchain) throws -> Data {
  let modules = [
    GuestModule("ExokernelABI", "Sources/Exokernel/ABI"),
    GuestModule("VirtioLayout", "Sources/Exokernel/VirtioLayout"),
    GuestModule("DownloadedCode", "Sources/Exokernel/DownloadedCode"),
    GuestModule("ExokernelCore", "Sources/Exokernel/Core"),
    GuestModule("RingZero", "Sources/Exokernel/RingZero"),
  ]
  var objects = try modules.map { try tools.compile($0, flags: Toolchain.ringZero) }
  let ringZero = "Sources/Exokernel/RingZero"
  objects += try tools.assemble(ringZero)
  return try tools.link(objects, script: "\(ringZero)/Start/kernel.ld", name: "kernel.elf", strip: false)
}

/// Programs, each linked with the library operating system and a module that they share, if any, as one boot archive.
private func buildPrograms(_ tools: Toolchain, _ programs: [Program], support: GuestModule? = nil) throws -> Data {
  let libraries = [
    GuestModule("ExokernelABI", "Sources/Exokernel/ABI"),
    GuestModule("DownloadedCode", "Sources/Exokernel/DownloadedCode"),
    GuestModule("LibOS", "Sources/GuestLibOS/LibOS"), GuestModule("InternetStack", "Sources/GuestLibOS/InternetStack"),
    GuestModule("FileSystems", "Sources/GuestLibOS/FileSystems"), GuestModule("HTTP", "Sources/GuestLibOS/HTTP"),
    GuestModule("Inspection", "Sources/GuestLibOS/Inspection"), GuestModule("Service", "Sources/GuestLibOS/Service"),
  ]
  var objects = try (libraries + [support].compactMap(\.self)).map { try tools.compile($0, flags: []) }
  let libOS = "Sources/GuestLibOS/LibOS"
  objects += try tools.assemble(libOS)
  var archive = BootArchive()
  for program in programs {
    let own = try tools.compile(program.module, flags: [], headers: program.headers)
    let image = try tools.link(
      objects + [own], script: "\(libOS)/Start/program.ld", name: "\(program.name).elf", strip: true)
    archive.append(program.name, [UInt8](image))
  }
  return Data(archive.finished())
}

/// A program: its name in the archive, and the files it is made of beside the library operating system.
private struct Program {
  let name: String
  let module: GuestModule
  var headers: [String] = []

  init(name: String, folder: String) {
    self.name = name
    module = GuestModule("Program_\(name)", folder)
  }

  /// A program of one file, whose name it gets.
  init(file: URL) {
    name = file.deletingPathExtension().lastPathComponent.lowercased()
    module = GuestModule("Program_\(name)", file.path)
    headers = [file.deletingLastPathComponent().appending(path: "CInstructions").path]
  }
}
