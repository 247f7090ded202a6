import CodeMap
import GuestImages
import Hypervisor

/// Maps of the code that a machine runs, for what is said of a crash: made, or decoded, when they are asked for.
struct CodeMaps: Sendable {
  /// The kernel's file; nil for the bundled one.
  let kernelFile: String?
  /// Programs that are files of the host, by the names that they have in the boot archive.
  var files: [(path: String, name: String)] = []

  init(kernelFile: String?) { self.kernelFile = kernelFile }

  /// The map of the program with that name, of which a record holds the first 16 bytes, or of the kernel where it is
  /// nil. Nil where nothing is known, or the file is not there any more.
  subscript(program: String?) -> CodeMap? {
    guard let program else {
      return kernelFile.map(map(of:)) ?? GuestImages.codeMap(of: "kernel").flatMap { CodeMap(encoded: $0) }
    }
    if let file = files.first(where: { $0.name.utf8.prefix(16).elementsEqual(program.utf8) }) {
      return map(of: file.path)
    }
    return GuestImages.codeMap(of: program).flatMap { CodeMap(encoded: $0) }
  }

  private func map(of path: String) -> CodeMap? {
    guard let source = try? ImageSource(opening: path),
      let contents = try? source.bytes(from: 0, byteCount: source.byteCount)
    else { return nil }
    return CodeMap(elf: contents)
  }
}
