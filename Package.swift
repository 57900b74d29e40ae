// swift-tools-version:6.2

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "logbeam",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Logbeam", targets: ["Logbeam"]),
        .executable(name: "logbeam-spool", targets: ["logbeam-spool"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
    ],
    targets: [
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        .target(name: "LogbeamCore"),
        .target(name: "LogbeamSpool", dependencies: ["LogbeamCore", "CSQLite"]),
        .target(name: "LogbeamAWS", dependencies: ["LogbeamCore", "CCurl", "COpenSSL", "CZlib"]),
        .target(name: "LogbeamCloudWatch", dependencies: ["LogbeamCore", "LogbeamAWS"]),
        .target(
            name: "Logbeam",
            dependencies: [
                "LogbeamCore", "LogbeamSpool", "LogbeamAWS", "LogbeamCloudWatch",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .executableTarget(
            name: "logbeam-spool",
            dependencies: [
                "Logbeam", "LogbeamCore", "LogbeamSpool", "LogbeamAWS", "LogbeamCloudWatch",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]
        ),

        .executableTarget(
            name: "logbeam-demo-service",
            dependencies: ["Logbeam", .product(name: "Logging", package: "swift-log")]
        ),
        .executableTarget(
            name: "logbeam-bench",
            dependencies: [
                "CSQLite", "Logbeam", "LogbeamCore", "LogbeamSpool", "LogbeamTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["Python"]
        ),
        .target(
            name: "LogbeamTestSupport",
            dependencies: ["LogbeamCore", "COpenSSL", "CSQLite", "CZlib"],
            exclude: ["Python"]
        ),
        .executableTarget(name: "logbeam-local-endpoint", dependencies: ["LogbeamCore", "LogbeamTestSupport"]),
        .testTarget(
            name: "LogbeamTestSupportTests",
            dependencies: ["LogbeamCore", "LogbeamTestSupport", "CZlib"],
            exclude: ["Python"]
        ),
        .testTarget(name: "BenchTests", dependencies: ["logbeam-bench", "LogbeamTestSupport"]),
        // Run by the tests: what needs a process of its own.
        .executableTarget(
            name: "logbeam-spool-exerciser",
            dependencies: ["Logbeam", "LogbeamCore", "LogbeamSpool", .product(name: "Logging", package: "swift-log")]
        ),
        // Run by the tests: kills a program at a chosen system call.
        .executableTarget(name: "logbeam-kill-at"),
        .testTarget(name: "LogbeamCoreTests", dependencies: ["LogbeamCore", "LogbeamTestSupport"]),
        .testTarget(
            name: "LogbeamSpoolTests",
            dependencies: ["LogbeamSpool", "LogbeamTestSupport"],
            exclude: ["Fixtures"]
        ),
        .testTarget(
            name: "LogbeamAWSTests",
            dependencies: ["LogbeamAWS", "LogbeamCore", "LogbeamTestSupport"],
            exclude: ["Python"]
        ),
        .testTarget(name: "LogbeamCloudWatchTests", dependencies: ["LogbeamCloudWatch", "LogbeamTestSupport"]),
        .testTarget(
            name: "LogbeamTests",
            dependencies: [
                "Logbeam", "LogbeamAWS", "LogbeamCloudWatch", "LogbeamTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(name: "CrashTests", dependencies: ["LogbeamCore", "LogbeamSpool", "LogbeamTestSupport"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Logbeam", "LogbeamCore", "LogbeamAWS", "LogbeamCloudWatch", "LogbeamSpool", "LogbeamTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["Python"]
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "logbeam-spool", "Logbeam", "LogbeamCore", "LogbeamAWS", "LogbeamCloudWatch", "LogbeamSpool",
                "LogbeamTestSupport",
            ],
            exclude: ["Python"]
        ),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + strict
}
