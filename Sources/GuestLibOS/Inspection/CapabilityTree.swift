import ExokernelABI

/// One environment's slot that holds a capability.
public struct CapabilityHolder: Sendable {
  /// The environment's number.
  public var environment: UInt8
  /// Its slot.
  public var slot: UInt8
  /// What it allows.
  public var rights: Rights
}

/// A name that a capability or an environment's guard has.
public struct CapabilityNode: Sendable {
  /// The name's bytes, first byte most significant, unused ones zero.
  public var name: UInt64
  /// Number of bytes in the name, 0...8.
  public var length: UInt32
  /// Names of the tree above it.
  public internal(set) var depth = 0
  /// True where no name follows that has the same one right above it.
  public internal(set) var isLast = true
  /// Who holds capabilities of this name, by environment and slot.
  public internal(set) var holders: [CapabilityHolder] = []
  /// Environments whose guard it is.
  public internal(set) var guarded: [UInt8] = []

  /// True where this name is a prefix of `other`'s: it dominates it.
  func isPrefix(of other: CapabilityNode) -> Bool {
    length <= other.length && (name ^ other.name) & Capability(name: 0, length: length, rights: .none).mask == 0
  }
}

/// The capabilities of all environments as the tree of their names: below a name are those that it dominates.
public struct CapabilityTree: Sendable {
  /// Depth first, brothers in the order of their bytes.
  public private(set) var nodes: [CapabilityNode] = []

  /// Collects what the environments of these numbers hold, and their guards.
  public init(_ books: BooksReader, environments: [EnvironmentSummary]) {
    for environment in environments {
      let number = UInt8(truncatingIfNeeded: environment.number)
      for slot in 0..<CapabilitySlot.count {
        guard let held = books.capability(of: environment.number, slot: slot), !held.rights.isEmpty else { continue }
        let index = place(held)
        nodes[index].holders.append(
          CapabilityHolder(environment: number, slot: UInt8(truncatingIfNeeded: slot), rights: held.rights))
      }
      let guardName = environment.record.guardName
      let length = UInt32(truncatingIfNeeded: Capability.length(ofGuard: guardName))
      let index = place(Capability(name: guardName, length: length, rights: .all))
      nodes[index].guarded.append(number)
    }
    findDepths()
  }

  /// The index of the node of a capability's name, which is made where there is none. Zero-padded names in the order of
  /// their numbers, shorter ones first where these are equal, are the tree depth first.
  private mutating func place(_ capability: Capability) -> Int {
    var low = 0
    var high = nodes.count
    while low < high {
      let middle = (low + high) / 2
      let node = nodes[middle]
      if node.name < capability.name || node.name == capability.name && node.length < capability.length {
        low = middle + 1
      } else {
        high = middle
      }
    }
    if low < nodes.count, nodes[low].name == capability.name, nodes[low].length == capability.length { return low }
    nodes.insert(CapabilityNode(name: capability.name, length: capability.length), at: low)
    return low
  }

  private mutating func findDepths() {
    var path: [Int] = []
    for index in nodes.indices {
      while let last = path.last, !nodes[last].isPrefix(of: nodes[index]) { path.removeLast() }
      nodes[index].depth = path.count
      path.append(index)
    }
    // From the end: whether a brother was met that no shallower name separates.
    var met: [Bool] = []
    for index in nodes.indices.reversed() {
      let depth = nodes[index].depth
      while met.count > depth + 1 { met.removeLast() }
      while met.count <= depth { met.append(false) }
      nodes[index].isLast = !met[depth]
      met[depth] = true
    }
  }
}
