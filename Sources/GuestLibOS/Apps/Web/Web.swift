/// Placeholder.
@c(program_main)
public func webMain() -> Int32 { 0 }
