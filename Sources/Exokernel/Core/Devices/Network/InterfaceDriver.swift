import ExokernelABI

/// State of the driver of one virtio-net device. Its rings are laid out as RingZero/Start/rings.S says.
@frozen public struct InterfaceDriver {
  /// Physical address of the device's registers; 0 where there is no device.
  public var device: UInt64
  /// Physical address of its rings.
  public var rings: UInt64
  /// Interrupt line.
  public var interrupt: UInt32
  /// First free send descriptor.
  public var freeDescriptor: UInt16
  /// Free send descriptors.
  public var freeDescriptors: UInt16
  /// Received buffers taken over so far.
  public var receiveSeen: UInt16
  /// Receive buffers published so far.
  public var receivePublished: UInt16
  /// Sent chains taken over so far.
  public var sendSeen: UInt16
  /// Chains published so far.
  public var sendPublished: UInt16
  /// Bits of a packet header's first eight bytes that the agreed features allow.
  public var headerMask: UInt64
  /// Environments that were refused `deviceFull` and wait to be told of room: bit n for record n. Where there are some,
  /// the device interrupts for what it has sent.
  public var waiting: UInt64

  static let receiveQueueSize: UInt32 = 64
  static let sendQueueSize: UInt32 = 256
  static let receiveAvailable: UInt64 = 1024
  static let receiveUsed: UInt64 = 1280
  static let sendUsed: UInt64 = 2048
  static let sendAvailable: UInt64 = 4608
  static let sendDescriptors: UInt64 = 8192
  static let sendHeaders: UInt64 = 12288
  /// Bytes of rings per interface.
  public static let ringsSize: UInt64 = 16384
}

extension Kernel {
  // Safe: the private layout gives the table its own range.
  /// Drivers of the network interfaces.
  @inline(__always) public var interfaceDrivers: Table<InterfaceDriver> {
    unsafe Table(hardware.privateBase + PrivateLayout.interfaceDrivers, count: UInt32(BooksLayout.interfaces))
  }
}
