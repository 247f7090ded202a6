// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

import ExokernelABI

// Each call is two functions that its author writes: `decode` checks everything, and throws what the call is
// refused with, before anything was changed; `perform` gets what was decoded, changes the state, and cannot fail.
extension Kernel {
  /// `CallNumber.predicateBind`.
  @inline(__always) public func predicateBind(
    slot: UInt64, frame: UInt64, offset: UInt64, count: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodePredicateBind(slot: slot, frame: frame, offset: offset, count: count)
      performPredicateBind(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.wake`.
  @inline(__always) public func wake(slot: UInt64, environment: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeWake(slot: slot, environment: environment)
      performWake(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.upcallBind`.
  @inline(__always) public func upcallBind(
    fault: UInt64, epilogue: UInt64, prologue: UInt64, revocation: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeUpcallBind(fault: fault, epilogue: epilogue, prologue: prologue, revocation: revocation)
      performUpcallBind(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.transferBind`.
  @inline(__always) public func transferBind(entry: UInt64, stack: UInt64, name: UInt64, length: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeTransferBind(entry: entry, stack: stack, name: name, length: length)
      performTransferBind(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.sliceAllocate`.
  @inline(__always) public func sliceAllocate(slot: UInt64, position: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeSliceAllocate(slot: slot, position: position)
      return CallResult(performSliceAllocate(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.sliceFree`.
  @inline(__always) public func sliceFree(slot: UInt64, position: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeSliceFree(slot: slot, position: position)
      performSliceFree(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.sliceGive`.
  @inline(__always) public func sliceGive(slot: UInt64, position: UInt64, environment: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeSliceGive(slot: slot, position: position, environment: environment)
      performSliceGive(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityDerive`.
  @inline(__always) public func capabilityDerive(_ call: CapabilityDeriveArguments) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeCapabilityDerive(call)
      performCapabilityDerive(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityAccept`.
  @inline(__always) public func capabilityAccept(slot: UInt64, environment: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeCapabilityAccept(slot: slot, environment: environment)
      performCapabilityAccept(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityGrant`.
  @inline(__always) public func capabilityGrant(
    slot: UInt64, environment: UInt64, into: UInt64, rights: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeCapabilityGrant(slot: slot, environment: environment, into: into, rights: rights)
      performCapabilityGrant(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityDrop`.
  @inline(__always) public func capabilityDrop(slot: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeCapabilityDrop(slot: slot)
      performCapabilityDrop(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityDestroy`.
  @inline(__always) public func capabilityDestroy(slot: UInt64, name: UInt64, length: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeCapabilityDestroy(slot: slot, name: name, length: length)
      return CallResult(performCapabilityDestroy(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.environmentCreate`.
  @inline(__always) public func environmentCreate(slot: UInt64, into: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeEnvironmentCreate(slot: slot, into: into)
      return CallResult(performEnvironmentCreate(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.environmentStart`.
  @inline(__always) public func environmentStart(
    slot: UInt64, environment: UInt64, entry: UInt64, stack: UInt64, position: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeEnvironmentStart(
        slot: slot, environment: environment, entry: entry, stack: stack, position: position
      )
      performEnvironmentStart(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.environmentGuard`.
  @inline(__always) public func environmentGuard(
    slot: UInt64, environment: UInt64, name: UInt64, length: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeEnvironmentGuard(slot: slot, environment: environment, name: name, length: length)
      performEnvironmentGuard(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.quotaMove`.
  @inline(__always) public func quotaMove(
    slot: UInt64, environment: UInt64, kind: UInt64, amount: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeQuotaMove(slot: slot, environment: environment, kind: kind, amount: amount)
      performQuotaMove(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.revoke`.
  @inline(__always) public func revoke(_ call: RevokeArguments) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeRevoke(call)
      performRevoke(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.frameAllocate`.
  @inline(__always) public func frameAllocate(slot: UInt64, frame: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFrameAllocate(slot: slot, frame: frame)
      return CallResult(performFrameAllocate(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.frameFree`.
  @inline(__always) public func frameFree(slot: UInt64, frame: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFrameFree(slot: slot, frame: frame)
      performFrameFree(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.frameProtect`.
  @inline(__always) public func frameProtect(_ call: FrameProtectArguments) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFrameProtect(call)
      return CallResult(performFrameProtect(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.entryWrite`.
  @inline(__always) public func entryWrite(address: UInt64, value: UInt64, table: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeEntryWrite(address: address, value: value, table: table)
      performEntryWrite(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.tableInstall`.
  @inline(__always) public func tableInstall(
    slot: UInt64, frame: UInt64, address: UInt64, level: UInt64, table: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeTableInstall(slot: slot, frame: frame, address: address, level: level, table: table)
      performTableInstall(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.framesAllocateMapped`.
  @inline(__always) public func framesAllocateMapped(
    slot: UInt64, address: UInt64, count: UInt64, table: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFramesAllocateMapped(slot: slot, address: address, count: count, table: table)
      return CallResult(performFramesAllocateMapped(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.frameGuard`.
  @inline(__always) public func frameGuard(_ call: FrameGuardArguments) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFrameGuard(call)
      performFrameGuard(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.frameGive`.
  @inline(__always) public func frameGive(slot: UInt64, frame: UInt64, environment: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFrameGive(slot: slot, frame: frame, environment: environment)
      performFrameGive(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.largeAllocate`.
  @inline(__always) public func largeAllocate(slot: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeLargeAllocate(slot: slot)
      return CallResult(performLargeAllocate(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.largeFree`.
  @inline(__always) public func largeFree(slot: UInt64, frame: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeLargeFree(slot: slot, frame: frame)
      performLargeFree(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.largeMap`.
  @inline(__always) public func largeMap(slot: UInt64, frame: UInt64, address: UInt64, rights: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeLargeMap(slot: slot, frame: frame, address: address, rights: rights)
      performLargeMap(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.largeUnmap`.
  @inline(__always) public func largeUnmap(address: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeLargeUnmap(address: address)
      performLargeUnmap(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.regionBind`.
  @inline(__always) public func regionBind(_ call: RegionBindArguments) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeRegionBind(call)
      return CallResult(performRegionBind(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.regionUnbind`.
  @inline(__always) public func regionUnbind(slot: UInt64, region: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeRegionUnbind(slot: slot, region: region)
      performRegionUnbind(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.regionRead`.
  @inline(__always) public func regionRead(slot: UInt64, region: UInt64, offset: UInt64, count: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeRegionRead(slot: slot, region: region, offset: offset, count: count)
      return CallResult(performRegionRead(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.regionWrite`.
  @inline(__always) public func regionWrite(slot: UInt64, region: UInt64, offset: UInt64, count: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeRegionWrite(slot: slot, region: region, offset: offset, count: count)
      return CallResult(performRegionWrite(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.consoleWrite`.
  @inline(__always) public func consoleWrite(count: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeConsoleWrite(count: count)
      return CallResult(performConsoleWrite(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.consoleDraw`.
  @inline(__always) public func consoleDraw(slot: UInt64, count: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeConsoleDraw(slot: slot, count: count)
      performConsoleDraw(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.extentBind`.
  @inline(__always) public func extentBind(
    slot: UInt64, disk: UInt64, first: UInt64, count: UInt64, rights: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeExtentBind(slot: slot, disk: disk, first: first, count: count, rights: rights)
      return CallResult(performExtentBind(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.extentUnbind`.
  @inline(__always) public func extentUnbind(slot: UInt64, extent: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeExtentUnbind(slot: slot, extent: extent)
      performExtentUnbind(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.blockSubmit`.
  @inline(__always) public func blockSubmit(_ call: BlockSubmitArguments) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeBlockSubmit(call)
      performBlockSubmit(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.filterBind`.
  @inline(__always) public func filterBind(
    slot: UInt64, code: UInt64, count: UInt64, ring: UInt64, slots: UInt64
  ) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFilterBind(slot: slot, code: code, count: count, ring: ring, slots: slots)
      return CallResult(performFilterBind(decoded))
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.filterUnbind`.
  @inline(__always) public func filterUnbind(slot: UInt64, filter: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeFilterUnbind(slot: slot, filter: filter)
      performFilterUnbind(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.packetSend`.
  @inline(__always) public func packetSend(slot: UInt64, interface: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodePacketSend(slot: slot, interface: interface)
      performPacketSend(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.diskFlush`.
  @inline(__always) public func diskFlush(slot: UInt64, extent: UInt64, tag: UInt64) -> CallResult {
    do throws(CallError) {
      let decoded = try decodeDiskFlush(slot: slot, extent: extent, tag: tag)
      performDiskFlush(decoded)
      return .success
    } catch {
      return refuse(error)
    }
  }
}
