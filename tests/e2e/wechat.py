"""WeChat as its documents describe it: a judge of Hufu that shares nothing with Hufu.

It issues access tokens over HTTP on a port of its own (`/cgi-bin/token`, `/cgi-bin/stable_token`), tickets for them
(`/cgi-bin/ticket/getticket`), judges them (`/cgi-bin/getcallbackip`), fails on demand, and remembers every call and the whole life of every token. Where the
documents leave it open, it is as strict as a platform may be: only the newest token and the one before it are alive.

All times are `time.monotonic()`. (The file is not called platform.py: that name is the standard library's.)
"""

import dataclasses
import http.server
import itertools
import json
import os
import random
import socket
import string
import struct
import threading
import time
import urllib.parse

CLASSIC = "classic"
STABLE = "stable"
PROBE = "probe"
TICKET = "ticket"

MESSAGES = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40014: "invalid access_token",
    40125: "invalid appsecret",
    40164: "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist",
    40243: "appsecret frozen",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    42001: "access_token expired",
    43002: "require POST method",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit mustslower retry next minute",
    50002: "user limited",
    89503: "this ip needs the admin's confirmation",
}


@dataclasses.dataclass
class Issued:
    """One token: it is accepted from `born` to `dies`."""

    value: str
    born: float
    expires: float
    dies: float


@dataclasses.dataclass
class Call:
    """One request that arrived. `outcome` is an errcode, 0 for success, or None where it was not carried out."""

    endpoint: str
    appid: str
    started: float
    ended: float = 0.0
    outcome: int | None = None
    issued: str | None = None
    force: bool = False


@dataclasses.dataclass
class Fault:
    """What goes wrong with a call, in the order in which it may."""

    before: float = 0.0  # seconds until it is carried out
    carry_out: bool = False  # whether the platform does its part: a token is issued, an older one displaced
    errcode: int | None = None
    after: float = 0.0  # seconds until the answer leaves
    status: int = 200
    content_type: str = "application/json; encoding=utf-8"
    body: object = None  # bytes, or a function from the right answer (a dict) to bytes
    ending: str = "answer"  # or "reset", "hang", "truncate", "close"


def errcode(code):
    return Fault(errcode=code)


def answer(body, status=200, content_type="application/json; encoding=utf-8", carry_out=False):
    """Answers with `body`, whatever is right."""
    return Fault(body=body, status=status, content_type=content_type, carry_out=carry_out)


def slow(seconds):
    """Does everything right, late."""
    return Fault(after=seconds, carry_out=True)


HANG = Fault(ending="hang")
RESET = Fault(ending="reset")
TRUNCATED = Fault(ending="truncate")
CLOSED = Fault(ending="close")
SERVER_ERROR = Fault(status=502, content_type="text/html", body=b"<html><h1>502 Bad Gateway</h1></html>")
HTML = Fault(content_type="text/html", body=b"<html>Please log in to the hotel's network</html>")
LOST_BY_RESET = Fault(carry_out=True, ending="reset")
LOST_BY_HANG = Fault(carry_out=True, ending="hang")
LOST_BY_TRUNCATION = Fault(carry_out=True, ending="truncate")
LOST_BY_SERVER_ERROR = Fault(carry_out=True, status=504, content_type="text/html", body=b"<html>504</html>")


class Family:
    """The tokens of one app at one of the two endpoints, which know nothing of each other."""

    def __init__(self, wechat):
        self.wechat = wechat
        self.tokens = []
        self.forced_at = None

    def mint(self, now, overlap):
        alphabet = string.ascii_letters + string.digits + "-_"
        value = f"{random.randrange(10, 99)}_" + "".join(random.choices(alphabet, k=134))
        if self.tokens:
            previous = self.tokens[-1]
            previous.dies = min(previous.dies, now + overlap)
            for older in self.tokens[:-1]:
                older.dies = min(older.dies, now)
        token = Issued(value, now, now + self.wechat.lifetime, now + self.wechat.lifetime)
        self.tokens.append(token)
        return token

    def classic(self, now):
        return self.mint(now, self.wechat.overlap)

    def stable(self, now, force):
        current = self.tokens[-1] if self.tokens else None
        if current is None or current.dies <= now:
            return self.mint(now, 0)
        if force and (self.forced_at is None or now - self.forced_at >= self.wechat.force_gap):
            self.forced_at = now
            return self.mint(now, 0)
        if current.expires - now <= self.wechat.overlap:
            return self.mint(now, self.wechat.overlap)
        return current


class Wechat:
    """The platform. Use it in a `with` block; `base_url` is where it listens.

    Thread-safety: everything may be called from any thread.
    """

    def __init__(self, lifetime=7200.0, overlap=300.0, force_gap=30.0):
        self.lifetime = lifetime
        self.overlap = overlap
        self.force_gap = force_gap
        self.calls = []
        self.strays = []  # requests for anything else
        self._lock = threading.Condition()
        self._apps = {}
        self._families = {}
        self._tickets = {}  # by appid and type: all of them, oldest first
        self._next = []
        self._always = {}  # by appid; None stands for all the others
        self._released = threading.Event()
        self._rid = itertools.count(1)
        # Keeps the port while nobody listens there.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port = self._holder.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._server = None
        self.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.refuse_connections()
        self._holder.close()

    # ---- what a test arranges

    def add_app(self, appid, secret):
        with self._lock:
            self._apps[appid] = secret

    def fail_next(self, fault, times=1):
        """The next token calls, whoever makes them, go wrong that way."""
        with self._lock:
            self._next += [fault] * times

    def fail(self, fault, appid=None):
        """Every token call (of that app, or of all) goes wrong that way, until `heal`."""
        with self._lock:
            self._released = threading.Event()
            self._always[appid] = fault

    def heal(self):
        with self._lock:
            self._always.clear()
            self._next.clear()
            self._released.set()
        self.listen()

    def refuse_connections(self):
        with self._lock:
            self._released.set()
            server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()

    def listen(self):
        with self._lock:
            if self._server:
                return
            self._released = threading.Event()
            self._server = _Listener(self, self.port)
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def revoke(self, value):
        """Takes a token back before its time."""
        with self._lock:
            token = self._find(value)
            token.dies = min(token.dies, time.monotonic())

    # ---- what a test asks

    def token_calls(self, appid=None, since=0.0):
        with self._lock:
            return [
                call for call in self.calls
                if call.endpoint not in (PROBE, TICKET) and call.started >= since and appid in (None, call.appid)
            ]

    def probes(self, since=0.0):
        with self._lock:
            return [call for call in self.calls if call.endpoint == PROBE and call.started >= since]

    def issued(self, appid=None):
        """Every token ever issued, oldest first."""
        with self._lock:
            tokens = [t for key, f in self._families.items() if appid in (None, key[0]) for t in f.tokens]
        return sorted(tokens, key=lambda token: token.born)

    def tickets(self, appid, kind="jsapi"):
        """Every ticket of that type ever issued to an app, oldest first."""
        with self._lock:
            return list(self._tickets.get((appid, kind), []))

    def life_of(self, value):
        """The token of that value, or None."""
        with self._lock:
            return self._find(value)

    def judge(self, value, now=None):
        """0, or the errcode with which a business call with this token is refused."""
        with self._lock:
            return self._judge(value, now)

    def wait_for(self, condition, seconds, what="the platform to be called"):
        """Waits until `condition(self)` is true after some call; fails with AssertionError."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while not condition(self):
                if not self._lock.wait(min(0.05, max(0.001, deadline - time.monotonic()))):
                    if time.monotonic() >= deadline and not condition(self):
                        raise AssertionError(f"waited {seconds} s for {what}")

    # ---- how it works

    def _find(self, value):
        for family in self._families.values():
            for token in family.tokens:
                if token.value == value:
                    return token
        return None

    def _judge(self, value, now=None):
        now = time.monotonic() if now is None else now
        if not value:
            return 41001
        token = self._find(value)
        if token is None:
            return 40001
        if now < token.dies:
            return 0
        return 42001 if token.dies >= token.expires else 40001

    def _take_fault(self, appid):
        with self._lock:
            if self._next:
                return self._next.pop(0), self._released
            return self._always.get(appid, self._always.get(None)), self._released

    def _begin(self, endpoint, appid, force):
        with self._lock:
            call = Call(endpoint, appid, time.monotonic(), force=force)
            self.calls.append(call)
            self._lock.notify_all()
            return call

    def _end(self, call):
        with self._lock:
            call.ended = time.monotonic()
            self._lock.notify_all()

    def _carry_out(self, call, asked):
        """Validation in the order that was seen from outside: facts, "Validation order"."""
        with self._lock:
            now = time.monotonic()
            appid, secret = asked.get("appid"), asked.get("secret")
            if not appid:
                call.outcome = 41002
            elif appid not in self._apps:
                call.outcome = 40013
            elif not secret:
                call.outcome = 41004
            elif asked.get("grant_type") != "client_credential":
                call.outcome = 40002
            elif secret != self._apps[appid]:
                call.outcome = 40125
            if call.outcome is not None:
                return self.error(call.outcome)
            family = self._families.setdefault((appid, call.endpoint), Family(self))
            if call.endpoint == CLASSIC:
                token = family.classic(now)
            else:
                token = family.stable(now, asked.get("force_refresh") is True)
            call.outcome, call.issued = 0, token.value
            return {"access_token": token.value, "expires_in": int(token.expires - now + 1e-3)}

    def _ticket(self, value, kind):
        """The same ticket until its end, whoever asks."""
        with self._lock:
            now = time.monotonic()
            code = self._judge(value, now)
            if code:
                return self.error(code)
            appid = next(key[0] for key, family in self._families.items()
                         if any(token.value == value for token in family.tokens))
            all_of_them = self._tickets.setdefault((appid, kind), [])
            if not all_of_them or all_of_them[-1].dies <= now:
                name = "sM4AOVdWfPE4" + "".join(random.choices(string.ascii_letters, k=74))
                all_of_them.append(Issued(name, now, now + self.lifetime, now + self.lifetime))
            ticket = all_of_them[-1]
            return {"errcode": 0, "errmsg": "ok", "ticket": ticket.value,
                    "expires_in": int(ticket.expires - now + 1e-3)}

    def error(self, code):
        rid = f"{int(time.time()):08x}-{next(self._rid):08x}-{random.getrandbits(32):08x}"
        return {"errcode": code, "errmsg": f"{MESSAGES.get(code, 'error')} rid: {rid}"}


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, wechat, port):
        self.wechat = wechat
        self.connections = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self):
        super().server_close()
        for connection in list(self.connections):  # Those that are kept alive die with the listener.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        pass  # Clients of this server are killed on purpose.


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._handle({})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(text)
        except ValueError:
            body = {}
        self._handle(body if isinstance(body, dict) else {})

    def _handle(self, body):
        wechat = self.server.wechat
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/cgi-bin/getcallbackip":
            return self._probe(wechat, query)
        if url.path == "/cgi-bin/ticket/getticket":
            return self._get_ticket(wechat, query)
        if url.path == "/cgi-bin/token" and self.command == "GET":
            return self._issue(wechat, CLASSIC, query)
        if url.path == "/cgi-bin/stable_token":
            if self.command != "POST":
                return self._reply(wechat.error(43002))
            return self._issue(wechat, STABLE, body)
        wechat.strays.append((self.command, self.path))
        self._reply(wechat.error(40066))

    def _probe(self, wechat, query):
        value = query.get("access_token", "")
        call = wechat._begin(PROBE, value, False)
        code = wechat.judge(value)
        call.outcome = code
        self._reply(wechat.error(code) if code else {"ip_list": ["203.0.113.10"]})
        wechat._end(call)

    def _get_ticket(self, wechat, query):
        value = query.get("access_token", "")
        call = wechat._begin(TICKET, value, False)
        answer = wechat._ticket(value, query.get("type", ""))
        call.outcome = answer["errcode"]
        self._reply(answer)
        wechat._end(call)

    def _issue(self, wechat, endpoint, asked):
        call = wechat._begin(endpoint, asked.get("appid", ""), asked.get("force_refresh") is True)
        fault, released = wechat._take_fault(call.appid)
        try:
            if fault is None:
                return self._reply(wechat._carry_out(call, asked))
            released.wait(fault.before) if fault.before else None
            right = wechat._carry_out(call, asked) if fault.carry_out else {}
            if fault.errcode is not None:
                call.outcome = fault.errcode
                right = wechat.error(fault.errcode)
            released.wait(fault.after) if fault.after else None
            self._end_badly(fault, right, released)
        finally:
            wechat._end(call)

    def _end_badly(self, fault, right, released):
        if fault.ending == "hang":
            released.wait(60)
            self.close_connection = True
        elif fault.ending == "close":
            self.close_connection = True
        elif fault.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            os.close(self.connection.detach())
        else:
            body = fault.body(right) if callable(fault.body) else fault.body
            self._reply(right if body is None else body, fault.status, fault.content_type, fault.ending == "truncate")

    def _reply(self, body, status=200, content_type="application/json; encoding=utf-8", truncate=False):
        if not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {status} Whatever\r\nServer: nginx\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        if truncate:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(head + body)
