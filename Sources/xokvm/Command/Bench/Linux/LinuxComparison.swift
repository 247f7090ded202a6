import SystemPackage

/// What this host's Linux takes for its services, and what that says about operations of the exokernel.
struct LinuxComparison {
  /// Nanoseconds of each service, once.
  let services: [LinuxService: Double]
  /// Nanoseconds of one clock cycle, in which one instruction that waits for the one before is done.
  let cycle: Double

  /// An operation beside the service of Linux.
  struct Row {
    let service: LinuxService
    /// Nanoseconds of the service.
    let linux: Double
    /// How many of our operations, as measured here, fit into Linux's time.
    let ratio: Double
    /// Estimated nanoseconds of the operation where ring 0 is native; see `estimate`.
    let native: Double
    /// How many of our operations, as estimated, fit into Linux's time.
    let nativeRatio: Double
  }

  /// The row of an operation; nil where Linux has no service like it.
  func row(of operation: Operation) -> Row? {
    guard let equivalent = LinuxEquivalent[operation: operation.name], let linux = services[equivalent.service],
      let native = estimate(instructions: operation.instructions, entries: equivalent.entries)
    else { return nil }
    return Row(
      service: equivalent.service, linux: linux, ratio: linux / Double(operation.nanoseconds), native: native,
      nativeRatio: linux / native)
  }

  /// Estimated nanoseconds of an operation of so many ring-0 instructions and entries into ring 0, run natively by this
  /// host.
  ///
  /// A way into ring 0 and back cannot be measured from ring 3 without the kernel that is there: each is counted with
  /// the whole time of Linux's getpid, which bounds SYSCALL and SYSRET from above. Instructions are counted with one
  /// cycle each, as if each waited for the one before and found everything in the first cache. Not in it: what
  /// interrupts and exceptions cost more than SYSCALL, misses of caches and of the TLB after a change of page tables,
  /// and exits to a hypervisor, such as for arming the timer.
  func estimate(instructions: Int, entries: Int) -> Double? {
    services[.getpid].map { Double(entries) * $0 + Double(instructions) * cycle }
  }
}

extension LinuxComparison {
  /// Measures every service, each in a process of its own. To be called before the command starts threads.
  static func measured() throws -> LinuxComparison {
    var services: [LinuxService: Double] = [:]
    for service in LinuxService.allCases {
      services[service] = try MeasuringProcess.nanoseconds(of: "Linux's \(service.name)") { () throws(Errno) in
        try service.measure()
      }
    }
    let additions = try MeasuringProcess.nanoseconds(of: "the processor's cycle", Stopwatch.additionChain)
    return LinuxComparison(services: services, cycle: additions)
  }
}
