import SystemPackage

/// Why a file cannot be a disk. Each description names the file and what to do.
public enum DiskImageError: Error, Equatable, CustomStringConvertible {
  /// There is no such file.
  case missing(FilePath)
  /// The file may not be read, or not written where it should be.
  case notPermitted(FilePath, writable: Bool)
  /// The path names a directory.
  case isDirectory(FilePath)
  /// The path names neither a regular file nor a block device.
  case notADisk(FilePath)
  /// The file has no bytes.
  case empty(FilePath)
  /// The size is no multiple of 512.
  case invalidSize(FilePath, byteCount: Int64)
  /// Another process, or another disk of this VM, uses the file in a way that this use would disturb.
  case inUse(FilePath, writable: Bool)
  /// The file's file system cannot lock files.
  case cannotLock(FilePath, Errno)
  /// The host failed otherwise.
  case failed(FilePath, Errno)

  /// What is wrong and what to do, for a person.
  public var description: String {
    switch self {
    case .missing(let path): "disk '\(path)' does not exist; check the path or create the image first"
    case .notPermitted(let path, writable: true):
      "disk '\(path)' may not be read and written; change its permissions, or use '\(path),readonly' where it may be read"
    case .notPermitted(let path, writable: false): "disk '\(path)' may not be read; change its permissions"
    case .isDirectory(let path): "disk '\(path)' is a directory; pack it into an image, for example with tar -cf"
    case .notADisk(let path): "disk '\(path)' is neither a regular file nor a block device; name an image file"
    case .empty(let path): "disk '\(path)' is empty; give it a size, for example with truncate -s 64M"
    case .invalidSize(let path, let byteCount):
      "disk '\(path)' has \(byteCount) bytes, not a multiple of 512; pad it, for example with truncate -s %512"
    case .inUse(let path, writable: true):
      "disk '\(path)' is in use by another virtual machine or disk; stop that one or copy the image"
    case .inUse(let path, writable: false):
      "disk '\(path)' is being written by another virtual machine or disk; stop that one or copy the image"
    case .cannotLock(let path, let errno): "disk '\(path)' cannot be locked (\(errno)); copy it to a local file system"
    case .failed(let path, let errno): "disk '\(path)' cannot be opened (\(errno)); check the file and its file system"
    }
  }
}
