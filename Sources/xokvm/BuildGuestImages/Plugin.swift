import Foundation
import PackagePlugin

/// Compiles the guest: the exokernel and the programs are built for a machine without an operating system and carried inside Swift source.
///
/// Applied to `GuestImages` it builds the kernel and the programs in Sources/GuestLibOS/Apps; applied to a test target, the programs in its
/// folder Guests, whose folder Support is a module that they import as GuestSupport.
@main struct BuildGuestImages: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
    let package = context.package.directoryURL
    let sources = package.appending(path: "Sources")
    let kernel = [
      "Exokernel/ABI", "Exokernel/DownloadedCode", "Exokernel/Core", "Exokernel/Machine", "Exokernel/CRingZero",
      "Exokernel/Assembly",
    ]
    let libOS = ["Exokernel/ABI", "Exokernel/DownloadedCode", "GuestLibOS", "Exokernel/Assembly"]
    if target.name == "GuestImages" {
      return [
        try command(
          "kernel", context, inputs: kernel.map { sources.appending(path: $0) }),
        try command("programs", context, inputs: libOS.map { sources.appending(path: $0) }),
      ]
    }
    let guests = target.directoryURL.appending(path: "Guests")
    return [
      try command("guests", context, inputs: libOS.map { sources.appending(path: $0) } + [guests], guests: guests)
    ]
  }

  private func command(_ image: String, _ context: PluginContext, inputs: [URL], guests: URL? = nil) throws -> Command {
    let output = context.pluginWorkDirectoryURL.appending(path: "\(image).swift")
    var arguments = [
      image, context.package.directoryURL.path, context.pluginWorkDirectoryURL.appending(path: image).path, output.path,
      try context.tool(named: "swiftc").url.path, try context.tool(named: "clang").url.path,
      try context.tool(named: "ld.lld").url.path,
    ]
    if let guests { arguments.append(guests.path) }
    return .buildCommand(
      displayName: "Compiling the guest's \(image)", executable: try context.tool(named: "GuestBuilder").url,
      arguments: arguments, inputFiles: inputs.flatMap(files), outputFiles: [output])
  }

  private func files(below folder: URL) -> [URL] {
    let all =
      FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
    return all.filter { ["swift", "S", "inc", "h", "ld", "modulemap"].contains($0.pathExtension) }.sorted {
      $0.path < $1.path
    }
  }
}
