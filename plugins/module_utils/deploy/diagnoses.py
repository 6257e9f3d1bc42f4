# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an application that is deployed: how it shows, why, and what to do. The one table of it.

wsgi-doctor finds its entries on a host, and docs/troubleshooting.md lists them (tools/diagnoses.py --write). The most
telling come first. The patterns are texts of mod_wsgi (its codes since 6; 4.9 and 5.0 have texts of their own), httpd
(AH codes), Python, Linux and this collection.

The role wsgi_app installs this file for wsgi-doctor. It needs nothing but Python's standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

GROUP = r"'(?P<group>[^']*)'"
"""The name of a daemon process group in a line of mod_wsgi; of other groups, nothing is found."""


class Diagnosis(NamedTuple):
    """One thing that can be wrong."""

    name: str
    title: str
    """What is wrong, in a few words."""
    visitors: str
    """What visitors get; empty when they notice nothing."""
    cause: str
    remedy: str
    """What to do; keys of the inventory stand in backticks."""
    link: str
    """Page and heading below docs/."""
    says: tuple[str, ...] = ()
    """What the log says, for people. An ellipsis stands for what differs."""
    pattern: str = ""
    """The same as a regular expression for one line; empty for what the state of the host tells."""
    because: tuple[str, ...] = ()
    """Diagnoses that explain this one when they are found at the same time; it is told as their consequence then."""
    written_by: str = ""
    """Who has to have written the reason: the same "thread", within a second (an exception, and what mod_wsgi says of
    it), the same "process", or anybody."""
    alone: bool = True
    """Whether it is wrong by itself; else it is told only when it explains something."""
    kernel: bool = False
    """Whether only the kernel can say it."""
    settings: tuple[str, ...] = ()
    """The keys that the remedy names, by their place in the inventory."""


LOST = (
    "memory-max",
    "oom",
    "crash",
    "deadlock",
    "request-timeout",
    "import-timeout",
    "import-repeated",
    "killed",
    "left",
    "ended",
)
"""Ends of a process that explain why a request got no answer."""

OF_HTTPD = r"\((?:apache2|httpd|python[\d.]*|\(wsgi:[^)]*\)?)\)"
"""What the kernel calls httpd's processes and what they start."""

# The class of an exception stands at the beginning of a line, or after httpd's fields.
RAISED = r"(?:\A|\s)"

TABLE = (
    Diagnosis(
        name="httpd-down",
        title="httpd does not run",
        visitors="no connection",
        cause="It was stopped, or it ended while it started or reloaded; its last lines are below.",
        remedy="See `systemctl status apache2`. A fault in the configuration is named there; run the play again to put "
        "back what it has written.",
        link="troubleshooting.md#httpd-refuses-the-configuration",
    ),
    Diagnosis(
        name="configuration-failed",
        title="httpd has refused its configuration",
        visitors="no connection after a restart; the old site after a reload that was refused",
        cause="A file below /etc/apache2 has a fault, or another program has a port that httpd is to listen on.",
        remedy="`apache2ctl -t` names file and line. Correct `extra_config`, `httpd_extra_config` or the file of "
        "yours, or stop the other program, and run the play again.",
        link="troubleshooting.md#httpd-refuses-the-configuration",
        says=("AH00016: Configuration Failed", "AH00072: make_sock: could not bind to address …"),
        pattern=r"AH00016: |AH00018: |AH00072: |AH00015: ",
        because=("tls-broken",),
        settings=("wsgi_apps.extra_config", "httpd_extra_config"),
    ),
    Diagnosis(
        name="memory-max",
        title="the kernel has killed a process, since the application had all the memory that it may have",
        visitors="502 (500 with mod_wsgi before 6) for the requests of that process",
        cause="All processes of the application together needed more than `memory_max` (where it is not set, four "
        "fifths of the host's memory), or httpd's whole unit more than an administrator lets it have (`MemoryMax`).",
        remedy="Find what grows (`ps -o rss,cmd -C apache2`). Raise `memory_max`, or take fewer `processes`, or end "
        "each process after `daemon_options.maximum_requests`.",
        link="security.md#what-one-application-can-take",
        says=("Memory cgroup out of memory: Killed process … (apache2)",),
        pattern=r"Memory cgroup out of memory: Kill(?:ed)? process (?P<pid>\d+) " + OF_HTTPD,
        kernel=True,
        settings=(
            "wsgi_apps.memory_max",
            "wsgi_apps.processes",
            "wsgi_apps.daemon_options.maximum_requests",
        ),
    ),
    Diagnosis(
        name="tasks-max",
        title="the application has as many processes and threads as it may have",
        visitors="500 where the application wants another one",
        cause="It starts more than `max_tasks`: threads or processes that do not end, or a pool that is too large.",
        remedy="Find what starts them (`ps -eLf`, `wsgi-doctor APP --stacks`), or raise `max_tasks`. The kernel says "
        "this once for each start of httpd; `journalctl -u modwsgi-limits` has the later ones.",
        link="security.md#what-one-application-can-take",
        says=("cgroup: fork rejected by pids controller in …/app-…",),
        pattern=r"cgroup: fork rejected by pids controller in \S*/app-(?P<group>[a-z0-9_-]+)\Z",
        kernel=True,
        settings=("wsgi_apps.max_tasks",),
    ),
    Diagnosis(
        name="apparmor-denied",
        title="AppArmor has refused httpd or an application something",
        visitors="500 where the application cannot go on without it",
        cause="The profile of `httpd_apparmor` does not have it; the line says what (`operation`, `name`).",
        remedy="Where it is meant, name the folder in `httpd_writable_paths`, or add a rule to `httpd_apparmor_rules`. "
        "Programs and extension modules run from releases and from the system only. Where auditd runs, "
        "/var/log/audit/audit.log has these lines.",
        link="security.md#apparmor",
        says=('apparmor="DENIED" operation="…" profile="modwsgi-apache2" name="…"',),
        pattern=r"apparmor=\"DENIED\" .*\bprofile=\"modwsgi-apache2\"",
        kernel=True,
        settings=("httpd_apparmor", "httpd_apparmor_rules", "httpd_writable_paths"),
    ),
    Diagnosis(
        name="limits-off",
        title="processes of the application are in no control group of its own",
        visitors="",
        cause="The service that moves them there does not run, or cannot.",
        remedy="See `systemctl status modwsgi-limits` and its journal; `systemctl restart modwsgi-limits` moves them. "
        "A second after a start it is no fault.",
        link="security.md#what-one-application-can-take",
    ),
    Diagnosis(
        name="oom",
        title="the kernel has killed a process, since memory was short",
        visitors="502 (500 with mod_wsgi before 6) for the requests of that process",
        cause="The host had no memory left.",
        remedy="Find what grows (`ps -o rss,cmd -C apache2`). Fewer `processes`, an end of each process after "
        "`daemon_options.maximum_requests`, or more memory for the host.",
        link="operating.md#why-a-daemon-process-ended",
        says=("Out of memory: Killed process … (apache2)",),
        pattern=r"\bOut of memory: Kill(?:ed)? process (?P<pid>\d+) " + OF_HTTPD,
        kernel=True,
        settings=("wsgi_apps.processes", "wsgi_apps.daemon_options.maximum_requests"),
    ),
    Diagnosis(
        name="crash",
        title="a process has crashed",
        visitors="502 (500 with mod_wsgi before 6) for all requests of that process",
        cause="Code in C has failed: an extension module, one built for another Python, or one that does not bear "
        "threads.",
        remedy="Find the extension: set PYTHONFAULTHANDLER to 1 in `httpd_environment`, and the log has the stack of "
        "the next crash. Then update that package, or deploy with `threads` 1.",
        link="operating.md#why-a-daemon-process-ended",
        says=("AH00052: child pid … exit signal Segmentation fault (11)",),
        pattern=r"AH0005[12]: child pid (?P<pid>\d+) exit signal "
        r"(?:Segmentation fault|Aborted|Abort|Bus error|Illegal instruction|Floating point exception)",
        settings=("httpd_environment", "wsgi_apps.threads"),
    ),
    Diagnosis(
        name="deadlock",
        title="a process was ended, since Python stood still in it",
        visitors="no answer until then, and 502 (500 with mod_wsgi before 6) for all requests of that process",
        cause="Code in C held Python's lock (GIL) for longer than `deadlock_timeout`.",
        remedy="Find the extension by `wsgi-doctor APP --stacks` while it hangs. Raise `deadlock_timeout` only when "
        "the code is known to hold the lock for so long.",
        link="operating.md#why-a-daemon-process-ended",
        says=("Daemon process deadlock timer expired, stopping daemon process '…'",),
        pattern=r"Daemon process deadlock timer expired, stopping (?:daemon )?process " + GROUP,
        settings=("wsgi_apps.deadlock_timeout",),
    ),
    Diagnosis(
        name="request-timeout",
        title="a process was ended, since requests took too long",
        visitors="502 (500 with mod_wsgi before 6) for all requests of that process",
        cause="A request took longer than `request_timeout` (before mod_wsgi 6: all of them, on average over the "
        'threads). The stacks of its threads are in the log, after "Dumping stack trace".',
        remedy="Find what the requests wait for, in these stacks. Then give that a time limit of its own (database, "
        "other services), or raise `request_timeout`; long work in `daemon_groups` of its own leaves the rest alone.",
        link="operating.md#when-an-application-hangs",
        says=("Daemon process request time limit exceeded, stopping daemon process '…'",),
        pattern=r"Daemon process request time limit exceeded, stopping (?:daemon )?process " + GROUP,
        settings=("wsgi_apps.request_timeout", "wsgi_apps.daemon_groups"),
    ),
    Diagnosis(
        name="import-timeout",
        title="the application is not loaded in time",
        visitors="no answer, then 503",
        cause="The import hangs or is slow: a connection without a time limit, a lock, work that belongs elsewhere. "
        "Its stack stands before the line.",
        remedy="Correct what the last lines of the stack wait for, or raise `startup_timeout`.",
        link="operating.md#when-the-import-of-a-release-hangs-or-crashes",
        says=("TimeoutError: The application … was not loaded within … s (startup_timeout)", "Timeout (…)!"),
        pattern=RAISED + r"TimeoutError: The application (?P<group2>\S+) was not loaded within |"
        r"(?:\A|\] )Timeout \(\d+:\d\d:\d\d(?:\.\d+)?\)!\Z|Application startup timer expired, stopping "
        r"(?:daemon )?process " + GROUP,
        settings=("wsgi_apps.startup_timeout",),
    ),
    Diagnosis(
        name="loading-hangs",
        title="a process still loads the application",
        visitors="no answer from that process",
        cause="The import hangs, or is slow.",
        remedy="`wsgi-doctor APP --stacks` shows where. Correct what it waits for; `startup_timeout` (15 s; 0: none) "
        "ends such a process.",
        link="operating.md#when-the-import-of-a-release-hangs-or-crashes",
        settings=("wsgi_apps.startup_timeout",),
    ),
    Diagnosis(
        name="import-repeated",
        title="loads of the application end their process",
        visitors="no answer, then 503",
        cause="The import exits (os._exit), crashes, or takes too long, again and again.",
        remedy="Look at what stands in the log before the line. `wsgi-run APP python -X faulthandler SCRIPT` loads "
        "the script in your terminal.",
        link="operating.md#when-the-import-of-a-release-hangs-or-crashes",
        says=("The application … is loaded again …, since the last … of its processes ended while they loaded it",),
        pattern=r"The application (?P<group>\S+) is loaded again (?:at once|in \d+ s), since the last "
        r"(?:[2-9]|\d\d+) of its processes ended",
        because=("import-timeout", "crash", "memory-max", "oom"),
    ),
    Diagnosis(
        name="wrong-python",
        title="the virtual environment, or an extension, is for another Python than httpd runs",
        visitors="500, or no answer",
        cause="Packages of the virtual environment were built for another Python, that Python was removed, or the "
        "module was changed by hand.",
        remedy="Set `mod_wsgi_python` to the Python that is meant and run the play: it builds module and virtual "
        "environments for one and the same.",
        link="troubleshooting.md#the-wrong-python",
        says=(
            "WSGI0099: Compiled for Python/… but runtime using Python/…",
            "ModuleNotFoundError: No module named 'encodings'",
            "WSGI0100: Unable to stat Python home …",
            "… cpython-…: undefined symbol: …",
        ),
        pattern=r"WSGI0099: |Compiled for Python/\S+ but runtime using Python/|WSGI010[0-2]: |"
        r"No module named 'encodings'|init_fs_encoding|\.cpython-\d+\S*: undefined symbol|"
        r"undefined symbol: _?Py|Python version mismatch|bad magic number in ",
        settings=("mod_wsgi_python",),
    ),
    Diagnosis(
        name="python-fails",
        title="Python does not start in a process",
        visitors="no answer, or 500",
        cause="The interpreter was not initialised; the lines before say why.",
        remedy="Look at the lines before it. Run the play again; it proves interpreter, module and virtual "
        "environment. Undo what you have set in `mod_wsgi_directives`.",
        link="troubleshooting.md#the-wrong-python",
        says=("WSGI0001, WSGI0028: Python initialisation failed …",),
        pattern=r"WSGI00(?:0[12]|2[89]|36|38): |Python (?:child )?initialisation failed|"
        r"Fatal Python error: (?!Segmentation fault|Aborted|Bus error|Illegal instruction|Floating-point)",
        because=("wrong-python", "crash"),
        settings=("mod_wsgi_directives",),
    ),
    Diagnosis(
        name="process-setup",
        title="a daemon process cannot be set up",
        visitors="503, or no answer",
        cause="Its account, folder, socket or limits cannot be had; the line says which.",
        remedy="Run the play again: it makes account, folders and sockets. Beyond that, the number of processes of the "
        "account (ulimit -u), or a full /run.",
        link="troubleshooting.md#processes-end",
        says=("WSGI0003 to WSGI0032: Unable to …; Daemon process will exit / Daemon group will not start",),
        pattern=r"WSGI00(?:0[3-9]|1\d|2[0-7]|3[0-2]): |Couldn't (?:bind|listen on|create|change owner of) unix domain "
        r"socket|Failure to configure the daemon process|Couldn't create (?:worker thread|accept lock)|"
        r"can't start new thread",
    ),
    Diagnosis(
        name="sub-interpreter",
        title="an extension module does not bear the interpreter that it was loaded in",
        visitors="500, or requests that hang",
        cause="With `application_group` other than %{GLOBAL} the application runs in a sub-interpreter, which many "
        "extensions in C and Rust (numpy, cryptography, pydantic) refuse.",
        remedy="Remove `application_group`: the default is the first interpreter. Two applications in one process "
        "become two entries of wsgi_apps.",
        link="troubleshooting.md#an-extension-in-c-hangs-or-fails-to-import",
        says=(
            "ImportError: module … does not support loading in subinterpreters",
            "ImportError: PyO3 modules … may only be initialized once per interpreter process",
            "ImportError: cannot load module more than once per process",
        ),
        pattern=r"does not support loading in subinterpreters|PyO3 modules (?:compiled for CPython \S+ or older "
        r")?(?:may "
        r"only be|do not yet support)|cannot load module more than once per process|NumPy was imported from a Python "
        r"sub-interpreter|Interpreter change detected",
        settings=("wsgi_apps.application_group",),
    ),
    Diagnosis(
        name="populate",
        title="Django is half loaded: populate() isn't reentrant",
        visitors="500 for every request",
        cause="The first load of the application failed with another exception, and each further one in the same "
        "process says this instead. The true reason is the first traceback of the process.",
        remedy="Correct what the first traceback of the process says. Then deploy again, so that new processes load "
        "the application.",
        link="django.md#when-the-first-deployment-fails",
        says=("RuntimeError: populate() isn't reentrant",),
        pattern=RAISED + r"RuntimeError: populate\(\) isn't reentrant",
    ),
    Diagnosis(
        name="module-missing",
        title="a module is not there",
        visitors="500",
        cause="The virtual environment has only what `requirements` names, and the release only what the source has.",
        remedy="Add a package to `requirements`; name the parent of a folder of your source in `python_path`; look "
        "whether `source.exclude` leaves the module out.",
        link="troubleshooting.md#modulenotfounderror-no-module-named",
        says=("ModuleNotFoundError: No module named '…'",),
        pattern=RAISED + r"ModuleNotFoundError: No module named (?!'encodings')",
        settings=("wsgi_apps.requirements", "wsgi_apps.python_path", "wsgi_apps.source.exclude"),
    ),
    Diagnosis(
        name="not-startable",
        title="the launcher refuses to load the application",
        visitors="500 for every request",
        cause="The script has no such callable, the callable is for ASGI, or the settings below /etc/wsgi cannot be "
        "read.",
        remedy="Set `script` and `callable` to the WSGI application, or run the play again when the settings are "
        "missing.",
        link="troubleshooting.md#500",
        says=(
            "RuntimeError: The script … has no …",
            "RuntimeError: … is an ASGI application, which mod_wsgi does not serve",
            "RuntimeError: The application … is not started, because … cannot be read",
        ),
        pattern=RAISED
        + r"RuntimeError: (?:The script \S{1,4096} has no \S{1,200}; set `callable`|\S{1,200} of the script "
        r"\S{1,4096} is an ASGI application|The application \S+ is not started, because )|does not contain WSGI "
        r"application ",
        settings=("wsgi_apps.script", "wsgi_apps.callable"),
    ),
    Diagnosis(
        name="import-exception",
        title="the application raises an exception when it is loaded",
        visitors="500 for every request",
        cause="Its script, or a module that this imports, raises an exception, or calls sys.exit(). Each request "
        "tries again.",
        remedy="Correct what the traceback says, and deploy again; `wsgi-debug APP --startup` opens the "
        "debugger there.",
        link="troubleshooting.md#500",
        says=(
            "WSGI0109, WSGI0110: Unable to execute Python script file '…'",
            "WSGI0107, WSGI0108: SystemExit exception raised when doing exec of Python script file '…'",
            "mod_wsgi (pid=…): Failed to exec Python script file '…'",
        ),
        pattern=r"WSGI01(?:05|06|07|08|09|10): |Failed to exec Python script file|SystemExit exception raised when "
        r"doing exec|Could not read/compile source file",
        because=("wrong-python", "sub-interpreter", "populate", "module-missing", "not-startable"),
        written_by="thread",
    ),
    Diagnosis(
        name="socket-permissions",
        title="httpd may not reach the socket of the processes",
        visitors="503",
        cause="Somebody has changed owner or mode of the socket, or of its folder /run/wsgi.",
        remedy="`systemctl restart apache2` makes sockets anew, with the right owner (`daemon_options.socket_user`, "
        "else httpd's). Then find out who has changed them.",
        link="operating.md#why-a-daemon-process-ended",
        says=("(13)Permission denied: … WSGI0117: Unable to connect to WSGI daemon process '…'",),
        pattern=r"\(13\)Permission denied: .{0,500}Unable to connect to WSGI daemon process " + GROUP,
        settings=("wsgi_apps.daemon_options.socket_user",),
    ),
    Diagnosis(
        name="queue-full",
        title="the queue of the application is full",
        visitors="503 after `daemon_options.connect_timeout` (2 s), 504 after `queue_timeout` (45 s)",
        cause="All threads are busy, and more requests wait than the queue (`daemon_options.listen_backlog`) takes, or "
        "they wait too long.",
        remedy="Find what is slow: `wsgi-doctor APP --stacks` while it lasts. More `threads` help where requests "
        "wait for others, more `processes` where they compute.",
        link="operating.md#when-an-application-hangs",
        says=(
            "WSGI0116: Unable to connect to WSGI daemon process '…' on '…' after multiple attempts as listener backlog "
            "limit was exceeded …",
            "WSGI0084: Queue timeout expired for WSGI daemon process '…'",
        ),
        pattern=r"Unable to connect to WSGI daemon process (?P<group>'[^']*'|\S+) on \S+ after multiple attempts|"
        r"Queue timeout expired for WSGI daemon process '(?P<group2>[^']*)'|\(11\)Resource temporarily unavailable: "
        r".{0,500}Unable to connect to WSGI daemon process",
        because=("request-timeout", "deadlock", "import-timeout", "import-repeated"),
        settings=(
            "wsgi_apps.daemon_options.connect_timeout",
            "wsgi_apps.queue_timeout",
            "wsgi_apps.daemon_options.listen_backlog",
            "wsgi_apps.threads",
            "wsgi_apps.processes",
        ),
    ),
    Diagnosis(
        name="overloaded",
        title="more requests come than the application answers",
        visitors="503 with Retry-After, at once or as soon as it is clear that `queue_timeout` will not do",
        cause="Its threads hang, or are too few; or it has its part of httpd's workers, or all applications together "
        "have theirs: the line says which. The line comes once a minute, with their number.",
        remedy="Find what is slow: `wsgi-doctor APP --stacks` while it lasts. More `threads` help where requests "
        "wait for others, more `processes` where they compute. `daemon_options.listen_backlog` makes its part of the "
        "workers larger, `admission` lets requests wait.",
        link="operating.md#when-an-application-hangs",
        says=(
            "application '…' is overloaded: its … threads are busy, and … requests wait, some of them for more than … "
            "s at this pace (queue_timeout); requests that got 503 since the last message: …",
            "application '…' is overloaded: … requests are there, and … may be (threads, and listen_backlog); …",
            "application '…' is overloaded: applications hold all but … of the … workers of httpd; …",
        ),
        pattern=r"\[wsgi_admission:\w+\] .*application " + GROUP + " is overloaded: ",
        because=("request-timeout", "deadlock", "import-timeout", "import-repeated"),
        settings=(
            "wsgi_apps.queue_timeout",
            "wsgi_apps.threads",
            "wsgi_apps.processes",
            "wsgi_apps.daemon_options.listen_backlog",
            "wsgi_apps.admission",
        ),
    ),
    Diagnosis(
        name="not-reached",
        title="httpd finds no process of the application behind its socket",
        visitors="503",
        cause="The socket is gone, or nobody listens: the processes do not start, or httpd was just reloading.",
        remedy="When it was once, at a reload: use `mod_wsgi_reload_drain_timeout` (2 s). When it goes on: "
        "`systemctl restart apache2`, and look why the processes end.",
        link="troubleshooting.md#502-503-and-504",
        says=("WSGI0117: Unable to connect to WSGI daemon process '…' on '…' as user with uid=…",),
        pattern=r"\A(?!.*\((?:13|11)\)).*Unable to connect to WSGI daemon process "
        + GROUP
        + r" on \S+ as user|WSGI0115: |WSGI01(?:24|5[0-2]): ",
        because=("import-repeated", "import-timeout", "process-setup", "configuration-failed"),
        settings=("mod_wsgi_reload_drain_timeout",),
    ),
    Diagnosis(
        name="header-too-long",
        title="a header of the application's answer is too long",
        visitors="500",
        cause="A line of the headers, mostly a cookie or a redirection, is longer than the buffer (32 KiB).",
        remedy="Make it shorter; keep sessions on the server instead of in a cookie. Else raise "
        "`daemon_options.header_buffer_size`.",
        link="reference.md#daemon-processes-daemon_options",
        says=(
            "WSGI0144: Response header line too long from daemon process '…'",
            "Truncated or oversized response headers received from daemon process '…' (4.9, 5.0; with nothing else)",
        ),
        pattern=r"Response header line too long from daemon process " + GROUP,
        settings=("wsgi_apps.daemon_options.header_buffer_size",),
    ),
    Diagnosis(
        name="no-headers",
        title="a process has closed the connection before its answer",
        visitors="502 (500 with mod_wsgi before 6)",
        cause="The process ended, and the log does not say why; with mod_wsgi 4.9 and 5.0 also a header of more than "
        "32 KiB.",
        remedy="Look at the server's error log at that moment, and at `journalctl -k`. Where no process has ended, see "
        "`daemon_options.header_buffer_size`.",
        link="operating.md#why-a-daemon-process-ended",
        says=(
            "WSGI0146: Daemon process '…' closed connection before sending complete response headers",
            "WSGI0147: Error reading response headers from daemon process '…' (Connection reset by peer)",
            "Truncated or oversized response headers received from daemon process '…' (4.9, 5.0)",
        ),
        pattern=r"WSGI0146: Daemon process '(?P<group>[^']*)'|Error reading response headers from daemon process "
        r"'(?P<group2>[^']*)'|Truncated or oversized response headers received from daemon process '(?P<group3>[^']*)'",
        because=LOST,
        settings=("wsgi_apps.daemon_options.header_buffer_size",),
    ),
    Diagnosis(
        name="header-timeout",
        title="an answer did not begin in time",
        visitors="504",
        cause="The request waited for a thread, or its own code took longer than `httpd_timeout` (60 s) without "
        "sending the headers.",
        remedy="`wsgi-doctor APP --stacks` while it lasts shows where. Long work belongs into a job outside of the "
        "request; else raise `httpd_timeout` and `request_timeout`.",
        link="operating.md#when-an-application-hangs",
        says=("WSGI0145: Timeout when reading response headers from daemon process '…'",),
        pattern=r"Timeout when reading response headers from daemon process " + GROUP,
        because=("queue-full", "deadlock", "request-timeout", "import-timeout"),
        settings=("httpd_timeout", "wsgi_apps.request_timeout"),
    ),
    Diagnosis(
        name="hung",
        title="all threads of the application are busy",
        visitors="no answer, then 503 or 504",
        cause="Each thread has had the same request all the time that wsgi-doctor looked (--hung).",
        remedy="`wsgi-doctor APP --stacks` shows what they wait for. Give that a time limit (database, other "
        "services); "
        "`request_timeout` ends such processes.",
        link="operating.md#when-an-application-hangs",
        settings=("wsgi_apps.request_timeout",),
    ),
    Diagnosis(
        name="waiting",
        title="requests wait for a thread of the application",
        visitors="slow answers, then 503 or 504",
        cause="More requests come than its threads answer.",
        remedy="More `threads` help where requests wait for others, more `processes` where they compute; "
        "`wsgi-doctor APP --stacks` shows which.",
        link="operating.md#when-an-application-hangs",
        because=("hung", "loading-hangs", "no-process", "httpd-down"),
        settings=("wsgi_apps.threads", "wsgi_apps.processes"),
    ),
    Diagnosis(
        name="no-process",
        title="no process of the application runs",
        visitors="no answer, then 503",
        cause="Its daemon processes ended and do not start again, or httpd has not read its vhost.",
        remedy="Look at the server's error log, then `systemctl restart apache2`. When that does not help, run the "
        "play again.",
        link="operating.md#why-a-daemon-process-ended",
        because=("httpd-down",),
    ),
    Diagnosis(
        name="killed",
        title="a process was killed (signal 9)",
        visitors="502 (500 with mod_wsgi before 6) for all requests of that process",
        cause="By an administrator or a program, by the kernel (which wsgi-doctor could not ask, or which said "
        "nothing), or by httpd, since it did not end at a stop.",
        remedy='See `journalctl -k` for "out of memory", and who sends signals (a watchdog, `systemd-oomd`). A stop '
        "that needs more time: `httpd_stop_timeout`.",
        link="operating.md#why-a-daemon-process-ended",
        says=("Process '…' (pid=…) terminated by signal 9",),
        pattern=r"(?:\(pid=(?P<pid2>\d+)\): )?Process '(?P<group>[^']*)'(?: \(pid=(?P<pid>\d+)\))? terminated by "
        r"signal 9\b",
        because=("memory-max", "oom"),
        settings=("httpd_stop_timeout",),
    ),
    Diagnosis(
        name="left",
        title="a process has ended itself",
        visitors="502 (500 with mod_wsgi before 6) for all requests of that process",
        cause="Code of the application has called os._exit(), whose status mod_wsgi tells as a signal; or somebody has "
        "sent that signal.",
        remedy="Look for os._exit() and abort() in the application and its packages: a child of os.fork() that goes on "
        "in the application's code is the usual one.",
        link="operating.md#why-a-daemon-process-ended",
        says=("Process '…' (pid=…) terminated by signal 3",),
        pattern=r"(?:\(pid=(?P<pid2>\d+)\): )?Process '(?P<group>[^']*)'(?: \(pid=(?P<pid>\d+)\))? terminated by "
        r"signal (?!9\b)\d+",
        because=("crash", "import-timeout", "import-repeated"),
    ),
    Diagnosis(
        name="stuck-shutdown",
        title="a process did not end when it was told to",
        visitors="requests of that process are lost",
        cause="A request was not finished, or a thread or a handler of the application does not end, within "
        "`shutdown_timeout`; then mod_wsgi aborts the process.",
        remedy="Make threads daemon threads, or end them by mod_wsgi.subscribe_shutdown. For requests, raise "
        "`graceful_timeout` and `shutdown_timeout`.",
        link="shutdown.md#what-to-choose",
        says=("Shutdown timeout expired; aborting daemon process '…'", "Aborting process '…' (4.9, 5.0)"),
        pattern=r"Shutdown timeout expired; aborting daemon process '(?P<group>[^']*)'|"
        r"Aborting process '(?P<group2>[^']*)'",
        because=("deadlock", "request-timeout"),
        written_by="process",
        settings=("wsgi_apps.shutdown_timeout", "wsgi_apps.graceful_timeout"),
    ),
    Diagnosis(
        name="ended",
        title="requests were lost when their process was ended by a reload, a release or a stop",
        visitors="502 (500 with mod_wsgi before 6), once",
        cause="They took longer than httpd and mod_wsgi wait: 5 s at a reload, `graceful_timeout` at a new "
        "release, half "
        "of `httpd_stop_timeout` at a stop.",
        remedy="Run the play instead of a reload by hand, when there is less to do. For long requests raise "
        "`graceful_timeout`.",
        link="operating.md#stop-start-restart",
        says=("Shutdown requested for daemon process '…'", "Graceful restart requested; …"),
        pattern=r"Shutdown requested (?:for daemon process )?'(?P<group>[^']*)'|"
        r"(?:Graceful restart requested; .{0,80}|Process eviction requested, .{0,80})'(?P<group2>[^']*)'|"
        r"Shutdown timeout expired; aborting daemon process '(?P<group3>[^']*)'|"
        r"Deregistering daemon process '(?P<group4>[^']*)'",
        because=("deadlock", "request-timeout", "import-timeout"),
        written_by="process",
        alone=False,
        settings=("wsgi_apps.graceful_timeout", "httpd_stop_timeout"),
    ),
    Diagnosis(
        name="respawning",
        title="processes are started again and again",
        visitors="slow answers, lost requests",
        cause="Five processes or more have ended within ten minutes, and not for a release or a reload.",
        remedy="The other findings say why they end. When there are none, look at `daemon_options.maximum_requests`, "
        "`daemon_options.inactivity_timeout` and `daemon_options.cpu_time_limit`, which may be too small.",
        link="operating.md#why-a-daemon-process-ended",
        says=("Process '…' (pid=…) has died; deregistering and restarting it (often)",),
        settings=(
            "wsgi_apps.daemon_options.maximum_requests",
            "wsgi_apps.daemon_options.inactivity_timeout",
            "wsgi_apps.daemon_options.cpu_time_limit",
        ),
    ),
    Diagnosis(
        name="disk-full",
        title="a disk is full",
        visitors="500 where the application writes",
        cause="No space, or no inode, is left where the application, its logs or its releases are.",
        remedy="`df -h` and `df -i` show which; `du -xh --max-depth=2 /var /srv | sort -h` what takes it. "
        "Fewer releases: "
        "`wsgi_app_keep_releases`; fewer logs: `httpd_log_retention_days`.",
        link="operating.md#logs",
        says=("OSError: [Errno 28] No space left on device", "sqlite3.OperationalError: database or disk is full"),
        pattern=r"\[Errno 28\]|No space left on device|database or disk is full|Disk quota exceeded",
        settings=("wsgi_app_keep_releases", "httpd_log_retention_days"),
    ),
    Diagnosis(
        name="logs-lost",
        title="lines of a log were lost",
        visitors="",
        cause="The disk was full, or the program that writes the log was ended.",
        remedy="See what the line says. The other findings may lack what was lost.",
        link="logs.md#json",
        says=("log_writer.py: … lines were lost here (…)",),
        pattern=r"log_writer\.py: \d+ lines were lost here|log_writer\.py: the process that writes this log ended",
        because=("disk-full",),
    ),
    Diagnosis(
        name="cannot-write",
        title="the application writes where it may not",
        visitors="500",
        cause="A release belongs to root, and outside of /var/lib/wsgi, /run, /tmp and /var/tmp the whole system is "
        "read-only for the service (`httpd_hardening`).",
        remedy="Write below the folder that WSGI_STATE_DIRECTORY names (/var/lib/wsgi/APP); SQLite needs its folder "
        "there, too. Name another folder in `httpd_writable_paths`. What shall be public: `static_root`.",
        link="troubleshooting.md#it-cannot-write-permission-denied-attempt-to-write-a-readonly-database",
        says=(
            "PermissionError: [Errno 13] Permission denied: '…'",
            "OSError: [Errno 30] Read-only file system: '…'",
            "sqlite3.OperationalError: attempt to write a readonly database",
        ),
        pattern=RAISED
        + r"(?:PermissionError: \[Errno 1?3\]|OSError: \[Errno 30\])|attempt to write a readonly database|"
        r"unable to open database file",
        settings=("httpd_hardening", "httpd_writable_paths", "wsgi_apps.static_root"),
    ),
    Diagnosis(
        name="files-open",
        title="a process has too many open files",
        visitors="500, or no answer",
        cause="The application does not close what it opens, or its processes need more than the limit of the unit.",
        remedy="`ls /proc/PID/fd | wc -l` of a daemon process shows whether it grows: then correct the "
        "application. Else "
        "raise LimitNOFILE of apache2.service in a drop-in of yours.",
        link="troubleshooting.md#processes-end",
        says=("OSError: [Errno 24] Too many open files", "(24)Too many open files: …"),
        pattern=r"\[Errno 24\]|\(24\)Too many open files|\(23\)Too many open files",
    ),
    Diagnosis(
        name="memory-limit",
        title="the application gets no more memory",
        visitors="500",
        cause="It asks for more than the host or `daemon_options.memory_limit` gives.",
        remedy="Find what grows, or raise `daemon_options.memory_limit` and `daemon_options.virtual_memory_limit`.",
        link="reference.md#daemon-processes-daemon_options",
        says=("MemoryError", "OSError: [Errno 12] Cannot allocate memory"),
        pattern=RAISED + r"MemoryError\b|\[Errno 12\]",
        because=("memory-max", "oom"),
        settings=("wsgi_apps.daemon_options.memory_limit", "wsgi_apps.daemon_options.virtual_memory_limit"),
    ),
    Diagnosis(
        name="locale",
        title="text beyond ASCII fails",
        visitors="500",
        cause="The locale of the processes, or the code, knows ASCII only.",
        remedy="Set `lang` and `locale` to one that the host has, such as C.UTF-8, and name encoding='utf-8' where "
        "files are opened.",
        link="troubleshooting.md#wrong-characters-unicodeencodeerror-wrong-time",
        says=("UnicodeEncodeError: 'ascii' codec can't encode …", "WSGI0079: Unsupported locale setting '…'"),
        pattern=r"Unicode(?:En|De)codeError: 'ascii' codec|Unsupported locale setting |\blocale\.Error: ",
        settings=("wsgi_apps.lang", "wsgi_apps.locale"),
    ),
    Diagnosis(
        name="proxy-scheme",
        title="the application takes https for http",
        visitors="403 for forms, or endless redirections",
        cause="A proxy in front speaks TLS and httpd does not know it, so the application sees plain http.",
        remedy="Name the proxy in `trusted_proxies`; `trusted_proxy_headers` says which headers it sets.",
        link="vhosts.md#proxies",
        says=(
            "Forbidden (Origin checking failed - https://… does not match any trusted origins.): /…",
            "Forbidden (Referer checking failed - …): /…",
        ),
        pattern=r"Forbidden \((?:Origin checking failed - https://|Referer checking failed)|"
        r"The CSRF session token is missing|The referrer does not match the host",
        settings=("wsgi_apps.trusted_proxies", "wsgi_apps.trusted_proxy_headers"),
    ),
    Diagnosis(
        name="host-refused",
        title="the application refuses the name of the site",
        visitors="400",
        cause="Django's ALLOWED_HOSTS lacks the name that visitors, or a proxy, ask for.",
        remedy="Add the name to ALLOWED_HOSTS, and to `server_aliases`; let the proxy keep Host.",
        link="django.md#settings",
        says=("Invalid HTTP_HOST header: '…'. You may need to add '…' to ALLOWED_HOSTS.",),
        pattern=r"Invalid HTTP_HOST header: ",
        settings=("wsgi_apps.server_aliases",),
    ),
    Diagnosis(
        name="authorization",
        title="the header Authorization does not reach the application",
        visitors="401 or 403 of the application",
        cause="httpd keeps the header where it asks for the login itself (`auth`), or where "
        "`wsgi_directives.pass_authorization` is false.",
        remedy="Let one of the two ask: take `auth` away from these paths, or use REMOTE_USER in the application.",
        link="troubleshooting.md#the-authorization-header-is-missing",
        says=("KeyError: 'HTTP_AUTHORIZATION'",),
        pattern=r"KeyError: 'HTTP_AUTHORIZATION'",
        settings=("wsgi_apps.auth", "wsgi_apps.wsgi_directives.pass_authorization"),
    ),
    Diagnosis(
        name="misdirected",
        title="a proxy, or a client, asks for one name over TLS and for another in the request",
        visitors="421",
        cause="httpd 2.4.64 and later refuse a request whose Host is of another vhost than the name of the TLS "
        "handshake "
        "(SNI), when the two differ in TLS. Many proxies send no SNI.",
        remedy="Let the proxy send SNI (nginx: `proxy_ssl_server_name on` and `proxy_ssl_name $host`). Or give all "
        "sites of the port the same `tls` settings (profile, client certificates).",
        link="tls.md#protocols-and-ciphers",
        says=(
            "AH02032: Hostname … (default host as no SNI was provided) and hostname … provided via HTTP have no "
            "compatible SSL setup",
            "AH02031: Hostname … provided via SNI, but no hostname provided in HTTP request",
            "AH02033: No hostname was provided via SNI for a name based virtual host",
        ),
        pattern=r"AH0203[123]: ",
        settings=("wsgi_apps.tls",),
    ),
    Diagnosis(
        name="no-length",
        title="a body without a length was refused",
        visitors="411",
        cause="mod_wsgi refuses a request body that is sent in chunks, or over HTTP/2 without a length, where httpd "
        "does not take it in first: with `request_buffering` false, or a module that the role has not built.",
        remedy="Use `request_buffering`, let the client send Content-Length, or set `wsgi_directives.chunked_request`.",
        link="reference.md#an-application-wsgi_directives",
        says=("WSGI0139: Request requires chunked transfer encoding, but support … has not been enabled",),
        pattern=r"WSGI0139: |requires chunked transfer encoding, but support",
        settings=("wsgi_apps.request_buffering", "wsgi_apps.wsgi_directives.chunked_request"),
    ),
    Diagnosis(
        name="buffer-full",
        title="httpd has no room for what slow clients send or take",
        visitors="nothing but slower answers where clients are slow; 503 for a body whose length was not sent",
        cause="Less than 5 %, and less than 1 GiB, of the disk of /var/tmp is free, or httpd's user may not write "
        "there. In a container, half of /tmp or 64 MiB of it are taken. Meanwhile slow clients hold the "
        "application's threads.",
        remedy="Make room there. Lower `max_body_size`, or `httpd_client_limit`.",
        link="security.md#slow-clients",
        says=(
            "the body of a request is refused, since it cannot be buffered in …",
            "the application waits for the body of a request, since it cannot be buffered in …",
            "an answer waits for a slow client, since it cannot be buffered in …",
        ),
        pattern=r"\[wsgi_buffering:\w+\] .*cannot be buffered in ",
        settings=("wsgi_apps.max_body_size", "httpd_client_limit"),
    ),
    Diagnosis(
        name="client-limit",
        title="one client has too many connections",
        visitors="closed connections, all those behind that address",
        cause="The address holds more of httpd's workers than `httpd_client_limit` (half of them), or twice as many "
        "connections. The line names it, once a minute.",
        remedy="Where it is a proxy, name it in `trusted_proxies`, or in `httpd_unlimited_clients`. Where many people "
        "share the address, raise `httpd_client_limit`. Else it is an attack, and the limit holds it.",
        link="security.md#greedy-clients",
        says=(
            "client … has … connections and holds … workers, and … workers are the limit for one address; connections "
            "closed since the last message: …",
        ),
        pattern=r"\[wsgi_admission:\w+\] .*workers are the limit for one address",
        settings=("httpd_client_limit", "httpd_unlimited_clients", "wsgi_apps.trusted_proxies"),
    ),
    Diagnosis(
        name="no-counters",
        title="httpd cannot count requests and connections",
        visitors="nothing until there are too many",
        cause="httpd got no memory for its counters (memfd_create, mmap): memory is short, or something forbids the "
        "call.",
        remedy="Look at the reason in the line, and at what restricts httpd's system calls; then `systemctl restart "
        "apache2`.",
        link="security.md#greedy-clients",
        says=("there is no memory for the counters of requests, so …",),
        pattern=r"\[wsgi_admission:\w+\] .*no memory for the counters of requests",
    ),
    Diagnosis(
        name="too-large",
        title="a request body was too large",
        visitors="413",
        cause="It is larger than `max_body_size` (100 MiB), `body_limits` of its path, or `httpd_max_body_size`.",
        remedy="Raise the limit for the path of the uploads: `body_limits`.",
        link="vhosts.md#uploads",
        says=("AH01587, AH01588, AH00588: … larger than the configured limit of …",),
        pattern=r"AH0(?:1587|1588|0588|0589): |is larger than the configured limit of",
        settings=("wsgi_apps.max_body_size", "wsgi_apps.body_limits", "httpd_max_body_size"),
    ),
    Diagnosis(
        name="static-denied",
        title="httpd may not read a static file",
        visitors="403",
        cause="Its owner has changed its mode, it is a link, or a folder above it is closed.",
        remedy="Put a copy there instead of a link. Let httpd's user enter and read a folder of yours; the next run of "
        "the play names it.",
        link="troubleshooting.md#403",
        says=("AH00037: Symbolic link not allowed …", "AH00035, AH00132: … permissions …"),
        pattern=r"AH000(?:35|36|37): |AH00132: ",
    ),
    Diagnosis(
        name="workers-full",
        title="all workers of httpd are taken",
        visitors="connections that wait, also for static files",
        cause="More requests and connections are open than `httpd_max_request_workers`; as a rule applications "
        "that hang, "
        "or slow clients.",
        remedy="Find the application that hangs first (`wsgi-doctor` for each). Then raise "
        "`httpd_max_request_workers`, or lower `daemon_options.listen_backlog` of the slow one.",
        link="operating.md#when-an-application-hangs",
        says=(
            "AH00484: server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting",
            "AH10159: server is within MinSpareThreads of MaxRequestWorkers",
            "AH03490: scoreboard is full, not at MaxRequestWorkers",
        ),
        pattern=r"AH00484: |AH10159: |AH00161: |AH0028[6-8]: ",
        settings=("httpd_max_request_workers", "wsgi_apps.daemon_options.listen_backlog"),
    ),
    Diagnosis(
        name="stuck-child",
        title="a process of httpd does not end",
        visitors="after many reloads, nobody is served",
        cause="A reload has left it behind: an embedded application has threads that do not end, or clients hold their "
        "connections.",
        remedy="`httpd_reap_stuck_children: true` ends such processes when they are idle; `mode` daemon has none.",
        link="shutdown.md#processes-that-a-reload-leaves-behind",
        says=(
            "AH03490: scoreboard is full, not at MaxRequestWorkers",
            "AH00045, AH00046: child process … still did not exit, sending a SIGTERM / SIGKILL",
        ),
        pattern=r"AH03490: |AH0004[56]: child process (?P<pid>\d+) still did not exit",
        settings=("httpd_reap_stuck_children", "wsgi_apps.mode"),
    ),
    Diagnosis(
        name="tls-broken",
        title="certificate and key of a site cannot be used",
        visitors="no connection after a restart",
        cause="The files were changed by hand, or do not belong together.",
        remedy="Give the pair that belongs together in `tls.certificate` and `tls.key`, and run the play, "
        "which looks at "
        "it before httpd does.",
        link="troubleshooting.md#certificates",
        says=(
            "AH02565: Certificate and private key … do not match",
            "AH02572: Failed to configure at least one certificate and key for …",
        ),
        pattern=r"AH025(?:6[1245]|72): |AH02240: |AH0190[3]: ",
        settings=("wsgi_apps.tls.certificate", "wsgi_apps.tls.key"),
    ),
    Diagnosis(
        name="tls-name",
        title="the certificate of a site is for another name",
        visitors="a warning of the browser",
        cause="The certificate does not have `server_name`.",
        remedy="Get one for `server_name` and all of `server_aliases`, set `tls.certificate`, and run the play.",
        link="troubleshooting.md#certificates",
        says=("AH01909: … server certificate does NOT include an ID which matches the server name",),
        pattern=r"AH01909: ",
        settings=("wsgi_apps.server_name", "wsgi_apps.server_aliases", "wsgi_apps.tls.certificate"),
    ),
    Diagnosis(
        name="certificate-expired",
        title="the certificate has expired",
        visitors="a warning of the browser",
        cause="It was not renewed, or httpd was not reloaded after that.",
        remedy="Renew it, and run the play (or `systemctl reload apache2`). With `tls.acme`, see the server's "
        "error log "
        "for mod_md.",
        link="tls.md#another-certificate",
        settings=("wsgi_apps.tls.acme",),
    ),
    Diagnosis(
        name="certificate-expires",
        title="the certificate expires soon",
        visitors="",
        cause="It has less than 21 days left, and with `tls.acme` it should have been renewed.",
        remedy="Renew it, and run the play. With `tls.acme`, see the server's error log for mod_md.",
        link="tls.md#another-certificate",
        because=("certificate-expired",),
        settings=("wsgi_apps.tls.acme",),
    ),
    Diagnosis(
        name="certificate-renewal",
        title="httpd cannot get or renew a certificate",
        visitors="503 over TLS until it has one",
        cause="The authority does not reach the site, or refuses it; the line says which.",
        remedy="Port 80, or 443, has to be reached from outside under all names of the site; check `tls.acme` and the "
        "DNS entries.",
        link="tls.md#certificates-that-httpd-gets-itself",
        says=("AH10056: processing …: …", "AH10085: Init: … doesn't have …"),
        pattern=r"\[md:(?:error|warn)\]|AH10056: |AH10057: ",
        settings=("wsgi_apps.tls.acme",),
    ),
    Diagnosis(
        name="drain-too-short",
        title="a reload did not wait for all requests",
        visitors="requests that take longer are lost",
        cause="They took longer than `mod_wsgi_reload_drain_timeout`.",
        remedy="Reload when there is less to do, or raise `mod_wsgi_reload_drain_timeout`; new visitors wait "
        "for as long.",
        link="architecture.md#a-reload-that-loses-no-request",
        says=("reload: the daemon processes are replaced now, though children still serve after … ms",),
        pattern=r"reload: the daemon processes are replaced now, though children still serve",
        settings=("mod_wsgi_reload_drain_timeout",),
    ),
    Diagnosis(
        name="changed-by-hand",
        title="what serves is not what was deployed",
        visitors="",
        cause="Somebody has changed the links `current` or `venv`, or the record of the deployment is gone.",
        remedy="Run the play again.",
        link="architecture.md#releases-and-a-reload-that-loses-nothing",
    ),
    Diagnosis(
        name="maintenance",
        title="the maintenance page is on",
        visitors="503 with Retry-After",
        cause="The file `maintenance` is beside the links of the application.",
        remedy="Remove /srv/wsgi/APP/maintenance, or run the play with success (`maintenance`).",
        link="vhosts.md#a-maintenance-page",
        settings=("wsgi_apps.maintenance",),
    ),
    Diagnosis(
        name="exception",
        title="requests end with an exception",
        visitors="500",
        cause="The application raises an exception; the traceback is in its error log.",
        remedy="Correct what the traceback says; `wsgi-debug APP` opens the debugger where it happens.",
        link="troubleshooting.md#500",
        says=(
            "WSGI0174: [script …] … exception raised processing WSGI script '…'",
            "mod_wsgi (pid=…): Exception occurred processing WSGI script '…' (4.9, 5.0)",
            "Internal Server Error: /… (Django)",
        ),
        pattern=r"WSGI017[45]: (?:.*daemon process '(?P<group>[^']*)')?|Exception occurred processing WSGI "
        r"script|\bInternal Server Error: /",
        because=(
            *("wrong-python", "sub-interpreter", "populate", "module-missing", "not-startable", "import-exception"),
            *("disk-full", "cannot-write", "files-open", "memory-limit", "locale", "authorization"),
        ),
        written_by="thread",
    ),
)
"""All of them, the most telling first."""

BY_NAME: Mapping[str, Diagnosis] = {each.name: each for each in TABLE}
PATTERNS = {each.name: re.compile(each.pattern) for each in TABLE if each.pattern}
DIED = re.compile(r"(?:\(pid=(?P<pid2>\d+)\): )?Process '(?P<group>[^']*)'(?: \(pid=(?P<pid>\d+)\))? has died[;,]")
"""A daemon process that is replaced; it tells to which group a pid has belonged."""
