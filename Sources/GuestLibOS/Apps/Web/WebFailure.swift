import ExokernelABI
import FileSystems
import InternetStack
import LibOS

/// Exit statuses of sysexits.h.
enum ExitStatus {
  static let usage: Int32 = 64
  static let badData: Int32 = 65
  static let noInput: Int32 = 66
  static let unavailable: Int32 = 69
  static let systemError: Int32 = 71
}

/// Why the server cannot start.
enum WebFailure: Error {
  case noDisk
  case diskRefused(CallError)
  case noMemory
  case archive(UstarError)
  case noInterface
  case networkRefused(CallError)
  case filterTooLong
  case listen(NetworkError)

  /// Tells the console in one line; gives the status to end with.
  func report(_ arguments: WebArguments) -> Int32 {
    Console.put("web: ")
    switch self {
    case .noDisk:
      Console.put("there is no disk ")
      Console.put(arguments.disk)
      Console.line(": give one with --disk FILE")
      return ExitStatus.noInput
    case .diskRefused(let error):
      refused("disk", error)
      return ExitStatus.systemError
    case .noMemory:
      Console.line("no memory for the block cache: give the machine more with --memory MIB")
      return ExitStatus.systemError
    case .archive(let error):
      Console.put("disk ")
      Console.put(arguments.disk)
      Console.put(": ")
      for byte in error.description.utf8 { Console.put(byte) }
      Console.flush()
      return ExitStatus.badData
    case .noInterface:
      Console.put("there is no network interface ")
      Console.put(arguments.interface)
      Console.line(": give one with --network")
      return ExitStatus.unavailable
    case .networkRefused(let error):
      refused("packet filter", error)
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

  private func refused(_ what: StaticString, _ error: CallError) {
    Console.put("the kernel refused the ")
    Console.put(what)
    Console.put(", error -")
    Console.put(UInt64(error.rawValue.magnitude))
    Console.flush()
  }
}
