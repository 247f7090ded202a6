import CKVM
import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An attached TAP device: opening it and its ioctls. Frames have a virtio header of 12 little-endian bytes.
struct TapDescriptor: ~Copyable, Sendable {
  let name: String
  private let descriptor: OwnedDescriptor
  var rawValue: Int32 { descriptor.rawValue }

  /// `struct ifreq` as far as the TUN driver uses it.
  private struct Request: BitwiseCopyable {
    var name: (UInt64, UInt64) = (0, 0)
    var flags: UInt16 = 0
    var rest: (UInt16, UInt32, UInt64, UInt64) = (0, 0, 0, 0)
  }

  /// Attaches to the existing TAP device `name`.
  init(name: String) throws(TapError) {
    guard TapDescriptor.isInterfaceName(name) else { throw .invalidName(name) }
    // Safe here and below: a string passed as a C string lives for the duration of the call.
    guard unsafe if_nametoindex(name) != 0 else { throw .missing(name) }
    guard let deviceFlags = TapDescriptor.number(name, "tun_flags"), deviceFlags & UInt64(IFF_TAP) != 0
    else { throw .notTap(name) }

    let fd = unsafe open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
    guard fd >= 0 else {
      switch Errno(rawValue: errno) {
      case .noSuchFileOrDirectory, .noSuchAddressOrDevice: throw .noDriver
      case .permissionDenied, .notPermitted: throw .noPermission(name)
      case let errno: throw .failed(name, operation: "opening /dev/net/tun", errno)
      }
    }
    let descriptor = OwnedDescriptor(fd)

    var request = Request()
    // Safe: at most 15 bytes are copied into 16, which stay valid during the call.
    unsafe withUnsafeMutableBytes(of: &request.name) { unsafe $0.copyBytes(from: name.utf8) }
    request.flags = UInt16(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR) | UInt16(deviceFlags & UInt64(IFF_MULTI_QUEUE))
    do throws(Errno) {
      // Safe: the driver reads and writes a `struct ifreq`, whose 40 bytes the request has.
      try unsafe KVMCall.structure(descriptor, CKVM_TUNSETIFF, &request)
    } catch {
      switch error {
      case .resourceBusy: throw .busy(name)
      case .notPermitted, .permissionDenied: throw .noPermission(name)
      case .invalidArgument: throw .notTap(name)
      default: throw .failed(name, operation: "attaching", error)
      }
    }
    // A privileged caller makes what does not exist: if the device went away just now, the kernel has made another, which lasts only
    // as long as this descriptor. Devices made to be attached to are persistent.
    try TapDescriptor.call(name, "asking for the flags") { () throws(Errno) in
      // Safe: as above.
      try unsafe KVMCall.structure(descriptor, CKVM_TUNGETIFF, &request)
    }
    guard request.flags & UInt16(IFF_PERSIST) != 0 else { throw .missing(name) }
    var headerByteCount = Int32(VirtioNetwork.Header.byteCount)
    var yes: Int32 = 1
    try TapDescriptor.call(name, "setting the header's form") { () throws(Errno) in
      // Safe: these requests read an int.
      try unsafe KVMCall.structure(descriptor, CKVM_TUNSETVNETHDRSZ, &headerByteCount)
      try unsafe KVMCall.structure(descriptor, CKVM_TUNSETVNETLE, &yes)
    }
    self.name = name
    self.descriptor = descriptor
  }

  /// Tells the host which `TUN_F_` offloads the frames it gives us may need. At first it is none.
  func setOffloads(_ offloads: Int) throws(TapError) {
    try TapDescriptor.call(name, "setting the offloads") { () throws(Errno) in
      _ = try KVMCall.value(descriptor, CKVM_TUNSETOFFLOAD, offloads)
    }
  }

  /// The largest IP packet of the device.
  var maximumTransmissionUnit: UInt16? {
    guard let number = TapDescriptor.number(name, "mtu"), (68...65_535).contains(number) else { return nil }
    return UInt16(number)
  }

  private static func call(_ name: String, _ operation: String, _ body: () throws(Errno) -> Void) throws(TapError) {
    do throws(Errno) { try body() } catch { throw .failed(name, operation: operation, error) }
  }

  /// Whether an interface can be called so. '%' would make the kernel choose a number.
  static func isInterfaceName(_ name: String) -> Bool {
    let bytes = name.utf8
    guard (1...15).contains(bytes.count), name != ".", name != ".." else { return false }
    let refused: [UInt8] = [UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: ":"), 0x7f]
    return !bytes.contains { $0 <= 0x20 || refused.contains($0) }
  }

  /// A number that sysfs tells about an interface, decimal or hexadecimal with 0x; nil where there is none.
  private static func number(_ name: String, _ attribute: String) -> UInt64? {
    // Safe: the string lives for the duration of the call.
    let fd = unsafe open("/sys/class/net/\(name)/\(attribute)", O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    let file = OwnedDescriptor(fd)
    var text = [UInt8](repeating: 0, count: 32)
    // Safe: the kernel writes at most the array's bytes.
    let count = unsafe text.withUnsafeMutableBytes { unsafe read(file.rawValue, $0.baseAddress, $0.count) }
    guard count > 0 else { return nil }
    let digits = String(decoding: text[..<count].prefix { $0 > 0x20 }, as: UTF8.self)
    return digits.hasPrefix("0x") ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits)
  }
}
