import Foundation

/// What a step's result depends on, as one number: 128 bits of FNV-1a over words, in two lanes of different primes.
///
/// Two states of the inputs that differ have different fingerprints but for an accident of one in 2^64 and less; nobody
/// attacks it, for whoever can write a source file can also write what is built from it.
struct Fingerprint {
  private var low: UInt64 = 0xcbf2_9ce4_8422_2325
  private var high: UInt64 = 0x6c62_272e_07bb_0142

  /// Takes in a text, with its length.
  mutating func add(_ text: String) { add(Data(text.utf8)) }

  /// Takes in bytes, with their count.
  mutating func add(_ bytes: Data) {
    add(UInt64(bytes.count))
    bytes.withUnsafeBytes { buffer in
      var offset = 0
      while offset + 8 <= buffer.count {
        add(buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        offset += 8
      }
      while offset < buffer.count {
        add(UInt64(buffer[offset]))
        offset += 1
      }
    }
  }

  private mutating func add(_ word: UInt64) {
    low = (low ^ word) &* 0x100_0000_01b3
    low ^= low &>> 29
    high = (high ^ word) &* 0x9e37_79b9_7f4a_7c15
    high ^= high &>> 32
  }

  /// The number in hexadecimal.
  var text: String { String(low, radix: 16) + "-" + String(high, radix: 16) }
}
