/// Why the kernel refused a call. Nothing was changed.
public enum CallError: Int64, Error, Sendable {
  /// There is no call with this number.
  case unknownCall = -1
  /// The capability slot is empty or out of range.
  case noSuchCapability = -2
  /// The capability does not dominate the resource's guard, or lacks the right.
  case notPermitted = -3
  /// The named frame, slice position or device does not exist, or the handle is out of date.
  case noSuchResource = -4
  /// The resource is taken, mapped, or in a device's hands.
  case busy = -5
  /// The address is not page-aligned, or not one that an environment may map or enter.
  case badAddress = -6
  /// There is no page table for this address; install one first.
  case noPageTable = -7
  /// All resources of the kind are in use, or the quota is used up.
  case exhausted = -8
  /// A count, length or flag is out of range.
  case badArgument = -9
  /// The downloaded program was refused by the verifier.
  case badProgram = -10
  /// The device has no room for another request now, or none in this environment's share. An event tells when there may
  /// be room again.
  case deviceFull = -11
  /// The other environment does not accept it.
  case notAccepted = -12
  /// There are free frames, but what one call may do did not suffice to find one, or it is still being cleared; the
  /// kernel chooses what it takes from an environment that did not give what it was asked for, which gets no frames
  /// meanwhile; the budget for drawing is used up, until a slice's length has passed; the slice is over that was to be
  /// given; or the processor is owed a slice: yield and call again.
  case again = -13
  /// The kernel takes the frame from its owner, by force or because the owner has ended.
  case revoked = -14
}

/// What a call returned: a value, or an error.
public struct CallResult: Sendable {
  /// The value of rax.
  public let rawValue: Int64

  /// A result as it stands in rax.
  @inline(__always) public init(rawValue: Int64) { self.rawValue = rawValue }
  /// A value below 2^63.
  @inline(__always) public init(_ value: UInt64) { rawValue = Int64(bitPattern: value) }
  /// A refusal.
  @inline(__always) public init(_ error: CallError) { rawValue = error.rawValue }
  /// Success of a call that has nothing to return.
  public static var success: CallResult {
    @inline(__always) get { CallResult(rawValue: 0) }
  }

  /// The value, or the error that the kernel gave.
  public func value() throws(CallError) -> UInt64 {
    if rawValue >= 0 { return UInt64(bitPattern: rawValue) }
    throw CallError(rawValue: rawValue) ?? .unknownCall
  }
}
