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
    switch call {
    case .frameAllocate: frame = result
    case .largeAllocate: large = result
    case .environmentCreate:
      environment = result
      slot = values[1]
    case .extentBind: extent = result
    case .filterBind: filter = result
    case .regionBind: region = result
    case .sliceAllocate: position = result
    default: break
    }
  }
}

extension Arguments {
  /// Arguments with which a call is accepted, if what it names is there and the state of things allows it.
  mutating func likelyArguments(_ call: CallNumber) -> InlineArray<5, UInt64> {
    let shape = call.shape
    var values: InlineArray<5, UInt64> = [0, 0, 0, 0, 0]
    for index in 0..<5 { values[index] = likely(shape[index], call) }
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
    case .filterBind: values[2] = 2
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

  private mutating func likely(_ kind: ArgumentKind, _ call: CallNumber) -> UInt64 {
    switch kind {
    case .none: 0
    case .slot: likelySlot(call)
    case .emptySlot: 6 &+ random.below(10)
    case .environment: random.once(in: 4) ? argument(.environment) : holdings.environment
    case .table: random.once(in: 4) ? holdings.environment | holdings.slot &<< 32 : Handle.own
    case .frame: random.once(in: 2) ? holdings.frame : scratchFrames[3 &+ Int(random.below(5))]
    case .largeFrame: holdings.large
    case .address: 0x5000_0000_0000 &+ random.below(64) &* 4096
    case .extent: holdings.extent
    case .extentAndSlot: holdings.extent &<< 32
    case .filter: holdings.filter
    case .region: holdings.region
    case .position: holdings.position
    case .operation: 1 &+ random.below(4) | random.below(2) &<< 32
    case .ringSlots: 2 &<< random.below(3)
    case .amount: random.below(2)
    case .length: 5 &+ random.below(3)
    case .offsetAndCount: random.below(2048) | (1 &+ random.below(600)) &<< 32
    case .rights: 1 &+ random.below(3)
    case .interface, .disk: 0
    case .offset: random.below(64)
    default: argument(kind)
    }
  }

  private func likelySlot(_ call: CallNumber) -> UInt64 {
    switch call {
    case .filterBind, .packetSend: CapabilitySlot.networks
    case .wake, .transfer, .call, .answer, .environmentStart, .environmentDestroy, .environmentGuard, .quotaMove,
      .revoke, .capabilityDestroy, .capabilityGrant:
      holdings.slot
    default: CapabilitySlot.own
    }
  }
}
