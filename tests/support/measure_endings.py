# SPDX-License-Identifier: Apache-2.0
"""Measure how processes of httpd end; runs on a managed host, with its own Python: `measure_endings.py REQUEST`.

REQUEST is JSON: `action` (see ACTIONS), `limit` (seconds to wait), and `subjects`, the applications of the scenario
`shutdown` whose process is watched, each with `name`, `threads`, `handlers` and `sleep` (seconds of a request in
flight; 0: none). Prints as JSON what each subject's process did, and how long the action itself took.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

ERROR_LOG = "/var/log/apache2/error.log"
PID_FILE = "/run/apache2/apache2.pid"
PAUSE = 0.005  # seconds between two looks


def ask(name, path, timeout=20):
    """What an application answers."""
    request = urllib.request.Request("http://127.0.0.1" + path, headers={"Host": name + ".example"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read().decode()


def started(pid):
    """When a process was started, in clock ticks; None when there is none, or only its remains."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def main_process():
    with open(PID_FILE, encoding="ascii") as file:
        return int(file.read())


def start_afresh():
    """httpd with new processes only, whatever the last measurement has left."""
    subprocess.run(["systemctl", "kill", "--signal=KILL", "apache2"], check=False, stderr=subprocess.DEVNULL)
    for verb in ("stop", "reset-failed", "start"):
        subprocess.run(["systemctl", verb, "apache2"], check=True)


def systemctl(verb):
    return lambda _: subprocess.Popen(["systemctl", verb, "apache2"])


def signal_to_main(number):
    return lambda _: os.kill(main_process(), number)


def signal_to_each(number):
    def send(pids):
        for pid in pids:
            os.kill(pid, number)

    return send


ACTIONS = {
    "stop": systemctl("stop"),
    "graceful stop": signal_to_main(signal.SIGWINCH),
    "reload": systemctl("reload"),
    "told to go": signal_to_each(signal.SIGTERM),
}


def in_flight(subject):
    """Send a request that takes long; returns when the application has it."""
    holds = os.path.join(folder_of(subject["name"]), "in-flight")
    if os.path.exists(holds):
        os.unlink(holds)

    def send():
        # urllib raises OSError, and http.client's own kind when the answer never begins.
        with contextlib.suppress(OSError, http.client.HTTPException):  # it is cut off, which is what is measured
            ask(subject["name"], "/sleep?seconds=%d" % subject["sleep"], subject["sleep"] + 5)

    threading.Thread(target=send, daemon=True).start()
    while not os.path.exists(holds):
        time.sleep(PAUSE)


def prepare(subject):
    """Let one application take on its way to end; the process that did."""
    pid = int(ask(subject["name"], "/become?threads=%(threads)s&handlers=%(handlers)s" % subject))
    if subject["sleep"]:
        in_flight(subject)
    return pid


def folder_of(name):
    """Where an application leaves its traces: embedded ones share a folder."""
    return os.path.join("/var/lib/wsgi", "embedded" if name.endswith("embedded") else name)


def traces(name, pid):
    """How often each handler ran in a process."""
    folder = folder_of(name)
    found = {}
    for file in os.listdir(folder):
        number, _, handler = file.partition(".")
        if number == str(pid):
            with open(os.path.join(folder, file), encoding="ascii") as lines:
                found[handler] = len(lines.readlines())
    return found


def measure(request):
    """Do what the module's docstring says."""
    start_afresh()
    pids = {subject["name"]: prepare(subject) for subject in request["subjects"]}
    births = {name: started(pid) for name, pid in pids.items()}
    log_size = os.stat(ERROR_LOG).st_size
    ended, action_seconds, running = {}, None, None
    begun = time.monotonic()
    running = ACTIONS[request["action"]](pids.values())
    while time.monotonic() - begun < request["limit"]:
        for name, pid in pids.items():
            if name not in ended and started(pid) != births[name]:
                ended[name] = time.monotonic() - begun
        if running and action_seconds is None and running.poll() is not None:
            action_seconds = time.monotonic() - begun
        if len(ended) == len(pids) and (not running or action_seconds is not None):
            break
        time.sleep(PAUSE)
    with open(ERROR_LOG, "rb") as file:
        file.seek(log_size)
        log = file.read().decode(errors="replace")
    killed = {int(pid) for pid in re.findall(r"AH00046: child process (\d+) ", log)}
    crashed = {int(pid) for pid in re.findall(r"child pid (\d+) exit signal Segmentation", log)}
    return {
        "action_seconds": action_seconds,
        "subjects": {
            name: {
                "seconds": ended.get(name),
                "killed": pid in killed,
                "crashed": pid in crashed,
                "handlers": traces(name, pid),
            }
            for name, pid in pids.items()
        },
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
