import ExokernelABI

@testable import ExokernelCore

/// A kernel that has booted on a fake machine, with programs that can be made to call it.
final class World {
  let machine: FakeMachine
  let kernel: Kernel<FakeMachine>
  let boot: BootInformation
  let disk: FakeDisk?
  let network: FakeNetwork?

  /// Boots with `programs` environments of the standard program. `words` are added to the command line.
  init(
    programs: Int = 2, memory: Int = 16 << 20, disk: FakeDisk? = nil, network: FakeNetwork? = nil, words: String = "",
    files: [(String, [UInt8])] = [("p", TestProgram.standard)], otherDevices: [FakeDevice] = [], processors: UInt32 = 1
  ) {
    machine = FakeMachine(memory: memory)
    kernel = Kernel(hardware: machine)
    self.disk = disk
    self.network = network
    machine.devices = ([disk, network] as [FakeDevice?]).compactMap(\.self) + otherDevices
    var text = words
    for device in machine.devices {
      device.machine = machine
      text += " virtio_mmio.device=512@0x\(String(device.address, radix: 16)):\(device.interrupt)"
    }
    for _ in 0..<programs { text += " app=p:argument" }
    let archive = TestProgram.archive(files)
    precondition(archive.count <= Int(FakeMachine.Place.firstFree - FakeMachine.Place.archive))
    machine.put(FakeMachine.Place.archive, bytes: archive)
    if !text.isEmpty { machine.put(FakeMachine.Place.commandLine, bytes: Array(text.utf8)) }
    let command = FakeMachine.Place.commandLine
    let place = FakeMachine.Place.archive
    boot = BootInformation(
      memorySize: UInt64(memory), frameTable: FakeMachine.Place.frameTable, firstFree: FakeMachine.Place.firstFree,
      endOfFree: UInt64(memory),
      commandLine: command..<command + UInt64(text.utf8.count), archive: place..<place + UInt64(archive.count))
    kernel.openBooks(boot, timeMultiplier: 1 << 31, timeShift: 31, entryKind: 1)
    for index in 1..<max(processors, 1) {
      machine.processor = index
      kernel.openProcessor()
      kernel.header.value.processorCount = index + 1
    }
    machine.processor = 0
    kernel.startDevices(boot)
    kernel.startPrograms(boot)
  }

  /// Makes `environment` the running one, on a processor where it has a position; who ran there gives the processor up.
  func run(_ environment: UInt32) {
    let count = kernel.header.value.processorCount * 64
    let all = (0..<count).filter { kernel.slices[$0].ownerPlusOne == environment + 1 }
    let position = all.first { $0 / 64 == machine.processor } ?? all[0]
    machine.processor = position / 64
    let current = kernel.current
    if current != environment, current != BooksLayout.noEnvironment {
      let record = kernel.environments[current]
      kernel.giveUp(instruction: record.savedInstructionPointer, stack: record.savedStackPointer)
    }
    kernel.enter(Turn(position: position % 64, environment: environment))
  }

  /// The running environment sleeps, and has given up the processor where that succeeds.
  func sleep(events: UInt64, deadline: UInt64) -> Bool {
    guard kernel.sleep(events: events, deadline: deadline) else { return false }
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    return true
  }

  /// The running environment waits for its predicate, and has given up the processor where that succeeds.
  func sleepUntil() -> Bool {
    guard kernel.sleepUntil() else { return false }
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    return true
  }

  /// Lets whose turn it is run; nil where nobody can.
  @discardableResult func runNext() -> UInt32? {
    guard let turn = kernel.nextTurn() else { return nil }
    kernel.enter(turn)
    return turn.environment
  }

  /// A fresh frame of the running environment's.
  func allocate(_ frame: UInt64 = CallNumber.any, slot: UInt64 = 0) throws -> UInt32 {
    UInt32(try kernel.frameAllocate(slot: slot, frame: frame).value())
  }

  /// A fresh frame, mapped read-write at `address`.
  func allocateMapped(at address: UInt64, slot: UInt64 = 0) throws -> UInt32 {
    let frame = try allocate(slot: slot)
    _ = try kernel.frameMap(slot: slot, frame: UInt64(frame), address: address, rights: 3).value()
    return frame
  }

  /// The entry of the running environment's page table for `address`, or nil.
  func entry(_ address: UInt64) -> UInt64? {
    guard let table = kernel.lastTable(root: kernel.processor.value.activeRoot, address: address) else { return nil }
    let entry = kernel.tableEntry(table, address >> 12)
    return entry & 1 != 0 ? entry : nil
  }

  /// Takes back everything of ended environments that can be taken back.
  func reapAll() {
    for _ in 0..<100_000 {
      let isReaping = kernel.reap(limit: 16)
      let isSweeping = kernel.sweep(limit: 16)
      if !isReaping, !isSweeping { return }
    }
  }

  func page(_ environment: UInt32) -> EnvironmentPage { kernel.page(of: environment).value }
  func pageAddress(_ environment: UInt32) -> UInt64 { UInt64(kernel.environments[environment].environmentPage) << 12 }

  /// Loads the standard program once more.
  func load() throws(LoadError) -> UInt32 {
    let archive = Archive(
      bytes: PhysicalBytes(
        boot.archive.lowerBound, count: boot.archive.upperBound - boot.archive.lowerBound, in: machine))
    machine.put(FakeMachine.Place.commandLine + 0x1000, UInt8(0x70))
    let name = PhysicalBytes(FakeMachine.Place.commandLine + 0x1000, count: 1, in: machine)
    guard let file = archive.find(0..<1, of: name) else { throw .notFound }
    return try kernel.load(file, of: archive)
  }
}

extension CallResult {
  /// Why the call was refused, nil where it was not.
  var error: CallError? { rawValue < 0 ? CallError(rawValue: rawValue) : nil }
  /// The value as a frame's or another resource's number.
  var number: UInt64 { UInt64(bitPattern: rawValue) }
}
