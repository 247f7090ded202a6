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
      ("_start", "_start"),
      ("$s", "$s"), ("swift_allocObject", "swift_allocObject"),
    ])
  func names(mangled: String, name: String) { #expect(CodeMap.functionName(mangled) == name) }
}
