/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is too much gets an answer at once, and the rest goes on.
 *
 * A request holds a worker of httpd while it is read, waits for its application, and is answered. So an application
 * that hangs, or one client with many connections, can take all workers, and then nobody gets anything. This module
 * counts, over all children of httpd:
 *
 * - the requests of each group of processes. The group gets as many as it has threads, and a few more that it finds at
 *   once; the others wait here. A request gets 503 with Retry-After when it has waited, or at the pace
 *   of the group will have waited, for the group's queue-timeout, or when the group holds as many workers as it may;
 * - the requests of all groups: a part of the workers stays free for files and the private listener;
 * - the workers and connections that each client address holds (of IPv6, each /64). More connections are closed.
 *
 * The counters are in a file without a name, which the children alone have in their memory. The parent has only its
 * descriptor, so that the processes of applications, which it forks, can let go of it before they load an application.
 * What stands in it is never used but as a number. Each child writes to a row of its own, so that one that dies leaves
 * no count behind.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "apr_network_io.h"
#include "apr_strings.h"
#include "apr_tables.h"
#include "apr_time.h"

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "util_filter.h"

module AP_MODULE_DECLARE_DATA wsgi_admission_module;
APLOG_USE_MODULE(wsgi_admission);

#define RESERVED 32                             /* of the workers, the part that no application gets */
#define LEAST_PER_CLIENT 32                     /* workers, where they are a part of all */
#define CONNECTIONS_PER_WORKER 4                /* that a child can have open */
#define AHEAD 8                                 /* of the threads of a group, the part for which a request is ready */
#define LEAST_AHEAD 2
#define LOOK_AGAIN apr_time_from_msec(500)      /* whoever waits, at what has changed without a signal */
#define REMEMBERED (10 * APR_USEC_PER_SEC)      /* of the pace of a group */
#define TELL_EVERY (60 * APR_USEC_PER_SEC)
#define SURPLUS_WAIT (2 * APR_USEC_PER_SEC)     /* for a worker that a group may hold; a burst is soon over */
#define RETRY_AFTER 5                           /* seconds, where the pace is not known */
#define LONGEST_RETRY_AFTER 60

#define ANSWERED_FILTER "WSGI_ADMISSION_ANSWERED"

#define get(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define set(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)
#define add(place, value) __atomic_add_fetch(&(place), (value), __ATOMIC_RELAXED)

/* -- what is configured; lives in the pool of the configuration -------------------------------------------------- */

typedef struct {
    const char *name;
    int processes;
    int threads;
    int waiting;     /* requests beyond one for each thread */
    int seconds;     /* queue-timeout; 0: a request may wait for any time */
} group_t;

typedef struct {
    int group;       /* index; -1: as in the enclosing section */
} place_t;

static apr_array_header_t *groups;    /* group_t */
static apr_array_header_t *trusted;   /* apr_ipsubnet_t *: any number of clients are behind these addresses */
static int client_number;             /* workers, or, */
static int client_percent;            /* if not 0, a part of them; both 0: no limit */

/* -- what the children share ------------------------------------------------------------------------------------- */

typedef struct {
    apr_uint64_t told; /* when, microseconds; of the line in the log */
    apr_uint64_t refused;
} news_t;

typedef struct {
    news_t news;
    apr_uint64_t busy_since; /* all its threads; microseconds, 0: they are not */
    apr_uint64_t done;       /* requests since then */
    apr_uint64_t last_done;
    apr_uint32_t signal;     /* another number with each request that the group is through with */
    apr_uint32_t passed;     /* requests that have waited, and gone to the group */
    apr_uint32_t left;       /* another number when the group holds a worker less, or is to make way */
    apr_uint32_t unused;
} pace_t;

typedef struct {
    apr_uint32_t held;       /* workers */
    apr_uint32_t waiting;    /* requests here for the group */
    apr_uint32_t asked;      /* requests that the group has */
    apr_uint32_t surplus;    /* requests that wait for a worker which the group may hold; they hold one */
} load_t;

/* The rows begin with this; load_t for each group, and an apr_uint64_t for each connection, follow. */
typedef struct {
    apr_int32_t pid;
    apr_uint32_t top;        /* connections at this place and beyond are free */
    apr_uint32_t held;       /* workers, by all groups */
    apr_uint32_t unused;
} row_t;

static int table = -1;       /* descriptor */
static apr_size_t row_size, rows_begin, table_size;
static int rows, places, workers, client_limit;

static char *memory;         /* of a child */
static row_t *own;

static row_t *row_at(int i)
{
    return (row_t *)(memory + rows_begin + i * row_size);
}

static load_t *loads_of(row_t *row)
{
    return (load_t *)(row + 1);
}

static apr_uint64_t *connections_of(row_t *row)
{
    return (apr_uint64_t *)(loads_of(row) + groups->nelts);
}

static news_t *news_of_clients(void)
{
    return (news_t *)memory;
}

static pace_t *pace_of(int group)
{
    return (pace_t *)(memory + sizeof(news_t)) + group;
}

static const group_t *group_at(int i)
{
    return &APR_ARRAY_IDX(groups, i, group_t);
}

static void measure(void)
{
    int daemons = 1, children = 1, threads = 1;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &daemons);
    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    threads = threads > 0 ? threads : 1; /* 0 with prefork */
    rows = daemons > 0 ? daemons : 1;
    workers = (children > 0 ? children : 1) * threads;
    places = threads * CONNECTIONS_PER_WORKER;
    client_limit = client_number;
    if (client_percent) {
        client_limit = workers * client_percent / 100;
        client_limit = client_limit < LEAST_PER_CLIENT ? LEAST_PER_CLIENT : client_limit;
    }
    row_size = sizeof(row_t) + groups->nelts * sizeof(load_t) + places * sizeof(apr_uint64_t);
    rows_begin = sizeof(news_t) + groups->nelts * sizeof(pace_t);
    table_size = rows_begin + rows * row_size;
}

static apr_status_t close_table(void *unused)
{
    close(table);
    table = -1;
    return APR_SUCCESS;
}

static int make_table(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || (!groups->nelts && !client_number && !client_percent)) {
        return OK;
    }
    measure();
    table = memfd_create("wsgi_admission", MFD_CLOEXEC);
    if (table < 0 || ftruncate(table, table_size)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, server,
                     "there is no memory for the counters of requests, so none is refused");
        if (table >= 0) {
            close_table(NULL);
        }
        return OK;
    }
    apr_pool_cleanup_register(pconf, NULL, close_table, apr_pool_cleanup_null);
    return OK;
}

static void empty(row_t *row)
{
    memset((char *)row + sizeof(row->pid), 0, row_size - sizeof(row->pid));
}

static row_t *claim_row(void)
{
    apr_int32_t pid = getpid();
    int i;

    for (i = 0; i < rows; i++) {
        row_t *row = row_at(i);
        apr_int32_t found = get(row->pid);

        if (found > 0 && found != pid && !(kill(found, 0) && errno == ESRCH)) {
            continue;
        }
        if (__atomic_compare_exchange_n(&row->pid, &found, pid, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            empty(row);
            return row;
        }
    }
    return NULL;
}

static void start_child(apr_pool_t *pool, server_rec *server)
{
    void *found;

    own = NULL;
    if (table < 0) {
        return;
    }
    found = mmap(NULL, table_size, PROT_READ | PROT_WRITE, MAP_SHARED, table, 0);
    if (found == MAP_FAILED) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, server,
                     "there is no memory for the counters of requests, so this process refuses none");
        return;
    }
    memory = found;
    own = claim_row();
}

/* In the parent, which does not have the table in its memory. */
static void note_child(server_rec *server, pid_t pid, ap_generation_t generation, int slot, mpm_child_status status)
{
    int i;

    if (status != MPM_CHILD_EXITED || table < 0) {
        return;
    }
    for (i = 0; i < rows; i++) {
        off_t place = rows_begin + i * row_size;
        apr_int32_t found = 0;

        if (pread(table, &found, sizeof(found), place) == sizeof(found) && found == pid) {
            char *nothing = calloc(1, row_size);

            /* The pid last: who claims the row finds it empty. */
            if (nothing && pwrite(table, nothing, row_size - sizeof(found), place + sizeof(found)) > 0) {
                found = 0;
                if (pwrite(table, &found, sizeof(found), place) != sizeof(found)) {
                    ap_log_error(APLOG_MARK, APLOG_WARNING, errno, server, "the counters of pid %d stay", (int)pid);
                }
            }
            free(nothing);
            return;
        }
    }
}

/* -- what is told ------------------------------------------------------------------------------------------------ */

/* How many were refused since the last line, when it is time for another; else 0. */
static apr_uint64_t to_tell(news_t *news)
{
    apr_uint64_t now = apr_time_now(), told = get(news->told);

    add(news->refused, 1);
    if ((told && told <= now && now - told < TELL_EVERY)
        || !__atomic_compare_exchange_n(&news->told, &told, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return 0;
    }
    return __atomic_exchange_n(&news->refused, 0, __ATOMIC_RELAXED);
}

/* -- clients ----------------------------------------------------------------------------------------------------- */

/* An entry of the table: its lowest bit says that the client holds a worker. Never 0. */
static apr_uint64_t key_of(const apr_sockaddr_t *address)
{
    const unsigned char *bytes = address->ipaddr_ptr;
    apr_uint64_t key = 0;
    int i, length = 4;

#if APR_HAVE_IPV6
    if (address->family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address->ipaddr_ptr)) {
            bytes += 12;
        }
        else {
            length = 8;
        }
    }
#endif
    for (i = 0; i < length; i++) {
        key = key << 8 | bytes[i];
    }
    /* The halves of an odd product: no two networks that differ are the same without the lowest bit. */
    key = (key + 1) * 0x9e3779b97f4a7c15ULL;
    return (key | 1) ^ 1 ? key | 1 : 3;
}

static int is_loopback(const apr_sockaddr_t *address)
{
    const unsigned char *bytes = address->ipaddr_ptr;

#if APR_HAVE_IPV6
    if (address->family == AF_INET6) {
        const struct in6_addr *six = address->ipaddr_ptr;

        return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && bytes[12] == 127);
    }
#endif
    return address->family == AF_INET ? bytes[0] == 127 : 1;
}

static int is_trusted(apr_sockaddr_t *address)
{
    int i;

    for (i = 0; i < trusted->nelts; i++) {
        if (apr_ipsubnet_test(APR_ARRAY_IDX(trusted, i, apr_ipsubnet_t *), address)) {
            return 1;
        }
    }
    return is_loopback(address);
}

/* Of a connection. */
typedef struct {
    apr_uint64_t *entry;
    apr_uint64_t key;
} client_t;

static apr_status_t leave(void *data)
{
    client_t *client = data;

    set(*client->entry, 0);
    return APR_SUCCESS;
}

static apr_uint64_t *enter(apr_uint64_t key)
{
    apr_uint64_t *entries = connections_of(own);
    int i;

    for (i = 0; i < places; i++) {
        apr_uint64_t nothing = 0;

        if (!get(entries[i])
            && __atomic_compare_exchange_n(&entries[i], &nothing, key, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            apr_uint32_t top = get(own->top);

            while (top < (apr_uint32_t)i + 1
                   && !__atomic_compare_exchange_n(&own->top, &top, i + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            }
            return &entries[i];
        }
    }
    return NULL;
}

static int note_connection(conn_rec *c, void *socket)
{
    client_t *client;

    if (!own || !client_limit || c->master || is_trusted(c->client_addr)) {
        return DECLINED;
    }
    client = apr_palloc(c->pool, sizeof(*client));
    client->key = key_of(c->client_addr);
    client->entry = enter(client->key);
    if (client->entry) {
        ap_set_module_config(c->conn_config, &wsgi_admission_module, client);
        apr_pool_cleanup_register(c->pool, client, leave, apr_pool_cleanup_null);
    }
    return DECLINED;
}

static client_t *client_of(conn_rec *c)
{
    return own && !c->master ? ap_get_module_config(c->conn_config, &wsgi_admission_module) : NULL;
}

static void note_suspend(conn_rec *c, request_rec *r)
{
    client_t *client = client_of(c);

    if (client) {
        set(*client->entry, client->key ^ 1);
    }
}

static void note_resume(conn_rec *c, request_rec *r)
{
    client_t *client = client_of(c);

    if (client) {
        set(*client->entry, client->key);
    }
}

static void count_client(apr_uint64_t key, int *busy, int *connections)
{
    int i;

    *busy = *connections = 0;
    for (i = 0; i < rows; i++) {
        row_t *row = row_at(i);
        const apr_uint64_t *entries = connections_of(row);
        int j, top = get(row->pid) ? (int)get(row->top) : 0;

        for (j = 0; j < top && j < places; j++) {
            apr_uint64_t found = get(entries[j]);

            *busy += found == key;
            *connections += (found | 1) == key;
        }
    }
}

/* Each time when something is to be read of a connection. */
static int judge_connection(conn_rec *c)
{
    const client_t *client = client_of(c);
    apr_uint64_t refused;
    int busy, connections;

    if (!client) {
        return DECLINED;
    }
    count_client(client->key, &busy, &connections);
    if (busy <= client_limit && connections <= 2 * client_limit) {
        return DECLINED;
    }
    refused = to_tell(news_of_clients());
    if (refused) {
        /* Not of a site: which one is meant, the client has not said yet. */
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "client %s has %d connections and holds %d workers, and %d workers are the limit for one "
                     "address; connections closed since the last message: %" APR_UINT64_T_FMT,
                     c->client_ip, connections, busy, client_limit, refused);
    }
    c->aborted = 1;
    c->keepalive = AP_CONN_CLOSE;
    if (c->cs) {
        c->cs->state = CONN_STATE_LINGER;
    }
    return OK;
}

/* -- requests ---------------------------------------------------------------------------------------------------- */

typedef struct {
    int group;
    int has_asked;
} request_t;

typedef struct {
    int held;
    int waiting;
    int asked;
    int surplus;
} total_t;

static total_t total_of(int group)
{
    total_t found = { 0, 0, 0, 0 };
    int i;

    for (i = 0; i < rows; i++) {
        row_t *row = row_at(i);

        if (get(row->pid)) {
            load_t *load = loads_of(row) + group;

            found.held += get(load->held);
            found.waiting += get(load->waiting);
            found.asked += get(load->asked);
            found.surplus += get(load->surplus);
        }
    }
    return found;
}

static int held_by_all(void)
{
    int i, found = 0;

    for (i = 0; i < rows; i++) {
        row_t *row = row_at(i);

        found += get(row->pid) ? get(row->held) : 0;
    }
    return found;
}

static double seconds_since(apr_uint64_t begun, apr_uint64_t now)
{
    return begun < now ? (now - begun) / (double)APR_USEC_PER_SEC : 0;
}

/*
 * Seconds until a group that is busy takes up the request at a place among those that wait, at its pace, at least: so
 * many requests it was through with since all its threads are busy, and none since the last of them.
 */
static double expected_wait(int number, int position)
{
    const group_t *group = group_at(number);
    pace_t *pace = pace_of(number);
    apr_uint64_t now = apr_time_now(), since = get(pace->busy_since), last = get(pace->last_done);
    int threads = group->processes * group->threads;
    double all, hanging;

    if (!since) {
        return 0;
    }
    all = position * seconds_since(since, now) / (get(pace->done) + threads);
    hanging = position * seconds_since(last > since ? last : since, now) / threads;
    return hanging > all ? hanging : all;
}

static void wake(apr_uint32_t *word, int number)
{
    syscall(SYS_futex, word, FUTEX_WAKE, number, NULL, NULL, 0);
}

static void sleep_until_signal(apr_uint32_t *word, apr_uint32_t seen)
{
    struct timespec longest = { 0, LOOK_AGAIN * 1000 };

    syscall(SYS_futex, word, FUTEX_WAIT, seen, &longest, NULL, 0);
}

/* Then whoever waits goes on to mod_wsgi, and ends with its processes. */
static int is_stopping(void)
{
    int state = AP_MPMQ_RUNNING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS && state == AP_MPMQ_STOPPING;
}

/* Whether the group has a thread for another request, or will have one at once. */
static int has_room(int number)
{
    const group_t *group = group_at(number);
    pace_t *pace = pace_of(number);
    int threads = group->processes * group->threads, asked = total_of(number).asked;

    if (asked < threads) {
        set(pace->busy_since, 0);
    }
    else if (!get(pace->busy_since)) {
        set(pace->done, 0);
        set(pace->busy_since, apr_time_now());
    }
    return asked < threads + (threads / AHEAD > LEAST_AHEAD ? threads / AHEAD : LEAST_AHEAD);
}

static void note_answer(int number)
{
    pace_t *pace = pace_of(number);
    apr_uint64_t now = apr_time_now(), since = get(pace->busy_since);

    add(loads_of(own)[number].asked, -1);
    set(pace->last_done, now);
    if (since) {
        add(pace->done, 1);
        /* What was long ago counts less and less. */
        if (since < now && now - since > REMEMBERED
            && __atomic_compare_exchange_n(&pace->busy_since, &since, now - (now - since) / 2, 0, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
            set(pace->done, get(pace->done) / 2);
        }
    }
    __atomic_add_fetch(&pace->signal, 1, __ATOMIC_SEQ_CST);
    if (total_of(number).waiting) {
        wake(&pace->signal, 1);
    }
}

/* Wait for room. Returns 0 when there is some; else the seconds that the request would still have waited, at least. */
static double wait_for_room(int number, int before)
{
    const group_t *group = group_at(number);
    pace_t *pace = pace_of(number);
    load_t *load = loads_of(own) + number;
    apr_uint64_t begun = apr_time_now();
    apr_uint32_t passed = get(pace->passed);
    double wait = 0;

    __atomic_add_fetch(&load->waiting, 1, __ATOMIC_SEQ_CST);
    while (1) {
        apr_uint32_t seen = __atomic_load_n(&pace->signal, __ATOMIC_SEQ_CST);
        int position = before + 1 - (int)(get(pace->passed) - passed), all = total_of(number).waiting;
        double waited = seconds_since(begun, apr_time_now());

        if (has_room(number) || is_stopping()) {
            wait = 0;
            add(pace->passed, 1);
            break;
        }
        position = position < all ? position : all; /* Some before it may have given up. */
        wait = expected_wait(number, position > 1 ? position : 1);
        if (waited + wait > group->seconds) {
            wait = wait < 1 ? 1 : wait;
            break;
        }
        sleep_until_signal(&pace->signal, seen);
    }
    add(load->waiting, -1);
    return wait;
}

static int refuse(request_rec *r, int number, double wait, const char *why)
{
    apr_uint64_t refused = to_tell(&pace_of(number)->news);
    int seconds = wait > 0 ? (wait < LONGEST_RETRY_AFTER ? (int)wait + 1 : LONGEST_RETRY_AFTER) : RETRY_AFTER;

    if (refused) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "application '%s' is overloaded: %s; requests that got 503 since the last message: "
                      "%" APR_UINT64_T_FMT,
                      group_at(number)->name, why, refused);
    }
    apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, seconds));
    return HTTP_SERVICE_UNAVAILABLE;
}

/* How many workers a group may hold. */
static int most_held(int number)
{
    const group_t *group = group_at(number);

    return group->processes * group->threads + group->waiting;
}

/* How many workers no application gets. */
static int reserved(void)
{
    return workers / RESERVED > 1 ? workers / RESERVED : 1;
}

/* Whether all workers are held that are for applications. */
static int is_full(void)
{
    return workers > 1 && held_by_all() > workers - reserved();
}

/*
 * Wait a moment for a group that holds more workers than it may; how many it holds then. Who waits here makes way as soon
 * as another group would find no worker.
 */
static int wait_for_worker(int number)
{
    pace_t *pace = pace_of(number);
    load_t *load = loads_of(own) + number;
    apr_uint64_t begun = apr_time_now();
    int held, most = most_held(number);

    __atomic_add_fetch(&load->surplus, 1, __ATOMIC_SEQ_CST);
    while (1) {
        apr_uint32_t seen = __atomic_load_n(&pace->left, __ATOMIC_SEQ_CST);
        apr_uint64_t now = apr_time_now();

        held = total_of(number).held;
        if (held <= most || is_full() || now < begun || now - begun >= SURPLUS_WAIT || is_stopping()) {
            break;
        }
        sleep_until_signal(&pace->left, seen);
    }
    add(load->surplus, -1);
    return held;
}

/* A group holds a worker less. */
static void note_worker(int number)
{
    pace_t *pace = pace_of(number);
    total_t total;

    __atomic_add_fetch(&pace->left, 1, __ATOMIC_SEQ_CST);
    total = total_of(number);
    if (total.surplus && total.held <= most_held(number)) {
        wake(&pace->left, INT_MAX);
    }
}

/* Let those go that wait for a worker of their group; whether there are some. */
static int make_way(void)
{
    int i, found = 0;

    for (i = 0; i < groups->nelts; i++) {
        if (total_of(i).surplus) {
            __atomic_add_fetch(&pace_of(i)->left, 1, __ATOMIC_SEQ_CST);
            wake(&pace_of(i)->left, INT_MAX);
            found = 1;
        }
    }
    return found;
}

/* Whether there is a worker for a request. It is counted already. */
static int judge_worker(request_rec *r, int number)
{
    int most = most_held(number), held = total_of(number).held;

    if (held > most) {
        held = wait_for_worker(number);
    }
    if (held > most) {
        return refuse(r, number, 0,
                      apr_psprintf(r->pool, "%d requests are there, and %d may be (threads, and listen_backlog)", held,
                                   most));
    }
    if (is_full() && !make_way()) {
        return refuse(r, number, 0,
                      apr_psprintf(r->pool, "applications hold all but %d of the %d workers of httpd", reserved(),
                                   workers));
    }
    return OK;
}

/* The handler that runs all others. */
static int hold(request_rec *r)
{
    const place_t *place = ap_get_module_config(r->per_dir_config, &wsgi_admission_module);
    request_t *request;
    load_t *load;
    int result;

    if (!own || place->group < 0 || !r->handler || r->main
        || (strcmp(r->handler, "wsgi-script") && strcmp(r->handler, "application/x-httpd-wsgi"))
        || ap_get_module_config(r->request_config, &wsgi_admission_module)) {
        return DECLINED;
    }
    request = apr_pcalloc(r->pool, sizeof(*request));
    request->group = place->group;
    ap_set_module_config(r->request_config, &wsgi_admission_module, request);
    load = loads_of(own) + place->group;
    add(load->held, 1);
    add(own->held, 1);
    result = judge_worker(r, place->group);
    if (result == OK) {
        result = ap_run_handler(r);
    }
    if (request->has_asked) {
        note_answer(request->group);
    }
    add(own->held, -1);
    __atomic_add_fetch(&load->held, -1, __ATOMIC_SEQ_CST);
    note_worker(place->group);
    return result;
}

/* The body is there, and the application is next. */
static int ask(request_rec *r)
{
    request_t *request = own ? ap_get_module_config(r->request_config, &wsgi_admission_module) : NULL;
    const group_t *group;
    int waiting;

    if (!request || request->has_asked) {
        return DECLINED;
    }
    group = group_at(request->group);
    if (!group->processes || !group->threads || !group->seconds) {
        return DECLINED;
    }
    waiting = total_of(request->group).waiting;
    if (waiting || !has_room(request->group)) {
        double wait = wait_for_room(request->group, waiting);

        if (wait > 0) {
            return refuse(r, request->group, wait,
                          apr_psprintf(r->pool, "its %d threads are busy, and %d requests wait, some of them for more "
                                       "than %d s at this pace (queue_timeout)", group->processes * group->threads,
                                       waiting, group->seconds));
        }
    }
    request->has_asked = 1;
    add(loads_of(own)[request->group].asked, 1);
    if (waiting && has_room(request->group)) {
        wake(&pace_of(request->group)->signal, 1); /* Who was to be woken may have left. */
    }
    ap_add_output_filter(ANSWERED_FILTER, request, r, r->connection);
    return DECLINED;
}

/* The application is through with a request when its answer ends, however slowly the client takes it. */
static apr_status_t see_end(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_t *request = filter->ctx;
    apr_bucket *last = APR_BRIGADE_LAST(brigade);

    if (last != APR_BRIGADE_SENTINEL(brigade) && APR_BUCKET_IS_EOS(last)) {
        if (request->has_asked) {
            request->has_asked = 0;
            note_answer(request->group);
        }
        ap_remove_output_filter(filter);
    }
    return ap_pass_brigade(filter->next, brigade);
}

/* -- configuration ----------------------------------------------------------------------------------------------- */

static void *create_place(apr_pool_t *pool, char *unused)
{
    place_t *place = apr_palloc(pool, sizeof(*place));

    place->group = -1;
    return place;
}

static void *merge_place(apr_pool_t *pool, void *enclosing, void *inner)
{
    return ((place_t *)inner)->group < 0 ? enclosing : inner;
}

static int number_of(const char *text, int most)
{
    char *end;
    long found = strtol(text, &end, 10);

    return *text < '0' || *text > '9' || *end || found > most ? -1 : (int)found;
}

static int index_of(apr_pool_t *pool, const char *name)
{
    int i;

    for (i = 0; i < groups->nelts; i++) {
        if (!strcmp(group_at(i)->name, name)) {
            return i;
        }
    }
    memset(apr_array_push(groups), 0, sizeof(group_t));
    APR_ARRAY_IDX(groups, i, group_t).name = apr_pstrdup(pool, name);
    return i;
}

static const char *set_group(cmd_parms *cmd, void *config, int count, char *const words[])
{
    static const char wrong[] = "AdmissionGroup takes the name of a group, and processes=, threads=, waiting= and "
                                "queue-timeout= with a number each.";
    place_t *place = config;
    group_t *group;
    int i;

    if (count < 1) {
        return wrong;
    }
    place->group = index_of(cmd->server->process->pconf, words[0]);
    group = &APR_ARRAY_IDX(groups, place->group, group_t);
    for (i = 1; i < count; i++) {
        const char *value = strchr(words[i], '=');
        apr_size_t length = value ? (apr_size_t)(value - words[i]) : 0;
        int number = value ? number_of(value + 1, 1000000) : -1;
        int *target = length == 9 && !strncmp(words[i], "processes", length) ? &group->processes
                      : length == 7 && !strncmp(words[i], "threads", length) ? &group->threads
                      : length == 7 && !strncmp(words[i], "waiting", length) ? &group->waiting
                      : length == 13 && !strncmp(words[i], "queue-timeout", length) ? &group->seconds : NULL;

        if (!target || number < 0 || ((target == &group->processes || target == &group->threads) && number > 30000)) {
            return wrong;
        }
        *target = number;
    }
    return NULL;
}

static const char *set_clients(cmd_parms *cmd, void *unused, const char *text)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_size_t length = strlen(text);

    client_number = client_percent = 0;
    if (wrong) {
        return wrong;
    }
    if (length > 1 && text[length - 1] == '%') {
        client_percent = number_of(apr_pstrndup(cmd->temp_pool, text, length - 1), 100);
    }
    else {
        client_number = number_of(text, 1000000);
    }
    return client_percent < 0 || client_number < 0
               ? "AdmissionClient takes the number of workers that one client may hold, as a part of all (50%), or 0."
               : NULL;
}

static const char *set_trusted(cmd_parms *cmd, void *unused, const char *text)
{
    char *address = apr_pstrdup(cmd->pool, text), *bits = strchr(address, '/');
    apr_ipsubnet_t *network;

    if (bits) {
        *bits++ = '\0';
    }
    if (apr_ipsubnet_create(&network, address, bits, cmd->pool) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "AdmissionTrusted takes addresses and networks, not \"%s\".", text);
    }
    APR_ARRAY_PUSH(trusted, apr_ipsubnet_t *) = network;
    return NULL;
}

static int forget(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    groups = apr_array_make(pconf, 8, sizeof(group_t));
    trusted = apr_array_make(pconf, 8, sizeof(apr_ipsubnet_t *));
    client_number = client_percent = client_limit = 0;
    return OK;
}

static const command_rec commands[] = {
    AP_INIT_TAKE_ARGV("AdmissionGroup", set_group, NULL, RSRC_CONF | ACCESS_CONF,
                      "The daemon process group that answers here, and what it bears"),
    AP_INIT_TAKE1("AdmissionClient", set_clients, NULL, RSRC_CONF,
                  "How many workers one client address may hold, as a number or as a part of all (50%); 0: any"),
    AP_INIT_ITERATE("AdmissionTrusted", set_trusted, NULL, RSRC_CONF,
                    "Addresses and networks of proxies, which are not limited as one client"),
    { NULL }
};

static void register_hooks(apr_pool_t *pool)
{
    static const char *const buffering[] = { "mod_wsgi_buffering.c", NULL };

    ap_hook_pre_config(forget, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(make_table, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_child_init(start_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(note_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_connection(note_connection, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_suspend_connection(note_suspend, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_resume_connection(note_resume, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_process_connection(judge_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(hold, NULL, buffering, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(ask, buffering, NULL, APR_HOOK_FIRST);
    /* Next to the application, before the client is waited for. */
    ap_register_output_filter(ANSWERED_FILTER, see_end, NULL, AP_FTYPE_RESOURCE - 2);
}

module AP_MODULE_DECLARE_DATA wsgi_admission_module = {
    STANDARD20_MODULE_STUFF, create_place, merge_place, NULL, NULL, commands, register_hooks
};
