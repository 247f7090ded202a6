import Foundation
import PackagePlugin

/// Compiles the guest: the exokernel and the programs are built for a machine without an operating system and carried
/// inside Swift source.
///
/// Applied to `GuestImages` it builds the kernel and the programs in Sources/GuestLibOS/Apps; applied to a test target,
/// the programs in its folder Guests, whose folder Support is a module that they import as GuestSupport. Objects and
/// interfaces lie in one folder beside all targets' outputs, so that the library operating system is compiled once for
/// all of them, and for debug and release builds.
///
/// The builder is compiled by a command of its own, not as a tool that the plug-in depends on: the package manager
/// builds such tools twice, with two records of what is up to date, so that a second build with nothing changed would
/// link them, and run them, again.
@main struct BuildGuestImages: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    let sources = context.package.directoryURL.appending(path: "Sources")
    // outputs/PACKAGE/TARGET/destination/PLUGIN
    var work = context.pluginWorkDirectoryURL
    for _ in 0..<4 { work.deleteLastPathComponent() }
    let images = Images(context: context, work: work.appending(path: "guest"))
    let libOS = ["Exokernel/ABI", "Exokernel/DownloadedCode", "GuestLibOS", "Exokernel/Assembly"]
      .map { sources.appending(path: $0) }
    if target.name == "GuestImages" {
      return [
        try images.builderCommand(
          ["xokvm/GuestBuilder", "xokvm/BootArchive", "Hypervisor/CodeMap"].map { sources.appending(path: $0) }),
        try images.command("kernel", inputs: [sources.appending(path: "Exokernel")]),
        try images.command("programs", inputs: libOS),
      ]
    }
    // The builder is that of `GuestImages`, on which the tests depend.
    let guests = target.directoryURL.appending(path: "Guests")
    return [try images.command("guests", inputs: libOS + [guests], guests: guests)]
  }
}

/// The commands of one target.
private struct Images {
  let context: PluginContext
  let work: URL

  /// Compiles the builder. What the command makes for the package manager is a file of Swift without a declaration: an
  /// output that is not Swift would be copied beside the product as a resource.
  func builderCommand(_ folders: [URL]) throws -> Command {
    let sources = folders.flatMap(files)
    return .buildCommand(
      displayName: "Compiling the guest's builder", executable: shell,
      arguments: [
        "-c", "stamp=$1 && shift && \"$@\" && echo '// The builder is compiled.' >\"$stamp\"", "sh", stamp.path,
        try context.tool(named: "swiftc").url.path, "-O", "-swift-version", "6", "-parse-as-library", "-module-name",
        "GuestBuilder", "-o", builder.path,
      ] + sources.map(\.path),
      inputFiles: sources, outputFiles: [stamp])
  }

  /// Builds an image, and maps of its code but for the tests' programs.
  func command(_ image: String, inputs: [URL], guests: URL? = nil) throws -> Command {
    let output = context.pluginWorkDirectoryURL.appending(path: "\(image).swift")
    var arguments = [builder.path, "images", image, context.package.directoryURL.path, work.path, output.path]
    for tool in ["swiftc", "clang", "ld.lld", "llvm-objcopy"] {
      arguments.append(try context.tool(named: tool).url.path)
    }
    if let guests { arguments.append(guests.path) }
    let maps = context.pluginWorkDirectoryURL.appending(path: "\(image)Maps.swift")
    return .buildCommand(
      displayName: "Compiling the guest's \(image)", executable: shell,
      arguments: ["-c", "exec \"$@\"", "sh"] + arguments,
      inputFiles: inputs.flatMap(files) + [stamp], outputFiles: guests == nil ? [output, maps] : [output])
  }

  private var builder: URL { work.appending(path: "GuestBuilder") }
  private var stamp: URL { work.appending(path: "GuestBuilder.swift") }
  private var shell: URL { URL(filePath: "/bin/sh") }

  private func files(below folder: URL) -> [URL] {
    let all =
      FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
    return all.filter { ["swift", "S", "inc", "h", "ld", "modulemap"].contains($0.pathExtension) }.sorted {
      $0.path < $1.path
    }
  }
}
