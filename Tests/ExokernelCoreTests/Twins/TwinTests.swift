import ExokernelABI
import RandomFixtures
import Testing

@testable import ExokernelCore

/// What is done most has a short way beside the general one, and both make the same checks. Here both run on the same
/// states, which a run of the model has made, and must leave the same behind. Those whose short way is assembly are in
/// TimerEntryTests and CallEntryTests.
@Suite("Short ways and general ones")
final class TwinTests {
  private var run = ModelRun(seed: 0)
  private var machine: FakeMachine { run.machine }
  private var kernel: Kernel<FakeMachine> { run.kernel }
  /// How often the short way was taken, and left to the general one.
  private var short = 0
  private var general = 0

  static let seeds: [UInt64] = [.random(in: 0 ... .max), 1]

  /// Runs the model from `seed` on, and calls `body` with a snapshot in each of `states` states in which somebody runs.
  private func inStates(_ states: Int, seed: UInt64, _ body: (MachineSnapshot, Comment) -> Void) {
    run = ModelRun(seed: seed)
    for state in 0..<states {
      for _ in 0..<30 { run.step() }
      while kernel.current == BooksLayout.noEnvironment { run.step() }
      let whole = state % 16 == 0 ? MachineSnapshot(of: machine, whole: true) : nil
      body(MachineSnapshot(of: machine), "seed \(seed), state \(state)")
      // What was put back is everything that any way has changed.
      if let whole { #expect(whole.difference(machine) == nil, "seed \(seed), state \(state)") }
    }
    #expect(short > states / 20 && general > states / 2, "seed \(seed): \(short) short ways, \(general) general ones")
  }

  /// Both ways from the state that `before` has, as arranged by `arrange`; `shortWay` returns nil where it leaves
  /// everything to `generalWay`.
  private func compare<Outcome: Equatable>(
    _ before: MachineSnapshot, _ name: Comment, arranged arrange: () -> Void = {}, shortWay: () -> Outcome?,
    generalWay: () -> Outcome
  ) {
    before.restore(machine)
    arrange()
    let arranged = MachineSnapshot(of: machine)
    if let outcome = shortWay() {
      short += 1
      let after = MachineSnapshot(of: machine)
      arranged.restore(machine)
      #expect(generalWay() == outcome, name)
      #expect(after.difference(machine) == nil, name)
    } else {
      general += 1
      #expect(arranged.difference(machine) == nil, "the short way was not taken, and has changed something; \(name)")
    }
    before.restore(machine)
  }

  @Test("mapOwn and mapRun", arguments: seeds)
  func mapping(seed: UInt64) {
    inStates(100, seed: seed) { before, name in
      for _ in 0..<4 {
        let (slot, frame, address) = (run.slot(), run.frame(), run.address())
        let count: UInt64 = run.chance(4) ? run.pick([0, 2, 1 << 31]) : 1
        let rights = (run.chance(8) ? run.generator.next() & 0xffff_ffff : run.random(0..<8)) | count << 32
        let table = run.chance(4) ? run.table() : Handle.own
        let call = FrameMapArguments(rdi: slot, rsi: frame, rdx: address, rcx: rights, r8: table)
        compare(before, name) {
          kernel.mapOwn(call) ? 1 : nil
        } generalWay: {
          kernel.mapRun(rdi: call.rdi, rsi: call.rsi, rdx: call.rdx, rcx: call.rcx, r8: call.r8).rawValue
        }
      }
    }
  }

  /// An address at which the running environment has mapped something.
  private func mappedAddress() -> UInt64? {
    var found: UInt64?
    var count: UInt64 = 0
    for region: UInt64 in [0x40_0000, 0x50_0000, 0x5f_0000, 0xc000_0000, 0xc020_0000, 0x3f_0000_0000] {
      for address in stride(from: region, to: region + 0x2_0000, by: 4096) {
        guard let place = machine.entry(of: address), place.pointee & 1 != 0 else { continue }
        count += 1
        if run.chance(count) { found = address }
      }
    }
    return found
  }

  @Test("frameUnmap of one page, and unmapRun", arguments: seeds)
  func unmapping(seed: UInt64) {
    inStates(100, seed: seed) { before, name in
      for _ in 0..<4 {
        let count = run.random(0..<2)
        let address = run.chance(2) ? mappedAddress() ?? run.address() : run.address()
        // What is no address at all is refused before the ways part.
        guard kernel.isMappable(address), !kernel.isReserved(address) else { continue }
        var refusals = 0
        compare(before, name) {
          let result = kernel.frameUnmap(address: address, count: count, table: Handle.own)
          refusals += result.rawValue < 0 ? 1 : 0
          return result.rawValue
        } generalWay: {
          kernel.unmapRun(address: address, count: count, table: Handle.own).rawValue
        }
        general += refusals
        short -= refusals
      }
    }
  }

  private struct Arrived: Equatable {
    var entry: UInt64
    var stack: UInt64
    var caller: UInt64
    var error: CallError?

    init(_ arrival: Arrival) { (entry, stack, caller) = (arrival.entry, arrival.stack, arrival.caller) }
    init(_ error: CallError) { (entry, stack, caller, self.error) = (0, 0, 0, error) }
  }

  /// Another environment that could be called, made to sleep, to wait for the caller, or to do neither; returns what
  /// the caller calls it by.
  private func arrangeCallee() -> (handle: UInt64, slot: UInt64, arrange: () -> Void) {
    let kernel = self.kernel
    let others = (0..<kernel.environments.count).filter {
      kernel.isLive($0) && $0 != kernel.current && kernel.environments[$0].processorPlusOne == 0
    }
    guard let index = others.randomElement(using: &run.generator) else { return (run.environment(), run.slot(), {}) }
    let handle = run.chance(10) ? run.environment() : kernel.environments[index].handle
    let me = kernel.environments[kernel.current]
    // The caller's own name, or one that dominates everything.
    let slot = run.chance(3) ? run.slot() : 15
    let state: EnvironmentState = run.pick([.sleeping, .sleeping, .sleeping, .calling, .calling, .calling, .runnable])
    let awaited = state != .calling ? 0 : run.chance(4) ? run.environment() : me.handle
    let (entry, stack) = (run.random(0..<AddressMap.userEnd), run.random(0..<AddressMap.userEnd))
    let accepted = run.pick([
      Capability(name: 0, length: 0, rights: .none), Capability(name: me.guardName, length: 7, rights: .none),
      Kernel<FakeMachine>.nobody, Capability(name: run.generator.next(), length: 8, rights: .none),
    ])
    let pending: UInt16 = run.chance(6) ? run.pick([1, 2]) : 0
    let rights = run.chance(6) ? Rights.all.rawValue & ~Rights.call.rawValue : Rights.all.rawValue
    return (
      handle, slot,
      {
        let callee = kernel.environments.cell(at: index)
        callee.value.state = state.rawValue
        callee.value.awaited = awaited
        callee.value.transferEntry = entry
        callee.value.transferStack = stack
        callee.value.acceptName = accepted.name
        callee.value.acceptMask = accepted.mask
        kernel.processor.value.epiloguePending = pending
        kernel.capabilities[kernel.slot(15, of: kernel.current)] = Capability(
          name: 0, length: 0, rights: Rights(rawValue: rights))
      }
    )
  }

  /// The general way of a transfer.
  private func transfer(_ slot: UInt64, _ handle: UInt64, _ mode: TransferMode, deadline: UInt64 = 0) -> Arrived {
    let callee = kernel.recordNumbered(by: handle)
    if let error = kernel.transferRefusal(slot: slot, environment: handle, callee) { return Arrived(error) }
    return Arrived(
      kernel.transfer(to: callee, mode: mode, deadline: deadline, instruction: 0x40_0000, stack: 0x50_0000))
  }

  @Test("callSleeper and transfer", arguments: seeds)
  func calling(seed: UInt64) {
    inStates(100, seed: seed) { before, name in
      for _ in 0..<4 {
        let (handle, slot, arrange) = arrangeCallee()
        let deadline = run.chance(2) ? 0 : run.generator.next()
        compare(before, name, arranged: arrange) {
          kernel.callSleeper(
            slot: slot, environment: handle, deadline: deadline, instruction: 0x40_0000, stack: 0x50_0000
          ).map(Arrived.init)
        } generalWay: {
          transfer(slot, handle, .synchronous, deadline: deadline)
        }
      }
    }
  }

  @Test("answer and transfer", arguments: seeds)
  func answering(seed: UInt64) {
    inStates(100, seed: seed) { before, name in
      for _ in 0..<4 {
        let (handle, slot, arrange) = arrangeCallee()
        compare(before, name, arranged: arrange) {
          kernel.answer(environment: handle, instruction: 0x40_0000, stack: 0x50_0000).map(Arrived.init)
        } generalWay: {
          transfer(slot, handle, .final)
        }
      }
    }
  }

  @Test("startNextSlice, and nextTurn with enter", arguments: seeds)
  func scheduling(seed: UInt64) {
    inStates(100, seed: seed) { before, name in
      for _ in 0..<4 {
        let length = kernel.header.value.sliceLength
        let debts = (0..<kernel.environments.count).map { _ in run.chance(2) ? 0 : run.random(0..<length * 3 / 2) }
        let pending = run.random(0..<3)
        let overrun = run.random(0..<2 * length)
        compare(
          before, name,
          arranged: {
            for (index, debt) in debts.enumerated() { kernel.setDebt(of: UInt32(index), debt) }
            kernel.processor.value.lateness = UInt32(pending)
            kernel.processor.value.sliceEnd = machine.now &- overrun
            kernel.giveUp(instruction: 0x40_0000, stack: 0x50_0000)
          },
          shortWay: {
            kernel.startNextSlice(after: kernel.sliceNode, at: machine.now).map { Handle.index($0.value.handle) }
          },
          generalWay: {
            guard let turn = kernel.nextTurn() else { return .max }
            kernel.enter(turn)
            return turn.environment
          })
      }
    }
  }

  @Test("usualPageFault and pageFault", arguments: seeds)
  func faults(seed: UInt64) {
    inStates(100, seed: seed) { before, name in
      for _ in 0..<4 {
        let (instruction, address, code) = (run.generator.next(), run.generator.next(), run.random(0..<32))
        let (entry, isPending) = (run.chance(3) ? 0 : run.random(1..<AddressMap.userEnd), run.chance(3))
        compare(
          before, name,
          arranged: {
            kernel.currentRecord.value.faultEntry = entry
            kernel.page(of: kernel.currentRecord).value.faultPending = isPending ? 1 : 0
          },
          shortWay: {
            let entry = kernel.usualPageFault(instruction: instruction, address: address, code: code)
            return entry == 0 ? nil : entry
          },
          generalWay: {
            guard case .upcall(let entry) = kernel.pageFault(instruction: instruction, address: address, code: code)
            else {
              return UInt64(0)
            }
            return entry
          })
      }
    }
  }
}
