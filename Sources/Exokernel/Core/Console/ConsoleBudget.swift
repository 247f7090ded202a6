import ExokernelABI

/// What one environment has written of late.
@frozen public struct ConsoleAccount: BitwiseCopyable {
  /// Time-stamp at which the present period, as long as a slice, is over.
  var periodEnd: UInt64
  /// Bytes written in it.
  var written: UInt32
  /// Bytes dropped of which no line tells yet.
  var untold: UInt32
}

/// The console's budget: what an environment may write in a period as long as a slice. Time, not slices, is what
/// counts: who yields in a circle begins many slices, and a server that others call begins none.
extension Kernel {
  /// Bytes an environment may write in a period.
  public static var consoleBudget: UInt32 { 8192 }

  // Safe: the private layout gives the table its own range.
  private var accounts: Table<ConsoleAccount> {
    unsafe Table(hardware.privateBase + PrivateLayout.consoleAccounts, count: UInt32(BooksLayout.environments))
  }

  /// Begins a new period where the last one is over, and tells what was dropped in it.
  func renewConsoleBudget(of environment: UInt32) {
    let now = hardware.timeStamp
    guard now >= accounts[environment].periodEnd else { return }
    accounts[environment].periodEnd = now &+ header.value.sliceLength
    accounts[environment].written = 0
    tellDropped(of: environment)
  }

  /// Bytes that an environment may write now.
  func consoleBudget(of environment: UInt32) -> UInt32 {
    hardware.timeStamp >= accounts[environment].periodEnd
      ? Self.consoleBudget : Self.consoleBudget &- accounts[environment].written
  }

  /// Whether an environment may write `count` bytes more in its present period; then they are charged.
  func charge(_ count: UInt32, toConsoleBudgetOf environment: UInt32) -> Bool {
    let written = accounts[environment].written &+ count
    guard written <= Self.consoleBudget else { return false }
    accounts[environment].written = written
    return true
  }

  /// Counts `count` bytes that are dropped; the environment's record exposes the sum.
  func drop(_ count: UInt32, of environment: UInt32) {
    environments[environment].consoleDropped &+= UInt64(count)
    let untold = accounts[environment].untold
    accounts[environment].untold = untold > ~count ? .max : untold &+ count
  }

  /// An environment ends: tells what was dropped of it, and forgets its account.
  func closeConsoleBudget(of environment: UInt32) {
    tellDropped(of: environment)
    accounts[environment] = ConsoleAccount(periodEnd: 0, written: 0, untold: 0)
  }

  private func tellDropped(of environment: UInt32) {
    let count = accounts[environment].untold
    guard count > 0 else { return }
    accounts[environment].untold = 0
    writeDropped(count, of: environment)
  }
}
