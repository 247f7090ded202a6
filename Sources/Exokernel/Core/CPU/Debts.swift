import ExokernelABI

// What runs past the end of a slice is owed, on the processor where that was, and paid there by later slices: with the
// position, where it is a slice or more, else with a part of it. So whatever environments do to each other, those of
// a processor that stay inside their slices get their shares of it.
extension Kernel {
  // Safe: the books' layout gives the table its own range.
  /// `BooksLayout.environments` for each processor.
  @inline(__always) var debts: Table<UInt64> {
    unsafe Table(
      hardware.booksBase + Int(BooksLayout.debtsOffset),
      count: UInt32(BooksLayout.environments * BooksLayout.processors))
  }

  /// Where an environment's debt on a processor is in the table.
  @inline(__always) func debtIndex(of environment: UInt32, on processor: UInt32) -> UInt32 {
    processor &* UInt32(BooksLayout.environments) &+ environment
  }

  // Safe: the private layout gives it its own place.
  /// Where nobody's debt is: what is charged there, nobody pays.
  var nobodysDebt: UInt { unsafe UInt(bitPattern: hardware.privateBase + PrivateLayout.nobodysDebt) }

  /// Part of a slice's length, as a power of two, for which the owner of the slice pays where somebody else runs in it
  /// at its end: a 16th. That is time enough to end; so who is called just before the end of a slice owes nothing for
  /// it.
  static var politeShift: UInt64 { 4 }

  /// The slice is over, whose position `node` is, for who ran in it until time-stamp `now`: charges the time since its
  /// end to the owner of the slice, if that ran, or if the time is no more than a 16th of a slice. Otherwise false, and
  /// `chargeLate` decides.
  @inline(__always) func chargeOwner(of node: Cell<SliceNode>, until now: UInt64) -> Bool {
    let processor = self.processor
    processor.value.lateness = 0
    let end = processor.value.sliceEnd
    guard now > end else { return true }
    let time = now &- end
    guard node.value.record == processor.value.record || time <= header.value.sliceLength &>> Self.politeShift else {
      return false
    }
    sliceDebt.value &+= time
    return true
  }

  /// The same, whoever has to pay.
  func chargeOverrun(until now: UInt64) {
    if !chargeOwner(of: sliceNode, until: now) { chargeLate(until: now) }
  }

  /// Who ran pays, if it has a position here with which it can, and owes less than a slice. Otherwise the owner of the
  /// slice does, who gave it to somebody that cannot pay: else friends of whom one has positions and the other debts
  /// would have more than their shares.
  @inline(never) public func chargeLate(until now: UInt64) {
    let runner = debts.cell(at: debtIndex(of: current, on: processor.value.index))
    let payer = sliceDebt.address == nobodysDebt || canPay(runner.value) ? runner : sliceDebt
    payer.value &+= now &- processor.value.sliceEnd
  }

  /// True where the running environment, which owes `debt` here, can pay for more.
  private func canPay(_ debt: UInt64) -> Bool {
    debt < header.value.sliceLength && hasSlice(current, on: processor.value.index)
  }

  /// What the owner of the slice owes this processor, or what nobody pays.
  @inline(__always) private var sliceDebt: Cell<UInt64> {
    // Safe: the address is that of an environment's debt, or of nobody's.
    unsafe Cell<UInt64>(UnsafeMutableRawPointer(bitPattern: processor.value.sliceDebt).unsafelyUnwrapped)
  }

  /// True where an environment owes a processor a slice or more. Then it can give neither positions nor children to it:
  /// they would have what it owes.
  func owes(_ environment: UInt32, on processor: UInt32) -> Bool {
    debts[debtIndex(of: environment, on: processor)] >= header.value.sliceLength
  }

  /// Pays this processor one slice of what an environment owes it; false where it owes less.
  func payWithPosition(_ environment: UInt32) -> Bool {
    let here = processor.value.index
    guard owes(environment, on: here) else { return false }
    debts[debtIndex(of: environment, on: here)] &-= header.value.sliceLength
    return true
  }

  /// Pays this processor what the owner of the slice owes it, or, where that is a slice or more, half a slice; returns
  /// what was paid.
  func payWithTime() -> UInt64 {
    let debt = sliceDebt
    let length = header.value.sliceLength
    let paid = debt.value < length ? debt.value : length &>> 1
    debt.value &-= paid
    return paid
  }

  /// An environment ends, or its record is free: what it owes, its maker does. Bounded by the processors.
  func passDebts(of environment: UInt32) {
    let creatorPlusOne = environments[environment].creatorPlusOne
    for processor in 0..<header.value.processorCount {
      let index = debtIndex(of: environment, on: processor)
      if creatorPlusOne != 0 { debts[debtIndex(of: creatorPlusOne &- 1, on: processor)] &+= debts[index] }
      debts[index] = 0
    }
  }
}
