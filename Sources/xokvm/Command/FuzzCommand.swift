import ArgumentParser
import CallList
import ExokernelABI
import GuestImages
import Hypervisor
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `xokvm fuzz`: makes random kernel calls in ring 3, and looks whether the kernel and the neighbour stand it.
struct FuzzCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Makes random kernel calls in a virtual machine, and checks that they harm nobody.",
    discussion: """
      Three programs make the calls, in environments that are made again whenever a call has ended one; a fourth is their neighbour, \
      and looks at the books all the while. Ends with status 70 and one line that says why where the kernel panicked, the neighbour \
      was harmed, the books disagreed, or a call returned what none may. The seed repeats the numbers that the programs draw; how \
      their slices alternate depends on the time.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Where the random numbers start; a random one by default.", valueName: "SEED"),
    transform: integer(in: 0...UInt64.max))
  var seed: UInt64?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How many calls, of all programs together, 100000 by default.", valueName: "CALLS"),
    transform: integer(in: callRange, "calls"))
  var calls: UInt64 = 100_000

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many processors the machine has, from 1 to \(cpuRange.upperBound); 1 by default.", valueName: "CPUS"),
    transform: integer(in: cpuRange, "processors"))
  var cpus = 1

  @Option(help: ArgumentHelp("A kernel other than the bundled one, an ELF file.", valueName: "FILE"))
  var kernel: String?

  @Option(help: ArgumentHelp("Where the console goes.", valueName: "FILE"))
  var console: String?

  private static let callRange: ClosedRange<UInt64> = 1...1 << 32
  private static let cpuRange = 1...Int(BooksLayout.processors)
  /// Programs that make calls, and the memory of their machine.
  private static let programs: UInt64 = 3
  private static let memory = 128 << 20

  func validate() throws {
    guard Self.callRange.contains(calls) else {
      throw ValidationError("--calls \(calls) is not a number from 1 to \(Self.callRange.upperBound)")
    }
    guard Self.cpuRange.contains(cpus) else {
      throw ValidationError("--cpus \(cpus) is not a number from 1 to \(Self.cpuRange.upperBound)")
    }
  }

  func run() throws {
    let seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    // The reader of a pipe learns it now, in case that this never ends.
    try StandardOutput.write("fuzz: seed \(seed), \(calls) calls\n")
    let (outcome, output) = try boot(seed)
    let lines = output.split(separator: "\n").map { String($0.drop { $0 == "\r" || $0 == " " }) }
    if case .signalled = outcome { throw CommandEnd(status: outcome.exitStatus) }
    if let reason = failure(outcome, lines) {
      throw CommandFailure(
        status: .software,
        "\(reason): again with xokvm fuzz --seed \(seed) --calls \(calls) --cpus \(cpus) --console FILE")
    }
    let totals = Self.totals(lines)
    try StandardOutput.write(
      "fuzz: \(totals.calls) calls, \(totals.accepted) accepted, seed \(seed): nobody was harmed, the books agree; "
        + "\(totals.kinds.count) of \(CallNumber.count) kinds of calls were accepted at least once"
        + Self.missing(totals.kinds) + "\n")
  }

  /// What the programs tell, all together. They are the guest's numbers, and a call may have changed them: no sum of
  /// them is a trap.
  static func totals(_ lines: [String]) -> (calls: UInt64, accepted: UInt64, kinds: Set<Int>) {
    (1...programs).compactMap { report(of: $0, lines) }.reduce((calls: 0, accepted: 0, kinds: [])) {
      ($0.calls &+ $1.calls, $0.accepted &+ $1.accepted, $0.kinds.union($1.kinds))
    }
  }

  /// Names the calls that are not among `kinds`.
  static func missing(_ kinds: Set<Int>) -> String {
    let names = CallList.all.filter { !kinds.contains($0.number) }.map(\.name)
    return names.isEmpty ? "" : ", but not \(names.joined(separator: ", "))"
  }

  /// What a program tells of a call that returned what no call may, `call NUMBER with FIVE ARGUMENTS returned RESULT,
  /// ...`, with the call in words; anything else as it is.
  static func decoded(_ line: Substring) -> String {
    let words = line.split(separator: " ")
    guard words.count > 9, words[0] == "call", words[2] == "with", words[8] == "returned", let number = UInt64(words[1])
    else { return String(line) }
    let registers = words[3..<8].map { UInt64($0.dropFirst(2), radix: 16) ?? 0 }
    let rest = words[8...].joined(separator: " ")
    return "\(CallDecoder.text(number: number, registers: registers)) \(rest)"
  }

  /// Why this is no success; nil where it is one.
  private func failure(_ outcome: MachineOutcome, _ lines: [String]) -> String? {
    if let panic = lines.first(where: { $0.hasPrefix("[kernel] panic") }) {
      let place = lines.first { $0.hasPrefix("[kernel] rip") } ?? "[kernel] rip unknown"
      return "the kernel went down: \(panic.dropFirst(9)), \(place.dropFirst(9))"
    }
    if case .failed(let failure) = outcome { return failure.description }
    for program in 0...Self.programs {
      let prefix = "[\(program) fuzz] FAILED: "
      if let line = lines.first(where: { $0.hasPrefix(prefix) }) { return Self.decoded(line.dropFirst(prefix.count)) }
    }
    guard case .exited = outcome else { return "the machine did not end by itself (\(outcome.name))" }
    for program in 1...Self.programs where Self.report(of: program, lines) == nil {
      return "fuzz program \(program) has ended before its last call"
    }
    guard lines.contains(where: { $0.hasPrefix("[0 fuzz] neighbour is well") }) else {
      return "the neighbour of the fuzz programs has ended"
    }
    return nil
  }

  /// What `[PROGRAM fuzz] fuzz: CALLS calls, ACCEPTED accepted, ..., kinds 0xBITS,0xBITS` tells: bit n of all words
  /// together stands for call n.
  private static func report(of program: UInt64, _ lines: [String]) -> (
    calls: UInt64, accepted: UInt64, kinds: Set<Int>
  )? {
    guard let line = lines.first(where: { $0.hasPrefix("[\(program) fuzz] fuzz: ") }) else { return nil }
    let words = line.split(separator: " ")
    guard words.count > 6, let calls = UInt64(words[3]), let accepted = UInt64(words[5]), let bits = words.last
    else { return nil }
    var kinds: Set<Int> = []
    for (index, text) in bits.split(separator: ",").enumerated() {
      guard text.hasPrefix("0x"), let word = UInt64(text.dropFirst(2), radix: 16) else { return nil }
      for bit in 0..<64 where word >> UInt64(bit) & 1 != 0 { kinds.insert(index * 64 + bit) }
    }
    return (calls, accepted, kinds)
  }

  /// Boots the machine, and returns how it ended and what it wrote to its console.
  private func boot(_ seed: UInt64) throws -> (outcome: MachineOutcome, output: String) {
    // Now, so that a path that cannot be written is told before the work.
    let log = try console.map { try openOutput($0) }
    let machine: VirtualMachine
    let text = try memoryFile("console")
    do {
      var uses = FileUses()
      if let kernel { uses.add("--kernel", kernel) }
      if let console { try uses.add(output: "--console", console) }
      machine = try self.machine(seed, console: text.path)
      try log?.beginWriting()
    } catch {
      log?.discard()
      throw error
    }
    let outcome = machine.run()
    let bytes = try text.contents()
    try log?.store(bytes)
    return (outcome, String(decoding: bytes, as: UTF8.self))
  }

  /// The machine, of which nothing runs yet.
  private func machine(_ seed: UInt64, console: String) throws -> VirtualMachine {
    let disk = try memoryFile("disk", byteCount: 1 << 20)
    var programs = [ProgramArgument(name: "fuzz", arguments: "watch,\(Self.programs)")]
    for program in 0..<Self.programs {
      let share = calls / Self.programs + (program < calls % Self.programs ? 1 : 0)
      programs.append(ProgramArgument(name: "fuzz", arguments: "\(seed),\(share)"))
    }
    let archive = try ProgramArchive(programs)
    let image =
      try kernel.map { try ImageSource(opening: $0) } ?? ImageSource(GuestImages.kernel(), name: "the bundled kernel")
    var configuration = MachineConfiguration(
      boot: BootConfiguration(
        kernel: image, modules: [(archive.image, "programs")], commandLine: archive.words.joined(separator: " ")),
      memoryByteCount: Self.memory, processorCount: cpus, console: .file(path: console))
    configuration.disks = [DiskConfiguration(path: disk.path)]
    configuration.networks = [.echo]
    // Ten milliseconds for a call are many, also on a busy host.
    configuration.timeLimit = (120_000 + calls * 10) * 1_000_000
    configuration.signals = [SIGINT, SIGTERM, SIGHUP]
    return try VirtualMachine(configuration)
  }
}
