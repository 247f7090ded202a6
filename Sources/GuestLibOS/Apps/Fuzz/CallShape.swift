/// A value that a call takes: what it means, and the bits that it has in a register.
struct ArgumentShape {
  let kind: ArgumentKind
  /// The register, counted from 0 in the order of arguments.
  let register: Int
  let shift: UInt64
  /// The bits, before they are shifted; none where there is no value.
  let mask: UInt64

  init(_ kind: ArgumentKind, in register: Int, shift: UInt64 = 0, mask: UInt64 = .max) {
    self.kind = kind
    self.register = register
    self.shift = shift
    self.mask = mask
  }

  /// No value.
  static var none: ArgumentShape { ArgumentShape(.none, in: 0, mask: 0) }
}

/// What a call may do to the program that makes it, where it is accepted; the numbers are those of the registers that
/// decide.
enum CallDanger {
  /// Nothing.
  case none
  /// It may end it, or change where it goes on.
  case always
  /// It changes its address space where this register has an address of the program's.
  case address(Int)
  /// It changes its memory where this register has one of its frames.
  case frame(Int)
  /// It lets others do more than look at it where this register has more than the right to read.
  case rights(Int)
}
