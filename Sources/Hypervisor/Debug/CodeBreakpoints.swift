/// Breakpoints in the code of a kernel that lies in the last 2 GiB of the address space, at its physical address plus
/// the base of those.
///
/// Each is a store to a port of ours, over the first two bytes of an instruction. Other breakpoints would not do: the
/// debug registers of a virtual processor do not work everywhere (QEMU's SVM ignores them), and INT3 does not always
/// leave the guest.
struct CodeBreakpoints {
  /// The port; no device is there.
  static let port: UInt16 = 0xf8
  /// OUT %al, $0xf8.
  private static let instruction: UInt16 = 0xf8e6
  /// Bytes of that.
  static let byteCount: UInt64 = 2

  private let memory: GuestMemory
  /// What lies under each breakpoint.
  private var covered: [UInt64: UInt16] = [:]

  init(memory: GuestMemory) { self.memory = memory }

  /// Sets breakpoints at these addresses, and removes all others. Addresses outside of memory are left out. The guest
  /// must not run.
  mutating func set(at addresses: [UInt64]) {
    for (address, bytes) in covered where !addresses.contains(address) {
      try? memory.store(bytes, at: Self.place(of: address))
      covered[address] = nil
    }
    for address in addresses where covered[address] == nil {
      guard let bytes = try? memory.load(UInt16.self, at: Self.place(of: address)) else { continue }
      try? memory.store(Self.instruction, at: Self.place(of: address))
      covered[address] = bytes
    }
  }

  /// True where there is one.
  func contains(_ address: UInt64) -> Bool { covered[address] != nil }

  private static func place(of address: UInt64) -> GuestAddress { GuestAddress(address & 0x7fff_ffff) }
}
