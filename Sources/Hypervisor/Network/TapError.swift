import SystemPackage

/// Why a TAP device cannot be used.
public enum TapError: Error, Equatable, CustomStringConvertible {
  /// Not a name that a network interface can have.
  case invalidName(String)
  /// No interface of this name exists. It is not made here: making one needs privileges, and a typing error must not
  /// make one.
  case missing(String)
  /// The interface exists and is not a TAP device.
  case notTap(String)
  /// The host has no `/dev/net/tun`.
  case noDriver
  /// The user may not open `/dev/net/tun`, or the device belongs to another user.
  case noPermission(String)
  /// Another program has the device.
  case busy(String)
  /// The device was deleted while it was in use.
  case deleted(String)
  /// The host refused something else.
  case failed(String, operation: String, Errno)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .invalidName(let name):
      "'\(name)' is not a network interface name; use 1 to 15 characters other than '/', '%', ':' and blanks"
    case .missing(let name):
      "there is no TAP device '\(name)'; make it: "
        + "ip tuntap add dev \(name) mode tap user $USER; ip link set \(name) up"
    case .notTap(let name): "network interface '\(name)' is not a TAP device; name one made by ip tuntap add mode tap"
    case .noDriver: "the host has no /dev/net/tun; load it: modprobe tun"
    case .noPermission(let name):
      "no permission for TAP device '\(name)'; make it for this user (ip tuntap add dev \(name) mode tap user $USER)"
        + " and see that /dev/net/tun is readable and writable"
    case .busy(let name): "TAP device '\(name)' is in use by another program; stop it or make another device"
    case .deleted(let name):
      "TAP device '\(name)' was deleted; the guest's network link is down until the machine is started again"
    case .failed(let name, let operation, let errno): "TAP device '\(name)': \(operation) failed (\(errno))"
    }
  }
}
