import Foundation
import Testing

@testable import xokvm

/// One run of `bench primitives --against-linux --json`, taken apart.
private struct Measured {
  let operations: [[String: Any]]
  /// Nanoseconds of the services, by name.
  let services: [String: Double]
  let cycle: Double

  init() throws {
    let result = try Command.run(Command.xokvm, ["bench", "primitives", "--against-linux", "--json"], seconds: 120)
    try #require(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    operations = try #require(document?["operations"] as? [[String: Any]])
    let host = try #require(document?["host"] as? [String: Any])
    cycle = try #require(host["cycleNanoseconds"] as? Double)
    let rows = try #require(host["services"] as? [[String: Any]])
    let times = rows.compactMap { row in
      (row["service"] as? String).flatMap { name in (row["nanoseconds"] as? Double).map { (name, $0) } }
    }
    #expect(times.count == rows.count, "\(rows)")
    services = Dictionary(times) { first, _ in first }
  }
}

extension BenchTests {
  @Test("holds every operation with a service of Linux against it, and the numbers are each other's quotients")
  func againstLinux() throws {
    let measured = try Measured()
    #expect(Set(measured.services.keys) == Set(LinuxService.allCases.map(\.name)))
    let getpid = try #require(measured.services["getpid"])
    // A processor of 200 MHz to 10 GHz.
    #expect((0.1...5).contains(measured.cycle), "\(measured.cycle)")
    // What each needs more than getpid cannot be hidden by the load of a host; without it, nothing was measured.
    for (name, nanoseconds) in measured.services where name != "getpid" {
      #expect(nanoseconds > getpid, "\(name): \(nanoseconds), getpid: \(getpid)")
    }
    #expect(
      try #require(measured.services["mprotect of 100 pages"]) > #require(measured.services["mprotect of 1 page"]))

    var compared: Set<String> = []
    for operation in measured.operations {
      let name = try #require(operation["name"] as? String)
      guard let equivalent = LinuxEquivalent[operation: name] else {
        #expect(operation["linux"] == nil && operation["native"] == nil, "\(name)")
        continue
      }
      compared.insert(name)
      let here = try #require(operation["nanoseconds"] as? Double)
      let instructions = try #require(operation["instructions"] as? Double)
      let linux = try #require(operation["linux"] as? [String: Any])
      let native = try #require(operation["native"] as? [String: Any])
      #expect(linux["service"] as? String == equivalent.service.name, "\(name)")
      let linuxTime = try #require(linux["nanoseconds"] as? Double)
      let nativeTime = try #require(native["nanoseconds"] as? Double)
      #expect(linuxTime == measured.services[equivalent.service.name], "\(name)")
      expectClose(linux["ratio"] as? Double, linuxTime / here, name)
      expectClose(nativeTime, Double(equivalent.entries) * getpid + instructions * measured.cycle, name)
      expectClose(native["ratio"] as? Double, linuxTime / nativeTime, name)
    }
    #expect(compared == Set(PrimitivesBench.names).intersection(LinuxEquivalent.all.map(\.operation)))
  }

  private func expectClose(_ value: Double?, _ expected: Double, _ name: String) {
    guard let value, value > 0, abs(value - expected) <= expected * 1e-9 else {
      Issue.record("\(name): \(String(describing: value)) is not \(expected)")
      return
    }
  }
}

@Suite("Linux beside the exokernel")
struct LinuxComparisonTests {
  @Test("a host that refuses what a measurement needs is told in one line")
  func refused() throws {
    // Room for one pipe, and not for the second.
    let script = "ulimit -n 5 && exec \"$0\" bench primitives --against-linux"
    let result = try Command.run("/bin/sh", ["-c", script, Command.xokvm])
    #expect(result.status == 71 && result.output.isEmpty, "\(result.all)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.all)")
    for part in ["xokvm: ", "Linux's pipe", "Too many open files", "limits"] {
      #expect(result.errors.contains(part), "\(result.all)")
    }
  }

  private let linux = LinuxComparison(services: [.getpid: 100, .yield: 1000, .protectPage: 600], cycle: 0.25)

  @Test("an operation is estimated by its entries and instructions")
  func estimate() throws {
    let call = try #require(linux.row(of: Operation(name: "null-call", instructions: 16, nanoseconds: 400)))
    #expect(call.service == .getpid && call.linux == 100 && call.ratio == 0.25)
    #expect(call.native == 104 && call.nativeRatio == 100.0 / 104)
    // The slice's end and the yield are two entries.
    let slice = try #require(linux.row(of: Operation(name: "slice-switch", instructions: 200, nanoseconds: 500)))
    #expect(slice.service == .yield && slice.ratio == 2 && slice.native == 250 && slice.nativeRatio == 4)
    let exception = try #require(
      LinuxComparison(services: [.getpid: 100, .divideError: 900], cycle: 0.25).row(
        of: Operation(name: "ring3-exception", instructions: 0, nanoseconds: 90)))
    #expect(exception.ratio == 10 && exception.native == 100 && exception.nativeRatio == 9)
  }

  @Test("no service, no row")
  func noRow() {
    #expect(linux.row(of: Operation(name: "block-read", instructions: 300, nanoseconds: 900)) == nil)
    #expect(linux.row(of: Operation(name: "transfer", instructions: 70, nanoseconds: 900)) == nil, "pipe is missing")
    let blind = LinuxComparison(services: [.yield: 1000], cycle: 0.25)
    #expect(blind.row(of: Operation(name: "slice-switch", instructions: 200, nanoseconds: 500)) == nil)
  }

  @Test("each operation is named once, and each service is used")
  func equivalents() {
    let names = LinuxEquivalent.all.map(\.operation)
    #expect(Set(names).count == names.count)
    #expect(Set(LinuxEquivalent.all.map(\.service)) == Set(LinuxService.allCases))
    #expect(LinuxEquivalent.all.allSatisfy { $0.entries > 0 })
  }

  @Test("the table lines its columns up, and has no column of Linux without Linux")
  func table() {
    let operations = [
      Operation(name: "null-call", instructions: 16, nanoseconds: 40_000),
      Operation(name: "block-read", instructions: 300, nanoseconds: 7),
    ]
    #expect(
      PrimitivesReport(operations: operations, entry: .interrupt).table == """
        operation   instructions  nanoseconds
        null-call             16        40000
        block-read           300            7

        """)
    #expect(
      PrimitivesReport(operations: operations, linux: linux, entry: .interrupt).table == """
        operation   instructions  nanoseconds  Linux service  Linux ns   ratio  native estimate ns  ratio
        null-call             16        40000         getpid     100.0  0.0025               104.0   0.96
        block-read           300            7              -         -       -                   -      -

        """)
  }
}
