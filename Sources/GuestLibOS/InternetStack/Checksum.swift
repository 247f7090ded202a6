/// The ones' complement sum of 16-bit words of the Internet protocols (RFC 1071), eight bytes at a time.
///
/// Words are added in memory order: the sum of byte-swapped words is the byte-swapped sum (RFC 1071 section 2), so one
/// swap at the end suffices. Every part but the last must have an even length.
struct InternetChecksum {
  private var sum: UInt64 = 0

  /// Adds bytes.
  mutating func add(_ bytes: PacketBytes) {
    let memory = unsafe bytes.unsafeMemory
    guard let base = memory.baseAddress else { return }
    // Every load below ends at or before `end`: the loops advance only while a whole unit is left.
    var cursor = unsafe base
    let end = unsafe base + memory.count
    var a = sum
    var b: UInt64 = 0
    // Halves of 32 bits added into 64-bit sums cannot overflow within 4 GiB, and need no carry.
    while unsafe end - cursor >= 16 {
      let x = unsafe cursor.loadUnaligned(as: UInt64.self)
      let y = unsafe (cursor + 8).loadUnaligned(as: UInt64.self)
      a = a &+ (x & 0xFFFF_FFFF) &+ (x >> 32)
      b = b &+ (y & 0xFFFF_FFFF) &+ (y >> 32)
      unsafe cursor += 16
    }
    while unsafe end - cursor >= 2 {
      a = a &+ UInt64(unsafe cursor.loadUnaligned(as: UInt16.self))
      unsafe cursor += 2
    }
    if unsafe end - cursor == 1 {
      // The last odd byte counts as the first byte of a word padded with zero.
      a = a &+ UInt64(UInt16(bigEndian: UInt16(unsafe cursor.load(as: UInt8.self)) << 8))
    }
    sum = Self.fold32(a) &+ Self.fold32(b)
  }

  /// Adds the pseudo header of TCP and UDP (RFC 9293 section 3.1).
  mutating func addPseudoHeader(source: IPv4Address, destination: IPv4Address, protocolNumber: UInt8, length: Int) {
    sum = sum &+ UInt64(source.value.bigEndian) &+ UInt64(destination.value.bigEndian)
    sum = sum &+ UInt64(UInt16(protocolNumber).bigEndian) &+ UInt64(UInt16(truncatingIfNeeded: length).bigEndian)
  }

  /// The sum folded to 16 bits, as a number: what a partial checksum holds.
  var folded: UInt16 {
    var value = Self.fold32(sum)
    while value > 0xFFFF { value = (value & 0xFFFF) + (value >> 16) }
    return UInt16(bigEndian: UInt16(truncatingIfNeeded: value))
  }

  /// The complement, as a number: what a checksum field holds. It is 0 over data that includes a right checksum.
  var complement: UInt16 { ~folded }

  private static func fold32(_ value: UInt64) -> UInt64 { (value & 0xFFFF_FFFF) + (value >> 32) }
}
