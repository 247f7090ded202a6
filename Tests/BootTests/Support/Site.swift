import Foundation

/// A folder of files and the archive made of it.
struct Site {
  /// A file, with the type it must be served with.
  struct File {
    let path: String
    let size: Int
    let type: String
  }

  static let files = [
    File(path: "index.html", size: 1234, type: "text/html"), File(path: "empty.txt", size: 0, type: "text/plain"),
    File(path: "one.css", size: 1, type: "text/css"), File(path: "folder/block.js", size: 512, type: "javascript"),
    File(path: "folder/page.png", size: 4096, type: "image/png"),
    File(path: "folder/over.json", size: 4097, type: "application/json"),
    File(path: "middle.bin", size: 100_000, type: "application/octet-stream"),
    File(path: "large.bin", size: 5 << 20, type: "application/octet-stream"),
  ]

  let folder: ScratchFolder
  let archive: String

  init(files: [File] = Site.files) throws {
    folder = try ScratchFolder()
    for file in files { try folder.store("site/\(file.path)", ScratchFolder.noise(file.size)) }
    archive = folder.path("site.tar")
    let tar = try Command.run(Command.find("tar") ?? "/bin/tar", ["-cf", archive, "-C", folder.path("site"), "."])
    guard tar.status == 0 else { throw WebFailure(description: "tar: \(tar.all)") }
  }

  func contents(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: folder.url.appending(path: "site/\(path)")))
  }
}
