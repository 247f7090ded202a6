/// Calls in words, for whoever traces a machine or tells of a call that went wrong.
public enum CallDecoder {
  /// The name of call `number`, or that there is none.
  public static func name(of number: UInt64) -> String { call(number)?.name ?? "call \(number), which does not exist" }

  /// A call as source text has it: `frameUnmap(address: 0x500000, count: 1, table: own)`. `registers` are rdi, rsi,
  /// rdx, rcx and r8; those that the call does not look at are left out.
  public static func text(number: UInt64, registers: [UInt64]) -> String {
    guard let call = call(number) else { return name(of: number) }
    let values = call.fields.map { register, field in
      let word = register < registers.count ? registers[register] : 0
      // Swift's shifts by 64 and more give 0.
      let bits = word >> UInt64(field.bits.lowerBound) & ((1 as UInt64) << UInt64(field.bits.count) &- 1)
      return "\(field.name): \(text(bits, field.unit))"
    }
    return "\(call.name)(\(values.joined(separator: ", ")))"
  }

  private static func call(_ number: UInt64) -> CallDescription? {
    number < UInt64(CallList.all.count) ? CallList.all[Int(number)] : nil
  }

  private static func text(_ value: UInt64, _ unit: Unit) -> String {
    switch unit {
    case .frame, .position: if value == any { return "any" }
    case .table, .environment: if value == any { return "own" }
    case .amount: return "\(Int64(bitPattern: value))"
    default: break
    }
    return value < 10 ? "\(value)" : "0x\(String(value, radix: 16))"
  }

  /// `CallNumber.any` and `Handle.own`.
  private static let any = UInt64(UInt32.max)
}
