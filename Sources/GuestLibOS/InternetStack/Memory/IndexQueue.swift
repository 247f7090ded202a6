/// A queue of small indexes with fixed capacity; nothing is allocated after it is made.
struct IndexQueue {
  private var slots: [UInt16]
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) { slots = [UInt16](repeating: 0, count: max(1, capacity)) }

  var isEmpty: Bool { count == 0 }

  /// Appends an index; the caller keeps each index in the queue at most once, so the capacity suffices.
  mutating func append(_ index: Int) {
    precondition(count < slots.count)
    slots[(head + count) % slots.count] = UInt16(truncatingIfNeeded: index)
    count += 1
  }

  mutating func removeFirst() -> Int? {
    if count == 0 { return nil }
    let index = slots[head]
    head = (head + 1) % slots.count
    count -= 1
    return Int(index)
  }

  var first: Int? { count == 0 ? nil : Int(slots[head]) }

  /// Removes an index wherever it stands; used on rare paths only.
  mutating func remove(_ index: Int) {
    for _ in 0..<count {
      guard let candidate = removeFirst() else { return }
      if candidate != index { append(candidate) }
    }
  }
}
