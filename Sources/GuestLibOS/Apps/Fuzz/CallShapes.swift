import ExokernelABI

/// What an argument of a call means, and so what is almost right for it.
enum ArgumentKind {
  case none, slot, emptySlot, frame, address, count, table, environment, rightsAndCount, name, length, position, level
  case deadline, kindAndCount, resourceKind, disk, block, extentAndSlot, extent, operation, tag, ringSlots, filter
  case interface, offsetAndCount, region, offset, entry, stack, largeFrame, largeAddress, entryValue, lengthAndRights
  case amount, rights, events, codeFrame, ringFrame
}

/// The five arguments of a call.
typealias CallShape = InlineArray<5, ArgumentKind>

extension CallNumber {
  /// What its arguments mean; see there.
  var shape: CallShape {
    switch self {
    case .null, .yield, .sleepUntil, .faultDecline: [.none, .none, .none, .none, .none]
    case .exit: [.count, .none, .none, .none, .none]
    case .yieldTo: [.environment, .none, .none, .none, .none]
    case .sleep: [.events, .deadline, .none, .none, .none]
    case .predicateBind: [.slot, .frame, .offset, .count, .none]
    case .wake, .transfer, .call, .answer, .environmentDestroy: [.slot, .environment, .none, .none, .none]
    case .upcallBind: [.entry, .entry, .entry, .entry, .none]
    case .exceptionDecline: [.count, .entry, .count, .none, .none]
    case .transferBind: [.entry, .stack, .name, .length, .none]
    case .sliceAllocate, .sliceFree: [.slot, .position, .none, .none, .none]
    case .sliceGive: [.slot, .position, .environment, .none, .none]
    case .capabilityDerive: [.slot, .emptySlot, .name, .lengthAndRights, .none]
    case .capabilityAccept: [.emptySlot, .environment, .none, .none, .none]
    case .capabilityGrant: [.slot, .environment, .emptySlot, .rights, .none]
    case .capabilityDrop: [.emptySlot, .none, .none, .none, .none]
    case .capabilityDestroy: [.slot, .name, .length, .none, .none]
    case .environmentCreate: [.slot, .emptySlot, .none, .none, .none]
    case .environmentStart: [.slot, .environment, .entry, .stack, .position]
    case .environmentGuard: [.slot, .environment, .name, .length, .none]
    case .quotaMove: [.slot, .environment, .resourceKind, .amount, .none]
    case .revoke: [.slot, .environment, .kindAndCount, .deadline, .none]
    case .frameAllocate, .frameFree: [.slot, .frame, .none, .none, .none]
    case .frameMap: [.slot, .frame, .address, .rightsAndCount, .table]
    case .frameUnmap: [.address, .count, .table, .none, .none]
    case .frameProtect: [.slot, .address, .rightsAndCount, .table, .none]
    case .entryWrite: [.address, .entryValue, .table, .none, .none]
    case .tableInstall: [.slot, .frame, .address, .level, .table]
    case .framesAllocateMapped: [.slot, .address, .count, .table, .none]
    case .frameGuard: [.slot, .frame, .name, .lengthAndRights, .none]
    case .frameGive: [.slot, .frame, .table, .none, .none]
    case .largeAllocate: [.slot, .none, .none, .none, .none]
    case .largeFree: [.slot, .largeFrame, .none, .none, .none]
    case .largeMap: [.slot, .largeFrame, .largeAddress, .rights, .none]
    case .largeUnmap: [.largeAddress, .none, .none, .none, .none]
    case .regionBind: [.slot, .frame, .offsetAndCount, .name, .length]
    case .regionUnbind: [.slot, .region, .none, .none, .none]
    case .regionRead, .regionWrite: [.slot, .region, .offset, .count, .none]
    case .consoleWrite: [.count, .none, .none, .none, .none]
    case .consoleDraw: [.slot, .count, .none, .none, .none]
    case .extentBind: [.slot, .disk, .block, .count, .rights]
    case .extentUnbind: [.slot, .extent, .none, .none, .none]
    case .blockSubmit: [.extentAndSlot, .block, .frame, .operation, .tag]
    case .filterBind: [.slot, .codeFrame, .count, .ringFrame, .ringSlots]
    case .filterUnbind: [.slot, .filter, .none, .none, .none]
    case .packetSend: [.slot, .interface, .none, .none, .none]
    }
  }

  /// One in so many of these calls is made: those that take the kernel or the console long, or end the caller.
  var rarity: UInt64 {
    switch self {
    case .exit, .faultDecline, .exceptionDecline: 40
    case .largeAllocate, .largeFree, .consoleWrite, .consoleDraw, .upcallBind, .transferBind: 16
    case .sleep, .sleepUntil, .call, .answer, .transfer, .framesAllocateMapped, .environmentCreate: 4
    default: 1
    }
  }
}
