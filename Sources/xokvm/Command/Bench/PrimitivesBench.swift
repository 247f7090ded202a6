import ExokernelABI
import GuestImages
import Hypervisor
import SystemPackage

/// An operation of the kernel and what it costs.
struct Operation {
  let name: String
  /// Ring-0 instructions, the most over all rounds.
  var instructions: Int
  /// Average time of a round, seen from ring 3.
  var nanoseconds: UInt64
}

/// Which instruction brings a call into the kernel.
enum KernelEntry: String {
  /// INT $4, after which the processor has pushed a frame.
  case interrupt
  /// SYSCALL, after which the kernel makes it.
  case syscall
}

/// Runs the program `primitives` twice: stepped, to count instructions, and free, to take times.
struct PrimitivesBench {
  /// Names of the operations, in the order of the table.
  static let names = [
    "null-call", "null-call-full", "frame-map", "frame-unmap", "frame-map-batch", "frame-unmap-batch", "fault-upcall",
    "ring3-exception", "transfer", "directed-yield", "slice-switch", "predicate", "block-read", "packet-receive",
    "packet-send",
  ]

  /// The length of a slice that is enough on a usual host, in microseconds.
  static let usualSlice = 40_000

  /// Repetitions of the operations that touch no device.
  let rounds: Int
  /// Length of a slice in microseconds while instructions are counted.
  let slice: Int

  func run() throws -> (operations: [Operation], entry: KernelEntry) {
    let kernel = GuestImages.kernel()
    guard let counter = StepCounter(SymbolTable(of: kernel)) else {
      throw CommandFailure(status: .software, "the bundled kernel has no symbols: build xokvm again")
    }
    let tracer = InstructionTracer(startPort: MachinePort.milestone) { (next, processor) throws(KVMError) in
      try counter.step(next, processor)
    }
    _ = try boot(kernel, tracer: tracer)
    let times = try self.times(boot(kernel, tracer: nil))
    let operations = try Self.names.map { name in
      guard let instructions = Self.instructions(of: name, in: counter.stays), let nanoseconds = times[name] else {
        throw CommandFailure(status: .software, "the bench did not measure \(name): please report this")
      }
      return Operation(name: name, instructions: instructions, nanoseconds: nanoseconds)
    }
    return (operations, counter.kernelEntry)
  }

  /// The most that an operation's stays in ring 0 took; for operations of two stays, the sum of both.
  static func instructions(of name: String, in stays: [StepCounter.Stay]) -> Int? {
    func most(_ phase: UInt64, _ matches: (StepCounter.Entry) -> Bool) -> Int? {
      stays.filter { $0.phase == phase && matches($0.entry) }.map(\.instructions).max()
    }
    func call(_ phase: UInt64, _ number: CallNumber) -> Int? { most(phase) { $0 == .call(number: number.rawValue) } }
    func device(_ phase: UInt64) -> Int? {
      most(phase) { if case .vector(let vector) = $0 { vector >= 0x30 && vector < 0x50 } else { false } }
    }
    func sum(_ first: Int?, _ second: Int?) -> Int? {
      guard let first, let second else { return nil }
      return first + second
    }
    func difference(_ first: Int?, _ second: Int?) -> Int? {
      guard let first, let second else { return nil }
      return first - second
    }
    // What each further page costs in a run, rounded up: a run of 64 has 62 more than a run of 2.
    func further(_ run: Int?, _ pair: Int?) -> Int? { difference(run, pair).map { ($0 + 61) / 62 } }
    switch name {
    case "null-call": return call(0x1001, .null)
    case "null-call-full": return call(0x1002, .null)
    case "frame-map": return call(0x1003, .frameMap)
    case "frame-unmap": return call(0x1003, .frameUnmap)
    case "frame-map-batch": return further(call(0x1008, .frameMap), call(0x100c, .frameMap))
    case "frame-unmap-batch": return further(call(0x1008, .frameUnmap), call(0x100c, .frameUnmap))
    case "ring3-exception":
      // The program has counted them; whatever of them came through the kernel would be a stay in ring 0.
      return most(StepCounter.exceptionMark) {
        if case .vector(let vector) = $0 { vector < 0x20 && vector != 4 } else { false }
      } ?? 0
    case "transfer":
      guard let there = call(0x1009, .call), let back = call(0x1009, .answer) else { return nil }
      return max(there, back)
    case "directed-yield": return call(0x100a, .yieldTo)
    case "predicate": return difference(call(0x100b, .sleepUntil), call(0x1001, .null))
    case "fault-upcall": return most(0x1004) { $0 == .vector(14) }
    case "slice-switch":
      // An end of a slice with the upcall is followed by the call that gives the processor up.
      let yield = StepCounter.Entry.call(number: CallNumber.yield.rawValue)
      return zip(stays, stays.dropFirst()).filter {
        $0.phase == 0x1005 && $1.phase == 0x1005 && $0.entry == .vector(0xe0) && $1.entry == yield
      }.map { $0.instructions + $1.instructions }.max()
    case "block-read": return sum(call(0x1006, .blockSubmit), device(0x1006))
    case "packet-receive": return device(0x1007)
    case "packet-send": return call(0x1007, .packetSend)
    default: return nil
    }
  }

  /// Boots the bench's machine and returns what it wrote to its console.
  private func boot(_ kernel: [UInt8], tracer: InstructionTracer?) throws -> String {
    let console = try memoryFile("console")
    let disk = try memoryFile("disk", byteCount: 1 << 20)
    let archive = try ProgramArchive([
      ProgramArgument(name: "primitives", arguments: "\(rounds)"),
      ProgramArgument(name: "primitives", arguments: "partner"),
      ProgramArgument(name: "primitives", arguments: "server"),
    ])
    var configuration = MachineConfiguration(
      boot: BootConfiguration(
        kernel: ImageSource(kernel, name: "the bundled kernel"), modules: [(archive.image, "programs")],
        commandLine: archive.words.joined(separator: " ") + (tracer == nil ? "" : " slice=\(slice)")),
      console: .file(path: console.path))
    configuration.disks = [DiskConfiguration(path: disk.path, isReadOnly: true)]
    configuration.networks = [.echo]
    configuration.timeLimit = 600_000_000_000
    let machine: VirtualMachine
    do throws(MachineError) {
      machine = try VirtualMachine(configuration, tracer: tracer)
    } catch {
      throw CommandFailure(status: error.exitStatus, error.description)
    }
    let outcome = machine.run()
    let output = String(decoding: try console.contents(), as: UTF8.self)
    guard outcome == .exited(status: 0) else {
      let isShort = tracer != nil && slice < Self.usualSlice
      throw CommandFailure(
        status: .software,
        "the bench's machine ended with status \(outcome.exitStatus.rawValue): \(Self.reason(output))"
          + (isShort ? ": a slice of \(slice / 1000) ms may be too short, raise --slice" : ""))
    }
    return output
  }

  /// The first line in which the kernel tells why it or a program has ended, or the program itself; else the last one.
  static func reason(_ output: String) -> String {
    let lines = output.split(whereSeparator: \.isNewline)
    let first = lines.first { $0.hasPrefix("[kernel] ") || $0.contains("] ended: ") || $0.contains("primitives: ") }
    return String(first ?? lines.last ?? "there is nothing on its console")
  }

  /// What lines `measure NAME NANOSECONDS` tell.
  private func times(_ output: String) -> [String: UInt64] {
    var times: [String: UInt64] = [:]
    for line in output.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count >= 3, words[words.count - 3] == "measure", let value = UInt64(words[words.count - 1]) else {
        continue
      }
      times[String(words[words.count - 2])] = value
    }
    return times
  }
}
