import CLibOS
import ExokernelABI
import LibOS

private let memoryPages: UInt64 = 32

/// The neighbour of the fuzz programs, environments 1 to `programs`: its memory, frames and capabilities stay as they
/// are, it gets the processor, and the books agree with themselves. It ends last, and then everything is back.
func watch(programs: UInt64) -> Int32 {
  guard Environment.number == 0, programs <= 8, let memory = PageSpace.mapAnywhere(count: memoryPages),
    var audit = BooksAudit()
  else { return fail("fuzz:watch must be the first program, and have memory", 0) }
  for word in 0..<memoryPages &* 512 { libos_store64(UInt(memory &+ word &* 8), pattern(word)) }
  let frames = Books.environment(0)?.frames ?? 0
  let capabilities = capabilityHash
  // Their records may be others' when they have ended.
  var handles: InlineArray<8, UInt64> = .init(repeating: Handle.none)
  for index in handles.indices where index < programs {
    handles[index] = Books.environment(UInt64(index) &+ 1)?.handle ?? Handle.none
  }
  var looks: UInt64 = 0
  var bad = 0
  while true {
    clearUp(behind: handles)
    for word in 0..<memoryPages &* 512 where libos_load64(UInt(memory &+ word &* 8)) != pattern(word) {
      return fail("the neighbour's memory has changed at word", word)
    }
    guard Books.environment(0)?.frames == frames else { return fail("the neighbour has other frames than before", 0) }
    guard capabilityHash == capabilities else { return fail("the neighbour has other capabilities than before", 0) }
    // What is wrong stays wrong; what was in change does not, though the host may keep another processor from ending it
    // for a while.
    let finding = audit.look()
    bad = finding == nil ? 0 : bad + 1
    if bad == 10, let finding { return fail(finding.text, finding.value) }
    looks &+= 1
    if finding == nil, isAlone { break }
    let started = Clock.timeStamp
    let deadline = Clock.timeStamp(after: 50_000_000)
    KernelCall.sleep(events: Environment.events, deadline: deadline)
    // A turn of everybody's slices, and what a busy host takes.
    guard Clock.nanoseconds(of: Clock.timeStamp &- started) < 20_000_000_000 else {
      return fail("the neighbour slept too long", Clock.nanoseconds(of: Clock.timeStamp &- started))
    }
  }
  Console.put("neighbour is well after ")
  Console.put(looks)
  Console.line(" looks at the books")
  return 0
}

/// Whether there is no other record of an environment any more, not even one that has ended.
private var isAlone: Bool {
  for index in 1..<BooksLayout.environments
  where Books.environment(index)?.state != EnvironmentState.free.rawValue { return false }
  return true
}

private func pattern(_ word: UInt64) -> UInt64 { (word &+ 1) &* 0x9e37_79b9_7f4a_7c15 }

private func mixed(_ hash: UInt64, _ part: UInt64) -> UInt64 {
  (hash ^ part) &* 0x9e37_79b9_7f4a_7c15 &+ hash &>> 29
}

/// All of this program's capabilities in a number.
private var capabilityHash: UInt64 {
  var hash: UInt64 = 0
  for slot in 0..<CapabilitySlot.count {
    guard let held = Books.capability(of: 0, slot: slot) else { continue }
    hash = mixed(mixed(hash, held.name), held.mask)
    hash = mixed(mixed(hash, UInt64(held.rights.rawValue)), UInt64(held.length))
  }
  return hash
}

/// Ends what nobody else can end: environments whose maker holds no capability for them, because one of the fuzz
/// programs' environments made them, and has ended.
private func clearUp(behind programs: InlineArray<8, UInt64>) {
  for index in 1..<BooksLayout.environments {
    guard let record = Books.environment(index), record.state != EnvironmentState.free.rawValue,
      record.state != EnvironmentState.ended.rawValue, !isHeld(record, index)
    else { continue }
    var isProgram = false
    for program in programs.indices where programs[program] == record.handle { isProgram = true }
    if isProgram { continue }
    do throws(CallError) {
      try KernelCall.destroyEnvironment(record.handle, capability: CapabilitySlot.root)
    } catch {
      // It has ended by itself.
    }
  }
}

/// Whether the maker of an environment holds the capability for it that it got when it made it.
private func isHeld(_ record: EnvironmentRecord, _ index: UInt64) -> Bool {
  guard record.creatorPlusOne != 0 else { return false }
  let maker = UInt64(record.creatorPlusOne) &- 1
  let name = CapabilityName.environment(UInt32(truncatingIfNeeded: index), generation: record.generation)
  for slot in 0..<CapabilitySlot.count {
    guard let held = Books.capability(of: maker, slot: slot), !held.rights.isEmpty else { continue }
    if held.name == name, held.length == CapabilityName.environmentLength { return true }
  }
  return false
}

private func fail(_ what: StaticString, _ value: UInt64) -> Int32 {
  Console.put("FAILED: ")
  Console.put(what)
  Console.put(" ")
  Console.put(value)
  Console.flush()
  return ExitStatus.software
}
