// The plug-in compiles this file together with the sources of BootArchive and CodeMap: there is no module to import.
#if canImport(CodeMap)
  import CodeMap
#endif
import Foundation

/// Builds guest images. The build plug-in calls it for what the command and its tests carry:
///
///     GuestBuilder images kernel|programs|guests PACKAGE WORK OUTPUT SWIFTC CLANG LINKER OBJCOPY [GUESTS]
///
/// and whoever writes a program of their own calls it by hand, in the package's folder:
///
///     swift run GuestBuilder program FILE.swift|FOLDER [-o FILE.elf]
///     swift run GuestBuilder flags
@main struct GuestBuilder {
  static func main() {
    do {
      let arguments = CommandLine.arguments.dropFirst()
      switch arguments.first {
      case "images" where arguments.count >= 9: try CarriedImages(Array(arguments.dropFirst())).build()
      case "program" where arguments.contains("--help"): print(Self.usage)
      case "program" where arguments.count >= 2: try OwnProgram(Array(arguments.dropFirst())).build()
      case "map" where arguments.count == 3: try makeMap(of: arguments[2], into: arguments[3])
      case "flags": try OwnProgram([]).printFlags()
      case "-h", "--help", "help": print(Self.usage)
      default: fail(Self.usage, status: 64)
      }
    } catch {
      let known = error as? GuestBuildError
      fail("GuestBuilder: \(known?.description ?? error.localizedDescription)", status: known?.exitStatus ?? 74)
    }
  }

  private static let usage = """
    usage: swift run GuestBuilder program FILE.swift|FOLDER [-o FILE.elf]   builds a program for `xokvm boot --app`
           swift run GuestBuilder flags                                     tells flags, folders and objects for a build of your own
    """

  /// A step of the builder's own: what an ELF file's DWARF information tells of its code, in few bytes.
  private static func makeMap(of file: String, into output: String) throws {
    let map = try CodeMap(elf: [UInt8](try read(file)))
    try Data(map.encoded).write(to: URL(filePath: output))
  }

  /// Ends with one text on standard error.
  static func fail(_ message: String, status: Int32) -> Never {
    FileHandle.standardError.write(Data("\(message)\n".utf8))
    exit(status)
  }
}
