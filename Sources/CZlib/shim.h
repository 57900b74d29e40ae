#ifndef LOGBEAM_CZLIB_SHIM_H
#define LOGBEAM_CZLIB_SHIM_H

#include <zlib.h>

#endif
