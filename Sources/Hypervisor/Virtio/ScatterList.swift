#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A reusable list of pieces of memory that together are one buffer, in the form that `readv` and `writev` take.
///
/// The pieces were checked to be guest memory when they were appended; whoever fills the list keeps that memory alive.
/// The guest may change the bytes at any time, so whatever is looked at is copied first. One thread at a time.
@safe final class ScatterList {
  /// Most pieces: the host takes 1,024 in one call, two of which are left for prefixes and suffixes.
  static let maximumCount = 1022

  /// One free element, then `maximumCount` for the pieces, then one free element.
  private let storage: UnsafeMutablePointer<iovec>
  private var first = 1
  /// How many pieces there are.
  private(set) var count = 0
  /// How many bytes the pieces have together.
  private(set) var byteCount = 0

  init() {
    // Safe: allocated once with room for every index used below; each element is written before it is read.
    unsafe storage = .allocate(capacity: Self.maximumCount + 2)
  }

  deinit {
    unsafe storage.deallocate()
  }

  var isEmpty: Bool { byteCount == 0 }

  func removeAll() {
    first = 1
    count = 0
    byteCount = 0
  }

  /// Adds a piece at the end; false (and no change) when the list is full.
  func append(_ piece: UnsafeMutableRawBufferPointer) -> Bool {
    guard first + count <= Self.maximumCount else { return false }
    // Safe: the index is at most maximumCount.
    unsafe (storage + first + count).initialize(to: iovec(iov_base: piece.baseAddress, iov_len: piece.count))
    count += 1
    byteCount += piece.count
    return true
  }

  /// Forgets the first `removed` bytes (at most all).
  func removeFirst(_ removed: Int) {
    var rest = min(removed, byteCount)
    byteCount -= rest
    while rest > 0 {
      // Safe: there are bytes left, so there is a piece at `first`.
      let length = unsafe storage[first].iov_len
      if rest < length {
        unsafe storage[first].iov_base += rest
        unsafe storage[first].iov_len = length - rest
        return
      }
      rest -= length
      first += 1
      count -= 1
    }
    if count == 0 { first = 1 }
  }

  /// Forgets the last `removed` bytes (at most all).
  func removeLast(_ removed: Int) {
    var rest = min(removed, byteCount)
    byteCount -= rest
    while rest > 0 {
      // Safe: there are bytes left, so there is a last piece.
      let last = first + count - 1
      let length = unsafe storage[last].iov_len
      if rest < length {
        unsafe storage[last].iov_len = length - rest
        return
      }
      rest -= length
      count -= 1
    }
    if count == 0 { first = 1 }
  }

  /// Takes the last byte off, for storing to it later; nil when the list is empty.
  func removeLastByte() -> SharedByte? {
    guard !isEmpty else { return nil }
    // Safe: there is a last piece, and it is not empty.
    let last = unsafe storage[first + count - 1]
    let byte = unsafe SharedByte(last.iov_base + last.iov_len - 1)
    removeLast(1)
    return byte
  }

  /// Calls `body` with each contiguous part of the `length` bytes from `offset`, and the part's distance from `offset`.
  /// The range must be inside the list; false without any call when it is not.
  @discardableResult
  private func forEachPart(
    of length: Int, from offset: Int, _ body: (UnsafeMutableRawBufferPointer, Int) -> Void
  ) -> Bool {
    guard offset >= 0, length >= 0, length <= byteCount, offset <= byteCount - length else { return false }
    var skip = offset
    var done = 0
    var index = first
    while done < length {
      // Safe: fewer bytes than the list has were passed, so there is a piece at `index`, and the part is inside it.
      let piece = unsafe UnsafeMutableRawBufferPointer(start: storage[index].iov_base, count: storage[index].iov_len)
      index += 1
      if skip >= piece.count {
        skip -= piece.count
        continue
      }
      let part = min(piece.count - skip, length - done)
      unsafe body(UnsafeMutableRawBufferPointer(rebasing: piece[skip..<skip + part]), done)
      done += part
      skip = 0
    }
    return true
  }

  /// Copies bytes from `offset` on into the whole of `target`; false (and no change) when there are not enough.
  func copy(from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Bool {
    // Safe: the parts together have exactly target.count bytes.
    unsafe forEachPart(of: target.count, from: offset) { part, distance in
      unsafe UnsafeMutableRawBufferPointer(rebasing: target[distance...]).copyMemory(from: UnsafeRawBufferPointer(part))
    }
  }

  /// Copies the whole of `source` to `offset`; false (and no change) when it does not fit.
  @discardableResult
  func store(_ source: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    // Safe: the parts together have exactly source.count bytes.
    unsafe forEachPart(of: source.count, from: offset) { part, distance in
      unsafe part.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[distance..<distance + part.count]))
    }
  }

  /// Copies a plain value out, or nil when there are not enough bytes.
  func load<Value: BitwiseCopyable>(_: Value.Type, at offset: Int) -> Value? {
    // Safe: the temporary is filled completely before it is read.
    unsafe withUnsafeTemporaryAllocation(
      byteCount: MemoryLayout<Value>.size, alignment: MemoryLayout<Value>.alignment
    ) { bytes in
      unsafe copy(from: offset, into: bytes) ? bytes.load(as: Value.self) : nil
    }
  }

  /// Copies a plain value in; false (and no change) when it does not fit.
  @discardableResult
  func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) -> Bool {
    // Safe: the bytes are read during the call only.
    unsafe withUnsafeBytes(of: value) { bytes in unsafe store(bytes, at: offset) }
  }

  /// Makes all bytes zero.
  func fillWithZeroes() {
    // Safe: the parts are the list's own pieces.
    unsafe forEachPart(of: byteCount, from: 0) { part, _ in unsafe part.initializeMemory(as: UInt8.self, repeating: 0) }
  }

  /// The pieces, for `readv`, `writev` and the like. Valid until the list changes.
  var vectors: UnsafeMutableBufferPointer<iovec> {
    unsafe UnsafeMutableBufferPointer(start: storage + first, count: count)
  }

  /// The pieces, preceded by one element that is free for use. Valid until the list changes.
  var vectorsWithPrefix: UnsafeMutableBufferPointer<iovec> {
    // Safe: `first` is at least 1; the element before it is free or belonged to a piece that was removed.
    unsafe (storage + first - 1).initialize(to: iovec(iov_base: nil, iov_len: 0))
    return unsafe UnsafeMutableBufferPointer(start: storage + first - 1, count: count + 1)
  }
}

/// One byte of guest memory, checked when it was made.
@safe struct SharedByte {
  private let address: UnsafeMutableRawPointer

  /// The byte at `address`, which stays mapped.
  @unsafe init(_ address: UnsafeMutableRawPointer) {
    unsafe self.address = address
  }

  func store(_ value: UInt8) {
    // Safe: see init.
    unsafe address.storeBytes(of: value, as: UInt8.self)
  }
}

/// One request of the driver's, as taken off the available ring: checked buffers, not yet looked at.
final class DescriptorChain {
  /// Index of the first descriptor: the name under which the chain goes back to the driver.
  var head: UInt16 = 0
  /// What the device may read.
  let readable = ScatterList()
  /// What the device may write.
  let writable = ScatterList()

  func removeAll() {
    readable.removeAll()
    writable.removeAll()
  }
}
