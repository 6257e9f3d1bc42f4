# SPDX-License-Identifier: Apache-2.0
"""Lines of real error logs, by the diagnosis of wsgi-doctor that they are for.

Those of REAL were written by Apache 2.4.71 with mod_wsgi 6.1.1 or 4.9.4 on Debian 12, by an application that does what
the line is about. Those of SOURCES are put together from the format strings of the sources, or from the messages of the
programs named.
"""

from __future__ import annotations

SITE, SERVER, KERNEL = "site", "server", "kernel"

ERROR = "[2026-11-30 08:34:28.000000] [wsgi:error] [pid 11728:tid 140568564938432] "
CLIENT = "[client 127.0.0.1:49910] [id aw01FIB34XXmBI2mUmn1eQAAAAI] "
SCRIPT = "[script /usr/local/lib/modwsgi/launcher.py] "
INFO = "[2026-11-30 08:34:28.000000] [wsgi:info] [pid 11728:tid 140568616626048] "
PARENT = "[2026-11-30 08:34:28.000000] [wsgi:info] [pid 361:tid 139956365555584] "
CORE = "[2026-11-30 08:34:28.000000] [core:notice] [pid 361:tid 139956365555584] "
TLS = "[2026-11-30 08:34:28.000000] [ssl:error] [pid 22707:tid 140069061088960] "
LAUNCHER = "/usr/local/lib/modwsgi/launcher.py"
RELEASE = "/srv/wsgi/sick/releases/049c12f842f76eaacb3f"

REAL: dict[str, list[tuple[str, str]]] = {
    "configuration-failed": [(SERVER, "AH00016: Configuration Failed")],
    "crash": [(SERVER, f"{CORE}AH00052: child pid 2514 exit signal Segmentation fault (11)")],
    "killed": [
        (SERVER, f"{PARENT}Process 'sick' (pid=2592) terminated by signal 9"),
        (SERVER, f"{PARENT}mod_wsgi (pid=5224): Process 'sick' terminated by signal 9"),
    ],
    "left": [(SERVER, f"{PARENT}Process 'sick' (pid=11718) terminated by signal 3")],
    "deadlock": [(SITE, f"{INFO}Daemon process deadlock timer expired, stopping daemon process 'sick'.")],
    "request-timeout": [(SITE, f"{INFO}Daemon process request time limit exceeded, stopping daemon process 'sick'.")],
    "stuck-shutdown": [(SITE, f"{INFO}Shutdown timeout expired; aborting daemon process 'sick'.")],
    "ended": [
        (SITE, f"{INFO}Shutdown requested for daemon process 'sick'."),
        (SITE, f"{INFO}mod_wsgi (pid=3053): Shutdown requested 'sick'."),
        (
            SITE,
            f"{INFO}Graceful restart requested; waiting for in-flight requests to complete in daemon process 'sick'.",
        ),
        (SITE, f"{INFO}Graceful restart requested; triggering immediate shutdown of daemon process 'sick'."),
        (SERVER, f"{PARENT}Deregistering daemon process 'sick' (pid=16139); server is restarting or shutting down."),
    ],
    "import-timeout": [
        (
            SITE,
            f"{ERROR}TimeoutError: The application sick was not loaded within 2 s (startup_timeout), so its process "
            "18331 was ended; correct what it waits for, or set startup_timeout to more.",
        ),
        (SITE, "Timeout (0:00:16)!"),
    ],
    "import-repeated": [
        (
            SITE,
            f"{ERROR}The application sick is loaded again in 1 s, since the last 2 of its processes ended while they "
            "loaded it: by an exit, a crash, a stop, or after 2 s (startup_timeout); see above.",
        ),
    ],
    "no-headers": [
        (
            SITE,
            f"{ERROR}{CLIENT}{SCRIPT}WSGI0147: Error reading response headers from daemon process 'sick' (Connection "
            "reset by peer).",
        ),
        (
            SITE,
            f"{ERROR}{CLIENT}Truncated or oversized response headers received from daemon process 'sick': {LAUNCHER}",
        ),
    ],
    "header-too-long": [
        (SITE, f"{ERROR}{CLIENT}{SCRIPT}WSGI0144: Response header line too long from daemon process 'sick'."),
    ],
    "socket-permissions": [
        (
            SITE,
            "[2026-11-30 08:32:25.282421] [wsgi:error] [pid 385:tid 139954000725696] (13)Permission denied: "
            f"{CLIENT}{SCRIPT}WSGI0117: Unable to connect to WSGI daemon process 'sick' on "
            "'/run/wsgi/wsgi.361.0.2.sock' as user with uid=33.",
        ),
        (
            SITE,
            f"[2026-11-30 08:33:32.695500] [wsgi:error] [pid 3058:tid 140439113950912] (13)Permission denied: {CLIENT}"
            "mod_wsgi (pid=3058): Unable to connect to WSGI daemon process 'sick' on '/run/wsgi/wsgi.3051.0.2.sock' as "
            "user with uid=33.",
        ),
    ],
    "queue-full": [
        (SITE, f"{ERROR}{CLIENT}{SCRIPT}WSGI0084: Queue timeout expired for WSGI daemon process 'sick'."),
    ],
    "populate": [(SITE, f"{ERROR}{CLIENT}RuntimeError: populate() isn't reentrant")],
    "module-missing": [(SITE, f"{ERROR}ModuleNotFoundError: No module named 'nonexistent_module'")],
    "not-startable": [
        (
            SITE,
            f"{ERROR}RuntimeError: The script {RELEASE}/wsgi.py has no application; set `callable` to the name of its "
            "WSGI application.",
        ),
    ],
    "import-exception": [
        (SITE, f"{ERROR}WSGI0110: Unable to execute Python script file '{LAUNCHER}'."),
        (SITE, f"{ERROR}{CLIENT}{SCRIPT}WSGI0109: Unable to execute Python script file '{LAUNCHER}'."),
        (SITE, f"{ERROR}WSGI0108: SystemExit exception raised when doing exec of Python script file '{LAUNCHER}'."),
    ],
    "exception": [
        (
            SITE,
            f"{ERROR}{CLIENT}WSGI0174: {SCRIPT}RuntimeError exception raised processing WSGI script '{LAUNCHER}' for "
            "main interpreter of daemon process 'sick'.",
        ),
        (
            SITE,
            f"{ERROR}{CLIENT}WSGI0175: {SCRIPT}SystemExit exception raised by WSGI script '{LAUNCHER}' for main "
            "interpreter of daemon process 'sick'; ignored.",
        ),
        (SITE, f"{ERROR}{CLIENT}mod_wsgi (pid=5224): Exception occurred processing WSGI script '{LAUNCHER}'."),
    ],
    "cannot-write": [(SITE, f"{ERROR}{CLIENT}PermissionError: [Errno 13] Permission denied: '{RELEASE}/mark'")],
    "files-open": [(SITE, f"{ERROR}{CLIENT}OSError: [Errno 24] Too many open files: '/dev/null'")],
    "locale": [
        (
            SITE,
            f"{ERROR}{CLIENT}UnicodeEncodeError: 'ascii' codec can't encode character '\\\\u20ac' in position 0: "
            "ordinal not in range(128)",
        ),
    ],
    "authorization": [(SITE, f"{ERROR}{CLIENT}KeyError: 'HTTP_AUTHORIZATION'")],
    "misdirected": [
        (
            SITE,
            f"{TLS}{CLIENT}AH02032: Hostname a.example (default host as no SNI was provided) and hostname b.example "
            "provided via HTTP have no compatible SSL setup for policy 'secure'",
        ),
        (
            SITE,
            f"{TLS}{CLIENT}AH02032: Hostname a.example provided via SNI and hostname b.example provided via HTTP have "
            "no compatible SSL setup for policy 'secure'",
        ),
    ],
    "no-length": [
        (
            SITE,
            f"{ERROR}{CLIENT}{SCRIPT}WSGI0139: Request requires chunked transfer encoding, but support for chunked "
            "transfer encoding has not been enabled.",
        ),
    ],
    "tls-broken": [
        (
            SITE,
            "[2026-11-30 08:35:19.724877] [ssl:emerg] [pid 24748:tid 140412494387072] AH02565: Certificate and private "
            "key b.example:443:0 from /root/c.pem and /root/k2.pem do not match",
        ),
    ],
    "tls-name": [
        (
            SITE,
            "[2026-11-30 08:35:17.369418] [ssl:warn] [pid 22614:tid 140071243507584] AH01909: b.example:443:0 server "
            "certificate does NOT include an ID which matches the server name",
        ),
    ],
    "overloaded": [
        (
            SITE,
            f"[2026-11-30 15:43:25.942865] [wsgi_admission:warn] [pid 34877:tid 139846987003584] {CLIENT}application "
            f"'sick' is overloaded: {why}; requests that got 503 since the last message: 45",
        )
        for why in (
            "its 30 threads are busy, and 498 requests wait, some of them for more than 45 s at this pace "
            "(queue_timeout)",
            "769 requests are there, and 768 may be (threads, and listen_backlog)",
            "applications hold all but 32 of the 1024 workers of httpd",
        )
    ],
    "client-limit": [
        (
            SERVER,
            "[2026-11-30 15:55:42.639441] [wsgi_admission:warn] [pid 39291:tid 140535708325568] "
            "client 198.51.100.1 has 513 connections and holds 513 workers, and 512 workers "
            "are the limit for one address; connections closed since the last message: 1",
        )
    ],
    "buffer-full": [
        (
            SITE,
            f"[2026-11-30 14:02:45.062914] [wsgi_buffering:{level}] [pid 4812:tid 5093] {CLIENT}{what}, since it "
            "cannot be buffered in /var/tmp, where there is no room",
        )
        for level, what in (
            ("error", "the body of a request is refused"),
            ("warn", "the application waits for the body of a request"),
            ("warn", "an answer waits for a slow client"),
        )
    ],
    "drain-too-short": [
        (
            SERVER,
            "[2026-11-30 08:34:34.494230] [reload_drain:notice] [pid 9568:tid 140568616626048] reload: the daemon "
            "processes are replaced now, though children still serve after 2001 ms (ReloadDrainTimeout): 1",
        ),
    ],
}

SOURCES: dict[str, list[tuple[str, str]]] = {
    "no-counters": [
        (
            SERVER,
            "[2026-11-30 08:34:28.000000] [wsgi_admission:warn] [pid 361:tid 139956365555584] (12)Cannot allocate "
            "memory: there is no memory for the counters of requests, so none is refused",
        )
    ],
    "oom": [
        (
            KERNEL,
            "Out of memory: Killed process 2514 (apache2) total-vm:4194304kB, anon-rss:3145728kB, file-rss:0kB, "
            "shmem-rss:0kB, UID:995 pgtables:6500kB oom_score_adj:0",
        ),
        (KERNEL, "Memory cgroup out of memory: Killed process 2514 (apache2) total-vm:419430kB, anon-rss:314572kB"),
    ],
    "deadlock": [
        (SITE, f"{INFO}mod_wsgi (pid=1): Daemon process deadlock timer expired, stopping process 'sick'."),
    ],
    "request-timeout": [
        (SITE, f"{INFO}mod_wsgi (pid=1): Daemon process request time limit exceeded, stopping process 'sick'."),
    ],
    "stuck-shutdown": [(SITE, f"{INFO}mod_wsgi (pid=1): Aborting process 'sick'.")],
    "ended": [
        (SITE, f"{INFO}mod_wsgi (pid=1): Process eviction requested, waiting for requests to complete 'sick'."),
    ],
    "wrong-python": [
        (
            SITE,
            f"{ERROR}WSGI0099: Compiled for Python/3.11.2 but runtime using Python/3.13.1 in daemon process 'sick'.",
        ),
        (SITE, "ModuleNotFoundError: No module named 'encodings'"),
        (SITE, f"{ERROR}ImportError: /x/_speed.cpython-39-x86_64-linux-gnu.so: undefined symbol: _PyUnicode_Ready"),
        (
            SITE,
            f"{ERROR}WSGI0100: Unable to stat Python home '/srv/wsgi/sick/venv' for daemon process 'sick'; Python "
            "interpreter may not initialise correctly. Verify the path and the access "
            "permissions on every component of "
            "it.",
        ),
    ],
    "python-fails": [
        (
            SERVER,
            f"{ERROR}WSGI0028: Python initialisation failed in daemon process 'sick'; Python "
            f"based handlers will not be "
            "available.",
        ),
    ],
    "process-setup": [
        (
            SERVER,
            f"{PARENT}WSGI0013: Unable to bind unix domain socket '/run/wsgi/x.sock'. Daemon group will not start.",
        ),
        (SITE, f"{ERROR}RuntimeError: can't start new thread"),
    ],
    "sub-interpreter": [
        (SITE, f"{ERROR}ImportError: module _x does not support loading in subinterpreters"),
        (
            SITE,
            f"{ERROR}ImportError: PyO3 modules compiled for CPython 3.8 or older may only be initialized once per "
            "interpreter process",
        ),
        (SITE, f"{ERROR}ImportError: cannot load module more than once per process"),
    ],
    "not-startable": [
        (
            SITE,
            f"{ERROR}RuntimeError: application of the script {RELEASE}/wsgi.py is an ASGI application, which mod_wsgi "
            "does not serve; wrap it by an adapter such as a2wsgi, or run it beside httpd and name it in `backends`.",
        ),
        (
            SITE,
            f"{ERROR}RuntimeError: The application sick is not started, because /etc/wsgi/sick/environment.json cannot "
            "be read ([Errno 2] No such file or directory); deploy it again.",
        ),
    ],
    "import-exception": [
        (SITE, f"{ERROR}{CLIENT}mod_wsgi (pid=1): Failed to exec Python script file '{LAUNCHER}'."),
    ],
    "queue-full": [
        (
            SITE,
            f"{ERROR}{CLIENT}{SCRIPT}WSGI0116: Unable to connect to WSGI daemon process 'sick' on "
            "'/run/wsgi/wsgi.361.0.2.sock' after multiple attempts as listener backlog limit "
            "was exceeded or the socket "
            "does not exist.",
        ),
    ],
    "not-reached": [
        (
            SITE,
            "[2026-11-30 08:32:25.282421] [wsgi:error] [pid 385:tid 1] (2)No such file or directory: "
            f"{CLIENT}{SCRIPT}WSGI0117: Unable to connect to WSGI daemon process 'sick' on "
            "'/run/wsgi/wsgi.361.0.2.sock' as user with uid=33.",
        ),
    ],
    "no-headers": [
        (
            SITE,
            f"{ERROR}{CLIENT}{SCRIPT}WSGI0146: Daemon process 'sick' closed connection before "
            f"sending complete response "
            "headers.",
        ),
    ],
    "header-timeout": [
        (SITE, f"{ERROR}{CLIENT}{SCRIPT}WSGI0145: Timeout when reading response headers from daemon process 'sick'."),
    ],
    "disk-full": [
        (SITE, f"{ERROR}OSError: [Errno 28] No space left on device"),
        (SITE, f"{ERROR}sqlite3.OperationalError: database or disk is full"),
    ],
    "logs-lost": [(SITE, "log_writer.py: 12 lines were lost here (Input/output error)")],
    "cannot-write": [
        (SITE, f"{ERROR}OSError: [Errno 30] Read-only file system: '/usr/share/x'"),
        (SITE, f"{ERROR}django.db.utils.OperationalError: attempt to write a readonly database"),
        (SITE, f"{ERROR}sqlite3.OperationalError: unable to open database file"),
    ],
    "files-open": [(SERVER, f"{CORE}(24)Too many open files: AH00034: cannot open")],
    "memory-limit": [(SITE, f"{ERROR}MemoryError"), (SITE, f"{ERROR}OSError: [Errno 12] Cannot allocate memory")],
    "locale": [
        (SERVER, f"{PARENT}WSGI0079: Unsupported locale setting 'xx' specified for daemon process group 'sick'")
    ],
    "proxy-scheme": [
        (
            SITE,
            f"{ERROR}Forbidden (Origin checking failed - https://shop.example does not match any trusted origins.): "
            "/login/",
        ),
    ],
    "host-refused": [
        (
            SITE,
            f"{ERROR}Invalid HTTP_HOST header: 'www.shop.example'. You may need to add 'www.shop.example' to "
            "ALLOWED_HOSTS.",
        ),
    ],
    "too-large": [
        (
            SITE,
            f"{ERROR}{CLIENT}AH01588: Requested content-length of 200000000 is larger than the configured limit of "
            "104857600",
        ),
    ],
    "static-denied": [
        (SITE, f"{ERROR}{CLIENT}AH00037: Symbolic link not allowed or link target not accessible: /srv/wsgi/sick/x"),
        (SITE, f"{ERROR}(13)Permission denied: {CLIENT}AH00132: file permissions deny server access: /x/a.css"),
    ],
    "workers-full": [
        (
            SERVER,
            "[2026-11-30 08:34:28.000000] [mpm_event:error] [pid 361:tid 1] AH00484: server reached MaxRequestWorkers "
            "setting, consider raising the MaxRequestWorkers setting",
        ),
        (
            SERVER,
            "[2026-11-30 08:34:28.000000] [mpm_event:error] [pid 361:tid 1] AH10159: server "
            "is within MinSpareThreads of "
            "MaxRequestWorkers, consider raising the MaxRequestWorkers setting",
        ),
    ],
    "stuck-child": [
        (
            SERVER,
            "[2026-11-30 08:34:28.000000] [mpm_event:error] [pid 361:tid 1] AH03490: scoreboard is full, not at "
            "MaxRequestWorkers.Increase ServerLimit.",
        ),
        (
            SERVER,
            "[2026-11-30 08:34:28.000000] [core:error] [pid 361:tid 1] AH00046: child process 4711 still did not exit, "
            "sending a SIGKILL",
        ),
    ],
    "certificate-renewal": [
        (SERVER, "[2026-11-30 08:34:28.000000] [md:error] [pid 361:tid 1] AH10056: processing shop.example: refused"),
    ],
}

LINES: list[tuple[str, str, str]] = [
    (name, source, line)
    for known in (REAL, SOURCES)
    for name, lines in known.items()
    for source, line in lines
]  # fmt: skip
"""Diagnosis, log, line."""
