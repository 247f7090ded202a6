// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

import ExokernelABI

@testable import ExokernelCore

// Calls of the kernel's functions by number and registers, as ring 0's glue makes them.
extension Kernel {
  /// Makes call `number`; nil for one that is more than the kernel's function of its name.
  func call(_ number: CallNumber, _ registers: [UInt64]) -> CallResult? {
    switch number {
    case .predicateBind:
      predicateBind(slot: registers[0], frame: registers[1], offset: registers[2], count: registers[3])
    case .wake:
      wake(slot: registers[0], environment: registers[1])
    case .upcallBind:
      upcallBind(fault: registers[0], epilogue: registers[1], prologue: registers[2], revocation: registers[3])
    case .transferBind:
      transferBind(entry: registers[0], stack: registers[1], name: registers[2], length: registers[3])
    case .sliceAllocate:
      sliceAllocate(slot: registers[0], position: registers[1])
    case .sliceFree:
      sliceFree(slot: registers[0], position: registers[1])
    case .sliceGive:
      sliceGive(slot: registers[0], position: registers[1], environment: registers[2])
    case .capabilityDerive:
      capabilityDerive(
        CapabilityDeriveArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .capabilityAccept:
      capabilityAccept(slot: registers[0], environment: registers[1])
    case .capabilityGrant:
      capabilityGrant(slot: registers[0], environment: registers[1], into: registers[2], rights: registers[3])
    case .capabilityDrop:
      capabilityDrop(slot: registers[0])
    case .capabilityDestroy:
      capabilityDestroy(slot: registers[0], name: registers[1], length: registers[2])
    case .environmentCreate:
      environmentCreate(slot: registers[0], into: registers[1])
    case .environmentStart:
      environmentStart(
        slot: registers[0], environment: registers[1], entry: registers[2], stack: registers[3], position: registers[4]
      )
    case .environmentGuard:
      environmentGuard(slot: registers[0], environment: registers[1], name: registers[2], length: registers[3])
    case .quotaMove:
      quotaMove(slot: registers[0], environment: registers[1], kind: registers[2], amount: registers[3])
    case .revoke:
      revoke(
        RevokeArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .frameAllocate:
      frameAllocate(slot: registers[0], frame: registers[1])
    case .frameFree:
      frameFree(slot: registers[0], frame: registers[1])
    case .frameMap:
      frameMap(
        FrameMapArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3], r8: registers[4]))
    case .frameUnmap:
      frameUnmap(address: registers[0], count: registers[1], table: registers[2])
    case .frameProtect:
      frameProtect(
        FrameProtectArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .entryWrite:
      entryWrite(address: registers[0], value: registers[1], table: registers[2])
    case .tableInstall:
      tableInstall(
        slot: registers[0], frame: registers[1], address: registers[2], level: registers[3], table: registers[4]
      )
    case .framesAllocateMapped:
      framesAllocateMapped(slot: registers[0], address: registers[1], count: registers[2], table: registers[3])
    case .frameGuard:
      frameGuard(
        FrameGuardArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .frameGive:
      frameGive(slot: registers[0], frame: registers[1], environment: registers[2])
    case .largeAllocate:
      largeAllocate(slot: registers[0])
    case .largeFree:
      largeFree(slot: registers[0], frame: registers[1])
    case .largeMap:
      largeMap(slot: registers[0], frame: registers[1], address: registers[2], rights: registers[3])
    case .largeUnmap:
      largeUnmap(address: registers[0])
    case .regionBind:
      regionBind(
        RegionBindArguments(
          rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3], r8: registers[4]
        ))
    case .regionUnbind:
      regionUnbind(slot: registers[0], region: registers[1])
    case .regionRead:
      regionRead(slot: registers[0], region: registers[1], offset: registers[2], count: registers[3])
    case .regionWrite:
      regionWrite(slot: registers[0], region: registers[1], offset: registers[2], count: registers[3])
    case .consoleWrite:
      consoleWrite(count: registers[0])
    case .consoleDraw:
      consoleDraw(slot: registers[0], count: registers[1])
    case .extentBind:
      extentBind(slot: registers[0], disk: registers[1], first: registers[2], count: registers[3], rights: registers[4])
    case .extentUnbind:
      extentUnbind(slot: registers[0], extent: registers[1])
    case .blockSubmit:
      blockSubmit(
        BlockSubmitArguments(
          rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3], r8: registers[4]
        ))
    case .filterBind:
      filterBind(slot: registers[0], code: registers[1], count: registers[2], ring: registers[3], slots: registers[4])
    case .filterUnbind:
      filterUnbind(slot: registers[0], filter: registers[1])
    case .packetSend:
      packetSend(slot: registers[0], interface: registers[1])
    case .diskFlush:
      diskFlush(slot: registers[0], extent: registers[1], tag: registers[2])
    case .null, .exit, .yield, .yieldTo, .sleep, .sleepUntil, .faultDecline, .exceptionDecline, .transfer,
      .environmentDestroy, .call, .answer:
      nil
    }
  }

  /// Makes the first half of call `number`, which checks; false for one that has no such half.
  func decode(_ number: CallNumber, _ registers: [UInt64]) throws(CallError) -> Bool {
    switch number {
    case .predicateBind:
      _ = try decodePredicateBind(slot: registers[0], frame: registers[1], offset: registers[2], count: registers[3])
    case .wake:
      _ = try decodeWake(slot: registers[0], environment: registers[1])
    case .upcallBind:
      _ = try decodeUpcallBind(
        fault: registers[0], epilogue: registers[1], prologue: registers[2], revocation: registers[3]
      )
    case .transferBind:
      _ = try decodeTransferBind(entry: registers[0], stack: registers[1], name: registers[2], length: registers[3])
    case .sliceAllocate:
      _ = try decodeSliceAllocate(slot: registers[0], position: registers[1])
    case .sliceFree:
      _ = try decodeSliceFree(slot: registers[0], position: registers[1])
    case .sliceGive:
      _ = try decodeSliceGive(slot: registers[0], position: registers[1], environment: registers[2])
    case .capabilityDerive:
      _ = try decodeCapabilityDerive(
        CapabilityDeriveArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .capabilityAccept:
      _ = try decodeCapabilityAccept(slot: registers[0], environment: registers[1])
    case .capabilityGrant:
      _ = try decodeCapabilityGrant(
        slot: registers[0], environment: registers[1], into: registers[2], rights: registers[3]
      )
    case .capabilityDrop:
      _ = try decodeCapabilityDrop(slot: registers[0])
    case .capabilityDestroy:
      _ = try decodeCapabilityDestroy(slot: registers[0], name: registers[1], length: registers[2])
    case .environmentCreate:
      _ = try decodeEnvironmentCreate(slot: registers[0], into: registers[1])
    case .environmentStart:
      _ = try decodeEnvironmentStart(
        slot: registers[0], environment: registers[1], entry: registers[2], stack: registers[3], position: registers[4]
      )
    case .environmentGuard:
      _ = try decodeEnvironmentGuard(
        slot: registers[0], environment: registers[1], name: registers[2], length: registers[3]
      )
    case .quotaMove:
      _ = try decodeQuotaMove(slot: registers[0], environment: registers[1], kind: registers[2], amount: registers[3])
    case .revoke:
      _ = try decodeRevoke(
        RevokeArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .frameAllocate:
      _ = try decodeFrameAllocate(slot: registers[0], frame: registers[1])
    case .frameFree:
      _ = try decodeFrameFree(slot: registers[0], frame: registers[1])
    case .frameProtect:
      _ = try decodeFrameProtect(
        FrameProtectArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .entryWrite:
      _ = try decodeEntryWrite(address: registers[0], value: registers[1], table: registers[2])
    case .tableInstall:
      _ = try decodeTableInstall(
        slot: registers[0], frame: registers[1], address: registers[2], level: registers[3], table: registers[4]
      )
    case .framesAllocateMapped:
      _ = try decodeFramesAllocateMapped(
        slot: registers[0], address: registers[1], count: registers[2], table: registers[3]
      )
    case .frameGuard:
      _ = try decodeFrameGuard(
        FrameGuardArguments(rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3]))
    case .frameGive:
      _ = try decodeFrameGive(slot: registers[0], frame: registers[1], environment: registers[2])
    case .largeAllocate:
      _ = try decodeLargeAllocate(slot: registers[0])
    case .largeFree:
      _ = try decodeLargeFree(slot: registers[0], frame: registers[1])
    case .largeMap:
      _ = try decodeLargeMap(slot: registers[0], frame: registers[1], address: registers[2], rights: registers[3])
    case .largeUnmap:
      _ = try decodeLargeUnmap(address: registers[0])
    case .regionBind:
      _ = try decodeRegionBind(
        RegionBindArguments(
          rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3], r8: registers[4]
        ))
    case .regionUnbind:
      _ = try decodeRegionUnbind(slot: registers[0], region: registers[1])
    case .regionRead:
      _ = try decodeRegionRead(slot: registers[0], region: registers[1], offset: registers[2], count: registers[3])
    case .regionWrite:
      _ = try decodeRegionWrite(slot: registers[0], region: registers[1], offset: registers[2], count: registers[3])
    case .consoleWrite:
      _ = try decodeConsoleWrite(count: registers[0])
    case .consoleDraw:
      _ = try decodeConsoleDraw(slot: registers[0], count: registers[1])
    case .extentBind:
      _ = try decodeExtentBind(
        slot: registers[0], disk: registers[1], first: registers[2], count: registers[3], rights: registers[4]
      )
    case .extentUnbind:
      _ = try decodeExtentUnbind(slot: registers[0], extent: registers[1])
    case .blockSubmit:
      _ = try decodeBlockSubmit(
        BlockSubmitArguments(
          rdi: registers[0], rsi: registers[1], rdx: registers[2], rcx: registers[3], r8: registers[4]
        ))
    case .filterBind:
      _ = try decodeFilterBind(
        slot: registers[0], code: registers[1], count: registers[2], ring: registers[3], slots: registers[4]
      )
    case .filterUnbind:
      _ = try decodeFilterUnbind(slot: registers[0], filter: registers[1])
    case .packetSend:
      _ = try decodePacketSend(slot: registers[0], interface: registers[1])
    case .diskFlush:
      _ = try decodeDiskFlush(slot: registers[0], extent: registers[1], tag: registers[2])
    case .null, .exit, .yield, .yieldTo, .sleep, .sleepUntil, .faultDecline, .exceptionDecline, .transfer,
      .environmentDestroy, .frameMap, .frameUnmap, .call, .answer:
      return false
    }
    return true
  }
}
