/// A byte queue of fixed capacity that also takes bytes ahead of its end (out-of-order TCP data).
///
/// Its memory comes in pieces when bytes come, and goes when they have gone: an empty queue holds none. All pieces are
/// of one size, so that the heap of a long-lived program does not fall apart. Positions always wrap inside the
/// capacity.
@safe struct RingBuffer: ~Copyable {
  private typealias Piece = UnsafeMutableRawPointer

  /// The pieces by position, each nil while it is not needed; nil while there are none.
  private var pieces: UnsafeMutablePointer<Piece?>?
  /// Bytes of a piece, a power of two not above `capacity`.
  private var pieceSize = 1
  /// The account that its pieces are entered in; nil where it may hold all that fits.
  private var account: BufferMemory?
  /// Capacity in bytes, a power of two, or 0 while it is closed.
  private(set) var capacity = 0
  /// Position of the first queued byte, below `capacity`.
  private var head = 0
  /// Number of queued bytes.
  private(set) var count = 0
  /// Bytes behind `head` that may be in use, those placed ahead of the end included; at least `count`.
  private var extent = 0
  /// Bytes of the pieces that it holds.
  private(set) var held = 0

  /// Pieces are not smaller, but for a queue that is.
  static var smallestPiece: Int { 4096 }
  private static var mostPieces: Int { 64 }

  init() { unsafe pieces = nil }

  deinit {
    // Safe: the pieces and their table are owned by this value alone.
    guard let pieces = unsafe pieces else { return }
    var held = held
    for index in 0..<capacity / pieceSize {
      guard let piece = unsafe pieces[index] else { continue }
      unsafe piece.deallocate()
      account?.returned(pieceSize, held: held)
      held -= pieceSize
    }
    unsafe pieces.deallocate()
  }

  /// Space behind the queued bytes, whether or not there is memory for it.
  var available: Int { capacity - count }

  /// Space behind the queued bytes for which there is memory at present.
  var room: Int {
    guard let account, capacity > 0 else { return available }
    return min(available, max(0, account.allowance(held: held, piece: pieceSize) - count))
  }

  /// Makes it an empty queue for at least `minimum` bytes, whose memory `account` grants.
  mutating func open(minimum: Int, account: BufferMemory? = nil) {
    close()
    var size = 1024
    while size < minimum { size *= 2 }
    capacity = size
    pieceSize = min(size, max(Self.smallestPiece, size / Self.mostPieces))
    self.account = account
  }

  /// Drops everything; the capacity becomes 0.
  mutating func close() {
    dropPieces()
    capacity = 0
    account = nil
  }

  /// Appends as many bytes as fit and as there is memory for; returns how many that were.
  mutating func append(_ source: UnsafeRawBufferPointer) -> Int {
    let accepted = provide(from: count, length: min(source.count, available))
    // Safe: there are pieces for the range, which lies inside the capacity.
    unsafe store(UnsafeRawBufferPointer(rebasing: source[..<accepted]), at: count)
    count += accepted
    extent = max(extent, count)
    return accepted
  }

  /// Stores bytes `distance` bytes behind the end without queueing them; they must fit. False where there is no memory
  /// for them: then they are not stored.
  mutating func place(_ bytes: PacketBytes, distance: Int) -> Bool {
    precondition(distance >= 0 && bytes.count <= available - distance)
    guard provide(from: count + distance, length: bytes.count) == bytes.count else { return false }
    // Safe: as in `append`.
    unsafe store(bytes.unsafeMemory, at: count + distance)
    extent = max(extent, count + distance + bytes.count)
    return true
  }

  /// Queues `length` bytes that `place` has stored behind the end.
  mutating func commit(_ length: Int) {
    precondition(length >= 0 && length <= available)
    count += length
    extent = max(extent, count)
  }

  /// Moves up to the destination's size of bytes out of the queue and returns how many.
  mutating func read(into destination: UnsafeMutableRawBufferPointer) -> Int {
    let length = unsafe peek(into: destination)
    discard(length)
    return length
  }

  /// Copies up to the destination's size of bytes from the front of the queue and returns how many; they stay queued.
  func peek(into destination: UnsafeMutableRawBufferPointer) -> Int {
    let length = min(destination.count, count)
    guard let target = destination.baseAddress else { return 0 }
    // Safe: the runs together are `length` bytes, which the destination has room for.
    unsafe forEachRun(from: 0, length: length) { offset, run in
      unsafe (target + offset).copyMemory(from: run.baseAddress.unsafelyUnwrapped, byteCount: run.count)
    }
    return length
  }

  /// Copies `length` queued bytes, beginning `offset` bytes behind the first, into a frame.
  func copy(from offset: Int, count length: Int, to frame: FrameBuffer, at position: Int) {
    precondition(offset >= 0 && length >= 0 && offset <= count && length <= count - offset)
    // Safe: the run is valid during the call, and the frame checks its own bounds.
    unsafe forEachRun(from: offset, length: length) { offset, run in
      unsafe frame.copy(UnsafeRawBufferPointer(run), to: position + offset)
    }
  }

  /// Drops the first `length` queued bytes, and the memory that only they needed.
  mutating func discard(_ length: Int) {
    precondition(length >= 0 && length <= count)
    if length == 0 { return }
    let first = head
    head = (head + length) & (capacity - 1)
    count -= length
    extent -= length
    if extent == 0 { return dropPieces() }
    // Of the pieces passed over, one stays where the head has come round into it, or the bytes behind it reach it.
    let current = head & ~(pieceSize - 1)
    var position = first & ~(pieceSize - 1)
    var left = (first & (pieceSize - 1)) + length
    while left >= pieceSize {
      if position != current, (position - head) & (capacity - 1) >= extent { drop(piece: position / pieceSize) }
      position = (position + pieceSize) & (capacity - 1)
      left -= pieceSize
    }
  }

  // MARK: - Pieces

  /// Gets the pieces for `length` bytes `offset` bytes behind the first; returns for how many of them there are pieces,
  /// in one run.
  private mutating func provide(from offset: Int, length: Int) -> Int {
    guard length > 0 else { return 0 }
    let table: UnsafeMutablePointer<Piece?>
    if let pieces = unsafe pieces {
      unsafe table = pieces
    } else {
      // Safe: initialized at once, and freed by `dropPieces` or with the owner.
      unsafe table = .allocate(capacity: capacity / pieceSize)
      unsafe table.initialize(repeating: nil, count: capacity / pieceSize)
      unsafe pieces = table
    }
    var covered = 0
    while covered < length {
      let position = (head + offset + covered) & (capacity - 1)
      let index = position / pieceSize
      // Safe: `index` is below the number of pieces, since `position` is below the capacity.
      if unsafe table[index] == nil {
        guard account?.grants(pieceSize, held: held) ?? true else { break }
        unsafe table[index] = .allocate(byteCount: pieceSize, alignment: 16)
        held += pieceSize
      }
      covered += pieceSize - position & (pieceSize - 1)
    }
    return min(covered, length)
  }

  private mutating func drop(piece index: Int) {
    // Safe: callers' indexes come from positions below the capacity; the piece is owned by this value alone.
    guard let table = unsafe pieces, let piece = unsafe table[index] else { return }
    unsafe piece.deallocate()
    unsafe table[index] = nil
    account?.returned(pieceSize, held: held)
    held -= pieceSize
  }

  /// Gives back all memory; what was queued is gone.
  private mutating func dropPieces() {
    head = 0
    count = 0
    extent = 0
    guard let table = unsafe pieces else { return }
    for index in 0..<capacity / pieceSize { drop(piece: index) }
    // Safe: allocated by `provide`, and nobody else has it.
    unsafe table.deallocate()
    unsafe pieces = nil
  }

  /// Calls `body` with the parts of memory that hold `length` bytes from `offset` behind the first on, in order, and
  /// with the number of bytes before each. There must be pieces for all of them; the memory is valid during the call.
  @unsafe private func forEachRun(from offset: Int, length: Int, _ body: (Int, UnsafeMutableRawBufferPointer) -> Void) {
    guard let table = unsafe pieces else { return }
    var done = 0
    while done < length {
      let position = (head + offset + done) & (capacity - 1)
      let inPiece = position & (pieceSize - 1)
      let size = min(length - done, pieceSize - inPiece)
      // Safe: `position` is below the capacity; bytes that are queued or were provided for lie in pieces that exist.
      guard let piece = unsafe table[position / pieceSize] else { return }
      unsafe body(done, UnsafeMutableRawBufferPointer(start: piece + inPiece, count: size))
      done += size
    }
  }

  private func store(_ source: UnsafeRawBufferPointer, at offset: Int) {
    guard let bytes = source.baseAddress, source.count > 0 else { return }
    // Safe: the runs together are as long as the source.
    unsafe forEachRun(from: offset, length: source.count) { done, run in
      unsafe run.baseAddress.unsafelyUnwrapped.copyMemory(from: bytes + done, byteCount: run.count)
    }
  }
}
