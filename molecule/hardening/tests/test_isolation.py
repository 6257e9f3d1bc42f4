# SPDX-License-Identifier: Apache-2.0
"""What code can do that has taken over an application: nothing to another one, to httpd, or to the host."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.managed_host import ManagedHost
from support.site import Site

MOST_EXPOSED = 3.0
"""What `systemd-analyze security` says of the unit at the most; 2.9 with all measures (systemd 252, 2026-11)."""
MEASURED = "/run/systemd/system/modwsgi-measured.service"
EXPOSED = "Delegate=cpu memory pids\nNoNewPrivileges=no"
"""By default applications have control groups, where the host can, and programs that change their account."""

PRELUDE = """
import ctypes, os, resource, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def system_call(number, *arguments):
    call("syscall", number, *arguments)
def write(path):
    with open(path, "a"):
        pass
def create(folder):
    write(folder + "/attack")
"""
NUMBERS = {
    "x86_64": {"bpf": 321, "perf_event_open": 298, "kexec_load": 246, "init_module": 175, "swapon": 167, "reboot": 169},
    "aarch64": {
        "bpf": 280,
        "perf_event_open": 241,
        "kexec_load": 104,
        "init_module": 105,
        "swapon": 224,
        "reboot": 142,
    },
}


@dataclass(frozen=True)
class Attack:
    """A program, and what has to hold it."""

    what: str
    program: str
    held_by: str = "PermissionError|OSError: .Errno 30. Read-only file system"


FILES = [
    Attack("the variables of another application", "found = open('/etc/wsgi/victim/environment.json').read()"),
    Attack("the description of another application", "found = open('/etc/wsgi/victim/application.json').read()"),
    Attack("a list of another application's settings", "found = os.listdir('/etc/wsgi/victim')"),
    Attack("a list of another application's state", "found = os.listdir('/var/lib/wsgi/victim')"),
    Attack("another application's state", "found = open('/var/lib/wsgi/victim/letters.txt').read()"),
    Attack("a new file in another application's state", "create('/var/lib/wsgi/victim')"),
    Attack("its own code", "write('/srv/wsgi/attacker/current/wsgi.py')"),
    Attack("a new file in its own release", "create('/srv/wsgi/attacker/current')"),
    Attack("another link to its own release", "os.symlink('/tmp', '/srv/wsgi/attacker/current~')"),
    Attack("a package in its virtual environment", "create('/srv/wsgi/attacker/venv/lib/python3.11/site-packages')"),
    Attack("to change another application's code", "write('/srv/wsgi/victim/current/wsgi.py')"),
    Attack("another application's code", "found = open('/srv/wsgi/victim/current/wsgi.py').read()"),
    Attack("another application's secrets", "found = open('/srv/wsgi/victim/current/local_secrets.py').read()"),
    Attack("another application's static files", "found = open('/srv/wsgi/victim/current/static/style.css').read()"),
    Attack(
        "another application as a package",
        "sys.path.insert(0, '/srv/wsgi/victim/current'); import local_secrets",
        "ModuleNotFoundError",
    ),
    Attack("a list of another application's releases", "found = os.listdir('/srv/wsgi/victim/releases')"),
    Attack("a list of another application's release", "found = os.listdir('/srv/wsgi/victim/current/')"),
    Attack("the modes of another application's files", "found = os.stat('/srv/wsgi/victim/current/wsgi.py')"),
    Attack("another application's packages", "found = os.listdir('/srv/wsgi/victim/venv/lib')"),
    Attack("another application's virtual environment", "found = open('/srv/wsgi/victim/venv/pyvenv.cfg').read()"),
    Attack("a new virtual environment of another", "os.mkdir('/srv/wsgi/victim/venvs/attack')"),
    Attack("the record of another application", "found = open('/srv/wsgi/victim/deployment.json').read()"),
    Attack("another application's builds", "found = os.listdir('/var/cache/modwsgi/build/victim/pip')"),
    Attack("the launcher", "write('/usr/local/lib/modwsgi/launcher.py')"),
    Attack("the module", "create('/opt/mod_wsgi')"),
    Attack("a program in the path", "create('/usr/local/bin')"),
    Attack("httpd's configuration", "create('/etc/apache2/conf-enabled')"),
    Attack("another site's vhost", "found = open('/etc/apache2/sites-available/100-modwsgi-victim.conf').read()"),
    Attack("what httpd reads", "found = open('/etc/apache2/sites-enabled/100-modwsgi-attacker.conf').read()"),
    Attack("a unit of systemd", "create('/etc/systemd/system')"),
    Attack("a job of cron", "create('/etc/cron.d')"),
    Attack("a crontab", "create('/var/spool')"),
    Attack("the accounts' passwords", "found = open('/etc/shadow').read()"),
    Attack("root's files", "found = os.listdir('/root')"),
    Attack("a list of homes", "found = os.listdir('/home')", "PermissionError|found \\[\\]"),
    Attack("its own site's error log", "found = open('/var/log/apache2/attacker-error.log').read()"),
    Attack("another site's error log", "found = open('/var/log/apache2/victim-error.log').read()"),
    Attack("another site's access log", "write('/var/log/apache2/victim-access.log')"),
    Attack("the server's error log", "found = open('/var/log/apache2/error.log').read()"),
    Attack("the key to the server's status", "found = open('/run/modwsgi-status/key').read()"),
    Attack("what the roles have recorded", "found = open('/var/lib/modwsgi/apache2/proven.json').read()"),
    Attack("to hold up deployments", "found = open('/var/lib/modwsgi/apache2/turn').read()"),
    Attack("the key of a site's certificate", "found = open('/var/lib/modwsgi/apache2/tls/victim.key').read()"),
    Attack("httpd's PID file", "write('/run/apache2/apache2.pid')"),
    Attack("a file in /run", "create('/run')"),
    Attack("a file in /srv", "create('/srv')"),
    Attack("a file in /", "create('')"),
]
PROCESSES = [
    Attack("a signal to another application", "os.kill({victim}, 0)"),
    Attack("a signal to httpd", "os.kill({httpd}, signal.SIGTERM)", "PermissionError|ProcessLookupError"),
    Attack(
        "another application's variables", "found = open('/proc/{victim}/environ').read()", "FileNotFound|Permission"
    ),
    Attack("another application's memory", "found = open('/proc/{victim}/mem').read(1)", "FileNotFound|Permission"),
    Attack("another application's folder", "found = os.listdir('/proc/{victim}/cwd/')", "FileNotFound|Permission"),
    Attack("another application's root", "found = os.listdir('/proc/{victim}/root/')", "FileNotFound|Permission"),
    Attack("another application's descriptors", "found = os.listdir('/proc/{victim}/fd')", "FileNotFound|Permission"),
    Attack("httpd's command line", "found = open('/proc/{httpd}/cmdline').read()", "FileNotFoundError"),
    Attack(
        "processes of other accounts",
        "numbers = filter(str.isdigit, os.listdir('/proc'))\n"
        "found = [each for each in numbers if os.stat('/proc/' + each).st_uid != os.getuid()]",
        "found \\[\\]",
    ),
    Attack("to trace another application", "call('ptrace', 16, {victim}, 0, 0)"),
    Attack("to trace a process of its own", "call('ptrace', 0, 0, 0, 0)"),
    Attack("another application's limits", "resource.prlimit({victim}, resource.RLIMIT_NOFILE, (1, 1))"),
    Attack("another application's priority", "os.setpriority(os.PRIO_PROCESS, {victim}, 19)"),
    Attack("a higher priority", "os.nice(-5)"),
    Attack("the scheduler of real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"),
    Attack("higher limits", "resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 30, 1 << 30))", "Error"),
]
ACCOUNTS = [
    Attack("to become root", "os.setuid(0)"),
    Attack("to become httpd's user", "os.setresuid(33, 33, 33)"),
    Attack("the group of the logs", "os.setgroups([4])"),
    Attack("another group", "os.setgid(33)"),
    Attack("a program with its rights for others", "write('/tmp/left'); os.chmod('/tmp/left', 0o4755)"),
    Attack(
        "a folder with its group's rights for others",
        "os.makedirs('/tmp/left.d', exist_ok=True); os.chmod('/tmp/left.d', 0o2775)",
    ),
    Attack(
        "capabilities", "found = [line for line in open('/proc/self/status') if line.startswith('CapEff')]", "0{16}"
    ),
    Attack(
        "programs that change the account",
        "found = [line.split()[1] for line in open('/proc/self/status') if 'NoNewPrivs' in line]",
        "'1'",
    ),
    Attack(
        "sudo", "found = subprocess.run(['sudo', '-n', 'true'], capture_output=True).returncode == 0", "found False"
    ),
    Attack(
        "su",
        "found = subprocess.run(['su', '-c', 'true'], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0",
        "found False",
    ),
    Attack(
        "systemd",
        "found = subprocess.run(['systemctl', 'stop', 'apache2'], stdin=subprocess.DEVNULL, capture_output=True)"
        ".returncode == 0",
        "found False",
    ),
]
KERNEL = [
    Attack("a user namespace", "call('unshare', 0x10000000)"),
    Attack("a mount namespace", "call('unshare', 0x20000)"),
    Attack("a new root", "os.chroot('/tmp')"),
    Attack("a mount", "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)"),
    Attack("a device", "os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))"),
    Attack("the memory of the machine", "open('/dev/mem')", "FileNotFoundError|PermissionError"),
    Attack("the kernel's messages", "open('/dev/kmsg')", "FileNotFoundError|PermissionError"),
    Attack("the kernel's ring buffer", "call('klogctl', 3, ctypes.create_string_buffer(9), 9)"),
    Attack("the kernel's settings", "open('/proc/sys/kernel/core_pattern', 'w')"),
    Attack("control groups", "create('/sys/fs/cgroup')"),
    Attack("the host's name", "socket.sethostname('attack')"),
    Attack("the clock", "import time; time.clock_settime(time.CLOCK_REALTIME, 0)"),
    Attack("a program for the kernel", "system_call({bpf}, 0, 0, 0)"),
    Attack("performance counters", "system_call({perf_event_open}, 0, 0, 0, 0, 0)"),
    Attack("another kernel", "system_call({kexec_load}, 0, 0, 0, 0)"),
    Attack("a kernel module", "system_call({init_module}, 0, 0, 0)"),
    Attack("swap", "system_call({swapon}, b'/tmp', 0)"),
    Attack("a reboot", "system_call({reboot}, 0, 0, 0, 0)"),
    Attack("another personality", "call('personality', 0x0400000)"),
    Attack("raw packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "OSError: .Errno 97|PermissionError"),
    Attack("raw IP", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    Attack("the kernel's cryptography", "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", "OSError: .Errno 97"),
    Attack("virtual sockets", "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", "OSError: .Errno 97"),
]
NETWORK = [
    Attack(
        "the socket of another application",
        "import glob\nconnected = []\nfor path in glob.glob('/run/wsgi/*'):\n    each = socket.socket(socket.AF_UNIX)\n"
        "    each.connect(path)\n    connected.append(path)\nfound = len(connected)",
        "found [01]$|PermissionError",
    ),
    Attack(
        "the sockets whose names can be guessed",
        "refused = connected = 0\nfor number in range(400):\n    each = socket.socket(socket.AF_UNIX)\n    try:\n"
        # The generation is another one after each reload.
        "        each.connect('/run/wsgi/wsgi.{httpd}.%d.%d.sock' % divmod(number, 20))\n        connected += 1\n"
        "    except PermissionError:\n        refused += 1\n    except FileNotFoundError:\n        pass\n"
        "found = refused, connected",
        r"found \([3-9], 0\)",
    ),
    Attack("httpd's port", "socket.socket().bind(('0.0.0.0', 443))"),
    Attack("the private port", "socket.socket().bind(('127.0.0.2', 297))"),
    Attack(
        "the server's status",
        "import urllib.request as r\nfound = r.urlopen('http://127.0.0.1:297/server-status').read()",
        "HTTP Error 40[34]",
    ),
    Attack(
        "its own probe",
        "import urllib.request as r\nasked = r.Request('http://127.0.0.1:297/probe/attacker')\n"
        "asked.add_header('Host', 'attacker.example')\nfound = r.urlopen(asked).read()",
        "HTTP Error 403",
    ),
    Attack(
        "the probe of another application",
        "import urllib.request as r\nasked = r.Request('http://127.0.0.1:297/probe/victim')\n"
        "asked.add_header('Host', 'victim.example')\nfound = r.urlopen(asked).read()",
        "HTTP Error 403",
    ),
]
ATTACKS = [*FILES, *PROCESSES, *ACCOUNTS, *KERNEL, *NETWORK]

WORK = {
    "a file of its state": "write('/var/lib/wsgi/attacker/mine')",
    "a file in /tmp": "create('/tmp')",
    "a file in /var/tmp": "create('/var/tmp')",
    "shared memory": "create('/dev/shm'); os.unlink('/dev/shm/attack')",
    "a program": "found = subprocess.check_output(['id', '-un'], text=True).strip() == 'wsgi-attacker'",
    "processes that work together": (
        "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    found = pool.map(abs, [-1, -2]) == [1, 2]"
    ),
    "threads": "import threading; each = threading.Thread(target=print); each.start(); found = each.join() is None",
    "a callback from C": (
        "kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)\n"
        "libc.qsort((ctypes.c_int * 2)(2, 1), 2, 4, kind(lambda one, other: 0)); found = True"
    ),
    "memory that is code": "import mmap; found = bool(mmap.mmap(-1, 4096, prot=7))",
    "a name": "found = bool(socket.getaddrinfo('localhost', 80))",
    "a TLS context": "import ssl; found = bool(ssl.create_default_context().get_ciphers())",
    "a database in its state": (
        "import sqlite3\nwith sqlite3.connect('/var/lib/wsgi/attacker/items.sqlite3') as base:\n"
        "    base.execute('create table if not exists items (name)')\nfound = True"
    ),
    "a lower priority for a process of its own": (
        "found = subprocess.run(['nice', '-n', '5', 'true']).returncode == 0"
    ),
    "a terminal": "import pty; found = len([os.close(each) for each in pty.openpty()]) == 2",
    "the number of processors": "found = os.cpu_count() >= 1 and bool(open('/proc/meminfo').read())",
    "a signal to itself": "os.kill(os.getpid(), 0); found = True",
    "random numbers": "found = len(os.urandom(8)) == 8",
    "the time zone": "import zoneinfo; found = bool(zoneinfo.available_timezones()) or True",
    "a timer on a descriptor": "import select; found = select.epoll().close() is None",
    "asynchronous work": "import asyncio; found = asyncio.run(asyncio.sleep(0, True))",
}
"""What applications do; none of it may be held."""


@pytest.fixture(name="attacker", scope="module")
def fixture_attacker(machine: ManagedHost) -> Site:
    return Site(machine.address(), "attacker.example")


@pytest.fixture(name="values", scope="module")
def fixture_values(machine: ManagedHost) -> dict[str, int]:
    (victim,) = machine.daemon_processes("victim")
    httpd = next(process for process in machine.httpd_processes() if process.parent == 1)
    numbers = NUMBERS[machine.run("uname", "-m").strip()]
    return {"victim": victim.pid, "httpd": httpd.pid, **numbers}


def run(attacker: Site, program: str) -> str:
    """What a program has found, or what has held it."""
    answer = attacker.request("POST", "/", data=(PRELUDE + program).encode())
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.what for attack in ATTACKS])
def test_it_gets_nothing_of_others(attacker: Site, values: dict[str, int], attack: Attack) -> None:
    program = attack.program.format(**values) if "{" in attack.program else attack.program
    answer = run(attacker, program)
    assert re.search(attack.held_by, answer), answer


@pytest.mark.parametrize("work", WORK)
def test_its_own_work_is_not_held(attacker: Site, work: str) -> None:
    assert run(attacker, WORK[work]) in ("found True", "found None"), work


def test_the_attacks_can_be_told_from_what_is_allowed(attacker: Site) -> None:
    """Neither the prelude nor the account holds them: what is its own it gets."""
    assert run(attacker, "found = os.listdir('/var/lib/wsgi/attacker') is not None") == "found True"
    assert (
        run(attacker, "open('/tmp/mine', 'w').close(); call('chmod', b'/tmp/mine', 0o600); found = True")
        == "found True"
    )


def test_httpd_serves_what_no_other_application_can_read(machine: ManagedHost) -> None:
    victim = Site(machine.address(), "victim.example")
    served = victim.get("/static/style.css")
    assert (served.status_code, served.text) == (200, "body { color: black; }\n")


DESCRIPTORS = """
import stat
found = set()
for each in os.listdir('/proc/self/fd'):
    try:
        target, kind = os.readlink('/proc/self/fd/' + each), os.fstat(int(each))
    except OSError:  # that of the list itself
        continue
    if stat.S_ISSOCK(kind.st_mode):
        one = socket.socket(fileno=os.dup(int(each)))
        target = 'a socket: %s %s' % (one.family.name, one.getsockname())
    elif stat.S_ISFIFO(kind.st_mode):
        target = 'a pipe of its own' if kind.st_uid == os.getuid() else 'a pipe of others'
    found.add(target)
found = sorted(found)
"""


def test_a_process_has_no_descriptor_of_others(attacker: Site) -> None:
    """Its socket and pipes, what waits for these, the error log of its site, and what leads nowhere."""
    answer = run(attacker, DESCRIPTORS)
    found = ast.literal_eval(answer.removeprefix("found "))
    sockets = [each for each in found if each.startswith("a socket: ")]
    assert [each for each in found if each not in sockets] == [
        "/dev/null",
        "/var/log/apache2/attacker-error.log",
        "a pipe of its own",
        "anon_inode:[eventpoll]",
    ], answer
    assert len(sockets) == 1, answer
    assert sockets[0].startswith("a socket: AF_UNIX /run/wsgi/"), answer


def test_tmp_is_its_own(attacker: Site, machine: ManagedHost) -> None:
    assert run(attacker, "open('/tmp/of-the-service', 'w').close()") == "found None"
    assert machine.attempt("test", "-e", "/tmp/of-the-service").returncode == 1


@pytest.fixture
def measured(machine: ManagedHost) -> Iterator[str]:
    """A unit like httpd's, with what this host has not and others have by default; nobody starts it."""
    unit = machine.run("systemctl", "cat", "apache2.service")
    machine.run("tee", MEASURED, text=f"{unit}\n[Service]\n{EXPOSED}\n")
    machine.run("systemctl", "daemon-reload")
    yield MEASURED.rpartition("/")[2]
    machine.run("rm", MEASURED)
    machine.run("systemctl", "daemon-reload")


def test_the_unit_is_exposed_no_more_than_it_has_to_be(machine: ManagedHost, measured: str) -> None:
    for unit in ("apache2.service", measured):
        told = machine.run("systemd-analyze", "security", "--no-pager", unit)
        level = re.search(rf"Overall exposure level for {re.escape(unit)}: ([\d.]+)", told)
        assert level, told
        assert float(level[1]) <= MOST_EXPOSED, told


def test_httpd_is_well_after_all_of_it(machine: ManagedHost) -> None:
    for name in ("attacker", "victim"):
        assert Site(machine.address(), f"{name}.example").health() == 200
    log = machine.run("cat", "/var/log/apache2/error.log")
    assert "AH00051" not in log, "a child has crashed"
    assert "AH00052" not in log, "a child has crashed"
