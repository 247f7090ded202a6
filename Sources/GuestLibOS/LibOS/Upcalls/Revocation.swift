import CLibOS
import ExokernelABI

/// A request to give resources back.
public struct RevocationRequest: Sendable {
  /// What is asked for: frames, slices or filters.
  public let kind: ResourceKind
  /// How many.
  public let count: UInt64
  /// The time-stamp after which the kernel takes what is missing.
  public let deadline: UInt64
}

/// Requests to give resources back, and what was taken by force.
///
/// Safety: one thread of the processor. The handler comes between any call that gives the processor up, or any end of a
/// slice, and what follows: it must not allocate.
public enum Revocation {
  /// Told of each request, at the beginning of the next slice: gives back what it chooses, now or before the deadline.
  /// Without a handler the kernel takes.
  public static var handler: ((RevocationRequest) -> Void)? { unsafe served }
  nonisolated(unsafe) private static var served: ((RevocationRequest) -> Void)?

  /// Sets the handler, nil for none; the other upcalls stay bound as they are.
  public static func serve(_ handler: ((RevocationRequest) -> Void)?) throws(CallError) {
    unsafe served = handler
    try KernelCall.changeUpcalls {
      $0.revocationEntry = handler == nil ? 0 : UInt64(libos_revocation_entry_address())
    }
    // A request that came before the handler is told at the next slice.
    if handler != nil, EnvironmentWord.revocationCount.load() != 0 { KernelCall.yield() }
  }

  /// Entries of the repossession vector that can be read, at most its capacity: what was taken by force since the last
  /// request, from this environment or from whom it shared it with. The next request starts it anew.
  public static var takenCount: UInt64 {
    min(EnvironmentWord.repossessed.load(), EnvironmentPage.repossessionCapacity)
  }

  /// Entry `index` of the repossession vector; nil where so many were not taken.
  public static func taken(_ index: UInt64) -> Repossession? {
    guard index < takenCount else { return nil }
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.repossessionOffset &+ index &* 16)
    return Repossession(resource: libos_load64(place), address: libos_load64(place &+ 8))
  }

  /// The last request, as the kernel has written it into the environment page, with a count of 0 once it is met; nil
  /// where that makes no sense. Who has no handler may look here.
  public static var request: RevocationRequest? {
    guard let kind = ResourceKind(rawValue: EnvironmentWord.revocationKind.load()) else { return nil }
    return RevocationRequest(
      kind: kind, count: EnvironmentWord.revocationCount.load(), deadline: EnvironmentWord.revocationDeadline.load())
  }
}

#if hasFeature(Embedded)
  /// Tells the handler of a request; upcalls.S calls it at the beginning of a slice.
  @c(libos_revocation)
  public func libosRevocation() {
    if let handler = Revocation.handler, let request = Revocation.request { handler(request) }
  }
#endif
