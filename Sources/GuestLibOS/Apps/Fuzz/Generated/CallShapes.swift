// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

import ExokernelABI

/// What an argument of a call means, and so what is almost right for it.
enum ArgumentKind {
  case none, slot, emptySlot, environment, table, frame, largeFrame, codeFrame, ringFrame, address, largeAddress, level
  case entryValue, pageCount, rights, name, length, position, deadline, events, entry, stack, resourceKind, count
  case amount, offset, byteCount, region, disk, block, blockCount, isWrite, tag, extent, interface, filter, ringSlots
  case programLength, status, vector, code
}

/// What a call returns where it is accepted, each of which has bounds.
enum ResultKind {
  case nothing, caller, position, slots, environment, frame, pages, largeFrame, region, bytes, dropped, extent, filter
}

/// What the capability in a slot is presented for.
enum GuardedObject {
  case own, environment, disk, network, console
}

/// The values that a call takes.
typealias CallShape = InlineArray<7, ArgumentShape>

extension CallNumber {
  /// The values that it takes; the rest is `none`.
  var shape: CallShape {
    switch self {
    case .null:
      [.none, .none, .none, .none, .none, .none, .none]
    case .exit:
      [ArgumentShape(.status, in: 0), .none, .none, .none, .none, .none, .none]
    case .yield:
      [.none, .none, .none, .none, .none, .none, .none]
    case .yieldTo:
      [ArgumentShape(.environment, in: 0), .none, .none, .none, .none, .none, .none]
    case .sleep:
      [ArgumentShape(.events, in: 0), ArgumentShape(.deadline, in: 1), .none, .none, .none, .none, .none]
    case .sleepUntil:
      [.none, .none, .none, .none, .none, .none, .none]
    case .predicateBind:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), ArgumentShape(.offset, in: 2),
        ArgumentShape(.count, in: 3), .none, .none, .none,
      ]
    case .wake:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), .none, .none, .none, .none, .none]
    case .upcallBind:
      [
        ArgumentShape(.entry, in: 0), ArgumentShape(.entry, in: 1), ArgumentShape(.entry, in: 2),
        ArgumentShape(.entry, in: 3), .none, .none, .none,
      ]
    case .faultDecline:
      [.none, .none, .none, .none, .none, .none, .none]
    case .exceptionDecline:
      [
        ArgumentShape(.vector, in: 0), ArgumentShape(.entry, in: 1), ArgumentShape(.code, in: 2), .none, .none, .none,
        .none,
      ]
    case .transferBind:
      [
        ArgumentShape(.entry, in: 0), ArgumentShape(.stack, in: 1), ArgumentShape(.name, in: 2),
        ArgumentShape(.length, in: 3), .none, .none, .none,
      ]
    case .transfer:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), .none, .none, .none, .none, .none]
    case .sliceAllocate:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.position, in: 1), .none, .none, .none, .none, .none]
    case .sliceFree:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.position, in: 1), .none, .none, .none, .none, .none]
    case .sliceGive:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.position, in: 1), ArgumentShape(.table, in: 2), .none, .none, .none,
        .none,
      ]
    case .capabilityDerive:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.emptySlot, in: 1), ArgumentShape(.name, in: 2),
        ArgumentShape(.length, in: 3, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.rights, in: 3, shift: 32, mask: 1 &<< 32 &- 1), .none, .none,
      ]
    case .capabilityAccept:
      [ArgumentShape(.emptySlot, in: 0), ArgumentShape(.environment, in: 1), .none, .none, .none, .none, .none]
    case .capabilityGrant:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), ArgumentShape(.emptySlot, in: 2),
        ArgumentShape(.rights, in: 3), .none, .none, .none,
      ]
    case .capabilityDrop:
      [ArgumentShape(.emptySlot, in: 0), .none, .none, .none, .none, .none, .none]
    case .capabilityDestroy:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.name, in: 1), ArgumentShape(.length, in: 2), .none, .none, .none,
        .none,
      ]
    case .environmentCreate:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.emptySlot, in: 1), .none, .none, .none, .none, .none]
    case .environmentStart:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), ArgumentShape(.entry, in: 2),
        ArgumentShape(.stack, in: 3), ArgumentShape(.position, in: 4), .none, .none,
      ]
    case .environmentDestroy:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), .none, .none, .none, .none, .none]
    case .environmentGuard:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), ArgumentShape(.name, in: 2),
        ArgumentShape(.length, in: 3), .none, .none, .none,
      ]
    case .quotaMove:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), ArgumentShape(.resourceKind, in: 2),
        ArgumentShape(.amount, in: 3), .none, .none, .none,
      ]
    case .revoke:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1),
        ArgumentShape(.resourceKind, in: 2, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.count, in: 2, shift: 32, mask: 1 &<< 32 &- 1), ArgumentShape(.deadline, in: 3), .none, .none,
      ]
    case .frameAllocate:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), .none, .none, .none, .none, .none]
    case .frameFree:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), .none, .none, .none, .none, .none]
    case .frameMap:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), ArgumentShape(.address, in: 2),
        ArgumentShape(.rights, in: 3, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.pageCount, in: 3, shift: 32, mask: 1 &<< 32 &- 1), ArgumentShape(.table, in: 4), .none,
      ]
    case .frameUnmap:
      [
        ArgumentShape(.address, in: 0), ArgumentShape(.pageCount, in: 1), ArgumentShape(.table, in: 2), .none, .none,
        .none, .none,
      ]
    case .frameProtect:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.address, in: 1),
        ArgumentShape(.rights, in: 2, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.pageCount, in: 2, shift: 32, mask: 1 &<< 32 &- 1), ArgumentShape(.table, in: 3), .none, .none,
      ]
    case .entryWrite:
      [
        ArgumentShape(.address, in: 0), ArgumentShape(.entryValue, in: 1), ArgumentShape(.table, in: 2), .none, .none,
        .none, .none,
      ]
    case .tableInstall:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), ArgumentShape(.address, in: 2),
        ArgumentShape(.level, in: 3), ArgumentShape(.table, in: 4), .none, .none,
      ]
    case .framesAllocateMapped:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.address, in: 1), ArgumentShape(.pageCount, in: 2),
        ArgumentShape(.table, in: 3), .none, .none, .none,
      ]
    case .frameGuard:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), ArgumentShape(.name, in: 2),
        ArgumentShape(.length, in: 3, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.rights, in: 3, shift: 32, mask: 1 &<< 32 &- 1), .none, .none,
      ]
    case .frameGive:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1), ArgumentShape(.table, in: 2), .none, .none, .none,
        .none,
      ]
    case .largeAllocate:
      [ArgumentShape(.slot, in: 0), .none, .none, .none, .none, .none, .none]
    case .largeFree:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.largeFrame, in: 1), .none, .none, .none, .none, .none]
    case .largeMap:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.largeFrame, in: 1), ArgumentShape(.largeAddress, in: 2),
        ArgumentShape(.rights, in: 3), .none, .none, .none,
      ]
    case .largeUnmap:
      [ArgumentShape(.largeAddress, in: 0), .none, .none, .none, .none, .none, .none]
    case .regionBind:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.frame, in: 1),
        ArgumentShape(.offset, in: 2, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.byteCount, in: 2, shift: 32, mask: 1 &<< 32 &- 1), ArgumentShape(.name, in: 3),
        ArgumentShape(.length, in: 4), .none,
      ]
    case .regionUnbind:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.region, in: 1), .none, .none, .none, .none, .none]
    case .regionRead:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.region, in: 1), ArgumentShape(.offset, in: 2),
        ArgumentShape(.byteCount, in: 3), .none, .none, .none,
      ]
    case .regionWrite:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.region, in: 1), ArgumentShape(.offset, in: 2),
        ArgumentShape(.byteCount, in: 3), .none, .none, .none,
      ]
    case .consoleWrite:
      [ArgumentShape(.byteCount, in: 0), .none, .none, .none, .none, .none, .none]
    case .consoleDraw:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.byteCount, in: 1), .none, .none, .none, .none, .none]
    case .extentBind:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.disk, in: 1), ArgumentShape(.block, in: 2),
        ArgumentShape(.count, in: 3), ArgumentShape(.rights, in: 4), .none, .none,
      ]
    case .extentUnbind:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.extent, in: 1), .none, .none, .none, .none, .none]
    case .blockSubmit:
      [
        ArgumentShape(.slot, in: 0, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.extent, in: 0, shift: 32, mask: 1 &<< 32 &- 1), ArgumentShape(.block, in: 1),
        ArgumentShape(.frame, in: 2), ArgumentShape(.blockCount, in: 3, shift: 0, mask: 1 &<< 32 &- 1),
        ArgumentShape(.isWrite, in: 3, shift: 32, mask: 1 &<< 32 &- 1), ArgumentShape(.tag, in: 4),
      ]
    case .filterBind:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.codeFrame, in: 1), ArgumentShape(.programLength, in: 2),
        ArgumentShape(.ringFrame, in: 3), ArgumentShape(.ringSlots, in: 4), .none, .none,
      ]
    case .filterUnbind:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.filter, in: 1), .none, .none, .none, .none, .none]
    case .packetSend:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.interface, in: 1), .none, .none, .none, .none, .none]
    case .call:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), ArgumentShape(.deadline, in: 2), .none, .none,
        .none, .none,
      ]
    case .answer:
      [ArgumentShape(.slot, in: 0), ArgumentShape(.environment, in: 1), .none, .none, .none, .none, .none]
    case .diskFlush:
      [
        ArgumentShape(.slot, in: 0), ArgumentShape(.extent, in: 1), ArgumentShape(.tag, in: 2), .none, .none, .none,
        .none,
      ]
    }
  }

  /// What it returns where it is accepted.
  var result: ResultKind {
    switch self {
    case .null, .exit, .yield, .yieldTo, .sleep, .sleepUntil, .predicateBind, .wake, .upcallBind, .faultDecline,
      .exceptionDecline, .transferBind, .sliceFree, .sliceGive, .capabilityDerive, .capabilityAccept, .capabilityGrant,
      .capabilityDrop, .environmentStart, .environmentDestroy, .environmentGuard, .quotaMove, .revoke, .frameFree,
      .entryWrite, .tableInstall, .frameGuard, .frameGive, .largeFree, .largeMap, .largeUnmap, .regionUnbind,
      .consoleDraw, .extentUnbind, .blockSubmit, .filterUnbind, .packetSend, .diskFlush:
      .nothing
    case .transfer, .call, .answer: .caller
    case .sliceAllocate: .position
    case .capabilityDestroy: .slots
    case .environmentCreate: .environment
    case .frameAllocate: .frame
    case .frameMap, .frameUnmap, .frameProtect, .framesAllocateMapped: .pages
    case .largeAllocate: .largeFrame
    case .regionBind: .region
    case .regionRead, .regionWrite: .bytes
    case .consoleWrite: .dropped
    case .extentBind: .extent
    case .filterBind: .filter
    }
  }

  /// What the capability that it takes is presented for.
  var presentedFor: GuardedObject {
    switch self {
    case .null, .exit, .yield, .yieldTo, .sleep, .sleepUntil, .predicateBind, .upcallBind, .faultDecline,
      .exceptionDecline, .transferBind, .sliceAllocate, .sliceFree, .sliceGive, .capabilityDerive, .capabilityAccept,
      .capabilityDrop, .environmentCreate, .frameAllocate, .frameFree, .frameMap, .frameUnmap, .frameProtect,
      .entryWrite, .tableInstall, .framesAllocateMapped, .frameGuard, .frameGive, .largeAllocate, .largeFree, .largeMap,
      .largeUnmap, .regionBind, .regionUnbind, .regionRead, .regionWrite, .consoleWrite, .extentUnbind, .blockSubmit,
      .filterUnbind, .diskFlush:
      .own
    case .wake, .transfer, .capabilityGrant, .capabilityDestroy, .environmentStart, .environmentDestroy,
      .environmentGuard, .quotaMove, .revoke, .call, .answer:
      .environment
    case .consoleDraw: .console
    case .extentBind: .disk
    case .filterBind, .packetSend: .network
    }
  }

  /// One in so many of these calls is made: those that take the kernel or the console long, or end the caller.
  var rarity: UInt64 {
    switch self {
    case .null, .yield, .yieldTo, .predicateBind, .wake, .sliceAllocate, .sliceFree, .sliceGive, .capabilityDerive,
      .capabilityAccept, .capabilityGrant, .capabilityDrop, .capabilityDestroy, .environmentStart, .environmentDestroy,
      .environmentGuard, .quotaMove, .revoke, .frameAllocate, .frameFree, .frameMap, .frameUnmap, .frameProtect,
      .entryWrite, .tableInstall, .frameGuard, .frameGive, .largeMap, .largeUnmap, .regionBind, .regionUnbind,
      .regionRead, .regionWrite, .extentBind, .extentUnbind, .blockSubmit, .filterBind, .filterUnbind, .packetSend,
      .diskFlush:
      1
    case .exit, .faultDecline, .exceptionDecline: 40
    case .sleep, .sleepUntil, .transfer, .environmentCreate, .framesAllocateMapped, .call, .answer: 4
    case .upcallBind, .transferBind, .largeAllocate, .largeFree, .consoleWrite, .consoleDraw: 16
    }
  }

  /// What it may do to the program that makes it.
  var danger: CallDanger {
    switch self {
    case .null, .yield, .yieldTo, .sleep, .sleepUntil, .predicateBind, .wake, .transfer, .sliceAllocate, .sliceFree,
      .sliceGive, .capabilityDerive, .capabilityAccept, .capabilityDrop, .capabilityDestroy, .environmentCreate,
      .environmentGuard, .quotaMove, .frameAllocate, .frameFree, .frameGuard, .largeAllocate, .largeFree, .largeMap,
      .largeUnmap, .regionBind, .regionUnbind, .regionRead, .regionWrite, .consoleWrite, .consoleDraw, .extentBind,
      .extentUnbind, .filterBind, .filterUnbind, .packetSend, .call, .answer, .diskFlush:
      .none
    case .exit, .upcallBind, .faultDecline, .exceptionDecline, .transferBind, .environmentStart, .environmentDestroy,
      .revoke:
      .always
    case .capabilityGrant: .rights(3)
    case .frameMap, .tableInstall: .address(2)
    case .frameUnmap, .entryWrite: .address(0)
    case .frameProtect, .framesAllocateMapped: .address(1)
    case .frameGive: .frame(1)
    case .blockSubmit: .frame(2)
    }
  }
}
