/// A byte queue of fixed capacity that also takes bytes ahead of its end (out-of-order TCP data).
///
/// Memory is allocated by `allocate` and freed by `free` or with the owner; positions always wrap inside it.
@safe struct RingBuffer: ~Copyable {
  private var memory: UnsafeMutableRawPointer?
  /// Capacity in bytes, a power of two, or 0 while no memory is allocated.
  private(set) var capacity = 0
  /// Position of the first queued byte, below `capacity`.
  private var head = 0
  /// Number of queued bytes.
  private(set) var count = 0

  init() { unsafe memory = nil }

  deinit { unsafe memory?.deallocate() }  // owned by this value alone

  /// Space behind the queued bytes.
  var available: Int { capacity - count }

  /// Allocates memory for at least `minimum` bytes; what was queued is gone.
  mutating func allocate(minimum: Int) {
    free()
    var size = 1024
    while size < minimum { size *= 2 }
    unsafe memory = .allocate(byteCount: size, alignment: 16)
    capacity = size
  }

  /// Frees the memory; the capacity becomes 0.
  mutating func free() {
    unsafe memory?.deallocate()
    unsafe memory = nil
    capacity = 0
    head = 0
    count = 0
  }

  /// Appends as many bytes as fit and returns how many that were.
  mutating func append(_ source: UnsafeRawBufferPointer) -> Int {
    let accepted = min(source.count, available)
    unsafe store(UnsafeRawBufferPointer(rebasing: source[..<accepted]), at: count)
    count += accepted
    return accepted
  }

  /// Stores bytes `distance` bytes behind the end without queueing them; they must fit.
  mutating func place(_ bytes: PacketBytes, distance: Int) {
    precondition(distance >= 0 && bytes.count <= available - distance)
    unsafe store(bytes.unsafeMemory, at: count + distance)
  }

  /// Queues `length` bytes that `place` has stored behind the end.
  mutating func commit(_ length: Int) {
    precondition(length >= 0 && length <= available)
    count += length
  }

  /// Moves up to the destination's size of bytes out of the queue and returns how many.
  mutating func read(into destination: UnsafeMutableRawBufferPointer) -> Int {
    let length = min(destination.count, count)
    if length == 0 { return 0 }
    guard let memory = unsafe memory, let target = destination.baseAddress else { return 0 }
    // Both parts lie inside the ring (head < capacity) and inside the destination (length <= its count).
    let first = min(length, capacity - head)
    unsafe target.copyMemory(from: memory + head, byteCount: first)
    if first < length { unsafe (target + first).copyMemory(from: memory, byteCount: length - first) }
    discard(length)
    return length
  }

  /// Copies `length` queued bytes, beginning `offset` bytes behind the first, into a frame.
  func copy(from offset: Int, count length: Int, to frame: FrameBuffer, at position: Int) {
    precondition(offset >= 0 && length >= 0 && offset <= count && length <= count - offset)
    guard let memory = unsafe memory, length > 0 else { return }
    let start = (head + offset) & (capacity - 1)
    let first = min(length, capacity - start)
    // Both parts lie inside the ring: start < capacity, and a wrapped part is shorter than the capacity.
    unsafe frame.copy(UnsafeRawBufferPointer(start: memory + start, count: first), to: position)
    if first < length {
      unsafe frame.copy(UnsafeRawBufferPointer(start: memory, count: length - first), to: position + first)
    }
  }

  /// Drops the first `length` queued bytes.
  mutating func discard(_ length: Int) {
    precondition(length >= 0 && length <= count)
    if length == 0 { return }
    head = (head + length) & (capacity - 1)
    count -= length
  }

  private func store(_ source: UnsafeRawBufferPointer, at offset: Int) {
    guard let memory = unsafe memory, let bytes = source.baseAddress, source.count > 0 else { return }
    let start = (head + offset) & (capacity - 1)
    let first = min(source.count, capacity - start)
    // Callers have checked that the source fits behind `offset`, so both parts lie inside the ring.
    unsafe (memory + start).copyMemory(from: bytes, byteCount: first)
    if first < source.count { unsafe memory.copyMemory(from: bytes + first, byteCount: source.count - first) }
  }
}
