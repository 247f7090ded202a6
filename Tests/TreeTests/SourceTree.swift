import Foundation

/// The files of this package, as tests that read sources find them.
enum SourceTree {
  /// The package's folder.
  static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

  /// Paths of the files under `folder`, relative to the package's folder, in order.
  static func files(under folder: String, extensions: Set<String>? = nil) -> [String] {
    let place = root.appending(path: folder)
    let files = FileManager.default.enumerator(at: place, includingPropertiesForKeys: [.isRegularFileKey])
    let paths = files?.compactMap { entry -> String? in
      guard let url = entry as? URL, (try? url.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true,
        extensions?.contains(url.pathExtension) ?? true
      else { return nil }
      return String(url.standardized.path.dropFirst(root.path.count)).trimmingPrefix("/").description
    }
    return (paths ?? []).sorted()
  }

  /// The text of the file at `path`, relative to the package's folder.
  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }
}
