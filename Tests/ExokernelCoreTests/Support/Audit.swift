import ExokernelABI
import Testing
import VirtioLayout

@testable import ExokernelCore

/// Compares the books with a scan of everything that they are about: lists, page tables, rings. Written without the kernel's own
/// functions, so that both would have to be wrong in the same way.
struct Audit {
  let world: World
  private(set) var faults: [String] = []
  private let frames: UnsafePointer<FrameRecord>
  private let header: BooksHeader
  private let own: PrivateState

  static func check(_ world: World, _ occasion: String = "", location: SourceLocation = #_sourceLocation) {
    let faults = Audit.faults(world)
    #expect(faults.isEmpty, "\(occasion): \(faults.prefix(8).joined(separator: "; "))", sourceLocation: location)
  }

  static func faults(_ world: World) -> [String] {
    var audit = Audit(world)
    audit.checkLists()
    audit.checkMappings()
    audit.checkPins()
    audit.checkSendQueues()
    audit.checkSlices()
    return audit.faults
  }

  private init(_ world: World) {
    self.world = world
    frames = UnsafePointer(world.machine.frameTableBase.assumingMemoryBound(to: FrameRecord.self))
    header = world.kernel.header.value
    own = world.kernel.own.value
  }

  private func record(_ environment: UInt32) -> EnvironmentRecord { world.kernel.environments[environment] }
  private func isAlive(_ environment: UInt32) -> Bool {
    record(environment).state == 1 || record(environment).state == 2
  }
  private func isReaped(_ environment: UInt32) -> Bool { own.reaping >> UInt64(environment) & 1 != 0 }

  /// Every frame is on exactly one list, or has never been used; the counts agree.
  private mutating func checkLists() {
    var holder = [UInt32](repeating: .max, count: Int(header.frameCount))
    var owned: UInt32 = 0
    for environment in 0..<UInt32(BooksLayout.environments) {
      let isHolder = isAlive(environment) || isReaped(environment)
      var count: UInt32 = 0
      var previous: UInt32 = 0
      var frame = record(environment).firstFrame
      while frame != 0 {
        guard frame >= header.firstFrame, frame < header.frameCount, holder[Int(frame)] == .max else {
          faults.append("frame \(frame) is on the list of \(environment) and elsewhere")
          return
        }
        holder[Int(frame)] = environment
        if frames[Int(frame)].owner != environment || frames[Int(frame)].kind == 0
          || frames[Int(frame)].previous != previous
        {
          faults.append("frame \(frame) on the list of \(environment): \(frames[Int(frame)])")
        }
        count += 1
        previous = frame
        frame = frames[Int(frame)].next
      }
      if count != record(environment).frames { faults.append("\(environment) has \(count) frames") }
      if count != 0, !isHolder { faults.append("free record \(environment) has frames") }
      owned += count
    }
    var free: UInt32 = 0
    var previous: UInt32 = 0
    var frame = header.freeHead
    while frame != 0 {
      guard frame < header.frameCount, holder[Int(frame)] == .max else {
        faults.append("frame \(frame) is free and elsewhere")
        return
      }
      holder[Int(frame)] = 1000
      let record = frames[Int(frame)]
      if record.kind != 0 || record.dirty == 0 || record.previous != previous || record.pins != 0 {
        faults.append("free frame \(frame): \(record)")
      }
      free += 1
      previous = frame
      frame = record.next
    }
    for frame in header.firstFrame..<header.frameCount where holder[Int(frame)] == .max {
      if frame < header.frontier { faults.append("frame \(frame) is lost") }
      if frames[Int(frame)].kind != 0 || frames[Int(frame)].dirty != 0 {
        faults.append("fresh frame \(frame) has been used")
      }
      if !world.machine.isZero(frame: frame) { faults.append("fresh frame \(frame) is not zero") }
      free += 1
    }
    if free != header.freeFrames { faults.append("\(free) frames are free, told are \(header.freeFrames)") }
    if free + owned != header.frameCount - header.firstFrame { faults.append("\(free) + \(owned) frames are not all") }
  }

  /// References are what a walk over all page tables finds; no page table is mapped; tables have one parent.
  private mutating func checkMappings() {
    var references = [UInt32](repeating: 0, count: Int(header.frameCount))
    var parents = references
    for environment in 0..<UInt32(BooksLayout.environments) {
      var start: UInt64 = 0
      if !isAlive(environment) {
        let bit: UInt64 = 1 << UInt64(environment)
        guard own.reaping & bit != 0, own.sharing & bit != 0, own.unmapped & bit == 0 else { continue }
        if own.reaper.environment == environment { start = own.reaper.address }
      }
      let root = UInt64(record(environment).rootTable)
      for slot: UInt64 in [254, 255, 256, 511] where isAlive(environment) {
        let expected = slot == 255 ? root << 12 | 5 | 1 << 63 : world.machine.get(FakeMachine.Place.template + slot * 8)
        if world.machine.get(root << 12 + slot * 8) != expected { faults.append("\(environment): root entry \(slot)") }
      }
      walk(root, 39, 0, start, environment, &references, &parents)
    }
    for frame in header.firstFrame..<header.frameCount {
      let record = frames[Int(frame)]
      let owner = UInt32(record.owner)
      guard record.kind != 0, isAlive(owner) || own.sharing >> UInt64(owner) & 1 != 0 else { continue }
      if record.kind == FrameKind.pageTable.rawValue {
        guard isAlive(owner) else { continue }
        let expected: UInt32 = frame == self.record(owner).rootTable ? 0 : 1
        if parents[Int(frame)] != expected || UInt32(record.references) != expected {
          faults.append("table \(frame) has \(parents[Int(frame)]) parents, \(record.references) references")
        }
      } else if UInt32(record.references) != references[Int(frame)] {
        faults.append("frame \(frame) is mapped \(references[Int(frame)]) times, told are \(record.references)")
      }
    }
  }

  private mutating func walk(
    _ table: UInt64, _ shift: UInt64, _ address: UInt64, _ start: UInt64, _ environment: UInt32,
    _ references: inout [UInt32], _ parents: inout [UInt32]
  ) {
    let entries = world.machine.memory(at: table << 12).assumingMemoryBound(to: UInt64.self)
    for index in 0..<(shift == 39 ? 224 : 512) where entries[index] & 1 != 0 {
      let here = address | UInt64(index) << shift
      let frame = Int(entries[index] >> 12 & 0xff_ffff_ffff)
      guard here + (1 << shift) > start else { continue }
      if shift > 12 {
        guard frame >= Int(header.firstFrame), frame < Int(header.frameCount),
          frames[frame].kind == FrameKind.pageTable.rawValue,
          UInt32(frames[frame].owner) == environment
        else {
          faults.append("\(environment): entry for \(here) names \(frame) as a table")
          continue
        }
        parents[frame] += 1
        walk(UInt64(frame), shift - 9, here, start, environment, &references, &parents)
        continue
      }
      if entries[index] & 4 == 0 { faults.append("\(environment): mapping at \(here) is not the user's") }
      if frame < Int(header.firstFrame) {
        if entries[index] & 2 != 0 { faults.append("\(environment): boot frame \(frame) is writable at \(here)") }
        continue
      }
      guard frame < Int(header.frameCount) else {
        faults.append("\(environment): mapping at \(here) of \(frame)")
        continue
      }
      references[frame] += 1
      switch frames[frame].kind {
      case FrameKind.memory.rawValue:
        if UInt32(frames[frame].owner) != environment,
          own.sharing >> UInt64(environment) & own.sharing >> UInt64(frames[frame].owner) & 1 == 0
        {
          faults.append("\(environment): mapping at \(here) of another's frame \(frame)")
        }
      case FrameKind.environmentPage.rawValue:
        if frame != Int(record(environment).environmentPage) || here != AddressMap.environmentPage {
          faults.append("\(environment): environment page \(frame) at \(here)")
        }
      default: faults.append("\(environment): mapping at \(here) of frame \(frame) of kind \(frames[frame].kind)")
      }
    }
  }

  /// Pins are what requests in flight and bound rings hold.
  private mutating func checkPins() {
    var pins = [UInt32](repeating: 0, count: Int(header.frameCount))
    for disk in 0..<header.diskCount {
      for request: UInt32 in 0..<32 where world.kernel.diskDrivers[disk].freeRequests >> request & 1 == 0 {
        pins[Int(world.kernel.diskRequests[disk * 32 + request].frame)] += 1
      }
    }
    for interface in 0..<header.interfaceCount {
      for head: UInt32 in 0..<256 where world.kernel.sendOwners[interface * 256 + head] != 0 {
        for part in sendChain(interface, UInt16(head)).dropFirst() { pins[Int(part.address >> 12)] += 1 }
      }
    }
    for filter in 0..<UInt32(BooksLayout.filters) where world.kernel.filters[filter].ownerPlusOne != 0 {
      if filter >= header.filterCount { faults.append("filter \(filter) is above the count \(header.filterCount)") }
      pins[Int(world.kernel.filters[filter].ringFrame)] += 1
      for slot in 0..<(world.kernel.ringBindings[filter].mask + 1) / 2 {
        pins[Int(world.kernel.ringFrames[filter * 32 + slot])] += 1
      }
    }
    for frame in header.firstFrame..<header.frameCount where UInt32(frames[Int(frame)].pins) != pins[Int(frame)] {
      faults.append("frame \(frame) is pinned \(pins[Int(frame)]) times, told are \(frames[Int(frame)].pins)")
    }
  }

  private func sendChain(_ interface: UInt32, _ head: UInt16) -> [VirtqueueDescriptor] {
    let table = FakeMachine.Place.networkRings + UInt64(interface) * 16384 + 8192
    var all: [VirtqueueDescriptor] = [world.machine.get(table + UInt64(head) * 16)]
    while all[all.count - 1].flags & 1 != 0, all.count <= 256 {
      all.append(world.machine.get(table + UInt64(all[all.count - 1].next) * 16))
    }
    return all
  }

  /// Every send descriptor is free once or in one chain.
  private mutating func checkSendQueues() {
    for interface in 0..<header.interfaceCount {
      var seen = Set<UInt16>()
      let driver = world.kernel.interfaceDrivers[interface]
      let table = FakeMachine.Place.networkRings + UInt64(interface) * 16384 + 8192
      var descriptor = driver.freeDescriptor
      for _ in 0..<driver.freeDescriptors {
        if !seen.insert(descriptor).inserted { faults.append("send descriptor \(descriptor) is free twice") }
        descriptor = world.machine.get(table + UInt64(descriptor) * 16 + 14)
      }
      var chained = 0
      for head: UInt32 in 0..<256 where world.kernel.sendOwners[interface * 256 + head] != 0 {
        let chain = sendChain(interface, UInt16(head))
        chained += chain.count
        for part in [UInt16(head)] + chain.dropLast().map(\.next) where !seen.insert(part).inserted {
          faults.append("send descriptor \(part) is in use twice")
        }
      }
      if chained + Int(driver.freeDescriptors) != 256 {
        faults.append("\(chained) chained and \(driver.freeDescriptors) free send descriptors")
      }
    }
  }

  /// Positions belong to living environments, and each has what its record says.
  private mutating func checkSlices() {
    var counts = [UInt32](repeating: 0, count: Int(BooksLayout.environments))
    for position in 0..<UInt32(BooksLayout.slices) {
      let owner = world.kernel.slices[position]
      if own.slicesTaken >> UInt64(position) & 1 != (owner == 0 ? 0 : 1) {
        faults.append("slice \(position) of \(owner)")
      }
      if owner != 0 { counts[Int(owner) - 1] += 1 }
    }
    for environment in 0..<UInt32(BooksLayout.environments) {
      let record = record(environment)
      if record.slices != counts[Int(environment)] {
        faults.append("\(environment) has \(counts[Int(environment)]) slices")
      }
      if !isAlive(environment), record.slices != 0 { faults.append("dead \(environment) has slices") }
    }
    // Calls walk the page table in force without asking whose it is.
    if header.currentEnvironment != BooksLayout.noEnvironment,
      own.activeEnvironment != header.currentEnvironment
        || own.activeRoot != UInt64(record(header.currentEnvironment).rootTable) << 12
        || world.machine.activated.count < 1000 && world.machine.activated.last != own.activeRoot
    {
      faults.append("\(header.currentEnvironment) runs with the page table of \(own.activeEnvironment)")
    }
    let alive = (0..<UInt32(BooksLayout.environments)).filter { isAlive($0) }.count
    if UInt32(alive) != header.liveEnvironments {
      faults.append("\(alive) live environments, not \(header.liveEnvironments)")
    }
    for extent in 0..<UInt32(BooksLayout.extents) where world.kernel.extents[extent].count != 0 {
      if !isAlive(world.kernel.extents[extent].owner) { faults.append("extent \(extent) is a dead one's") }
    }
  }
}
