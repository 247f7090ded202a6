import SystemPackage
import Testing
import VirtioLayout

@testable import Hypervisor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct DiskImageTests {
  private func failure(_ path: FilePath, isReadOnly: Bool = false) -> DiskImageError? {
    do throws(DiskImageError) {
      _ = try DiskImage(path: path, isReadOnly: isReadOnly)
      return nil
    } catch {
      #expect(error.description.contains(path.string) && !error.description.contains("\n"))
      return error
    }
  }

  @Test("files that cannot be disks are refused with a reason, and stay as they are")
  func refusals() throws {
    #expect(failure("/nonexistent/disk") == .missing("/nonexistent/disk"))
    #expect(failure("/tmp") == .isDirectory("/tmp"))
    #expect(failure("/tmp", isReadOnly: true) == .isDirectory("/tmp"))
    #expect(failure("/dev/null") == .notADisk("/dev/null"))
    let empty = try TemporaryFile(byteCount: 0)
    #expect(failure(empty.path) == .empty(empty.path))
    let odd = try TemporaryFile(byteCount: 1000)
    #expect(failure(odd.path) == .invalidSize(odd.path, byteCount: 1000))
    #expect(try odd.bytes.count == 1000)
    let fifo = try TemporaryFile(byteCount: 0)
    unlink(fifo.path.string)
    try #require(mkfifo(fifo.path.string, 0o600) == 0)
    #expect(failure(fifo.path) == .notADisk(fifo.path))
    #expect(failure(fifo.path, isReadOnly: true) == .notADisk(fifo.path))
  }

  @Test("a file without permission is refused", .disabled(if: geteuid() == 0, "root may open everything"))
  func permissions() throws {
    let file = try TemporaryFile(byteCount: 512)
    chmod(file.path.string, 0o400)
    #expect(failure(file.path) == .notPermitted(file.path, writable: true))
    #expect(failure(file.path, isReadOnly: true) == nil)
    chmod(file.path.string, 0)
    #expect(failure(file.path, isReadOnly: true) == .notPermitted(file.path, writable: false))
  }

  @Test("one writer or many readers")
  func locks() throws {
    let file = try TemporaryFile(byteCount: 512)
    do {
      let writer = try DiskImage(path: file.path, isReadOnly: false)
      #expect(failure(file.path) == .inUse(file.path, writable: true))
      #expect(failure(file.path, isReadOnly: true) == .inUse(file.path, writable: false))
      #expect(writer.sectorCount == 1)
    }
    do {
      let first = try DiskImage(path: file.path, isReadOnly: true)
      let second = try DiskImage(path: file.path, isReadOnly: true)
      #expect(failure(file.path) == .inUse(file.path, writable: true))
      #expect(first.isReadOnly && second.isReadOnly)
    }
    #expect(failure(file.path) == nil)
  }
}
