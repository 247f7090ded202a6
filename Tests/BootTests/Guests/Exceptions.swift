import CInstructions
import ExokernelABI
import GuestSupport
import LibOS

/// What the handler has seen, by vector.
nonisolated(unsafe) private var seen = InlineArray<32, UInt64>(repeating: 0)
/// How deep the handler is in itself, and was at most.
nonisolated(unsafe) private var depth = 0
nonisolated(unsafe) private var deepest = 0

/// Raises every exception that a program can raise, serves each, and goes on behind it.
@c(program_main)
public func programMain() -> Int32 {
  Exceptions.handler = { frame in serve(&frame) }
  func count(_ vector: Int) -> UInt64 { unsafe seen[vector] }

  expect(divide_by_zero() == 1 && count(0) == 1, "a division by zero is stepped over")
  for _ in 0..<100 { _ = divide_by_zero() }
  expect(count(0) == 101, "each division by zero is told")
  break_point()
  break_point()
  let nesting = unsafe deepest
  expect(count(3) == 2 && nesting == 2, "breakpoints are counted, and divide in their handler")
  expect(divide_above_red_zone(41) == 42, "the red zone is as it was")
  // Two pages of the stack that nobody has touched yet.
  divide_on_other_stack(0x5d_0140)
  let divisions = count(0)
  expect(divisions == 105, "every division was told")
  invalid_instruction()
  expect(count(6) == 1, "an invalid instruction comes by way of the kernel")
  disable_interrupts()
  expect(count(13) == 1, "a protection violation does, too")
  single_step()
  expect(count(1) >= 2 && count(1) <= 6, "single steps do, too")
  load_unaligned()
  divide_floating()
  divide_x87()
  // Not every host raises these; where it does, they are told once.
  Console.put("unaligned ")
  Console.put(count(17))
  Console.put(", vector ")
  Console.put(count(19))
  Console.put(", x87 ")
  Console.put(count(16))
  Console.flush()
  expect(count(17) <= 1 && count(19) <= 1 && count(16) <= 1, "told once")
  // Long enough for ends of slices inside handlers.
  let deadline = Clock.nanoseconds + 300_000_000
  var rounds: UInt64 = 0
  while Clock.nanoseconds < deadline {
    expect(divide_above_red_zone(rounds) == rounds + 1, "the red zone is as it was")
    rounds += 1
  }
  expect(count(0) == divisions + rounds, "every division was told")
  return verdict("exceptions are served", or: "exceptions are lost")
}

private func serve(_ frame: inout ExceptionFrame) -> Bool {
  let vector = Int(frame.vector & 31)
  unsafe seen[vector] += 1
  unsafe depth += 1
  unsafe deepest = unsafe max(deepest, depth)
  switch vector {
  case 0, 6: frame.instruction += 2
  case 3: _ = divide_by_zero()
  case 13: frame.instruction += 1
  case 17: frame.flags &= ~0x4_0000
  case 19: frame.instruction += 4
  case 1, 16: break
  default: return false
  }
  unsafe depth -= 1
  return true
}
