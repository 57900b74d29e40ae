internal import Logbeam
internal import LogbeamAWS

/// The least IAM policy that lets logbeam ship into a log stream. Pure.
struct PolicyDocument {
    /// What is made where it is missing.
    enum Creation: String, CaseIterable {
        /// Nothing: group and stream are there.
        case nothing
        /// The stream.
        case stream
        /// The group, and the stream in it.
        case group
    }

    var region: String
    /// Twelve digits, or whatever stands for them.
    var account: String
    var logGroup: String
    /// Placeholders stand for any text; `nil` stands for every stream.
    var logStream: StreamNameTemplate?
    var creation = Creation.stream
    /// Whether a group that is made gets a retention, and tags.
    var setsRetention = false
    var setsTags = false
    /// Whether batches in doubt are looked for (`reconcileAfter`).
    var reconciles = false

    /// The document, with line breaks, as IAM takes it.
    var text: String {
        let statements = self.statements.map { statement in
            """
                {
                  "Effect": "Allow",
                  "Action": \(Self.list(statement.actions)),
                  "Resource": \(Self.list(statement.resources))
                }
            """
        }
        return """
            {
              "Version": "2012-10-17",
              "Statement": [
            \(statements.joined(separator: ",\n"))
              ]
            }

            """
    }

    private var statements: [(actions: [String], resources: [String])] {
        var onStream = ["logs:PutLogEvents"]
        if creation != .nothing { onStream.append("logs:CreateLogStream") }
        if reconciles { onStream.append("logs:GetLogEvents") }
        var statements = [(onStream, ["\(group):log-stream:\(streams)"])]
        guard creation == .group else { return statements }
        // All but the tags want the form with `:*` (LogGroup, Amazon CloudWatch Logs API Reference).
        statements.append(
            (["logs:CreateLogGroup"] + (setsRetention ? ["logs:PutRetentionPolicy"] : []), ["\(group):*"])
        )
        if setsTags { statements.append((["logs:TagResource"], [group])) }
        return statements
    }

    private var group: String {
        "arn:\(AWSPartition.of(region: region).id):logs:\(region):\(account):log-group:\(logGroup)"
    }

    private var streams: String {
        guard let logStream else { return "*" }
        return logStream.pieces.map { if case .literal(let text) = $0 { Self.literal(text) } else { "*" } }.joined()
    }

    private static func list(_ texts: [String]) -> String {
        texts.count == 1 ? texts[0].jsonQuoted : "[\(texts.map(\.jsonQuoted).joined(separator: ", "))]"
    }

    /// A literal in a pattern of IAM, in which `*`, `?` and `${` have a meaning of their own (IAM policy elements: variables
    /// and tags).
    private static func literal(_ text: String) -> String {
        text.map { $0 == "?" || $0 == "$" ? "${\($0)}" : String($0) }.joined()
    }
}
