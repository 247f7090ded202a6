import CKVM
import CodeMap
import ExokernelABI
import KernelFixtures
import RandomFixtures
import Testing

@testable import Hypervisor

@Suite("A guest that abuses the reports of crashes")
struct CrashPortTests {
  @Test("by random words in random order gets reports, and the machine goes on", .enabled(if: hasKVM, "needs /dev/kvm"))
  func randomWords() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    print("seed of crash ports: \(seed)")
    var kernel = TestKernel()
    for _ in 0..<3000 {
      let isInside = Bool.random(using: &generator)
      kernel.setEAX(
        isInside ? .random(in: 0..<(17 << 20), using: &generator) : .random(in: 0 ... .max, using: &generator))
      let port = MachinePort.crash + .random(in: 0..<12, using: &generator)
      // mov dx, port; out dx with one, two or four bytes
      kernel.emit(0x66, 0xba, UInt8(port & 0xff), UInt8(port >> 8))
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: kernel.emit(0xee)
      case 1: kernel.emit(0x66, 0xef)
      default: kernel.emit(0xef)
      }
    }
    kernel.out(0x501, 42)
    let result = try boot(kernel)
    #expect(result.outcome == .exited(status: 42), "seed \(seed)")
    #expect(result.text.contains("  rip "), "seed \(seed)")
  }

  @Test("by stacks and page tables of random words gets at most so many frames")
  func randomStacks() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    print("seed of stacks: \(seed)")
    let memory = try GuestMemory(byteCount: 1 << 20)
    for place in stride(from: UInt64(0), to: 1 << 20, by: 8) {
      // Tables that lead to each other and outside, large pages, pointers into code, into the stack, and to nowhere.
      let inside = UInt64.random(in: 0..<(1 << 20 + 1 << 14), using: &generator)
      let word: UInt64 =
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: inside
        case 1: .random(in: 0 ... .max, using: &generator)
        case 2: inside | 0x81
        case 3: 0xffff_ffff_8000_0000 | inside
        default: inside & ~0xfff | 7
        }
      try memory.store(word, at: GuestAddress(place))
    }
    var longest = 0
    for _ in 0..<300 {
      let walk = StackWalk(
        kernel: Self.map(&generator), program: Self.map(&generator),
        memory: PageTableWalk(
          memory: memory, cr0: Bool.random(using: &generator) ? 1 << 31 : 0,
          cr3: .random(in: 0..<(1 << 21), using: &generator)))
      var registers = kvm_regs()
      registers.rip = .random(in: 0..<(1 << 20), using: &generator)
      registers.rsp = .random(in: 0..<(1 << 20), using: &generator)
      if Int.random(in: 0..<4, using: &generator) == 0 { registers.rsp = .max - 3 }
      if Int.random(in: 0..<4, using: &generator) == 0 { registers.rip = .random(in: 0 ... .max, using: &generator) }
      let frames = walk.frames(from: FrameRegisters(registers))
      #expect(frames.count <= StackWalk.limit, "seed \(seed)")
      longest = max(longest, frames.count)
      let text = CrashReport(frames: frames, walk: walk).text
      #expect(text.utf8.count < 8192, "seed \(seed)")
    }
    #expect(longest > 1, "seed \(seed): no stack was followed")
  }

  /// Rules of any offsets for code all over the memory.
  private static func map(_ generator: inout SeededGenerator) -> CodeMap {
    var map = CodeMap()
    map.unwindRules = (0..<64).map { number in
      let offset: Int64 =
        Bool.random(using: &generator)
        ? 8 * .random(in: -4..<32, using: &generator) : .random(in: .min ... .max, using: &generator)
      let saved = (0..<4).map { _ in
        UnwindRule.Saved(
          register: .random(in: 0..<300, using: &generator), offset: .random(in: -64..<8, using: &generator))
      }
      return UnwindRule(
        address: UInt64(number) << 14, frame: .init(register: .random(in: 0..<20, using: &generator), offset: offset),
        saved: saved + [.init(register: 16, offset: -8)], isInterrupt: Bool.random(using: &generator))
    }
    return map
  }
}
