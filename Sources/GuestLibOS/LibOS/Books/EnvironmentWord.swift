import CLibOS
import ExokernelABI

/// Words of `EnvironmentPage` that the library reads and writes, by their offset: Embedded Swift has no key paths.
/// abi.inc has the others.
///
/// Every access is a load or store of its own, for the kernel is on the other side.
enum EnvironmentWord: UInt64 {
  case events = 0
  /// Half a word.
  case criticalSection = 44
  case epilogueDue = 72
  case argumentsLength = 88
  case environment = 96
  case handle = 104
  case matchedTerm = 112
  case revocationKind = 120
  case revocationCount = 128
  case revocationDeadline = 136
  case repossessed = 144
  case exceptionEntry = 152

  /// Where it is in the environment page at `page`.
  @inline(__always) func address(in page: UInt64) -> UInt { UInt(page &+ rawValue) }

  /// What it holds.
  @inline(__always) func load(from page: UInt64 = AddressMap.environmentPage) -> UInt64 {
    libos_load64(address(in: page))
  }

  /// Makes it `value`.
  @inline(__always) func store(_ value: UInt64, in page: UInt64 = AddressMap.environmentPage) {
    libos_store64(address(in: page), value)
  }
}
