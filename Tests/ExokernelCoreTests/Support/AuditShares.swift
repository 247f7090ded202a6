import ExokernelABI

@testable import ExokernelCore

// What environments have of devices: counted anew, and divided anew.
extension Audit {
  /// Uses and limits of every disk and every interface.
  mutating func checkShares() {
    for disk in 0..<header.diskCount {
      var counted = [Int](repeating: 0, count: all.count)
      var extents = [Int](repeating: 0, count: all.count)
      for request: UInt32 in 0..<32 where world.kernel.diskDrivers[disk].freeRequests >> request & 1 == 0 {
        counted[Int(world.kernel.diskRequests[disk * 32 + request].environment)] += 1
      }
      for index in 0..<UInt32(BooksLayout.extents) {
        let extent = world.kernel.extents[index]
        if extent.count != 0, UInt32(extent.disk) == disk { extents[Int(extent.owner)] += 1 }
      }
      let waiting = world.kernel.diskDrivers[disk].waiting
      checkShares("disk \(disk)", first: disk * 64, counted, extents, waiting, capacity: 32, least: 1)
    }
    for interface in 0..<header.interfaceCount {
      var counted = [Int](repeating: 0, count: all.count)
      for head: UInt32 in 0..<256 where world.kernel.sendOwners[interface * 256 + head] != 0 {
        let owner = Int(world.kernel.sendOwners[interface * 256 + head]) - 1
        counted[owner] += sendChain(interface, UInt16(head)).count
      }
      let none = [Int](repeating: 0, count: all.count)
      let waiting = world.kernel.interfaceDrivers[interface].waiting
      let first = (UInt32(BooksLayout.disks) + interface) * 64
      checkShares("interface \(interface)", first: first, counted, none, waiting, capacity: 256, least: 19)
    }
  }

  private mutating func checkShares(
    _ device: String, first: UInt32, _ counted: [Int], _ extents: [Int], _ waiting: UInt64, capacity: Int, least: Int
  ) {
    let uses = all.map { world.kernel.deviceUses[first + UInt32($0)] }
    let members = all.filter { uses[$0].extents != 0 || uses[$0].isUser }
    let accounts = Dictionary(grouping: members) { environments[$0].account }
    let part = max(least, capacity / max(1, accounts.count))
    for index in all {
      let use = uses[index]
      let place = "\(device), environment \(index): \(use)"
      if Int(use.inFlight) != counted[index] { faults.append("\(place): \(counted[index]) in flight") }
      if Int(use.extents) != extents[index] { faults.append("\(place): \(extents[index]) extents") }
      let mates = accounts[environments[index].account] ?? []
      var share = members.contains(index) ? part / max(1, mates.count) : 0
      if share < least, let place = mates.firstIndex(of: index) { share = (place + 1) * least <= part ? least : 0 }
      if Int(use.limit) != share { faults.append("\(place): a share of \(share)") }
      let waits = waiting >> UInt64(index) & 1 != 0
      if !isAlive(index), waits || use.extents != 0 || use.isUser { faults.append("\(place): it has ended") }
    }
    // Whoever waits for a disk will be told: something is in flight. What an interface has sent may have been taken
    // over before the interrupt for it.
    let hasRoom = all.contains { waiting >> UInt64($0) & 1 != 0 && uses[$0].limit != 0 }
    if hasRoom, least == 1, counted.reduce(0, +) == 0 { faults.append("\(device): \(waiting) wait for nothing") }
  }
}
