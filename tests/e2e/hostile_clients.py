"""The worst of the network talks to a server, while a good client goes on as if nothing were."""

import os
import random
import resource
import socket
import threading
import time

import harness

#: The longest that one answer may take to the good client: generous, for a machine that does other things as well.
SLOWEST = 3.0
MEGABYTE = 1 << 20


class GoodClient:
    """Asks all the while, and writes down how long it took and what went wrong."""

    def __init__(self, node, token):
        self.node, self.token = node, token
        self.took, self.wrong = [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(harness.PATIENCE)

    def _live(self):
        client = self.node.client()
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                answer = self.node.ask(client=client)
                if answer.get("access_token") != self.token:
                    self.wrong.append(repr(answer))
            except Exception as failure:  # pylint: disable=broad-except
                self.wrong.append(repr(failure))
            self.took.append(time.monotonic() - started)
            self._stop.wait(0.01)


class HostileClients(harness.Case):
    def setUp(self):
        super().setUp()
        self.hufu = self.instance(timing={})
        self.node = self.hufu.serve().wait_until_ready()
        self.token = self.node.ask()["access_token"]
        self.before = self.node.resident_bytes()

    def under(self, attack, growth=64 * MEGABYTE):
        with GoodClient(self.node, self.token) as good:
            harness.wait_until(lambda: len(good.took) > 20, what="the good client")
            result = attack()
            seen = len(good.took)
            harness.wait_until(lambda: len(good.took) > seen + 20, what="the good client")
        self.assertTrue(self.node.running, self.node.stderr()[-2000:])
        self.assertEqual(good.wrong, [])
        self.assertLess(max(good.took), SLOWEST)
        grown = self.node.resident_bytes() - self.before
        if "asan" not in harness.options.hufu and "tsan" not in harness.options.hufu:
            self.assertLess(grown, growth, f"grew by {grown / MEGABYTE:.1f} MiB")
        self.assertEqual(self.node.terminate(), 0, self.node.stderr()[-2000:])
        return result

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.node.port), harness.PATIENCE)

    def test_slow_headers(self):
        """Slowloris: many connections, each a header that never ends."""
        def attack():
            slow = [self.connect() for _ in range(400)]
            for connection in slow:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
            end = time.monotonic() + 4
            while time.monotonic() < end:
                for connection in slow:
                    try:
                        connection.sendall(b"X: y\r\n")
                    except OSError:
                        pass
                threading.Event().wait(0.2)
            for connection in slow:
                connection.close()

        self.under(attack)

    def test_slow_bodies(self):
        def attack():
            slow = [self.connect() for _ in range(200)]
            for connection in slow:
                connection.sendall(b"POST /cgi-bin/stable_token HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
            end = time.monotonic() + 3
            while time.monotonic() < end:
                for connection in slow:
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        pass
                threading.Event().wait(0.2)
            for connection in slow:
                connection.close()

        self.under(attack)

    def test_a_client_that_does_not_read_its_answers(self):
        def attack():
            deaf = [self.connect() for _ in range(50)]
            request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 50
            for connection in deaf:
                connection.setblocking(False)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                for connection in deaf:
                    try:
                        connection.send(request)
                    except OSError:
                        pass
                threading.Event().wait(0.05)
            for connection in deaf:
                connection.close()

        self.under(attack)

    def test_garbage_on_ten_thousand_connections(self):
        count = 1500 if harness.options.quick else 10000
        chance = random.Random(7)

        def attack():
            def some(number):
                accepted = 0
                for _ in range(number):
                    try:
                        with self.connect() as connection:
                            accepted += 1
                            connection.sendall(chance.randbytes(chance.randrange(1, 3000)))
                    except OSError:
                        pass
                return accepted

            return sum(harness.together([lambda: some(count // 20)] * 20))

        self.assertGreater(self.under(attack), count * 0.9)

    def test_connections_that_come_and_go_without_a_word(self):
        count = 1000 if harness.options.quick else 5000

        def attack():
            def some():
                for _ in range(count // 10):
                    self.connect().close()

            harness.together([some] * 10)

        self.under(attack)

    def test_whatever_is_too_big(self):
        def attack():
            statuses = []
            for head in (b"GET /" + b"a" * MEGABYTE + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                         b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * MEGABYTE + b"\r\n\r\n",
                         b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100000 + b"\r\n",
                         b"POST /cgi-bin/stable_token HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n{",
                         b"POST /cgi-bin/stable_token HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n"
                         + b"a" * 8 * MEGABYTE,
                         b"POST /cgi-bin/stable_token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                         + b"fffff\r\n" + b"a" * 8 * MEGABYTE):
                answer = harness.raw(self.node.port, head, 5, half_close=True)
                statuses.append(int(answer.split()[1]) if answer else 0)
            return statuses

        for status in self.under(attack):
            self.assertIn(status, (0, 400, 413, 414, 431), "a refusal")

    def test_a_pipeline_is_answered_in_order(self):
        path = self.node.token_path()

        def attack():
            requests = b"".join(
                f"GET {path if number % 2 else '/healthz'} HTTP/1.1\r\nHost: a\r\n"
                f"{'Connection: close' if number == 199 else 'X: y'}\r\n\r\n".encode() for number in range(200))
            return harness.raw(self.node.port, requests)

        answers = self.under(attack).split(b"HTTP/1.1 200")[1:]
        self.assertEqual(len(answers), 200)
        for number, answer in enumerate(answers):
            self.assertEqual(b"access_token" in answer, number % 2 == 1, number)

    def test_halves_of_connections(self):
        def attack():
            request = f"GET {self.node.token_path()} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            answers = [harness.raw(self.node.port, request, half_close=True) for _ in range(100)]
            for _ in range(100):
                harness.raw(self.node.port, request[: len(request) // 2], half_close=True)
            return answers

        for answer in self.under(attack):
            self.assertIn(b"access_token", answer, "who has sent everything may close that side")

    def test_pairs_that_two_servers_read_differently(self):
        """Request smuggling: what is ambiguous is refused, and what follows on the connection is not answered."""
        hidden = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
        post = b"POST /cgi-bin/stable_token HTTP/1.1\r\nHost: a\r\n"
        length = str(len(hidden)).encode()
        pairs = [
            post + b"Content-Length: " + length + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
            post + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
            post + b"Content-Length: 0\r\nContent-Length: " + length + b"\r\n\r\n" + hidden,
            post + b"Content-Length: 0, " + length + b"\r\n\r\n" + hidden,
            post + b"Content-Length: +0\r\n\r\n" + hidden,
            post + b"Content-Length: -1\r\n\r\n" + hidden,
            post + b"Content-Length: 0x0\r\n\r\n" + hidden,
            post + b"Content-Length : 0\r\n\r\n" + hidden,
            post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
            post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
            post + b"Transfer-Encoding: identity, chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + hidden,
            post + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden,
            post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n\r\n" + hidden,
            post + b"X: y\r\n Content-Length: 0\r\n\r\n" + hidden,
            b"GET /healthz HTTP/1.1\nHost: a\n\n" + hidden,
            b"GET /healthz HTTP/1.1\r\nHost: a\rX: y\r\n\r\n" + hidden,
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + hidden,
            b"GET /healthz\r\n\r\n" + hidden,
            b"GET  /healthz  HTTP/1.1\r\nHost: a\r\n\r\n" + hidden,
            b"GET /healthz HTTP/1.1\r\n\r\n" + hidden,
            b"GET /health\0z HTTP/1.1\r\nHost: a\r\n\r\n" + hidden,
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n" + hidden,
        ]

        def attack():
            return harness.together([lambda pair=pair: harness.raw(self.node.port, pair, 5) for pair in pairs])

        for pair, answer in zip(pairs, self.under(attack)):
            with self.subTest(pair[:120]):
                self.assertNotIn(b"hufu_", answer, "the hidden request was answered")
                self.assertIn(answer.split(b" ")[1] if answer else b"400", (b"400", b"501", b"505", b"413"), answer[:80])

    def test_paths_and_parameters_from_hell(self):
        paths = ["/../../etc/passwd", "/cgi-bin/token?" + "a=b&" * 2000, "/cgi-bin/token?appid=%00", "/%2e%2e/", "/%",
                 "/cgi-bin/token?appid=%FF%FE&secret=%", "/v1/apps/%2F/token", "/v1/apps/../status", "/v1/apps//token",
                 "/v1/apps/" + "%41" * 1000 + "/token", "*", "/?", "/#", "/v1/apps/a/token?min_ttl=-1&wait=1e9",
                 "/v1/apps/a/token?wait=99999999999999999999"]

        def attack():
            return [harness.raw(self.node.port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                    for path in paths for _ in range(5)]

        for answer in self.under(attack):
            self.assertRegex(answer[:13], rb"^HTTP/1\.1 (200|4\d\d) ")
            self.assertNotIn(b"root:", answer)
            self.assertNotIn(self.token.encode(), answer)

    def test_more_connections_than_files_may_be_open(self):
        """Out of file descriptors: no crash, no spinning, and well again when they are free."""
        limit = 256
        hufu = self.hufu
        node = hufu.serve()
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (limit, limit))
        many = []
        try:
            for _ in range(limit + 100):
                connection = socket.create_connection(("127.0.0.1", node.port), harness.PATIENCE)
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                many.append(connection)
            spent = cpu_seconds(node)
            threading.Event().wait(1.0)
            self.assertLess(cpu_seconds(node) - spent, 0.5, "it spins")
            self.assertTrue(node.running)
        finally:
            for connection in many:
                connection.close()
        harness.wait_until(lambda: node.ask().get("access_token") == self.token, what="the server to be well again")


def cpu_seconds(process):
    fields = harness.pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    harness.main(at_once=1)
