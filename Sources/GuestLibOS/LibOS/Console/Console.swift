import CLibOS
import ExokernelABI

/// The console, a line at a time: bytes go into the console buffer of the environment page, a newline hands them to the
/// kernel. Swift's `print` comes here too.
public enum Console {
  nonisolated(unsafe) private static var count: UInt64 = 0

  /// Appends one byte to the line; a newline, or a full buffer, writes the line.
  public static func put(_ byte: UInt8) {
    // Safe: one thread of the processor; the index is below the buffer's capacity.
    if byte == 10 { return flush() }
    if unsafe count == EnvironmentPage.consoleCapacity { flush() }
    let address = unsafe UInt(AddressMap.environmentPage &+ EnvironmentPage.consoleOffset &+ count)
    unsafe UnsafeMutablePointer<UInt8>(bitPattern: address).unsafelyUnwrapped.pointee = byte
    unsafe count &+= 1
  }

  /// Appends text.
  public static func put(_ text: StaticString) {
    // Safe: a static string's bytes are constant.
    for index in 0..<text.utf8CodeUnitCount { unsafe put(text.utf8Start[index]) }
  }

  /// Appends a decimal number.
  public static func put(_ value: UInt64) {
    var digits = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as InlineArray<20, UInt8>
    var rest = value
    var index = 20
    repeat {
      index -= 1
      digits[index] = UInt8(truncatingIfNeeded: rest % 10) &+ 48
      rest /= 10
    } while rest != 0
    while index < 20 {
      put(digits[index])
      index += 1
    }
  }

  /// Appends a number in hexadecimal, with 0x.
  public static func put(hexadecimal value: UInt64) {
    put("0x")
    var shift: UInt64 = 60
    while shift > 0, value &>> shift == 0 { shift &-= 4 }
    while true {
      let digit = UInt8(truncatingIfNeeded: value &>> shift & 15)
      put(digit < 10 ? digit &+ 48 : digit &+ 87)
      if shift == 0 { return }
      shift &-= 4
    }
  }

  /// Writes a whole line.
  public static func line(_ text: StaticString) {
    put(text)
    flush()
  }

  /// Writes what was put of a line, if anything.
  static func endLine() { if unsafe count != 0 { flush() } }

  /// Puts bytes into the console buffer for `KernelCall.consoleDraw`, from its start, as many of them as it holds. What
  /// was put of a line is lost.
  public static func fill(_ bytes: ArraySlice<UInt8>) {
    unsafe count = 0
    var address = UInt(AddressMap.environmentPage &+ EnvironmentPage.consoleOffset)
    for byte in bytes.prefix(Int(EnvironmentPage.consoleCapacity)) {
      // Safe: no more bytes than the buffer has.
      unsafe UnsafeMutablePointer<UInt8>(bitPattern: address).unsafelyUnwrapped.pointee = byte
      address &+= 1
    }
  }

  /// Writes the line as far as it has come.
  public static func flush() {
    let length = unsafe count
    unsafe count = 0
    // The only refusal is of a line longer than the buffer, which `put` does not make.
    do throws(CallError) { try KernelCall.consoleWrite(count: length) } catch {}
  }
}
