import CLibOS
import DownloadedCode
import ExokernelABI

/// A received packet's checksum, as the machine tells it.
public enum ReceivedChecksum: Sendable {
  /// Nobody looked.
  case unknown
  /// Somebody trustworthy found it right.
  case valid
  /// Never computed: the packet did not leave the machine.
  case notComputed
}

/// A network interface as a program sees it: a ring of its own pages into which its packet filter's packets go, and
/// pages out of which it sends.
///
/// Safety: all memory is pages that `PageSpace` mapped for this value and nobody else; ring indexes are masked.
public struct PacketInterface: ~Copyable {
  /// The interface's record in the books.
  public let record: InterfaceRecord
  private let interface: UInt64
  private let control: UInt64
  private let slots: UInt64
  private var consumer: UInt32 = 0
  private let sendPages: UInt64
  private let sendFrames: [UInt32]
  private var nextSmall = 0
  private var nextLarge = 0

  private static var smallBuffers: Int { 32 }
  private static var largeBuffers: Int { 4 }
  private static var largePages: Int { 17 }
  /// Longest frame that `send` takes, in bytes.
  public static var sendLimit: Int { 17 * 4096 }

  /// Binds `filter` on interface `interface` to a ring of `slots` slots: 2, 4, ... 64.
  public init(interface: UInt64, filter: borrowing FilterBuilder, slots: UInt64 = 64) throws(CallError) {
    guard let record = Books.interface(interface) else { throw .noSuchResource }
    let sendCount = UInt64(Self.smallBuffers + Self.largeBuffers * Self.largePages)
    guard let pages = PageSpace.mapAnywhere(count: 2 &+ slots / 2 &+ sendCount) else { throw .exhausted }
    let code = pages &+ 4096
    let data = pages &+ 2 &* 4096
    let sendStart = data &+ slots / 2 &* 4096
    for index in 0..<slots / 2 {
      guard let frame = Books.frameNumber(of: data &+ index &* 4096) else { throw .badAddress }
      libos_store32(UInt(pages &+ PacketRing.framesOffset &+ index &* 4), UInt32(truncatingIfNeeded: frame))
    }
    let count = UInt64(
      filter.withWords { words in
        for index in words.indices { libos_store64(UInt(code) &+ UInt(index) &* 8, words[index]) }
        return words.count
      })
    var frames: [UInt32] = []
    for index in 0..<sendCount {
      guard let frame = Books.frameNumber(of: sendStart &+ index &* 4096) else { throw .badAddress }
      frames.append(UInt32(truncatingIfNeeded: frame))
    }
    guard let codeFrame = Books.frameNumber(of: code), let ringFrame = Books.frameNumber(of: pages) else {
      throw .badAddress
    }
    _ = try KernelCall.bindFilter(code: codeFrame, count: count, ring: ringFrame, slots: slots)
    self.record = record
    self.interface = interface
    self.slots = slots
    control = pages
    sendPages = sendStart
    sendFrames = frames
  }

  /// True where a packet waits.
  public var hasPacket: Bool { libos_load32(UInt(control)) != consumer }

  /// Gives the next packet to `body`, in place, and frees its slot; false where none waits.
  public mutating func receive(_ body: (UnsafeRawBufferPointer, ReceivedChecksum) -> Void) -> Bool {
    guard hasPacket else { return false }
    let slot = UInt64(consumer) & (slots &- 1)
    let about = libos_load64(UInt(control &+ PacketRing.slotsOffset &+ slot &* 8))
    let length = about & 0xffff_ffff
    let data = control &+ 2 &* 4096 &+ slot &* UInt64(PacketRing.slotSize)
    let checksum: ReceivedChecksum
    switch about &>> 32 {
    case 1: checksum = .valid
    case 2: checksum = .notComputed
    default: checksum = .unknown
    }
    let count = length <= UInt64(PacketRing.slotSize) ? Int(truncatingIfNeeded: length) : 0
    unsafe body(UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(data)), count: count), checksum)
    consumer &+= 1
    libos_store32(UInt(control) &+ 4, consumer)
    return true
  }

  /// Sends one Ethernet frame, copied; `header` says what the device does to it. False where the device is full:
  /// nothing was sent.
  public mutating func send(_ frame: UnsafeRawBufferPointer, header: SendBlock) -> Bool {
    guard frame.count > 0, frame.count <= Self.sendLimit else { return false }
    let pages = (frame.count + 4095) / 4096
    let first: Int
    if pages == 1 {
      first = nextSmall
      guard isFree(first) else { return false }
      nextSmall = (nextSmall + 1) % Self.smallBuffers
    } else {
      first = Self.smallBuffers + nextLarge * Self.largePages
      guard isFree(first) else { return false }
      nextLarge = (nextLarge + 1) % Self.largeBuffers
    }
    let target = unsafe UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: UInt(sendPages) &+ UInt(first) &* 4096), count: frame.count)
    unsafe target.copyMemory(from: frame)
    var block = header
    block.pieces = UInt32(truncatingIfNeeded: pages)
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.sendBlockOffset)
    unsafe UnsafeMutablePointer<SendBlock>(bitPattern: place).unsafelyUnwrapped.pointee = block
    for page in 0..<pages {
      let length = min(4096, frame.count - page * 4096)
      libos_store64(
        place &+ 16 &+ UInt(page) &* 8, UInt64(sendFrames[first + page]) | UInt64(truncatingIfNeeded: length) &<< 48)
    }
    do throws(CallError) {
      try KernelCall.sendPacket(interface: interface)
      return true
    } catch {
      return false
    }
  }

  /// True where the device has let go of the buffer that starts at page `first`. The books tell: no call, unless it has
  /// not.
  private func isFree(_ first: Int) -> Bool {
    if Books.frame(UInt64(sendFrames[first]))?.pins == 0 { return true }
    // A send of no pieces takes over what the device has sent.
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.sendBlockOffset)
    libos_store32(place, 0)
    do throws(CallError) { try KernelCall.sendPacket(interface: interface) } catch { return false }
    return Books.frame(UInt64(sendFrames[first]))?.pins == 0
  }
}
