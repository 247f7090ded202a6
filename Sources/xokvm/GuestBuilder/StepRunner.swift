import Foundation

/// Runs steps side by side, as many as there are processors, each behind those it needs; leaves out those whose result
/// stands.
///
/// Several builders may work in one folder at once (the images of the command and those of the tests share their
/// libraries): a step's lock file is held from the look at its record until the record is written, so each step runs
/// once, and the other builder finds it done.
final class StepRunner {
  private let work: String
  /// Names of the steps that ran, in the order in which they ended.
  private(set) var ran: [String] = []

  /// Keeps records and locks in the folder `work`.
  init(work: String) { self.work = work }

  /// Runs what is necessary of `steps`. The first failure ends it, after the steps under way.
  func run(_ steps: [Step]) throws {
    var waiting = steps
    var made: Set<String> = []
    let all = Set(steps.flatMap(\.outputs))
    let finished = Queue<(Step, Result<Bool, any Error>)>()
    var running = 0
    var failure: (any Error)?
    let width = max(2, ProcessInfo.processInfo.activeProcessorCount)
    while !waiting.isEmpty || running > 0 {
      while running < width, failure == nil,
        let index = waiting.firstIndex(where: { $0.needs.allSatisfy { made.contains($0) || !all.contains($0) } })
      {
        let step = waiting.remove(at: index)
        running += 1
        let work = self.work
        Thread.detachNewThread { finished.put((step, Result { try Self.perform(step, work: work) })) }
      }
      guard running > 0 else {
        if let failure { throw failure }
        throw GuestBuildError.stuck(waiting.map(\.name))
      }
      let (step, result) = finished.take()
      running -= 1
      switch result {
      case .success(let didRun):
        if didRun { ran.append(step.name) }
        made.formUnion(step.outputs)
      case .failure(let error): failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  /// Runs one step unless its result stands; true where it ran.
  private static func perform(_ step: Step, work: String) throws -> Bool {
    let record = "\(work)/\(step.name).made"
    let lock = open("\(work)/\(step.name).lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
    guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw GuestBuildError.unreadable("\(work)/\(step.name).lock") }
    defer { close(lock) }
    let fingerprint = try step.fingerprint()
    if step.outputs.allSatisfy({ FileManager.default.fileExists(atPath: $0) }),
      FileManager.default.contents(atPath: record) == Data(fingerprint.utf8)
    {
      return false
    }
    // The compiler leaves an object file as it is where it thinks that nothing has changed, which is for this record to
    // say.
    for file in step.outputs + [record] { try? FileManager.default.removeItem(atPath: file) }
    let process = Process()
    process.executableURL = URL(filePath: step.tool)
    process.arguments = step.arguments + step.idleArguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw GuestBuildError.tool(step: step.name, tool: step.tool, status: process.terminationStatus)
    }
    try Data(fingerprint.utf8).write(to: URL(filePath: record))
    return true
  }
}

/// What threads hand over to one that waits for it.
private final class Queue<Element>: @unchecked Sendable {
  private let condition = NSCondition()
  /// Guarded by `condition`.
  private var elements: [Element] = []

  func put(_ element: Element) {
    condition.lock()
    elements.append(element)
    condition.signal()
    condition.unlock()
  }

  func take() -> Element {
    condition.lock()
    defer { condition.unlock() }
    while elements.isEmpty { condition.wait() }
    return elements.removeFirst()
  }
}
