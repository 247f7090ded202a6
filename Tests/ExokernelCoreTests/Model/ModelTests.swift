import ExokernelABI
import Glibc
import Testing

@testable import ExokernelCore

/// Random calls with random arguments in random order, by environments and devices that mean no good, against a naive
/// model of ownership and against the scan of everything that `Audit` makes. `XOKVM_MODEL_CALLS` sets the number of
/// calls, `XOKVM_MODEL_SEED` repeats a run.
@Suite("Any sequence of calls")
struct ModelTests {
  @Test(
    "keeps the books true: no frame has two owners, nothing is done without a capability, no count differs from a scan")
  func random() {
    let seed = getenv("XOKVM_MODEL_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
    let calls = getenv("XOKVM_MODEL_CALLS").flatMap { Int(String(cString: $0)) } ?? 200_000
    print("seed of the model test: \(seed), calls: \(calls)")
    let run = ModelRun(seed: seed)
    while run.calls < calls {
      for _ in 0..<2000 where run.faults.isEmpty { run.step() }
      let faults = run.faults + Audit.faults(run.world) + run.model.differences(run.world)
      #expect(faults.isEmpty, "seed \(seed), before call \(run.calls): \(faults.prefix(5).joined(separator: "; "))")
      let told = run.kernel.header.value.counters.refusals
      #expect(told == UInt64(run.calls - run.accepted), "seed \(seed): refusals")
      guard faults.isEmpty else { return }
    }
    run.endAll()
    let faults = Audit.faults(run.world)
    #expect(faults.isEmpty, "seed \(seed), at the end: \(faults.prefix(5).joined(separator: "; "))")
    #expect(run.kernel.header.value.freeFrames == run.total, "seed \(seed): everything went back")
    print("the model test's calls: \(run.accepted) of \(run.calls) accepted, \(run.ended) environments ended")
    print("by call:", zip(run.acceptedCalls, run.allCalls).map { "\($0)/\($1)" }.joined(separator: " "))
    #expect(
      run.calls < 1_000_000 || zip(run.acceptedCalls, run.allCalls).allSatisfy { $0 > 0 || $1 == 0 },
      "every call is accepted now and then")
    #expect(run.accepted > calls / 8 && run.accepted < calls * 7 / 8)
  }
}
