import ArgumentParser
import Hypervisor

/// `xokvm bench`: measures.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures what the exokernel's operations cost on this host.",
    subcommands: [Primitives.self])

  /// `xokvm bench primitives`.
  struct Primitives: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "primitives",
      abstract: "Counts the ring-0 instructions of each operation of the exokernel, and takes its time.",
      discussion: """
        Instructions are counted by single steps, the most over all rounds, and do not depend on the host's load. Nanoseconds are the \
        average seen by the program; they do. A packet's reception costs one instruction more for each eight bytes of its length; its \
        nanoseconds are those of the whole round trip, from the call that sends to the packet in the ring.
        """)

    @Flag(help: "Prints JSON instead of a table.")
    var json = false

    func run() throws {
      let operations = try PrimitivesBench().run()
      if json {
        var writer = JSONWriter()
        writer.object {
          $0.array("operations") { array in
            for operation in operations {
              array.object {
                $0.member("name", operation.name)
                $0.member("instructions", operation.instructions)
                $0.member("nanoseconds", operation.nanoseconds)
              }
            }
          }
        }
        print(writer.text, terminator: "")
        return
      }
      func row(_ name: String, _ instructions: String, _ nanoseconds: String) {
        func pad(_ text: String, _ width: Int) -> String {
          String(repeating: " ", count: max(0, width - text.count)) + text
        }
        print(
          name + String(repeating: " ", count: max(0, 16 - name.count)) + pad(instructions, 14) + pad(nanoseconds, 14))
      }
      row("operation", "instructions", "nanoseconds")
      for operation in operations { row(operation.name, "\(operation.instructions)", "\(operation.nanoseconds)") }
    }
  }
}
