import CLibOS
import ExokernelABI

/// Code that is not to be interrupted by the end of a slice: a counter in the environment page, which the kernel looks
/// at. No call is made, unless the slice ended inside. What an environment runs past the end of its slice it owes, and
/// past a limit it is ended.
public enum CriticalSection {
  /// Runs `body` as a part of the critical section of the environment whose page is at `page`: this one's. Sections
  /// nest.
  @inline(__always)
  public static func run(page: UInt64 = AddressMap.environmentPage, _ body: () -> Void) {
    enter(page: page)
    body()
    leave(page: page)
  }

  /// Begins a section.
  @inline(__always)
  public static func enter(page: UInt64 = AddressMap.environmentPage) {
    let counter = EnvironmentWord.criticalSection.address(in: page)
    libos_store32(counter, libos_load32(counter) &+ 1)
    // The compiler moves no access to memory across this: what is inside the section stays inside, here and at its end.
    libos_look_again()
  }

  /// Ends a section; gives the processor up where the last one ends and the slice ended before.
  @inline(__always)
  public static func leave(page: UInt64 = AddressMap.environmentPage) {
    libos_look_again()
    let counter = EnvironmentWord.criticalSection.address(in: page)
    let depth = libos_load32(counter) &- 1
    libos_store32(counter, depth)
    guard depth == 0, EnvironmentWord.epilogueDue.load(from: page) != 0 else { return }
    EnvironmentWord.epilogueDue.store(0, in: page)
    KernelCall.yield()
  }
}
