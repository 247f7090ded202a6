import LibOS

/// Writes numbered lines of 100 bytes for ever, as fast as it may.
@c(program_main)
public func programMain() -> Int32 {
  var number: UInt64 = 1_000_000_000
  while true {
    Console.put("line ")
    Console.put(number)
    Console.line(" of a flood that would fill each disk, drown each terminal and hold up each reader of the console")
    number &+= 1
  }
}
