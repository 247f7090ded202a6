import ExokernelABI

/// The heap behind Swift's allocations. Spans of 64 KiB, aligned to their size; the first 64 bytes of a span say what
/// it holds: small objects of one size, or one large object that may continue over the following spans.
enum Heap {
  private struct Span {
    /// Size of its objects, 0 for a large object.
    var objectSize: UInt64
    /// Spans of a large object or of a free run.
    var spans: UInt64
    /// Next span of a free run's list.
    var next: UInt64
  }

  private static var spanSize: UInt64 { 0x1_0000 }
  private static var classes: Int { 10 }
  nonisolated(unsafe) private static var freeObjects = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as InlineArray<10, UInt64>
  nonisolated(unsafe) private static var freeSpans: UInt64 = 0
  nonisolated(unsafe) private static var frontier = PageSpace.heapBase
  /// First address above what it has mapped.
  static var end: UInt64 { unsafe frontier }
  /// Bytes handed out at present.
  nonisolated(unsafe) private(set) static var bytesInUse: UInt64 = 0

  // Safety of this whole type: a program has one thread of the processor and upcalls do not allocate, so nothing runs
  // beside it; every address comes from spans that `grow` mapped.

  static func allocate(_ size: UInt64, alignment: UInt64) -> UInt64 {
    let wanted = size < alignment ? alignment : size < 16 ? 16 : size
    guard wanted <= 8192, alignment <= 8192 else { return allocateLarge(size, alignment: alignment) }
    let index = wanted <= 16 ? 0 : 64 - 4 - (wanted - 1).leadingZeroBitCount
    if unsafe freeObjects[index] == 0, !refill(index) { return 0 }
    let object = unsafe freeObjects[index]
    unsafe freeObjects[index] = word(object).pointee
    unsafe bytesInUse &+= 16 &<< UInt64(index)
    return object
  }

  static func free(_ address: UInt64) {
    guard address != 0 else { return }
    let start = address & ~(spanSize &- 1)
    let span = unsafe header(start).pointee
    guard span.objectSize != 0 else {
      unsafe bytesInUse &-= span.spans &* spanSize
      unsafe header(start).pointee.next = freeSpans
      unsafe freeSpans = start
      return
    }
    let index = 60 - (span.objectSize - 1).leadingZeroBitCount
    let slot = span.objectSize == 16 ? 0 : index
    unsafe word(address).pointee = freeObjects[slot]
    unsafe freeObjects[slot] = address
    unsafe bytesInUse &-= span.objectSize
  }

  private static func allocateLarge(_ size: UInt64, alignment: UInt64) -> UInt64 {
    guard size < 1 &<< 40, alignment <= 4096 || alignment <= spanSize / 2 else { return 0 }
    let offset = alignment < 64 ? 64 : alignment
    let spans = (size &+ offset &+ spanSize &- 1) / spanSize
    var previous: UInt64 = 0
    var candidate = unsafe freeSpans
    // First fit; a run is split, never joined: programs here allocate their large buffers once.
    while candidate != 0 {
      let run = unsafe header(candidate).pointee
      if run.spans >= spans {
        var following = run.next
        if run.spans > spans {
          following = candidate &+ spans &* spanSize
          unsafe header(following).pointee = Span(objectSize: 0, spans: run.spans &- spans, next: run.next)
        }
        if previous == 0 { unsafe freeSpans = following } else { unsafe header(previous).pointee.next = following }
        return take(candidate, spans, offset)
      }
      previous = candidate
      candidate = run.next
    }
    guard let start = grow(spans) else { return 0 }
    return take(start, spans, offset)
  }

  private static func take(_ start: UInt64, _ spans: UInt64, _ offset: UInt64) -> UInt64 {
    unsafe header(start).pointee = Span(objectSize: 0, spans: spans, next: 0)
    unsafe bytesInUse &+= spans &* spanSize
    return start &+ offset
  }

  private static func refill(_ index: Int) -> Bool {
    let size: UInt64 = 16 &<< UInt64(index)
    let block = allocateLarge(64, alignment: 64)
    guard block != 0 else { return false }
    unsafe bytesInUse &-= spanSize
    let start = block & ~(spanSize &- 1)
    unsafe header(start).pointee.objectSize = size
    var object = start &+ (size < 64 ? 64 : size)
    while object &+ size <= start &+ spanSize {
      unsafe word(object).pointee = freeObjects[index]
      unsafe freeObjects[index] = object
      object &+= size
    }
    return true
  }

  private static func grow(_ spans: UInt64) -> UInt64? {
    let start = unsafe frontier
    guard spans <= (PageSpace.heapEnd &- start) / spanSize, PageSpace.mapFresh(at: start, count: spans &* 16) else {
      return nil
    }
    unsafe frontier = start &+ spans &* spanSize
    return start
  }

  private static func header(_ address: UInt64) -> UnsafeMutablePointer<Span> {
    unsafe UnsafeMutablePointer(bitPattern: UInt(address)).unsafelyUnwrapped
  }

  private static func word(_ address: UInt64) -> UnsafeMutablePointer<UInt64> {
    unsafe UnsafeMutablePointer(bitPattern: UInt(address)).unsafelyUnwrapped
  }
}
