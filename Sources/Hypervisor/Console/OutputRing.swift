/// Text on its way out: a ring of fixed size, and the count of what found no room.
///
/// Invariant: nothing is ever stored in the middle of text that was dropped. Once a piece finds no room, all are
/// dropped until half of the ring is free; then a line tells how much is missing, at the place where it is missing.
/// Whoever holds the ring's lock may call it.
@safe struct OutputRing: ~Copyable {
  /// How many bytes it holds.
  let capacity: Int
  /// How many bytes it holds now.
  private(set) var count = 0
  /// A line ended among them.
  private(set) var hasLineEnd = false
  /// Bytes that found no room, ever.
  private(set) var dropped: UInt64 = 0

  /// Bytes that found no room and of which no line tells yet.
  private var untold: UInt64 = 0
  /// Where the first byte is.
  private var head = 0
  private var endsInLineEnd = true
  private let storage: UnsafeMutablePointer<UInt8>

  /// An empty ring of `capacity` bytes, at least 128.
  init(capacity: Int) {
    self.capacity = capacity
    // The host provides pages of it when they are used.
    unsafe storage = .allocate(capacity: capacity)
  }

  deinit {
    // Safe: allocated by init.
    unsafe storage.deallocate()
  }

  /// Adds a piece of text, all of it or nothing.
  mutating func append(_ text: Span<UInt8>) {
    tellOfDrops(before: text.count)
    guard untold == 0, text.count <= capacity - count else {
      untold += UInt64(text.count)
      dropped += UInt64(text.count)
      return
    }
    store(text)
  }

  /// Moves the first bytes to `buffer`; returns how many.
  mutating func take(into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
    let taken = min(count, buffer.count)
    let straight = min(taken, capacity - head)
    // Safe: both ranges lie in the storage, and together they are no longer than the buffer.
    if taken > 0, let target = buffer.baseAddress {
      unsafe target.update(from: storage + head, count: straight)
      unsafe (target + straight).update(from: storage, count: taken - straight)
    }
    head = (head + taken) % capacity
    count -= taken
    if count == 0 { hasLineEnd = false }
    return taken
  }

  /// Stores the line about what was dropped, where there is something to tell and room for it and for a piece of
  /// `byteCount` bytes.
  mutating func tellOfDrops(before byteCount: Int = 0) {
    guard untold > 0, count <= capacity / 2 else { return }
    let line = Self.notice(of: untold, afterLineEnd: endsInLineEnd)
    guard line.count + byteCount <= capacity - count else { return }
    untold = 0
    store(line.span)
  }

  /// The line that tells of `byteCount` bytes that are missing before it; it first ends a line that has none yet.
  static func notice(of byteCount: UInt64, afterLineEnd: Bool) -> [UInt8] {
    Array("\(afterLineEnd ? "" : "\n")[xokvm] \(byteCount) bytes dropped\n".utf8)
  }

  private mutating func store(_ text: Span<UInt8>) {
    var place = (head + count) % capacity
    for index in text.indices {
      let byte = text[index]
      // Safe: the place is below the capacity.
      unsafe storage[place] = byte
      place = place + 1 == capacity ? 0 : place + 1
      if byte == 0x0a { hasLineEnd = true }
    }
    count += text.count
    if let last = text.indices.last { endsInLineEnd = text[last] == 0x0a }
  }
}
