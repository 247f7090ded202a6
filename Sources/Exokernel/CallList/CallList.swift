/// The kernel's calls.
public enum CallList {
  /// All of them, in the order of their numbers.
  public static let all: [CallDescription] =
    (processor + capabilities + environments + memory + devices).sorted { $0.number < $1.number }
}
