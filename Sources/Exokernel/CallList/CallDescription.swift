/// One call of the kernel: all that the call numbers, the call table, ring 0's glue, the library's functions, the fuzz
/// program's shapes and the README's table are made of.
public struct CallDescription: Sendable {
  /// Its name, as `CallNumber` has it.
  public let name: String
  /// Its number: what rax holds. Numbers are never used for something else.
  public let number: Int
  /// What it is about.
  public let group: Group
  /// What the registers hold, at most five.
  public let arguments: [Argument]
  /// What rax holds after it, where the call is not refused.
  public let result: Result
  /// What it does, as a sentence that begins with a verb in lower case.
  public let doc: String
  /// What it checks, its bound, and its budget.
  public let cost: Cost
  /// Who writes its function in ring 0.
  public let glue: Glue
  /// Its function in the library operating system.
  public let stub: Stub
  /// How it is fuzzed.
  public let fuzz: Fuzz

  /// A call. Nothing that has to be decided for each call has a default.
  public init(
    _ name: String, _ number: Int, _ group: Group, _ arguments: [Argument], result: Result, doc: String, cost: Cost,
    glue: Glue = .generated, stub: Stub, fuzz: Fuzz
  ) {
    self.name = name
    self.number = number
    self.group = group
    self.arguments = arguments
    self.result = result
    self.doc = doc
    self.cost = cost
    self.glue = glue
    self.stub = stub
    self.fuzz = fuzz
  }

  /// What calls are about.
  public enum Group: String, CaseIterable, Sendable {
    case processor = "The processor"
    case capabilities = "Capabilities"
    case environments = "Environments"
    case memory = "Memory"
    case devices = "Devices"
  }

  /// Who writes the function that the call table names, and the kernel's function of the call's name that it calls.
  public enum Glue: Sendable {
    /// Nobody: the first passes the registers to the second, which calls what the author of the call writes in `Core`,
    /// for `frameFree` `decodeFrameFree` and `performFrameFree`.
    case generated
    /// Nobody the first; a person the second, in `Core`, because the usual case has a short way of its own.
    case shortcut
    /// A person, in RingZero/Entry/SwitchingCalls.swift: the call gives the processor up, ends its caller, or goes on
    /// as another environment.
    case handWritten
  }

  /// The library's function.
  public enum Stub: Sendable {
    /// `name` with `parameters`, each "label name = default", label and default as in Swift; the names are those of the
    /// call's fields. Calls again where the kernel says `again`, if `repeats`; its value need not be used, if
    /// `isDiscardable`.
    case generated(_ name: String, _ parameters: [String], repeats: Bool = false, isDiscardable: Bool = false)
    /// A person, in LibOS/Calls/KernelCall.swift: it needs registers kept, a block of the environment page filled, or
    /// never returns.
    case handWritten
  }

  /// What rax holds after a call.
  public enum Result: String, Sendable {
    /// 0.
    case nothing
    /// How many pages were done, 1 to 64.
    case pages
    /// How many slots were emptied.
    case slots
    /// As many bytes as the argument `count` asked for.
    case bytes
    /// How many bytes were dropped; 0 where the call was served.
    case dropped
    /// A frame's number.
    case frame
    /// The number of a large frame's first one.
    case largeFrame
    /// An environment's handle.
    case environment
    /// A position of a slice vector.
    case position
    /// The handle of a device's binding.
    case extent
    /// The handle of a packet filter.
    case filter
    /// The handle of a region.
    case region
    /// The handle of whoever transfers back; `Handle.none` where the callee ended instead.
    case caller
  }

  /// What the kernel's README tells of it.
  public struct Cost: Sendable {
    /// What is checked before anything is changed.
    public let checks: String
    /// What bounds its loops; "-" where there are none.
    public let bound: String
    /// Ring-0 instructions that it may take and does take, counted by `xokvm bench primitives`; empty where they are
    /// not counted.
    public let budget: String

    /// What it checks, its bound and its budget.
    public init(checks: String, bound: String = "-", budget: String = "") {
      self.checks = checks
      self.bound = bound
      self.budget = budget
    }
  }

  /// How it is fuzzed.
  public struct Fuzz: Sendable {
    /// One in so many of these calls is made: more than 1 where they take the kernel or the console long, or end the
    /// caller.
    public let rarity: Int
    /// What it may do to the program that makes it.
    public let danger: Danger

    /// How it is fuzzed.
    public init(rarity: Int = 1, _ danger: Danger) {
      self.rarity = rarity
      self.danger = danger
    }
  }

  /// What a call may do to the program that makes it, where it is accepted. Afterwards a fuzz program's own findings
  /// are worth nothing.
  public enum Danger: Sendable {
    /// Nothing: the program's memory and where it goes on stay as they are.
    case none
    /// It may end it, or change where it goes on.
    case always
    /// It changes its address space where the argument of this name is an address of the program's.
    case address(String)
    /// It changes its memory where the argument of this name is one of its frames.
    case frame(String)
    /// It gives others more than a look at it, where the argument of this name has more than the right to read.
    case rights(String)
  }
}

extension CallDescription {
  /// Every value that the registers hold, in their order, with the register it is in.
  public var fields: [(register: Int, field: Argument.Field)] {
    arguments.enumerated().flatMap { register, argument in argument.fields.map { (register, $0) } }
  }

  /// True where several values share a register: then the call has a structure that packs and unpacks them.
  public var isPacked: Bool { arguments.contains { $0.fields.count > 1 } }

  /// What it is called with, as "name(register, low | high << 32)".
  public var signature: String {
    "\(name)(\(arguments.map(\.signature).joined(separator: ", ")))"
  }

  /// The name that assembly files have for it: `yieldTo` is `yield_to`.
  public var symbol: String {
    name.map { $0.isUppercase ? "_\($0.lowercased())" : String($0) }.joined()
  }

  /// The name with a capital.
  public var typeName: String { name.prefix(1).uppercased() + name.dropFirst() }
}
