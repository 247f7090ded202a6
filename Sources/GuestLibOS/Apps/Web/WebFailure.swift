import ExokernelABI
import FileSystems
import LibOS
import Service

/// Why the server cannot start.
enum WebFailure: Error {
  case noDisk
  case diskRefused(CallError)
  case noMemory
  case archive(UstarError)
  case service(ServiceFailure)

  /// Tells the console in one line; gives the status to end with.
  func report(disk: UInt64) -> Int32 {
    Console.put("web: ")
    switch self {
    case .noDisk:
      Console.put("there is no disk ")
      Console.put(disk)
      Console.line(": give one with --disk FILE")
      return ExitStatus.noInput
    case .diskRefused(let error):
      ServiceFailure.refused("disk", error)
      return ExitStatus.systemError
    case .noMemory:
      Console.line("no memory for the block cache: give the machine more with --memory MIB")
      return ExitStatus.systemError
    case .archive(let error):
      Console.put("disk ")
      Console.put(disk)
      Console.put(": ")
      for byte in error.description.utf8 { Console.put(byte) }
      Console.flush()
      return ExitStatus.badData
    case .service(let failure):
      return failure.report()
    }
  }
}
