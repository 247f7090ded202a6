import CLibOS
import ExokernelABI

/// A ring of messages in one page that two environments share: one puts in, the other takes out. Neither believes the
/// other more than that: a wrong count makes wrong messages, never an access outside the page.
///
/// Safety: the page is mapped by whoever makes the value; indexes are masked.
public struct MessageRing: Sendable {
  /// Messages in a full ring.
  public static var capacity: UInt64 { 64 }
  private static var consumerOffset: UInt64 { 64 }
  private static var slotsOffset: UInt64 { 128 }

  private let page: UInt64
  /// How many messages this side has put in, or taken out.
  private var count: UInt64 = 0

  /// The ring in the page at `address`, which is all zeroes, or where no message has been passed yet.
  public init(page address: UInt64) { page = address }

  private func slot(_ number: UInt64) -> UInt {
    UInt(page &+ Self.slotsOffset &+ (number & (Self.capacity &- 1)) &* UInt64(MemoryLayout<Message>.size))
  }

  /// Puts a message in; false where the ring is full.
  public mutating func put(_ message: Message) -> Bool {
    guard count &- libos_load64(UInt(page &+ Self.consumerOffset)) < Self.capacity else { return false }
    let place = slot(count)
    for word in 0..<6 { libos_store64(place &+ UInt(word) &* 8, message[word]) }
    // The processor makes stores visible in their order: the message before the count.
    count &+= 1
    libos_store64(UInt(page), count)
    return true
  }

  /// Takes the oldest message out; nil where there is none.
  public mutating func take() -> Message? {
    guard hasMessage else { return nil }
    let place = slot(count)
    var message: Message = [0, 0, 0, 0, 0, 0]
    for word in 0..<6 { message[word] = libos_load64(place &+ UInt(word) &* 8) }
    count &+= 1
    libos_store64(UInt(page &+ Self.consumerOffset), count)
    return message
  }

  /// True where `take` finds a message.
  public var hasMessage: Bool { libos_load64(UInt(page)) != count }
}
