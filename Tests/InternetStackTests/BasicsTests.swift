import RandomFixtures
import Testing

@testable import InternetStack

@Suite("Addresses, checksum, hash") struct BasicsTests {
  @Test("addresses are parsed from text and written back")
  func addressText() {
    #expect(IPv4Address(parsing: Array("10.0.2.15".utf8)) == IPv4Address(10, 0, 2, 15))
    #expect(IPv4Address(10, 0, 2, 15).description == "10.0.2.15")
    #expect(MACAddress(parsing: Array("52:54:00:a:0B:ff".utf8)) == MACAddress(0x52, 0x54, 0, 10, 11, 255))
    #expect(MACAddress(0x52, 0x54, 0, 10, 11, 255).description == "52:54:00:0a:0b:ff")
  }

  @Test(
    "malformed addresses are refused",
    arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1..2.3", "1.2.3.4 ", "0001.2.3.4", ".1.2.3", "1.2.3."])
  func malformed(text: String) {
    #expect(IPv4Address(parsing: Array(text.utf8)) == nil)
  }

  @Test(
    "malformed hardware addresses are refused",
    arguments: ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:5:", "g:2:3:4:5:6", "111:2:3:4:5:6"])
  func malformedHardware(text: String) {
    #expect(MACAddress(parsing: Array(text.utf8)) == nil)
  }

  @Test("the checksum equals the plain definition for every length and alignment")
  func checksum() {
    var random = SeededGenerator(seed: 7)
    let bytes = (0..<200).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    for start in 0..<9 {
      for end in start..<bytes.count {
        var expected: UInt32 = 0
        for index in start..<end {
          expected += UInt32(bytes[index]) << ((index - start) % 2 == 0 ? 8 : 0)
          expected = (expected & 0xFFFF) + expected >> 16
        }
        let sum = bytes.withUnsafeBytes { buffer in
          var checksum = InternetChecksum()
          checksum.add(PacketBytes(UnsafeRawBufferPointer(rebasing: buffer[start..<end])))
          return checksum.folded
        }
        #expect(sum == UInt16(expected), "\(start)..<\(end)")
      }
    }
  }

  @Test("the checksum of all ones and the example of RFC 1071 are right")
  func checksumExamples() {
    let example: [UInt8] = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]
    let ones = [UInt8](repeating: 0xFF, count: 65_535)
    func sum(_ bytes: [UInt8]) -> UInt16 {
      bytes.withUnsafeBytes { buffer in
        var checksum = InternetChecksum()
        checksum.add(PacketBytes(buffer))
        return checksum.folded
      }
    }
    #expect(sum(example) == 0xDDF2)
    #expect(sum(ones) == 0xFF00)
  }

  @Test("SipHash-2-4 gives its authors' test vector")
  func sipHash() {
    // The vector's message is 15 bytes long; ours is always 16: checked against the vector for 16 bytes 00...0f.
    let hash = SipHash(key: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908))
    #expect(hash.hash(0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908) == 0x3F2A_CC7F_57C2_9BDB)
  }

  @Test("a rate limit lets a burst pass and then one event per interval")
  func rateLimit() {
    var limit = RateLimit(burst: 3, interval: .seconds(1))
    let start = Instant(nanoseconds: 5_000_000_000)
    let milliseconds: [UInt32] = [0, 0, 0, 0, 0, 900, 1000, 1000]
    let allowed = milliseconds.map { limit.allows(at: start + .milliseconds($0)) }
    #expect(allowed == [true, true, true, false, false, false, true, false])
  }

  @Test("a ring buffer keeps order across its end and takes bytes ahead of it")
  func ringBuffer() {
    var ring = RingBuffer()
    ring.open(minimum: 1000)
    #expect(ring.capacity == 1024)
    var written = 0
    var read = 0
    var random = SeededGenerator(seed: 3)
    for _ in 0..<500 {
      let bytes = pattern(Int(random.next() % 400), from: written)
      written += bytes.withUnsafeBytes { ring.append($0) }
      var target = [UInt8](repeating: 0, count: Int(random.next() % 400))
      let count = target.withUnsafeMutableBytes { ring.read(into: $0) }
      #expect(Array(target[..<count]) == pattern(count, from: read))
      read += count
    }
    ring.discard(ring.count)
    let late = pattern(100, from: 50)
    let early = pattern(50)
    #expect(late.withUnsafeBytes { ring.place(PacketBytes($0), distance: 50) })
    #expect(early.withUnsafeBytes { ring.place(PacketBytes($0), distance: 0) })
    ring.commit(150)
    var target = [UInt8](repeating: 0, count: 200)
    let count = target.withUnsafeMutableBytes { ring.read(into: $0) }
    #expect(count == 150)
    #expect(Array(target[..<150]) == pattern(150))
  }
}
