import ExokernelABI

/// The console: whole lines, each with its author's number and name. A libOS cannot speak in another's name, nor move the cursor of the
/// terminal behind it.
extension Kernel {
  /// `CallNumber.consoleWrite`.
  public func consoleWrite(count: UInt64) -> CallResult {
    guard count <= EnvironmentPage.consoleCapacity else { return CallResult(.badArgument) }
    let environment = current
    var line = newLine
    writePrefix(of: environment, to: &line)
    let source = UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.consoleOffset
    // Safe: the console buffer is inside the environment page, and `count` is at most its size.
    unsafe line.append(machine.memory(at: source), count: UInt32(truncatingIfNeeded: count))
    line.endLine()
    write(line)
    return .success
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
  }

  /// Tells that a program could not be started.
  func reportLoadError(_ error: LoadError, _ name: Range<UInt64>, _ text: PhysicalBytes) {
    var line = newLine
    line.append("[kernel] cannot start ")
    var index = name.lowerBound
    while index < name.upperBound, index < name.lowerBound &+ 100 {
      line.append(text[index])
      index &+= 1
    }
    line.append(": ")
    line.append(error.text)
    line.endLine()
    write(line)
  }

  /// A line of the kernel's own.
  public func writeLine(_ text: StaticString, _ value: UInt64) {
    var line = newLine
    line.append("[kernel] ")
    line.append(text)
    line.append(hexadecimal: value)
    line.endLine()
    write(line)
  }

  // Safe: the line buffer is a part of the private state, `LineWriter.capacity` bytes long.
  private var newLine: LineWriter { unsafe LineWriter(base: machine.privateBase + PrivateLayout.consoleLine) }
  private func write(_ line: LineWriter) { unsafe machine.consoleWrite(line.base, count: line.count) }

  private func writePrefix(of environment: UInt32, to line: inout LineWriter) {
    line.append("[")
    line.append(decimal: UInt64(environment))
    line.append(" ")
    let name = environments[environment].name
    line.append(packed: name.0)
    line.append(packed: name.1)
    line.append("] ")
  }

  private func describe(_ address: UInt64, _ code: UInt64, to line: inout LineWriter) {
    line.append(code & 16 != 0 ? ", executing " : code & 2 != 0 ? ", writing " : ", reading ")
    line.append(hexadecimal: address)
    if address >= AddressMap.directMap { line.append(" (the kernel's)") }
  }

  private func exceptionName(_ vector: UInt64) -> StaticString {
    switch vector {
    case 0: "division error"
    case 1: "debug exception"
    case 3: "breakpoint"
    case 6: "invalid instruction"
    case 13: "protection violation"
    case 16, 19: "floating-point error"
    case 17: "unaligned access"
    default: "exception"
    }
  }
}

/// Builds one line in a fixed buffer; what does not fit is left out.
@safe struct LineWriter {
  /// Bytes in the buffer.
  static let capacity: UInt32 = 512
  let base: UnsafeMutableRawPointer
  private(set) var count: UInt32 = 0

  // Safe: the caller gives `capacity` bytes, and `count` stays below that.
  init(base: UnsafeMutableRawPointer) { unsafe self.base = base }

  @inline(__always) mutating func append(_ byte: UInt8) {
    guard count < Self.capacity &- 2 else { return }
    // Safe: `count` was just checked.
    unsafe base.storeBytes(of: byte, toByteOffset: Int(count), as: UInt8.self)
    count &+= 1
  }

  mutating func append(_ text: StaticString) {
    // Safe: a static string's bytes are constant.
    unsafe append(UnsafeRawPointer(text.utf8Start), count: UInt32(truncatingIfNeeded: text.utf8CodeUnitCount))
  }

  /// Appends bytes that anybody wrote: control characters become question marks. Eight at a time where there is nothing to mend.
  mutating func append(_ bytes: UnsafeRawPointer, count number: UInt32) {
    var index: UInt32 = 0
    while index < number, count &+ 10 < Self.capacity {
      if index &+ 8 <= number {
        // Safe: `index + 8 <= number`.
        let word = unsafe bytes.loadUnaligned(fromByteOffset: Int(index), as: UInt64.self)
        if (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080 == 0,
          ~word & 0x8080_8080_8080_8080 == 0x8080_8080_8080_8080
        {
          // Safe: `count + 10 < capacity`.
          unsafe base.storeBytes(of: word, toByteOffset: Int(count), as: UInt64.self)
          count &+= 8
          index &+= 8
          continue
        }
      }
      let byte = unsafe bytes.load(fromByteOffset: Int(index), as: UInt8.self)
      append(byte < 0x20 && byte != 9 || byte == 0x7f ? 0x3f : byte)
      index &+= 1
    }
  }

  /// Appends the bytes of a word from the least significant one up to a zero.
  mutating func append(packed word: UInt64) {
    var rest = word
    while rest != 0 {
      append(UInt8(truncatingIfNeeded: rest))
      rest &>>= 8
    }
  }

  mutating func append(decimal value: UInt64) {
    guard value >= 10 else { return append(UInt8(truncatingIfNeeded: value) &+ 48) }
    var divisor: UInt64 = 1
    var steps = 0
    while steps < 19, value / divisor >= 10 {
      divisor &*= 10
      steps &+= 1
    }
    while divisor != 0 {
      append(UInt8(truncatingIfNeeded: value / divisor % 10) &+ 48)
      divisor /= 10
    }
  }

  mutating func append(hexadecimal value: UInt64) {
    append("0x")
    var shift: UInt64 = 60
    while shift > 0, value &>> shift == 0 { shift &-= 4 }
    while true {
      let digit = UInt8(truncatingIfNeeded: value &>> shift & 15)
      append(digit < 10 ? digit &+ 48 : digit &+ 87)
      if shift == 0 { return }
      shift &-= 4
    }
  }

  mutating func endLine() { append(10) }
}
