import ExokernelABI

@testable import ExokernelCore

/// A naive model of who owns what and who may do what: it hears of every call that the kernel accepted, believes
/// nothing that it would not have allowed itself, and shares no code with the kernel.
struct OwnershipModel {
  /// A name, with what it allows where it is a capability's.
  struct Name: Equatable {
    var bytes: UInt64 = 0
    var length: UInt64 = 0
    var rights: UInt32 = 0

    init() {}
    init(_ bytes: UInt64, length: UInt64, rights: UInt32 = 0) {
      self.bytes = length == 0 ? 0 : (bytes >> (64 - 8 * length)) << (64 - 8 * length)
      self.length = length
      self.rights = rights
    }

    /// The name as the kernel keeps it in guards.
    var guardName: UInt64 { length == 8 ? bytes : bytes | ~0 >> (8 * length) }

    /// True where this name begins the other one, and has these rights.
    func dominates(_ other: Name, _ needed: UInt32) -> Bool {
      guard rights & needed == needed, length <= other.length else { return false }
      return length == 0 || (bytes ^ other.bytes) >> (64 - 8 * length) == 0
    }
  }

  enum Kind: UInt8 { case nothing, memory, table, page, large, part }

  struct Frame {
    /// Number of the life that owns it, 0 for none.
    var owner = 0
    var kind = Kind.nothing
    var name = Name()
    var allowed: UInt32 = 7
    var references = 0
  }

  struct Environment {
    /// Number of its life, 0 where it does not live.
    var life = 0
    var handle: UInt64 = 0
    var name = Name()
    var root: UInt32 = 0
    var page: UInt32 = 0
    var pageAddress: UInt64 = 0
    /// Life of its creator.
    var creator = 0
    var limits: [UInt32] = Array(repeating: 0, count: 6)
    var isStarted = false
    var capabilities: [Name?] = Array(repeating: nil, count: 16)
    var acceptances: [UInt64] = Array(repeating: 0, count: 16)
    /// True where somebody on another processor destroyed it.
    var isDoomed = false
  }

  struct Mapping: Equatable {
    var frame: UInt32
    var rights: UInt32
  }

  struct Region {
    var owner: Int
    var frame: UInt32
    var offset: UInt64
    var count: UInt64
    var name: Name
  }

  var frames: [Frame]
  var environments = Array(repeating: Environment(), count: 64)
  /// Highest generation of each record so far.
  var generations = [UInt64](repeating: 0, count: 64)
  /// Whether the environment with a life's number lives, 0 is nobody's.
  var isAlive = [false]
  /// Pages of each root table.
  var mappings: [UInt32: [UInt64: Mapping]] = [:]
  /// Owners' lives and guards of the positions of all slice vectors.
  var slices = Array(repeating: (owner: 0, name: Name()), count: 256)
  var regions: [UInt64: Region] = [:]
  /// Guards of bound filters and extents, with their owners' lives, by handle.
  var filters: [UInt64: (owner: Int, name: Name)] = [:]
  var extents: [UInt64: (owner: Int, name: Name, rights: UInt64, count: UInt64)] = [:]
  var faults: [String] = []

  init(frameCount: UInt32) { frames = Array(repeating: Frame(), count: Int(frameCount)) }

  /// Notes a fault where something was accepted that should not have been.
  mutating func require(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition, faults.count < 20 { faults.append("accepted: \(text())") }
  }

  /// The living environment that a handle names.
  func index(_ handle: UInt64) -> Int? {
    let index = Int(handle & 0xff)
    return index < 64 && environments[index].life != 0 && environments[index].handle == handle ? index : nil
  }

  /// The record of the environment with a life, where it lives.
  func record(_ life: Int) -> Int? { isAlive[life] ? environments.firstIndex { $0.life == life } : nil }

  /// What the environment presents with a slot; nothing allows nothing.
  func capability(_ environment: Int, _ slot: UInt64) -> Name? {
    slot < 16 ? environments[environment].capabilities[Int(slot)] : nil
  }

  /// Requires a capability that dominates a name with rights.
  mutating func require(_ environment: Int, _ slot: UInt64, _ rights: UInt32, over name: Name, _ call: String) {
    require(capability(environment, slot)?.dominates(name, rights) == true, "\(call) without the capability")
  }

  /// Whose page table a call means; nil with a fault where that is nobody's.
  mutating func target(_ environment: Int, _ table: UInt64, _ call: String) -> Int? {
    if table == Handle.own { return environment }
    guard let target = index(table & 0xffff_ffff) else {
      require(false, "\(call) on the page table of nobody")
      return nil
    }
    require(environment, table >> 32, Rights.control.rawValue, over: environments[target].name, call)
    return target
  }

  // Frames.

  /// The kernel gave a frame to an environment.
  mutating func gave(_ frame: UInt32, to environment: Int, _ kind: Kind, _ name: Name, _ call: String) {
    let before = frames[Int(frame)]
    require(!isAlive[before.owner], "\(call) of frame \(frame), which is another's")
    require(before.references == 0, "\(call) of frame \(frame), which is mapped")
    frames[Int(frame)] = Frame(owner: environments[environment].life, kind: kind, name: name)
  }

  /// A frame went back.
  mutating func free(_ frame: UInt32, _ call: String) {
    require(frames[Int(frame)].references == 0, "\(call) of frame \(frame), which is mapped")
    frames[Int(frame)] = Frame()
  }

  mutating func map(_ root: UInt32, _ page: UInt64, _ frame: UInt32, _ rights: UInt32, _ call: String) {
    let before = mappings[root, default: [:]].updateValue(Mapping(frame: frame, rights: rights), forKey: page)
    require(before == nil, "\(call) at \(page), where there is a page")
    frames[Int(frame)].references += 1
  }

  @discardableResult
  mutating func unmap(_ root: UInt32, _ page: UInt64, _ call: String) -> UInt32? {
    guard let before = mappings[root, default: [:]].removeValue(forKey: page) else {
      require(false, "\(call) at \(page), where there is no page")
      return nil
    }
    frames[Int(before.frame)].references -= 1
    return before.frame
  }

  // Environments.

  /// An environment began: its record is new, or was nobody's.
  mutating func began(_ handle: UInt64, _ record: EnvironmentRecord, creator: Int) -> Int {
    let index = Int(handle & 0xff)
    let generation = handle >> 8
    require(environments[index].life == 0, "a second environment in record \(index)")
    require(generation > generations[index], "handle \(handle) a second time")
    generations[index] = generation
    let life = isAlive.count
    isAlive.append(true)
    var new = Environment()
    new.life = life
    new.handle = handle
    new.name = Name(1 << 56 | UInt64(index) << 48 | generation << 24, length: 5)
    new.root = record.rootTable
    new.page = record.environmentPage
    new.pageAddress = record.pageAddress
    new.creator = creator
    for kind in 0..<6 { new.limits[kind] = record.quotas.values[kind].limit }
    new.capabilities[0] = Name(new.name.bytes, length: 5, rights: 255)
    environments[index] = new
    gave(new.page, to: index, .page, new.name, "environment page")
    if !environments.indices.contains(where: {
      $0 != index && environments[$0].life != 0 && environments[$0].root == new.root
    }) {
      gave(new.root, to: index, .table, new.name, "root table")
      mappings[new.root] = [:]
    }
    return index
  }

  /// An environment ended, and holds nothing but frames that go back.
  mutating func ended(_ index: Int) {
    let life = environments[index].life
    let root = environments[index].root
    let page = environments[index].pageAddress
    isAlive[life] = false
    environments[index] = Environment()
    for slice in slices.indices where slices[slice].owner == life { slices[slice] = (0, Name()) }
    regions = regions.filter { $0.value.owner != life }
    filters = filters.filter { $0.value.owner != life }
    extents = extents.filter { $0.value.owner != life }
    if environments.contains(where: { $0.life != 0 && $0.root == root }) {
      if let mapping = mappings[root]?[page], frames[Int(mapping.frame)].kind == .page,
        frames[Int(mapping.frame)].owner == life
      {
        unmap(root, page, "end")
      }
    } else {
      for mapping in mappings[root, default: [:]].values { frames[Int(mapping.frame)].references -= 1 }
      mappings[root] = nil
    }
  }
}
