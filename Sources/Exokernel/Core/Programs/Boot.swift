import ExokernelABI

/// What the VMM tells the kernel, checked by `StartInfo` to be inside memory.
public struct BootInformation {
  /// End of the memory whose frames have records, from physical address 0. Given out is what lies from `firstFree` to
  /// `endOfFree`.
  public var memorySize: UInt64
  /// Physical address of the frame table, on a 2 MiB boundary.
  public var frameTable: UInt64
  /// First byte after everything that the kernel and the VMM put into the beginning of memory.
  public var firstFree: UInt64
  /// First byte of what the VMM put into the end of memory.
  public var endOfFree: UInt64
  /// The command line.
  public var commandLine: Range<UInt64>
  /// The archive with the programs, empty where there is none.
  public var archive: Range<UInt64>

  /// A description of the hardware.
  public init(
    memorySize: UInt64, frameTable: UInt64, firstFree: UInt64, endOfFree: UInt64, commandLine: Range<UInt64>,
    archive: Range<UInt64>
  ) {
    self.endOfFree = endOfFree
    self.memorySize = memorySize
    self.frameTable = frameTable
    self.firstFree = firstFree
    self.commandLine = commandLine
    self.archive = archive
  }
}

extension Kernel {
  /// Fills in the books' header. Everything else in the books starts as the zeroes in which memory arrives.
  public func openBooks(_ boot: BootInformation, timeMultiplier: UInt64, timeShift: UInt32, entryKind: UInt32) {
    header.value.layoutVersion = BooksHeader.currentLayoutVersion
    header.value.processorCount = 1
    let limit = boot.memorySize < AddressMap.directMapSize ? boot.memorySize : AddressMap.directMapSize
    header.value.frameCount = UInt32(truncatingIfNeeded: limit &>> 12)
    let firstFree = boot.firstFree < limit & ~0xfff ? boot.firstFree : limit & ~0xfff
    let first = UInt32(truncatingIfNeeded: (firstFree &+ 4095) &>> 12)
    header.value.firstFrame = first
    header.value.frontier = first
    let end = UInt32(truncatingIfNeeded: (boot.endOfFree < limit ? boot.endOfFree : limit) &>> 12)
    header.value.largeFrontier = end > first ? end : first
    header.value.freeFrames = (end > first ? end : first) &- first
    header.value.timeMultiplier = timeMultiplier
    header.value.timeShift = timeShift
    header.value.sliceLength = timeStamps(microseconds: 10_000)
    header.value.entryKind = entryKind
    kernelPrivate.value.lacksDeadlineTimer = hardware.hasDeadlineTimer ? 0 : 1
    kernelPrivate.value.needsChores = kernelPrivate.value.lacksDeadlineTimer
    openProcessor()
  }

  /// Fills in the state of the processor that executes this; ring 0 has set its number.
  public func openProcessor() {
    processor.value.environment = BooksLayout.noEnvironment
    processor.value.activeRoot = hardware.templateRoot
    processor.value.slice = UInt32(BooksLayout.slices) &- 1
    processor.value.exposed = processors.cell(at: processor.value.index).address
    let nobody = nobodysNode
    // Safe: the record of nobody's lies behind the node.
    nobody.value.record = nobody.address &+ UInt(MemoryLayout<SliceNode>.stride)
    nobody.value.next = nobody.address
    processor.value.node = nobody.address
    processor.value.sliceDebt = nobodysDebt
    processor.value.running =
      UInt64(processor.value.index &+ 1) &<< 32 | UInt64(EnvironmentState.runnable.rawValue)
  }

  /// Time-stamp units in a number of microseconds, at most an hour's.
  public func timeStamps(microseconds: UInt64) -> UInt64 {
    let nanoseconds = (microseconds > 3_600_000_000 ? 3_600_000_000 : microseconds) &* 1000
    let multiplier = header.value.timeMultiplier
    guard multiplier != 0, multiplier <= UInt64(UInt32.max) else { return nanoseconds }
    // Long division of nanoseconds * 2^shift by a number of 32 bits, 32 bits at a time.
    let (high, low) = nanoseconds.multipliedFullWidth(by: 1 &<< UInt64(header.value.timeShift & 63))
    let upper = (high % multiplier) &<< 32 | low &>> 32
    let lower = (upper % multiplier) &<< 32 | low & 0xffff_ffff
    return high < multiplier ? (upper / multiplier) &<< 32 | lower / multiplier : nanoseconds
  }

  /// The command line's text.
  private func text(_ boot: BootInformation) -> PhysicalBytes {
    PhysicalBytes(
      boot.commandLine.lowerBound, count: boot.commandLine.upperBound &- boot.commandLine.lowerBound, in: hardware)
  }

  /// Does what the command line says of the machine: brings up the disks and networks that it names, and sets the
  /// length of slices.
  public func startDevices(_ boot: BootInformation) {
    var words = CommandLine(text(boot), .machine)
    while let word = words.next() {
      switch word {
      case .device(let address, let interrupt): probeDevice(address, interrupt: interrupt)
      case .slice(let microseconds):
        if microseconds >= 100 { header.value.sliceLength = timeStamps(microseconds: microseconds) }
      case .program: break
      }
    }
  }

  /// Starts the programs that the command line names, and divides the machine among them. A program that cannot be
  /// started is told on the console and makes the machine's status 66 (no input) or 65 (bad data); the others run. So
  /// is a command line that names none: status 64 (wrong use).
  public func startPrograms(_ boot: BootInformation) {
    let text = text(boot)
    let archive = Archive(
      bytes: PhysicalBytes(
        boot.archive.lowerBound, count: boot.archive.upperBound &- boot.archive.lowerBound, in: hardware))
    var words = CommandLine(text, .programs)
    var namesProgram = false
    while let word = words.next() {
      guard case .program(let name, let arguments) = word else { continue }
      namesProgram = true
      startProgram(name, arguments, text, archive)
    }
    if !namesProgram {
      writeLine("there is no program to run: name one on the command line, app=NAME")
      kernelPrivate.value.machineStatus = 64
    }
    shareOut()
    kernelPrivate.value.hasBooted = 1
  }

  private func startProgram(
    _ name: Range<UInt64>, _ arguments: Range<UInt64>, _ text: PhysicalBytes, _ archive: Archive
  ) {
    do throws(LoadError) {
      guard let file = archive.find(name, of: text) else {
        throw archive.whyNotFound
      }
      let length = arguments.upperBound &- arguments.lowerBound
      guard length <= EnvironmentPage.argumentsCapacity else { throw .argumentsTooLong }
      let environment = try load(file, of: archive)
      environments[environment].name = (packed(name, text), packed(afterEight(name), text))
      page(of: environment).value.argumentsLength = length
      hardware.copy(
        from: text.address &+ arguments.lowerBound,
        to: UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.argumentsOffset,
        count: UInt32(truncatingIfNeeded: length))
      start(
        environment, at: environments[environment].savedInstructionPointer,
        stack: environments[environment].savedStackPointer)
    } catch {
      reportLoadError(error, name, text)
      if kernelPrivate.value.machineStatus == 0 { kernelPrivate.value.machineStatus = error == .notFound ? 66 : 65 }
    }
  }

  private func afterEight(_ name: Range<UInt64>) -> Range<UInt64> {
    let start = name.lowerBound &+ 8
    return start < name.upperBound ? start..<name.upperBound : name.upperBound..<name.upperBound
  }

  /// Up to eight characters of a name, printable ones, the first in the least significant byte.
  private func packed(_ name: Range<UInt64>, _ text: PhysicalBytes) -> UInt64 {
    var word: UInt64 = 0
    var shift: UInt64 = 0
    var index = name.lowerBound
    while shift < 64, index < name.upperBound {
      word |= UInt64(LineWriter.printable(text[index])) &<< shift
      shift &+= 8
      index &+= 1
    }
    return word
  }
}
