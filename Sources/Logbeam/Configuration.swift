internal import LogbeamCore
public import Logging

extension LogShipper {
    /// Where a shipper spools, where it ships to, and how.
    ///
    /// Only the names of the log group and the log stream have no default. ``validate()`` says whether a configuration
    /// can work; a shipper asks it before anything else.
    public struct Configuration: Sendable {
        /// The log group: 1 to 512 letters, digits, `_`, `-`, `/`, `.` and `#` (CreateLogGroup, Amazon CloudWatch Logs
        /// API Reference). It is made if it does not exist; see ``logGroup`` and ``createsLogGroup``.
        public var logGroupName: String

        /// The log stream: 1 to 512 characters without `:` and `*` (CreateLogStream, Amazon CloudWatch Logs API
        /// Reference). It is made if it does not exist; see ``createsLogStream``.
        ///
        /// It may hold placeholders, which are replaced once, when the shipper is made. `:` and `*` in what stands for
        /// them become `-`. Write `{{` and `}}` for braces.
        ///
        /// | placeholder | stands for |
        /// |---|---|
        /// | `{hostname}` | the name of the machine (gethostname) |
        /// | `{instance_id}` | the id of the EC2 instance: from the firmware, from cloud-init, else from the instance metadata service, which is waited for two seconds at most |
        /// | `{ip_address}` | the first IPv4 address, else IPv6, of an interface that is up, without loopback |
        /// | `{pid}` | the id of the process |
        /// | `{program}` | the name of the executable's file |
        /// | `{date:FORMAT}` | the time in UTC by `%Y %m %d %H %M %S %j %%` of strftime: `{date:%Y-%m-%d}` |
        ///
        /// What can not be found is a ``ConfigurationError``.
        public var logStreamName: String

        /// What a log group is made with where it is missing: retention, class, tags, encryption.
        ///
        /// `logbeam-spool drain` and `ship` know neither this nor the next two settings: they make what is missing, with the
        /// service's defaults.
        public var logGroup: LogGroupSettings

        /// Whether a log group that is missing is made; `true` by default.
        ///
        /// Where it is not, records wait in the spool, `logbeam-spool status` says why, and it is tried again slowly.
        public var createsLogGroup: Bool

        /// Whether a log stream that is missing is made; `true` by default. Where it is not, a group is not made either,
        /// and records wait as with ``createsLogGroup``.
        public var createsLogStream: Bool

        /// The path of the spool, an SQLite database. Any number of processes may share one. Whichever of them uploads
        /// ships everything in it, with its own credentials, region and client: one spool, one AWS account. Within a process
        /// it is a ``ConfigurationError`` where shippers would upload from one spool with different clients, regions,
        /// endpoints or profiles, as they are set here: give each a spool of its own.
        ///
        /// 1 to 504 bytes, which is what SQLite opens (512, less 8 for the suffix of its journal). Neither `:memory:`
        /// nor a `file:` URI, which SQLite would not take for a path, nor a leading `~/`, which only a shell replaces. A
        /// relative path begins where the process is when the shipper is made. See ``defaultSpoolPath()``.
        public var spool: String

        /// The most bytes that the spool takes on the disk, its write-ahead log included. A quarter, 64 MiB at the most, is
        /// set apart for the log.
        ///
        /// 16,777,216 (16 MiB, which holds several batches) to 1,099,511,627,776 (1 TiB); 1,073,741,824 (1 GiB) by default.
        /// It is kept within one batch. Each process that shares the spool keeps to its own setting, whatever the size has
        /// come from. See ``whenFull``.
        public var maxSpoolSize: Int

        /// What happens when a record comes for which ``maxSpoolSize`` leaves no room; ``WhenFull/dropOldest`` by default.
        public var whenFull: WhenFull

        /// What happens when a record comes for which there is no room.
        ///
        /// What is dropped or refused is counted by reason in `gaps` with the times of the first and the last, is in
        /// `logbeam-spool status`, and is told by a record in the log stream itself: when it has come to an end for a
        /// second, and once a minute while it goes on.
        public enum WhenFull: Sendable, Hashable {
            /// It takes the place of the oldest pending records, of whatever stream, but for those of batches that are on
            /// their way or in doubt. Where there are no others, it is refused as with ``dropNewest``.
            case dropOldest
            /// It goes to standard error instead.
            case dropNewest
            /// `log()` waits until the uploader has made room, so long at most; then as ``dropNewest``. Zero to 1 hour.
            ///
            /// Threads that wait are woken by this process's uploader, and look ten times a second whether that of another
            /// process has made room. What a client of your own logs during an upload does not wait.
            ///
            /// With a client of your own (``logsClient``), let threads wait, and no tasks: the calls of the client run where
            /// tasks do, and as many tasks that wait as there are processors keep it from making room until their time is up.
            case block(timeout: Duration)
        }

        /// Whether this process may upload; `true` by default.
        ///
        /// Where it is off, `log()` commits to the spool as ever, and another process ships it: `logbeam-spool ship`, or a
        /// service with the same spool. See <doc:Shipping> for what each setting does then.
        public var uploads: Bool

        /// How old the oldest record of a stream becomes before its batch is sent, full or not.
        ///
        /// 10 s by default. More than zero, and at most 24 hours because no batch may span more (PutLogEvents).
        public var bufferDuration: Duration

        /// How many records a stream gathers before its batch is sent.
        ///
        /// 1 to 10,000 (PutLogEvents); 10,000 by default. A batch holds more than that where more are waiting when it is
        /// sent, after an outage say, and batches that are sent for their count alone go at most ten times a second: so a
        /// small setting makes neither a storm of requests nor a backlog that never drains. A setting of some hundreds
        /// brings records to CloudWatch sooner; ``bufferDuration`` is the better way to that.
        public var batchCount: Int

        /// How many bytes a stream gathers before its batch is sent, and the most that a batch holds: the UTF-8 of the
        /// messages and 26 bytes for each, as PutLogEvents counts.
        ///
        /// 1,024 to 1,048,576 (PutLogEvents); 1,048,576 by default. A batch must hold the longest message alone, and
        /// below 1,024 there is no room for ordinary lines; see ``effectiveMaximumMessageSize``.
        public var batchSize: Int

        /// What talks to CloudWatch Logs; `nil`, the default, for the client that is built in.
        ///
        /// With a client of your own ``region``, ``endpointURL``, ``profile``, ``gzip``, ``connectTimeout`` and
        /// ``reconcileAfter`` have no effect, and ``requestTimeout`` breaks off no request.
        public var logsClient: (any CloudWatchLogsClient)?

        /// The most batches on their way to CloudWatch Logs at once, also of one log stream: the service takes them in any
        /// order (PutLogEvents). 1 to 16; 2 by default.
        ///
        /// More hide the time that an answer takes, for whoever logs more than a batch in that time. Each takes about 3 MiB
        /// of memory and a connection, and may be in doubt after a crash, so that it arrives twice. With 1, a request that
        /// hangs holds up all streams until ``requestTimeout``.
        public var maximumInFlight: Int

        /// The least time between two batches of one log stream. Zero, the default, to 1 minute: the service asks for none
        /// since 2023; the Python original keeps 200 ms.
        public var putInterval: Duration

        /// The most batches a second that this process sends, whatever their log stream; `nil`, the default, for no bound.
        /// 1 to 1,000.
        public var putsPerSecond: Int?

        /// How long after an attempt to send a batch ended without an answer the service is asked what of it has arrived all the
        /// same (GetLogEvents), so that only the rest is sent again. Its stream waits as long. `nil`, the default: it is not
        /// asked, and the batch is sent again as it is. Zero to 10 minutes.
        ///
        /// CloudWatch Logs shows an event some time after it took it, and promises no bound: 10 s is a sensible value, and
        /// what it does not show by then arrives twice. Records of one stream with the same millisecond and the same text
        /// are told apart by their number alone. Needs the permission `logs:GetLogEvents`; without it the batch is sent
        /// again as it is. A client of one's own is not asked, nor waited for.
        public var reconcileAfter: Duration?

        /// How a record becomes a message; ``RecordFormat/text`` by default.
        public var format: RecordFormat

        /// The longest message that is kept whole, in bytes of UTF-8.
        ///
        /// 256 to 1,048,550, the default: an event of PutLogEvents is at most 1 MB (1,048,576 bytes), of which 26 are
        /// not message. Regions with the old limit of 256 KB need 262,118. Below 256 a message that is cut would hold
        /// little but the note that it was.
        public var maximumMessageSize: Int

        /// What becomes of a longer message; ``Oversize/truncate`` by default.
        public var oversize: Oversize

        /// What becomes of a message that is longer than ``effectiveMaximumMessageSize``.
        public enum Oversize: Sendable {
            /// It is cut, and ends in ` [truncated: N bytes cut]`; in the format ``RecordFormat/json`` it is no JSON any more.
            case truncate
            /// It becomes numbered records of at most that size, which are committed all or none, with one timestamp:
            ///
            /// ```
            /// [part 01/03 of 9f86d081884c7d65] the text begins here
            /// ```
            ///
            /// The 16 digits are drawn at random for each message. Text is cut between characters; only one of more than 128
            /// bytes may be cut, between its Unicode scalars.
            /// What follows the heads, put together, is the message byte for byte. A message of more than 99 parts is
            /// truncated at the end of the last. The parts of a message in the format ``RecordFormat/json`` are no JSON,
            /// so CloudWatch Logs discovers no fields in them. What a client of your own logs during an upload is
            /// truncated all the same.
            ///
            /// This query of CloudWatch Logs Insights shows the parts, each message's together and in order:
            ///
            /// ```
            /// fields @timestamp, @message
            /// | parse @message /^\[part (?<part>\d\d)\/(?<parts>\d\d) of (?<messageID>[0-9a-f]{16})\] /
            /// | filter ispresent(messageID)
            /// | sort @timestamp asc, messageID asc, part asc
            /// ```
            case split
        }

        /// The region; `nil`, the default, for `AWS_REGION`, else `AWS_DEFAULT_REGION`, the profile's, the instance's.
        ///
        /// A label of a host name, 1 to 63 letters, digits and hyphens: it becomes part of one.
        public var region: String?

        /// The endpoint to use in place of the region's: an `http` or `https` URL without user name and password, at
        /// most 2,048 bytes. `nil`, the default, for `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`, else
        /// `AWS_ENDPOINT_URL`, the profile's `endpoint_url`, the region's own.
        public var endpointURL: String?

        /// The profile in the shared AWS files; `nil`, the default, for `AWS_DEFAULT_PROFILE`, else `AWS_PROFILE`, else
        /// `default`.
        ///
        /// 1 to 256 bytes without control characters.
        public var profile: String?

        /// Whether requests over 1 KiB are compressed; `true` by default. Requests to a plain `http` endpoint never are: it
        /// is a stand-in on the same machine.
        public var gzip: Bool

        /// How long a connection may take to be made, the look-up of the name and TLS included. 1 ms to 1 hour; 15 s by
        /// default, in which a resolver asks three name servers (resolv.conf(5): 5 s each).
        public var connectTimeout: Duration

        /// How long a request may take from its start to the end of its answer, and a second more for each 8 KiB of its body.
        /// 1 ms to 1 hour; 30 s by default.
        public var requestTimeout: Duration

        /// How long a process that ends normally, by `exit` or by returning from `main`, may be held up to send what it has
        /// logged; and how long a shipper that nobody has any more goes on, which holds nobody up. What is not sent by then
        /// stays in the spool. Zero, which turns this off, to 1 hour; 5 s by default. What stands in a journal is moved into
        /// the spool in any case. See <doc:Ending>.
        public var exitFlushTimeout: Duration

        /// The longest that `log()` waits while another process writes to the spool. After it the record goes to
        /// standard error. Zero, which does not wait, to 1 minute; 5 s by default. Where it is less than a second, threads of
        /// this process wait up to a second for one another all the same: each has its turn after a commit.
        public var commitTimeout: Duration

        /// How long the process that uploads may show no sign of life before another takes over. 1 second to 1 hour; 30 s by
        /// default. A process that has ended is not waited for: it has a successor within a second.
        ///
        /// It is for an uploader that hangs, or is stopped (`SIGSTOP`, a container that is frozen). When that wakes up, it
        /// neither deletes nor sends anything more: the batches that it had on their way are in doubt, and nothing else. A
        /// few seconds may take a process for one that hangs which only waits for a slow disk.
        public var leaseLapse: Duration

        /// What a record survives once `log()` has returned; ``Durability/processCrash`` by default.
        public var durability: Durability

        /// Whether `log()` writes a record to a journal first, from which a thread moves it into the spool within
        /// milliseconds; `false` by default: `log()` commits to the spool itself.
        ///
        /// It makes `log()` several times as fast, and a record survives the death of the process all the same: whoever
        /// opens the spool next, the command included, first moves what the journal of a dead process holds. What
        /// changes:
        ///
        /// - A record is not in the spool yet when `log()` returns, so a look into it with `sqlite3` may come too early.
        /// - Two halves of 1 MiB each lie in memory, and a file of 2 MiB beside the spool, `NAME.journal-` and random digits,
        ///   which is not in ``maxSpoolSize`` and must stay with the spool where that is moved after a crash.
        /// - What the spool has no room for is dropped or refused when the record is moved: see ``whenFull``. While the
        ///   spool takes nothing, the journal does until it is full; then a record goes to standard error, or waits, as
        ///   without one.
        /// - Where the journal is full and the spool busy, `log()` may wait for ``commitTimeout`` several times: for
        ///   its turn, for others who move what is in the journal, to move both of its halves itself, and for its turn
        ///   again, which makes five; where other threads have filled it meanwhile, four times more, to move that and
        ///   to commit the record itself.
        ///
        /// It pays for a service that logs thousands of records a second; one that logs little gains nothing. Records
        /// that wait for the disk (``Durability/powerLoss(from:)``) or are longer than 64 KiB are committed to the
        /// spool itself, after what was logged before; with ``Durability/powerLoss`` there is no journal.
        public var usesJournal: Bool

        /// What a record survives once `log()` has returned.
        public struct Durability: Sendable, Hashable {
            /// The death of the process at any instruction, SIGKILL included. After a power cut or a crash of the
            /// kernel the last records may be missing; the spool is consistent all the same.
            public static let processCrash = Durability(kind: .processCrash)

            /// The above and the loss of power: each commit waits for the disk (`fsync`), which takes milliseconds on
            /// many.
            public static let powerLoss = Durability(kind: .powerLoss)

            /// The death of the process; and from a level on the loss of power too.
            ///
            /// When `log()` returns for a record of this level or above, the disk has that record and all that this
            /// spool has committed before it, whatever their level, handler or process. That takes as long as the disk
            /// takes to sync; those who log below the level do not wait for it. Where the disk fails to sync, the record
            /// is in the spool, and goes to standard error too.
            public static func powerLoss(from level: Logger.Level) -> Durability {
                Durability(kind: .powerLossFrom(level))
            }

            private enum Kind: Hashable {
                case processCrash, powerLoss
                case powerLossFrom(Logger.Level)
            }

            private let kind: Kind

            /// Whether a record must be synced after its commit.
            func syncs(_ level: Logger.Level) -> Bool {
                if case .powerLossFrom(let lowest) = kind { level >= lowest } else { false }
            }
        }

        /// Creates a configuration. Nothing is checked or opened here; see ``validate()``.
        public init(
            logGroupName: String,
            logStreamName: String,
            logGroup: LogGroupSettings = LogGroupSettings(),
            createsLogGroup: Bool = true,
            createsLogStream: Bool = true,
            spool: String = defaultSpoolPath(),
            maxSpoolSize: Int = 1_073_741_824,
            whenFull: WhenFull = .dropOldest,
            uploads: Bool = true,
            bufferDuration: Duration = .seconds(10),
            batchCount: Int = 10_000,
            batchSize: Int = 1_048_576,
            logsClient: (any CloudWatchLogsClient)? = nil,
            maximumInFlight: Int = 2,
            putInterval: Duration = .zero,
            putsPerSecond: Int? = nil,
            reconcileAfter: Duration? = nil,
            format: RecordFormat = .text,
            maximumMessageSize: Int = 1_048_550,
            oversize: Oversize = .truncate,
            region: String? = nil,
            endpointURL: String? = nil,
            profile: String? = nil,
            gzip: Bool = true,
            connectTimeout: Duration = .seconds(15),
            requestTimeout: Duration = .seconds(30),
            exitFlushTimeout: Duration = .seconds(5),
            commitTimeout: Duration = .seconds(5),
            leaseLapse: Duration = .seconds(30),
            durability: Durability = .processCrash,
            usesJournal: Bool = false
        ) {
            self.logGroupName = logGroupName
            self.logStreamName = logStreamName
            self.logGroup = logGroup
            self.createsLogGroup = createsLogGroup
            self.createsLogStream = createsLogStream
            self.spool = spool
            self.maxSpoolSize = maxSpoolSize
            self.whenFull = whenFull
            self.uploads = uploads
            self.bufferDuration = bufferDuration
            self.batchCount = batchCount
            self.batchSize = batchSize
            self.logsClient = logsClient
            self.maximumInFlight = maximumInFlight
            self.putInterval = putInterval
            self.putsPerSecond = putsPerSecond
            self.reconcileAfter = reconcileAfter
            self.format = format
            self.maximumMessageSize = maximumMessageSize
            self.oversize = oversize
            self.region = region
            self.endpointURL = endpointURL
            self.profile = profile
            self.gzip = gzip
            self.connectTimeout = connectTimeout
            self.requestTimeout = requestTimeout
            self.exitFlushTimeout = exitFlushTimeout
            self.commitTimeout = commitTimeout
            self.leaseLapse = leaseLapse
            self.durability = durability
            self.usesJournal = usesJournal
        }

        /// The longest message that is kept whole in fact: ``maximumMessageSize``, or less where the smallest batch,
        /// one event, would not fit into ``batchSize``.
        public var effectiveMaximumMessageSize: Int {
            min(maximumMessageSize, max(batchSize, BatchLimits.eventOverhead) - BatchLimits.eventOverhead)
        }
    }
}
