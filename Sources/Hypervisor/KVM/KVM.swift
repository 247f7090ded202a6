import CKVM
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The host's KVM: the open device, whose interface version and capabilities were checked.
public struct KVM: ~Copyable {
  private let descriptor: OwnedDescriptor

  /// What a virtual machine of ours cannot do without, all of it in Linux since 4.12.
  private static let required: [(capability: Int32, name: String)] = [
    (KVM_CAP_USER_MEMORY, "user memory regions"), (KVM_CAP_IRQCHIP, "an in-kernel interrupt controller"),
    (KVM_CAP_EXT_CPUID, "CPUID control"), (KVM_CAP_IRQFD, "irqfd"), (KVM_CAP_IOEVENTFD, "ioeventfd"),
    (KVM_CAP_MP_STATE, "vCPU states"), (KVM_CAP_IMMEDIATE_EXIT, "immediate exit"),
  ]

  /// Opens KVM. `path` is another device only in tests.
  public init(path: String = "/dev/kvm") throws(KVMError) {
    // Safe: the string lives for the duration of the call.
    let fd = unsafe open(path, O_RDWR | O_CLOEXEC)
    guard fd >= 0 else { throw Self.openError(path: path, Errno(rawValue: errno)) }
    let descriptor = OwnedDescriptor(fd)
    let version: Int32
    do {
      version = try KVMCall.value(descriptor, CKVM_GET_API_VERSION)
    } catch {
      throw .cannotOpen(path: path, error)
    }
    guard version == KVM_API_VERSION else { throw .wrongVersion(version) }
    for (capability, name) in Self.required where Self.extent(of: capability, descriptor) == 0 {
      throw .missingCapability(name)
    }
    self.descriptor = descriptor
  }

  private static func openError(path: String, _ reason: Errno) -> KVMError {
    switch reason {
    case .noSuchFileOrDirectory, Errno(rawValue: ENODEV), .noSuchAddressOrDevice:
      .noDevice(path: path, module: HostProcessor.virtualizationModule())
    case .permissionDenied, .notPermitted: .noPermission(path: path, group: HostProcessor.groupWithAccess(to: path))
    default: .cannotOpen(path: path, reason)
    }
  }

  private static func extent(of capability: Int32, _ descriptor: borrowing OwnedDescriptor) -> Int32 {
    (try? KVMCall.value(descriptor, CKVM_CHECK_EXTENSION, Int(capability))) ?? 0
  }

  /// What KVM answers for one of its `KVM_CAP_` numbers: 0 where it lacks the capability, else 1 or an amount.
  public func extent(of capability: Int32) -> Int32 {
    Self.extent(of: capability, descriptor)
  }

  /// The CPUID leaves that KVM can show a guest on this processor, before topology is put in.
  public func supportedCPUID() throws(KVMError) -> CPUID {
    do {
      // Safe: the request stores a table.
      return try unsafe CPUID.load { (table) throws(Errno) in
        // Safe: the table has the room that its count says.
        try unsafe KVMCall.raw(descriptor, CKVM_GET_SUPPORTED_CPUID, table)
      }
    } catch {
      throw .refused(request: "KVM_GET_SUPPORTED_CPUID", error)
    }
  }

  /// Makes an empty virtual machine.
  public func makeVirtualMachine() throws(KVMError) -> VirtualMachineDescriptor {
    do {
      return VirtualMachineDescriptor(
        descriptor: OwnedDescriptor(try KVMCall.value(descriptor, CKVM_CREATE_VM)),
        processorLimit: Int(extent(of: KVM_CAP_MAX_VCPUS)),
        runByteCount: Int(try KVMCall.value(descriptor, CKVM_GET_VCPU_MMAP_SIZE)),
        hasDeadlineTimer: extent(of: KVM_CAP_TSC_DEADLINE_TIMER) > 0,
        hasStatistics: extent(of: KVM_CAP_BINARY_STATS_FD) > 0)
    } catch {
      throw .refused(request: "KVM_CREATE_VM", error)
    }
  }
}
