import Hypervisor
import SystemPackage

/// Opens the output at `path`, which stays as it is for now.
func openOutput(_ path: String) throws(CommandFailure) -> OutputFile {
  do throws(Errno) {
    return try OutputFile(opening: path)
  } catch {
    throw cannotCreate(path, error)
  }
}

/// Why an output cannot be made, and what to look at.
func cannotCreate(_ path: String, _ error: Errno) -> CommandFailure {
  CommandFailure(status: .cannotCreate, "cannot create \(path) (\(error)): check its directory")
}

extension OutputFile {
  /// `begin`, told as the command tells errors.
  func beginWriting() throws(CommandFailure) {
    do throws(Errno) { try begin() } catch { throw Self.cannotWrite(path, error) }
  }

  /// Writes `bytes` and closes the file.
  func store(_ bytes: [UInt8]) throws(CommandFailure) {
    do {
      try file.closeAfter { _ = try file.writeAll(bytes) }
    } catch {
      throw Self.cannotWrite(path, error)
    }
  }

  /// Why the file was not written, and what to look at.
  static func cannotWrite(_ path: String, _ error: any Error) -> CommandFailure {
    CommandFailure(status: .ioError, "cannot write \(path) (\(error)): check the space on its file system")
  }
}

/// A file in memory, for what a machine writes that only the command reads, and for disks that are empty at first.
func memoryFile(_ name: String, byteCount: Int64 = 0) throws -> MemoryFile {
  do throws(Errno) {
    return try MemoryFile(name: name, byteCount: byteCount)
  } catch {
    throw CommandFailure(status: .osError, "cannot make a file in memory (\(error)): free some memory")
  }
}
