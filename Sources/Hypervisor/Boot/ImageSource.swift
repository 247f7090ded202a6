import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Bytes that go into guest memory before the guest starts: an open file, or an array inside this program.
///
/// A file is read with `pread` straight to its place in the guest, so that a large kernel costs the VMM no memory.
public final class ImageSource: Sendable {
  private enum Storage: Sendable {
    case bytes([UInt8])
    case file(Int32)
  }

  /// What to call it in messages: a path, or what the bytes are.
  public let name: String
  /// Size in bytes; of a file, when it was opened.
  public let byteCount: Int
  private let storage: Storage
  /// When a file was last changed, in seconds and nanoseconds, as it was when it was opened.
  private let changeTime: [Int]

  /// An image of `bytes`.
  public init(_ bytes: [UInt8], name: String) {
    self.name = name
    byteCount = bytes.count
    storage = .bytes(bytes)
    changeTime = []
  }

  /// The regular file at `path`, opened for reading.
  public init(opening path: String) throws(BootError) {
    // Not blocking, so that a FIFO without a writer is refused as well. Safe: the string and the structure live for the
    // duration of the calls.
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { throw .cannotOpen(path: path, Errno(rawValue: errno)) }
    var status = stat()
    guard unsafe fstat(fd, &status) == 0 else {
      let reason = Errno(rawValue: errno)
      close(fd)
      throw .cannotRead(path: path, reason)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(fd)
      throw .notRegularFile(path: path)
    }
    name = path
    byteCount = Int(status.st_size)
    storage = .file(fd)
    changeTime = Self.changeTime(status)
  }

  private static func changeTime(_ status: stat) -> [Int] {
    [Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec)]
  }

  /// Whether a file's contents may be others than when it was opened: its size is, or the time of its last change. One
  /// that was renamed, removed or replaced by another of its name is as it was.
  public var hasChanged: Bool {
    guard case .file(let fd) = storage else { return false }
    var status = stat()
    // Safe: the structure lives for the duration of the call.
    guard unsafe fstat(fd, &status) == 0 else { return true }
    return Int(status.st_size) != byteCount || Self.changeTime(status) != changeTime
  }

  deinit {
    if case .file(let fd) = storage { close(fd) }
  }

  /// Copies `count` bytes from `offset` on to guest memory at `address`.
  public func copy(
    from offset: Int, byteCount count: Int, to memory: GuestMemory, at address: GuestAddress
  ) throws(BootError) {
    let target: UnsafeMutableRawBufferPointer
    do {
      unsafe target = try memory.bytes(at: address, byteCount: count)
    } catch {
      throw .outsideMemory(image: name, address: address, byteCount: count, memory: memory.byteCount)
    }
    // Safe: the range was checked, and nobody runs in the guest yet.
    try unsafe read(from: offset, into: target)
  }

  /// A copy of `count` bytes from `offset` on.
  public func bytes(from offset: Int, byteCount count: Int) throws(BootError) -> [UInt8] {
    // Checked before there is an array of that size.
    guard count >= 0, count <= byteCount else { throw .truncated(image: name) }
    var result = [UInt8](repeating: 0, count: count)
    var failure: BootError?
    // Safe: the array's own storage.
    unsafe result.withUnsafeMutableBytes { target in
      do throws(BootError) { try unsafe read(from: offset, into: target) } catch { failure = error }
    }
    if let failure { throw failure }
    return result
  }

  private func read(from offset: Int, into target: UnsafeMutableRawBufferPointer) throws(BootError) {
    let count = target.count
    guard offset >= 0, offset <= byteCount, count <= byteCount - offset else { throw .truncated(image: name) }
    switch storage {
    case .bytes(let bytes):
      // Safe: both ranges were checked.
      unsafe bytes.withUnsafeBytes { source in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + count)]))
      }
    case .file(let fd):
      var done = 0
      while done < count, let base = target.baseAddress {
        // Safe: `done` is less than `count`.
        let result = unsafe pread(fd, base + done, count - done, off_t(offset + done))
        if result > 0 { done += result }
        if result == 0 { throw .truncated(image: name) }
        if result < 0, errno != EINTR { throw .cannotRead(path: name, Errno(rawValue: errno)) }
      }
    }
  }
}
