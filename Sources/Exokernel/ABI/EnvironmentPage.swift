/// The page that an environment and the kernel share, at `EnvironmentRecord.pageAddress`. The environment may write all
/// of it; the kernel believes none of it: it writes what it reports and reads only what is said so here, each word
/// once.
@frozen public struct EnvironmentPage {
  /// Grows with every event: packet received, block request finished, wake call.
  public var events: UInt64
  /// Where the libOS goes on after the epilogue upcall.
  /// Assembly files have it as PAGE_EPILOGUE_RETURN.
  public var epilogueReturn: UInt64
  /// Instruction that faulted.
  /// Assembly files have it as PAGE_FAULT_INSTRUCTION.
  public var faultInstruction: UInt64
  /// Address that faulted (CR2).
  /// Assembly files have it as PAGE_FAULT_ADDRESS.
  public var faultAddress: UInt64
  /// Error code of the fault.
  /// Assembly files have it as PAGE_FAULT_CODE.
  public var faultCode: UInt64
  /// Set to 1 with the upcall; the libOS clears it when it has copied instruction, address and code, or has served
  /// the fault. A fault while it is set ends the environment, and the epilogue upcall is put off.
  /// Assembly files have it as PAGE_FAULT_PENDING.
  public var faultPending: UInt32
  /// Nonzero inside a critical section: the kernel reads it at the end of a slice, and puts the epilogue upcall off.
  /// Assembly files have it as PAGE_CRITICAL_SECTION.
  public var criticalSection: UInt32
  /// For the libOS: the stack pointer at the fault.
  /// Assembly files have it as PAGE_FAULT_STACK_POINTER.
  public var faultStackPointer: UInt64
  /// For the libOS: top of the stack on which it serves faults.
  /// Assembly files have it as PAGE_FAULT_STACK_TOP.
  public var faultStackTop: UInt64
  /// Zero.
  public var reserved: UInt64
  /// Set to 1 where an epilogue was put off; who leaves the critical section clears it and yields.
  /// Assembly files have it as PAGE_EPILOGUE_DUE.
  public var epilogueDue: UInt64
  /// Packets of this environment that the device has sent: their frames are its own again.
  public var packetsSent: UInt64
  /// Length in bytes and, from `Self.argumentsOffset`, text of the program's arguments.
  public var argumentsLength: UInt64
  /// This environment's number.
  public var environment: UInt64
  /// This environment's handle.
  public var handle: UInt64
  /// The term of the predicate that held, counted from 1, after `sleepUntil`; 0 where it woke to be told of a
  /// revocation.
  public var matchedTerm: UInt64
  /// `ResourceKind` that the environment is asked to give back; the upcall follows at its next slice.
  public var revocationKind: UInt64
  /// How many of them; 0 once the request is over: it is met, or there is nothing more that may be taken.
  public var revocationCount: UInt64
  /// The time-stamp after which they are taken.
  public var revocationDeadline: UInt64
  /// Entries that the kernel has written into the repossession vector since the last request, or since the environment
  /// began. Entry n is at n modulo `repossessionCapacity`.
  public var repossessed: UInt64
  /// Where exceptions arrive; read by the gate page. 0: they end the environment. One for each page table: the gate
  /// page looks at `AddressMap.environmentPage`. There the stack pointer, 8 more than a multiple of 16, points to an
  /// `ExceptionFrame` below the red zone of the stack that was interrupted; every other register is as it was.
  /// Assembly files have it as PAGE_EXCEPTION_ENTRY.
  public var exceptionEntry: UInt64

  /// 64 bytes, one per tag: 0 in flight or never used, 1 done, 2 failed.
  public static let blockStatusOffset: UInt64 = 0xc0
  /// `SendBlock`, read by `packetSend`.
  public static let sendBlockOffset: UInt64 = 0x100
  /// `CreationBlock`, read by `environmentCreate`.
  public static let creationBlockOffset: UInt64 = 0x200
  /// Text of the program's arguments, at most `argumentsCapacity` bytes.
  public static let argumentsOffset: UInt64 = 0x400
  /// See `argumentsOffset`.
  public static let argumentsCapacity: UInt64 = 512
  /// End of the stack on which the first processor puts exceptions, before the gate page moves them; the others'
  /// follow, each `exceptionStackSize` bytes on. Known to the task states.
  /// Assembly files have it as PAGE_EXCEPTION_STACK_END.
  public static let exceptionStackEnd: UInt64 = 0x680
  /// See `exceptionStackEnd`.
  /// Assembly files have it as PAGE_EXCEPTION_STACK_SIZE.
  public static let exceptionStackSize: UInt64 = 128
  /// Console buffer, `consoleCapacity` bytes, read by `consoleWrite` and `consoleDraw`.
  public static let consoleOffset: UInt64 = 0x800
  /// Longest console line in bytes.
  public static let consoleCapacity: UInt64 = 224
  /// What `regionRead` and `regionWrite` copy to and from.
  public static let regionOffset: UInt64 = 0x900
  /// Most bytes of one region call.
  public static let regionCapacity: UInt64 = 256
  /// The repossession vector: `Repossession`s.
  public static let repossessionOffset: UInt64 = 0xc00
  /// Entries of the repossession vector, and most resources of one request.
  public static let repossessionCapacity: UInt64 = 64
  /// Tags for block requests: 0 up to this.
  public static let blockTags: UInt64 = 64
}

/// What `environmentCreate` makes. Quotas are taken from the creator's own and go back to it when the environment ends.
@frozen public struct CreationBlock {
  /// Where the environment page is mapped: a page of the new page table, or of the shared one; 0 for
  /// `AddressMap.environmentPage`.
  public var pageAddress: UInt64
  /// Handle of an environment whose page table the new one shares, which needs the right to control; 0 for a table of
  /// its own.
  public var sharedTable: UInt64
  /// Slot of the capability for `sharedTable`.
  public var sharedTableSlot: UInt64
  /// What it may own, which is taken from the creator.
  public var quotas: Quotas
  /// The name that the console and the books show, zero-padded ASCII, first byte least significant.
  public var name: (UInt64, UInt64)

  /// A page table of its own, no quota but the two frames that every environment needs, no name.
  public init() {
    pageAddress = 0
    sharedTable = 0
    sharedTableSlot = 0
    quotas = Quotas(frames: 2)
    name = (0, 0)
  }
}

/// Something that was taken by force: from who was asked for it, or from who had mapped or bound what the kernel took
/// from its owner. Of a frame that was mapped at several addresses there are several entries.
@frozen public struct Repossession {
  /// The frame's number, the slice position (processor << 8 | position), or the handle of the filter or region.
  public var resource: UInt64
  /// Where a frame was mapped, for all environments that share the page table; otherwise one of the values below.
  public var address: UInt64

  /// `address` of a slice, and of a filter that was asked for.
  public static let asked: UInt64 = 0
  /// `address` of a frame of one's own that one's page table did not map.
  public static let notMapped: UInt64 = 1
  /// `address` of a frame at which one's predicate looked: the predicate is unbound, and who waited for it goes on.
  public static let predicate: UInt64 = 2
  /// `address` of a region whose frame was taken: it is unbound.
  public static let region: UInt64 = 3
  /// `address` of a filter of whose ring a frame was taken: it is unbound.
  public static let ring: UInt64 = 4
  /// `address` of a frame that was a page table. What it mapped has entries of its own.
  public static let pageTable: UInt64 = 5

  /// An entry.
  @inline(__always) public init(resource: UInt64, address: UInt64) {
    self.resource = resource
    self.address = address
  }
}

/// What `packetSend` sends: a header for the device, then pieces of the environment's own frames.
///
/// Sixteen bytes of header, then `SendPiece`s.
@frozen public struct SendBlock {
  /// Pieces, 0...`maximumPieces`; with none, the call only takes over what the device has sent.
  public var pieces: UInt32
  /// 1: the checksum from `checksumStart` goes to `checksumStart + checksumOffset`.
  public var needsChecksum: UInt8
  /// 1: cut the TCP/IPv4 segment into packets of `segmentSize`.
  public var segmentation: UInt8
  /// Bytes of headers that each packet repeats.
  public var headerLength: UInt16
  /// Payload bytes of each packet.
  public var segmentSize: UInt16
  /// Byte at which the checksum starts.
  public var checksumStart: UInt16
  /// Where it goes, from `checksumStart`.
  public var checksumOffset: UInt16
  /// Zero.
  public var reserved: UInt16

  /// A packet of one piece or more, which the device need not touch.
  public init() {
    pieces = 0
    needsChecksum = 0
    segmentation = 0
    headerLength = 0
    segmentSize = 0
    checksumStart = 0
    checksumOffset = 0
    reserved = 0
  }

  /// Most pieces of one packet.
  public static let maximumPieces: UInt32 = 18
}

/// A piece of a frame.
@frozen public struct SendPiece {
  /// The frame.
  public var frame: UInt32
  /// First byte in the frame.
  public var offset: UInt16
  /// Number of bytes; offset + length is at most 4,096.
  public var length: UInt16

  /// A piece of `length` bytes from `offset` on in `frame`.
  @inlinable public init(frame: UInt32, offset: UInt16, length: UInt16) {
    self.frame = frame
    self.offset = offset
    self.length = length
  }
}
