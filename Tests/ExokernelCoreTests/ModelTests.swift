import RandomFixtures
import ExokernelABI
import Glibc
import Testing
import VirtioLayout

@testable import ExokernelCore

/// Random calls with random arguments in random order, by environments and devices that mean no good, against the scan of everything
/// that `Audit` makes. `XOKVM_MODEL_CALLS` sets the number of calls, `XOKVM_MODEL_SEED` repeats a run.
@Suite("Any sequence of calls")
struct ModelTests {
  @Test("keeps the books true: no frame has two owners, no table is mapped, references and pins are what a scan finds")
  func random() {
    let seed = getenv("XOKVM_MODEL_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
    let calls = getenv("XOKVM_MODEL_CALLS").flatMap { Int(String(cString: $0)) } ?? 200_000
    print("seed of the model test: \(seed), calls: \(calls)")
    var run = ModelRun(seed: seed)
    var step = 0
    while step < calls {
      for _ in 0..<500 {
        run.step()
        step += 1
      }
      run.checkRefusals()
      let faults = Audit.faults(run.world) + run.faults
      #expect(faults.isEmpty, "seed \(seed), before call \(step): \(faults.prefix(5).joined(separator: "; "))")
      guard faults.isEmpty else { return }
    }
    run.endAll()
    let faults = Audit.faults(run.world)
    #expect(faults.isEmpty, "seed \(seed), at the end: \(faults.prefix(5).joined(separator: "; "))")
    #expect(run.world.kernel.header.value.freeFrames == run.total, "seed \(seed): everything went back")
    print("the model test's calls: \(run.accepted) accepted, \(run.refused) refused, \(run.ended) environments ended")
    #expect(run.accepted > calls / 10 && run.refused > calls / 10)
  }
}

/// One run of the model test.
struct ModelRun {
  let world: World
  let disk = FakeDisk(blocks: 256)
  let network = FakeNetwork(features: (VirtioFeatures.networkChecksum | .networkHostTSO4).rawValue)
  var generator: SeededGenerator
  var faults: [String] = []
  var accepted = 0
  var refused = 0
  var ended = 0
  let total: UInt32

  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
    world = World(programs: 4, memory: 4 << 20, disk: disk, network: network)
    total = world.kernel.header.value.frameCount - world.kernel.header.value.firstFrame
  }

  private mutating func random(_ range: Range<UInt64>) -> UInt64 { .random(in: range, using: &generator) }
  private mutating func chance(_ part: UInt64) -> Bool { random(0..<part) == 0 }
  private mutating func pick(_ values: [UInt64]) -> UInt64 { values.randomElement(using: &generator)! }

  private mutating func slot() -> UInt64 { chance(12) ? pick([3, 15, 16, .max]) : pick([0, 0, 0, 1, 2]) }

  /// A frame: often one of the running environment's, sometimes anybody's, seldom none at all.
  private mutating func frame() -> UInt64 {
    let header = world.kernel.header.value
    if chance(30) { return pick([0, 1, UInt64(header.frameCount), 1 << 32, .max, CallNumber.any]) }
    if chance(3) { return random(UInt64(header.firstFrame)..<UInt64(header.frameCount)) }
    var frame = world.kernel.environments[world.kernel.current].firstFrame
    for _ in 0..<random(0..<8) where frame != 0 && world.kernel.frames[frame].next != 0 {
      frame = world.kernel.frames[frame].next
    }
    return UInt64(frame)
  }

  /// An address: mostly in a few pages, so that calls meet.
  private mutating func address() -> UInt64 {
    if chance(20) { return PageTableTests.badAddresses.randomElement(using: &generator)! }
    if chance(4) {
      return pick([0x40_0000, 0x40_2000, 0x5f_8000, AddressMap.environmentPage, 0x10_0000_0000, 0x6fff_ffff_f000])
    }
    return pick([0x50_0000, 0x51_0000, 0xc000_0000, 0xc020_0000, 0x70_0000_0000]) + random(0..<24) * 4096
  }

  private mutating func note(_ result: CallResult) {
    if result.error == nil { accepted += 1 } else { refused += 1 }
  }

  /// Every refusal is counted in the books, and nothing else is.
  mutating func checkRefusals() {
    let told = world.kernel.header.value.counters.refusals
    if told != UInt64(refused) { faults.append("\(refused) calls were refused, told are \(told)") }
  }

  mutating func step() {
    if world.kernel.current == BooksLayout.noEnvironment {
      if world.kernel.header.value.liveEnvironments < 3 || chance(40) { start() }
      if let next = world.kernel.nextRunnable() {
        world.kernel.enter(next)
      } else {
        wakeSomebody()
        return
      }
    }
    switch random(0..<100) {
    case 0..<40: memoryCall()
    case 40..<52: diskCall()
    case 52..<64: networkCall()
    case 64..<84: deviceAct()
    case 84..<90: scribble()
    default: processorCall()
    }
  }

  private mutating func memoryCall() {
    let kernel = world.kernel
    switch random(0..<12) {
    case 0...2:
      let wanted = chance(3) ? frame() : CallNumber.any
      let before = kernel.header.value.freeFrames
      let result = kernel.frameAllocate(slot: slot(), frame: wanted)
      note(result)
      guard result.error == nil else { break }
      let taken = UInt32(result.number)
      if !world.machine.isZero(frame: taken) { faults.append("frame \(taken) was given with its last owner's data") }
      if kernel.header.value.freeFrames != before - 1 { faults.append("the count of free frames") }
      if kernel.frames[taken].owner != UInt16(kernel.current) { faults.append("frame \(taken) is another's") }
    case 3: note(kernel.frameFree(slot: slot(), frame: frame()))
    case 4...6: note(kernel.frameMap(slot: slot(), frame: frame(), address: address(), rights: random(0..<9)))
    case 7...8: note(kernel.frameUnmap(address: address()))
    case 9: note(kernel.tableInstall(slot: slot(), frame: frame(), address: address(), level: random(0..<5)))
    case 10:
      let count = chance(10) ? pick([0, 65, .max]) : random(1..<20)
      note(kernel.framesAllocateMapped(slot: slot(), address: address(), count: count))
    default:
      // Memory is small: give something back.
      for _ in 0..<4 { note(kernel.frameFree(slot: 0, frame: frame())) }
    }
  }

  private mutating func diskCall() {
    let kernel = world.kernel
    if chance(6) {
      let first = chance(8) ? pick([255, 256, .max]) : random(0..<200)
      note(
        kernel.extentBind(
          slot: slot(), disk: chance(10) ? pick([1, .max]) : 0, first: first, count: random(0..<60),
          rights: random(0..<5)))
      return
    }
    let block = chance(10) ? .max - random(0..<9) : random(0..<60)
    let operation = random(0..<10) | (chance(2) ? 1 << 32 : 0)
    let tag = chance(20) ? 64 : random(0..<64)
    note(kernel.blockSubmit(extent: random(0..<34), block: block, frame: frame(), operation: operation, tag: tag))
  }

  private mutating func networkCall() {
    let kernel = world.kernel
    switch random(0..<8) {
    case 0:
      let code = frame()
      let ring = frame()
      if ring < UInt64(kernel.header.value.frameCount), ring >= UInt64(kernel.header.value.firstFrame),
        kernel.frames[UInt32(ring)].kind == FrameKind.memory.rawValue
      {
        for index in 0..<UInt64(4) {
          world.machine.put(ring << 12 + PacketRing.framesOffset + index * 4, UInt32(truncatingIfNeeded: frame()))
        }
        kernel.frames[UInt32(ring)].dirty = 1
      }
      if code < UInt64(kernel.header.value.frameCount), code >= UInt64(kernel.header.value.firstFrame), !chance(5),
        kernel.frames[UInt32(code)].kind == FrameKind.memory.rawValue
      {
        // Move 1 to r0, exit: everything is mine.
        world.machine.put(code << 12, 0x0000_0001_0000_00b7 as UInt64)
        world.machine.put(code << 12 + 8, 0x95 as UInt64)
        kernel.frames[UInt32(code)].dirty = 1
      }
      note(
        kernel.filterBind(
          slot: chance(4) ? slot() : 2, code: code, count: random(0..<4), ring: ring, slots: pick([2, 4, 8, 3, 64])))
    case 1: note(kernel.filterUnbind(random(0..<18)))
    default:
      let pieces = (0..<(chance(20) ? 19 : random(0..<6))).map { _ in
        SendPiece(
          frame: UInt32(truncatingIfNeeded: frame()), offset: UInt16(random(0..<4100)), length: UInt16(random(0..<2000))
        )
      }
      note(world.send(kernel.current, pieces, slot: chance(10) ? slot() : 2, interface: chance(20) ? 1 : 0))
    }
  }

  /// The devices, honest and not.
  private mutating func deviceAct() {
    switch random(0..<12) {
    case 0...2: if let head = disk.perform() { disk.pushUsed(0, id: UInt32(head), length: 1) }
    case 3: if !chance(3) { disk.serve() }
    case 4: if chance(4) { disk.pushUsed(0, id: UInt32(truncatingIfNeeded: random(0..<140)), length: 1) }
    case 5: network.receive(World.packet(0x0800, length: Int(random(14..<1515)), number: 0x5a))
    case 6: if chance(4) { network.pushUsed(0, id: UInt32(random(0..<70)), length: UInt32(random(0..<4000))) }
    case 7...8: if let sent = network.takeSent() { network.pushUsed(1, id: UInt32(sent.head), length: 0) }
    case 9: if chance(4) { network.pushUsed(1, id: UInt32(random(0..<300)), length: 0) }
    case 10:
      if chance(50) {
        [disk, network, network].randomElement(using: &generator)!.jumpUsed(0, by: UInt16(random(0..<9)))
      }
    default: if chance(50) { network.jumpUsed(1, by: UInt16(random(0..<20))) }
    }
    if chance(3) { world.kernel.deviceInterrupt(UInt64(disk.interrupt)) }
    if chance(3) { world.networkInterrupt() }
    if chance(6) { _ = world.kernel.receiveRest() }
  }

  /// An environment writes into memory that is its own, rings and environment page included.
  private mutating func scribble() {
    let environment = world.kernel.current
    if chance(4) {
      world.machine.put(world.pageAddress(environment) + random(0..<511) * 8, random(0..<(.max)))
      return
    }
    let target = frame()
    guard target < UInt64(world.kernel.header.value.frameCount) else { return }
    let record = world.kernel.frames[UInt32(target)]
    // Only a frame that the environment has had mapped, or a device has filled, can hold anything.
    guard UInt32(record.owner) == environment, record.kind == FrameKind.memory.rawValue, record.dirty != 0 else {
      return
    }
    world.machine.put(target << 12 + random(0..<512) * 8, UInt64.max)
  }

  private mutating func processorCall() {
    let kernel = world.kernel
    let environment = kernel.current
    switch random(0..<20) {
    case 0...4:
      kernel.giveUp(instruction: 0x40_0000, stack: 0)
      if let next = kernel.nextRunnable() { kernel.enter(next) }
    case 5...7:
      switch kernel.sliceEnded(at: random(0..<(.max))) {
      case .abort: end(environment, status: 139)
      default: break
      }
    case 8:
      if kernel.sleep(
        events: chance(2) ? world.page(environment).events : 0,
        deadline: chance(2) ? 0 : world.machine.now + random(0..<1000))
      {
        kernel.giveUp(instruction: 0, stack: 0)
        kernel.header.value.currentEnvironment = BooksLayout.noEnvironment
      }
    case 9: note(kernel.upcallBind(fault: address(), epilogue: address()))
    case 10:
      if case .abort = kernel.pageFault(
        instruction: random(0..<(.max)), address: random(0..<(.max)), code: random(0..<32))
      {
        if chance(4) { end(environment, status: 139) }
      }
    case 11: note(kernel.sliceAllocate(slot: slot(), position: chance(2) ? CallNumber.any : random(0..<66)))
    case 12: note(kernel.sliceFree(position: random(0..<66)))
    case 13: note(kernel.consoleWrite(count: random(0..<230)))
    case 14: if chance(20) { end(environment, status: UInt32(random(0..<3))) }
    case 15...17: _ = kernel.reap(limit: UInt32(random(1..<20)))
    default: world.machine.now += random(0..<500)
    }
    if world.machine.console.count > 10_000 { world.machine.console = [] }
  }

  private mutating func end(_ environment: UInt32, status: UInt32) {
    world.kernel.end(environment, status: status)
    ended += 1
  }

  private mutating func start() {
    guard world.kernel.freeSlice() != nil, let environment = try? world.load(quota: UInt32(random(10..<300))) else {
      _ = world.kernel.reap(limit: 64)
      return
    }
    world.kernel.start(environment, at: 0x40_0000, stack: AddressMap.environmentPage)
  }

  private mutating func wakeSomebody() {
    world.kernel.armForIdle()
    world.machine.now += 1000
    _ = world.kernel.reap(limit: 16)
    for environment in 0..<UInt32(BooksLayout.environments) where world.kernel.environments[environment].slices != 0 {
      world.kernel.page(of: environment).value.events &+= 1
    }
  }

  /// Ends everybody, lets the devices finish, and takes everything back.
  mutating func endAll() {
    for environment in 0..<UInt32(BooksLayout.environments)
    where [1, 2].contains(world.kernel.environments[environment].state) {
      end(environment, status: 0)
    }
    for interface: UInt32 in 0..<1 {
      // The devices have lied about what they had done; a last honest word for everything that they still have.
      for request: UInt32 in 0..<32 where world.kernel.diskDrivers[0].freeRequests >> request & 1 == 0 {
        finishDisk(request)
      }
      for head: UInt32 in 0..<256 where world.kernel.sendOwners[interface * 256 + head] != 0 {
        finishSend(interface, head)
      }
    }
    world.reapAll()
  }

  private mutating func finishDisk(_ request: UInt32) {
    for _ in 0..<5 { world.kernel.deviceInterrupt(UInt64(disk.interrupt)) }
    disk.pushUsed(0, id: request * 3, length: 1)
    for _ in 0..<5 { world.kernel.deviceInterrupt(UInt64(disk.interrupt)) }
  }

  private mutating func finishSend(_ interface: UInt32, _ head: UInt32) {
    for _ in 0..<100 { world.kernel.reclaimSent(interface) }
    network.pushUsed(1, id: head, length: 0)
    world.kernel.reclaimSent(interface)
  }
}
