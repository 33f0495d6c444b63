"""hufu serve, dev and sim as a person or a service manager meets them: processes that are started,
are sent signals, print lines and exit with a status. Nothing sleeps; everything waits for a
condition, at most DEADLINE seconds."""

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

DEADLINE = 30
APP = "wx0123456789abcdef"
SECRET = "a-rehearsal-needs-no-secret"


class Program:
    """A running hufu whose lines can be waited for."""

    hufu = ""

    def __init__(self, *arguments, env=None, cwd=None):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("HUFU_", "WECHAT_", "NOTIFY_"))}
        self.process = subprocess.Popen(
            [self.hufu, *map(str, arguments)], env={**clean, **(env or {})}, cwd=cwd, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)

    def tell(self, number):
        self.process.send_signal(number)

    def status(self):
        return self.process.wait(DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()
        self.err.close()


class Lines:
    """What a program prints: seen so far, and yet to come."""

    def __init__(self, stream):
        self.stream, self.seen, self.coming = stream, [], queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.stream:
            self.coming.put(line)
        self.coming.put(None)

    def close(self):
        self.reader.join()
        self.stream.close()

    def find(self, pattern):
        """The first line that matches, of those that no `find` has looked at."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.coming.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"nothing like {pattern!r} in\n{''.join(self.seen)}")
            self.seen.append(line)
            if found := re.search(pattern, line):
                return found

    def all(self):
        self.reader.join(DEADLINE)
        while (line := self.coming.get(timeout=DEADLINE)) is not None:
            self.seen.append(line)
        return "".join(self.seen)


def fetch(url, data=None, key=None):
    request = urllib.request.Request(url, data and json.dumps(data).encode())
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return json.load(answer)


def eventually(condition):
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.01)  # Between two looks; nothing depends on its length.
    return value


class Client:
    """Commands that work on a store of their own, with a platform at `url`."""

    def __init__(self, test, url):
        self.test = test
        self.env = {"HUFU_STORE": f"sqlite:{test.scratch}/hufu.db", "WECHAT_BASE_URL": url,
                    "WECHAT_APPID": APP, "WECHAT_APPSECRET": SECRET, "PATH": os.environ["PATH"]}

    def ask(self, *arguments, stdin=""):
        done = subprocess.run([Program.hufu, *arguments], env=self.env, cwd=self.test.scratch,
                              text=True, input=stdin, capture_output=True, timeout=DEADLINE,
                              check=False)
        self.test.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()


class DaemonTest(unittest.TestCase):
    def setUp(self):
        self.exits = contextlib.ExitStack()
        self.addCleanup(self.exits.close)
        self.scratch = pathlib.Path(self.exits.enter_context(tempfile.TemporaryDirectory()))

    def start(self, *arguments, **options):
        return self.exits.enter_context(Program(*arguments, cwd=self.scratch, **options))

    def start_platform(self):
        platform = self.start("sim", "--listen", "127.0.0.1:0", "--any-app")
        return platform.out.find(r"^(http://127\.0\.0\.1:\d+)$")[1]

    def start_server(self, *arguments, env=None):
        env = {"WECHAT_BASE_URL": self.start_platform(), "WECHAT_APPID": APP,
               "WECHAT_APPSECRET": SECRET, **(env or {})}
        server = self.start("serve", "--listen", "127.0.0.1:0", *arguments, env=env)
        server.platform = env["WECHAT_BASE_URL"]
        server.url = self.ready(server)
        return server

    def ready(self, server):
        """Its address, once it knows its apps."""
        url = server.err.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]
        server.err.find("the store has been read")
        return url

    def token_of(self, url, app=APP):
        return fetch(f"{url}/cgi-bin/token?grant_type=client_credential&appid={app}"
                     f"&secret={SECRET}")

    def report(self, server):
        """Reports the token, in a thread: the server asks the platform before it answers."""
        answers = queue.Queue()
        body = {"grant_type": "client_credential", "appid": APP, "secret": SECRET,
                "force_refresh": True}

        def ask():
            try:
                answers.put(fetch(f"{server.url}/cgi-bin/stable_token", body))
            except OSError as error:
                answers.put(error)

        asking = threading.Thread(target=ask)
        asking.start()
        self.addCleanup(asking.join)
        eventually(lambda: fetch(f"{server.platform}/sim/calls?endpoint=getcallbackip")["calls"])
        return answers


class Serve(DaemonTest):
    def test_serves_and_ends_when_it_is_asked_to(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start_server("--store", "memory:")
            self.assertIn("access_token", self.token_of(server.url))
            server.tell(number)
            self.assertEqual(server.status(), 0)

    def test_answers_what_had_begun_before_it_ends(self):
        server = self.start_server("--store", "memory:")
        self.token_of(server.url)
        fetch(f"{server.platform}/sim/faults",
              {"kind": "slow", "delay": "300ms", "endpoint": "getcallbackip"})
        answers = self.report(server)
        server.tell(signal.SIGTERM)
        self.assertIn("access_token", answers.get(timeout=DEADLINE))
        self.assertEqual(server.status(), 0)

    def test_ends_at_once_when_it_is_asked_twice(self):
        server = self.start_server("--store", "memory:")
        self.token_of(server.url)
        fetch(f"{server.platform}/sim/faults", {"kind": "hang", "endpoint": "getcallbackip"})
        self.report(server)
        server.tell(signal.SIGTERM)
        server.err.find("ending")
        server.tell(signal.SIGTERM)
        self.assertEqual(server.status(), -signal.SIGTERM)

    def test_makes_its_key_file_and_says_so_once(self):
        store = self.scratch / "state/hufu.db"
        server = self.start_server("--store", f"sqlite:{store}")
        first = self.token_of(server.url)
        server.tell(signal.SIGTERM)
        self.assertEqual(server.status(), 0)
        self.assertIn("hufu.key (mode 0600)", server.err.all())
        self.assertEqual(stat.S_IMODE((store.parent / "hufu.key").stat().st_mode), 0o600)

        again = self.start_server("--store", f"sqlite:{store}")
        self.assertEqual(self.token_of(again.url)["access_token"], first["access_token"])
        again.tell(signal.SIGTERM)
        self.assertEqual(again.status(), 0)
        self.assertNotIn("(mode 0600)", again.err.all())

    def test_leaves_no_core_and_takes_all_the_files_it_may_open(self):
        server = self.start_server("--store", "memory:")
        limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        soft, hard = re.search(r"Max open files +(\d+) +(\d+)", limits).groups()
        self.assertEqual(soft, hard)

    def test_says_no_secret_and_no_token(self):
        server = self.start_server("--store", "memory:", "--log-level", "trace")
        token = self.token_of(server.url)["access_token"]
        server.tell(signal.SIGTERM)
        server.status()
        said = server.err.all() + server.out.all()
        self.assertIn("renewed: ", said)
        self.assertNotIn(SECRET, said)
        self.assertNotIn(token[:20], said)

    def test_exits_as_the_contract_says(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = self.start("serve", "--store", "memory:", "--listen", f"127.0.0.1:{port}")
            self.assertEqual(server.status(), 3)
            self.assertRegex(server.err.all(), rf"port {port} is taken[^\n]*\n  → ")

        (self.scratch / "broken.toml").write_text("lissten = 1\n")
        broken = self.start("serve", "--config", "broken.toml")
        self.assertEqual(broken.status(), 3)
        self.assertIn("Did you mean listen?", broken.err.all())

        (self.scratch / "junk.db").write_text("this is no database" * 100)
        junk = self.start("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:junk.db")
        self.assertEqual(junk.status(), 6)
        self.assertIn("  → ", junk.err.all())


    def test_goes_on_after_signals_that_mean_nothing(self):
        server = self.start_server("--store", "memory:")
        for number in (signal.SIGXFSZ, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            server.tell(number)
        self.assertIn("access_token", self.token_of(server.url))
        server.tell(signal.SIGTERM)
        self.assertEqual(server.status(), 0)


class ClosedStreams(DaemonTest):
    """Descriptors that were closed by whoever started the program."""

    def run_with(self, redirection, *arguments):
        env = {**os.environ, "HUFU_STORE": f"sqlite:{self.scratch}/hufu.db",
               "WECHAT_BASE_URL": self.start_platform(), "WECHAT_APPID": APP,
               "WECHAT_APPSECRET": SECRET}
        return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', Program.hufu, *arguments],
                              env=env, cwd=self.scratch, text=True, timeout=DEADLINE,
                              stdin=subprocess.DEVNULL, capture_output=True)

    def test_a_result_that_cannot_be_written_is_a_failure(self):
        for redirection in (">&-", "<&- >&-", ">/dev/full"):
            result = self.run_with(redirection, "get")
            self.assertEqual((result.returncode, result.stdout), (1, ""), redirection)
            self.assertIn("standard output cannot be written", result.stderr)
        self.assertEqual(self.run_with("<&- >&- 2>&-", "get").returncode, 1)

    def test_a_result_is_written_where_nobody_reads_errors(self):
        result = self.run_with("<&- 2>&-", "get")
        self.assertEqual(result.returncode, 0)
        self.assertGreater(len(result.stdout), 20)

    def test_a_key_that_cannot_be_written_is_revoked(self):
        for redirection in (">&-", ">/dev/full"):
            self.assertEqual(self.run_with(redirection, "key", "create", "shop").returncode, 1)
            self.assertEqual(self.run_with("", "key", "list").stdout, "")


class UnreadLog(DaemonTest):
    """A standard error that nobody reads: a pipe of one page."""

    REQUESTS = 30_000

    def start_server(self):
        self.reader, writer = os.pipe()
        self.exits.callback(os.close, self.reader)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = free.getsockname()
        self.server = subprocess.Popen(
            [Program.hufu, "serve", "--store", "memory:", "--log-level", "debug", "--listen",
             "{}:{}".format(*self.address)], stdin=subprocess.DEVNULL, stderr=writer,
            env={"WECHAT_BASE_URL": self.start_platform(), "WECHAT_APPID": APP,
                 "WECHAT_APPSECRET": SECRET})
        os.close(writer)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)

    def connect(self):
        try:
            return socket.create_connection(self.address, timeout=DEADLINE)
        except ConnectionRefusedError:
            return None

    def log_more_than_fits(self):
        """A line for each request, and an answer to each of them."""
        with eventually(self.connect) as connection:
            request = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
            sending = threading.Thread(target=connection.sendall, args=(request * self.REQUESTS,))
            sending.start()
            answers, tail = 0, b""
            while answers < self.REQUESTS:
                received = connection.recv(1 << 20)
                self.assertTrue(received)
                answers += (tail + received).count(b"HTTP/1.1 200")
                tail = received[-11:]
            sending.join()

    def test_stops_neither_answers_nor_the_end(self):
        self.start_server()
        self.log_more_than_fits()
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(DEADLINE), 0)

    def test_counts_what_is_missing_in_its_metrics(self):
        self.start_server()
        self.log_more_than_fits()
        with urllib.request.urlopen("http://{}:{}/metrics".format(*self.address),
                                    timeout=DEADLINE) as answer:
            page = answer.read().decode()
        dropped = re.search(r"^hufu_log_lines_dropped_total (\d+)$", page, re.MULTILINE)
        self.assertGreater(int(dropped[1]), 1000)

    def test_says_how_many_lines_are_missing_once_somebody_reads(self):
        self.start_server()
        self.log_more_than_fits()
        seen, counted = b"", 0
        while counted < self.REQUESTS:
            seen += os.read(self.reader, 65536)
            dropped = [int(number) for number in re.findall(rb" warn  (\d+) log lines were dropped", seen)]
            counted = seen.count(b" debug GET /healthz 200") + sum(dropped)
        self.assertEqual(counted, self.REQUESTS)
        self.assertGreater(sum(dropped), 1000)
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(DEADLINE), 0)


class Reload(DaemonTest):
    def write(self, apps, head=""):
        text = "".join(f'[[app]]\nid = "{app}"\nsecret = {{ env = "S" }}\n' for app in apps)
        (self.scratch / "hufu.toml").write_text(head + text)

    def setUp(self):
        super().setUp()
        self.write(["wxstays", "wxgoes"])
        env = {"WECHAT_BASE_URL": self.start_platform(), "S": SECRET}
        self.server = self.start("serve", "--listen", "127.0.0.1:0", "--store", "memory:", env=env)
        self.url = self.ready(self.server)

    def reload(self, expected):
        self.server.tell(signal.SIGHUP)
        self.server.err.find(expected)

    def test_takes_apps_in_and_drops_no_connection(self):
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=DEADLINE)
        self.addCleanup(connection.close)

        def ask(app):
            connection.request("GET", "/cgi-bin/token?grant_type=client_credential"
                                      f"&appid={app}&secret={SECRET}")
            return json.load(connection.getresponse())

        self.assertIn("access_token", ask("wxgoes"))
        first = connection.sock
        self.write(["wxstays", "wxcomes"])
        self.reload("configuration was read again: 2 apps")
        self.assertIn("access_token", ask("wxcomes"))
        self.assertIn("access_token", ask("wxstays"))
        self.assertEqual(ask("wxgoes")["errcode"], 40013)
        self.assertIs(connection.sock, first)
        said = "".join(self.server.err.seen)
        self.assertIn("wxcomes was added", said)
        self.assertIn("wxgoes is gone", said)

    def test_takes_the_log_level(self):
        self.write(["wxstays"], 'log_level = "debug"\n')
        self.reload("read again")
        self.token_of(self.url, "wxstays")
        self.server.err.find("debug GET /cgi-bin/token 200")

    def test_says_what_has_to_wait_for_a_restart(self):
        self.write(["wxstays"], '[timing]\nlease = "20s"\n')
        self.reload("timing.lease = 20s takes effect with a restart; until then it is 30s")

    def test_leaves_everything_as_it_was_when_the_file_is_broken(self):
        self.write(["wxother"], "lissten = 1\n")
        self.reload("broken: .*unknown key lissten")
        self.server.err.find("goes on as before")
        self.assertIn("access_token", self.token_of(self.url, "wxgoes"))
        self.assertEqual(self.token_of(self.url, "wxother")["errcode"], 40013)
        self.server.tell(signal.SIGTERM)
        self.assertEqual(self.server.status(), 0)


class UnderSystemd(DaemonTest):
    def test_is_told_how_the_server_is(self):
        for place in (f"{self.scratch}/notify", f"@hufu-test-{os.getpid()}"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(place.replace("@", "\0"))
                manager.settimeout(DEADLINE)
                server = self.start_server("--store", "memory:", env={"NOTIFY_SOCKET": place})
                self.assertEqual(manager.recv(999), b"READY=1")
                server.tell(signal.SIGHUP)
                self.assertRegex(manager.recv(999), rb"^RELOADING=1\nMONOTONIC_USEC=\d+$")
                self.assertEqual(manager.recv(999), b"READY=1")
                server.tell(signal.SIGTERM)
                self.assertEqual(manager.recv(999), b"STOPPING=1")
                self.assertEqual(server.status(), 0)

    def test_not_being_there_harms_nobody(self):
        server = self.start_server("--store", "memory:",
                                   env={"NOTIFY_SOCKET": str(self.scratch / "nobody")})
        server.tell(signal.SIGTERM)
        self.assertEqual(server.status(), 0)


class Sim(DaemonTest):
    def test_prints_its_address_first_and_knows_the_demo_app(self):
        sim = self.start("sim", "--listen", "127.0.0.1:0")
        url = sim.out.find("^.*")[0]
        self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
        answer = fetch(f"{url}/cgi-bin/token?grant_type=client_credential"
                       "&appid=wxdemo0000000000&secret=demo-secret-opens-nothing")
        self.assertIn("access_token", answer)
        self.assertEqual(self.token_of(url)["errcode"], 40013)
        sim.tell(signal.SIGTERM)
        self.assertEqual(sim.status(), 0)
        self.assertIn(f"WECHAT_BASE_URL={url}", sim.err.all())

    def test_knows_the_app_it_is_told_of(self):
        sim = self.start("sim", APP, "--secret-env", "S", "--lifetime", "60s", "--listen",
                         "127.0.0.1:0", env={"S": SECRET})
        url = sim.out.find(r"http://\S+")[0]
        self.assertEqual(self.token_of(url)["expires_in"], 60)
        sim.tell(signal.SIGINT)
        self.assertEqual(sim.status(), 0)
        self.assertNotIn(SECRET, sim.err.all() + sim.out.all())

    def test_has_tickets_for_hufu_to_keep(self):
        url = self.start("sim", "--listen", "127.0.0.1:0", "--any-app").out.find(r"http://\S+")[0]
        tokens = Client(self, url)
        ticket = tokens.ask("get", "--kind", "jsapi_ticket")
        known = fetch(f"{url}/sim/alive?token={ticket}")
        self.assertEqual((known["family"], known["app"], known["alive"]),
                         ("jsapi_ticket", APP, True))
        self.assertNotEqual(tokens.ask("get", "--kind", "wx_card_ticket"), ticket)
        self.assertEqual(tokens.ask("get", "--kind", "jsapi_ticket"), ticket)

        fetch(f"{url}/sim/revoke", {"token": ticket})
        report = tokens.ask("report", "--kind", "jsapi_ticket", "--json", stdin=ticket)
        self.assertEqual(json.loads(report)["outcome"], "renewed")
        successor = tokens.ask("get", "--kind", "jsapi_ticket")
        self.assertTrue(fetch(f"{url}/sim/alive?token={successor}")["alive"])

    def test_refuses_a_ticket_to_a_dead_token_which_hufu_renews_first(self):
        url = self.start("sim", "--listen", "127.0.0.1:0", "--any-app").out.find(r"http://\S+")[0]
        tokens = Client(self, url)
        token = tokens.ask("get")
        fetch(f"{url}/sim/revoke", {"token": token})
        ticket = tokens.ask("get", "--kind", "jsapi_ticket")
        self.assertTrue(fetch(f"{url}/sim/alive?token={ticket}")["alive"])
        self.assertNotEqual(tokens.ask("get"), token)
        asked = fetch(f"{url}/sim/calls?endpoint=ticket/getticket")["calls"]
        self.assertEqual([call["errcode"] for call in asked], [40001, 0])

    def test_refuses_what_makes_no_sense(self):
        for wrong in (["wxother"], ["--speed", "0"], ["--strict", "--lenient"],
                      ["--lifetime", "0s"], ["--overlap", "soon"],
                      ["wxother", "--secret-stdin", "--secret-env", "S"]):
            sim = self.start("sim", "--listen", "127.0.0.1:0", *wrong)
            self.assertEqual(sim.status(), 2, wrong)

    def test_has_a_second_address_that_answers_while_the_first_refuses(self):
        sim = self.start("sim", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0")
        url = sim.out.find(r"http://\S+")[0]
        control = sim.err.find(r"(http://\S+)/sim/")[1]
        fetch(f"{control}/sim/faults", {"kind": "refuse"})

        def refused():
            try:
                self.token_of(url)
            except OSError:
                return True
            return False

        eventually(refused)
        self.assertIn("calls", fetch(f"{control}/sim/calls"))


class Dev(DaemonTest):
    def start_dev(self, *arguments, **options):
        dev = self.start("dev", *arguments, **options)
        dev.out.find("NOT FOR PRODUCTION")
        dev.platform = dev.out.find(r"Platform +(http://\S+)")[1]
        dev.url = dev.out.find(r"export HUFU_SERVER=(http://\S+)")[1]
        dev.key = dev.out.find(r"export HUFU_KEY=(hf_\S+)")[1]
        return dev

    def test_needs_nothing_and_shows_a_token_being_kept(self):
        dev = self.start_dev("--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0",
                             "--speed", "3600")
        dev.err.find("renewed: app=wxdemo0000000000 kind=access_token revision=1 ")
        dev.err.find("renewed: .* revision=2 .* cause=schedule")
        dev.err.find(r"demo: token fp [0-9a-f]{8} revision \d+, \d+ s promised, platform says alive")

        apps = [app["id"] for app in fetch(f"{dev.url}/v1/apps", key=dev.key)["apps"]]
        self.assertEqual(apps, ["demo-agent", "wxdemo0000000000"])
        for app in apps:
            token = fetch(f"{dev.url}/v1/apps/{app}/token", key=dev.key)
            self.assertTrue(fetch(f"{dev.platform}/sim/alive?token={token['token']}")["alive"], app)
        dev.tell(signal.SIGINT)
        self.assertEqual(dev.status(), 0)
        self.assertNotIn(dev.key, dev.err.all())

    def test_reports_a_token_that_the_platform_took_back(self):
        dev = self.start_dev("--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0")
        dev.err.find("revision 1, .* platform says alive")
        fetch(f"{dev.platform}/sim/revoke", {"app": "wxdemo0000000000"})
        dev.err.find("demo: .* platform refuses it: 40001")
        dev.err.find("demo: reported it: renewed; now fp [0-9a-f]{8} revision 2")

    def test_keeps_tickets_too(self):
        dev = self.start_dev("--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0", "--quiet")
        token = fetch(f"{dev.url}/v1/apps/wxdemo0000000000/token?kind=jsapi_ticket", key=dev.key)
        known = fetch(f"{dev.platform}/sim/alive?token={token['token']}")
        self.assertEqual((known["alive"], known["family"]), (True, "jsapi_ticket"))

    def test_is_quiet_on_request(self):
        dev = self.start_dev("--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0", "--quiet")
        dev.err.find("renewed: .* revision=1 ")
        dev.tell(signal.SIGTERM)
        self.assertEqual(dev.status(), 0)
        self.assertNotIn("demo:", dev.err.all())

    def test_takes_another_port_where_the_usual_one_is_taken(self):
        with contextlib.ExitStack() as taken:
            # Somebody else may have taken it already, and that is just as good.
            with contextlib.suppress(OSError):
                taken.enter_context(socket.create_server(("127.0.0.1", 7200)))
            dev = self.start_dev("--sim-listen", "127.0.0.1:0")
            self.assertNotEqual(dev.url, "http://127.0.0.1:7200")
            dev.err.find("127.0.0.1:7200 is taken, so another port is used")
            self.assertIn("apps", fetch(f"{dev.url}/v1/apps", key=dev.key))

    def test_takes_no_other_port_than_it_was_told(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            dev = self.start("dev", "--listen", f"127.0.0.1:{port}", "--sim-listen", "127.0.0.1:0")
            self.assertEqual(dev.status(), 3)
            dev = self.start("dev", "--sim-listen", "127.0.0.1:0",
                             env={"HUFU_LISTEN": f"127.0.0.1:{port}"})
            self.assertEqual(dev.status(), 3)

    def test_listens_where_the_environment_says_so(self):
        # On a loopback address of its own: the usual one may be taken by others.
        dev = self.start_dev("--sim-listen", "127.0.0.1:0", env={"HUFU_LISTEN": "127.1.2.3:0"})
        self.assertRegex(dev.url, r"^http://127\.1\.2\.3:\d+$")

    def test_takes_nothing_else_from_the_environment(self):
        dev = self.start_dev("--listen", "127.0.0.1:0", "--sim-listen", "127.0.0.1:0",
                             env={"HUFU_STORE": "sqlite:/dev/null/no.db", "WECHAT_APPID": APP,
                                  "WECHAT_APPSECRET": SECRET})
        apps = [app["id"] for app in fetch(f"{dev.url}/v1/apps", key=dev.key)["apps"]]
        self.assertEqual(apps, ["demo-agent", "wxdemo0000000000"])

    def test_has_a_store_of_its_own(self):
        dev = self.start("dev", "--store", "memory:")
        self.assertEqual(dev.status(), 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--hufu", required=True)
    given, rest = parser.parse_known_args()
    Program.hufu = os.path.abspath(given.hufu)
    unittest.main(argv=[sys.argv[0], *rest])
