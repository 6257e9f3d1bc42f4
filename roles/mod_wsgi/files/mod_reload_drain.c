/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reload (graceful restart) that loses no request of mod_wsgi's daemon mode.
 *
 * httpd's parent tells its children to finish, leaves the MPM, and clears the pool of its configuration. That ends the
 * daemon processes of mod_wsgi and removes their sockets at once, while the children still have requests that are on
 * their way there: those get 503. This module holds the parent between the two, until the children of the finished
 * generation have ended, ReloadDrainTimeout seconds at most. Connections that come meanwhile wait in the kernel's queue
 * of the listening sockets, which the parent keeps open.
 *
 * A child counts until it has ended. A child ends by itself once it has nothing left to do, and nothing less says so:
 * the scoreboard does not show what a child has accepted and not yet read.
 *
 * Order, in apr_pool_clear() of the configuration's pool (APR 1.x): pre-cleanups, hence drain(); pools below it;
 * cleanups, last registered first, hence the MPM's unset_signals() and then, registered before it, forward_signal();
 * at last the processes started from it. The signal handlers of an MPM run stay installed until the next one.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_tables.h"
#include "apr_time.h"

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "unixd.h"

module AP_MODULE_DECLARE_DATA reload_drain_module;
APLOG_USE_MODULE(reload_drain);

#define LONGEST_SECONDS 30
#define POLL_INTERVAL apr_time_from_msec(10)

/* For one reading of the configuration; lives in its pool. */
typedef struct {
    pid_t parent;                 /* that the hooks and cleanups are for; forked processes have a copy of this */
    apr_interval_time_t timeout;  /* microseconds */
    apr_array_header_t *children; /* pid_t, started under this configuration and not yet reaped */
    int signal;                   /* that came while the parent waited; 0: none */
    ap_unixd_mpm_retained_data *mpm;
    server_rec *server;
} drain_t;

static drain_t *drain_state;

static apr_interval_time_t configured_timeout;

static const char *set_timeout(cmd_parms *cmd, void *unused, const char *text)
{
    const char *refused = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *end;
    double seconds;

    if (refused) {
        return refused;
    }
    seconds = strtod(text, &end);
    if (!*text || *end || strspn(text, "0123456789.") != strlen(text) || seconds > LONGEST_SECONDS) {
        return apr_psprintf(cmd->pool, "ReloadDrainTimeout takes seconds from 0 to %d, for example 2.5, not \"%s\".",
                            LONGEST_SECONDS, text);
    }
    configured_timeout = (apr_interval_time_t)(seconds * APR_USEC_PER_SEC);
    return NULL;
}

static int forget_timeout(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    configured_timeout = 0;
    return OK;
}

static void note_child(server_rec *server, pid_t pid, ap_generation_t generation, int slot, mpm_child_status status)
{
    pid_t *pids;
    int i;

    if (!drain_state || drain_state->parent != getpid()) {
        return;
    }
    if (status == MPM_CHILD_STARTED) {
        APR_ARRAY_PUSH(drain_state->children, pid_t) = pid;
        return;
    }
    if (status != MPM_CHILD_EXITED) {
        return; /* One that has lost its place in the scoreboard lives on. */
    }
    pids = (pid_t *)drain_state->children->elts;
    for (i = 0; i < drain_state->children->nelts; i++) {
        if (pids[i] == pid) {
            pids[i] = pids[--drain_state->children->nelts];
            return;
        }
    }
}

/* kill(pid, 0) would find one that has ended until the MPM has reaped it, which is to come only after the wait. */
static int has_ended(pid_t pid)
{
    siginfo_t found;
    int result;

    memset(&found, 0, sizeof(found));
    do {
        result = waitid(P_PID, (id_t)pid, &found, WEXITED | WNOHANG | WNOWAIT);
    } while (result && errno == EINTR);
    return result || found.si_pid == pid;
}

static int count_living(drain_t *state)
{
    pid_t *pids = (pid_t *)state->children->elts;
    int i = 0;

    while (i < state->children->nelts) {
        if (has_ended(pids[i])) {
            pids[i] = pids[--state->children->nelts];
        }
        else {
            i++;
        }
    }
    return state->children->nelts;
}

/* The MPM's handlers tell by these flags. A reload has set restart_pending alone. */
static int pending_signal(const ap_unixd_mpm_retained_data *mpm)
{
    if (mpm->shutdown_pending) {
        return mpm->is_ungraceful ? SIGTERM : AP_SIG_GRACEFUL_STOP;
    }
    return mpm->is_ungraceful ? SIGHUP : 0;
}

static apr_status_t drain(void *data)
{
    drain_t *state = data;
    ap_unixd_mpm_retained_data *mpm = state->mpm;
    apr_time_t begin = apr_time_now(), now = begin;
    int living;

    drain_state = NULL;
    if (state->parent != getpid() || !mpm->restart_pending) {
        return APR_SUCCESS; /* Another process, or the end of it. */
    }
    if (mpm->shutdown_pending) {
        state->signal = pending_signal(mpm); /* It came after the MPM had looked; where httpd ends anyway, no harm. */
        return APR_SUCCESS;
    }
    if (mpm->is_ungraceful) {
        return APR_SUCCESS; /* A restart, which has ended the children. */
    }
    /* A graceful stop is in no hurry. A clock that is set back does not prolong the wait. */
    while ((living = count_living(state)) > 0 && now >= begin && now - begin < state->timeout && !mpm->is_ungraceful) {
        apr_sleep(POLL_INTERVAL);
        now = apr_time_now();
    }
    state->signal = pending_signal(mpm);
    if (state->signal) {
        /* The old children have finished gracefully, and the MPM must know, or it loses them with their scoreboard. */
        mpm->shutdown_pending = mpm->is_ungraceful = 0;
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, state->server,
                     "reload: signal %d came while children had requests, and takes effect now; that still serve: %d",
                     state->signal, living);
    }
    else if (living) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, state->server,
                     "reload: the daemon processes are replaced now, though children still serve after %" APR_TIME_T_FMT
                     " ms (ReloadDrainTimeout): %d", apr_time_as_msec(now - begin), living);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, state->server, "reload: all children ended within %" APR_TIME_T_FMT
                     " ms", apr_time_as_msec(now - begin));
    }
    return APR_SUCCESS;
}

/* unset_signals() has forgotten what came during the wait; from here to the next MPM run nothing is forgotten. */
static apr_status_t forward_signal(void *data)
{
    drain_t *state = data;

    if (state->signal && state->parent == getpid()) {
        raise(state->signal);
    }
    return APR_SUCCESS;
}

static int prepare(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    drain_t *state;

    drain_state = NULL;
    if (!configured_timeout || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    state = apr_pcalloc(pconf, sizeof(*state));
    state->parent = getpid();
    state->timeout = configured_timeout;
    state->children = apr_array_make(pconf, 16, sizeof(pid_t));
    state->mpm = ap_unixd_mpm_get_retained_data();
    state->server = server;
    apr_pool_pre_cleanup_register(pconf, state, drain);
    apr_pool_cleanup_register(pconf, state, forward_signal, apr_pool_cleanup_null);
    drain_state = state;
    return OK;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("ReloadDrainTimeout", set_timeout, NULL, RSRC_CONF,
                  "Seconds that a reload waits, at most, for requests on their way to daemon processes; 0: not at all"),
    { NULL }
};

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_pre_config(forget_timeout, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(prepare, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(note_child, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA reload_drain_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks
};
