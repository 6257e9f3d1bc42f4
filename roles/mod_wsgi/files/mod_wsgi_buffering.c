/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow clients do not hold the threads of WSGI applications.
 *
 * A thread of an application waits for the body of a request while it comes, and for the client while the answer goes.
 * So a few dozen clients that are slow, or pretend to be, take all of them. This module takes the body in before the
 * application is asked, and the answer off the application when the client does not keep up:
 *
 * - The body of a request is read to its end, in memory or else in a file without a name. Then its length is known,
 *   also where the client has not said it (chunked, HTTP/2), and the application gets it at once.
 * - An answer goes to the client piece by piece, as much as fits into the connection without a wait, so that what an
 *   application sends bit by bit arrives so. When the client has kept it waiting for BufferingPatience seconds, and a
 *   hundredth of the time that the answer takes, what comes is put into a file without a name. From there it follows as
 *   the client takes it; all that is left when the answer is complete, httpd's core sends without holding a worker
 *   (event MPM, no TLS).
 *
 * Where there is no room for that, application and client wait for each other as they do without this module. A body
 * of unknown length gets 503 then.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <linux/sockios.h>
#include <sys/vfs.h>
#endif

#include "apr_buckets.h"
#include "apr_file_io.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

module AP_MODULE_DECLARE_DATA wsgi_buffering_module;
APLOG_USE_MODULE(wsgi_buffering);

#define IN_MEMORY 65536            /* bytes of a body that need no file */
#define LEAST_PIECE 4096           /* httpd's core writes as much at once */
#define MOST_PIECE 65536
#define STREAM_ROOM 49152          /* bytes of a stream of HTTP/2 that mod_http2 takes without a wait; it has 64 KiB */
#define STREAM_RATE 16384          /* and bytes a second that any client takes */
#define CHECK_DISK_EVERY (1 << 20) /* bytes */
#define LEAST_FREE 20              /* a twentieth of the disk stays free, */
#define ENOUGH ((apr_off_t)1 << 30) /* or as many bytes */
#define MOST_MEMORY (64 << 20)      /* bytes of a file system that is memory, and half of it at the most */
#define SCARCE APR_OS_START_USERERR

#define REQUEST_FILTER "WSGI_BUFFERED_REQUEST"
#define RESPONSE_FILTER "WSGI_BUFFERED_RESPONSE"

typedef struct {
    int requests;  /* On, off, or -1: as in the enclosing section */
    int responses;
} places_t;

static const char *directory;
static apr_interval_time_t patience; /* microseconds */
static apr_off_t largest_response;

/* A file without a name. */
typedef struct {
    apr_file_t *file;
    apr_off_t size;
} spool_t;

typedef struct {
    spool_t spool;
    apr_off_t sent;             /* of the file */
    apr_time_t begun;
    apr_interval_time_t waited; /* for the client, in all */
    apr_off_t given;            /* of a stream of HTTP/2 */
    apr_bucket_brigade *piece;
    int is_over;                /* The rest goes as it comes. */
} response_t;

/* -- files ------------------------------------------------------------------------------------------------------- */

/* With sendfile, since httpd's core otherwise reads 4 MiB of it, and waits until they are sent. */
static apr_status_t make_file(spool_t *spool, apr_pool_t *pool)
{
    char *path = apr_pstrcat(pool, directory, "/mod_wsgi-buffer.XXXXXX", NULL);
    apr_status_t result = apr_file_mktemp(&spool->file, path,
                                          APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_EXCL
                                          | APR_FOPEN_BINARY | APR_FOPEN_SENDFILE_ENABLED, pool);

    if (result == APR_SUCCESS) {
        result = apr_file_remove(path, pool);
    }
    return result;
}

static int is_memory(int descriptor)
{
#ifdef TMPFS_MAGIC
    struct statfs found;

    return fstatfs(descriptor, &found) == 0 && found.f_type == TMPFS_MAGIC;
#else
    return 0;
#endif
}

static int is_scarce(int descriptor)
{
    struct statvfs found;
    apr_off_t size, left;

    if (fstatvfs(descriptor, &found)) {
        return 0;
    }
    size = (apr_off_t)found.f_blocks * (apr_off_t)found.f_frsize;
    left = (apr_off_t)found.f_bavail * (apr_off_t)found.f_frsize;
    if (is_memory(descriptor)) {
        return left < size / 2 || size - left > MOST_MEMORY;
    }
    return left < size / LEAST_FREE && left < ENOUGH;
}

/* Reading moves the position of the file; writing does not. */
static apr_status_t append(spool_t *spool, apr_pool_t *pool, const char *data, apr_size_t length)
{
    apr_status_t result = spool->file ? APR_SUCCESS : make_file(spool, pool);
    int descriptor;

    if (result != APR_SUCCESS) {
        return result;
    }
    apr_os_file_get(&descriptor, spool->file);
    if (spool->size / CHECK_DISK_EVERY != (spool->size + (apr_off_t)length) / CHECK_DISK_EVERY || !spool->size) {
        if (is_scarce(descriptor)) {
            return SCARCE;
        }
    }
    while (length > 0) {
        ssize_t written = pwrite(descriptor, data, length, spool->size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? errno : APR_EGENERAL;
        }
        data += written;
        length -= written;
        spool->size += written;
    }
    return APR_SUCCESS;
}

static apr_status_t append_brigade(spool_t *spool, apr_pool_t *pool, apr_bucket_brigade *brigade)
{
    apr_bucket *bucket;

    for (bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data;
        apr_size_t length;
        apr_status_t result;

        if (APR_BUCKET_IS_METADATA(bucket)) {
            continue;
        }
        result = apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ);
        if (result == APR_SUCCESS) {
            result = append(spool, pool, data, length);
        }
        if (result != APR_SUCCESS) {
            return result;
        }
    }
    return APR_SUCCESS;
}

/* -- requests ---------------------------------------------------------------------------------------------------- */

typedef struct {
    apr_bucket_brigade *body; /* What was read. */
    int is_part;              /* The rest comes from the client. */
} request_t;

static apr_status_t give_request(ap_filter_t *filter, apr_bucket_brigade *brigade, ap_input_mode_t mode,
                                 apr_read_type_e block, apr_off_t wanted)
{
    const request_t *request = filter->ctx;
    apr_bucket_brigade *body = request->body;
    apr_bucket *end, *bucket;

    if (mode != AP_MODE_READBYTES) {
        return APR_ENOTIMPL;
    }
    if (APR_BRIGADE_EMPTY(body) && request->is_part) {
        return ap_get_brigade(filter->next, brigade, mode, block, wanted);
    }
    if (APR_BRIGADE_EMPTY(body)) {
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(filter->c->bucket_alloc));
        return APR_SUCCESS;
    }
    if (apr_brigade_partition(body, wanted, &end) != APR_SUCCESS) {
        end = APR_BRIGADE_SENTINEL(body);
    }
    while ((bucket = APR_BRIGADE_FIRST(body)) != end) {
        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(brigade, bucket);
    }
    return APR_SUCCESS;
}

/* What has been read becomes what the application reads. */
static void hand_over(request_rec *r, apr_bucket_brigade *memory, const spool_t *spool, apr_bucket_brigade *rest)
{
    request_t *request = apr_pcalloc(r->pool, sizeof(*request));
    apr_off_t length = 0;

    if (spool->size) {
        apr_brigade_insert_file(memory, spool->file, 0, spool->size, r->pool);
        length = spool->size;
    }
    else {
        apr_brigade_length(memory, 1, &length);
    }
    request->body = memory;
    request->is_part = rest != NULL;
    ap_add_input_filter(REQUEST_FILTER, request, r, r->connection);
    if (rest) {
        APR_BRIGADE_CONCAT(memory, rest);
        return;
    }
    APR_BRIGADE_INSERT_TAIL(memory, apr_bucket_eos_create(r->connection->bucket_alloc));
    if (length > 0 || apr_table_get(r->headers_in, "Transfer-Encoding")) {
        /* Also where a filter, of compressed bodies for example, has changed it. */
        apr_table_setn(r->headers_in, "Content-Length", apr_off_t_toa(r->pool, length));
        apr_table_unset(r->headers_in, "Transfer-Encoding");
        r->read_chunked = 0;
        r->remaining = length;
    }
}

static void tell(request_rec *r, int level, apr_status_t reason, const char *what)
{
    int is_scarce_only = reason == SCARCE;

    ap_log_rerror(APLOG_MARK, level, is_scarce_only ? APR_SUCCESS : reason, r,
                  "%s, since it cannot be buffered in %s%s", what, directory,
                  is_scarce_only ? ", where there is no room" : "");
}

/* Keep some bytes of a body, all of them or none: in memory, and from then on in a file when they are many. */
static apr_status_t keep(spool_t *spool, apr_bucket_brigade *memory, apr_pool_t *pool, const char *data,
                         apr_size_t length)
{
    apr_off_t before = spool->size, in_memory = 0;
    apr_status_t result = APR_SUCCESS;

    if (!before) {
        apr_brigade_length(memory, 1, &in_memory);
        if (in_memory + (apr_off_t)length <= IN_MEMORY) {
            return apr_brigade_write(memory, NULL, NULL, data, length);
        }
        result = append_brigade(spool, pool, memory);
    }
    if (result == APR_SUCCESS) {
        result = append(spool, pool, data, length);
    }
    if (result != APR_SUCCESS) {
        spool->size = before;
    }
    else if (!before) {
        apr_brigade_cleanup(memory);
    }
    return result;
}

static int buffer_request(request_rec *r)
{
    const char *coding = apr_table_get(r->headers_in, "Transfer-Encoding");
    apr_bucket_brigade *memory = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_bucket_brigade *got = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_bucket_brigade *rest = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    spool_t spool = { NULL, 0 };
    int is_complete = 0;

    if (coding && strcasecmp(coding, "chunked")) {
        return DECLINED; /* mod_wsgi refuses it. */
    }
    if (coding && r->proto_num < HTTP_VERSION(1, 1)) {
        r->connection->keepalive = AP_CONN_CLOSE;
        return HTTP_BAD_REQUEST; /* RFC 9112, 6.1: whoever has handed it on may have seen its end elsewhere. */
    }
    while (!is_complete) {
        apr_status_t result = ap_get_brigade(r->input_filters, got, AP_MODE_READBYTES, APR_BLOCK_READ, IN_MEMORY);
        apr_bucket *bucket;

        if (result != APR_SUCCESS) {
            r->connection->keepalive = AP_CONN_CLOSE;
            return ap_map_http_request_error(result, HTTP_BAD_REQUEST);
        }
        for (bucket = APR_BRIGADE_FIRST(got); bucket != APR_BRIGADE_SENTINEL(got); bucket = APR_BUCKET_NEXT(bucket)) {
            const char *data;
            apr_size_t length;

            if (APR_BUCKET_IS_EOS(bucket)) {
                is_complete = 1;
                break;
            }
            if (APR_BUCKET_IS_METADATA(bucket)) {
                continue;
            }
            result = apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ);
            if (result != APR_SUCCESS) {
                return ap_map_http_request_error(result, HTTP_BAD_REQUEST);
            }
            result = keep(&spool, memory, r->pool, data, length);
            if (result != APR_SUCCESS && !apr_table_get(r->headers_in, "Content-Length")) {
                tell(r, APLOG_ERR, result, "the body of a request is refused");
                return HTTP_SERVICE_UNAVAILABLE;
            }
            if (result != APR_SUCCESS) {
                tell(r, APLOG_WARNING, result, "the application waits for the body of a request");
                while (APR_BRIGADE_FIRST(got) != bucket) {
                    apr_bucket_delete(APR_BRIGADE_FIRST(got));
                }
                APR_BRIGADE_CONCAT(rest, got);
                hand_over(r, memory, &spool, rest);
                return DECLINED;
            }
        }
        apr_brigade_cleanup(got);
    }
    hand_over(r, memory, &spool, NULL);
    return DECLINED;
}

/* -- responses --------------------------------------------------------------------------------------------------- */

/* That of the client; -1 where others have it too (HTTP/2). */
static int descriptor_of(const conn_rec *c)
{
    apr_socket_t *socket = c->master ? NULL : ap_get_conn_socket((conn_rec *)c);
    int descriptor = -1;

    if (socket) {
        apr_os_sock_get(&descriptor, socket);
    }
    return descriptor;
}

/*
 * Bytes that the kernel takes without a wait, which needs as much again for itself; or mod_http2. That says nothing of
 * what the client has taken, and makes whoever passes on too much wait for as long as the client wants.
 */
static apr_off_t room_of(const response_t *response, int descriptor)
{
    apr_off_t room = LEAST_PIECE;
#ifdef SIOCOUTQ
    int size, queued;
    socklen_t length = sizeof(size);
#endif

    if (descriptor < 0) {
        return STREAM_ROOM + apr_time_as_msec(apr_time_now() - response->begun) * STREAM_RATE / 1000 - response->given;
    }
#ifdef SIOCOUTQ
    if (getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0
        && ioctl(descriptor, SIOCOUTQ, &queued) == 0 && size / 2 - queued > room) {
        room = size / 2 - queued;
    }
#endif
    return room < MOST_PIECE ? room : MOST_PIECE;
}

/* Whether the client takes more; with `wait`, before patience ends. */
static int is_ready(response_t *response, int descriptor, int wait)
{
    struct pollfd asked = { descriptor, POLLOUT, 0 };
    apr_time_t begun = apr_time_now();
    apr_interval_time_t left = patience + (begun - response->begun) / 100 - response->waited;
    int found;

    if (descriptor < 0) {
        return left > 0 && room_of(response, descriptor) >= LEAST_PIECE;
    }
    found = poll(&asked, 1, 0);
    if (found == 0 && wait && left > 0) {
        do {
            found = poll(&asked, 1, (int)apr_time_as_msec(left) + 1);
        } while (found < 0 && errno == EINTR);
        response->waited += apr_time_now() - begun;
    }
    return found != 0; /* Writing tells of an error. */
}

static apr_status_t pass(ap_filter_t *filter, response_t *response, int descriptor)
{
    apr_time_t begun = apr_time_now();
    apr_off_t length = 0;
    apr_status_t result;

    if (descriptor < 0 && apr_brigade_length(response->piece, 0, &length) == APR_SUCCESS && length > 0) {
        response->given += length;
    }
    result = ap_pass_brigade(filter->next, response->piece);
    if (descriptor < 0) {
        response->waited += apr_time_now() - begun;
    }
    apr_brigade_cleanup(response->piece);
    return result;
}

/* Pass on what fits of what comes. */
static apr_status_t pass_piece(ap_filter_t *filter, response_t *response, apr_bucket_brigade *brigade, int descriptor)
{
    apr_off_t length = 0;
    apr_bucket *end, *bucket;
    apr_status_t result;
    int is_small;

    apr_brigade_length(brigade, 0, &length);
    is_small = length >= 0 && length <= LEAST_PIECE;
    result = apr_brigade_partition(brigade, is_small ? LEAST_PIECE : room_of(response, descriptor), &end);
    if (result == APR_INCOMPLETE) {
        end = APR_BRIGADE_SENTINEL(brigade);
    }
    else if (result != APR_SUCCESS) {
        return result;
    }
    while ((bucket = APR_BRIGADE_FIRST(brigade)) != end) {
        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(response->piece, bucket);
    }
    return pass(filter, response, descriptor);
}

/* Pass on the file, and all that comes after it, however long the client takes for it. */
static apr_status_t deliver(ap_filter_t *filter, response_t *response, apr_bucket_brigade *rest)
{
    if (response->sent < response->spool.size) {
        /* Now the file is theirs that send it. */
        apr_brigade_insert_file(response->piece, response->spool.file, response->sent,
                                response->spool.size - response->sent, filter->r->pool);
    }
    APR_BRIGADE_CONCAT(response->piece, rest);
    response->is_over = 1;
    return ap_pass_brigade(filter->next, response->piece);
}

/* Put the first of what comes into the file. */
static apr_status_t store(ap_filter_t *filter, response_t *response, apr_bucket_brigade *brigade)
{
    apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);
    const char *data;
    apr_size_t length;
    apr_status_t result;

    if (APR_BUCKET_IS_FLUSH(bucket)) {
        apr_bucket_delete(bucket); /* It would wait for the client. */
        return APR_SUCCESS;
    }
    if (APR_BUCKET_IS_METADATA(bucket)) {
        return deliver(filter, response, brigade); /* The end, or an error. */
    }
    result = apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ);
    if (result != APR_SUCCESS) {
        return result;
    }
    if (response->spool.size + (apr_off_t)length > largest_response) {
        return deliver(filter, response, brigade);
    }
    result = append(&response->spool, filter->r->pool, data, length);
    if (result != APR_SUCCESS) {
        tell(filter->r, APLOG_WARNING, result, "an answer waits for a slow client");
        return deliver(filter, response, brigade);
    }
    apr_bucket_delete(bucket);
    return APR_SUCCESS;
}

/* The next bytes of the file, as memory: others could go on with a part of the file while it grows. */
static apr_status_t read_piece(ap_filter_t *filter, response_t *response, int file, apr_off_t length)
{
    char *data = apr_bucket_alloc(length, filter->c->bucket_alloc);
    apr_off_t got = 0;

    while (got < length) {
        ssize_t found = pread(file, data + got, length - got, response->sent + got);

        if (found < 0 && errno == EINTR) {
            continue;
        }
        if (found <= 0) {
            apr_bucket_free(data);
            return found < 0 ? errno : APR_EOF;
        }
        got += found;
    }
    APR_BRIGADE_INSERT_TAIL(response->piece,
                            apr_bucket_heap_create(data, length, apr_bucket_free, filter->c->bucket_alloc));
    response->sent += length;
    return APR_SUCCESS;
}

/* Pass on what fits of the file. */
static apr_status_t drain(ap_filter_t *filter, response_t *response, int descriptor)
{
    int file;

    if (!response->spool.size) {
        return APR_SUCCESS;
    }
    apr_os_file_get(&file, response->spool.file);
    while (response->sent < response->spool.size && is_ready(response, descriptor, 0)) {
        apr_off_t room = room_of(response, descriptor);
        apr_off_t left = response->spool.size - response->sent;
        apr_status_t result = read_piece(filter, response, file, left < room ? left : room);

        if (result == APR_SUCCESS) {
            if (response->sent == response->spool.size) {
                APR_BRIGADE_INSERT_TAIL(response->piece, apr_bucket_flush_create(filter->c->bucket_alloc));
            }
            result = pass(filter, response, descriptor);
        }
        if (result != APR_SUCCESS) {
            return result;
        }
    }
    if (response->sent == response->spool.size && ftruncate(file, 0) == 0) {
        response->sent = response->spool.size = 0;
    }
    return APR_SUCCESS;
}

static int has_gone(int descriptor)
{
    struct pollfd asked = { descriptor, 0, 0 };

    return descriptor >= 0 && poll(&asked, 1, 0) > 0 && (asked.revents & (POLLERR | POLLHUP));
}

static apr_status_t take_response(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    response_t *response = filter->ctx;
    int descriptor = descriptor_of(filter->c);
    apr_status_t result = APR_SUCCESS;

    if (filter->r->header_only) {
        response->is_over = 1;
    }
    while (!response->is_over && result == APR_SUCCESS && !APR_BRIGADE_EMPTY(brigade)) {
        if (response->sent == response->spool.size && is_ready(response, descriptor, 1)) {
            result = pass_piece(filter, response, brigade, descriptor);
        }
        else {
            result = store(filter, response, brigade);
        }
    }
    if (result != APR_SUCCESS) {
        return result;
    }
    if (response->is_over) {
        return APR_BRIGADE_EMPTY(brigade) ? APR_SUCCESS : ap_pass_brigade(filter->next, brigade);
    }
    if (has_gone(descriptor)) {
        return deliver(filter, response, brigade); /* Writing tells it, and the application stops. */
    }
    return drain(filter, response, descriptor);
}

/* -- configuration ----------------------------------------------------------------------------------------------- */

static int handle(request_rec *r)
{
    const places_t *places = ap_get_module_config(r->per_dir_config, &wsgi_buffering_module);

    if (!r->handler || r->main
        || (strcmp(r->handler, "wsgi-script") && strcmp(r->handler, "application/x-httpd-wsgi"))) {
        return DECLINED;
    }
    if (places->responses == 1) {
        response_t *response = apr_pcalloc(r->pool, sizeof(*response));

        response->begun = apr_time_now();
        response->piece = apr_brigade_create(r->pool, r->connection->bucket_alloc);
        ap_add_output_filter(RESPONSE_FILTER, response, r, r->connection);
    }
    if (places->requests != 1 || (r->prev && ap_is_HTTP_ERROR(r->prev->status))) {
        return DECLINED; /* The page for an error, perhaps of a body that was refused. */
    }
    return buffer_request(r);
}

static void *create_places(apr_pool_t *pool, char *unused)
{
    places_t *places = apr_palloc(pool, sizeof(*places));

    places->requests = places->responses = -1;
    return places;
}

static void *merge_places(apr_pool_t *pool, void *enclosing, void *inner)
{
    const places_t *outer = enclosing, *own = inner;
    places_t *places = apr_palloc(pool, sizeof(*places));

    places->requests = own->requests < 0 ? outer->requests : own->requests;
    places->responses = own->responses < 0 ? outer->responses : own->responses;
    return places;
}

static const char *set_directory(cmd_parms *cmd, void *unused, const char *text)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    directory = text;
    return wrong ? wrong : *text == '/' ? NULL : "BufferingDirectory takes an absolute path.";
}

static const char *set_patience(cmd_parms *cmd, void *unused, const char *text)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    if (!wrong && (ap_timeout_parameter_parse(text, &patience, "s") != APR_SUCCESS || patience < 0
                   || patience > apr_time_from_sec(3600))) {
        wrong = "BufferingPatience takes seconds from 0 to 3600, or a number with a unit such as 500ms.";
    }
    return wrong;
}

static const char *set_largest(cmd_parms *cmd, void *unused, const char *text)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *end;

    if (!wrong && (apr_strtoff(&largest_response, text, &end, 10) != APR_SUCCESS || *end || largest_response < 0)) {
        wrong = "BufferingLargestResponse takes a number of bytes.";
    }
    return wrong;
}

static int forget(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    directory = "/var/tmp";
    patience = apr_time_from_sec(1);
    largest_response = (apr_off_t)1 << 30;
    return OK;
}

static const command_rec commands[] = {
    AP_INIT_FLAG("BufferingRequests", ap_set_flag_slot, (void *)APR_OFFSETOF(places_t, requests),
                 RSRC_CONF | ACCESS_CONF,
                 "On: a WSGI application is asked once the body of its request is there"),
    AP_INIT_FLAG("BufferingResponses", ap_set_flag_slot, (void *)APR_OFFSETOF(places_t, responses),
                 RSRC_CONF | ACCESS_CONF, "On: answers of a WSGI application do not wait for slow clients"),
    AP_INIT_TAKE1("BufferingDirectory", set_directory, NULL, RSRC_CONF, "Where files without a name are made"),
    AP_INIT_TAKE1("BufferingPatience", set_patience, NULL, RSRC_CONF,
                  "Seconds that an answer waits for a client, in all, before it is put into a file"),
    AP_INIT_TAKE1("BufferingLargestResponse", set_largest, NULL, RSRC_CONF,
                  "Bytes of an answer that are put into a file, at the most"),
    { NULL }
};

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_pre_config(forget, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* Next to the application, before all that changes its answer, and where all has changed the body. */
    ap_register_input_filter(REQUEST_FILTER, give_request, NULL, AP_FTYPE_RESOURCE - 1);
    ap_register_output_filter(RESPONSE_FILTER, take_response, NULL, AP_FTYPE_RESOURCE - 1);
}

module AP_MODULE_DECLARE_DATA wsgi_buffering_module = {
    STANDARD20_MODULE_STUFF, create_places, merge_places, NULL, NULL, commands, register_hooks
};
