import CInstructions
import CLibOS
import ExokernelABI
import LibOS

/// Raises an exception that nobody serves, or in a place where nobody can: the argument says which.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to raise an exception")
  let arguments = Environment.arguments()
  if arguments.first != UInt8(ascii: "n") { Exceptions.handler = { _ in false } }
  switch arguments.first {
  case UInt8(ascii: "n"), UInt8(ascii: "d"): _ = divide_by_zero()
  case UInt8(ascii: "u"): invalid_instruction()
  case UInt8(ascii: "b"): divide_on_stack(AddressMap.books + 0x1000)
  case UInt8(ascii: "k"): divide_on_stack(0xffff_ffff_8040_1000)
  case UInt8(ascii: "w"): divide_on_stack(0x8000_0000_0000_1000)
  case UInt8(ascii: "g"): divide_on_stack(AddressMap.gatePage + 0x1000)
  case UInt8(ascii: "e"):
    bind(0x8000_0000_0000_0000)
    _ = divide_by_zero()
  case UInt8(ascii: "l"):
    bind(AddressMap.exceptionGate)
    _ = divide_by_zero()
  case UInt8(ascii: "s"): jump_to(AddressMap.exceptionGate)
  default: return 64
  }
  Console.line("survived")
  return 0
}

/// Names an entry for exceptions: `EnvironmentPage.exceptionEntry`.
private func bind(_ entry: UInt64) { libos_store64(UInt(AddressMap.environmentPage) + 152, entry) }
