import Testing

@testable import DownloadedCode

/// Test packets, byte by byte.
enum Packets {
  static let guest: [UInt8] = [10, 0, 2, 15]
  static let host: [UInt8] = [10, 0, 2, 2]
  static let guestNumber: UInt32 = 0x0a00_020f

  static func ethernet(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    [0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x52, 0x55, 10, 0, 2, 2, UInt8(type >> 8), UInt8(type & 0xff)] + payload
  }

  static func arp(target: [UInt8], hardwareType: UInt8 = 1, operation: UInt8 = 1) -> [UInt8] {
    ethernet(
      0x0806, [0, hardwareType, 8, 0, 6, 4, 0, operation, 1, 2, 3, 4, 5, 6] + host + [0, 0, 0, 0, 0, 0] + target)
  }

  static func ipv4(
    _ number: UInt8, to destination: [UInt8], port: UInt16, options: Int = 0, fragmentOffset: UInt16 = 0,
    version: UInt8 = 4,
    flags: UInt16 = 0x4000
  ) -> [UInt8] {
    let fragment = fragmentOffset | flags
    let header: [UInt8] =
      [
        version << 4 | UInt8(5 + options), 0, 0, 60, 0, 0, UInt8(fragment >> 8), UInt8(fragment & 0xff), 64, number, 0,
        0,
      ]
      + host + destination + Array(repeating: 1, count: 4 * options)
    return ethernet(0x0800, header + [0x9c, 0x40, UInt8(port >> 8), UInt8(port & 0xff), 0, 0, 0, 0])
  }
}

@Suite("Filter builder")
struct FilterBuilderTests {
  private func filter(_ rules: [PacketMatch]) throws -> BoundFilter {
    var builder = FilterBuilder()
    for (index, rule) in rules.enumerated() { try builder.accept(rule, verdict: Int32(index + 1)) }
    try builder.finish()
    return try BoundFilter(builder)
  }

  @Test("an EtherType")
  func etherType() throws {
    try GuardedPages.withPages { () throws in
      let filter = try filter([.etherType(0x86dd)])
      #expect(filter.run(Packets.ethernet(0x86dd, [])) == 1)
      #expect(filter.run(Packets.ethernet(0x0800, [])) == 0)
      #expect(filter.run(Packets.ethernet(0xdd86, [])) == 0)
      #expect(filter.run([]) == 0)
      #expect(filter.run(Array(Packets.ethernet(0x86dd, []).dropLast())) == 0)
    }
  }

  @Test("ARP for an address")
  func arp() throws {
    try GuardedPages.withPages { () throws in
      let filter = try filter([.arp(target: Packets.guestNumber)])
      #expect(filter.run(Packets.arp(target: Packets.guest)) == 1)
      #expect(filter.run(Packets.arp(target: Packets.guest, operation: 2)) == 1)
      #expect(filter.run(Packets.arp(target: Packets.host)) == 0)
      #expect(filter.run(Packets.arp(target: Packets.guest, hardwareType: 6)) == 0)
      #expect(filter.run(Array(Packets.arp(target: Packets.guest).dropLast())) == 0)
    }
  }

  @Test("TCP to an address and port, with and without IP options, and no later fragments")
  func tcp() throws {
    try GuardedPages.withPages { () throws in
      let filter = try filter([.ipv4(destination: Packets.guestNumber, protocol: 6, destinationPort: 80)])
      for options in 0...10 {
        #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 80, options: options)) == 1)
        #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 81, options: options)) == 0)
        #expect(filter.run(Packets.ipv4(17, to: Packets.guest, port: 80, options: options)) == 0)
        #expect(filter.run(Packets.ipv4(6, to: Packets.host, port: 80, options: options)) == 0)
        #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 80, options: options, fragmentOffset: 1)) == 0)
        #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 80, options: options, fragmentOffset: 0x1000)) == 0)
        #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 80, options: options, flags: 0x2000)) == 1)
        #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 80, options: options, version: 6)) == 0)
      }
      // A header length that does not cover the header, with the port where it would then be sought.
      var short = Packets.ipv4(6, to: Packets.guest, port: 80)
      short[14] = 0x44
      short[14 + 16 + 2] = 0
      short[14 + 16 + 3] = 80
      #expect(filter.run(short) == 0)
      let whole = Packets.ipv4(6, to: Packets.guest, port: 80)
      for length in 0..<38 { #expect(filter.run(Array(whole.prefix(length))) == 0) }
    }
  }

  @Test("IPv4 rules without some of the conditions")
  func partialRules() throws {
    try GuardedPages.withPages { () throws in
      let packet = Packets.ipv4(17, to: [255, 255, 255, 255], port: 68)
      #expect(try filter([.ipv4()]).run(packet) == 1)
      #expect(try filter([.ipv4()]).run(Packets.arp(target: Packets.guest)) == 0)
      #expect(try filter([.ipv4(protocol: 17)]).run(packet) == 1)
      #expect(try filter([.ipv4(protocol: 1)]).run(packet) == 0)
      #expect(try filter([.ipv4(destination: 0xffff_ffff)]).run(packet) == 1)
      #expect(try filter([.ipv4(destination: Packets.guestNumber)]).run(packet) == 0)
      #expect(try filter([.ipv4(protocol: 17, destinationPort: 68)]).run(packet) == 1)
      #expect(try filter([.ipv4(destinationPort: 68)]).run(packet) == 1)
      #expect(try filter([.ipv4(destinationPort: 67)]).run(packet) == 0)
    }
  }

  @Test("any of several rules accepts, with its own verdict")
  func alternatives() throws {
    try GuardedPages.withPages { () throws in
      let filter = try filter([
        .arp(target: Packets.guestNumber), .ipv4(destination: Packets.guestNumber, protocol: 6, destinationPort: 80),
        .ipv4(destination: Packets.guestNumber, protocol: 1),
      ])
      #expect(filter.run(Packets.arp(target: Packets.guest)) == 1)
      #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 80)) == 2)
      #expect(filter.run(Packets.ipv4(1, to: Packets.guest, port: 0)) == 3)
      #expect(filter.run(Packets.ipv4(6, to: Packets.guest, port: 443)) == 0)
    }
  }

  @Test("each comparison of a rule is one step")
  func fusion() throws {
    var builder = FilterBuilder()
    try builder.accept(.ipv4(destination: Packets.guestNumber, protocol: 6, destinationPort: 80))
    try builder.finish()
    let operations = try BoundFilter(builder).operations
    let start: [Operation] = [.packet32MaskedNotEqual, .packet32MaskedNotEqual, .packet32NotEqual]
    #expect(Array(operations.prefix(3)) == start)
    #expect(operations.contains(.packet16NotEqual))
    #expect(operations.suffix(2) == [.exitImmediate, .exitImmediate])
  }

  @Test("a rule that does not fit changes nothing")
  func tooLong() throws {
    var builder = FilterBuilder()
    let rule = PacketMatch.ipv4(destination: 1, protocol: 6, destinationPort: 80)
    try builder.accept(rule)
    try builder.accept(rule)
    let count = builder.count
    #expect(throws: FilterBuilderError.tooLong) { try builder.accept(rule) }
    #expect(builder.count == count)
    try builder.accept(.etherType(0x0806))
    try builder.finish()
    #expect(throws: Never.self) { try BoundFilter(builder) }
  }
}
