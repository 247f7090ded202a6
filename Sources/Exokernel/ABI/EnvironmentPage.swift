/// The page that an environment and the kernel share, at `AddressMap.environmentPage`. The environment may write all of it; the kernel
/// believes none of it: it writes what it reports and reads only the send block and the console buffer, each word once.
@frozen public struct EnvironmentPage {
  /// Grows with every event: packet received, block request finished.
  public var events: UInt64
  /// Where the libOS goes on after the epilogue upcall.
  public var epilogueReturn: UInt64
  /// Instruction that faulted.
  public var faultInstruction: UInt64
  /// Address that faulted (CR2).
  public var faultAddress: UInt64
  /// Error code of the fault.
  public var faultCode: UInt64
  /// Set to 1 with the upcall; the libOS clears it when it has copied the four words. A fault while it is set ends the environment.
  public var faultPending: UInt64
  /// For the libOS: the stack pointer at the fault.
  public var faultStackPointer: UInt64
  /// For the libOS: top of the stack on which it serves faults.
  public var faultStackTop: UInt64
  /// For the libOS: nonzero inside a critical section.
  public var criticalSection: UInt64
  /// Packets of this environment that the device has sent: their frames are its own again.
  public var packetsSent: UInt64
  /// Length in bytes and, from `Self.argumentsOffset`, text of the program's arguments.
  public var argumentsLength: UInt64
  /// This environment's number.
  public var environment: UInt64

  /// 64 bytes, one per tag: 0 in flight or never used, 1 done, 2 failed.
  public static let blockStatusOffset: UInt64 = 0x80
  /// `SendBlock`.
  public static let sendBlockOffset: UInt64 = 0x100
  /// Text of the program's arguments, at most `argumentsCapacity` bytes.
  public static let argumentsOffset: UInt64 = 0x400
  /// See `argumentsOffset`.
  public static let argumentsCapacity: UInt64 = 512
  /// Console buffer, `consoleCapacity` bytes.
  public static let consoleOffset: UInt64 = 0x800
  /// Longest console line in bytes.
  public static let consoleCapacity: UInt64 = 224
  /// Tags for block requests: 0 up to this.
  public static let blockTags: UInt64 = 64
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
