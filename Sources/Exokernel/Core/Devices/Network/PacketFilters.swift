import DownloadedCode
import ExokernelABI
import VirtioLayout

/// What the kernel keeps of a ring: its own copy of everything but the consumer's index, so that a packet needs no
/// check.
@frozen public struct RingBinding {
  /// Physical address of the control frame.
  public var control: UInt64
  /// Slots minus 1.
  public var mask: UInt32
  /// Packets put in.
  public var producer: UInt32
  /// The verified filter.
  public var filter: FilterProgram

  /// Most data frames of a ring.
  public static let maximumFrames: UInt32 = 32
}

/// A filter that is to be bound: its record, and what the kernel keeps of its ring.
struct NewFilter {
  var index: UInt32
  var binding: RingBinding
}

/// Packet filters: verified and bound once, run on every packet, first match wins.
extension Kernel {
  // Safe: the private layout gives each table its own range.
  @inline(__always) var ringBindings: Table<RingBinding> {
    unsafe Table(hardware.privateBase + PrivateLayout.ringBindings, count: UInt32(BooksLayout.filters))
  }
  @inline(__always) var ringFrames: Table<UInt32> {
    unsafe Table(
      hardware.privateBase + PrivateLayout.ringFrames, count: UInt32(BooksLayout.filters) &* RingBinding.maximumFrames)
  }
  /// Checks `CallNumber.filterBind`. The ring's frame numbers and the verified program are written into the free record
  /// that the filter will have: where the call is refused the record stays free, and nobody looks at them.
  func decodeFilterBind(slot: UInt64, code: UInt64, count: UInt64, ring: UInt64, slots: UInt64) throws(CallError)
    -> NewFilter
  {
    let capability = try presented(slot)
    guard capability.allows(.read | .allocate, guardName: CapabilityName.guardName(CapabilityName.network, 0)) else {
      throw .notPermitted
    }
    guard slots >= 2, slots <= UInt64(PacketRing.maximumSlots), slots & (slots &- 1) == 0, count >= 1,
      count <= UInt64(FilterProgram.capacity)
    else { throw .badArgument }
    guard let codeFrame = ownMemory(code), let control = ownMemory(ring) else { throw .notPermitted }
    guard hasRoom(current, .filters), let index = filters.firstFree() else { throw .exhausted }
    // The frame numbers are copied before they are checked, so nothing can change in between.
    let base = index &* RingBinding.maximumFrames
    let frameCount = UInt32(truncatingIfNeeded: slots &>> 1)
    for position in 0..<frameCount {
      let number: UInt32 = get(UInt64(control) &<< 12 &+ PacketRing.framesOffset &+ UInt64(position) &* 4)
      guard ownMemory(UInt64(number)) != nil else { throw .notPermitted }
      ringFrames[base &+ position] = number
    }
    guard let program = verify(code: codeFrame, count: Int(truncatingIfNeeded: count), into: index) else {
      throw .badProgram
    }
    let binding = RingBinding(
      control: UInt64(control) &<< 12, mask: UInt32(truncatingIfNeeded: slots &- 1), producer: 0, filter: program)
    return NewFilter(index: index, binding: binding)
  }

  /// Binds the filter; returns its handle.
  func performFilterBind(_ new: NewFilter) -> UInt64 {
    let index = new.index
    let control = UInt32(truncatingIfNeeded: new.binding.control &>> 12)
    frames[control].pin()
    for position in 0..<(new.binding.mask &+ 1) / 2 {
      frames[ringFrames[index &* RingBinding.maximumFrames &+ position]].pin()
    }
    ringBindings[index] = new.binding
    put(new.binding.control, UInt64(0))
    let generation = filters[index].generation &+ 1
    filters[index] = FilterRecord(
      ownerPlusOne: current &+ 1, ringFrame: control, packets: 0, guardName: environments[current].guardName,
      generation: generation)
    charge(current, .filters)
    // Who receives will answer: so its first packet need not divide the interfaces anew.
    for interface in 0..<header.value.interfaceCount { startUsing(.interface(interface)) }
    if index >= header.value.filterCount { header.value.filterCount = index &+ 1 }
    return Handle.of(index, generation: generation)
  }

  /// Checks `CallNumber.filterUnbind`.
  func decodeFilterUnbind(slot: UInt64, filter handle: UInt64) throws(CallError) -> UInt32 {
    guard let index = filters.index(of: handle) else { throw .noSuchResource }
    try require(slot, .allocate, guardName: filters[index].guardName)
    return index
  }

  /// Removes the filter.
  func performFilterUnbind(_ index: UInt32) { unbindFilter(index) }

  func unbindFilter(_ index: UInt32) {
    let base = index &* RingBinding.maximumFrames
    frames[filters[index].ringFrame].unpin()
    for position in 0..<(ringBindings[index].mask &+ 1) / 2 { frames[ringFrames[base &+ position]].unpin() }
    discharge(filters[index].ownerPlusOne &- 1, .filters)
    filters[index].ownerPlusOne = 0
    // Packets go past every record below this count, so it does not stay at its highest.
    while header.value.filterCount > 0, filters[header.value.filterCount &- 1].ownerPlusOne == 0 {
      header.value.filterCount &-= 1
    }
  }

  /// `frame` where it is memory that the running environment owns.
  private func ownMemory(_ frame: UInt64) -> UInt32? {
    guard frame < UInt64(header.value.frameCount) else { return nil }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].kind == FrameKind.memory.rawValue, UInt32(frames[index].owner) == current,
      frames[index].pins < UInt16.max &- 64
    else { return nil }
    return index
  }

  /// Bytes of the verified filters.
  static var filterProgramsSize: Int {
    Int(BooksLayout.filters) * FilterProgram.capacity * MemoryLayout<DecodedInstruction>.stride
  }

  private func verify(code frame: UInt32, count: Int, into index: UInt32) -> FilterProgram? {
    let words = unsafe hardware.memory(at: UInt64(frame) &<< 12).assumingMemoryBound(to: UInt64.self)
    let stride = FilterProgram.capacity * MemoryLayout<DecodedInstruction>.stride
    let storage = unsafe (hardware.privateBase + PrivateLayout.filterPrograms + Int(index) * stride)
      .bindMemory(to: DecodedInstruction.self, capacity: FilterProgram.capacity)
    // Safe: `count` is at most the capacity, 64 words of the frame's 512; the storage is this filter's alone while it
    // is bound.
    let code = unsafe Span(_unsafeStart: UnsafePointer(words), count: count)
    let target = unsafe UnsafeMutableBufferPointer(start: storage, count: FilterProgram.capacity)
    do throws(VerifierError) {
      return try unsafe FilterProgram.verify(code, into: target)
    } catch {
      return nil
    }
  }
}
