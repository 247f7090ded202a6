import CLibOS
import ExokernelABI
import LibOS

/// What earlier calls returned, for later ones to name.
struct Holdings {
  /// A frame and a large frame.
  var frame: UInt64 = 0
  var large: UInt64 = 0
  /// An environment, and the slot with the capability for it.
  var environment: UInt64 = 0
  var slot: UInt64 = 0
  /// Handles of devices' bindings, and a position of a slice vector.
  var extent: UInt64 = 0
  var filter: UInt64 = 0
  var region: UInt64 = 0
  var position: UInt64 = CallNumber.any

  /// Keeps the result of a call that was accepted.
  mutating func note(_ call: CallNumber, _ values: InlineArray<5, UInt64>, _ result: UInt64) {
    switch call.result {
    case .frame: frame = result
    case .largeFrame: large = result
    case .environment:
      environment = result
      slot = values[1]
    case .extent: extent = result
    case .filter: filter = result
    case .region: region = result
    case .position: position = result
    case .nothing, .pages, .slots, .bytes, .dropped, .caller: break
    }
  }
}

extension Arguments {
  /// Arguments with which a call is accepted, if what it names is there and the state of things allows it.
  mutating func likelyArguments(_ call: CallNumber) -> InlineArray<5, UInt64> {
    var values = packed(call) { (arguments, kind) in arguments.likely(kind, call) }
    // What more some of them take to be accepted.
    switch call {
    case .frameAllocate: values[1] = random.once(in: 4) ? values[1] : CallNumber.any
    case .sliceAllocate: values[1] = CallNumber.any
    case .predicateBind: values = [0, scratchFrames[3], 0, random.below(3), 0]
    case .capabilityDestroy, .environmentGuard:
      // Names of the environment that it made.
      let name = Handle.generation(holdings.environment) & 0xff_ffff
      let made = CapabilityName.environment(
        Handle.index(holdings.environment), generation: UInt32(truncatingIfNeeded: name))
      values[call == .capabilityDestroy ? 1 : 2] = made
      values[call == .capabilityDestroy ? 2 : 3] = 5
    case .extentBind:
      values = [CapabilitySlot.disks, 0, random.below(1000), 8 &+ random.below(100), 1 &+ random.below(3)]
    case .blockSubmit: values[1] = random.below(2)
    case .packetSend:
      let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.sendBlockOffset)
      libos_store64(place, 1)
      libos_store64(place &+ 8, 0)
      libos_store64(place &+ 16, scratchFrames[4] | (14 &+ random.below(1500)) &<< 48)
    case .regionRead, .regionWrite: values[2] = 0
    case .frameFree: values[1] = holdings.frame
    default: break
    }
    return values
  }

  /// Arguments that mean what those of a call mean.
  mutating func anyArguments(_ call: CallNumber) -> InlineArray<5, UInt64> {
    var values = packed(call) { (arguments, kind) in arguments.argument(kind) }
    for register in 0..<5 where random.once(in: 40) { values[register] = random.odd() }
    return values
  }

  /// The registers of a call, each of whose values `value` makes; the others are mostly 0.
  private mutating func packed(_ call: CallNumber, _ value: (inout Arguments, ArgumentKind) -> UInt64)
    -> InlineArray<5, UInt64>
  {
    let shape = call.shape
    var values: InlineArray<5, UInt64> = [0, 0, 0, 0, 0]
    var used = 0
    for index in shape.indices where shape[index].mask != 0 {
      let part = shape[index]
      values[part.register] |= (value(&self, part.kind) & part.mask) &<< part.shift
      used = part.register &+ 1
    }
    while used < 5 {
      values[used] = argument(.none)
      used &+= 1
    }
    return values
  }

  private mutating func likely(_ kind: ArgumentKind, _ call: CallNumber) -> UInt64 {
    switch kind {
    case .slot: likelySlot(call)
    case .emptySlot: 6 &+ random.below(10)
    case .environment: random.once(in: 4) ? argument(.environment) : holdings.environment
    case .table: random.once(in: 4) ? holdings.environment | holdings.slot &<< 32 : Handle.own
    case .frame: random.once(in: 2) ? holdings.frame : scratchFrames[3 &+ Int(random.below(5))]
    case .largeFrame: holdings.large
    case .address: 0x5000_0000_0000 &+ random.below(64) &* 4096
    case .extent: holdings.extent
    case .filter: holdings.filter
    case .region: holdings.region
    case .position: holdings.position
    case .blockCount: 1 &+ random.below(4)
    case .ringSlots: 2 &<< random.below(3)
    case .amount: random.below(2)
    case .length: 5 &+ random.below(3)
    case .rights: 1 &+ random.below(3)
    case .interface, .disk: 0
    case .offset: random.below(64)
    case .byteCount: 1 &+ random.below(200)
    case .programLength: 2
    // What is almost right is right often enough.
    case .none, .codeFrame, .ringFrame, .largeAddress, .level, .entryValue, .pageCount, .name, .deadline, .events,
      .entry, .stack, .resourceKind, .count, .block, .isWrite, .tag, .status, .vector, .code:
      argument(kind)
    }
  }

  private func likelySlot(_ call: CallNumber) -> UInt64 {
    switch call.presentedFor {
    case .own, .console: CapabilitySlot.own
    case .environment: holdings.slot
    case .disk: CapabilitySlot.disks
    case .network: CapabilitySlot.networks
    }
  }
}
