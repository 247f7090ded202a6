import BootArchive
import Testing

@Suite("Images as text")
struct SevenBitTextTests {
  @Test("come back as the bytes they were", arguments: [0, 1, 6, 7, 8, 13, 255, 256, 4099])
  func roundTrip(count: Int) {
    var generator = SystemRandomNumberGenerator()
    for image in [[UInt8](repeating: 0, count: count), (0..<count).map { UInt8(truncatingIfNeeded: $0) }]
      + [(0..<count).map { _ in generator.next() as UInt8 }]
    {
      let text = Self.characters(SevenBitText.literal(image))
      #expect(text.allSatisfy { $0 < 0x80 })
      #expect(text.withUnsafeBytes { SevenBitText.byteCount($0) } == count)
      for range in [0..<count, count / 3..<count, 0..<count / 2, count / 4..<count / 2, count..<count] {
        let part = text.withUnsafeBytes { SevenBitText.bytes($0, in: range) }
        #expect(part == Array(image[range]), "\(range) of \(image)")
      }
    }
  }

  /// What a Swift compiler makes of a literal's text.
  private static func characters(_ literal: [UInt8]) -> [UInt8] {
    var characters: [UInt8] = []
    var index = 0
    while index < literal.count {
      if literal[index] == UInt8(ascii: "\\"), let end = literal[index...].firstIndex(of: UInt8(ascii: "}")) {
        // \u{HEX}
        characters.append(UInt8(String(decoding: literal[(index + 3)..<end], as: UTF8.self), radix: 16) ?? 0xff)
        index = end + 1
      } else {
        characters.append(literal[index])
        index += 1
      }
    }
    return characters
  }
}
