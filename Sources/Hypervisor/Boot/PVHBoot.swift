import CKVM

/// What a kernel is started with.
public struct BootConfiguration: Sendable {
  /// The kernel, an ELF file with a PVH entry.
  public var kernel: ImageSource
  /// Modules in the order in which the kernel is told of them, each with its own command line.
  public var modules: [(image: ImageSource, commandLine: String)]
  /// The kernel's command line.
  public var commandLine: String

  /// A kernel without modules unless some are given.
  public init(kernel: ImageSource, modules: [(image: ImageSource, commandLine: String)] = [], commandLine: String = "")
  {
    self.kernel = kernel
    self.modules = modules
    self.commandLine = commandLine
  }
}

/// Puts a kernel and its boot information into guest memory and a vCPU to its entry, by the PVH boot protocol
/// (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h).
public struct PVHBoot: Sendable {
  /// The kernel's entry in physical memory.
  public let entry: UInt32

  /// Checks `configuration` and stores it in `memory`, whose bytes are zero. Nothing is stored where the kernel is
  /// refused.
  public init(_ configuration: BootConfiguration, into memory: GuestMemory) throws(BootError) {
    let kernel = try ELFImage(configuration.kernel)
    let name = configuration.kernel.name
    for segment in kernel.segments
    where segment.address < PVHLayout.end && segment.end > PVHLayout.start.rawValue {
      throw .overlapsBootInformation(image: name, address: segment.address)
    }
    let commandLine = Array(configuration.commandLine.utf8)
    guard commandLine.count <= PVHLayout.commandLineLimit else {
      throw .commandLineTooLong(byteCount: commandLine.count, limit: PVHLayout.commandLineLimit)
    }
    guard !commandLine.contains(0) else { throw .invalidCommandLine }
    guard configuration.modules.count <= PVHLayout.moduleLimit else {
      throw .tooManyModules(count: configuration.modules.count, limit: PVHLayout.moduleLimit)
    }
    try kernel.load(into: memory)
    do {
      let modules = try Self.load(configuration.modules, after: kernel.end, into: memory)
      try Self.store(commandLine, at: PVHLayout.commandLine, in: memory)
      let entries = try Self.storeMemoryMap(in: memory)
      try Self.storeStartInfo(moduleCount: modules, memoryMapCount: entries, in: memory)
    } catch let error as BootError {
      throw error
    } catch {
      throw .outsideMemory(
        image: "the boot information", address: PVHLayout.start,
        byteCount: Int(PVHLayout.end.rawValue - PVHLayout.start.rawValue), memory: memory.byteCount)
    }
    entry = kernel.entry
  }

  /// Puts the modules behind the kernel, each on a page of its own, and tells of them in the module list.
  private static func load(
    _ modules: [(image: ImageSource, commandLine: String)], after end: UInt64, into memory: GuestMemory
  ) throws -> Int {
    var place = max(end, PVHLayout.extendedStart)
    var nameOffset: UInt64 = 0
    for (index, module) in modules.enumerated() {
      place = (place + 4095) & ~4095
      try module.image.copy(from: 0, byteCount: module.image.byteCount, to: memory, at: GuestAddress(place))
      let name = Array(module.commandLine.utf8) + [0]
      guard nameOffset + UInt64(name.count) <= UInt64(PVHLayout.moduleNamesLimit) else {
        throw BootError.commandLineTooLong(byteCount: name.count, limit: PVHLayout.moduleNamesLimit)
      }
      let nameAddress = PVHLayout.moduleNames.rawValue + nameOffset
      try store(name, at: GuestAddress(nameAddress), in: memory)
      nameOffset += UInt64(name.count)
      try store(
        [place, UInt64(module.image.byteCount), nameAddress, 0],
        at: GuestAddress(PVHLayout.modules.rawValue + 32 * UInt64(index)), in: memory)
      place += UInt64(module.image.byteCount)
    }
    return modules.count
  }

  /// Conventional memory, the reserved area up to 1 MiB, memory above, and what lies above 4 GiB.
  private static func storeMemoryMap(in memory: GuestMemory) throws -> Int {
    let usable: UInt64 = 1
    let reserved: UInt64 = 2
    var entries: [(UInt64, UInt64, UInt64)] = []
    for region in memory.regions {
      let start = region.address.rawValue
      let end = start + UInt64(region.byteCount)
      if start > 0 || end <= PVHLayout.conventionalEnd {
        entries.append((start, end, usable))
        continue
      }
      entries.append((0, PVHLayout.conventionalEnd, usable))
      entries.append((PVHLayout.conventionalEnd, min(end, PVHLayout.extendedStart), reserved))
      if end > PVHLayout.extendedStart { entries.append((PVHLayout.extendedStart, end, usable)) }
    }
    for (index, entry) in entries.enumerated() {
      // Address, size, and the type in the low half of the last word.
      try store(
        [entry.0, entry.1 - entry.0, entry.2],
        at: GuestAddress(PVHLayout.memoryMap.rawValue + 24 * UInt64(index)), in: memory)
    }
    return entries.count
  }

  /// `hvm_start_info`, version 1.
  private static func storeStartInfo(moduleCount: Int, memoryMapCount: Int, in memory: GuestMemory) throws {
    let magic: UInt64 = 0x336e_c578
    try store(
      [
        // Magic and version; flags and number of modules.
        magic | 1 << 32, UInt64(moduleCount) << 32,
        moduleCount > 0 ? PVHLayout.modules.rawValue : 0, PVHLayout.commandLine.rawValue,
        // No ACPI tables.
        0, PVHLayout.memoryMap.rawValue, UInt64(memoryMapCount),
      ], at: PVHLayout.startInfo, in: memory)
  }

  private static func store(_ words: [UInt64], at address: GuestAddress, in memory: GuestMemory) throws {
    for (index, word) in words.enumerated() {
      try memory.store(word.littleEndian, at: GuestAddress(address.rawValue + 8 * UInt64(index)))
    }
  }

  private static func store(_ bytes: [UInt8], at address: GuestAddress, in memory: GuestMemory) throws {
    let target = try unsafe memory.bytes(at: address, byteCount: bytes.count)
    // Safe: the range was checked, and both are the same size.
    unsafe target.copyBytes(from: bytes)
  }

  /// Puts `processor` to the entry: 32-bit protected mode, paging and interrupts off, flat segments, EBX = start info.
  public func prepare(_ processor: borrowing VirtualCPU) throws(KVMError) {
    var system = try processor.systemRegisters()
    let code = Self.segment(selector: 0x08, type: 0xb, isSystem: false)
    let data = Self.segment(selector: 0x10, type: 0x3, isSystem: false)
    system.cs = code
    system.ds = data
    system.es = data
    system.fs = data
    system.gs = data
    system.ss = data
    // A busy 32-bit TSS with the limit that the protocol names.
    var task = Self.segment(selector: 0x18, type: 0xb, isSystem: true)
    task.limit = 0x67
    task.g = 0
    task.db = 0
    system.tr = task
    var local = kvm_segment()
    local.type = 2
    local.present = 1
    system.ldt = local
    // Descriptor tables are empty: the kernel brings its own before it loads a segment.
    system.gdt = kvm_dtable()
    system.idt = kvm_dtable()
    // PE and ET.
    system.cr0 = 0x11
    system.cr3 = 0
    system.cr4 = 0
    system.efer = 0
    try processor.setSystemRegisters(system)
    var registers = kvm_regs()
    registers.rip = UInt64(entry)
    registers.rbx = PVHLayout.startInfo.rawValue
    // The bit that is always one.
    registers.rflags = 2
    try processor.setRegisters(registers)
  }

  private static func segment(selector: UInt16, type: UInt8, isSystem: Bool) -> kvm_segment {
    var segment = kvm_segment()
    segment.selector = selector
    segment.limit = 0xffff_ffff
    segment.type = type
    segment.present = 1
    segment.db = 1
    segment.s = isSystem ? 0 : 1
    segment.g = 1
    return segment
  }
}
