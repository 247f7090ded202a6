import Hypervisor
import KernelFixtures

extension TestKernel {
  /// A machine that boots the kernel, its console in `path`.
  func configuration(console path: String? = nil, modules: [(ImageSource, String)] = [], commandLine: String = "")
    -> MachineConfiguration
  {
    var configuration = MachineConfiguration(
      boot: BootConfiguration(
        kernel: ImageSource(elf(), name: "test kernel"), modules: modules.map { (image: $0.0, commandLine: $0.1) },
        commandLine: commandLine))
    configuration.memoryByteCount = 16 << 20
    configuration.console = path.map { .file(path: $0) } ?? .none
    // No test waits for ever.
    configuration.timeLimit = 10_000_000_000
    return configuration
  }
}
