import LibOS

/// Keeps all that it allocates, until there is no more.
final class Link {
  let next: Link?
  var more = [UInt64](repeating: 7, count: 1000)
  init(_ next: Link?) { self.next = next }
}

/// Ends when there is no memory for another link.
@c(program_main)
public func programMain() -> Int32 {
  var links: Link?
  while true { links = Link(links) }
}
