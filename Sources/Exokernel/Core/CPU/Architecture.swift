// Numbers of the x86-64 architecture that the ways into ring 0 and out of it use (Intel SDM volumes 1, 3 and 4).
// Assembly files have those that they need in x86.inc, by the same names; `AssemblyConstantTests` compares them.

/// Bits of a page fault's error code.
public enum PageFaultCode {
  /// The access was a write.
  public static let write: UInt64 = 2
  /// Ring 3 made the access, not the processor with the kernel's rights.
  public static let user: UInt64 = 4
  /// The access was an instruction fetch.
  public static let fetch: UInt64 = 16
}

/// Segment selectors, as the descriptor table in tables.S has them. They are those of Linux, on which some KVMs insist.
public enum Selector {
  /// The kernel's code.
  public static let kernelCode: UInt64 = 0x10
  /// The kernel's data.
  public static let kernelData: UInt64 = 0x18
  /// 32-bit code of ring 3.
  public static let userCode32: UInt64 = 0x23
  /// Data and stacks of ring 3.
  public static let userData: UInt64 = 0x2b
  /// 64-bit code of ring 3.
  public static let userCode: UInt64 = 0x33
  /// The bits of a code segment's selector that are the privilege level: 0, or all of them in ring 3.
  public static let privilege: UInt64 = 3
}

/// Bits of the flags register.
public enum ProcessorFlags {
  /// Bit 1, which is always set.
  public static let always: UInt64 = 0x2
  /// Single step.
  public static let trap: UInt64 = 0x100
  /// Interrupts are on.
  public static let interrupt: UInt64 = 0x200
  /// Nested task: IRET would switch tasks.
  public static let nestedTask: UInt64 = 0x4000
  /// No breakpoint at the next instruction.
  public static let resume: UInt64 = 0x1_0000
  /// What an environment goes on with that called.
  public static let user: UInt64 = always | interrupt
  /// What may be whatever an environment says: results of arithmetic, interrupts, alignment checks, CPUID. Not the
  /// others: no I/O privilege, trap, direction, nested task, virtual interrupts.
  public static let userChoice: UInt64 = 0x24_0ad5
  /// What a gate clears, of what ring 3 may have set.
  public static let clearedByGates: UInt64 = trap | nestedTask | resume
}

/// Numbers of exceptions and interrupts.
public enum Vector {
  /// DIV by zero, or a quotient that is too large.
  public static let divisionError: UInt64 = 0
  /// Single step and breakpoint registers.
  public static let debug: UInt64 = 1
  /// The interrupt that nothing masks.
  public static let nonMaskable: UInt64 = 2
  /// INT3.
  public static let breakpoint: UInt64 = 3
  /// Calls of the kernel, by `int $4`.
  public static let call: UInt64 = 4
  /// An instruction that there is not, such as UD2.
  public static let invalidInstruction: UInt64 = 6
  /// An exception whose delivery failed.
  public static let doubleFault: UInt64 = 8
  /// An access beyond the stack segment.
  public static let stackFault: UInt64 = 12
  /// What is not permitted and has no exception of its own.
  public static let protection: UInt64 = 13
  /// A page that is not mapped, or not so.
  public static let pageFault: UInt64 = 14
  /// An x87 exception.
  public static let floatingPoint: UInt64 = 16
  /// An unaligned access, where that was asked to be an exception.
  public static let alignment: UInt64 = 17
  /// The processor is broken.
  public static let machineCheck: UInt64 = 18
  /// An SSE exception.
  public static let vectorFloatingPoint: UInt64 = 19
  /// The first that is no exception.
  public static let firstInterrupt: UInt64 = 0x20
  /// Interrupt line 0; line n has this plus n.
  public static let device: UInt64 = 0x30
  /// The local APIC's timer.
  public static let timer: UInt64 = 0xe0
  /// Interrupts from other processors.
  public static let processor: UInt64 = 0xe1
  /// Interrupts that were withdrawn while they came.
  public static let spurious: UInt64 = 0xff
}

/// Numbers of model-specific registers. Those of the local APIC are for its x2APIC mode.
public enum ModelSpecificRegister {
  /// Where the local APIC is, and its mode.
  public static let apicBase: UInt32 = 0x1b
  /// Time-stamp at which the timer fires.
  public static let timeStampDeadline: UInt32 = 0x6e0
  /// A write says that the interrupt in service was served.
  public static let endOfInterrupt: UInt32 = 0x80b
  /// The vector of spurious interrupts, and the APIC's switch.
  public static let spuriousVector: UInt32 = 0x80f
  /// A write sends an interrupt to another processor.
  public static let interruptCommand: UInt32 = 0x830
  /// Vector and mode of the timer.
  public static let timerVector: UInt32 = 0x832
  /// Vector and mode of the interrupts of the two 8259s.
  public static let localInterrupt0: UInt32 = 0x835
  /// Where the timer starts to count down.
  public static let timerInitialCount: UInt32 = 0x838
  /// By what the timer divides its clock.
  public static let timerDivisor: UInt32 = 0x83e
  /// KVM's clock, the newer one (Linux, Documentation/virt/kvm/x86/msr.rst).
  public static let kvmSystemTime: UInt32 = 0x4b56_4d01
  /// EFER: SYSCALL, long mode, no-execute.
  public static let extendedFeatures: UInt32 = 0xc000_0080
  /// STAR: the segments of SYSCALL and SYSRET.
  public static let syscallSegments: UInt32 = 0xc000_0081
  /// LSTAR: where 64-bit code's SYSCALL arrives.
  public static let syscallEntry: UInt32 = 0xc000_0082
  /// CSTAR: where 32-bit code's SYSCALL arrives.
  public static let syscallEntry32: UInt32 = 0xc000_0083
  /// FMASK: the flags that SYSCALL clears.
  public static let syscallFlagMask: UInt32 = 0xc000_0084
}
