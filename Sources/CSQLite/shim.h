#ifndef LOGBEAM_CSQLITE_SHIM_H
#define LOGBEAM_CSQLITE_SHIM_H

#include <sqlite3.h>

/// `SQLITE_TRANSIENT` is a cast that Swift cannot import: SQLite copies the bytes before the call returns.
static inline sqlite3_destructor_type logbeam_sqlite_transient(void) { return SQLITE_TRANSIENT; }

/// `SQLITE_STATIC`: the bytes stay valid and unchanged until the statement is reset.
static inline sqlite3_destructor_type logbeam_sqlite_static(void) { return SQLITE_STATIC; }

#endif
