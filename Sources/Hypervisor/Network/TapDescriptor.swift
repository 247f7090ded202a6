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
    /// The flags, or the low half of another number.
    var flags: UInt16 = 0
    var rest: (UInt16, UInt32, UInt64, UInt64) = (0, 0, 0, 0)
  }

  /// Attaches to the existing TAP device `name`.
  init(name: String) throws(TapError) {
    guard TapDescriptor.isInterfaceName(name) else { throw .invalidName(name) }
    // Safe here and below: a string passed as a C string lives for the duration of the call.
    guard unsafe if_nametoindex(name) != 0 else { throw .missing(name) }

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
    do throws(Errno) {
      try TapDescriptor.attach(descriptor, &request, flags: 0)
    } catch {
      switch error {
      case .resourceBusy: throw .busy(name)
      case .notPermitted, .permissionDenied: throw .noPermission(name)
      case .invalidArgument: throw .notTap(name)
      default: throw .failed(name, operation: "attaching", error)
      }
    }
    // A privileged caller makes what does not exist: if the device went away just now, the kernel has made another,
    // which lasts only as long as this descriptor. Devices made to be attached to are persistent.
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

  /// Attaches to a device with one queue, or else to one of several, for which the kernel wants to be asked. What is no
  /// TAP device is refused as an invalid argument both times.
  private static func attach(_ descriptor: borrowing OwnedDescriptor, _ request: inout Request, flags: Int32)
    throws(Errno)
  {
    request.flags = UInt16(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)
    do throws(Errno) {
      // Safe: the driver reads and writes a `struct ifreq`, whose 40 bytes the request has.
      try unsafe KVMCall.structure(descriptor, CKVM_TUNSETIFF, &request)
    } catch {
      guard error == .invalidArgument, flags == 0 else { throw error }
      try attach(descriptor, &request, flags: IFF_MULTI_QUEUE)
    }
  }

  /// Tells the host which `TUN_F_` offloads the frames it gives us may need. At first it is none.
  func setOffloads(_ offloads: Int) throws(TapError) {
    try TapDescriptor.call(name, "setting the offloads") { () throws(Errno) in
      _ = try KVMCall.value(descriptor, CKVM_TUNSETOFFLOAD, offloads)
    }
  }

  /// The largest IP packet of the device.
  var maximumTransmissionUnit: UInt16? {
    let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard fd >= 0 else { return nil }
    let socket = OwnedDescriptor(fd)
    var request = Request()
    // Safe: at most 15 bytes are copied into 16, and the request writes an int behind the name of a `struct ifreq`.
    unsafe withUnsafeMutableBytes(of: &request.name) { unsafe $0.copyBytes(from: name.utf8) }
    guard (try? unsafe KVMCall.structure(socket, UInt(SIOCGIFMTU), &request)) != nil else { return nil }
    let number = UInt32(request.flags) | UInt32(request.rest.0) << 16
    return (68...65_535).contains(number) ? UInt16(number) : nil
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
}
