import Hypervisor

/// The files of one command line, and what each is for: an output that is one of the inputs, or another output, would
/// destroy it.
struct FileUses {
  private var uses: [(identity: FileIdentity, name: String)] = []

  /// Notes what is only read or is the guest's; a path that names nothing is refused elsewhere. `role` is the option or
  /// another word for what the file is.
  mutating func add(_ role: String, _ path: String) {
    guard let identity = FileIdentity(path: path) else { return }
    uses.append((identity, "\(role) \(path)"))
  }

  /// Notes an output, unless it is a file that is there for something else.
  mutating func add(output role: String, _ path: String) throws(CommandFailure) {
    guard let identity = FileIdentity(path: path) else { return }
    let name = role.hasSuffix("=") ? "\(role)\(path)" : "\(role) \(path)"
    if let other = uses.first(where: { $0.identity == identity }) {
      throw CommandFailure(
        status: .usage, "\(name) would write over the file of \(other.name): name another file for the output")
    }
    uses.append((identity, name))
  }
}
