import CLibOS
import ExokernelABI
import LibOS

/// Makes random calls until there are enough, or until one of them ends it: the body of an environment that was made
/// for that.
func makeRandomCalls(_ argument: UInt64, _ page: UInt64) -> Int32 {
  let shared = SharedPage(address: SharedPage.childAddress)
  guard let scratch = PageSpace.mapAnywhere(count: 8), let record = Books.environment(Environment.number),
    let maker = record.creatorPlusOne == 0 ? nil : Books.environment(UInt64(record.creatorPlusOne) &- 1)
  else { return 1 }
  var frames: InlineArray<8, UInt64> = .init(repeating: 0)
  for index in 0..<8 { frames[index] = Books.frameNumber(of: scratch &+ UInt64(index) &* 4096) ?? 0 }
  var caller = Caller(
    shared: shared,
    arguments: Arguments(
      random: RandomNumbers(state: shared[.random]), number: Environment.number, handle: Environment.handle,
      scratch: scratch, scratchFrames: frames, record: record))
  guard caller.takeCapabilities(from: maker.handle) else { return 2 }
  // Page tables for ordinary pages and for large ones.
  for above in 0..<3 as Range<UInt64> {
    do throws(CallError) {
      try KernelCall.installTable(for: 0x5000_0000_0000, level: 3 &- above)
      if above < 2 { try KernelCall.installTable(for: AddressMap.largePages, level: 3 &- above) }
    } catch { return 3 }
  }
  OddCode.prepare(at: scratch &+ 2 &* 4096)
  while shared[.calls] < shared[.target], caller.isUseful { caller.makeOne() }
  return 0
}

/// Makes calls, and looks at what they return.
struct Caller {
  let shared: SharedPage
  var arguments: Arguments
  /// Calls that this environment has made.
  private var calls: UInt64 = 0
  /// The number of calls after which it did something that lets its own memory change behind its back; from then on its
  /// findings are worth nothing, but it goes on for a while.
  private var recklessSince: UInt64?

  init(shared: SharedPage, arguments: Arguments) {
    self.shared = shared
    self.arguments = arguments
  }

  /// Most calls that one environment makes.
  static var limit: UInt64 { 2000 }

  /// False when a new environment would do better.
  var isUseful: Bool {
    if let recklessSince { return calls &- recklessSince < 100 }
    return calls < Self.limit
  }

  /// Accepts the capabilities for devices, and gives up the right to take its maker's capability away, which would keep
  /// everybody from ending it.
  mutating func takeCapabilities(from maker: UInt64) -> Bool {
    let own = CapabilityName.environment(
      UInt32(truncatingIfNeeded: arguments.number), generation: arguments.record.generation)
    let length = UInt64(CapabilityName.environmentLength)
    let rights = Rights(rawValue: Rights.all.rawValue & ~Rights.revoke.rawValue)
    do throws(CallError) {
      try KernelCall.deriveCapability(from: CapabilitySlot.own, into: 5, name: own, length: length, rights: rights)
      try KernelCall.dropCapability(CapabilitySlot.own)
      try KernelCall.deriveCapability(from: 5, into: CapabilitySlot.own, name: own, length: length, rights: rights)
      try KernelCall.dropCapability(5)
      try KernelCall.acceptCapability(slot: CapabilitySlot.disks, from: maker)
      try KernelCall.acceptCapability(slot: CapabilitySlot.networks, from: maker)
    } catch { return false }
    shared[.isReady] = 1
    while shared[.isGranted] != 1 {
      KernelCall.sleep(events: Environment.events, deadline: Clock.timeStamp(after: 100_000))
    }
    return true
  }

  /// Makes one call, or does something odd.
  mutating func makeOne() {
    fillPages()
    var number = arguments.random.below(CallNumber.count)
    if arguments.random.once(in: 64) {
      number = arguments.random.odd()
    } else {
      while let call = CallNumber(rawValue: number), !arguments.random.once(in: call.rarity) {
        number = arguments.random.below(CallNumber.count)
      }
    }
    var values: InlineArray<5, UInt64> = [0, 0, 0, 0, 0]
    if let call = CallNumber(rawValue: number) {
      values = arguments.random.once(in: 4) ? arguments.anyArguments(call) : arguments.likelyArguments(call)
    } else {
      for index in 0..<5 { values[index] = arguments.argument(.none) }
    }
    // Who ends itself all the time gets nowhere.
    if number == CallNumber.environmentDestroy.rawValue, values[1] == arguments.handle, !arguments.random.once(in: 20) {
      values[1] = arguments.holdings.environment
    }
    shared[.number] = number
    shared[.a] = values[0]
    shared[.b] = values[1]
    shared[.c] = values[2]
    shared[.d] = values[3]
    shared[.e] = values[4]
    // The next environment does not begin where this one may end.
    shared[.random] = arguments.random.state
    shared[.calls] &+= 1
    calls &+= 1
    if arguments.random.once(in: 500) { return beOdd() }
    let isHarmless = isHarmless(number, values)
    let result = call(number, values)
    if result >= 0 {
      shared[.accepted] &+= 1
      shared.addKind(number)
      if !isHarmless { recklessSince = recklessSince ?? calls }
    }
    shared[.result] = UInt64(bitPattern: result)
    if recklessSince == nil, !isSane(number, values, result) {
      shared[.violation] = SharedPage.violated
      while true { KernelCall.yield() }
    }
    if result > 0, let call = CallNumber(rawValue: number) {
      arguments.holdings.note(call, values, UInt64(bitPattern: result))
    }
  }

  /// Makes a call through the way that keeps this program's registers.
  private func call(_ number: UInt64, _ values: InlineArray<5, UInt64>) -> Int64 {
    var message: InlineArray<6, UInt64> = [values[0], values[1], values[2], values[3], values[4], number]
    switch CallNumber(rawValue: number) {
    case .yield: libos_yield()
    case .yieldTo: return libos_yield_to(values[0])
    case .sleep: libos_sleep(values[0], values[1])
    case .sleepUntil: libos_sleep_until()
    case .transfer, .call, .answer:
      let mode = number == CallNumber.transfer.rawValue ? 0 : number &- CallNumber.call.rawValue &+ 1
      // Safe: as in `KernelCall.transfer`.
      return unsafe withUnsafeMutablePointer(to: &message) {
        unsafe libos_transfer(
          values[0], values[1], mode, UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self), values[2])
      }
    default: return libos_call(number, values[0], values[1], values[2], values[3], values[4])
    }
    return 0
  }

  /// False for a call that, if accepted, may change this program's memory, let it go on somewhere, or let another one
  /// at it.
  private func isHarmless(_ number: UInt64, _ values: InlineArray<5, UInt64>) -> Bool {
    guard let call = CallNumber(rawValue: number) else { return true }
    return switch call.danger {
    case .none: true
    case .always: false
    // Its own program lies below.
    case .address(let register): values[register] &>> 32 != 0
    case .frame(let register): !isOwnMemory(values[register])
    case .rights(let register): values[register] & ~UInt64(Rights.read.rawValue) == 0
    }
  }

  /// Whether a frame is one that this program needs as it is.
  private func isOwnMemory(_ frame: UInt64) -> Bool {
    guard let record = Books.frame(frame), UInt64(record.owner) == arguments.number, record.references != 0 else {
      return false
    }
    for index in 0..<8 where arguments.scratchFrames[index] == frame { return false }
    return true
  }

  /// Whether a result is one that the call may have.
  private func isSane(_ number: UInt64, _ values: InlineArray<5, UInt64>, _ result: Int64) -> Bool {
    guard let call = CallNumber(rawValue: number) else { return result == CallError.unknownCall.rawValue }
    guard result >= 0 else { return CallError(rawValue: result) != nil && result != CallError.unknownCall.rawValue }
    let value = UInt64(bitPattern: result)
    let mine = UInt32(truncatingIfNeeded: arguments.number) &+ 1
    switch call.result {
    case .nothing: return value == 0
    case .frame, .largeFrame:
      guard let frame = Books.frame(value) else { return false }
      return UInt64(frame.owner) == arguments.number && frame.references == 0 && frame.kind != FrameKind.free.rawValue
    case .pages: return value >= 1 && value <= 64
    case .environment: return Books.environment(named: value)?.creatorPlusOne == mine
    case .position: return Books.sliceOwnerPlusOne(value) == mine
    case .extent: return (Books.extent(value & 0xff)?.owner).map { $0 &+ 1 } == mine
    case .filter: return Books.filter(value & 0xff)?.ownerPlusOne == mine
    case .region: return Books.region(value & 0xff)?.ownerPlusOne == mine
    case .bytes: return value == values[3] && value <= EnvironmentPage.regionCapacity
    case .dropped: return value <= values[0] &+ 32
    case .slots: return value < BooksLayout.environments &* CapabilitySlot.count
    case .caller: return true
    }
  }

  /// Enters the kernel, or its gate page, as no library does.
  private mutating func beOdd() {
    if OddCode.isReckless(&arguments.random) { recklessSince = recklessSince ?? calls }
    OddCode.run(&arguments.random)
  }
}
