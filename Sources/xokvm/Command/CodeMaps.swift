import CodeMap
import GuestImages
import Hypervisor

/// Maps of the code that a machine runs, for what is said of a crash: made, or decoded, when they are asked for. The
/// files are held open from the start on: whoever builds a program again meanwhile is still told of what runs.
struct CodeMaps: Sendable {
  /// The kernel's file; nil for the bundled one.
  let kernelFile: ImageSource?
  /// Programs that are files of the host, by the names that they have in the boot archive.
  var files: [(source: ImageSource, name: String)] = []

  init(kernelFile: ImageSource?) { self.kernelFile = kernelFile }

  /// The map of the program with that name, of which a record holds the first 16 bytes, or of the kernel where it is
  /// nil. Nil where nothing is known, or two files could be meant.
  func map(of program: String?) throws(CodeMap.ReadingError) -> CodeMap? {
    guard let program else {
      if let kernelFile { return try map(of: kernelFile) }
      return GuestImages.codeMap(of: "kernel").flatMap { CodeMap(encoded: $0) }
    }
    let candidates = files.filter { $0.name.utf8.prefix(16).elementsEqual(program.utf8) }
    if let file = candidates.first { return candidates.count == 1 ? try map(of: file.source) : nil }
    return GuestImages.codeMap(of: program).flatMap { CodeMap(encoded: $0) }
  }

  private func map(of source: ImageSource) throws(CodeMap.ReadingError) -> CodeMap {
    let limit = CodeMap.Limit.report
    guard source.byteCount <= limit.byteCount else {
      throw .tooLarge(byteCount: source.byteCount, limit: limit.byteCount)
    }
    // Looked at behind the reading, too: the map is of one state of the file.
    guard !source.hasChanged, let contents = try? source.bytes(from: 0, byteCount: source.byteCount),
      !source.hasChanged
    else { throw .changed }
    return try CodeMap(elf: contents, within: limit)
  }
}
