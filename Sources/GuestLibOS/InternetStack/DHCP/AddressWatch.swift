/// Watches whether an interface has an address, so that its owner can tell people: a plain value without a clock.
public struct AddressWatch: Sendable {
  /// What there is to tell.
  public enum Event: Equatable, Sendable {
    /// The interface has this address now.
    case acquired(IPv4Address)
    /// The interface has lost its address.
    case lost
    /// For `AddressWatch.patience` there has been no address. Told once each time that there is none; the stack goes on
    /// asking.
    case missing
  }

  /// How long an address may be missing without a word.
  public static let patience = TimeSpan.seconds(10)

  private var address: IPv4Address?
  /// When `missing` is due; nil before the first look, while there is an address, and once it was told.
  private var dueAt: Instant?
  private var hasBegun = false

  /// A watch of an interface without an address, from the first look on.
  public init() {}

  /// Takes a look at the interface's address; tells what there is to tell, one thing at a time.
  public mutating func look(_ current: IPv4Address?, now: Instant) -> Event? {
    if !hasBegun {
      hasBegun = true
      dueAt = now + Self.patience
    }
    if current != address {
      // One address after another is a loss and a gain; the gain says it all.
      address = current
      dueAt = current == nil ? now + Self.patience : nil
      return current.map { .acquired($0) } ?? .lost
    }
    guard let due = dueAt, now >= due else { return nil }
    dueAt = nil
    return .missing
  }

  /// When a look is due though nothing else happens; nil if never.
  public var nextDeadline: Instant? { dueAt }
}
