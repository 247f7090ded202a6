/// Reads guest memory by virtual addresses, as the guest's page tables map them at this moment (Intel SDM volume 3,
/// section 4.5, four levels). The tables are the guest's own: whatever they hold, a read ends with bytes or with
/// nothing.
struct PageTableWalk {
  private let memory: GuestMemory
  /// The root table; nil where the processor does not use any.
  private let root: GuestAddress?

  /// By the tables of the registers given.
  init(memory: GuestMemory, cr0: UInt64, cr3: UInt64) {
    self.memory = memory
    root = cr0 & 1 << 31 == 0 ? nil : GuestAddress(cr3 & Self.addressBits)
  }

  private static let addressBits: UInt64 = 0x000f_ffff_ffff_f000

  /// Where `address` lies in guest-physical memory; nil where it is not mapped.
  func physical(_ address: UInt64) -> GuestAddress? {
    guard var table = root else { return GuestAddress(address) }
    for level: UInt64 in [3, 2, 1, 0] {
      let shift = 12 + 9 * level
      let place = GuestAddress(table.rawValue &+ (address >> shift & 0x1ff) * 8)
      guard let entry = try? memory.load(UInt64.self, at: place), entry & 1 != 0 else { return nil }
      // A large page ends the walk at the second or third level.
      if level == 0 || (level < 3 && entry & 0x80 != 0) {
        let offsetBits = (UInt64(1) << shift) - 1
        return GuestAddress((entry & Self.addressBits & ~offsetBits) | (address & offsetBits))
      }
      table = GuestAddress(entry & Self.addressBits)
    }
    return nil
  }

  /// The eight bytes at `address`.
  func word(at address: UInt64) -> UInt64? {
    guard address & 7 == 0 else {
      let bytes = self.bytes(at: address, count: 8)
      return bytes.count == 8 ? bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } : nil
    }
    return physical(address).flatMap { try? memory.load(UInt64.self, at: $0) }
  }

  /// Up to `count` bytes from `address` on: as many as are mapped.
  func bytes(at address: UInt64, count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for offset in 0..<UInt64(count) {
      guard let place = physical(address &+ offset), let byte = try? memory.load(UInt8.self, at: place) else { break }
      bytes.append(byte)
    }
    return bytes
  }
}
