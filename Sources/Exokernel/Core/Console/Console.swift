import ExokernelABI

/// The console: whole lines, each with its author's number and name. A libOS cannot speak in another's name, nor move
/// the cursor of the terminal behind it. How much it writes is bounded by its budget: what is more than that is
/// dropped, counted, and told in a line.
extension Kernel {
  /// Checks `CallNumber.consoleWrite`.
  func decodeConsoleWrite(count: UInt64) throws(CallError) -> UInt32 {
    guard count <= EnvironmentPage.consoleCapacity else { throw .badArgument }
    return UInt32(truncatingIfNeeded: count)
  }

  /// Writes the line, or drops it where it is more than the budget: then its length is returned, else 0.
  func performConsoleWrite(_ count: UInt32) -> UInt64 {
    let environment = current
    renewConsoleBudget(of: environment)
    var line = newLine
    writePrefix(of: environment, to: &line)
    let source = UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.consoleOffset
    // Safe: the console buffer is inside the environment page, and `count` is at most its size.
    unsafe line.append(hardware.memory(at: source), count: count)
    line.endLine()
    guard charge(line.count, toConsoleBudgetOf: environment) else {
      drop(line.count, of: environment)
      return UInt64(line.count)
    }
    write(line)
    return 0
  }

  /// Checks `CallNumber.consoleDraw`.
  func decodeConsoleDraw(slot: UInt64, count: UInt64) throws(CallError) -> UInt32 {
    try require(slot, .write, guardName: CapabilityName.guardName(CapabilityName.console, 0))
    guard count <= EnvironmentPage.consoleCapacity else { throw .badArgument }
    guard header.value.consoleKind == 0 else { throw .noSuchResource }
    let bytes = UInt32(truncatingIfNeeded: count)
    guard consoleBudget(of: current) >= bytes else { throw .again }
    return bytes
  }

  /// Writes the bytes as they are.
  func performConsoleDraw(_ count: UInt32) {
    renewConsoleBudget(of: current)
    _ = charge(count, toConsoleBudgetOf: current)
    var line = newLine
    let source = UInt64(environments[current].environmentPage) &<< 12 &+ EnvironmentPage.consoleOffset
    for index in 0..<UInt64(count) { line.append(get(source &+ index) as UInt8) }
    write(line)
  }

  /// Tells how many bytes of an environment's were dropped.
  func writeDropped(_ count: UInt32, of environment: UInt32) {
    var line = newLine
    writePrefix(of: environment, to: &line)
    line.append(decimal: UInt64(count))
    line.append(" bytes dropped")
    line.endLine()
    write(line)
  }

  /// Tells why an environment ended.
  public func writeEpitaph(of environment: UInt32, cause: Cause, instruction: UInt64) {
    var line = newLine
    writePrefix(of: environment, to: &line)
    line.append("ended: ")
    switch cause {
    case .exception(let vector, let code):
      line.append(exceptionName(vector))
      line.append(" (vector ")
      line.append(decimal: vector)
      line.append(", code ")
      line.append(hexadecimal: code)
      line.append(")")
    case .pageFault(let address, let code):
      line.append("page fault")
      describe(address, code, to: &line)
    case .nestedPageFault(let address, let code):
      line.append("page fault inside its fault handler")
      describe(address, code, to: &line)
    case .sliceOverrun:
      line.append("kept the CPU past its slice")
    }
    line.append(" at instruction ")
    line.append(hexadecimal: instruction)
    line.endLine()
    write(line)
    let offset = BooksLayout.environmentsOffset &+ UInt64(environment) &* UInt64(MemoryLayout<EnvironmentRecord>.stride)
    hardware.tellCrash(at: instruction, record: hardware.booksAddress &+ offset)
  }

  /// Tells that a program could not be started.
  func reportLoadError(_ error: LoadError, _ name: Range<UInt64>, _ text: PhysicalBytes) {
    var line = newLine
    line.append("[kernel] cannot start ")
    var index = name.lowerBound
    while index < name.upperBound, index < name.lowerBound &+ 100 {
      line.append(printable: text[index])
      index &+= 1
    }
    line.append(": ")
    line.append(error.text)
    line.endLine()
    write(line)
  }

  /// A line of the kernel's own.
  func writeLine(_ text: StaticString) { writeLine(text) { _ in } }

  /// A line of the kernel's own that ends in a number.
  public func writeLine(_ text: StaticString, _ value: UInt64) { writeLine(text) { $0.append(hexadecimal: value) } }

  /// A line of the kernel's own that ends in a count, in decimal.
  public func writeLine(_ text: StaticString, count: UInt64) { writeLine(text) { $0.append(decimal: count) } }

  @inline(__always) private func writeLine(_ text: StaticString, _ appendEnd: (inout LineWriter) -> Void) {
    var line = newLine
    line.append("[kernel] ")
    line.append(text)
    appendEnd(&line)
    line.endLine()
    write(line)
  }

  // Safe: the record is a part of the private state, with a line buffer of `LineWriter.capacity` bytes.
  private var record: UnsafeMutableRawPointer { unsafe hardware.privateBase + PrivateLayout.consoleRecord }
  private var newLine: LineWriter { unsafe LineWriter(base: record + 4) }
  private func write(_ line: LineWriter) { unsafe hardware.consoleWrite(record, count: line.count) }

  private func writePrefix(of environment: UInt32, to line: inout LineWriter) {
    line.append(0x5b)
    line.append(decimal: UInt64(environment))
    line.append(0x20)
    let name = environments[environment].name
    line.append(packed: name.0)
    line.append(packed: name.1)
    line.append(0x5d)
    line.append(0x20)
  }

  private func describe(_ address: UInt64, _ code: UInt64, to line: inout LineWriter) {
    let isWrite = code & PageFaultCode.write != 0
    line.append(code & PageFaultCode.fetch != 0 ? ", executing " : isWrite ? ", writing " : ", reading ")
    line.append(hexadecimal: address)
    if address >= AddressMap.directMap { line.append(" (the kernel's)") }
  }

  private func exceptionName(_ vector: UInt64) -> StaticString {
    switch vector {
    case Vector.divisionError: "division error"
    case Vector.debug: "debug exception"
    case Vector.breakpoint: "breakpoint"
    case Vector.invalidInstruction: "invalid instruction"
    case Vector.doubleFault: "exception without a stack"
    case Vector.stackFault: "stack violation"
    case Vector.protection: "protection violation"
    case Vector.floatingPoint, Vector.vectorFloatingPoint: "floating-point error"
    case Vector.alignment: "unaligned access"
    default: "exception"
    }
  }
}
