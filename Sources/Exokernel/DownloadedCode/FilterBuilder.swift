/// What packets a rule of a `FilterBuilder` accepts. Packets begin with an untagged Ethernet II header.
public enum PacketMatch: Equatable, Sendable {
  /// Packets of this EtherType.
  case etherType(UInt16)
  /// ARP requests and replies for IPv4 over Ethernet (RFC 826) whose target protocol address is `target`, given as a
  /// number: 10.0.2.15 is 0x0a00020f.
  case arp(target: UInt32)
  /// IPv4 packets (RFC 791): to the address `destination` if one is given (a number as above), of the protocol if one
  /// is given, and to the port if one is given (TCP, UDP and others with the destination port in bytes 2 and 3). A rule
  /// with a port accepts no fragments but the first, and honours IP options.
  case ipv4(destination: UInt32? = nil, protocol: UInt8? = nil, destinationPort: UInt16? = nil)
}

/// Why a `FilterBuilder` refused to append.
public enum FilterBuilderError: Error, Equatable, Sendable {
  /// The program would be longer than `FilterProgram.capacity` instructions: use fewer rules, or bind several filters.
  case tooLong
}

#if !hasFeature(Embedded)
  extension FilterBuilderError: CustomStringConvertible {
    /// What is wrong and what to do.
    public var description: String {
      "the filter needs more than \(FilterProgram.capacity) instructions; use fewer rules, or bind several filters"
    }
  }
#endif

/// Builds a packet filter from rules, of which any may accept a packet; for programs that have no compiler at hand.
///
///     var builder = FilterBuilder()
///     try builder.accept(.arp(target: 0x0a00_020f))
///     try builder.accept(.ipv4(destination: 0x0a00_020f, protocol: 6, destinationPort: 80))
///     try builder.finish()
///
/// The rules are written so that the verifier fuses each comparison to one step. Lives in its own storage and never
/// allocates.
public struct FilterBuilder: Sendable {
  /// How many instructions there are.
  public private(set) var count = 0
  private var words = InlineArray<64, UInt64>(repeating: 0)
  /// Jumps of the current rule that go to the next rule, one bit each.
  private var mismatches: UInt64 = 0

  /// An empty program.
  public init() {}

  /// Appends one instruction of the caller's own.
  public mutating func append(_ instruction: Instruction) throws(FilterBuilderError) {
    guard count < FilterProgram.capacity else { throw .tooLong }
    words[count] = instruction.word
    count += 1
  }

  /// Appends a rule: packets that match end with `verdict` (not 0), the others go on to what is appended next. Where
  /// the rule does not fit, the program is left as it was.
  public mutating func accept(_ match: PacketMatch, verdict: Int32 = 1) throws(FilterBuilderError) {
    let oldCount = count
    do throws(FilterBuilderError) {
      try appendRule(match, verdict: verdict)
    } catch {
      count = oldCount
      mismatches = 0
      throw error
    }
  }

  /// Appends the end: what no rule accepted is rejected.
  public mutating func finish() throws(FilterBuilderError) {
    guard count + 2 <= FilterProgram.capacity else { throw .tooLong }
    try append(.arithmetic(.move, .r0, 0))
    try append(.exit)
  }

  /// Gives `body` the program's words, for `FilterProgram.verify` or for the kernel call that binds a filter.
  public func withWords<Result, Failure: Error>(
    _ body: (Span<UInt64>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(words.span.extracting(first: count))
  }

  // MARK: Rules

  private mutating func appendRule(_ match: PacketMatch, verdict: Int32) throws(FilterBuilderError) {
    switch match {
    case .etherType(let type):
      try require(.halfWord, at: 12, Int32(type))
    case .arp(let target):
      try require(.halfWord, at: 12, 0x0806)
      // Hardware type Ethernet, protocol type IPv4.
      try require(.word, at: 14, 0x0001_0800)
      try require(.word, at: 38, Int32(bitPattern: target))
    case .ipv4(let destination, let number, let port):
      try appendIPv4(destination: destination, number: number, port: port, verdict: verdict)
    }
    try appendVerdict(verdict)
    for index in 0..<count where mismatches & (1 &<< UInt64(index)) != 0 {
      setJump(at: index, to: count)
    }
    mismatches = 0
  }

  private mutating func appendIPv4(
    destination: UInt32?, number: UInt8?, port: UInt16?, verdict: Int32
  ) throws(FilterBuilderError) {
    guard let port else {
      try require(.halfWord, at: 12, 0x0800)
      if let number { try require(.byte, at: 23, Int32(number)) }
      if let destination { try require(.word, at: 30, Int32(bitPattern: destination)) }
      return
    }
    // EtherType and IP version in one comparison; fragment offset and protocol in another.
    try require(.word, at: 12, 0x0800_4000, mask: Int32(bitPattern: 0xffff_f000))
    if let number {
      try require(.word, at: 20, Int32(number), mask: 0x1fff_00ff)
    } else {
      try require(.halfWord, at: 20, 0, mask: 0x1fff)
    }
    if let destination { try require(.word, at: 30, Int32(bitPattern: destination)) }
    // A header of five words, almost always, has the port at a constant place.
    try append(.load(.r3, .byte, .r1, 14))
    let otherHeader = count
    try append(.jump(.notEqual, .r3, 0x45, to: 0, is64: false))
    try require(.halfWord, at: 36, Int32(port))
    try appendVerdict(verdict)
    setJump(at: otherHeader, to: count)
    // Loaded again, so that the first load and its comparison are one step.
    try append(.load(.r3, .byte, .r1, 14))
    try append(.arithmetic(.and, .r3, 15))
    try appendMismatch(.less, .r3, 5)
    try append(.arithmetic(.shiftLeft, .r3, 2))
    try append(.arithmetic(.add, .r3, .r1))
    try append(.load(.r4, .halfWord, .r3, 16))
    try append(.toBigEndian(.r4, bitCount: 16))
    try appendMismatch(.notEqual, .r4, Int32(port))
  }

  /// Appends a comparison of `size` bytes at `offset` in network order, under `mask` if it is not 0; a mismatch leaves
  /// the rule.
  private mutating func require(
    _ size: MemorySize, at offset: Int16, _ value: Int32, mask: Int32 = 0
  ) throws(FilterBuilderError) {
    try append(.load(.r3, size, .r1, offset))
    if size != .byte { try append(.toBigEndian(.r3, bitCount: Int32(size.byteCount * 8))) }
    if mask != 0 { try append(.arithmetic(.and, .r3, mask, is64: false)) }
    try appendMismatch(.notEqual, .r3, value)
  }

  private mutating func appendMismatch(
    _ operation: JumpOperation, _ register: Register, _ value: Int32
  ) throws(FilterBuilderError) {
    let index = count
    try append(.jump(operation, register, value, to: 0, is64: false))
    mismatches |= 1 &<< UInt64(index)
  }

  private mutating func appendVerdict(_ verdict: Int32) throws(FilterBuilderError) {
    try append(.arithmetic(.move, .r0, verdict))
    try append(.exit)
  }

  private mutating func setJump(at index: Int, to target: Int) {
    let distance = UInt64(truncatingIfNeeded: target - index - 1) & 0xffff
    words[index] = words[index] & ~0xffff_0000 | distance &<< 16
  }
}
