import CLibOS
import ExokernelABI

/// This program's environment.
public enum Environment {
  /// Its number.
  public static var number: UInt64 { libos_load64(UInt(AddressMap.environmentPage) &+ 96) }

  /// Its handle.
  public static var handle: UInt64 { libos_load64(UInt(AddressMap.environmentPage) &+ 104) }

  /// Events so far: packets received and block requests finished.
  public static var events: UInt64 { libos_load64(UInt(AddressMap.environmentPage)) }

  /// The arguments it was started with, as bytes.
  public static func arguments() -> [UInt8] {
    let length = libos_load64(UInt(AddressMap.environmentPage) &+ 88)
    var bytes: [UInt8] = []
    for index in 0..<(length < EnvironmentPage.argumentsCapacity ? length : EnvironmentPage.argumentsCapacity) {
      bytes.append(libos_load8(UInt(AddressMap.environmentPage &+ EnvironmentPage.argumentsOffset &+ index)))
    }
    return bytes
  }
}

#if hasFeature(Embedded)
  /// The program's own code: it returns the status that the environment ends with.
  @_extern(c, "program_main") func programMain() -> Int32

  /// Runs the program and ends the environment with its status; start.S calls it once, on the initial stack.
  @c(libos_start)
  public func libosStart() {
    let status = programMain()
    KernelCall.exit(status: UInt8(truncatingIfNeeded: status))
  }
#endif
