import CLinux
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension LinuxService {
  /// Nanoseconds of the service on this host. To be called in a process of one thread that stays on one processor.
  func measure() throws(Errno) -> Double {
    switch self {
    case .getpid:
      try Stopwatch.nanoseconds { rounds in
        var round = 0
        while round < rounds {
          _ = linux_getpid()
          round &+= 1
        }
      }
    case .protectPage: try Self.measureProtection(of: 1)
    case .protectPages: try Self.measureProtection(of: 100)
    case .pageFault: try Self.measurePageFault()
    case .divideError: try Self.measureDivideError()
    case .yield: try Self.measureYield()
    case .pipe: try Self.measurePipe()
    case .futex: try Self.measureFutex()
    }
  }

  /// One mprotect(2) of `count` pages that are in memory. Their neighbours have no access at all, so that the kernel
  /// neither splits nor joins mappings, which would cost more.
  private static func measureProtection(of count: Int) throws(Errno) -> Double {
    let pages = try MappedPages(count: count + 2, protection: PROT_NONE)
    let inner = 1..<count + 1
    try pages.protect(inner, PROT_READ | PROT_WRITE)
    // Safe: inside the mapping, and may be written.
    for page in inner { unsafe host_store(pages.base + page * MappedPages.pageByteCount) }
    var isWritable = true
    return try Stopwatch.nanoseconds { (rounds) throws(Errno) in
      var round = 0
      while round < rounds {
        try pages.protect(inner, isWritable ? PROT_READ : PROT_READ | PROT_WRITE)
        isWritable.toggle()
        round &+= 1
      }
    }
  }
}
