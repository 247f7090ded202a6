import ExokernelABI

// Calls on page tables: runs of pages inside one table. Each page is checked and changed by itself; a run stops at the first that is
// refused, and tells how many were done.
extension Kernel {
  /// Most pages of one call.
  static var runLimit: UInt64 { 64 }

  /// `CallNumber.frameMap`.
  @inline(__always) public func frameMap(
    slot: UInt64, frame: UInt64, address: UInt64, rightsAndCount: UInt64, table: UInt64
  ) -> CallResult {
    if mapOwn(slot: slot, frame: frame, address: address, rightsAndCount: rightsAndCount, table: table) {
      return CallResult(1)
    }
    return mapRun(slot: slot, frame: frame, address: address, rightsAndCount: rightsAndCount, table: table)
  }

  /// The usual case of `mapRun`: one page, of the caller's own memory, on which there is no restriction, into the
  /// caller's own page table. False in every other case, and then nothing was changed: `mapRun` decides. Both make the
  /// same checks, here folded together: change both. `TwinTests` runs them on the same states.
  @inline(__always) func mapOwn(
    slot: UInt64, frame: UInt64, address: UInt64, rightsAndCount: UInt64, table: UInt64
  ) -> Bool {
    let environment = processor.value.environment & UInt32(BooksLayout.environments &- 1)
    guard slot < CapabilitySlot.count, table == Handle.own, rightsAndCount &>> 33 == 0, isMappable(address),
      frame < UInt64(header.value.frameCount)
    else { return false }
    let index = UInt32(truncatingIfNeeded: frame)
    let record = frames.cell(at: index)
    guard record.value.identity.word == FrameIdentity.memory(of: environment).word else { return false }
    let capability = capabilities.cell(
      at: environment &* UInt32(CapabilitySlot.count) | UInt32(truncatingIfNeeded: slot))
    let rights = UInt32(truncatingIfNeeded: rightsAndCount) & 6 | 1
    // Both must be nothing: where guard and name differ, and what is wanted and not allowed.
    let difference = (record.value.guardName ^ capability.value.name) & capability.value.mask
    guard difference | UInt64(rights & ~capability.value.rights.rawValue) == 0 else { return false }
    guard let place = unsafe hardware.entry(of: address) else { return false }
    // Safe: the hardware vouches for the entry, and tells all ones where there is none.
    guard unsafe hardware.load(entry: place) & PageEntry.present == 0 else { return false }
    unsafe place.pointee = frame &<< 12 | PageEntry.bits[Int(truncatingIfNeeded: rights &>> 1 & 3)]
    record.value.addReference()
    return true
  }

  /// `CallNumber.frameMap` in general. Its usual case is `mapOwn`: change both.
  @inline(never) func mapRun(
    slot: UInt64, frame: UInt64, address: UInt64, rightsAndCount: UInt64, table: UInt64
  ) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard isMappable(address) else { return refuse(.badAddress) }
    let rights = Rights(rawValue: UInt32(truncatingIfNeeded: rightsAndCount) & 7) | .read
    if let error = permits(capability, rights, frame: frame) { return refuse(error) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard rights.rawValue & ~UInt32(frames[index].identity.allowed) == 0 else { return refuse(.notPermitted) }
    let target: UInt32
    do throws(CallError) { target = try tableOwner(table) } catch { return refuse(error) }
    let owner = UInt32(frames[index].owner)
    // The frames of an ended environment are going back: no new mapping.
    guard isLive(owner) else { return refuse(.noSuchResource) }
    guard let place = unsafe entryPlace(target, address) else { return refuse(.noPageTable) }
    // Safe: the hardware, or the walk, vouches for the entry.
    guard unsafe place.pointee & PageEntry.present == 0 else { return refuse(.busy) }
    if owner != current || target != current {
      kernelPrivate.value.sharing |= 1 &<< UInt64(owner) | 1 &<< UInt64(target)
    }
    unsafe place.pointee = pageEntry(frame: index, rights: rights)
    frames[index].addReference()
    let count = rightsAndCount &>> 32
    return count > 1 ? unsafe CallResult(mapMore(index, place, address: address, count: count)) : CallResult(1)
  }

  /// The rest of a run whose first frame was mapped at `place`. Frames like the first one are of the same kind, owner and guard, so they
  /// need no other check.
  private func mapMore(_ first: UInt32, _ place: UnsafeMutablePointer<UInt64>, address: UInt64, count: UInt64) -> UInt64
  {
    let toTableEnd = 512 &- (address &>> 12 & 511)
    let toLastFrame = UInt64(header.value.frameCount &- first)
    var limit = count < Self.runLimit ? count : Self.runLimit
    if toTableEnd < limit { limit = toTableEnd }
    if toLastFrame < limit { limit = toLastFrame }
    guard limit > 1 else { return 1 }
    // Safe: `limit` stays inside the page table and the frame table. The index counts up to zero, which one instruction sees.
    let record = unsafe frames.pointer(at: first)
    let name = unsafe record.pointee.guardName
    let word = unsafe record.pointee.identity.word
    var entry = unsafe place.pointee
    var next = unsafe record + 1
    let end = unsafe place + Int(truncatingIfNeeded: limit)
    var index = 1 &- Int(truncatingIfNeeded: limit)
    repeat {
      guard unsafe next.pointee.guardName == name, unsafe next.pointee.identity.word == word,
        unsafe end[index] & PageEntry.present == 0
      else { break }
      entry &+= AddressMap.pageSize
      unsafe end[index] = entry
      unsafe next.pointee.addReference()
      unsafe next += 1
      index &+= 1
    } while index != 0
    return limit &- UInt64(bitPattern: Int64(-index))
  }

  /// `CallNumber.frameUnmap`. One page of the caller's own page table is done here, everything else by `unmapRun`, which
  /// makes the same checks: change both. `TwinTests` runs them on the same states.
  @inline(__always) public func frameUnmap(address: UInt64, count: UInt64, table: UInt64) -> CallResult {
    guard isMappable(address), !isReserved(address) else { return refuse(.badAddress) }
    guard table == Handle.own, count <= 1 else { return unmapRun(address: address, count: count, table: table) }
    guard let place = unsafe hardware.entry(of: address) else { return refuse(.noPageTable) }
    // Safe: the hardware vouches for the entry.
    let entry = unsafe hardware.load(entry: place)
    guard entry & PageEntry.present != 0 else { return refuse(.noSuchResource) }
    guard !PageEntry.isMissing(entry) else { return refuse(.noPageTable) }
    let record = frames.cell(at: UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12))
    guard record.value.kind != FrameKind.environmentPage.rawValue else { return refuse(.badAddress) }
    unsafe place.pointee = 0
    record.value.removeReference()
    hardware.invalidate(page: address)
    if header.value.processorCount > 1 { forgetElsewhere(processor.value.activeRoot) }
    return CallResult(1)
  }

  /// `CallNumber.frameUnmap` in general: a run, or another environment's page table. The caller has checked the address.
  /// The usual case is in `frameUnmap`: change both.
  @inline(never) func unmapRun(address: UInt64, count: UInt64, table: UInt64) -> CallResult {
    let target: UInt32
    do throws(CallError) { target = try tableOwner(table) } catch { return refuse(error) }
    guard let place = unsafe entryPlace(target, address) else { return refuse(.noPageTable) }
    let isHere = isInForce(target)
    let toTableEnd = 512 &- (address &>> 12 & 511)
    var limit = count < Self.runLimit ? count : Self.runLimit
    if toTableEnd < limit { limit = toTableEnd }
    if limit == 0 { limit = 1 }
    // Safe: `limit` stays inside the page table; entries name frames of the machine, each of which has a record.
    let records = unsafe UnsafeMutableRawPointer(frames.pointer(at: 0))
    let end = unsafe place + Int(truncatingIfNeeded: limit)
    var next = unsafe place
    repeat {
      let entry = unsafe next.pointee
      guard entry & PageEntry.present != 0 else { break }
      // An address in an entry, less its last seven bits, is 32 times the frame's number: where its record is.
      let record = unsafe Cell<FrameRecord>(records + Int(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 7))
      guard record.value.kind != FrameKind.environmentPage.rawValue else { break }
      record.value.removeReference()
      unsafe next.pointee = 0
      unsafe next += 1
    } while unsafe next != end
    let index = unsafe UInt64(truncatingIfNeeded: next - place)
    if isHere { forgetHere(address, count: index) }
    guard index > 0 else {
      return refuse(unsafe place.pointee & PageEntry.present == 0 ? .noSuchResource : .badAddress)
    }
    if header.value.processorCount > 1 { forgetElsewhere(rootTable(of: target)) }
    return CallResult(index)
  }

  /// `CallNumber.frameProtect`. The capability needs the new rights over each frame, as if it were mapped anew.
  public func frameProtect(slot: UInt64, address: UInt64, rightsAndCount: UInt64, table: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard isMappable(address), !isReserved(address) else { return refuse(.badAddress) }
    let target: UInt32
    do throws(CallError) { target = try tableOwner(table) } catch { return refuse(error) }
    guard let place = unsafe entryPlace(target, address) else { return refuse(.noPageTable) }
    let rights = Rights(rawValue: UInt32(truncatingIfNeeded: rightsAndCount) & 7) | .read
    let toTableEnd = 512 &- (address &>> 12 & 511)
    var limit = rightsAndCount &>> 32 < Self.runLimit ? rightsAndCount &>> 32 : Self.runLimit
    if toTableEnd < limit { limit = toTableEnd }
    if limit == 0 { limit = 1 }
    var index = 0
    var error = CallError.noSuchResource
    while index < Int(truncatingIfNeeded: limit) {
      // Safe: as in `unmapRun`.
      let entry = unsafe place[index]
      guard entry & PageEntry.present != 0 else { break }
      let frame = (entry & PageEntry.addressMask) &>> 12
      if let refused = permits(capability, rights, frame: frame) {
        error = refused
        break
      }
      guard rights.rawValue & ~UInt32(frames[UInt32(truncatingIfNeeded: frame)].identity.allowed) == 0 else {
        error = .notPermitted
        break
      }
      unsafe place[index] = frame &<< 12 | entryBits(rights)
      index &+= 1
    }
    guard index > 0 else { return refuse(error) }
    forgetTranslations(target, address, count: UInt64(index))
    return CallResult(UInt64(index))
  }

  /// `CallNumber.entryWrite`: nothing that the processor looks at, for the entry maps nothing before and after.
  public func entryWrite(address: UInt64, value: UInt64, table: UInt64) -> CallResult {
    guard isMappable(address), !isReserved(address) else { return refuse(.badAddress) }
    guard value & PageEntry.present == 0 else { return refuse(.badArgument) }
    let target: UInt32
    do throws(CallError) { target = try tableOwner(table) } catch { return refuse(error) }
    guard let place = unsafe entryPlace(target, address) else { return refuse(.noPageTable) }
    // Safe: the hardware, or the walk, vouches for the entry.
    guard unsafe place.pointee & PageEntry.present == 0 else { return refuse(.busy) }
    unsafe place.pointee = value
    return .success
  }
}
