import CKVM
import SystemPackage

/// The table of CPUID leaves a vCPU answers from.
public struct CPUID: Sendable {
  /// One leaf: the answers for EAX = `function` and, where `isIndexed`, ECX = `index`.
  public struct Leaf: Equatable, Sendable {
    /// The leaf number in EAX.
    public var function: UInt32
    /// The sub-leaf number in ECX.
    public var index: UInt32 = 0
    /// Whether the answer depends on ECX.
    public var isIndexed = false
    /// The answer in EAX.
    public var eax: UInt32 = 0
    /// The answer in EBX.
    public var ebx: UInt32 = 0
    /// The answer in ECX.
    public var ecx: UInt32 = 0
    /// The answer in EDX.
    public var edx: UInt32 = 0
  }

  /// The leaves, in the order KVM gave them.
  public var leaves: [Leaf]

  /// A table of `leaves`.
  public init(leaves: [Leaf]) {
    self.leaves = leaves
  }

  /// Room for every leaf KVM reports today, which is well under a hundred.
  private static let capacity = 256

  /// A kvm_cpuid2: a count, padding, then the entries.
  @unsafe private static func withTable<Result>(
    _ body: (UnsafeMutableRawPointer) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let table = UnsafeMutableRawPointer.allocate(
      byteCount: 8 + capacity * MemoryLayout<kvm_cpuid_entry2>.stride, alignment: 8)
    defer { unsafe table.deallocate() }
    unsafe table.storeBytes(of: 0, as: UInt64.self)
    return try unsafe body(table)
  }

  /// The table that `request` fills in.
  @unsafe static func load(_ request: (UnsafeMutableRawPointer) throws(Errno) -> Void) throws(Errno) -> CPUID {
    // Safe: the table has room for `capacity` entries, and no entry past that is read.
    try unsafe withTable { (table) throws(Errno) in
      unsafe table.storeBytes(of: UInt32(capacity), as: UInt32.self)
      try unsafe request(table)
      let count = min(Int(unsafe table.load(as: UInt32.self)), capacity)
      return CPUID(
        leaves: (0..<count).map { position in
          let offset = 8 + position * MemoryLayout<kvm_cpuid_entry2>.stride
          let entry = unsafe table.load(fromByteOffset: offset, as: kvm_cpuid_entry2.self)
          return Leaf(
            function: entry.function, index: entry.index, isIndexed: entry.flags & 1 != 0,
            eax: entry.eax, ebx: entry.ebx, ecx: entry.ecx, edx: entry.edx)
        })
    }
  }

  /// Hands the table to `request`; leaves past its capacity are left out.
  @unsafe func store(_ request: (UnsafeMutableRawPointer) throws(Errno) -> Void) throws(Errno) {
    // Safe: at most `capacity` entries, for which there is room, are stored.
    try unsafe Self.withTable { (table) throws(Errno) in
      unsafe table.storeBytes(of: UInt32(min(leaves.count, Self.capacity)), as: UInt32.self)
      for (position, leaf) in leaves.prefix(Self.capacity).enumerated() {
        let entry = kvm_cpuid_entry2(
          function: leaf.function, index: leaf.index, flags: leaf.isIndexed ? 1 : 0,
          eax: leaf.eax, ebx: leaf.ebx, ecx: leaf.ecx, edx: leaf.edx, padding: (0, 0, 0))
        let offset = 8 + position * MemoryLayout<kvm_cpuid_entry2>.stride
        unsafe table.storeBytes(of: entry, toByteOffset: offset, as: kvm_cpuid_entry2.self)
      }
      try unsafe request(table)
    }
  }

  /// The leaf for EAX = `function`, ECX = `index`.
  public subscript(function: UInt32, index: UInt32 = 0) -> Leaf? {
    leaves.first { $0.function == function && (!$0.isIndexed || $0.index == index) }
  }

  /// Changes every leaf of `function`.
  private mutating func update(_ function: UInt32, _ change: (inout Leaf) -> Void) {
    for position in leaves.indices where leaves[position].function == function { change(&leaves[position]) }
  }

  /// The table of one vCPU: what KVM supports, with this vCPU's APIC number and a package of `count` single-thread
  /// cores.
  ///
  /// `hasDeadlineTimer`: KVM never reports the TSC-deadline timer in its table, but offers it with its own interrupt
  /// controller. `timestampKilohertz` is told in leaf 0x40000010, where hypervisors tell it (VMware defined it; QEMU
  /// and Linux know it).
  func forProcessor(_ number: UInt32, of count: UInt32, hasDeadlineTimer: Bool, timestampKilohertz: UInt32) -> CPUID {
    var result = self
    // Bits of an APIC number that number the core.
    let shift = count > 1 ? UInt32(32 - (count - 1).leadingZeroBitCount) : 0
    result.update(1) { leaf in
      leaf.ebx = (leaf.ebx & 0xffff) | (min(count, 255) << 16) | ((number & 0xff) << 24)
      // Under a hypervisor; and the deadline timer.
      leaf.ecx |= 1 << 31
      if hasDeadlineTimer { leaf.ecx |= 1 << 24 }
      // HTT: the package has several logical processors.
      leaf.edx = count > 1 ? leaf.edx | 1 << 28 : leaf.edx & ~(1 << 28)
    }
    // Intel's cache leaf: caches private to a core, cores of the package.
    result.update(4) { leaf in
      guard leaf.eax & 0x1f != 0 else { return }
      let level = leaf.eax >> 5 & 7
      let sharing: UInt32 = level >= 3 ? (1 << shift) - 1 : 0
      let cores: UInt32 = min((1 << shift) - 1, 63)
      leaf.eax = (leaf.eax & 0x3fff) | (sharing << 14) | (cores << 26)
    }
    result.replaceTopology(number, shift: shift, count: count)
    // AMD: number of cores and APIC bits; node and core numbers.
    result.update(0x8000_0008) { $0.ecx = shift << 12 | min(count - 1, 255) }
    result.update(0x8000_001e) { leaf in
      leaf.eax = number
      leaf.ebx = number & 0xff
      leaf.ecx = 0
    }
    result.addFrequencies(timestampKilohertz)
    return result
  }

  /// Leaves 0xb and 0x1f, extended topology: one thread per core, `count` cores.
  private mutating func replaceTopology(_ number: UInt32, shift: UInt32, count: UInt32) {
    let present = [UInt32(0xb), 0x1f].filter { function in leaves.contains { $0.function == function } }
    leaves.removeAll { $0.function == 0xb || $0.function == 0x1f }
    for function in present {
      leaves += [
        Leaf(function: function, index: 0, isIndexed: true, eax: 0, ebx: 1, ecx: 1 << 8, edx: number),
        Leaf(function: function, index: 1, isIndexed: true, eax: shift, ebx: count, ecx: 2 << 8 | 1, edx: number),
        Leaf(function: function, index: 2, isIndexed: true, eax: 0, ebx: 0, ecx: 2, edx: number),
      ]
    }
  }

  /// Leaf 0x40000010: kilohertz of the timestamp counter and of KVM's local APIC timer, which runs at 1 GHz.
  private mutating func addFrequencies(_ timestampKilohertz: UInt32) {
    guard timestampKilohertz > 0, self[0x4000_0000] != nil, self[0x4000_0010] == nil else { return }
    update(0x4000_0000) { $0.eax = max($0.eax, 0x4000_0010) }
    leaves.append(Leaf(function: 0x4000_0010, eax: timestampKilohertz, ebx: 1_000_000))
  }
}
