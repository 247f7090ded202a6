import CLinux
import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A host file (or block device) that serves as a disk: raw sectors, nothing else.
///
/// An open image is locked with an open-file-description lock, which vanishes with the process: shared for reading,
/// exclusive for writing, so that no two machines write one image. Opening changes nothing in the file. All transfers
/// are bounded by the size at opening; the caller checks ranges.
@safe public final class DiskImage: Sendable {
  /// Size in sectors of 512 bytes, at least 1.
  public let sectorCount: UInt64
  /// Whether writes are refused.
  public let isReadOnly: Bool
  /// Where it was opened.
  public let path: FilePath
  /// Open for the object's life.
  let descriptor: FileDescriptor

  /// Opens and locks the file at `path`.
  public init(path: FilePath, isReadOnly: Bool) throws(DiskImageError) {
    var opened: FileDescriptor
    do {
      // Without O_NONBLOCK, opening a FIFO by mistake would wait for ever.
      opened = try FileDescriptor.open(
        path, isReadOnly ? .readOnly : .readWrite, options: [.closeOnExec, .nonBlocking])
    } catch Errno.noSuchFileOrDirectory {
      throw .missing(path)
    } catch Errno.isDirectory {
      throw .isDirectory(path)
    } catch Errno.permissionDenied, Errno.notPermitted, Errno.readOnlyFileSystem {
      throw .notPermitted(path, writable: !isReadOnly)
    } catch {
      throw .failed(path, error as? Errno ?? .ioError)
    }
    do throws(DiskImageError) {
      let byteCount = try Self.byteCount(of: opened, path: path)
      guard byteCount > 0 else { throw .empty(path) }
      guard byteCount % 512 == 0 else { throw .invalidSize(path, byteCount: byteCount) }
      try Self.lock(opened, path: path, isReadOnly: isReadOnly)
      sectorCount = UInt64(byteCount) / VirtioBlock.sectorByteCount
    } catch {
      try? opened.close()
      throw error
    }
    self.path = path
    self.isReadOnly = isReadOnly
    descriptor = opened
  }

  deinit {
    try? descriptor.close()
  }

  private static func byteCount(of file: FileDescriptor, path: FilePath) throws(DiskImageError) -> Int64 {
    var status = stat()
    // Safe: the structure lives for the duration of the call.
    guard unsafe fstat(file.rawValue, &status) == 0 else { throw .failed(path, Errno(rawValue: errno)) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return Int64(status.st_size)
    case S_IFDIR: throw .isDirectory(path)
    case S_IFBLK:
      do { return try file.seek(offset: 0, from: .end) } catch { throw .failed(path, error as? Errno ?? .ioError) }
    default: throw .notADisk(path)
    }
  }

  /// Whether the file has become shorter than the disk.
  var hasShrunk: Bool {
    guard let byteCount = try? Self.byteCount(of: descriptor, path: path) else { return false }
    return UInt64(max(byteCount, 0)) < sectorCount * VirtioBlock.sectorByteCount
  }

  private static func lock(_ file: FileDescriptor, path: FilePath, isReadOnly: Bool) throws(DiskImageError) {
    guard linux_ofd_lock(file.rawValue, Int16(isReadOnly ? F_RDLCK : F_WRLCK)) != 0 else { return }
    let reason = Errno(rawValue: errno)
    if reason == .resourceTemporarilyUnavailable || reason == .permissionDenied {
      throw .inUse(path, writable: !isReadOnly)
    }
    throw .cannotLock(path, reason)
  }

  // MARK: Transfers

  /// Moves all bytes of `list` from or to the byte at `offset`, using the list up. Blocks while the host's disk works.
  func transfer(_ list: ScatterList, at offset: Int64, isWrite: Bool) throws(Errno) {
    var position = offset
    while !list.isEmpty {
      // Safe: the pieces are checked guest memory (or the VMM's own), and the count is at most 1,022.
      let pieces = unsafe UnsafeBufferPointer(list.vectors)
      let done =
        unsafe isWrite
        ? linux_pwritev(descriptor.rawValue, pieces.baseAddress, Int32(pieces.count), position)
        : linux_preadv(descriptor.rawValue, pieces.baseAddress, Int32(pieces.count), position)
      if done < 0 {
        let reason = Errno(rawValue: errno)
        if reason == .interrupted { continue }
        throw reason
      }
      // The end of the file inside the disk: somebody cut the file.
      guard done > 0 else { throw .ioError }
      list.removeFirst(done)
      position += Int64(done)
    }
  }

  /// Makes finished writes durable.
  func flush() throws(Errno) {
    while fdatasync(descriptor.rawValue) != 0 {
      let reason = Errno(rawValue: errno)
      guard reason == .interrupted else { throw reason }
    }
  }

  /// Frees a range, which then reads as zeroes. False where the host cannot.
  func punch(at offset: Int64, byteCount: Int64) throws(Errno) -> Bool {
    try allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at: offset, byteCount: byteCount)
  }

  /// Makes a range read as zeroes and keeps its space; writes zeroes where the host cannot do it at once.
  func zero(at offset: Int64, byteCount: Int64) throws(Errno) {
    if try !allocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, at: offset, byteCount: byteCount) {
      try writeZeroes(at: offset, byteCount: byteCount)
    }
  }

  /// Writes zeroes.
  func writeZeroes(at offset: Int64, byteCount: Int64) throws(Errno) {
    let zeroes = [UInt8](repeating: 0, count: Int(min(byteCount, 1 << 16)))
    var done: Int64 = 0
    while done < byteCount {
      let count = Int(min(Int64(zeroes.count), byteCount - done))
      // Safe: the array lives for the duration of the call.
      let written = unsafe zeroes.withUnsafeBytes { bytes in
        unsafe pwrite(descriptor.rawValue, bytes.baseAddress, count, off_t(offset + done))
      }
      if written < 0 {
        let reason = Errno(rawValue: errno)
        if reason == .interrupted { continue }
        throw reason
      }
      done += Int64(written)
    }
  }

  private func allocate(_ mode: Int32, at offset: Int64, byteCount: Int64) throws(Errno) -> Bool {
    while linux_fallocate(descriptor.rawValue, mode, offset, byteCount) != 0 {
      let reason = Errno(rawValue: errno)
      if reason == .interrupted { continue }
      if reason == .notSupported || reason == .noFunction { return false }
      throw reason
    }
    return true
  }
}
