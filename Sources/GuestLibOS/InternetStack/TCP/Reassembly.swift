/// Which parts of the receive window behind the next expected byte have arrived; the bytes themselves lie in the
/// receive buffer already. At most `limit` separate parts are remembered; room for all of them is allocated with the
/// first.
struct Reassembly {
  static let limit = 32

  private struct Part {
    var start: SequenceNumber
    var end: SequenceNumber
  }

  /// Disjoint, not adjacent, ascending.
  private var parts: [Part] = []

  var isEmpty: Bool { parts.isEmpty }

  /// Notes that `start..<end` is stored; false if there are too many parts, and then it must count as lost.
  mutating func insert(_ start: SequenceNumber, _ end: SequenceNumber) -> Bool {
    var first = 0
    while first < parts.count, parts[first].end < start { first += 1 }
    var last = first
    var merged = Part(start: start, end: end)
    while last < parts.count, parts[last].start <= end {
      if parts[last].start < merged.start { merged.start = parts[last].start }
      merged.end = SequenceNumber.later(merged.end, parts[last].end)
      last += 1
    }
    if last > first {
      parts[first] = merged
      parts.removeSubrange(first + 1..<last)
      return true
    }
    guard parts.count < Self.limit else { return false }
    if parts.capacity == 0 { parts.reserveCapacity(Self.limit + 1) }
    parts.insert(merged, at: first)
    return true
  }

  /// If a part begins at or before `next`, takes it out and returns its end.
  mutating func takePart(reaching next: SequenceNumber) -> SequenceNumber? {
    guard let part = parts.first, part.start <= next else { return nil }
    parts.removeFirst()
    return part.end
  }

  mutating func removeAll() { parts.removeAll(keepingCapacity: true) }
}
