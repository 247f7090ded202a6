import ArgumentParser

/// `xokvm bench`: measures.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures what the exokernel's operations cost on this host.",
    subcommands: [Primitives.self])

  /// `xokvm bench primitives`.
  struct Primitives: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "primitives",
      abstract: "Counts the ring-0 instructions of each operation of the exokernel, and takes its time.",
      discussion: """
        Instructions are counted by single steps, the most over all rounds, and do not depend on the host's load. Nanoseconds are the \
        average seen by the program; they do. A packet's reception costs one instruction more for each eight bytes of its length; its \
        nanoseconds are those of the whole round trip, from the call that sends to the packet in the ring.

        With --against-linux the same run measures what this host's Linux takes for the service that is most like the operation. A \
        ratio is Linux's time divided by ours. Our time here includes what KVM takes to run the guest's ring 0, be it by emulation. \
        The native estimate leaves that out and is no measurement: for each entry into ring 0 it takes the whole time of Linux's \
        getpid, which bounds a system call's way in and out from above, and for each instruction one clock cycle, measured by a chain \
        of additions; so a null call cannot be quicker in it than getpid. What interrupts and exceptions cost more than a system \
        call, cache and TLB misses, and exits to the hypervisor are not in it. Where an operation is the kernel's part of a service \
        only, so is its estimate. Debug builds add some nanoseconds to each time of Linux.
        """)

    @Flag(help: "Prints JSON instead of a table.")
    var json = false

    @Flag(help: "Measures Linux on this host as well, and estimates our time on native ring 0.")
    var againstLinux = false

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp(
        "Repetitions of each operation that touches no device, 1000 by default; a host that steps slowly may want fewer.",
        valueName: "ROUNDS"),
      transform: integer(in: 1...1_000_000, "rounds"))
    var rounds = 1000

    @Option(
      parsing: .unconditional,
      help: ArgumentHelp(
        """
        Milliseconds of a slice while instructions are counted, 10 to 10000, 40 by default; more where a whole way through \
        the kernel takes longer, step by step.
        """, valueName: "MILLISECONDS"),
      transform: integer(in: 10...10_000, "milliseconds"))
    var slice = PrimitivesBench.usualSlice / 1000

    func validate() throws {
      guard (1...1_000_000).contains(rounds) else {
        throw ValidationError("--rounds \(rounds) is not between 1 and 1000000")
      }
      guard (10...10_000).contains(slice) else { throw ValidationError("--slice \(slice): say 10 to 10000") }
    }

    func run() throws {
      // First: the machine starts threads, and Linux is measured in processes made by fork.
      let linux = againstLinux ? try LinuxComparison.measured() : nil
      let (operations, entry) = try PrimitivesBench(rounds: rounds, slice: 1000 * slice).run()
      let report = PrimitivesReport(operations: operations, linux: linux, entry: entry)
      try StandardOutput.write(json ? report.json : report.table)
    }
  }
}
