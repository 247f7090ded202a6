/// The status with which a command ends: sysexits(3), and what shells and `timeout` use.
public struct ExitStatus: RawRepresentable, Hashable, Sendable {
  /// The status the parent process sees.
  public let rawValue: Int32
  /// A status from its number, of which the low eight bits reach the parent.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// All is well.
  public static let success = ExitStatus(rawValue: 0)
  /// The command was used wrongly.
  public static let usage = ExitStatus(rawValue: 64)
  /// Input is there but is not what it should be.
  public static let dataError = ExitStatus(rawValue: 65)
  /// An input file is missing or unreadable.
  public static let noInput = ExitStatus(rawValue: 66)
  /// The host lacks a service that is needed.
  public static let unavailable = ExitStatus(rawValue: 69)
  /// A failure inside the machine: the guest crashed.
  public static let software = ExitStatus(rawValue: 70)
  /// The host's operating system refused something ordinary.
  public static let osError = ExitStatus(rawValue: 71)
  /// An output file cannot be made.
  public static let cannotCreate = ExitStatus(rawValue: 73)
  /// Reading or writing failed.
  public static let ioError = ExitStatus(rawValue: 74)
  /// The user may not do this.
  public static let noPermission = ExitStatus(rawValue: 77)
  /// Time ran out, as with timeout(1).
  public static let timedOut = ExitStatus(rawValue: 124)

  /// A signal ended the machine, as shells report it.
  public static func signal(_ number: Int32) -> ExitStatus { ExitStatus(rawValue: 128 + number) }
}
