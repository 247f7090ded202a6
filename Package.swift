// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours: warnings are errors, unsafe code is marked, and what Embedded Swift cannot compile is refused.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
]

/// Code that also runs inside the guest, where the plug-in compiles it with Embedded Swift.
let guest: [SwiftSetting] = strict + [.treatWarning("EmbeddedRestrictions", as: .error)]

/// Code that no product of the host's holds: there it is compiled to be checked and tested, and optimised by the
/// plug-in only.
let guestOnly: [SwiftSetting] = guest + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

/// Tools of the package's own, and what only they and rare messages use: quick to compile is what counts.
let tools: [SwiftSetting] = strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let tests: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "xokvm",
  products: [.executable(name: "xokvm", targets: ["xokvm"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    // The host: a KVM virtual machine monitor.
    .systemLibrary(name: "CKVM", path: "Sources/CKVM"),
    .systemLibrary(name: "CLinux", path: "Sources/CKVM/CLinux"),
    .target(name: "CodeMap", path: "Sources/Hypervisor/CodeMap", swiftSettings: tools),
    .target(
      name: "Hypervisor",
      dependencies: [
        "CKVM", "CLinux", "CodeMap", "VirtioLayout", "InternetStack", "ExokernelABI",
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Hypervisor", exclude: ["CodeMap", "Virtio/README.md"], swiftSettings: strict),

    // The exokernel, guest ring 0.
    .target(name: "ExokernelABI", path: "Sources/Exokernel/ABI", swiftSettings: guest),
    .target(name: "VirtioLayout", path: "Sources/Exokernel/VirtioLayout", swiftSettings: guest),
    .target(name: "DownloadedCode", path: "Sources/Exokernel/DownloadedCode", swiftSettings: guestOnly),
    .target(
      name: "ExokernelCore", dependencies: ["ExokernelABI", "DownloadedCode", "VirtioLayout"],
      path: "Sources/Exokernel/Core", swiftSettings: guestOnly),
    .target(name: "CallList", path: "Sources/Exokernel/CallList", swiftSettings: tools),
    .executableTarget(
      name: "GenerateCalls", dependencies: ["CallList"], path: "Sources/Exokernel/GenerateCalls",
      swiftSettings: tools),
    .systemLibrary(name: "CRingZero", path: "Sources/Exokernel/CRingZero"),
    .target(
      name: "RingZero", dependencies: ["ExokernelCore", "CRingZero"], path: "Sources/Exokernel/RingZero",
      exclude: [
        "Entry/Generated/call_table.S", "Entry/entries.S", "Entry/exits.S", "Entry/gates.S", "Entry/lock.S",
        "Entry/lock.inc", "Start/kernel.ld", "Start/rings.S", "Start/start.S", "Start/tables.S", "layout.inc",
        "memory.S",
      ],
      swiftSettings: guestOnly),

    // Library operating systems and their programs, guest ring 3.
    .systemLibrary(name: "CLibOS", path: "Sources/GuestLibOS/CLibOS"),
    .target(
      name: "LibOS", dependencies: ["ExokernelABI", "DownloadedCode", "CLibOS"], path: "Sources/GuestLibOS/LibOS",
      exclude: [
        "Calls/gate.S", "Calls/gate.inc", "Memory/memory.S", "Messages/transfers.S", "Start/program.ld",
        "Start/start.S",
        "Threads/threads.S", "Upcalls/upcalls.S",
      ], swiftSettings: guestOnly),
    .target(
      name: "InternetStack", path: "Sources/GuestLibOS/InternetStack", exclude: ["README.md"], swiftSettings: guest),
    .target(name: "FileSystems", path: "Sources/GuestLibOS/FileSystems", swiftSettings: guestOnly),
    .target(
      name: "HTTP", dependencies: ["FileSystems"], path: "Sources/GuestLibOS/HTTP",
      swiftSettings: guestOnly),
    .target(
      name: "Inspection", dependencies: ["ExokernelABI"], path: "Sources/GuestLibOS/Inspection",
      swiftSettings: guestOnly),
    .target(
      name: "Service",
      dependencies: ["LibOS", "ExokernelABI", "DownloadedCode", "InternetStack", "FileSystems", "HTTP"],
      path: "Sources/GuestLibOS/Service", swiftSettings: guestOnly),
    .target(
      name: "BooksApp", dependencies: ["LibOS", "ExokernelABI", "Inspection"], path: "Sources/GuestLibOS/Apps/Books",
      swiftSettings: guestOnly),
    .target(
      name: "HelloApp", dependencies: ["LibOS"], path: "Sources/GuestLibOS/Apps/Hello",
      swiftSettings: guestOnly),
    .target(
      name: "PrimitivesApp", dependencies: ["LibOS"], path: "Sources/GuestLibOS/Apps/Primitives",
      swiftSettings: guestOnly),
    .target(
      name: "FuzzApp", dependencies: ["LibOS"], path: "Sources/GuestLibOS/Apps/Fuzz",
      swiftSettings: guestOnly),
    .target(
      name: "StatusApp", dependencies: ["LibOS", "ExokernelABI", "FileSystems", "HTTP", "Inspection", "Service"],
      path: "Sources/GuestLibOS/Apps/Status", swiftSettings: guestOnly),
    .target(
      name: "WebApp", dependencies: ["LibOS", "ExokernelABI", "FileSystems", "Service"],
      path: "Sources/GuestLibOS/Apps/Web", swiftSettings: guestOnly),

    // Guest images: compiled for the guest by the plug-in, carried inside the command.
    .target(name: "BootArchive", path: "Sources/xokvm/BootArchive", swiftSettings: strict),
    .executableTarget(
      name: "GuestBuilder", dependencies: ["BootArchive", "CodeMap"], path: "Sources/xokvm/GuestBuilder",
      swiftSettings: [.treatAllWarnings(as: .error), .unsafeFlags(["-Onone"], .when(configuration: .release))]),
    .plugin(
      name: "BuildGuestImages", capability: .buildTool(),
      path: "Sources/xokvm/BuildGuestImages"),
    .target(
      name: "GuestImages", dependencies: ["BootArchive"], path: "Sources/xokvm/GuestImages", swiftSettings: strict,
      plugins: ["BuildGuestImages"]),
    .executableTarget(
      name: "xokvm",
      dependencies: [
        "CLinux", "CodeMap", "Hypervisor", "GuestImages", "BootArchive", "CallList", "ExokernelABI",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/xokvm/Command",
      swiftSettings: strict + [.unsafeFlags(["-static-executable"], .when(configuration: .release))],
      // Without the dynamic loader the command starts some 2 ms earlier. The libraries are those of the argument
      // parser's FoundationEssentials, which static linking does not find by itself.
      linkerSettings: [
        .unsafeFlags(
          ["-static-executable", "-l_FoundationCollections", "-l_FoundationCShims", "-lswiftSynchronization"],
          .when(configuration: .release))
      ]),

    // Tests, one target per module.
    .target(name: "RandomFixtures", path: "Tests/RandomFixtures", swiftSettings: tests),
    .target(name: "KernelFixtures", path: "Tests/KernelFixtures", swiftSettings: tests),
    .testTarget(
      name: "HypervisorTests",
      dependencies: [
        "CKVM", "CodeMap", "ExokernelABI", "Hypervisor", "VirtioLayout", "InternetStack", "KernelFixtures",
        "RandomFixtures",
      ],
      swiftSettings: tests),
    .testTarget(
      name: "ExokernelCoreTests",
      dependencies: [
        "CallList", "ExokernelCore", "ExokernelABI", "DownloadedCode", "VirtioLayout", "CRingZero", "GuestImages",
        "Hypervisor", "RandomFixtures",
      ],
      swiftSettings: tests),
    .testTarget(name: "TreeTests", swiftSettings: tests),
    .testTarget(
      name: "CodeMapTests", dependencies: ["CodeMap", "GuestImages", "RandomFixtures"], swiftSettings: tests),
    .testTarget(
      name: "CallListTests", dependencies: ["CallList", "ExokernelABI", "RandomFixtures"], swiftSettings: tests),
    .testTarget(
      name: "DownloadedCodeTests", dependencies: ["DownloadedCode", "RandomFixtures"], swiftSettings: tests),
    .testTarget(
      name: "InternetStackTests", dependencies: ["InternetStack", "RandomFixtures"], swiftSettings: tests),
    .target(
      name: "StorageFixtures", dependencies: ["FileSystems", "RandomFixtures"], path: "Tests/StorageFixtures",
      swiftSettings: tests),
    .testTarget(
      name: "FileSystemsTests", dependencies: ["FileSystems", "StorageFixtures", "RandomFixtures"],
      swiftSettings: tests),
    .testTarget(
      name: "HTTPTests", dependencies: ["HTTP", "FileSystems", "StorageFixtures", "RandomFixtures"],
      swiftSettings: tests),
    .testTarget(
      name: "InspectionTests", dependencies: ["Inspection", "ExokernelABI", "RandomFixtures"], swiftSettings: tests),
    .testTarget(
      name: "BootTests",
      dependencies: [
        "CallList", "Hypervisor", "GuestImages", "BootArchive", "KernelFixtures", "GuestBuilder", "xokvm",
      ],
      exclude: ["Guests"],
      swiftSettings: tests, plugins: ["BuildGuestImages"]),
  ]
)
