/// What one register holds.
public struct Argument: Sendable {
  /// A value, or a part of a register.
  public struct Field: Sendable {
    /// Its name, in documentation and as a label.
    public let name: String
    /// What it is.
    public let unit: Unit
    /// The bits of the register that it has.
    public let bits: Range<Int>
  }

  /// The values, from the lowest bit on.
  public let fields: [Field]

  /// A register that holds one value.
  public init(_ name: String, _ unit: Unit) { fields = [Field(name: name, unit: unit, bits: 0..<64)] }

  /// A register with a value in each half.
  public init(low: (name: String, unit: Unit), high: (name: String, unit: Unit)) {
    fields = [
      Field(name: low.name, unit: low.unit, bits: 0..<32), Field(name: high.name, unit: high.unit, bits: 32..<64),
    ]
  }

  /// The slot of the capability that is presented, which dominates `object` with the rights that the call needs.
  public static func slot(over object: Guarded) -> Argument { Argument("slot", .slot(over: object)) }

  /// As documentation writes it: "low | high << 32".
  public var signature: String {
    fields.map { $0.bits.lowerBound == 0 ? $0.name : "\($0.name) << \($0.bits.lowerBound)" }.joined(separator: " | ")
  }
}

/// What the capability in a slot is presented for.
public enum Guarded: String, CaseIterable, Sendable {
  /// Something of the caller's own: frames, positions, extents, filters, regions.
  case own
  /// An environment, or a name below it.
  case environment
  /// A disk.
  case disk
  /// A network interface.
  case network
  /// The console.
  case console
}

/// What a value is: its unit, and so how it is documented, what type it has in the library, and what is almost right
/// for it when it is fuzzed.
public enum Unit: Hashable, Sendable {
  case slot(over: Guarded)
  case emptySlot, environment, table
  case frame, largeFrame, codeFrame, ringFrame, address, largeAddress, level, entryValue, pageCount
  case rights, name, length
  case position, deadline, events, entry, stack
  case resourceKind, count, amount
  case offset, byteCount, region
  case disk, block, blockCount, isWrite, tag, extent
  case interface, filter, ringSlots, programLength
  case status, vector, code

  /// Every unit, slots for all that they are presented for as one.
  public static let all: [Unit] = [
    .slot(over: .own), .emptySlot, .environment, .table, .frame, .largeFrame, .codeFrame, .ringFrame, .address,
    .largeAddress, .level, .entryValue, .pageCount, .rights, .name, .length, .position, .deadline, .events, .entry,
    .stack, .resourceKind, .count, .amount, .offset, .byteCount, .region, .disk, .block, .blockCount, .isWrite, .tag,
    .extent, .interface, .filter, .ringSlots, .programLength, .status, .vector, .code,
  ]

  /// Its name in the fuzz program.
  public var caseName: String {
    if case .slot = self { return "slot" }
    return "\(self)"
  }

  /// Its type in the library; the kernel sees plain integers.
  public var libraryType: LibraryType {
    switch self {
    case .rights: .rights
    case .resourceKind: .resourceKind
    case .isWrite: .flag
    case .amount: .signed
    default: .integer
    }
  }

  /// Types of the library's parameters.
  public enum LibraryType: String, Sendable {
    case integer = "UInt64"
    case signed = "Int64"
    case flag = "Bool"
    case rights = "Rights"
    case resourceKind = "ResourceKind"
  }

  /// What it is, in words.
  public var doc: String {
    switch self {
    case .slot(.own): "the slot of the capability that is presented"
    case .slot(.environment): "the slot of a capability over the environment"
    case .slot(.disk): "the slot of a capability over the disk"
    case .slot(.network): "the slot of a capability over the network interface"
    case .slot(.console): "the slot of a capability over the console"
    case .emptySlot: "a slot that is empty, below `CapabilitySlot.count`"
    case .environment: "an environment's handle"
    case .table: "whose page table: `Handle.own`, or a `TableArgument`"
    case .frame: "a frame's number"
    case .largeFrame: "the number of a large frame's first one"
    case .codeFrame: "the frame with the filter's instructions"
    case .ringFrame: "the frame that a ring begins with"
    case .address: "a virtual address on a boundary of 4 KiB"
    case .largeAddress: "a virtual address on a boundary of 2 MiB, from `AddressMap.largePages` on"
    case .level: "1 for the table of pages, 3 for the one below the root"
    case .entryValue: "an even number"
    case .pageCount: "how many pages, 0 as 1, at most 64"
    case .rights: "a set of `Rights`"
    case .name: "a capability's or a guard's name, first byte most significant"
    case .length: "bytes of the name, 0...8"
    case .position: "processor << 8 | position of its slice vector"
    case .deadline: "a time-stamp"
    case .events: "an event count"
    case .entry: "an address below `AddressMap.userEnd`, or 0 for none"
    case .stack: "a stack pointer"
    case .resourceKind: "a `ResourceKind`"
    case .count: "how many"
    case .amount: "how many; negative to take back"
    case .offset: "bytes from the beginning"
    case .byteCount: "how many bytes"
    case .region: "a region's handle"
    case .disk: "a disk's number"
    case .block: "a block's number, of 512 bytes"
    case .blockCount: "how many blocks, 1...8"
    case .isWrite: "0 to read, anything else to write"
    case .tag: "where the environment page tells the result, below `EnvironmentPage.blockTags`"
    case .extent: "an extent's handle"
    case .interface: "a network interface's number"
    case .filter: "a filter's handle"
    case .ringSlots: "slots of the ring, a power of two"
    case .programLength: "how many instructions"
    case .status: "the exit status, its lowest byte"
    case .vector: "the exception's vector"
    case .code: "the exception's error code"
    }
  }
}

/// Values that are packed by themselves wherever they are asked for.
public struct PackedValue: Sendable {
  /// The structure's name.
  public let name: String
  /// What it is.
  public let doc: String
  /// What the register holds.
  public let argument: Argument

  /// All of them.
  public static let all = [
    PackedValue(
      name: "TableArgument",
      doc: "An environment whose page table a call means, other than the caller's own, which is `Handle.own`.",
      argument: Argument(low: ("environment", .environment), high: ("slot", .slot(over: .environment))))
  ]
}
