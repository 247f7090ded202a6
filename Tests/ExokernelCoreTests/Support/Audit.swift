import ExokernelABI
import Testing

@testable import ExokernelCore

/// Compares the books with a scan of everything that they are about: lists, page tables, rings, bindings. Written
/// without the kernel's own functions, so that both would have to be wrong in the same way.
struct Audit {
  let world: World
  var faults: [String] = []
  let frames: UnsafePointer<FrameRecord>
  let environments: UnsafePointer<EnvironmentRecord>
  let header: BooksHeader
  let own: PrivateState
  /// Frames that each environment has on its list, large ones as 512.
  var ownedFrames = [UInt32](repeating: 0, count: Int(BooksLayout.environments))

  static func check(_ world: World, _ occasion: String = "", location: SourceLocation = #_sourceLocation) {
    let faults = Audit.faults(world)
    #expect(faults.isEmpty, "\(occasion): \(faults.prefix(8).joined(separator: "; "))", sourceLocation: location)
  }

  static func faults(_ world: World) -> [String] {
    var audit = Audit(world)
    audit.checkLists()
    audit.checkMappings()
    audit.checkRevoked()
    audit.checkPins()
    audit.checkSendQueues()
    audit.checkShares()
    audit.checkSlices()
    audit.checkQuotas()
    audit.checkEnvironments()
    audit.checkCapabilities()
    audit.checkProcessors()
    audit.checkBindings()
    return audit.faults
  }

  private init(_ world: World) {
    self.world = world
    frames = UnsafePointer(world.machine.frameTableBase.assumingMemoryBound(to: FrameRecord.self))
    environments = UnsafePointer(
      (world.machine.booksBase + Int(BooksLayout.environmentsOffset)).assumingMemoryBound(to: EnvironmentRecord.self))
    header = world.kernel.header.value
    own = world.kernel.kernelPrivate.value
  }

  var all: Range<Int> { 0..<Int(BooksLayout.environments) }
  func isFree(_ environment: Int) -> Bool { environments[environment].state == EnvironmentState.free.rawValue }
  func isAlive(_ environment: Int) -> Bool {
    !isFree(environment) && environments[environment].state != EnvironmentState.ended.rawValue
  }
  func isReaped(_ environment: Int) -> Bool { own.reaping >> UInt64(environment) & 1 != 0 }
  func isSharing(_ environment: Int) -> Bool { own.sharing >> UInt64(environment) & 1 != 0 }

  /// What `holder` says of frames that are nobody's.
  private static var free: Int16 { 1000 }

  /// Every frame is on exactly one list, or a part of a large one, or has never been used; the counts agree.
  private mutating func checkLists() {
    var holder = [Int16](repeating: -1, count: Int(header.frameCount))
    var owned: UInt32 = 0
    for environment in all {
      guard let count = checkOwned(environment, &holder) else { return }
      ownedFrames[environment] = count
      if count != 0, isFree(environment) { faults.append("free record \(environment) has frames") }
      owned += count
    }
    guard var free = checkFree(&holder), let large = checkFreeLarge(&holder) else { return }
    free += large
    for frame in Int(header.firstFrame)..<Int(header.frameCount) where holder[frame] == -1 {
      if frame < header.frontier || frame >= header.largeFrontier { faults.append("frame \(frame) is lost") }
      if frames[frame].kind != 0 || frames[frame].dirty != 0 { faults.append("fresh frame \(frame) has been used") }
      if !world.machine.isZero(frame: UInt32(frame)) { faults.append("fresh frame \(frame) is not zero") }
      free += 1
    }
    if free != header.freeFrames { faults.append("\(free) frames are free, told are \(header.freeFrames)") }
    if free + owned != header.frameCount - header.firstFrame { faults.append("\(free) + \(owned) frames are not all") }
  }

  /// Walks an environment's list; nil where it is broken.
  private mutating func checkOwned(_ environment: Int, _ holder: inout [Int16]) -> UInt32? {
    var count: UInt32 = 0
    var previous: UInt32 = 0
    var frame = environments[environment].firstFrame
    while frame != 0 {
      guard frame >= header.firstFrame, frame < header.frameCount, holder[Int(frame)] == -1 else {
        faults.append("frame \(frame) is on the list of \(environment) and elsewhere")
        return nil
      }
      let record = frames[Int(frame)]
      if Int(record.owner) != environment || record.kind == 0 || record.previous != previous || record.dirty != 1
        || record.identity.allowed > 7
      {
        faults.append("frame \(frame) on the list of \(environment): \(record)")
      }
      if record.isLarge {
        guard markLarge(frame, Int16(environment), &holder) else { return nil }
        count += 511
      }
      holder[Int(frame)] = Int16(environment)
      count += 1
      previous = frame
      frame = record.next
    }
    return count
  }

  /// Marks the frames of a large one; false where one of them is elsewhere.
  private mutating func markLarge(_ frame: UInt32, _ mark: Int16, _ holder: inout [Int16]) -> Bool {
    guard frame % 512 == 0, frame >= header.largeFrontier, frame + 512 <= header.frameCount else {
      faults.append("large frame \(frame)")
      return false
    }
    for part in Int(frame)..<Int(frame) + 512 {
      let record = frames[part]
      let isPart = part == frame || record.kind == 0 && record.dirty == 0 && record.references == 0 && record.pins == 0
      guard holder[part] == -1, isPart else {
        faults.append("frame \(part) is a part of large frame \(frame) and elsewhere")
        return false
      }
      holder[part] = mark
    }
    return true
  }

  /// Walks the list of free frames; nil where it is broken.
  private mutating func checkFree(_ holder: inout [Int16]) -> UInt32? {
    var free: UInt32 = 0
    var previous: UInt32 = 0
    var frame = header.freeHead
    while frame != 0 {
      guard frame >= header.firstFrame, frame < header.frameCount, holder[Int(frame)] == -1 else {
        faults.append("frame \(frame) is free and elsewhere")
        return nil
      }
      holder[Int(frame)] = Self.free
      let record = frames[Int(frame)]
      if record.kind != 0 || record.dirty != 1 || record.previous != previous || record.pins != 0
        || record.references != 0
      {
        faults.append("free frame \(frame): \(record)")
      }
      free += 1
      previous = frame
      frame = record.next
    }
    return free
  }

  /// Walks the two lists of free large frames: those that are clean, and those that are not yet; nil where one is
  /// broken.
  private mutating func checkFreeLarge(_ holder: inout [Int16]) -> UInt32? {
    var free: UInt32 = 0
    for (head, cleaned) in [(header.largeHead, UInt32(512)), (own.largeDirty, own.largeCleaned)] {
      var frame = head
      while frame != 0 {
        guard markLarge(frame, Self.free, &holder) else { return nil }
        let record = frames[Int(frame)]
        if record.kind != 0 || record.dirty != 2 || record.references != 0 || record.pins != 0 {
          faults.append("free large frame \(frame): \(record)")
        }
        let clean = cleaned == 512 || frame == head ? cleaned : 0
        for part in frame..<frame + clean where !world.machine.isZero(frame: part) {
          faults.append("part \(part) of free large frame \(frame) is not zero")
        }
        free += 512
        frame = record.next
      }
    }
    return free
  }
}
