import Hypervisor
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An output that comes to be whole or not at all: it is written beside its place, and takes its name when it is
/// complete. What is no regular file, such as a FIFO or a device, is written in place.
struct WholeFile {
  /// As it was named.
  let path: String
  /// Where the file is, links followed.
  private let target: String
  /// What is written until then; nil for what is written in place.
  private let temporary: String?
  /// The file that is there already.
  private let old: FileIdentity?
  /// Permissions of the new file, as far as the process's mask leaves them.
  private let permissions: mode_t

  /// Looks at what is at `path`, which stays as it is until `finish`.
  init(_ path: String) throws(CommandFailure) {
    self.path = path
    var status = stat()
    // Safe: the strings and the structure live for the duration of the calls; so in all of this file.
    let isThere = unsafe stat(path, &status) == 0
    old = FileIdentity(path: path)
    if isThere {
      guard status.st_mode & S_IFMT != S_IFDIR else { throw cannotCreate(path, .isDirectory) }
      guard unsafe access(path, W_OK) == 0 else { throw cannotCreate(path, Errno(rawValue: errno)) }
      target = Self.followed(path) ?? path
      permissions = status.st_mode & 0o777
    } else {
      guard errno == ENOENT else { throw cannotCreate(path, Errno(rawValue: errno)) }
      target = path
      permissions = 0o666
    }
    temporary = !isThere || old != nil ? "\(target).\(getpid()).new" : nil
  }

  /// Whether both become one file.
  func isSame(as other: WholeFile) -> Bool {
    if let old { return old == other.old }
    return other.old == nil && temporary != nil && place == other.place
  }

  /// The folder's own name, and the file's in it.
  private var place: String {
    guard let slash = target.lastIndex(of: "/") else { return (Self.followed(".") ?? "") + "/" + target }
    let name = target[target.index(after: slash)...]
    return (Self.followed(String(target[...slash])) ?? "") + "/" + name
  }

  /// Writes `bytes`, all of them.
  func store(_ bytes: [UInt8]) throws(CommandFailure) {
    let flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (temporary == nil ? 0 : O_CREAT | O_EXCL)
    let fd = unsafe open(temporary ?? target, flags, permissions)
    guard fd >= 0 else { throw cannotCreate(path, Errno(rawValue: errno)) }
    // The mask is for files that are new.
    if old != nil { fchmod(fd, permissions) }
    do {
      try FileDescriptor(rawValue: fd).closeAfter { _ = try FileDescriptor(rawValue: fd).writeAll(bytes) }
    } catch {
      throw OutputFile.cannotWrite(path, error)
    }
  }

  /// Gives what was stored its name.
  func finish() throws(CommandFailure) {
    guard let temporary, unsafe rename(temporary, target) != 0 else { return }
    let reason = Errno(rawValue: errno)
    discard()
    throw cannotCreate(path, reason)
  }

  /// Removes what was stored so far.
  func discard() {
    if let temporary { _ = unsafe unlink(temporary) }
  }

  private static func followed(_ path: String) -> String? {
    // Safe: realpath allocates what it returns.
    guard let name = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(name) }
    return unsafe String(cString: name)
  }
}
