import ExokernelABI

/// A page that is to be mapped, the first of a run.
struct NewMapping {
  /// Where its entry is; those of the others follow.
  var place: Cell<UInt64>
  /// What goes there.
  var entry: UInt64
  var frame: UInt32
  /// Whose page table it is.
  var target: UInt32
  var address: UInt64
  /// How many pages are asked for.
  var count: UInt64
}

/// Pages in a row under one page table.
struct PageRun {
  /// Where the entry of the first is; those of the others follow.
  var place: Cell<UInt64>
  /// How many there are at most, at least 1; they do not pass the table's end.
  var limit: UInt64
  /// The address of the first.
  var address: UInt64
  /// Whose page table it is.
  var target: UInt32
}

// Calls on page tables: runs of pages inside one table. Each page is checked and changed by itself; a run stops at the
// first that is refused, and tells how many were done.
extension Kernel {
  /// Most pages of one call.
  static var runLimit: UInt64 { 64 }

  /// `CallNumber.frameMap`.
  @inline(__always) public func frameMap(_ call: FrameMapArguments) -> CallResult {
    // Registers, not the structure: that would be put into memory here, where the usual case does not need it.
    mapOwn(call) ? CallResult(1) : mapRun(rdi: call.rdi, rsi: call.rsi, rdx: call.rdx, rcx: call.rcx, r8: call.r8)
  }

  /// The usual case of `mapRun`: one page, of the caller's own memory, on which there is no restriction, into the
  /// caller's own page table. False in every other case, and then nothing was changed: `mapRun` decides. Both make the
  /// same checks, here folded together: change both. `TwinTests` runs them on the same states.
  @inline(__always) func mapOwn(_ call: FrameMapArguments) -> Bool {
    let environment = processor.value.environment & UInt32(BooksLayout.environments &- 1)
    guard call.slot < CapabilitySlot.count, call.table == Handle.own, call.count <= 1, isMappable(call.address),
      call.frame < UInt64(header.value.frameCount)
    else { return false }
    let index = UInt32(truncatingIfNeeded: call.frame)
    let record = frames.cell(at: index)
    guard record.value.identity.word == FrameIdentity.memory(of: environment).word else { return false }
    let capability = capabilities.cell(
      at: environment &* UInt32(CapabilitySlot.count) | UInt32(truncatingIfNeeded: call.slot))
    let rights = UInt32(truncatingIfNeeded: call.rights) & 6 | 1
    // Both must be nothing: where guard and name differ, and what is wanted and not allowed.
    let difference = (record.value.guardName ^ capability.value.name) & capability.value.mask
    guard difference | UInt64(rights & ~capability.value.rights.rawValue) == 0 else { return false }
    guard let place = unsafe hardware.entry(of: call.address) else { return false }
    // Safe: the hardware vouches for the entry, and tells all ones where there is none.
    guard unsafe hardware.load(entry: place) & PageEntry.present == 0 else { return false }
    unsafe place.pointee = call.frame &<< 12 | PageEntry.bits[Int(truncatingIfNeeded: rights &>> 1 & 3)]
    record.value.addReference()
    return true
  }

  /// `CallNumber.frameMap` in general. Its usual case is `mapOwn`: change both.
  @inline(never) func mapRun(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64, r8: UInt64) -> CallResult {
    let call = FrameMapArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx, r8: r8)
    do throws(CallError) { return CallResult(performFrameMap(try decodeFrameMap(call))) } catch { return refuse(error) }
  }

  /// Checks `CallNumber.frameMap`: the first page, without which the call is refused.
  @inline(__always) private func decodeFrameMap(_ call: FrameMapArguments) throws(CallError) -> NewMapping {
    let capability = try presented(call.slot)
    guard isMappable(call.address) else { throw .badAddress }
    let rights = Rights(rawValue: UInt32(truncatingIfNeeded: call.rights) & 7) | .read
    let index = try require(capability, rights, frame: call.frame)
    guard rights.rawValue & ~UInt32(frames[index].identity.allowed) == 0 else { throw .notPermitted }
    let target = try tableOwner(call.table)
    // The frames of an ended environment are going back: no new mapping.
    guard isLive(UInt32(frames[index].owner)) else { throw .noSuchResource }
    guard let place = unsafe entryPlace(target, call.address) else { throw .noPageTable }
    // Safe: the hardware, or the walk, vouches for the entry.
    guard unsafe place.pointee & PageEntry.present == 0 else { throw .busy }
    return unsafe NewMapping(
      place: Cell(UnsafeMutableRawPointer(place)), entry: pageEntry(frame: index, rights: rights), frame: index,
      target: target, address: call.address, count: call.count)
  }

  /// Maps the first page, and those after it that are like it; returns how many.
  @inline(__always) private func performFrameMap(_ mapping: NewMapping) -> UInt64 {
    let index = mapping.frame
    let owner = UInt32(frames[index].owner)
    if owner != current || mapping.target != current {
      kernelPrivate.value.sharing |= 1 &<< UInt64(owner) | 1 &<< UInt64(mapping.target)
    }
    mapping.place.value = mapping.entry
    frames[index].addReference()
    guard mapping.count > 1 else { return 1 }
    return unsafe mapMore(index, mapping.place.pointer, address: mapping.address, count: mapping.count)
  }

  /// The rest of a run whose first frame was mapped at `place`. Frames like the first one are of the same kind, owner
  /// and guard, so they need no other check.
  private func mapMore(_ first: UInt32, _ place: UnsafeMutablePointer<UInt64>, address: UInt64, count: UInt64) -> UInt64
  {
    let toTableEnd = 512 &- (address &>> 12 & 511)
    let toLastFrame = UInt64(header.value.frameCount &- first)
    var limit = count < Self.runLimit ? count : Self.runLimit
    if toTableEnd < limit { limit = toTableEnd }
    if toLastFrame < limit { limit = toLastFrame }
    guard limit > 1 else { return 1 }
    // Safe: `limit` stays inside the page table and the frame table. The index counts up to zero, which one instruction
    // sees.
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

  /// `CallNumber.frameUnmap`. One page of the caller's own page table is done here, everything else by `unmapRun`,
  /// which makes the same checks: change both. `TwinTests` runs them on the same states.
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

  /// `CallNumber.frameUnmap` in general: a run, or another environment's page table. The caller has checked the
  /// address. The usual case is in `frameUnmap`: change both.
  @inline(never) func unmapRun(address: UInt64, count: UInt64, table: UInt64) -> CallResult {
    do throws(CallError) {
      return CallResult(performFrameUnmap(try decodeFrameUnmap(address: address, count: count, table: table)))
    } catch {
      return refuse(error)
    }
  }

  /// Checks `CallNumber.frameUnmap`, whose address was checked: the first page, without which the call is refused.
  @inline(__always) private func decodeFrameUnmap(address: UInt64, count: UInt64, table: UInt64) throws(CallError)
    -> PageRun
  {
    let run = try pageRun(address, count: count, table)
    let entry = run.place.value
    guard entry & PageEntry.present != 0 else { throw .noSuchResource }
    let frame = UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)
    guard frames[frame].kind != FrameKind.environmentPage.rawValue else { throw .badAddress }
    return run
  }

  /// Removes the mappings up to the first page that has none, or none that may go; returns how many.
  @inline(__always) private func performFrameUnmap(_ run: PageRun) -> UInt64 {
    let isHere = isInForce(run.target)
    // Safe: the run stays inside the page table; entries name frames of the machine, each of which has a record.
    let records = unsafe UnsafeMutableRawPointer(frames.pointer(at: 0))
    let place = unsafe run.place.pointer
    let end = unsafe place + Int(truncatingIfNeeded: run.limit)
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
    let count = unsafe UInt64(truncatingIfNeeded: next - place)
    if isHere { forgetHere(run.address, count: count) }
    if header.value.processorCount > 1 { forgetElsewhere(rootTable(of: run.target)) }
    return count
  }

  /// The pages from `address` on that a call means: at least one, at most as many as its bound and the table's end
  /// allow.
  @inline(__always) private func pageRun(_ address: UInt64, count: UInt64, _ table: UInt64) throws(CallError)
    -> PageRun
  {
    let target = try tableOwner(table)
    guard let place = unsafe entryPlace(target, address) else { throw .noPageTable }
    let toTableEnd = 512 &- (address &>> 12 & 511)
    var limit = count < Self.runLimit ? count : Self.runLimit
    if toTableEnd < limit { limit = toTableEnd }
    if limit == 0 { limit = 1 }
    // Safe: the hardware, or the walk, vouches for the entry.
    return unsafe PageRun(
      place: Cell(UnsafeMutableRawPointer(place)), limit: limit, address: address, target: target)
  }

  /// Checks `CallNumber.frameProtect`: the first page, without which the call is refused. The capability needs the new
  /// rights over each frame, as if it were mapped anew.
  func decodeFrameProtect(_ call: FrameProtectArguments) throws(CallError) -> (
    run: PageRun, capability: Capability, rights: Rights
  ) {
    let capability = try presented(call.slot)
    guard isMappable(call.address), !isReserved(call.address) else { throw .badAddress }
    let run = try pageRun(call.address, count: call.count, call.table)
    let rights = Rights(rawValue: UInt32(truncatingIfNeeded: call.rights) & 7) | .read
    if let error = protectRefusal(run.place.value, capability, rights) { throw error }
    return (run, capability, rights)
  }

  /// Gives the pages their new rights, up to the first that the capability does not have them for; returns how many.
  func performFrameProtect(_ decoded: (run: PageRun, capability: Capability, rights: Rights)) -> UInt64 {
    let (run, capability, rights) = decoded
    // Safe: the run stays inside the page table.
    let place = unsafe run.place.pointer
    var index = 0
    while index < Int(truncatingIfNeeded: run.limit) {
      let entry = unsafe place[index]
      guard protectRefusal(entry, capability, rights) == nil else { break }
      unsafe place[index] = entry & PageEntry.addressMask | entryBits(rights)
      index &+= 1
    }
    forgetTranslations(run.target, run.address, count: UInt64(index))
    return UInt64(index)
  }

  /// Why the page of an entry may not get `rights`; nil where it may.
  private func protectRefusal(_ entry: UInt64, _ capability: Capability, _ rights: Rights) -> CallError? {
    guard entry & PageEntry.present != 0 else { return .noSuchResource }
    let frame = (entry & PageEntry.addressMask) &>> 12
    if let error = permits(capability, rights, frame: frame) { return error }
    let allowed = frames[UInt32(truncatingIfNeeded: frame)].identity.allowed
    return rights.rawValue & ~UInt32(allowed) == 0 ? nil : .notPermitted
  }

  /// Checks `CallNumber.entryWrite`: nothing that the processor looks at, for the entry maps nothing before and after.
  func decodeEntryWrite(address: UInt64, value: UInt64, table: UInt64) throws(CallError) -> (
    place: Cell<UInt64>, value: UInt64
  ) {
    guard isMappable(address), !isReserved(address) else { throw .badAddress }
    guard value & PageEntry.present == 0 else { throw .badArgument }
    guard let place = unsafe entryPlace(try tableOwner(table), address) else { throw .noPageTable }
    // Safe: the hardware, or the walk, vouches for the entry.
    guard unsafe place.pointee & PageEntry.present == 0 else { throw .busy }
    return unsafe (Cell(UnsafeMutableRawPointer(place)), value)
  }

  /// Writes the entry.
  func performEntryWrite(_ decoded: (place: Cell<UInt64>, value: UInt64)) { decoded.place.value = decoded.value }
}
