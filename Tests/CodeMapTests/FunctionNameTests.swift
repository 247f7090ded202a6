import Testing

@testable import CodeMap

@Suite("Names of functions")
struct FunctionNameTests {
  @Test(
    "a mangled name is told as it is written in Swift",
    arguments: [
      ("$s8HelloApp11makeMistake33_0123456789ABCDEF0123456789ABCDEFLL2atySu_tF", "makeMistake"),
      ("$e5LibOS7ConsoleO3put11hexadecimalys6UInt64V_tFZ", "put"), ("$s4main9helloMains5Int32VyF", "helloMain"),
      (
        "$eSa28_allocateBufferUninitialized15minimumCapacitys016_ContiguousArrayB0VyxGSi_tFZs6UInt64V_Tt0g5",
        "_allocateBufferUninitialized"
      ),
      ("$ss12_ArrayBufferV20_consumeAndCreateNewAByxGyF", "_consumeAndCreateNew"), ("$sSo", "$sSo"),
      ("_start", "_start"), ("$s", "$s"), ("swift_allocObject", "swift_allocObject"),
      ("$e4main1CC5\u{e9}abcd", "\u{e9}abc"),
    ])
  func names(mangled: String, name: String) { #expect(CodeMap.functionName(mangled) == name) }

  @Test(
    "a name whose lengths are wrong is told as it is",
    arguments: ["$s9223372036854775807main", "$s99999999999999999999main", "$s5main", "$s1"])
  func damaged(symbol: String) { #expect(CodeMap.functionName(symbol) == symbol) }
}
