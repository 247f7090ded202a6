import Hypervisor
import SystemPackage

/// The file of `--stats`: created before the machine starts, so that a path that cannot be written is told then.
struct StatisticsFile {
  private let file: FileDescriptor
  private let path: String

  init(path: String) throws {
    self.path = path
    file = try openForWriting(path)
  }

  func write(_ text: String) throws {
    try store(Array(text.utf8), in: file, path: path)
  }
}

/// Creates or empties the file at `path`.
func openForWriting(_ path: String) throws -> FileDescriptor {
  do {
    return try FileDescriptor.open(
      FilePath(path), .writeOnly, options: [.create, .truncate, .closeOnExec],
      permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite])
  } catch {
    throw CommandFailure(status: .cannotCreate, "cannot create \(path) (\(error)): check its directory")
  }
}

/// Writes `bytes` to `file` and closes it.
func store(_ bytes: [UInt8], in file: FileDescriptor, path: String) throws {
  do {
    try file.closeAfter { _ = try file.writeAll(bytes) }
  } catch {
    throw CommandFailure(status: .ioError, "cannot write \(path) (\(error)): check the space on its file system")
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
