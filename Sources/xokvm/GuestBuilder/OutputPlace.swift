import Foundation

/// Where a program of somebody's own is written.
enum OutputPlace {
  /// Refuses a path at which no file can be, before the work.
  static func check(_ path: String) throws(GuestBuildError) {
    var status = stat()
    if stat(path, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { throw .unwritable(path, errno: EISDIR) }
      guard access(path, W_OK) == 0 else { throw .unwritable(path, errno: errno) }
    } else {
      let folder = URL(filePath: path).deletingLastPathComponent().path
      guard errno == ENOENT, access(folder, W_OK | X_OK) == 0 else { throw .unwritable(path, errno: errno) }
    }
  }

  /// Writes `bytes`, all of them.
  static func store(_ bytes: [UInt8], at path: String) throws(GuestBuildError) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw .unwritable(path, errno: errno) }
    defer { close(file) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { write(file, $0.baseAddress! + done, $0.count - done) }
      if count > 0 { done += count } else if errno != EINTR { throw .unwritable(path, errno: errno) }
    }
  }

  /// `text` as a shell takes it for one word.
  static func shellWord(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
      default: "_-./:,=+@%".utf8.contains(byte)
      }
    }
    return isPlain && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }
}
