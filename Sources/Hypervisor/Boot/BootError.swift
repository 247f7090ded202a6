import SystemPackage

/// Why a kernel or a boot module cannot be started.
public enum BootError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be opened.
  case cannotOpen(path: String, Errno)
  /// The file cannot be read.
  case cannotRead(path: String, Errno)
  /// A directory, device or pipe where a file is needed.
  case notRegularFile(path: String)
  /// The file is not an ELF file, but of a format that is known, or of none.
  case notELF(image: String, format: String?)
  /// The file ends before what its headers describe.
  case truncated(image: String)
  /// An ELF file, but for another machine, byte order or purpose.
  case unsupportedELF(image: String, reason: String)
  /// A part of the kernel or a module does not fit into guest memory.
  case outsideMemory(image: String, address: GuestAddress, byteCount: Int, memory: Int)
  /// Two segments of the kernel claim the same memory.
  case overlappingSegments(image: String, address: GuestAddress)
  /// A segment of the kernel lies where the boot information has to be.
  case overlapsBootInformation(image: String, address: GuestAddress)
  /// The kernel does not say where it wants to be entered.
  case noEntryNote(image: String)
  /// The entry point is not inside a loaded segment.
  case invalidEntry(image: String, address: UInt64)
  /// The command line is longer than the guest can be given.
  case commandLineTooLong(byteCount: Int, limit: Int)
  /// The command line holds a byte that ends it.
  case invalidCommandLine
  /// More modules than fit.
  case tooManyModules(count: Int, limit: Int)

  /// What went wrong and what to do, for a person.
  public var description: String {
    switch self {
    case .cannotOpen(let path, let errno): "cannot open \(path) (\(errno)): check the path and its permissions"
    case .cannotRead(let path, let errno): "cannot read \(path) (\(errno)): check the file"
    case .notRegularFile(let path): "\(path) is not a regular file: name a file"
    case .notELF(let image, let format):
      "\(image) is \(format.map { "\($0), " } ?? "")not an ELF file: "
        + "name a PVH kernel, such as a vmlinux (not a bzImage)"
    case .truncated(let image): "\(image) ends before its headers say: the file is damaged, build or copy it again"
    case .unsupportedELF(let image, let reason): "\(image) is \(reason): an x86 executable with a PVH entry is needed"
    case .outsideMemory(let image, let address, let byteCount, let memory):
      "\(image) needs \(byteCount) bytes at \(address), outside the guest's \(memory >> 20) MiB: "
        + Self.remedy(address, byteCount)
    case .overlappingSegments(let image, let address):
      "\(image) has two segments at \(address): link it so that its segments do not overlap"
    case .overlapsBootInformation(let image, let address):
      "\(image) has a segment at \(address), which the boot information needs: link it outside "
        + "\(PVHLayout.start)...\(PVHLayout.end)"
    case .noEntryNote(let image):
      "\(image) has no PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY): for Linux, build it with CONFIG_PVH"
    case .invalidEntry(let image, let address):
      "\(image) wants to be entered at 0x\(String(address, radix: 16)), outside its segments: check its linker script"
    case .commandLineTooLong(let byteCount, let limit):
      "the guest's command line has \(byteCount) bytes: shorten it to \(limit)"
    case .invalidCommandLine: "the guest's command line contains a zero byte: remove it"
    case .tooManyModules(let count, let limit): "\(count) boot modules are too many: give at most \(limit)"
    }
  }

  /// What helps where a range is outside memory: more memory, if any machine has memory there.
  private static func remedy(_ address: GuestAddress, _ byteCount: Int) -> String {
    let (end, overflow) = address.rawValue.addingReportingOverflow(UInt64(max(byteCount, 0)))
    let low = GuestMemory.lowEnd.rawValue
    let high = GuestMemory.highStart.rawValue
    if address.rawValue < high, overflow || end > low {
      return "no --memory helps, since devices have the addresses from 3 to 4 GiB: link it below 3 GiB"
    }
    if overflow || end > high + (UInt64(MachineConfiguration.maximumMemoryByteCount) - low) {
      return "no --memory reaches so far: link it lower"
    }
    return "raise --memory"
  }
}
