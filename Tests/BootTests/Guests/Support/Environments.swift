import CLibOS
import ExokernelABI
import LibOS

/// The name that an environment's first capability has, and its guard; 0 where there is no such environment.
public func name(of environment: UInt64 = Environment.number) -> UInt64 {
  Books.capability(of: environment, slot: CapabilitySlot.own)?.name ?? 0
}

/// Sleeps for so long, or until an event comes.
public func pause(milliseconds: UInt64) {
  KernelCall.sleep(events: Environment.events, deadline: Clock.timeStamp(after: milliseconds &* 1_000_000))
}

/// Grants a capability to an environment that is about to accept it: tries ten thousand times, giving way after each.
public func offer(_ slot: UInt64, to environment: UInt64, into: UInt64, rights: Rights) throws(CallError) {
  for _ in 0..<10_000 {
    let refused = refusal { () throws(CallError) in
      try KernelCall.grantCapability(slot, to: environment, into: into, rights: rights)
    }
    guard let refused else { return }
    guard refused == .notAccepted else { throw refused }
    KernelCall.yield()
  }
}

/// Installs page tables of all levels for an address, in this program's root table or another one.
public func installTables(for address: UInt64, table: UInt64 = Handle.own) throws(CallError) {
  for level in [3, 2, 1] as [UInt64] { try KernelCall.installTable(for: address, level: level, table: table) }
}

/// Binds a filter that wants no packet. Its code, its ring, and the ring's only data frame are those behind three
/// mapped pages, which may be one and the same.
public func bindDeafFilter(code: UInt64, ring: UInt64, data: UInt64) throws(CallError) -> UInt64 {
  guard let codeFrame = Books.frameNumber(of: code), let ringFrame = Books.frameNumber(of: ring),
    let dataFrame = Books.frameNumber(of: data)
  else { throw .badAddress }
  // r0 = 0; exit.
  libos_store64(UInt(code), 0xb7)
  libos_store64(UInt(code) + 8, 0x95)
  libos_store32(UInt(ring + PacketRing.framesOffset), UInt32(truncatingIfNeeded: dataFrame))
  return try KernelCall.bindFilter(code: codeFrame, count: 2, ring: ringFrame, slots: 2)
}

extension ChildEnvironment {
  /// Its record; where it is gone already, that of its place, which is as it left it until the place is used again.
  public var lastRecord: EnvironmentRecord? { Books.environment(UInt64(Handle.index(handle))) }
}
