import Synchronization
import VirtioLayout

/// A part of a virtqueue in guest memory, which driver and device use at the same time.
///
/// Whatever is read is read once. Offsets come from `SplitRingLayout` and are inside the part, which was checked when
/// the queue was made; the guest has no say in them.
@safe struct SharedRing {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int

  /// The part in `bytes`, which must be aligned to at least 2 bytes and stay mapped.
  @unsafe init(_ bytes: UnsafeMutableRawBufferPointer) {
    // Safe: an empty part is never made.
    unsafe base = bytes.baseAddress!
    byteCount = bytes.count
  }

  private func address(_ offset: UInt64, _ size: Int) -> UnsafeMutableRawPointer {
    let offset = Int(truncatingIfNeeded: offset)
    assert(offset >= 0 && offset + size <= byteCount)
    // Safe: see the type's comment.
    return unsafe base + offset
  }

  /// A word that was published with everything before it.
  func loadAcquiring(at offset: UInt64) -> UInt16 {
    // Safe: `Atomic<UInt16>` has the representation of UInt16, and the address is even.
    unsafe address(offset, 2).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring)
  }

  /// A word, no order wanted.
  func load(at offset: UInt64) -> UInt16 {
    // Safe: as above.
    unsafe address(offset, 2).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .relaxed)
  }

  /// Publishes a word after everything stored before it.
  func storeReleasing(_ value: UInt16, at offset: UInt64) {
    // Safe: as above.
    unsafe address(offset, 2).assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value, ordering: .releasing)
  }

  /// Copies a descriptor. Not inlined, so that the compiler cannot read the same field twice.
  @inline(never)
  func descriptor(at offset: UInt64) -> VirtqueueDescriptor {
    // Safe: as above.
    unsafe address(offset, 16).loadUnaligned(as: VirtqueueDescriptor.self)
  }

  /// Stores a used element.
  func store(_ element: VirtqueueUsedElement, at offset: UInt64) {
    // Safe: as above.
    unsafe address(offset, 8).storeBytes(of: element, as: VirtqueueUsedElement.self)
  }
}
