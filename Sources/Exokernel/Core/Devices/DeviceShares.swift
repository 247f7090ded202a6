import ExokernelABI

/// What one environment has of one device: of a disk its requests, of a network interface its send descriptors.
@frozen public struct DeviceUse: BitwiseCopyable {
  /// How many are in the device's hands. It may be above the limit where that was lowered since.
  public var inFlight: UInt16
  /// The most that may be; 0 where the environment has no share.
  public var limit: UInt16
  /// Extents of the disk that the environment holds.
  public var extents: UInt8
  /// 1 where it has used the device, so that it has a share without holding an extent.
  public var isUser: Bool
  /// Of the entry whose number an account has: environments of that account that have a share. `divide` counts them.
  public var members: UInt8
  /// The same: how many of them have the smallest share, where there are more than the account's part would last for.
  public var given: UInt8

  /// True where it has a share.
  var hasShare: Bool { extents != 0 || isUser }
}

/// A device whose capacity is divided among those that use it.
struct SharedDevice {
  /// Its number among the shared devices.
  let number: UInt32
  /// Requests, or descriptors, that it has.
  let capacity: UInt32
  /// The least that a share is: what one request, or one packet, may take.
  let least: UInt32

  /// Disk `index`.
  @inline(__always) static func disk(_ index: UInt32) -> SharedDevice {
    SharedDevice(number: index, capacity: DiskDriver.requests, least: 1)
  }
  /// Interface `index`.
  @inline(__always) static func interface(_ index: UInt32) -> SharedDevice {
    SharedDevice(
      number: UInt32(BooksLayout.disks) &+ index, capacity: InterfaceDriver.sendQueueSize,
      least: SendBlock.maximumPieces &+ 1)
  }
  /// How many there are.
  static var count: UInt32 { UInt32(BooksLayout.disks &+ BooksLayout.interfaces) }
}

// Shares of devices. A device is divided evenly among accounts: each boot program is one, with everything that descends
// from it, so children bring nobody a larger part. Within an account it is divided evenly among the environments that
// have a share: those that hold an extent of the disk, or have used the device. How many of them an environment can
// make is in its creator's hand, by the quotas of extents and of environments. A share is at least one request, or one
// packet; where a program's part would not last for all, those of the lowest numbers have one, and the others wait.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  /// Uses of the devices, `BooksLayout.environments` for each.
  @inline(__always) var deviceUses: Table<DeviceUse> {
    unsafe Table(
      hardware.privateBase + PrivateLayout.deviceUses,
      count: SharedDevice.count &* UInt32(BooksLayout.environments))
  }
  /// What an environment has of a device.
  @inline(__always) func use(of device: SharedDevice, by environment: UInt32) -> Cell<DeviceUse> {
    deviceUses.cell(at: device.number &* UInt32(BooksLayout.environments) &+ environment)
  }

  /// What the running environment has of a disk. Only where one runs.
  @inline(__always) func ownUse(ofDisk disk: UInt32) -> Cell<DeviceUse> {
    let index = disk & UInt32(BooksLayout.disks &- 1) &* UInt32(BooksLayout.environments) &+ current
    // Safe: who runs is one of the environments, and the disk is one of the disks.
    return unsafe Cell(UnsafeMutableRawPointer(deviceUses.base + Int(index)))
  }

  /// An environment has bound an extent of a disk.
  func joinDisk(_ disk: UInt32, _ environment: UInt32) {
    let use = use(of: .disk(disk), by: environment)
    let hadShare = use.value.hasShare
    use.value.extents &+= 1
    if !hadShare { divide(.disk(disk)) }
  }

  /// An environment has let go of an extent of a disk.
  func leaveDisk(_ disk: UInt32, _ environment: UInt32) {
    let use = use(of: .disk(disk), by: environment)
    use.value.extents &-= 1
    if !use.value.hasShare { divide(.disk(disk)) }
  }

  /// An environment has ended and waits for no device; its share is the others'. What it has in flight still ends.
  func leaveDevices(_ environment: UInt32) {
    for disk in 0..<header.value.diskCount {
      diskDrivers[disk].waiting &= ~(1 &<< UInt64(environment))
      stopUsing(.disk(disk), environment)
    }
    for interface in 0..<header.value.interfaceCount {
      interfaceDrivers[interface].waiting &= ~(1 &<< UInt64(environment))
      stopUsing(.interface(interface), environment)
    }
  }

  /// The running environment has a share from now on, until it ends.
  func startUsing(_ device: SharedDevice) {
    let use = use(of: device, by: current)
    guard !use.value.hasShare else { return }
    use.value.isUser = true
    divide(device)
  }

  private func stopUsing(_ device: SharedDevice, _ environment: UInt32) {
    let use = use(of: device, by: environment)
    guard use.value.isUser else { return }
    use.value.isUser = false
    if !use.value.hasShare { divide(device) }
  }

  /// Sets every limit of a device anew, and tells who has room now. Bounded by the table of environments, four times.
  private func divide(_ device: SharedDevice) {
    for index in 0..<environments.count {
      use(of: device, by: index).value.members = 0
      use(of: device, by: index).value.given = 0
      use(of: device, by: index).value.limit = 0
    }
    var accounts: UInt32 = 0
    for index in 0..<environments.count where use(of: device, by: index).value.hasShare {
      let account = use(of: device, by: environments[index].account & 63)
      if account.value.members == 0 { accounts &+= 1 }
      account.value.members &+= 1
    }
    let part = part(of: device, accounts)
    for index in 0..<environments.count where use(of: device, by: index).value.hasShare {
      let account = use(of: device, by: environments[index].account & 63)
      let share = part / UInt32(account.value.members)
      if share >= device.least {
        use(of: device, by: index).value.limit = UInt16(truncatingIfNeeded: share)
      } else if (UInt32(account.value.given) &+ 1) &* device.least <= part {
        // More than the part would last for: the first ones have what the smallest share is.
        use(of: device, by: index).value.limit = UInt16(truncatingIfNeeded: device.least)
        account.value.given &+= 1
      }
    }
    if device.number < UInt32(BooksLayout.disks) {
      tellOfRequests(device.number)
    } else {
      let driver = interfaceDrivers.cell(at: device.number &- UInt32(BooksLayout.disks))
      driver.value.waiting = tellOfRoom(on: device, driver.value.waiting)
    }
  }

  /// What each of so many accounts has of a device.
  private func part(of device: SharedDevice, _ accounts: UInt32) -> UInt32 {
    let part = device.capacity / (accounts == 0 ? 1 : accounts)
    return part >= device.least ? part : device.least
  }

  /// The long way of asking whether the running environment may have `amount` more in flight, of which the device has
  /// `free`: gives it a share, if it has none yet. Bounded by the table of environments.
  @inline(never) func findsRoom(on device: SharedDevice, _ amount: UInt32, free: UInt32) -> Bool {
    startUsing(device)
    let use = use(of: device, by: current)
    return amount <= free && UInt32(use.value.inFlight) &+ amount <= UInt32(use.value.limit)
  }

  /// Tells those of `waiting` who may have room now by an event, and returns the others. Bounded by the table of
  /// environments.
  func tellOfRoom(on device: SharedDevice, _ waiting: UInt64) -> UInt64 {
    var (rest, others) = (waiting, waiting)
    while rest != 0 {
      let environment = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      let use = use(of: device, by: environment).value
      guard use.inFlight < use.limit else { continue }
      others &= ~(1 &<< UInt64(environment))
      countEvent(of: environment)
    }
    return others
  }
}
