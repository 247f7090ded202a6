import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that a command writes to: opened early, so that one that cannot be written is told before anything runs, and
/// left as it is until `begin`. Input that is refused meanwhile changes nothing.
public struct OutputFile: Sendable {
  /// As it was named.
  public let path: String
  /// Open for writing; whoever has the value closes it.
  public let file: FileDescriptor
  /// Which file it is, where another name may stand for the same one.
  public let identity: FileIdentity?
  /// Opening it has made it.
  private let isNew: Bool

  /// Opens the file at `path`, and makes it where there is none. A FIFO is waited for until it has a reader, unless
  /// `isWaiting` is false: then one without is refused. No terminal becomes the process's own.
  public init(opening path: String, isWaiting: Bool = true) throws(Errno) {
    var status = stat()
    // Safe: the strings and the structure live for the duration of the calls; so in all of this file.
    let isMissing = unsafe stat(path, &status) != 0 && errno == ENOENT
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (isWaiting ? 0 : O_NONBLOCK)
    let fd = unsafe open(path, flags, 0o666)
    guard fd >= 0 else { throw Errno(rawValue: errno) }
    self.path = path
    file = FileDescriptor(rawValue: fd)
    identity = FileIdentity(descriptor: fd)
    isNew = isMissing
  }

  /// Empties a regular file; others hold nothing. From here on the file is the command's.
  public func begin() throws(Errno) {
    var status = stat()
    guard unsafe fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else {
      return
    }
    guard ftruncate(file.rawValue, 0) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Removes a file that was not begun, where opening it has made it.
  public func discard() {
    guard isNew, identity != nil else { return }
    // A link that led nowhere stays; what it names now goes.
    guard let name = unsafe realpath(path, nil) else { return }
    // Safe: realpath allocates what it returns.
    defer { unsafe free(name) }
    if unsafe FileIdentity(path: String(cString: name)) == identity { _ = unsafe unlink(name) }
  }
}

/// What two names of one file have in common, whatever links lead there. Only regular files and block devices have it:
/// what else is named twice is not written over.
public struct FileIdentity: Hashable, Sendable {
  private let device: UInt64
  /// Nil for a block device, which may have several nodes.
  private let inode: UInt64?

  /// The file at `path`, links followed; nil where there is none, or one of another kind.
  public init?(path: String) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// An open file.
  init?(descriptor: Int32) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return nil }
    self.init(status)
  }

  private init?(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
    case S_IFBLK: (device, inode) = (UInt64(status.st_rdev), nil)
    default: return nil
    }
  }
}
