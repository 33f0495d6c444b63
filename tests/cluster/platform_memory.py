"""The platform of a cluster test: `hufu sim` as a process of its own, and its memory as a witness."""

import json
import signal
import subprocess
import threading
import time
import urllib.request

import harness
import history


class Simulator:
    """A running `hufu sim` that knows every app. Use it in a `with` block.

    Its clock is a steady one that started at some Unix time; `moment` lays it on ours. The two run at one pace, so a few
    looks at both suffice to know the distance to about a millisecond.
    """

    def __init__(self, lifetime, overlap):
        self.process = subprocess.Popen(
            [harness.options.hufu, "sim", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--any-app",
             "--lifetime", f"{round(lifetime * 1000)}ms", "--overlap", f"{round(overlap * 1000)}ms"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.base_url = self.process.stdout.readline().strip()
        self.control_url = None
        for line in self.process.stderr:
            if line.startswith("Steer it"):
                self.control_url = line.split()[-1].removesuffix("/sim/state")
                break
        if not self.base_url or not self.control_url:
            self.end()
            raise AssertionError("hufu sim did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self._least, self._most = float("-inf"), float("inf")
        self.post("/sim/settings", {"token_calls_a_day": 0, "stable_calls_a_day": 0, "stable_calls_a_minute": 0})
        self.look_at_the_clock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def add_app(self, app, secret):
        """It knows every app already."""

    # ---- steering

    def get(self, path):
        with urllib.request.urlopen(self.control_url + path, timeout=harness.PATIENCE) as reply:
            return json.load(reply)

    def post(self, path, body):
        request = urllib.request.Request(self.control_url + path, json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=harness.PATIENCE) as reply:
            return json.load(reply)

    def slow(self, delay):
        """From now on every call for a token takes this long."""
        for endpoint in ("token", "stable_token"):
            self.post("/sim/faults", {"kind": "slow", "delay": f"{round(delay * 1000)}ms", "endpoint": endpoint,
                                      "after": True})

    def look_at_the_clock(self):
        """Narrows the span in which the distance between the two clocks must lie."""
        for _ in range(20):
            before = time.monotonic()
            now = self.get("/sim/alive?token=")["now"]
            after = time.monotonic()
            self._least = max(self._least, before - (now + 1) / 1000)
            self._most = min(self._most, after - now / 1000)

    def moment(self, milliseconds):
        """A moment on the simulator's clock as one of `time.monotonic()`."""
        return milliseconds / 1000 + (self._least + self._most) / 2

    # ---- remembering

    def calls(self):
        """Every call for a token, in the order in which they came."""
        values = {token["serial"]: token["token"] for token in self._all("tokens", "serial")}
        calls = []
        for call in self._all("calls", "id"):
            if call["endpoint"] in ("token", "stable_token"):
                # A call's token is named by its serial, or its value; one that nobody was answered is none.
                token = call["token"]
                calls.append(history.Call(call["app"], self.moment(call["began_at"]), self.moment(call["ended_at"]),
                                          values.get(token, token) or "", call["deed"]))
        return calls

    def tokens(self):
        return [history.Token(token["app"], token["token"], self.moment(token["made_at"]),
                              self.moment(token["dies_at"]), token["cause"] == "revoked")
                for token in self._all("tokens", "serial")]

    def _all(self, what, cursor):
        after = 0
        while page := self.get(f"/sim/{what}?after={after}&limit=1000")[what]:
            yield from page
            after = page[-1][cursor]

    def tokens_made(self):
        """How many, so far."""
        return self.get("/sim/state")["totals"]["tokens_made"]

    def testify(self, into):
        """Writes all it remembers into a history."""
        self.look_at_the_clock()
        into.calls, into.tokens = self.calls(), self.tokens()
        return self.get("/sim/state")["totals"]
