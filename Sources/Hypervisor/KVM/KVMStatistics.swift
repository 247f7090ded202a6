import CKVM

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// KVM's binary statistics of one vCPU or VM (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD): named counters in a
/// file.
struct KVMStatistics: ~Copyable {
  private let descriptor: OwnedDescriptor
  /// Name and place of each counter that is a single 64-bit value.
  private let counters: [(name: [UInt8], offset: Int)]

  /// Reads the description of the counters. Nil where it is not in the documented format.
  init?(_ descriptor: consuming OwnedDescriptor) {
    let fd = descriptor.rawValue
    let headerByteCount = 24
    guard let header = Self.read(fd, at: 0, byteCount: headerByteCount) else { return nil }
    let nameByteCount = Int(Self.word(header, 4))
    let count = Int(Self.word(header, 8))
    let descriptions = Int(Self.word(header, 16))
    let data = Int(Self.word(header, 20))
    let stride = 16 + nameByteCount
    guard nameByteCount <= 4096, count <= 4096, let table = Self.read(fd, at: descriptions, byteCount: stride * count)
    else { return nil }
    var counters: [(name: [UInt8], offset: Int)] = []
    for index in 0..<count {
      let start = index * stride
      // Low half: the exponent; high half: how many values.
      let size = Self.word(table, start + 4) >> 16
      guard size == 1 else { continue }
      let name = table[(start + 16)..<(start + stride)].prefix { $0 != 0 }
      counters.append((Array(name), data + Int(Self.word(table, start + 8))))
    }
    self.descriptor = descriptor
    self.counters = counters
  }

  /// The present value of the counter called `name`, or nil where there is none.
  func value(of name: StaticString) -> UInt64? {
    // Safe: a static string's bytes live for ever.
    let wanted = unsafe [UInt8](UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    guard let counter = counters.first(where: { $0.name == wanted }),
      let bytes = Self.read(descriptor.rawValue, at: counter.offset, byteCount: 8)
    else { return nil }
    return UInt64(Self.word(bytes, 0)) | UInt64(Self.word(bytes, 4)) << 32
  }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    guard offset >= 0, offset + 4 <= bytes.count else { return 0 }
    return UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16
      | UInt32(bytes[offset + 3]) << 24
  }

  private static func read(_ fd: Int32, at offset: Int, byteCount: Int) -> [UInt8]? {
    // Safe: at most `byteCount` bytes, for which there is room, are stored.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      count = max(0, unsafe pread(fd, buffer.baseAddress, byteCount, off_t(offset)))
    }
    return bytes.count == byteCount ? bytes : nil
  }
}
