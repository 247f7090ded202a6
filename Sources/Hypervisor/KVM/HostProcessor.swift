import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the host tells about its processor and device nodes, for error messages that name the remedy.
enum HostProcessor {
  /// The KVM module for this processor, or nil where the processor shows no virtualization extension.
  static func virtualizationModule() -> String? {
    let flags = smallFile("/proc/cpuinfo").split(separator: "\n", maxSplits: 60).first { $0.hasPrefix("flags") } ?? ""
    let words = flags.split(separator: " ")
    if words.contains("vmx") { return "kvm_intel" }
    if words.contains("svm") { return "kvm_amd" }
    return nil
  }

  /// The name of the group that may read and write `path`, if one may. Reads /etc/group itself: the C library's
  /// function needs shared libraries, which a statically linked command has not.
  static func groupWithAccess(to path: String) -> String? {
    var status = stat()
    // Safe: the structure lives for the duration of the call.
    guard unsafe stat(path, &status) == 0, status.st_mode & 0o060 == 0o060, status.st_gid != 0 else { return nil }
    let number = String(status.st_gid)
    for line in smallFile("/etc/group").split(separator: "\n") {
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      if fields.count > 2, fields[2] == number { return String(fields[0]) }
    }
    return number
  }

  /// Up to 1 MiB of a text file; empty where it cannot be read.
  static func smallFile(_ path: String) -> String {
    guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else { return "" }
    defer { try? file.close() }
    var bytes: [UInt8] = []
    while bytes.count < 1 << 20 {
      // Safe: the array is uninitialised only past the count that the read reports.
      let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
        count = unsafe (try? file.read(into: UnsafeMutableRawBufferPointer(buffer))) ?? 0
      }
      if chunk.isEmpty { break }
      bytes += chunk
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
