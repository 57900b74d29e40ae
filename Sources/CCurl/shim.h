#ifndef LOGBEAM_CCURL_SHIM_H
#define LOGBEAM_CCURL_SHIM_H

#include <curl/curl.h>

#endif
