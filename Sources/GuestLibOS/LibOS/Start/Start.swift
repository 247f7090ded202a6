import CLibOS
import ExokernelABI

/// This program's environment.
public enum Environment {
  /// Its number.
  public static var number: UInt64 { EnvironmentWord.environment.load() }

  /// Its handle.
  public static var handle: UInt64 { EnvironmentWord.handle.load() }

  /// Events so far: packets received and block requests finished.
  public static var events: UInt64 { EnvironmentWord.events.load() }

  /// The arguments it was started with, as bytes.
  public static func arguments() -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<argumentsLength { bytes.append(argumentsByte(index)) }
    return bytes
  }

  /// How many bytes the arguments have.
  public static var argumentsLength: UInt64 {
    min(EnvironmentWord.argumentsLength.load(), EnvironmentPage.argumentsCapacity)
  }

  /// A byte of the arguments, for who must not allocate; 0 behind the page's room for them.
  public static func argumentsByte(_ index: UInt64) -> UInt8 {
    guard index < EnvironmentPage.argumentsCapacity else { return 0 }
    return libos_load8(UInt(AddressMap.environmentPage &+ EnvironmentPage.argumentsOffset &+ index))
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
