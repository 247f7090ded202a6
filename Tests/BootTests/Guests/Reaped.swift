import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// An environment on the other processor ends that owned many frames; while the kernel takes them back there, this one
/// makes calls.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    let owner = try ChildEnvironment.copy(spare: Quotas(frames: 1100, slices: 1)) { _, _ in
      PageSpace.mapAnywhere(count: 1024) == nil ? 1 : 0
    }
    let number = owner.handle & UInt64(BooksLayout.environments &- 1)
    try owner.start(position: 1 << 8 | 1)
    while owner.isLive { libos_pause() }
    guard owner.record?.exitStatus == 0 else { return fail("the memory of the other one") }
    var calls: UInt64 = 0
    while Books.environment(number)?.state == EnvironmentState.ended.rawValue {
      KernelCall.null()
      calls &+= 1
      libos_look_again()
    }
    // The frames go back eight at a time.
    guard calls >= 20 else { return fail("calls while frames went back", calls) }
  } catch { return fail(error) }
  Console.line("calls went on")
  return 0
}
