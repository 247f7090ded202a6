import SystemPackage

/// Why a virtual machine cannot be made or started. Nothing ran in the guest, and no disk was written.
public enum MachineError: Error, CustomStringConvertible {
  /// KVM cannot be used.
  case kvm(KVMError)
  /// The guest's memory cannot be had.
  case memory(GuestMemoryError)
  /// The kernel or a module cannot be loaded.
  case boot(BootError)
  /// The I/O thread cannot be set up.
  case eventLoop(EventLoopError)
  /// Devices overlap.
  case bus(AddressBusError)
  /// More devices than there are interrupt lines.
  case tooManyDevices(limit: Int)
  /// A disk image cannot be used.
  case disk(DiskImageError)
  /// A TAP device cannot be used.
  case tap(TapError)
  /// A network socket cannot be used.
  case unixStream(UnixStreamError)
  /// A port cannot be published.
  case publish(PublishError)
  /// The console's file cannot be written.
  case console(path: String, Errno)

  /// What went wrong and what to do, for a person.
  public var description: String {
    switch self {
    case .kvm(let error): error.description
    case .memory(let error): error.description
    case .boot(let error): error.description
    case .eventLoop(let error): error.description
    case .bus(let error): error.description
    case .tooManyDevices(let limit): "too many disks and network cards: give at most \(limit - 1) in all"
    case .disk(let error): error.description
    case .tap(let error): error.description
    case .unixStream(let error): error.description
    case .publish(let error): error.description
    case .console(let path, let errno): "cannot create the console's file \(path) (\(errno)): check its directory"
    }
  }

  /// The status the command ends with.
  public var exitStatus: ExitStatus {
    switch self {
    case .kvm(.noPermission): .noPermission
    case .kvm(.tooManyProcessors): .usage
    case .kvm(.refused): .osError
    case .kvm: .unavailable
    case .memory, .eventLoop: .osError
    case .boot(let error): error.exitStatus
    case .bus: .software
    case .tooManyDevices: .usage
    case .disk(let error): error.exitStatus
    case .tap(let error): error.exitStatus
    case .unixStream(let error): error.exitStatus
    case .publish(let error): error.exitStatus
    case .console: .cannotCreate
    }
  }
}
