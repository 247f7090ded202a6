import CLinux
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file without a name that lives in memory as long as this value (memfd_create(2)).
public struct MemoryFile: ~Copyable {
  private let descriptor: FileDescriptor

  /// A file of `byteCount` zeroes; `name` shows in /proc only. Throws what the system said.
  public init(name: String, byteCount: Int64 = 0) throws(Errno) {
    // Safe: the system copies the name during the call.
    let number = unsafe name.withCString { unsafe linux_memfd_create($0) }
    guard number >= 0 else { throw Errno(rawValue: errno) }
    let file = FileDescriptor(rawValue: number)
    do {
      try file.resize(to: byteCount)
    } catch {
      try? file.close()
      throw (error as? Errno) ?? .ioError
    }
    descriptor = file
  }

  deinit { try? descriptor.close() }

  /// A path by which this process opens it again.
  public var path: String { "/proc/self/fd/\(descriptor.rawValue)" }

  /// Everything in it. Throws what the system said.
  public func contents() throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count: Int
      do {
        // Safe: the array's own storage.
        count = try unsafe chunk.withUnsafeMutableBytes {
          try unsafe descriptor.read(fromAbsoluteOffset: Int64(bytes.count), into: $0)
        }
      } catch {
        throw (error as? Errno) ?? .ioError
      }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
    }
  }
}
