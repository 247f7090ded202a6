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

/// The guest's RAM: one anonymous mapping of the host, visible to the guest from physical address 0. What does not fit
/// below 3 GiB continues at 4 GiB, so that devices and interrupt controllers have their customary places between.
///
/// The guest may change any byte at any time, so every access copies once and is checked first. Concurrent access from
/// the vCPU and the I/O thread is safe for the mapping itself; whoever needs ordering uses `loadAcquiring` and
/// `storeReleasing`.
@safe public final class GuestMemory: @unchecked Sendable {
  /// One range of guest-physical addresses and the host memory behind it.
  public struct Region: Sendable {
    /// The first guest-physical address.
    public let address: GuestAddress
    /// Size in bytes, a multiple of 4,096.
    public let byteCount: Int
    /// Where the mapping is in the host, for KVM_SET_USER_MEMORY_REGION only.
    let hostAddress: UInt64
  }

  /// The end of low memory: above lie devices, up to 4 GiB.
  public static let lowEnd = GuestAddress(3 << 30)
  /// Where memory beyond the first 3 GiB continues.
  public static let highStart = GuestAddress(4 << 30)

  /// Size of all memory in bytes, a multiple of 4,096.
  public let byteCount: Int
  private let lowByteCount: Int
  private let base: UnsafeMutableRawPointer

  /// Reserves `byteCount` bytes (rounded up to whole pages); the host provides pages when they are touched.
  public init(byteCount: Int) throws(GuestMemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else {
      throw .cannotAllocate(byteCount: byteCount, .invalidArgument)
    }
    let rounded = (byteCount + 4095) & ~4095
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let mapping = unsafe mmap(nil, rounded, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe mapping != MAP_FAILED
    else { throw .cannotAllocate(byteCount: byteCount, Errno(rawValue: errno)) }
    self.byteCount = rounded
    lowByteCount = min(rounded, Int(GuestMemory.lowEnd.rawValue))
    unsafe self.base = mapping
  }

  deinit {
    // Safe: the owner of the VM drops the memory after its vCPUs and devices are gone.
    unsafe munmap(base, byteCount)
  }

  /// The ranges of guest-physical addresses that are memory, ascending: one, or two where there are more than 3 GiB.
  public var regions: [Region] {
    let host = unsafe UInt64(UInt(bitPattern: base))
    let low = Region(address: GuestAddress(0), byteCount: lowByteCount, hostAddress: host)
    guard byteCount > lowByteCount else { return [low] }
    let high = Region(
      address: GuestMemory.highStart, byteCount: byteCount - lowByteCount, hostAddress: host + UInt64(lowByteCount))
    return [low, high]
  }

  /// How many bytes of the memory the host has provided so far, because someone touched them.
  public var residentByteCount: Int {
    let pages = byteCount / 4096
    // Safe: mincore stores one byte for each page of a mapping of that size.
    let map = unsafe [UInt8](unsafeUninitializedCapacity: pages) { buffer, count in
      guard let start = buffer.baseAddress else { return }
      count = unsafe mincore(base, byteCount, start) == 0 ? pages : 0
    }
    return map.reduce(0) { $0 + Int($1 & 1) } * 4096
  }

  /// The host bytes behind `byteCount` bytes of guest memory at `address`. They are shared with the guest: copy, then
  /// look. A range across the gap below 4 GiB is not memory.
  public func bytes(at address: GuestAddress, byteCount count: Int) throws(GuestMemoryError)
    -> UnsafeMutableRawBufferPointer
  {
    guard count >= 0, let place = Int(exactly: address.rawValue) else { throw .outOfRange(address, byteCount: count) }
    let isHigh = address >= GuestMemory.highStart
    let offset = isHigh ? place - Int(GuestMemory.highStart.rawValue) : place
    let limit = isHigh ? byteCount - lowByteCount : lowByteCount
    guard offset <= limit, count <= limit - offset else { throw .outOfRange(address, byteCount: count) }
    // Safe: the range lies inside one region, as was just checked.
    return unsafe UnsafeMutableRawBufferPointer(start: base + (isHigh ? lowByteCount : 0) + offset, count: count)
  }

  /// Whether `byteCount` bytes at `address` are memory.
  public func contains(_ address: GuestAddress, byteCount: Int) -> Bool {
    do {
      _ = try unsafe bytes(at: address, byteCount: byteCount)
      return true
    } catch {
      return false
    }
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
