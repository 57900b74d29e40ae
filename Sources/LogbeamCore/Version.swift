/// The version of logbeam, as its requests and its command name it.
package enum Version {
    package static let current = "0.1.0"
}
