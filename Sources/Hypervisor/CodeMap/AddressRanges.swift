/// Ranges of addresses, in which one is found without looking at all of them.
struct AddressRanges {
  /// By their start; those that overlap are one.
  private let ranges: [Range<UInt64>]

  init(_ all: [Range<UInt64>] = []) {
    var ranges: [Range<UInt64>] = []
    for range in all.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = ranges.last, range.lowerBound < last.upperBound {
        ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        ranges.append(range)
      }
    }
    self.ranges = ranges
  }

  /// The range that holds `address`.
  func range(of address: UInt64) -> Range<UInt64>? {
    ranges.last(atOrBefore: address) { $0.lowerBound }.flatMap { $0.contains(address) ? $0 : nil }
  }

  func contains(_ address: UInt64) -> Bool { range(of: address) != nil }
}
