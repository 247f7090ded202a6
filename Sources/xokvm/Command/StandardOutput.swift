import Hypervisor
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the command says on standard output, but for the guest's console: results and help. Unlike Swift's `print` it
/// tells where the host did not take it.
enum StandardOutput {
  /// Writes all of `text`. Where nobody will ever read it, the command ends quietly, as one that SIGPIPE has ended.
  static func write(_ text: String) throws {
    do {
      _ = try FileDescriptor.standardOutput.writeAll(Array(text.utf8))
    } catch Errno.brokenPipe {
      throw CommandEnd(status: .signal(SIGPIPE))
    } catch Errno.badFileDescriptor {
      throw CommandFailure(status: .ioError, "cannot write standard output, which is closed: give it a file or a pipe")
    } catch {
      throw CommandFailure(
        status: .ioError, "cannot write standard output (\(error)): check the space on its file system")
    }
  }
}
