/// Where in the gate page a call enters.
public enum Gate {
  /// Caller-saved registers are lost, as with any function call.
  public static let call: UInt64 = AddressMap.gatePage
  /// Every register but rax is preserved.
  public static let callPreservingRegisters: UInt64 = AddressMap.gatePage + 64
}
