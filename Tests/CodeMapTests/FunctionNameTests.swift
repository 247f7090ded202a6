import Testing

@testable import CodeMap

@Suite("The name of a mangled symbol")
struct FunctionNameTests {
  @Test(
    "names a function by its last identifier, whatever its lengths are",
    arguments: [
      ("$s4main6faultyyS2iF", "faulty"), ("$s9223372036854775807main", "$s9223372036854775807main"),
      ("$s99999999999999999999main", "$s99999999999999999999main"), ("$s", "$s"), ("$s5main", "$s5main"),
      ("$s1", "$s1"), ("$e4main1C5\u{e9}abcd", "\u{e9}abc"),
    ])
  func functionNames(symbol: String, name: String) {
    #expect(CodeMap.functionName(symbol) == name)
  }
}
