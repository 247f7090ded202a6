import ExokernelABI
import RandomFixtures
import VirtioLayout

@testable import ExokernelCore

/// One run of the model test: environments that mean no good, on two processors, and devices that do not either.
final class ModelRun {
  typealias Name = OwnershipModel.Name

  let world: World
  let disk = FakeDisk(blocks: 256)
  let network = FakeNetwork(features: (VirtioFeatures.networkChecksum | .networkHostTSO4).rawValue)
  var generator: SeededGenerator
  var model: OwnershipModel
  var calls = 0
  var accepted = 0
  var ended = 0
  /// Calls that were accepted, and all, by number.
  var acceptedCalls = [Int](repeating: 0, count: Int(CallNumber.count))
  var allCalls = [Int](repeating: 0, count: Int(CallNumber.count))
  let total: UInt32

  var kernel: Kernel<FakeMachine> { world.kernel }
  var machine: FakeMachine { world.machine }
  /// Who runs on the processor that executes.
  var current: Int { Int(kernel.current) }
  var faults: [String] { model.faults }

  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
    world = World(programs: 2, memory: 8 << 20, disk: disk, network: network, processors: 2)
    total = world.kernel.header.value.frameCount - world.kernel.header.value.firstFrame
    model = OwnershipModel(frameCount: world.kernel.header.value.frameCount)
    for index in 0..<2 { model.loaded(index, world) }
    // Large frames are asked for while there are some, and the console is drawn upon while somebody may: later that is
    // seldom.
    world.run(0)
    for _ in 0..<100 where acceptedCalls[Int(CallNumber.consoleDraw.rawValue)] == 0 { consoleDraw() }
    for _ in 0..<4000 where acceptedCalls[Int(CallNumber.largeFree.rawValue)] < 3 { largeCall() }
  }

  // Random arguments.

  func random(_ range: Range<UInt64>) -> UInt64 { .random(in: range, using: &generator) }
  func chance(_ part: UInt64) -> Bool { generator.next() % part == 0 }
  func pick<Value>(_ values: [Value]) -> Value { values[Int(generator.next() % UInt64(values.count))] }

  /// A slot: mostly the environment's own name, often another that is full.
  func slot() -> UInt64 { chance(3) ? (chance(30) ? pick([16, 17, 1 << 32, .max]) : random(0..<16)) : 0 }

  /// A slot: mostly one that allows `rights` over a name.
  func slot(over name: Name, _ rights: UInt32) -> UInt64 {
    let held = model.environments[current].capabilities
    guard !chance(3), let found = held.firstIndex(where: { $0?.dominates(name, rights) == true }) else { return slot() }
    return UInt64(found)
  }

  /// A slot, preferably an empty one.
  func emptySlot() -> UInt64 {
    let start = random(4..<16)
    for step in UInt64(0)..<12 where model.environments[current].capabilities[Int(4 + (start + step) % 12)] == nil {
      return 4 + (start + step) % 12
    }
    return start
  }

  /// A frame: often one of the running environment's, sometimes anybody's, seldom none at all.
  func frame() -> UInt64 {
    if chance(40) { return pick([0, 1, UInt64(model.frames.count), 1 << 32, .max, CallNumber.any, 1024, 1536]) }
    // Seldom beyond the middle of memory: what was single once is never large again before it has all come back.
    let end = chance(2000) ? UInt64(model.frames.count) : UInt64(model.frames.count) / 2
    if chance(4) { return random(UInt64(kernel.header.value.firstFrame)..<end) }
    var frame = kernel.environments[kernel.current].firstFrame
    for _ in 0..<generator.next() % 8 where frame != 0 && kernel.frames[frame].next != 0 {
      frame = kernel.frames[frame].next
    }
    return UInt64(frame)
  }

  /// An address: mostly in a few pages, so that calls meet.
  func address() -> UInt64 {
    if chance(25) { return pick(PageTableTests.badAddresses) }
    if chance(5) {
      return pick([0, 0x40_0000, 0x40_2000, 0x5f_8000, AddressMap.environmentPage, 0x10_0000_0000, 0x5fff_ffff_f000])
    }
    let places: [UInt64] = [
      0x50_0000, 0x50_0000, 0x51_0000, 0x52_0000, 0x53_0000, 0xc000_0000, 0xc020_0000, 0x3f_0000_0000,
    ]
    return pick(places) + generator.next() % 24 * 4096
  }

  func largeAddress() -> UInt64 {
    chance(10) ? address() : AddressMap.largePages + generator.next() % 4 * AddressMap.largePageSize
  }

  /// A handle of an environment: mostly a living one.
  func environment() -> UInt64 {
    if chance(30) { return pick([0, Handle.own, 0x140, 0x1ff, .max, 1 << 32]) }
    let handle = model.environments[Int(generator.next() % (chance(4) ? 64 : 8))].handle
    return chance(20) ? handle + 256 : handle
  }

  /// A page table: mostly the caller's own, or that of one of its children.
  func table() -> UInt64 {
    if !chance(4) { return Handle.own }
    if let child = child() { return child.handle | child.slot << 32 }
    return environment() | slot() << 32
  }

  /// A child of the running environment's, with a slot that may control it.
  func child() -> (handle: UInt64, slot: UInt64)? {
    let me = model.environments[current]
    let start = Int(generator.next() % 64)
    for step in 0..<64 {
      let other = model.environments[(start + step) % 64]
      guard other.life != 0, other.creator == me.life else { continue }
      for slot in 1..<16 where me.capabilities[slot]?.dominates(other.name, Rights.control.rawValue) == true {
        return (other.handle, UInt64(slot))
      }
    }
    return nil
  }

  /// Who could be called, with a slot for it.
  func callee() -> (handle: UInt64, slot: UInt64)? {
    let me = model.environments[current]
    let start = Int(generator.next() % 64)
    for step in 0..<64 {
      let index = (start + step) % 64
      let other = model.environments[index]
      let record = kernel.environments[UInt32(index)]
      guard other.life != 0, record.awaited == me.handle || record.transferEntry != 0,
        record.state == EnvironmentState.sleeping.rawValue || record.state == EnvironmentState.calling.rawValue
      else { continue }
      if let slot = me.capabilities.firstIndex(where: { $0?.dominates(other.name, Rights.call.rawValue) == true }) {
        return (other.handle, UInt64(slot))
      }
    }
    return nil
  }

  /// A name: mostly a part of the running environment's, or one below it.
  func name() -> (bytes: UInt64, length: UInt64) {
    if chance(30) { return (generator.next(), pick([0, 8, 9, 1 << 31])) }
    if chance(10) { return (CapabilityName.name(pick([1, 2, 3, 4]), random(0..<3)), random(1..<3)) }
    let own = model.environments[current].name
    return (
      own.bytes | generator.next() % 3 << 16 | generator.next() % 2 << 8, chance(4) ? random(1..<9) : random(5..<8)
    )
  }

  /// Counts a call; its value where it was accepted.
  func call(_ number: CallNumber, _ result: CallResult) -> UInt64? {
    calls += 1
    allCalls[Int(number.rawValue)] += 1
    guard result.error == nil else { return nil }
    accepted += 1
    acceptedCalls[Int(number.rawValue)] += 1
    return result.number
  }

  /// Counts a call that nothing refuses.
  func allow(_ number: CallNumber) { _ = call(number, .success) }

  // Steps.

  func step() {
    if chance(12) { machine.processor = UInt32(generator.next() % 2) }
    if kernel.current == BooksLayout.noEnvironment, !next() { return idle() }
    machine.touch(address())
    // Who has lost its own name can do little.
    if model.environments[current].capabilities[0] == nil, chance(50) {
      allow(.exit)
      end(current, status: 0)
      next()
      return
    }
    switch generator.next() % 100 {
    case 0..<38: memoryCall()
    case 38..<58: protectionCall()
    case 58..<66: diskCall()
    case 66..<73: networkCall()
    case 73..<83: deviceAct()
    case 83..<88: scribble()
    default: processorCall()
    }
  }

  /// What a processor does when nobody runs on it: chores, then whose turn it is; false where nobody can run.
  @discardableResult func next() -> Bool {
    _ = kernel.receiveRest()
    if kernel.hasChores { doChores() }
    if let turn = kernel.nextTurn() {
      kernel.enter(turn)
      model.require(model.environments[Int(turn.environment)].isStarted, "a turn of \(turn.environment)")
      return true
    }
    kernel.armForIdle()
    return false
  }

  private func idle() {
    doChores()
    _ = kernel.cleanLarge()
    machine.now += 1000
    machine.processor = UInt32(generator.next() % 2)
    if kernel.header.value.liveEnvironments < 6 || chance(10) { load() }
    for index in model.environments.indices where model.environments[index].life != 0 {
      if chance(3) { kernel.page(of: UInt32(index)).value.events &+= 1 }
      // Children whose creators are gone would be there for ever.
      if chance(100), kernel.environments[UInt32(index)].processorPlusOne == 0 { end(index, status: 0) }
    }
  }

  /// The kernel's own work, and what the model learns of it.
  func doChores() {
    let before = kernel.kernelPrivate.value
    _ = kernel.doChores()
    if before.destroyed != 0 { noteDoomed() }
    let isSweeping = before.sweep.wanted != before.sweep.ended
    if before.asked != 0 || before.reaping != 0 || isSweeping { noteTaken(before.asked) }
  }

  /// Loads a program as at boot, where there is room.
  func load() {
    guard kernel.freeSlice(CallNumber.any) != nil, let environment = try? world.load() else { return }
    kernel.start(environment, at: 0x40_0000, stack: AddressMap.environmentPage)
    model.loaded(Int(environment), world)
  }

  func end(_ environment: Int, status: UInt32) {
    kernel.end(UInt32(environment), status: status)
    model.ended(environment)
    ended += 1
  }

  /// Ends everybody, lets the devices finish, and takes everything back.
  func endAll() {
    for index in model.environments.indices where model.environments[index].life != 0 { end(index, status: 0) }
    for processor: UInt32 in 0..<2 {
      machine.processor = processor
      kernel.armForIdle()
    }
    // The devices have lied about what they had done; a last honest word for everything that they still have.
    for request: UInt32 in 0..<32 where kernel.diskDrivers[0].freeRequests >> request & 1 == 0 {
      for _ in 0..<5 { kernel.deviceInterrupt(UInt64(disk.interrupt)) }
      disk.pushUsed(0, id: request * 3, length: 1)
      for _ in 0..<5 { kernel.deviceInterrupt(UInt64(disk.interrupt)) }
    }
    for head: UInt32 in 0..<256 where kernel.sendOwners[head] != 0 {
      for _ in 0..<100 { kernel.reclaimSent(0) }
      network.pushUsed(1, id: head, length: 0)
      kernel.reclaimSent(0)
    }
    world.reapAll()
    while kernel.cleanLarge() {}
  }
}
