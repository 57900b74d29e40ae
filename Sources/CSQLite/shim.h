#ifndef LOGBEAM_CSQLITE_SHIM_H
#define LOGBEAM_CSQLITE_SHIM_H

#include <sqlite3.h>
#ifdef __linux__
#include <sys/vfs.h>

/// <sched.h> declares it to those alone who ask for GNU's extensions.
extern int sched_getcpu(void);
#endif

/// `SQLITE_TRANSIENT` is a cast that Swift cannot import: SQLite copies the bytes before the call returns.
static inline sqlite3_destructor_type logbeam_sqlite_transient(void) { return SQLITE_TRANSIENT; }

/// `SQLITE_STATIC`: the bytes stay valid and unchanged until the statement is reset.
static inline sqlite3_destructor_type logbeam_sqlite_static(void) { return SQLITE_STATIC; }

/// `sqlite3_db_config` is variadic, which Swift cannot import: closing this connection copies no write-ahead log.
static inline int logbeam_sqlite_no_checkpoint_on_close(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

/// `sqlite3_vtab_config` is variadic too: the virtual table that is being connected is not to be had from views and triggers.
static inline int logbeam_sqlite_direct_only(sqlite3 *connection) {
    return sqlite3_vtab_config(connection, SQLITE_VTAB_DIRECTONLY);
}

/// `f_type` of statfs(2), which Swift's Glibc lacks; 0 if it is not to be had.
static inline unsigned int logbeam_file_system_type(const char *path) {
#ifdef __linux__
    struct statfs status;
    return statfs(path, &status) == 0 ? (unsigned int)status.f_type : 0;
#else
    (void)path;
    return 0;
#endif
}

/// The core that the calling thread runs on, by sched_getcpu(3); -1 if that is not to be had.
static inline int logbeam_current_core(void) {
#ifdef __linux__
    return sched_getcpu();
#else
    return -1;
#endif
}

/// The file of a connection's write-ahead log, or of the database itself: `errno` of the last call on it that failed.
static inline int logbeam_sqlite_last_errno(sqlite3 *connection, int of_log) {
    sqlite3_file *file = 0;
    int operation = of_log ? SQLITE_FCNTL_JOURNAL_POINTER : SQLITE_FCNTL_FILE_POINTER;
    int code = 0;
    if (sqlite3_file_control(connection, 0, operation, &file) != SQLITE_OK) return 0;
    if (file == 0 || file->pMethods == 0) return 0;
    if (file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code) != SQLITE_OK) return 0;
    return code;
}

#endif
