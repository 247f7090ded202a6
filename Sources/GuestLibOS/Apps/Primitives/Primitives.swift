import DownloadedCode
import ExokernelABI
import LibOS

/// Exercises each of the kernel's operations alone, for `xokvm bench primitives`.
///
/// Every phase starts with a null call whose mark names it, so that whoever steps through the kernel knows what it counts; and prints
/// `measure NAME NANOSECONDS`. A second instance with the argument `partner` yields until the first has ended, to be switched to.
@c(program_main)
public func programMain() -> Int32 {
  if Environment.arguments().count > 0 { return beThePartner() }
  do throws(CallError) {
    try measureCalls()
    try measureFrames()
    measureFaults()
    measureSwitches()
    try measureBlocks()
    try measurePackets()
  } catch {
    Console.put("bench: a call was refused with ")
    Console.put(UInt64(bitPattern: -error.rawValue))
    Console.flush()
    return 70
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
  static var end: UInt64 { 0x10ff }
}

/// Repetitions of each operation.
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
  while let first = Books.environment(0), first.state == 1 || first.state == 2 { KernelCall.yield() }
  return 0
}

private func measureCalls() throws(CallError) {
  KernelCall.null(mark: Mark.nullCall)
  var start = Clock.nanoseconds
  for _ in 0..<rounds { KernelCall.null() }
  report("null-call", start, rounds)
  KernelCall.null(mark: Mark.nullCallFull)
  start = Clock.nanoseconds
  for _ in 0..<rounds { KernelCall.nullPreservingRegisters() }
  report("null-call-full", start, rounds)
}

private func measureFrames() throws(CallError) {
  let frame = try KernelCall.allocateFrame()
  let address: UInt64 = 0x5b_0000
  var mapping: UInt64 = 0
  var unmapping: UInt64 = 0
  KernelCall.null(mark: Mark.frames)
  for _ in 0..<rounds {
    let start = Clock.timeStamp
    try KernelCall.mapFrame(frame, at: address, rights: .read | .write)
    let middle = Clock.timeStamp
    try KernelCall.unmapFrame(at: address)
    mapping &+= middle &- start
    unmapping &+= Clock.timeStamp &- middle
  }
  report("frame-map", Clock.nanoseconds &- Clock.nanoseconds(of: mapping), rounds)
  report("frame-unmap", Clock.nanoseconds &- Clock.nanoseconds(of: unmapping), rounds)
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

private func measureSwitches() {
  KernelCall.null(mark: Mark.switches)
  let me = Environment.number
  let first = Books.environment(me)?.slicesRun ?? 0
  while (Books.environment(me)?.slicesRun ?? 0) &- first < 4 {}
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
  // The device answers while the sending call is still under way, so a packet's way back cannot be timed alone: the round trip is.
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
