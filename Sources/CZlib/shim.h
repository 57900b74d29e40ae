#ifndef LOGBEAM_CZLIB_SHIM_H
#define LOGBEAM_CZLIB_SHIM_H

#include <zlib.h>

/// deflateInit2 is a macro that Swift cannot import. Window bits of 15 + 16 ask for a gzip wrapper.
static inline int logbeam_deflate_init_gzip(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

#endif
