// The status of sysexits(3) that each kind of error ends the command with.

extension BootError {
  /// The status the command ends with.
  public var exitStatus: ExitStatus {
    switch self {
    case .cannotOpen(_, .permissionDenied): .noPermission
    case .cannotOpen, .notRegularFile: .noInput
    case .cannotRead: .ioError
    case .commandLineTooLong, .invalidCommandLine, .tooManyModules: .usage
    default: .dataError
    }
  }
}

extension DiskImageError {
  /// The status the command ends with.
  public var exitStatus: ExitStatus {
    switch self {
    case .missing, .isDirectory, .notADisk: .noInput
    case .notPermitted: .noPermission
    case .empty, .invalidSize: .dataError
    case .inUse: .unavailable
    case .cannotLock, .failed: .ioError
    }
  }
}

extension TapError {
  /// The status the command ends with.
  public var exitStatus: ExitStatus {
    switch self {
    case .invalidName: .usage
    case .missing, .notTap: .noInput
    case .noDriver, .busy: .unavailable
    case .noPermission: .noPermission
    case .failed: .osError
    case .deleted: .ioError
    }
  }
}

extension UnixStreamError {
  /// The status the command ends with.
  public var exitStatus: ExitStatus {
    switch self {
    case .invalidPath: .usage
    case .missing: .noInput
    case .notListening: .unavailable
    case .noPermission: .noPermission
    case .failed: .osError
    case .closed, .frameTooLong: .ioError
    }
  }
}

extension PublishError {
  /// The status the command ends with.
  public var exitStatus: ExitStatus {
    switch self {
    case .malformed: .usage
    case .portInUse, .addressNotAvailable: .unavailable
    case .noPermission: .noPermission
    case .failed: .osError
    }
  }
}
