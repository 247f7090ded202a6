import CallList
import Foundation

/// `swift run GenerateCalls [PACKAGE]`: writes what is made of the kernel's call list into the tree. Says which files
/// it changed.
@main struct GenerateCalls {
  static func main() {
    let package = URL(filePath: CommandLine.arguments.dropFirst().first ?? ".")
    do {
      let readme = try String(
        contentsOf: package.appending(path: "Sources/Exokernel/README.md"), encoding: .utf8)
      let files = try Rendering.renderAll(CallList.all, readme: readme)
      for (path, text) in files.sorted(by: { $0.key < $1.key }) {
        let file = package.appending(path: path)
        // A file that stays as it is keeps its time, so that nothing is built anew for it.
        if let old = try? String(contentsOf: file, encoding: .utf8), old == text { continue }
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        print("wrote \(path)")
      }
    } catch {
      FileHandle.standardError.write(Data("GenerateCalls: \(error); run it in the package's folder\n".utf8))
      exit(1)
    }
  }
}
