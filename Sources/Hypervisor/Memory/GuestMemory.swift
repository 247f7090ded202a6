import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a guest-physical range cannot be used.
public enum GuestMemoryError: Error, Equatable, CustomStringConvertible {
  /// The range is not inside the guest's memory.
  case outOfRange(GuestAddress, byteCount: Int)
  /// The host refused the memory.
  case cannotAllocate(byteCount: Int, Errno)

  /// What went wrong, with the value, for a person.
  public var description: String {
    switch self {
    case .outOfRange(let address, let byteCount):
      "guest range \(address)+\(byteCount) is outside guest memory"
    case .cannotAllocate(let byteCount, let errno):
      "cannot reserve \(byteCount) bytes of guest memory (\(errno)); choose a smaller --memory"
    }
  }
}

/// The guest's RAM: one anonymous mapping of the host, visible to the guest from physical address 0.
///
/// The guest may change any byte at any time, so every access copies once and is checked first. Concurrent access from the vCPU
/// and the I/O thread is safe for the mapping itself; whoever needs ordering uses `loadAcquiring` and `storeReleasing`.
@safe public final class GuestMemory: @unchecked Sendable {
  /// Size in bytes, a multiple of 4,096.
  public let byteCount: Int
  private let base: UnsafeMutableRawPointer

  /// Reserves `byteCount` bytes (rounded up to whole pages); the host provides pages when they are touched.
  public init(byteCount: Int) throws(GuestMemoryError) {
    let rounded = (byteCount + 4095) & ~4095
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard rounded > 0, let mapping = unsafe mmap(nil, rounded, PROT_READ | PROT_WRITE, flags, -1, 0),
      unsafe mapping != MAP_FAILED
    else { throw .cannotAllocate(byteCount: byteCount, Errno(rawValue: errno)) }
    self.byteCount = rounded
    unsafe self.base = mapping
  }

  deinit {
    // Safe: the owner of the VM drops the memory after its vCPUs and devices are gone.
    unsafe munmap(base, byteCount)
  }

  /// The whole mapping's host address, for KVM_SET_USER_MEMORY_REGION only.
  public var hostAddress: UInt64 { unsafe UInt64(UInt(bitPattern: base)) }

  /// The host bytes behind `byteCount` bytes of guest memory at `address`. They are shared with the guest: copy, then look.
  public func bytes(at address: GuestAddress, byteCount count: Int) throws(GuestMemoryError) -> UnsafeMutableRawBufferPointer {
    guard count >= 0, let offset = Int(exactly: address.rawValue), offset <= byteCount, count <= byteCount - offset
    else { throw .outOfRange(address, byteCount: count) }
    // Safe: offset + count <= byteCount was just checked.
    return unsafe UnsafeMutableRawBufferPointer(start: base + offset, count: count)
  }

  /// Copies one plain value out of guest memory; no alignment is required.
  public func load<Value: BitwiseCopyable>(_: Value.Type, at address: GuestAddress) throws(GuestMemoryError) -> Value {
    let source = try unsafe bytes(at: address, byteCount: MemoryLayout<Value>.size)
    // Safe: the range was checked, and an unaligned load of a plain value copies it.
    return unsafe source.loadUnaligned(as: Value.self)
  }

  /// Copies one plain value into guest memory; no alignment is required.
  public func store<Value: BitwiseCopyable>(_ value: Value, at address: GuestAddress) throws(GuestMemoryError) {
    let target = try unsafe bytes(at: address, byteCount: MemoryLayout<Value>.size)
    // Safe: the range was checked.
    unsafe target.storeBytes(of: value, as: Value.self)
  }
}
