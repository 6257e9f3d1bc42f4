/* SPDX-License-Identifier: Apache-2.0
 * A name and a home for the user that a container runs as, when /etc/passwd has none: `passwd: files modwsgi` in nsswitch.conf.
 * It reads nothing and writes nothing, and answers for the user who asks and for nobody else, so /etc/passwd can stay root's. */
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The entry of the user of this process: NUMBER:x:NUMBER:GROUP::/tmp/home-NUMBER:/usr/sbin/nologin. */
static enum nss_status entry(struct passwd *found, char *buffer, size_t length, int *number)
{
    int name = snprintf(buffer, length, "%lu", (unsigned long) geteuid());
    int home = (size_t) name < length
        ? snprintf(buffer + name + 1, length - name - 1, "/tmp/home-%lu", (unsigned long) geteuid())
        : 0;
    if ((size_t) (name + 1 + home) >= length) {
        *number = ERANGE; /* the caller comes again with a larger one */
        return NSS_STATUS_TRYAGAIN;
    }
    found->pw_name = buffer;
    found->pw_passwd = "x";
    found->pw_uid = geteuid();
    found->pw_gid = getegid();
    found->pw_gecos = "";
    found->pw_dir = buffer + name + 1;
    found->pw_shell = "/usr/sbin/nologin";
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_modwsgi_getpwuid_r(uid_t user, struct passwd *found, char *buffer, size_t length, int *number)
{
    if (user != geteuid()) {
        *number = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    return entry(found, buffer, length, number);
}

enum nss_status _nss_modwsgi_getpwnam_r(const char *name, struct passwd *found, char *buffer, size_t length, int *number)
{
    char own[24];
    snprintf(own, sizeof own, "%lu", (unsigned long) geteuid());
    if (strcmp(name, own) != 0) {
        *number = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    return entry(found, buffer, length, number);
}
