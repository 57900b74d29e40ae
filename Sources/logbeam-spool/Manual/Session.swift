/// What was typed, and what came, off a terminal: for the manual. A test runs it again.
enum Session {
    static let lines = #"""
        $ printf 'order %s taken\n' 1 2 | logbeam-spool append --spool logs.db --log-group shop --log-stream orders
        $ logbeam-spool tail --spool logs.db
        2026-11-26T18:16:26.063Z	shop	orders	order 1 taken
        2026-11-26T18:16:26.063Z	shop	orders	order 2 taken
        $ logbeam-spool drain --spool logs.db --dry-run
        shop	orders	2	26	1	0	0
        $ logbeam-spool drain --spool logs.db --to orders.jsonl
        $ cat orders.jsonl
        {"time":"2026-11-26T18:16:26.063Z","log_group":"shop","log_stream":"orders","message":"order 1 taken"}
        {"time":"2026-11-26T18:16:26.063Z","log_group":"shop","log_stream":"orders","message":"order 2 taken"}
        $ logbeam-spool status --spool logs.db | grep -E '^(delivered|pending)'
        delivered	2
        pending	0
        pending_bytes	0
        """#.split(separator: "\n").map(String.init)
}
