import CLibOS
import ExokernelABI
import LibOS

/// Instructions that no library executes: interrupts of all numbers, system calls without the gate page, entries into
/// the middle of it, random bytes. Exceptions that they raise lead back.
///
/// Safety: none is needed. Whatever these instructions do to this environment, it is one that was made for it.
enum OddCode {
  nonisolated(unsafe) private static var page: UInt64 = 0
  nonisolated(unsafe) private static var plan: UInt64 = 0

  /// Makes a page one that can be written and executed, and lets exceptions in it return from it.
  static func prepare(at address: UInt64) {
    do throws(CallError) { try KernelCall.protectPages(at: address, rights: .read | .write | .execute) } catch {
      return
    }
    unsafe page = address
    // ret
    libos_store64(UInt(address) &+ 0x800, 0xc3)
    Exceptions.handler = { frame in
      guard unsafe frame.instruction &>> 12 == page &>> 12 else { return false }
      frame.instruction = unsafe page &+ 0x800
      frame.flags &= 0xcd5
      return true
    }
  }

  /// Decides what `run` does next, and whether this program may be another one afterwards.
  static func isReckless(_ random: inout RandomNumbers) -> Bool {
    let next = random.below(8)
    unsafe plan = next
    return next >= 5
  }

  /// Does it.
  static func run(_ random: inout RandomNumbers) {
    guard unsafe page != 0 else { return }
    let place = unsafe UInt(page)
    switch unsafe plan {
    case 0, 1: libos_store64(place, 0xc3_00cd | random.below(256) &<< 8)  // int n; ret
    case 2: libos_store64(place, 0xc3_050f)  // syscall; ret
    case 3: libos_store64(place, random.once(in: 2) ? 0xc3_340f : 0xc3f1)  // sysenter, icebp
    case 4: libos_store64(place, random.once(in: 2) ? 0xc3_0b0f : 0xc3f4)  // ud2, hlt
    case 5: return enter(AddressMap.gatePage &+ random.below(1152), random.next())
    case 6: return enter(random.odd(), random.next())
    default: for word in 0..<8 as Range<UInt> { libos_store64(place &+ word &* 8, random.next()) }
    }
    enter(UInt64(place), random.below(64))
  }

  private static func enter(_ address: UInt64, _ argument: UInt64) {
    guard address != 0 else { return }
    let function = unsafe unsafeBitCast(UInt(address), to: (@convention(c) (UInt64) -> Void).self)
    function(argument)
  }
}
