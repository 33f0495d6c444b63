"""What the benchmark runs share: processes that end with the run, CPU time, tables, the full store.

Every run compares within itself: contenders are measured in turns and the median of the pairs
counts, so that whatever else the machine does hits all alike. Nothing here fails on an absolute
time.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("HUFU_BENCH_BUILD", ROOT / "build" / "bench"))
HUFU = BUILD / "hufu"

APPS = int(os.environ.get("HUFU_BENCH_APPS", 1_000_000))
TOKEN_BYTES = 160


def app_id(number):
    return f"wx{number:016x}"


def tool(name):
    """The path of a program of another package; ends the run where it is missing."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not path:
        sys.exit(f"{name} is not installed: script/setup installs what the benchmarks need")
    return path


def pinned(core, command):
    """The command, kept to one core where there are two."""
    cores = os.cpu_count() or 1
    return ["taskset", "-c", str(core % cores), *map(str, command)] if cores > 1 else list(map(str, command))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Workspace:
    """Holds everything a run starts; ends it, and removes what it wrote, when the run is over."""

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.home = pathlib.Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="hufu-bench-")))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, *what):
        return self._stack.__exit__(*what)

    def start(self, command, *, port=None, env=None, log=None):
        """Starts a program and waits until it listens on `port`."""
        output = open(self.home / (log or "log"), "ab")
        self._stack.callback(output.close)
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output,
                                   env={**os.environ, **(env or {})})
        self._stack.callback(self.end, process)
        for _ in range(1200):
            if port is None:
                return process
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return process
            time.sleep(0.05)
        sys.exit(f"{command} does not listen:\n" + (self.home / (log or 'log')).read_text()[-2000:])

    @staticmethod
    def end(process):
        """Ends a process that this run started, by its id."""
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- What the kernel says of a process

TICK = os.sysconf("SC_CLK_TCK")


def _seconds(stat):
    fields = stat.rpartition(")")[2].split()  # proc(5): 14 and 15 are user and system time
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_seconds(pid):
    return _seconds(pathlib.Path(f"/proc/{pid}/stat").read_text())


def cpu_of_threads(pid):
    """CPU seconds of each thread, summed by its name, to the nanosecond where the kernel tells."""
    used = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            name = (task / "comm").read_text().strip()
            nanoseconds = int((task / "schedstat").read_text().split()[0])
            used[name] = used.get(name, 0) + nanoseconds / 1e9
    return used


def memory_mib(pid, what="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) / 1024


# ---- HTTP

def fetch(url, timeout=10):
    """(status, body); (0, "") when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_ready(port, seconds=120):
    """Polls /readyz; returns how long it took to become 200."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if fetch(f"http://127.0.0.1:{port}/readyz", 5)[0] == 200:
            return time.monotonic() - began
        time.sleep(0.02)
    sys.exit(f"not ready within {seconds} s")


# ---- A store of a million apps

class FullStore:
    """A SQLite store that was filled through Hufu's own store, made once and copied for each run.

    One app in `tickets_of` has a ticket, too.
    """

    def __init__(self, home, apps=APPS, tickets_of=0):
        cache = BUILD / f"full-store-{apps}-{tickets_of}"
        if not (cache / "key").exists():
            print(f"filling a store with {apps:,} apps (once) …", file=sys.stderr, flush=True)
            shutil.rmtree(cache, ignore_errors=True)
            cache.mkdir(parents=True)
            began = time.monotonic()
            filled = subprocess.run([BUILD / "hufu_fill_store", f"sqlite:{cache / 'hufu.db'}", str(apps),
                                     str(TOKEN_BYTES), "512", str(tickets_of)], check=True, capture_output=True, text=True)
            (cache / "key").write_text(filled.stdout)
            print(f"… in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        self.path = pathlib.Path(home) / "hufu.db"
        self.path.parent.mkdir(exist_ok=True)
        for name in ("hufu.db", "hufu.key"):
            shutil.copy(cache / name, self.path.parent / name)
        (self.path.parent / "hufu.key").chmod(0o600)
        self.key = (cache / "key").read_text().strip()
        self.uri = f"sqlite:{self.path}"
        self._set_times(obtained=-60_000, ends=7_140_000, renews=6_850_000)

    def make_due(self, apps):
        """The first `apps` tokens are due for renewal, and good for another hour."""
        self._set_times(obtained=-3_600_000, ends=3_600_000, renews=-60_000, most=apps)

    def _set_times(self, obtained, ends, renews, most=None):
        # Times stand beside the sealed token, not in it.
        now = int(time.time() * 1000)
        database = sqlite3.connect(self.path)
        with database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute(
                "UPDATE tokens SET obtained_at = ?, expires_at = ?, renew_at = ?, updated_at = ?"
                + (" WHERE id <= ?" if most else ""),
                [now + obtained, now + ends, now + renews, now] + ([most] if most else []))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


def serve_command(uri, port, threads=1):
    return [HUFU, "serve", "--store", uri, "--listen", f"127.0.0.1:{port}",
            "--threads", threads, "--log-level", "warn"]


# ---- Figures

def spread(values, digits=2):
    """"median (min–max)" of the values."""
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}–{max(values):.{digits}f})")


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(flush=True)


def verdict(what, measured, target, reached):
    print(f"{'reached    ' if reached else 'NOT REACHED'}  {what}: {measured} (target {target})",
          flush=True)


def load_average():
    return os.getloadavg()[0]
