import SystemPackage

/// Why the host's KVM cannot run the virtual machine.
public enum KVMError: Error, Equatable, CustomStringConvertible {
  /// There is no KVM device. `module` is the kernel module that fits the processor, or nil where its virtualization is
  /// off.
  case noDevice(path: String, module: String?)
  /// The device may not be opened. `group` is the group the device node belongs to, where that has rights on it.
  case noPermission(path: String, group: String?)
  /// The device cannot be opened for another reason.
  case cannotOpen(path: String, Errno)
  /// KVM speaks another version of its interface than 12, the only one there is since Linux 2.6.22.
  case wrongVersion(Int32)
  /// KVM lacks something the virtual machine needs.
  case missingCapability(String)
  /// KVM refused a request.
  case refused(request: String, Errno)
  /// More vCPUs were asked for than KVM allows.
  case tooManyProcessors(asked: Int, most: Int)

  /// What went wrong and what to do, for a person.
  public var description: String {
    switch self {
    case .noDevice(let path, let module?):
      "\(path) does not exist: load KVM with 'modprobe \(module)'"
    case .noDevice(let path, nil):
      "\(path) does not exist: switch on virtualization (VT-x or AMD-V) in the firmware, or nested virtualization in the "
        + "outer hypervisor, then load the module kvm_intel or kvm_amd"
    case .noPermission(let path, let group?):
      "no permission for \(path): join its group with 'sudo usermod -aG \(group) $USER' and log in again"
    case .noPermission(let path, nil):
      "no permission for \(path), which belongs to root alone: run as root, or give it to a group with "
        + "'chgrp kvm \(path) && chmod 660 \(path)' and join that"
    case .cannotOpen(let path, let errno):
      "cannot open \(path) (\(errno)): check that it is the KVM device and that no other hypervisor holds the processor"
    case .wrongVersion(let version):
      "KVM has interface version \(version), not 12: use a newer Linux kernel"
    case .missingCapability(let name):
      "this KVM lacks \(name): use Linux 5.10 or newer"
    case .refused(let request, let errno):
      "KVM refuses \(request) (\(errno)): see the kernel log (dmesg) for the reason"
    case .tooManyProcessors(let asked, let most):
      "\(asked) vCPUs are too many for this KVM: choose --cpus \(most) or less"
    }
  }
}
