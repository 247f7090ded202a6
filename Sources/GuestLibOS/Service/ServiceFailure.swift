import ExokernelABI
import InternetStack
import LibOS

/// Why a program cannot serve the network.
public enum ServiceFailure: Error {
  /// The machine has no interface of that number.
  case noInterface(UInt64)
  /// The kernel refused the packet filter or its ring.
  case networkRefused(CallError)
  /// The filter has more instructions than the kernel takes.
  case filterTooLong
  /// The stack refused the port.
  case listen(NetworkError)

  /// Tells the console the rest of a line; gives the status to end with.
  public func report() -> Int32 {
    switch self {
    case .noInterface(let number):
      Console.put("there is no network interface ")
      Console.put(number)
      Console.line(": give one with --network")
      return ExitStatus.unavailable
    case .networkRefused(let error):
      Self.refused("packet filter", error)
      return ExitStatus.systemError
    case .filterTooLong:
      Console.line("the packet filter has too many instructions for the kernel")
      return ExitStatus.systemError
    case .listen(let error):
      for byte in error.description.utf8 { Console.put(byte) }
      Console.flush()
      return ExitStatus.unavailable
    }
  }

  /// Ends the line that tells what the kernel refused.
  public static func refused(_ what: StaticString, _ error: CallError) {
    Console.put("the kernel refused the ")
    Console.put(what)
    Console.put(", error -")
    Console.put(UInt64(error.rawValue.magnitude))
    Console.flush()
  }
}
