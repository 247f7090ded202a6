/// What the guest reaches by loads and stores to a range of addresses.
///
/// Both calls come from vCPU threads, possibly from several at once; they return quickly and never trap, whatever the
/// guest passes. `offset` is from the start of the device's range; `byteCount` is 1, 2, 4 or 8 and `offset + byteCount`
/// lies in the range.
public protocol BusDevice: AnyObject, Sendable {
  /// The value at `offset`, in the low `byteCount` bytes.
  func read(offset: UInt64, byteCount: Int) -> UInt64
  /// Stores the low `byteCount` bytes of `value` at `offset`.
  func write(offset: UInt64, byteCount: Int, value: UInt64)
}

/// A device in guest-physical memory space.
public protocol MMIODevice: BusDevice {}

/// A device in x86 port space.
public protocol PortDevice: BusDevice {}

/// A range that cannot be given to a device.
public enum AddressBusError: Error, Equatable, CustomStringConvertible {
  /// The range is empty or passes the end of the address space.
  case invalidRange(start: UInt64, byteCount: UInt64)
  /// The range overlaps that of a device on the bus.
  case overlap(start: UInt64, byteCount: UInt64)

  /// What is wrong, for a person.
  public var description: String {
    switch self {
    case .invalidRange(let start, let byteCount):
      "bus range 0x\(String(start, radix: 16))+\(byteCount) is empty or too long"
    case .overlap(let start, let byteCount):
      "bus range 0x\(String(start, radix: 16))+\(byteCount) is taken by another device; choose another address"
    }
  }
}

/// Which device answers at which address: one value for memory space and one for port space, made before the vCPUs
/// start.
///
/// As on a real bus, reads that no device answers give all ones and such writes are lost.
public struct AddressBus: Sendable {
  private struct Entry: Sendable {
    let start: UInt64
    let last: UInt64
    let device: any BusDevice
  }

  /// Sorted by address, without overlaps.
  private var entries: [Entry] = []

  /// A bus without devices.
  public init() {}

  /// Puts `device` at `start` for `byteCount` bytes.
  public mutating func add(_ device: any BusDevice, at start: UInt64, byteCount: UInt64) throws(AddressBusError) {
    let (last, overflow) = start.addingReportingOverflow(byteCount &- 1)
    guard byteCount > 0, !overflow else { throw .invalidRange(start: start, byteCount: byteCount) }
    let position = indexOfFirst(endingAtOrAfter: start)
    if position < entries.count, entries[position].start <= last {
      throw .overlap(start: start, byteCount: byteCount)
    }
    entries.insert(Entry(start: start, last: last, device: device), at: position)
  }

  /// The value at `address`; all ones where no device answers all `byteCount` (1, 2, 4 or 8) bytes.
  public func read(at address: UInt64, byteCount: Int) -> UInt64 {
    let mask = Self.mask(byteCount: byteCount)
    guard let entry = find(address, byteCount: byteCount) else { return mask }
    return entry.device.read(offset: address - entry.start, byteCount: byteCount) & mask
  }

  /// Stores the low `byteCount` (1, 2, 4 or 8) bytes of `value` at `address`. Returns whether a device was there.
  @discardableResult
  public func write(at address: UInt64, byteCount: Int, value: UInt64) -> Bool {
    guard let entry = find(address, byteCount: byteCount) else { return false }
    entry.device.write(
      offset: address - entry.start, byteCount: byteCount, value: value & Self.mask(byteCount: byteCount))
    return true
  }

  private static func mask(byteCount: Int) -> UInt64 {
    byteCount >= 8 ? .max : (1 << UInt64(8 * max(byteCount, 0))) - 1
  }

  private func find(_ address: UInt64, byteCount: Int) -> Entry? {
    guard byteCount == 1 || byteCount == 2 || byteCount == 4 || byteCount == 8 else { return nil }
    let position = indexOfFirst(endingAtOrAfter: address)
    guard position < entries.count else { return nil }
    let entry = entries[position]
    guard entry.start <= address, entry.last - address >= UInt64(byteCount - 1) else { return nil }
    return entry
  }

  private func indexOfFirst(endingAtOrAfter address: UInt64) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].last < address { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
