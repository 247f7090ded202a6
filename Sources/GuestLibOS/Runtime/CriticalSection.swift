import CLibOS
import ExokernelABI

/// Code that is not to be interrupted by the end of a slice: a counter in the environment page, which the kernel looks at. No call is made,
/// unless the slice ended inside. What an environment runs past the end of its slice it owes, and past a limit it is ended.
public enum CriticalSection {
  /// `EnvironmentPage.criticalSection` and `EnvironmentPage.epilogueDue`.
  private static var counter: UInt64 { 44 }
  private static var due: UInt64 { 72 }

  /// Runs `body` as a part of the critical section of the environment whose page is at `page`: this one's. Sections nest.
  @inline(__always)
  public static func run(page: UInt64 = AddressMap.environmentPage, _ body: () -> Void) {
    enter(page: page)
    body()
    leave(page: page)
  }

  /// Begins a section.
  @inline(__always)
  public static func enter(page: UInt64 = AddressMap.environmentPage) {
    libos_store32(UInt(page &+ counter), libos_load32(UInt(page &+ counter)) &+ 1)
  }

  /// Ends a section; gives the processor up where the last one ends and the slice ended before.
  @inline(__always)
  public static func leave(page: UInt64 = AddressMap.environmentPage) {
    let depth = libos_load32(UInt(page &+ counter)) &- 1
    libos_store32(UInt(page &+ counter), depth)
    guard depth == 0, libos_load64(UInt(page &+ due)) != 0 else { return }
    libos_store64(UInt(page &+ due), 0)
    KernelCall.yield()
  }
}
