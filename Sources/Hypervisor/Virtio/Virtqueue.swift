import Synchronization
import VirtioLayout

/// The device's side of one split virtqueue (VIRTIO 1.3, section 2.7) while a driver uses it.
///
/// Everything in guest memory is hostile: a call that meets something wrong throws and the queue must not be used
/// again. One thread at a time: the device's lock is held for every call.
final class Virtqueue {
  /// Where the driver put a queue.
  struct Configuration {
    var size: UInt32 = 0
    var descriptorTable: UInt64 = 0
    var availableRing: UInt64 = 0
    var usedRing: UInt64 = 0
  }

  /// How many entries the queue has.
  var size: UInt16 { layout.queueSize }

  /// The rings and all buffers are inside it.
  private let memory: GuestMemory
  private let layout: SplitRingLayout
  private let usesEventIndex: Bool
  private let acceptsIndirect: Bool
  private let descriptors: SharedRing
  private let available: SharedRing
  private let used: SharedRing

  /// The next entry of the available ring to take (free-running).
  private var nextAvailable: UInt16 = 0
  /// The driver's available index as last seen; entries before it may be taken.
  private var seenAvailable: UInt16 = 0
  /// The next entry of the used ring to fill (free-running).
  private var nextUsed: UInt16 = 0
  /// The used index that the driver was last told.
  private var publishedUsed: UInt16 = 0
  /// The used index when the driver's wish for an interrupt was last asked.
  private var signalledUsed: UInt16 = 0

  /// Checks where the driver put the queue and takes it into use.
  init(
    memory: GuestMemory, configuration: Configuration, maximumSize: UInt16, features: VirtioFeatures
  ) throws(VirtqueueError) {
    guard let size = UInt16(exactly: configuration.size), size <= maximumSize,
      let layout = SplitRingLayout(queueSize: size)
    else { throw .invalidSize(configuration.size, maximum: maximumSize) }
    self.memory = memory
    self.layout = layout
    usesEventIndex = features.contains(.eventIndex)
    acceptsIndirect = features.contains(.indirectDescriptors)

    // The event words at the rings' ends exist only for drivers that use them.
    let eventByteCount: UInt64 = usesEventIndex ? 0 : 2
    let parts: [(VirtqueueError.Part, start: UInt64, byteCount: UInt64, alignment: UInt64)] = [
      (
        .descriptorTable, configuration.descriptorTable, layout.descriptorTableByteCount,
        SplitRingLayout.descriptorTableAlignment
      ),
      (
        .availableRing, configuration.availableRing, layout.availableRingByteCount - eventByteCount,
        SplitRingLayout.availableRingAlignment
      ),
      (
        .usedRing, configuration.usedRing, layout.usedRingByteCount - eventByteCount,
        SplitRingLayout.usedRingAlignment
      ),
    ]
    func ring(_ index: Int) throws(VirtqueueError) -> SharedRing {
      let (part, start, byteCount, alignment) = parts[index]
      guard start % alignment == 0 else { throw .misaligned(part, GuestAddress(start)) }
      do {
        // Safe: checked to be guest memory, which `memory` keeps mapped; aligned to at least 2.
        return try unsafe SharedRing(memory.bytes(at: GuestAddress(start), byteCount: Int(byteCount)))
      } catch {
        throw .ringOutsideMemory(part, GuestAddress(start), byteCount: Int(byteCount))
      }
    }
    descriptors = try ring(0)
    available = try ring(1)
    used = try ring(2)
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
      // No overflow: both parts were found inside guest memory.
      guard
        parts[first].start + parts[first].byteCount <= parts[second].start
          || parts[second].start + parts[second].byteCount <= parts[first].start
      else { throw .overlap(parts[first].0, parts[second].0) }
    }
  }

  // MARK: Taking requests

  /// Takes the next request into `chain`; false when there is none. Between `disableNotifications` and
  /// `enableNotifications` the driver rings no doorbell.
  func pop(into chain: DescriptorChain) throws(VirtqueueError) -> Bool {
    if nextAvailable == seenAvailable {
      seenAvailable = try availableIndex()
      if nextAvailable == seenAvailable { return false }
    }
    let head = available.load(at: layout.availableEntryOffset(nextAvailable))
    try parse(head, into: chain)
    nextAvailable &+= 1
    return true
  }

  /// The driver's index, acquired, so that the entries before it are seen as well.
  private func availableIndex() throws(VirtqueueError) -> UInt16 {
    let index = available.loadAcquiring(at: SplitRingLayout.indexOffset)
    guard index &- nextAvailable <= layout.queueSize else { throw .indexJump(from: nextAvailable, to: index) }
    return index
  }

  /// Follows the chain from `head`, copying each descriptor once, and checks every buffer. Nothing is executed.
  private func parse(_ head: UInt16, into chain: DescriptorChain) throws(VirtqueueError) {
    chain.removeAll()
    chain.head = head
    var table = descriptors
    var tableCount = UInt32(layout.queueSize)
    var isIndirect = false
    var index = head
    var visited: UInt32 = 0
    while true {
      guard index < tableCount else { throw .invalidDescriptorIndex(index) }
      visited += 1
      guard visited <= tableCount else { throw .loop }
      let descriptor = table.descriptor(at: layout.descriptorOffset(index))
      if descriptor.flags & VirtqueueDescriptor.Flag.indirect != 0 {
        guard acceptsIndirect else { throw .indirectNotAccepted }
        guard !isIndirect else { throw .nestedIndirect }
        guard descriptor.flags & VirtqueueDescriptor.Flag.next == 0 else { throw .indirectWithNext }
        guard descriptor.byteCount != 0, descriptor.byteCount % 16 == 0,
          descriptor.byteCount <= 16 * UInt32(ScatterList.maximumCount)
        else { throw .invalidIndirectLength(descriptor.byteCount) }
        // Safe: checked to be guest memory, not empty; an indirect table is read with unaligned loads only.
        table = try unsafe SharedRing(buffer(descriptor))
        tableCount = descriptor.byteCount / 16
        isIndirect = true
        index = 0
        visited = 0
        continue
      }
      try append(descriptor, to: chain)
      guard descriptor.flags & VirtqueueDescriptor.Flag.next != 0 else { return }
      index = descriptor.next
    }
  }

  private func append(_ descriptor: VirtqueueDescriptor, to chain: DescriptorChain) throws(VirtqueueError) {
    guard descriptor.byteCount > 0 else { throw .emptyBuffer }
    let bytes = try unsafe buffer(descriptor)
    let total = chain.readable.byteCount + chain.writable.byteCount + bytes.count
    guard total <= Int(UInt32.max) else { throw .chainTooLong }
    let list: ScatterList
    if descriptor.flags & VirtqueueDescriptor.Flag.write != 0 {
      list = chain.writable
    } else {
      guard chain.writable.isEmpty else { throw .readableAfterWritable }
      list = chain.readable
    }
    // Safe: the piece was checked, and `memory` keeps it mapped.
    guard unsafe list.append(bytes) else { throw .tooManyBuffers(maximum: ScatterList.maximumCount) }
  }

  private func buffer(_ descriptor: VirtqueueDescriptor) throws(VirtqueueError) -> UnsafeMutableRawBufferPointer {
    do {
      return try unsafe memory.bytes(at: GuestAddress(descriptor.address), byteCount: Int(descriptor.byteCount))
    } catch {
      throw .bufferOutsideMemory(GuestAddress(descriptor.address), byteCount: descriptor.byteCount)
    }
  }

  // MARK: Giving requests back

  /// Gives a chain back with `byteCount` bytes written. The driver sees it after `publish`.
  func push(head: UInt16, byteCount: Int) {
    let element = VirtqueueUsedElement(id: UInt32(head), byteCount: UInt32(truncatingIfNeeded: byteCount))
    used.store(element, at: layout.usedElementOffset(nextUsed))
    nextUsed &+= 1
  }

  /// Shows the driver all chains given back so far, at once.
  func publish() {
    guard publishedUsed != nextUsed else { return }
    // Release: the elements and the data in the buffers are seen before the index.
    used.storeReleasing(nextUsed, at: SplitRingLayout.indexOffset)
    publishedUsed = nextUsed
  }

  /// Publishes, and says whether the driver wants an interrupt for what was published since the last call.
  func publishAndAskForInterrupt() -> Bool {
    publish()
    guard publishedUsed != signalledUsed else { return false }
    let old = signalledUsed
    signalledUsed = publishedUsed
    // The driver publishes its wish and then looks at the index; we publish the index and then look at the wish. A full
    // barrier on both sides makes sure that at least one of the two sees the other.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    guard usesEventIndex else {
      return available.load(at: SplitRingLayout.flagsOffset) & SplitRingLayout.noInterruptFlag == 0
    }
    return SplitRingLayout.needsEvent(
      event: available.load(at: layout.usedEventOffset), new: publishedUsed, old: old)
  }

  // MARK: Doorbell suppression

  /// Asks the driver not to ring the doorbell: the device is looking at the queue anyway.
  func disableNotifications() {
    // With event indexes the event stays where it was, behind the driver's index, which silences the driver.
    if !usesEventIndex {
      used.storeReleasing(SplitRingLayout.noNotifyFlag, at: SplitRingLayout.flagsOffset)
    }
  }

  /// Asks the driver to ring the doorbell for its next request. True when requests came in meanwhile: take them now, no
  /// doorbell will ring for them.
  func enableNotifications() throws(VirtqueueError) -> Bool {
    if usesEventIndex {
      used.storeReleasing(nextAvailable, at: layout.availableEventOffset)
    } else {
      used.storeReleasing(0, at: SplitRingLayout.flagsOffset)
    }
    // The same handshake as above, with the parts exchanged.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    seenAvailable = try availableIndex()
    return seenAvailable != nextAvailable
  }
}
