import ExokernelABI
import VirtioLayout

@testable import ExokernelCore

// What keeps frames in place: devices and bindings.
extension Audit {
  /// Pins are what requests in flight, bound rings, predicates and regions hold.
  mutating func checkPins() {
    var pins = [UInt32](repeating: 0, count: Int(header.frameCount))
    var inFlight = [UInt32](repeating: 0, count: Int(BooksLayout.extents))
    for disk in 0..<header.diskCount {
      for request: UInt32 in 0..<32 where world.kernel.diskDrivers[disk].freeRequests >> request & 1 == 0 {
        pins[Int(world.kernel.diskRequests[disk * 32 + request].frame)] += 1
        inFlight[Int(world.kernel.diskRequests[disk * 32 + request].extent)] += 1
      }
    }
    for extent in 0..<UInt32(BooksLayout.extents) where world.kernel.extents[extent].inFlight != inFlight[Int(extent)] {
      faults.append("extent \(extent) has \(inFlight[Int(extent)]) requests in flight")
    }
    for interface in 0..<header.interfaceCount {
      for head: UInt32 in 0..<256 where world.kernel.sendOwners[interface * 256 + head] != 0 {
        for part in sendChain(interface, UInt16(head)).dropFirst() { pins[Int(part.address >> 12)] += 1 }
      }
    }
    for filter in 0..<UInt32(BooksLayout.filters) where world.kernel.filters[filter].ownerPlusOne != 0 {
      if filter >= header.filterCount { faults.append("filter \(filter) is above the count \(header.filterCount)") }
      let data = (0..<(world.kernel.ringBindings[filter].mask + 1) / 2).map {
        world.kernel.ringFrames[filter * 32 + $0]
      }
      for frame in [world.kernel.filters[filter].ringFrame] + data {
        pins[Int(frame)] += 1
        checkHeld(frame, by: world.kernel.filters[filter].ownerPlusOne, "filter \(filter)")
      }
    }
    for region in 0..<UInt32(BooksLayout.regions) where world.kernel.regions[region].ownerPlusOne != 0 {
      let record = world.kernel.regions[region]
      pins[Int(record.frame)] += 1
      checkHeld(record.frame, by: record.ownerPlusOne, "region \(region)")
      if record.count == 0 || record.offset + record.count > 4096 { faults.append("region \(region): \(record)") }
    }
    for environment in all {
      let binding = world.kernel.predicates[UInt32(environment)]
      if binding.count != 0, !isAlive(environment) { faults.append("\(environment) is dead and has a predicate") }
      for index in 0..<Int(binding.count) where binding.comparisons[index].word >> 12 >= UInt64(header.firstFrame) {
        pins[Int(binding.comparisons[index].word >> 12)] += 1
      }
    }
    for frame in 0..<Int(header.frameCount) where UInt32(frames[frame].pins) != pins[frame] {
      faults.append("frame \(frame) is pinned \(pins[frame]) times, told are \(frames[frame].pins)")
    }
  }

  private mutating func checkHeld(_ frame: UInt32, by ownerPlusOne: UInt32, _ holder: String) {
    let record = frames[Int(frame)]
    if record.kind != FrameKind.memory.rawValue || UInt32(record.owner) + 1 != ownerPlusOne {
      faults.append("\(holder) holds frame \(frame) of \(record.owner)")
    }
  }

  func sendChain(_ interface: UInt32, _ head: UInt16) -> [VirtqueueDescriptor] {
    let table = FakeMachine.Place.networkRings + UInt64(interface) * 16384 + 8192
    var all: [VirtqueueDescriptor] = [world.machine.get(table + UInt64(head) * 16)]
    while all[all.count - 1].flags & 1 != 0, all.count <= 256 {
      all.append(world.machine.get(table + UInt64(all[all.count - 1].next) * 16))
    }
    return all
  }

  /// Every send descriptor is free once or in one chain.
  mutating func checkSendQueues() {
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
}
