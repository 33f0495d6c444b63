"""Starts the real `hufu` and speaks with it from outside: processes, files and sockets, no knowledge of its insides.

A suite is a file of `unittest` cases that ends in `harness.main()`. Every wait has a deadline and polls a condition;
nothing sleeps for a fixed time. Only processes that a test started are ended.
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import wechat

APP = "wx00000000000e2e01"
#: A machine under load is slow, not wrong: how long anything may take that should take no time.
PATIENCE = 60.0

#: Everything a minute long in life takes seconds here.
QUICK_TIMING = {"use_slack": "1s", "refresh_ahead": "5s", "overlap": "6s", "lease": "3s", "request_timeout": "1s"}

options = argparse.Namespace(hufu=os.environ.get("HUFU_BINARY", "hufu"), quick=False)


def wait_until(condition, seconds=PATIENCE, what="the condition"):
    """Polls until `condition()` is true, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def free_port():
    """Below those that Linux gives to whoever connects somewhere (32768 and up): one of these may be gone before the
    server is up, or while it is down."""
    for port in random.sample(range(10_000, 32_000), 1000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


# ---- talking HTTP


class Reply:
    def __init__(self, status, headers, body, took=0.0):
        self.status, self.headers, self.body, self.took = status, headers, body, took

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """One keep-alive connection. `dialled` counts how often it had to be made."""

    def __init__(self, port, timeout=PATIENCE):
        self.port, self.timeout, self.connection, self.dialled = port, timeout, None, 0

    def request(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            self.dialled += 1
        started = time.monotonic()
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read(), time.monotonic() - started)
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return reply

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


# ---- a Hufu of one's own


class Instance:
    """A directory with a configuration; any number of processes on it.

    `settings` are top-level keys of hufu.toml, `timing` its [timing] section, `app_settings` more keys of each app.
    """

    def __init__(self, platform, apps=None, endpoint="stable", timing=QUICK_TIMING, store=None, app_settings=None,
                 **settings):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hufu-e2e-"))
        self.platform = platform
        self.settings = {"listen": "127.0.0.1:0", "log_level": "info", **settings}
        self.timing = dict(timing)
        self.database = self.directory / "hufu.db"
        self.settings["store"] = store or f"sqlite:{self.database}"
        self.secrets = {}
        self.endpoints = {}
        self.sinks = {}  # Of an app: lists of lines, one a sink.
        self.app_settings = app_settings or {}
        self.processes = []
        for app in apps if apps is not None else [APP]:
            self.add_app(app, endpoint)
        self.write_config()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.end()
        if os.environ.get("HUFU_E2E_KEEP"):
            print("kept", self.directory, file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def add_app(self, app, endpoint="stable", secret=None):
        """Makes the app known to the platform and to the configuration file."""
        self.secrets[app] = secret or secrets.token_hex(16)
        self.endpoints[app] = endpoint
        (self.directory / f"{app}.secret").write_text(self.secrets[app] + "\n")
        self.platform.add_app(app, self.secrets[app])
        self.write_config()

    @property
    def config(self):
        return self.directory / "hufu.toml"

    @property
    def armed(self):
        """The file that a failpoint waits for, where one does (src/core/failpoint.hpp)."""
        return self.directory / "armed"

    def write_config(self):
        lines = [f"{key} = {json.dumps(value)}" for key, value in self.settings.items()]
        lines += ["", "[platform.wechat]", f"base_url = {json.dumps(self.platform.base_url)}", "", "[timing]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in self.timing.items()]
        for app, endpoint in self.endpoints.items():
            secret = json.dumps(str(self.directory / f"{app}.secret"))
            lines += ["", "[[app]]", f'id = "{app}"', 'platform = "wechat"', f'endpoint = "{endpoint}"',
                      f"secret = {{ file = {secret} }}"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in self.app_settings.items()]
            for sink in self.sinks.get(app, []):
                lines += ["", "[[app.sink]]", *sink]
        fresh = self.config.with_suffix(".fresh")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self.config)

    def environment(self, extra=None):
        """Nothing of the caller's environment that could configure Hufu."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
        kept.update({name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")})
        return {**kept, "HOME": str(self.directory), "HUFU_CONFIG": str(self.config), **(extra or {})}

    def run(self, *arguments, stdin="", env=None, timeout=60):
        """Runs a command to its end: returncode, stdout, stderr."""
        return subprocess.run([options.hufu, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout,
                              env=self.environment(env), cwd=self.directory)

    def start(self, *arguments, env=None):
        """Starts a command; its output goes to files."""
        process = Process(self, arguments, env)
        self.processes.append(process)
        return process

    def serve(self, *arguments, env=None, wait=True, kind=None):
        """Starts a node (a `Node`, or `kind` of it), and waits until it answers."""
        node = (kind or Node)(self, ("serve", *arguments), env)
        self.processes.append(node)
        if wait:
            node.wait_until_listening()
        return node

    def key(self, *arguments, name=None):
        """Makes an API key."""
        made = self.run("key", "create", name or "k" + secrets.token_hex(4), *arguments)
        if made.returncode:
            raise AssertionError(f"key create: {made.returncode} {made.stderr}")
        return made.stdout.strip()


class Process:
    #: Put before the command.
    prefix = ()

    def __init__(self, instance, arguments, env=None):
        self.instance = instance
        number = len(instance.processes)
        self.out = instance.directory / f"{number}-{arguments[0]}.out"
        self.err = instance.directory / f"{number}-{arguments[0]}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.popen = subprocess.Popen([*self.prefix, options.hufu, *arguments], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=err, env=instance.environment(env), cwd=instance.directory)
        self.pid = self.popen.pid

    @property
    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running:
            self.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait(PATIENCE)

    def wait(self, seconds=PATIENCE):
        """The exit status: negative for a signal."""
        return self.popen.wait(seconds)

    def end(self):
        if self.running:
            self.signal(signal.SIGCONT)
            self.kill()

    def stderr(self):
        return self.err.read_text(errors="replace")

    def stdout(self):
        return self.out.read_text(errors="replace")


class Node(Process):
    """A running `hufu serve`."""

    port = None

    def wait_until_listening(self, seconds=PATIENCE):
        def answers():
            if not self.running:
                raise AssertionError(f"hufu serve ended with {self.popen.returncode}: {self.stderr()[-2000:]}")
            self.port = listening_port(self.pid)
            if self.port is None:
                return False
            try:
                return self.get("/healthz").status in (200, 404)  # 404: it lives under a prefix.
            except OSError:
                return False

        wait_until(answers, seconds, "hufu serve to answer")
        return self

    def wait_until_ready(self, seconds=PATIENCE):
        wait_until(lambda: self.get("/readyz").status == 200, seconds, "hufu serve to be ready")
        return self

    def client(self, timeout=PATIENCE):
        return Client(self.port, timeout)

    def get(self, path, headers=None):
        return self.send("GET", path, headers=headers)

    def send(self, method, path, body=None, headers=None):
        client = self.client()
        try:
            return client.request(method, path, body, headers)
        finally:
            client.close()

    def token_path(self, app=APP, secret=None, base=""):
        query = {"grant_type": "client_credential", "appid": app, "secret": secret or self.instance.secrets[app]}
        return f"{base}/cgi-bin/token?{urllib.parse.urlencode(query)}"

    def ask(self, app=APP, secret=None, client=None):
        """Asks as an SDK does, and returns the JSON."""
        path = self.token_path(app, secret)
        reply = client.request("GET", path) if client else self.get(path)
        if reply.status != 200:
            raise AssertionError(f"an SDK got {reply}")
        return reply.json

    def ask_v1(self, key, app=APP, query=""):
        return self.get(f"/v1/apps/{app}/token{query}", {"Authorization": f"Bearer {key}"})

    def terminate(self, seconds=PATIENCE):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


def has_read(port, connection):
    """Whether the server at `port` has taken everything that was sent on `connection` out of the kernel."""
    ours = connection.getsockname()[1]
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[column].rsplit(":", 1)[1], 16) for column in (1, 2))
        if (local, remote) == (port, ours):
            return fields[4].endswith(":00000000")
    return False


def listening_port(pid):
    """The first TCP port on which a process listens, as the kernel tells; None if there is none."""
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    return int(fields[1].rsplit(":", 1)[1], 16)
    except OSError:
        pass  # It ended meanwhile.
    return None


# ---- what several suites check


class Case(unittest.TestCase):
    longMessage = True

    def setUp(self):
        self.platform = self.enterContext(wechat.Wechat())

    def instance(self, *arguments, **keywords):
        return self.enterContext(Instance(self.platform, *arguments, **keywords))

    def assert_one_at_a_time(self, appid=APP):
        """No two token calls for one app were in flight at once."""
        calls = sorted(self.platform.token_calls(appid), key=lambda call: call.started)
        for earlier, later in zip(calls, calls[1:]):
            self.assertTrue(earlier.ended and earlier.ended <= later.started, f"two calls at once: {earlier} {later}")

    def calls(self, appid=APP):
        """How many calls there were for an app's tokens, probes of them included."""
        values = {token.value for token in self.platform.issued(appid)}
        probes = [call for call in self.platform.probes() if call.appid in values]
        return len(self.platform.token_calls(appid)) + len(probes)

    def assert_token(self, answer, message=""):
        self.assertEqual(set(answer), {"access_token", "expires_in"}, f"{message} {answer}")
        self.assertIsInstance(answer["expires_in"], int)
        self.assertGreater(answer["expires_in"], 0)
        return answer["access_token"]


class CommandCase(Case):
    """Cases of commands on an instance of their own, `hufu`."""

    def setUp(self):
        super().setUp()
        self.hufu = self.instance(timing={})

    def ends_with(self, status, *arguments, **keywords):
        result = self.hufu.run(*arguments, **keywords)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        if status:
            self.assertEqual(result.stdout, "", "what is no data stands on stderr")
            self.assertNotEqual(result.stderr, "", "a failure says what it is")
        return result


class Clients:
    """Simulated SDKs: each keeps what it was given to the last promised second, then asks again.

    Every promise is written down, and judged in the end by what the platform knows of the token's life.
    """

    def __init__(self, ask, platform):
        self.ask, self.platform = ask, platform
        # (value, asked at, expires_in): from the question on, so that a machine which lets this process wait for its
        # turn breaks no promise in Hufu's name.
        self.promises = []
        self.errors = []  # (when, answer)
        self.failures = []  # exceptions
        self._threads = []
        self._stop = threading.Event()

    def start(self, members):
        for number in range(members):
            thread = threading.Thread(target=self._live, args=(number / members,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _live(self, phase):
        self._stop.wait(phase)
        while not self._stop.is_set():
            asked = time.monotonic()
            try:
                answer = self.ask()
            except Exception as failure:  # pylint: disable=broad-except
                self.failures.append((time.monotonic(), repr(failure)))
                self._stop.wait(0.2)
                continue
            now = time.monotonic()
            if "access_token" not in answer:
                self.errors.append((now, answer))
                self._stop.wait(0.2)
                continue
            self.promises.append((answer["access_token"], asked, answer["expires_in"]))
            # A cache that dies young as well as one that lives to the end.
            self._stop.wait(min(answer["expires_in"], 0.2 + 5 * phase))

    def broken_promises(self):
        return broken_promises(self.platform, list(self.promises))


def broken_promises(platform, promises):
    """Which of `promises`, (value, asked at, expires_in), the platform did not keep, as far as it is known by now."""
    broken = []
    for value, at, seconds in promises:
        token = platform.life_of(value)
        if token is None:
            broken.append(f"unknown token {value[:10]}")
        elif token.dies < at + seconds:
            broken.append(f"{value[:10]} promised for {seconds} s, lived {token.dies - at:.3f} s")
    return broken


def together(functions, at_once=64):
    """Calls them at once; the results in order."""
    with concurrent.futures.ThreadPoolExecutor(min(len(functions), at_once)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


def raw(port, data, timeout=PATIENCE, half_close=False):
    """Sends bytes and returns all that comes back until the other side closes (or the timeout)."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        received = b""
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except OSError:
            pass
        return received


# ---- running a suite


def main(at_once=1):
    """Runs the cases of the calling file, `at_once` of them at the same time (most of them wait)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hufu", default=options.hufu, help="the binary under test")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("names", nargs="*", help="cases to run: all that contain one of these")
    parser.parse_args(namespace=options)
    options.hufu = shutil.which(options.hufu) or options.hufu
    if not os.access(options.hufu, os.X_OK):
        sys.exit(f"there is no {options.hufu}")
    options.hufu = os.path.abspath(options.hufu)

    cases = []
    for case in _flatten(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])):
        if not options.names or any(name in case.id() for name in options.names):
            cases.append(case)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(_run, cases))
    bad = [(case, result) for case, result in zip(cases, results) if not result.wasSuccessful()]
    for case, result in bad:  # At the end, where a log that is cut in the middle still has them.
        for _, trace in result.failures + result.errors:
            print(f"\nFAILED {_name(case)}\n{trace}")
    print(f"{len(cases)} cases, {len(bad)} failed")
    sys.exit(1 if bad or not cases else 0)


def _flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flatten(item)
        else:
            yield item


def _run(case):
    result = unittest.TestResult()
    started = time.monotonic()
    case.run(result)
    words = "ok" if result.wasSuccessful() else "FAILED"
    if result.skipped:
        words = f"skipped: {result.skipped[0][1]}"
    print(f"{words:7} {time.monotonic() - started:6.1f} s  {_name(case)}", flush=True)
    return result


def _name(case):
    return case.id().removeprefix("__main__.")
