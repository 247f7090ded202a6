import CInstructions
import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// A server with a page table of its own, called by protected control transfer: by this program, and by one that it
/// does not accept.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    let server = try ChildEnvironment.copy(argument: Environment.handle, serve)
    try server.start()
    while server.record?.state != EnvironmentState.sleeping.rawValue { KernelCall.yield() }

    var message: Message = [Request.echo, 0, 1, 2, 3, 4]
    for round in 0..<1000 as Range<UInt64> {
      message[0] = Request.echo
      message[1] = round
      guard try call(server, &message) == server.handle, message[1] == round &+ 1, message[5] == 4 &+ round &+ 1 else {
        return fail("an echo")
      }
      message[5] = 4
    }
    message = [Request.whoCalls, server.handle, 0, 0, 0, 0]
    guard try call(server, &message) == server.handle, message[1] == Environment.handle else {
      return fail("the caller's handle")
    }

    // Nothing but the message crosses, in either direction.
    message[0] = Request.traces
    leave_traces()
    guard try call(server, &message) == server.handle, message[1] == 0 else { return fail("a trace of the caller") }
    guard vector_traces() == 0, vector_control() == 0x1f80 else { return fail("a trace of the server") }

    // Who does not wait goes on by itself, and its message arrives all the same.
    for _ in 0..<10 {
      message[0] = Request.count
      try whenFree { () throws(CallError) in
        _ = try KernelCall.transfer(to: server.handle, capability: server.slot, mode: .asynchronous, message: &message)
      }
    }
    message = [Request.howMany, 0, 0, 0, 0, 0]
    guard try call(server, &message) == server.handle, message[1] == 10 else { return fail("ten asynchronous calls") }

    guard try stranger(of: server, mayCall: false) == CallError.noSuchCapability else {
      return fail("a call without a capability")
    }
    guard try stranger(of: server, mayCall: true) == CallError.notAccepted else {
      return fail("a call that the server does not accept")
    }

    message[0] = Request.end
    guard try call(server, &message) == Handle.none else { return fail("the answer of a server that ended") }
    let refused = refusal { () throws(CallError) in _ = try call(server, &message) }
    guard let refused else { return fail("a call to a server that has ended") }
    guard refused == .noSuchResource else { return fail("the refusal for a server that has ended") }
  } catch { return fail(error) }
  Console.line("transfers arrive, are answered, and refused where they should be")
  return 0
}

private enum Request {
  static var echo: UInt64 { 0 }
  static var whoCalls: UInt64 { 1 }
  static var count: UInt64 { 2 }
  static var howMany: UInt64 { 3 }
  static var end: UInt64 { 4 }
  static var traces: UInt64 { 5 }
}

private nonisolated(unsafe) var counted: UInt64 = 0

/// The server: accepts environments only whose guards begin with that of its maker, which the argument names.
private func serve(_ maker: UInt64, _ page: UInt64) -> Int32 {
  guard let record = Books.environment(named: maker) else { return 1 }
  do throws(CallError) {
    try TransferServer.serve(from: record.guardName, length: Capability.length(ofGuard: record.guardName)) {
      caller, message in
      switch message[0] {
      case Request.echo:
        for word in 2..<6 { message[word] &+= message[1] &+ 1 }
        message[1] &+= 1
      case Request.whoCalls: message[1] = caller
      case Request.count:
        unsafe counted &+= 1
        return false
      case Request.howMany: message[1] = unsafe counted
      case Request.traces:
        message[1] = vector_traces() | UInt64(vector_control() ^ 0x1f80)
        leave_traces()
      default: KernelCall.exit(status: 0)
      }
      return true
    }
  } catch { return 1 }
}

/// Transfers, and waits for the answer. On two processors, the server may be on its way to sleep when it is called
/// again.
private func call(_ server: ChildEnvironment, _ message: inout Message) throws(CallError) -> UInt64 {
  var answer: UInt64 = 0
  try whenFree { () throws(CallError) in
    answer = try KernelCall.transfer(to: server.handle, capability: server.slot, mode: .synchronous, message: &message)
  }
  return answer
}

private func whenFree(_ body: () throws(CallError) -> Void) throws(CallError) {
  for _ in 0..<10_000 {
    do throws(CallError) { return try body() } catch { guard error == .busy else { throw error } }
    KernelCall.yield()
  }
  throw .busy
}

/// What an environment is refused with that calls the server, with a capability for it or without.
private func stranger(of server: ChildEnvironment, mayCall: Bool) throws(CallError) -> CallError? {
  let stranger = try ChildEnvironment.companion(
    argument: mayCall ? server.handle | Environment.handle << 32 : server.handle
  ) {
    target, page in
    do throws(CallError) {
      if target >> 32 != 0 {
        try KernelCall.acceptCapability(slot: 8, from: target >> 32)
        while Books.capability(of: libos_load64(UInt(page) &+ 96), slot: 8)?.rights.isEmpty != false {
          KernelCall.yield()
        }
      }
      var message: Message = [0, 0, 0, 0, 0, 0]
      while true {
        do throws(CallError) {
          _ = try KernelCall.transfer(to: target & 0xffff_ffff, capability: 8, mode: .synchronous, message: &message)
          return 0
        } catch {
          guard error == .busy else { throw error }
        }
      }
    } catch { return Int32(truncatingIfNeeded: -error.rawValue) }
  }
  try stranger.start()
  if mayCall { try offer(server.slot, to: stranger.handle, into: 8, rights: .call) }
  guard stranger.wait(), let record = stranger.lastRecord else { return nil }
  try stranger.destroy()
  return CallError(rawValue: -Int64(record.exitStatus))
}
