import SystemPackage

/// Where the bytes of a disk are. The block device asks for ranges inside it only; all but the properties may block,
/// and are called on the device's `DiskWorker`.
protocol DiskStorage: AnyObject, Sendable {
  /// Size in sectors of 512 bytes, at least 1.
  var sectorCount: UInt64 { get }
  /// Whether writes are refused.
  var isReadOnly: Bool { get }
  /// What messages call it.
  var path: FilePath { get }
  /// Whether it has become shorter than the disk.
  var hasShrunk: Bool { get }
  /// What an io_uring reads, writes and synchronizes; nil where there is no such file.
  var file: FileDescriptor? { get }
  /// Moves all bytes of `list` from or to the byte at `offset`, using the list up.
  func transfer(_ list: ScatterList, at offset: Int64, isWrite: Bool) throws(Errno)
  /// Makes finished writes durable.
  func flush() throws(Errno)
  /// Frees a range, which then reads as zeroes. False where the host cannot.
  func punch(at offset: Int64, byteCount: Int64) throws(Errno) -> Bool
  /// Makes a range read as zeroes.
  func zero(at offset: Int64, byteCount: Int64) throws(Errno)
}

extension DiskImage: DiskStorage {
  /// The image's own descriptor.
  var file: FileDescriptor? { descriptor }
}
