import Foundation
import GuestImages

extension BadInput {
  /// Outputs beside input that is refused, and outputs that would write over something.
  static let outputs = [
    refused("a program", 66, ["--app", "nobody"]), refused("a disk", 66, ["--disk", "nothing.img"]),
    refused("a kernel", 66, ["nothing.elf"]), refused("memory", 65, ["--memory", "1"]),
    refused("too little memory for the kernel", 65, ["--memory", "11"]),
    refused("a network", 66, ["--network", "unix=nothing"]),
    refused("a command line", 64, ["--command-line", String(repeating: "x", count: 10_000)]),
    BadInput("a console that cannot be made, with an old file for measures", 73, "no/folder") {
      try $0.store("measures", "old".utf8)
      return ["boot", "--stats", "measures", "--console", "file=no/folder"]
    },
    BadInput("a kernel that is not there to fuzz, with an old file for the console", 66, "nothing") {
      try $0.store("console", "old".utf8)
      return ["fuzz", "--kernel", "nothing", "--console", "console"]
    },
    inUse("the disk", "--disk", ["--disk", "file", "--stats", "file"]),
    inUse("the disk by another path", "--disk", ["--disk", "file", "--stats", "./file"]),
    inUse("the disk by a hard link", "--disk", ["--disk", "file", "--console", "file=hard"]),
    inUse("the disk by a symbolic link", "--disk", ["--disk", "soft", "--console", "file=file"]),
    inUse("a read-only disk", "--disk", ["--disk", "file,readonly", "--console", "file=file"]),
    inUse("the kernel", "the kernel", ["file", "--stats", "file"]),
    inUse("a module", "--module", ["--module", "file", "--stats", "file"]),
    inUse("a program", "--app", ["--app", "./file", "--console", "file=hard"]),
    inUse("the other output", "--stats file", ["--stats", "file", "--console", "file=file"]),
    inUse("the other output, which is new", "--stats new", ["--stats", "new", "--console", "file=./new"]),
    inUse("the kernel to fuzz", "--kernel", ["--kernel", "file", "--console", "hard"], command: "fuzz"),
    inUse("the other image", "--programs", ["--kernel", "file", "--programs", "hard"], command: "image"),
    inUse("the other image, which is new", "new", ["--kernel", "new", "--programs", "./new"], command: "image"),
    BadInput("an image that cannot be made behind one that can", 73, "no/folder") {
      try $0.store("old", "old".utf8)
      return ["image", "--kernel", "old", "--programs", "no/folder"]
    },
    BadInput("an image that may not be written behind one that may", 73, "old-too", unprivileged: true) {
      try $0.store("old", "old".utf8)
      chmod(try $0.store("old-too", "old".utf8), 0o444)
      return ["image", "--kernel", "old", "--programs", "old-too"]
    },
  ]

  /// Once with old files for output, which must stay, and new ones, which must not.
  private static func refused(_ what: String, _ status: Int32, _ arguments: [String]) -> BadInput {
    BadInput("\(what) that is refused, with files for output", status) {
      try $0.store("old", "old".utf8)
      let files = arguments.count % 4 == 2 ? ("old", "new") : ("new", "old")
      return ["boot"] + arguments + ["--stats", files.0, "--console", "file=" + files.1]
    }
  }

  /// The folder has one file, by the names `file`, `hard` and `soft`, which is a program and a kernel as good as any.
  private static func inUse(
    _ what: String, _ says: String, _ arguments: [String], command: String = "boot"
  ) -> BadInput {
    BadInput("an output that is \(what)", 64, says, command == "image" ? "name another" : "would write over") {
      let file = try $0.store("file", GuestImages.kernel())
      link(file, $0.path("hard"))
      symlink("file", $0.path("soft"))
      return [command] + arguments
    }
  }
}
