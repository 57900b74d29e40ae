#ifndef LOGBEAM_CSQLITE_SHIM_H
#define LOGBEAM_CSQLITE_SHIM_H

#include <sqlite3.h>

/// `SQLITE_TRANSIENT` is a cast that Swift cannot import: SQLite copies the bytes before the call returns.
static inline sqlite3_destructor_type logbeam_sqlite_transient(void) { return SQLITE_TRANSIENT; }

/// `SQLITE_STATIC`: the bytes stay valid and unchanged until the statement is reset.
static inline sqlite3_destructor_type logbeam_sqlite_static(void) { return SQLITE_STATIC; }

/// `sqlite3_db_config` is variadic, which Swift cannot import: closing this connection copies no write-ahead log.
static inline int logbeam_sqlite_no_checkpoint_on_close(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

#endif
