/// Exit statuses of sysexits.h.
public enum ExitStatus {
  /// The arguments are wrong.
  public static let usage: Int32 = 64
  /// The input is not what it has to be.
  public static let badData: Int32 = 65
  /// There is no input.
  public static let noInput: Int32 = 66
  /// A service is not available.
  public static let unavailable: Int32 = 69
  /// The program has found a mistake, in itself or in the kernel.
  public static let software: Int32 = 70
  /// The system refused.
  public static let systemError: Int32 = 71
  /// The program may not do that.
  public static let notPermitted: Int32 = 77
}
