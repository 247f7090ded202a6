/// Bounds and patience of a server. Times in milliseconds.
public struct ServerConfiguration: Sendable {
  /// Bytes in which request line and header fields must fit: 8 KiB with what Swift keeps beside an array's bytes, so
  /// that no allocator rounds them up. RFC 9112 section 3 asks for 8000 at least.
  public static var largestHead: Int { 8192 - 32 }

  /// Bytes that a connection's buffer for requests has at first; it is doubled as a head needs it.
  static var smallestInput: Int { 1024 - 32 }

  /// Most connections at a time; more wait in the transport, and those without a complete request give way to them.
  public var connections = 64
  /// How long a connection may be open between two requests.
  public var idleTimeout: UInt64 = 15_000
  /// How long the head of a request, and then its content, may take from its first byte to its last.
  public var requestTimeout: UInt64 = 10_000
  /// How long a client may take for its first request, or for a request's head or content, while others wait for its
  /// place. The oldest gives way first. Short, or clients that send half a request hold up all others; the way of a
  /// request to a place that was just taken must fit.
  public var contestedTimeout: UInt64 = 100
  /// How long a response may make no progress, because of the client or the disk.
  public var stallTimeout: UInt64 = 30_000
  /// Bytes a second that a client must take on average, after `stallTimeout` of grace.
  public var slowestClient: UInt64 = 1024
  /// How long the client's end of a connection that the server has ended is waited for.
  public var lingerTimeout: UInt64 = 2_000
  /// Largest content of a request that is read and dropped before the response, in bytes; more is refused.
  public var largestSkippedContent: UInt64 = 64 << 10
  /// Most bytes of a file given to one connection in one step.
  public var bytesPerStep = 64 << 10
  /// What UNIX time it was at the zero of the clock given to `step`; nil when the platform has no such clock, and
  /// responses go without `Date`.
  public var unixTimeAtClockZero: Int64?

  /// The defaults.
  public init() {}
}

/// Counts of what a server did, since it was made.
public struct ServerStatistics: Equatable, Sendable {
  /// Connections accepted.
  public internal(set) var connections: UInt64 = 0
  /// Requests whose head came to its end, good or bad.
  public internal(set) var requests: UInt64 = 0
  /// Responses with a status of 400 or more.
  public internal(set) var errors: UInt64 = 0
  /// Bytes of files sent.
  public internal(set) var bodyBytes: UInt64 = 0
  /// Connections ended because a time ran out.
  public internal(set) var timeouts: UInt64 = 0
  /// Connections that broke, or were broken off in the middle of a response.
  public internal(set) var broken: UInt64 = 0
}
