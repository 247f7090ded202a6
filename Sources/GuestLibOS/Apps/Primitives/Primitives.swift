import CLibOS
import DownloadedCode
import ExokernelABI
import LibOS

/// Exercises each of the kernel's operations alone, for `xokvm bench primitives`.
///
/// Every phase starts with a null call whose mark names it, so that whoever steps through the kernel knows what it
/// counts; and prints `measure NAME NANOSECONDS`. A second instance with the argument `partner` yields until the first
/// has ended, to be switched to; a third one with the argument `server` answers control transfers. The first one's
/// argument is the number of repetitions.
@c(program_main)
public func programMain() -> Int32 {
  let arguments = Environment.arguments()
  switch arguments.first {
  case UInt8(ascii: "p"): return beThePartner()
  case UInt8(ascii: "s"): return beTheServer()
  default: unsafe manyRounds = ArgumentText.number(arguments[...]) ?? manyRounds
  }
  do throws(CallError) {
    try measureCalls()
    try measureTransfers()
    try measureFrames()
    try measureBatches()
    measureFaults()
    try measureExceptions()
    try measurePredicates()
    try measureDirectedYields()
    measureSwitches()
    try measureBlocks()
    try measurePackets()
  } catch {
    Console.put("bench: a call was refused with ")
    Console.put(UInt64(bitPattern: -error.rawValue))
    Console.flush()
    return ExitStatus.software
  }
  KernelCall.null(mark: Mark.end)
  return 0
}

/// Marks of the phases, as the host knows them.
private enum Mark {
  static var nullCall: UInt64 { 0x1001 }
  static var nullCallFull: UInt64 { 0x1002 }
  static var frames: UInt64 { 0x1003 }
  static var faults: UInt64 { 0x1004 }
  static var switches: UInt64 { 0x1005 }
  static var blocks: UInt64 { 0x1006 }
  static var packets: UInt64 { 0x1007 }
  static var batches: UInt64 { 0x1008 }
  static var transfers: UInt64 { 0x1009 }
  static var directedYields: UInt64 { 0x100a }
  static var predicates: UInt64 { 0x100b }
  static var pairs: UInt64 { 0x100c }
  static var yields: UInt64 { 0x100d }
  static var exceptions: UInt64 { 0x100e }
  static var end: UInt64 { 0x10ff }
}

/// Repetitions of the operations that touch no device. Safe: one thread, which sets it first.
nonisolated(unsafe) private var manyRounds: UInt64 = 1000
private var repetitions: UInt64 { unsafe manyRounds }
/// Repetitions of the others.
private var rounds: UInt64 { 32 }

private func report(_ name: StaticString, _ start: UInt64, _ count: UInt64) {
  let each = (Clock.nanoseconds &- start) / count
  Console.put("measure ")
  Console.put(name)
  Console.put(" ")
  Console.put(each)
  Console.flush()
}

private func beThePartner() -> Int32 {
  while let first = Books.environment(0), first.state != EnvironmentState.ended.rawValue,
    first.state != EnvironmentState.free.rawValue
  { KernelCall.yield() }
  return 0
}

/// Answers every transfer with its own message, until one says that it is enough.
private func beTheServer() -> Int32 {
  do throws(CallError) {
    try TransferServer.serve(from: 0, length: 0) { _, message in
      if message[0] == lastMessage { KernelCall.exit(status: 0) }
      return true
    }
  } catch {
    return ExitStatus.software
  }
}

/// First word of the message that ends the server.
private var lastMessage: UInt64 { 0xffff }

private func measureCalls() throws(CallError) {
  KernelCall.null(mark: Mark.nullCall)
  var start = Clock.nanoseconds
  for _ in 0..<repetitions { KernelCall.null() }
  report("null-call", start, repetitions)
  KernelCall.null(mark: Mark.nullCallFull)
  start = Clock.nanoseconds
  for _ in 0..<repetitions { KernelCall.nullPreservingRegisters() }
  report("null-call-full", start, repetitions)
}

/// The handle of the program that was started `after` this one.
private func handle(of number: UInt64) throws(CallError) -> UInt64 {
  guard let record = Books.environment(number) else { throw .noSuchResource }
  return record.handle
}

private func measureTransfers() throws(CallError) {
  let server = try handle(of: 2)
  // The server starts in a slice of its own.
  while Books.environment(2)?.state != EnvironmentState.sleeping.rawValue { KernelCall.yield() }
  var message = [0, 1, 2, 3, 4, 5] as InlineArray<6, UInt64>
  KernelCall.null(mark: Mark.transfers)
  let start = Clock.nanoseconds
  for round in 0..<repetitions {
    message[1] = round
    let answered = try KernelCall.transfer(
      to: server, capability: CapabilitySlot.root, mode: .synchronous, message: &message)
    guard answered == server, message[1] == round else { throw .notAccepted }
  }
  report("transfer", start, repetitions &* 2)
  message[0] = lastMessage
  _ = try KernelCall.transfer(to: server, capability: CapabilitySlot.root, mode: .synchronous, message: &message)
}

private func measureDirectedYields() throws(CallError) {
  let partner = try handle(of: 1)
  KernelCall.null(mark: Mark.directedYields)
  let start = Clock.nanoseconds
  for _ in 0..<repetitions { try KernelCall.yield(to: partner) }
  report("directed-yield", start, repetitions &* 2)
}

private func measurePredicates() throws(CallError) {
  guard let page = PageSpace.mapAnywhere(count: 1),
    let comparison = WakeupPredicate.word(at: page &+ 2048, in: 0...0)
  else { throw .exhausted }
  var predicate = WakeupPredicate(page: page)
  _ = predicate.add(comparison)
  try predicate.bind()
  KernelCall.null(mark: Mark.predicates)
  let start = Clock.nanoseconds
  // The predicate holds, so nobody sleeps: the call does nothing but evaluate it.
  for _ in 0..<repetitions { KernelCall.sleepUntilPredicate() }
  report("predicate", start, repetitions)
  try WakeupPredicate(page: page).bind()
}

/// Runs of 64 pages and of 2, in which each frame follows the one before: the difference is what the 62 others cost.
private func measureBatches() throws(CallError) {
  let count: UInt64 = 64
  guard let from = PageSpace.mapAnywhere(count: count), let to = PageSpace.mapAnywhere(count: 1),
    let first = Books.frameNumber(of: from), Books.frameNumber(of: from &+ (count &- 1) &* 4096) == first &+ count &- 1
  else { throw .exhausted }
  var mapping: UInt64 = 0
  var unmapping: UInt64 = 0
  KernelCall.null(mark: Mark.batches)
  for _ in 0..<rounds {
    let start = Clock.timeStamp
    guard try KernelCall.mapFrame(first, at: to &+ 4096, rights: .read | .write, count: count) == count else {
      throw .busy
    }
    let middle = Clock.timeStamp
    guard try KernelCall.unmapFrame(at: to &+ 4096, count: count) == count else { throw .busy }
    mapping &+= middle &- start
    unmapping &+= Clock.timeStamp &- middle
  }
  KernelCall.null(mark: Mark.pairs)
  for _ in 0..<rounds {
    guard try KernelCall.mapFrame(first, at: to &+ 4096, rights: .read | .write, count: 2) == 2,
      try KernelCall.unmapFrame(at: to &+ 4096, count: 2) == 2
    else { throw .busy }
  }
  report("frame-map-batch", Clock.nanoseconds &- Clock.nanoseconds(of: mapping), rounds &* count)
  report("frame-unmap-batch", Clock.nanoseconds &- Clock.nanoseconds(of: unmapping), rounds &* count)
}

private func measureFrames() throws(CallError) {
  let frame = try KernelCall.allocateFrame()
  let address: UInt64 = 0x5b_0000
  var mapping: UInt64 = 0
  var unmapping: UInt64 = 0
  KernelCall.null(mark: Mark.frames)
  for _ in 0..<repetitions {
    let start = Clock.timeStamp
    try KernelCall.mapFrame(frame, at: address, rights: .read | .write)
    let middle = Clock.timeStamp
    try KernelCall.unmapFrame(at: address)
    mapping &+= middle &- start
    unmapping &+= Clock.timeStamp &- middle
  }
  report("frame-map", Clock.nanoseconds &- Clock.nanoseconds(of: mapping), repetitions)
  report("frame-unmap", Clock.nanoseconds &- Clock.nanoseconds(of: unmapping), repetitions)
}

private func measureFaults() {
  KernelCall.null(mark: Mark.faults)
  let start = Clock.nanoseconds
  // Pages of the stack that nothing has touched: each is a fault that the library serves by mapping a frame.
  for page in 1...16 as ClosedRange<UInt> {
    unsafe UnsafeMutablePointer<UInt64>(bitPattern: 0x5f_0000 - page * 4096)?.pointee = 1
  }
  report("fault-upcall", start, 16)
}

nonisolated(unsafe) private var exceptionsServed: UInt64 = 0

private func measureExceptions() throws(CallError) {
  // Safe: one thread of the processor.
  Exceptions.handler = { frame in
    guard frame.vector == 3 else { return false }
    unsafe exceptionsServed &+= 1
    return true
  }
  KernelCall.null(mark: Mark.exceptions)
  let start = Clock.nanoseconds
  for _ in 0..<repetitions { libos_breakpoint() }
  let end = Clock.nanoseconds
  KernelCall.null(mark: Mark.yields)
  Exceptions.handler = nil
  guard unsafe exceptionsServed == repetitions else { throw .badArgument }
  report("ring3-exception", Clock.nanoseconds &- (end &- start), repetitions)
}

private func measureSwitches() {
  KernelCall.null(mark: Mark.switches)
  let me = Environment.number
  let first = Books.environment(me)?.slicesRun ?? 0
  while (Books.environment(me)?.slicesRun ?? 0) &- first < 128 {}
  KernelCall.null(mark: Mark.yields)
  let start = Clock.nanoseconds
  for _ in 0..<rounds { KernelCall.yield() }
  report("slice-switch", start, rounds &* 2)
}

private func measureBlocks() throws(CallError) {
  guard let page = PageSpace.mapAnywhere(count: 1) else { throw .exhausted }
  var disk = try DiskExtent(disk: 0, rights: .read)
  KernelCall.null(mark: Mark.blocks)
  let start = Clock.nanoseconds
  for round in 0..<rounds {
    _ = try disk.submit(block: round % disk.blockCount, count: 1, page: page)
    while disk.nextCompletion() == nil {}
  }
  report("block-read", start, rounds)
}

private func measurePackets() throws(CallError) {
  var filter = FilterBuilder()
  do throws(FilterBuilderError) {
    // What a web server asks for: its address resolution, its TCP port.
    try filter.accept(.arp(target: 0x0a00_0002))
    try filter.accept(.ipv4(destination: 0x0a00_0002, protocol: 6, destinationPort: 80))
    try filter.finish()
  } catch {
    throw .badProgram
  }
  var interface = try PacketInterface(interface: 0, filter: filter)
  let packet = synSegment()
  var sending: UInt64 = 0
  KernelCall.null(mark: Mark.packets)
  let start = Clock.nanoseconds
  for _ in 0..<rounds {
    let before = Clock.timeStamp
    let sent = unsafe packet.withUnsafeBytes { unsafe interface.send($0, header: SendBlock()) }
    guard sent else { throw .deviceFull }
    sending &+= Clock.timeStamp &- before
    while unsafe !interface.receive({ _, _ in }) {}
  }
  // The device answers while the sending call is still under way, so a packet's way back cannot be timed alone: the
  // round trip is.
  report("packet-receive", start, rounds)
  report("packet-send", Clock.nanoseconds &- Clock.nanoseconds(of: sending), rounds)
}

/// A TCP SYN to 10.0.0.2:80, 60 bytes with its padding, which the bench's network sends back as it is.
private func synSegment() -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: 60)
  for index in 0..<6 { bytes[index] = 0x52 }
  bytes[12] = 0x08
  bytes[14] = 0x45
  bytes[17] = 40
  bytes[22] = 64
  bytes[23] = 6
  bytes[30] = 10
  bytes[33] = 2
  bytes[37] = 80
  bytes[46] = 0x50
  bytes[47] = 2
  return bytes
}
