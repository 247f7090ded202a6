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
    files: [(String, [UInt8])] = [("p", TestProgram.standard)], otherDevices: [FakeDevice] = []
  ) {
    machine = FakeMachine(memory: memory)
    kernel = Kernel(machine: machine)
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
      commandLine: command..<command + UInt64(text.utf8.count), archive: place..<place + UInt64(archive.count))
    kernel.openBooks(boot, timeMultiplier: 1 << 31, timeShift: 31, entryKind: 1)
    kernel.startAll(boot)
  }

  /// Makes `environment` the running one.
  func run(_ environment: UInt32) {
    let position = (0..<64).first { kernel.slices[$0] == environment + 1 }!
    kernel.enter(position)
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
    guard let table = kernel.lastTable(root: kernel.currentRoot, address: address) else { return nil }
    let entry = kernel.tableEntry(table, address >> 12)
    return entry & 1 != 0 ? entry : nil
  }

  /// Takes back everything of ended environments that can be taken back.
  func reapAll() {
    for _ in 0..<100_000 where !kernel.reap(limit: 16) { return }
  }

  func page(_ environment: UInt32) -> EnvironmentPage { kernel.page(of: environment).value }
  func pageAddress(_ environment: UInt32) -> UInt64 { UInt64(kernel.environments[environment].environmentPage) << 12 }

  /// Loads the standard program once more.
  func load(quota: UInt32) throws(LoadError) -> UInt32 {
    let archive = Archive(
      bytes: PhysicalBytes(
        boot.archive.lowerBound, count: boot.archive.upperBound - boot.archive.lowerBound, in: machine))
    machine.put(FakeMachine.Place.commandLine + 0x1000, UInt8(0x70))
    let name = PhysicalBytes(FakeMachine.Place.commandLine + 0x1000, count: 1, in: machine)
    guard let file = archive.find(0..<1, of: name) else { throw .notFound }
    return try kernel.load(file, of: archive, quota: quota)
  }
}

extension CallResult {
  /// Why the call was refused, nil where it was not.
  var error: CallError? { rawValue < 0 ? CallError(rawValue: rawValue) : nil }
  /// The value as a frame's or another resource's number.
  var number: UInt64 { UInt64(bitPattern: rawValue) }
}

/// ELF programs and archives for the loader.
enum TestProgram {
  struct Segment {
    var flags: UInt32
    var address: UInt64
    var contents: [UInt8]
    var memorySize: UInt64
    /// Offset that the header tells, where it is not that of the contents.
    var offset: UInt64?
    /// Size in the file that the header tells, where it is not that of the contents.
    var fileSize: UInt64?
    var type: UInt32 = 1
  }

  static let text = Segment(
    flags: 5, address: 0x40_0000, contents: Array(repeating: 0x90, count: 4096), memorySize: 4096)
  static let data = Segment(flags: 6, address: 0x40_2010, contents: Array(1...100), memorySize: 8000)
  /// Text in place, data copied, bss cleared.
  static let standard = elf(segments: [text, data])

  static func elf(entry: UInt64 = 0x40_0000, segments: [Segment]) -> [UInt8] {
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + Array(repeating: 0, count: 8)
    append(&bytes, 2 as UInt16)
    append(&bytes, 62 as UInt16)
    append(&bytes, 1 as UInt32)
    append(&bytes, entry)
    append(&bytes, 64 as UInt64)
    append(&bytes, 0 as UInt64)
    append(&bytes, 0 as UInt32)
    append(&bytes, 64 as UInt16)
    append(&bytes, 56 as UInt16)
    append(&bytes, UInt16(segments.count))
    bytes += Array(repeating: 0, count: 6)
    var offset = 4096
    var offsets: [Int] = []
    for segment in segments {
      offsets.append(offset + Int(segment.address & 0xfff))
      offset = (offset + Int(segment.address & 0xfff) + segment.contents.count + 4095) & ~4095
    }
    for (segment, place) in zip(segments, offsets) {
      append(&bytes, segment.type)
      append(&bytes, segment.flags)
      append(&bytes, segment.offset ?? UInt64(place))
      append(&bytes, segment.address)
      append(&bytes, segment.address)
      append(&bytes, segment.fileSize ?? UInt64(segment.contents.count))
      append(&bytes, segment.memorySize)
      append(&bytes, 4096 as UInt64)
    }
    for (segment, place) in zip(segments, offsets) {
      bytes += Array(repeating: 0, count: place - bytes.count) + segment.contents
    }
    return bytes
  }

  private static func append<Value: FixedWidthInteger>(_ bytes: inout [UInt8], _ value: Value) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// A ustar archive whose files start on page boundaries.
  static func archive(_ files: [(String, [UInt8])]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, contents) in files {
      let gap = (4096 - (bytes.count + 512) % 4096) % 4096
      if gap != 0 { bytes += header(".padding", size: gap - 512) + Array(repeating: 0, count: gap - 512) }
      bytes += header(name, size: contents.count) + contents
      bytes += Array(repeating: 0, count: (512 - contents.count % 512) % 512)
    }
    return bytes + Array(repeating: 0, count: 1024)
  }

  static func header(_ name: String, size: Int) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, _ offset: Int) {
      for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
    }
    put(name, 0)
    let octal = String(size, radix: 8)
    put(String(repeating: "0", count: 11 - octal.count) + octal, 124)
    put("0", 156)
    put("ustar", 257)
    return header
  }
}
