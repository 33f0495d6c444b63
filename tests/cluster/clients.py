"""Business servers by the hundred: each keeps one connection, asks again and again, and writes down what it is told."""

import asyncio
import contextlib
import json
import random
import threading
import time

import harness
import history

#: No answer takes longer than this; what does is a failure of its own kind.
PATIENCE = 20.0


class Clients:
    """Clients of a cluster, on a thread of their own. `nodes` are objects with a `name` and a `port` (None: down).

    A client at a node asks only that node; one that goes from node to node is what stands behind a load balancer.
    """

    def __init__(self, into, key, pace=1.0):
        self.into, self.key, self.pace = into, key, pace
        self.answers = into.answers
        self.waiting = set()  # Names of those whose answers take as long as a revision lasts.
        self._members = []
        self._loop = asyncio.new_event_loop()
        self._thread = None
        self._chance = random.Random(1)

    def add(self, count, node, apps, waits=False):
        """`count` clients at `node`, spread over `apps`. `waits`: they let the node tell them of the next revision."""
        for number in range(count):
            name = f"{node.name}/{len(self._members)}"
            if waits:
                self.waiting.add(name)
            self._members.append(self._at_one_node(name, node, apps[number % len(apps)], waits))
        return self

    def add_balanced(self, count, balancer, apps):
        """`count` clients behind a balancer, each of which asks whatever node it is given."""
        for number in range(count):
            self._members.append(self._balanced(f"lb/{number}", balancer, apps[number % len(apps)]))
        return self

    def start(self):
        def live():
            asyncio.set_event_loop(self._loop)
            tasks = [self._loop.create_task(member) for member in self._members]
            self._tasks = asyncio.gather(*tasks, return_exceptions=True)
            try:
                self._loop.run_until_complete(self._tasks)
            except asyncio.CancelledError:
                pass
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

        self._thread = threading.Thread(target=live, daemon=True)
        self._thread.start()
        return self

    def stop(self):
        if self._thread is None:
            return
        deadline = time.monotonic() + harness.PATIENCE
        while self._thread.is_alive() and time.monotonic() < deadline:
            # More than once: a wait that ends at the very moment at which it is cancelled does not tell.
            with contextlib.suppress(RuntimeError):  # The loop is closed meanwhile.
                self._loop.call_soon_threadsafe(lambda: self._tasks.cancel())
            self._thread.join(0.2)
        self._thread = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # ---- two ways to live

    async def _at_one_node(self, name, node, app, waits):
        line = Line()
        seen = ""
        await asyncio.sleep(self._chance.uniform(0, self.pace))
        try:
            while True:
                if node.port is None:
                    await asyncio.sleep(0.05)
                    continue
                # A waiting client asks for what it has seen, and so is answered when there is something new.
                told = await self._ask(line, name, node.name, node.port, app, seen if waits else None)
                if told.revision:
                    seen = f"{told.revision}-{told.fingerprint}"
                if not waits or told.status not in (200, 304):
                    await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self.pace)
        finally:
            line.close()

    async def _balanced(self, name, balancer, app):
        lines = {}
        await asyncio.sleep(self._chance.uniform(0, self.pace))
        try:
            while True:
                tried = []
                while True:
                    node = balancer.choose(tried)
                    if node is None:
                        self.answers.append(history.Answer(name, "", app, time.monotonic(), time.monotonic(), 0,
                                                           problem="no node left"))
                        break
                    line = lines.setdefault(node.name, Line())
                    told = await self._ask(line, name, node.name, node.port, app, None)
                    if told.problem != "refused":
                        break
                    tried.append(node)
                await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self.pace)
        finally:
            for line in lines.values():
                line.close()

    async def _ask(self, line, client, node, port, app, seen):
        head = f"GET /v1/apps/{app}/token{'?wait=5' if seen else ''} HTTP/1.1\r\nHost: hufu\r\n"
        head += f"Authorization: Bearer {self.key}\r\n"
        if seen:
            head += f'If-None-Match: "{seen}"\r\n'
        asked = time.monotonic()
        try:
            status, body = await asyncio.wait_for(line.exchange(port, (head + "\r\n").encode()), PATIENCE)
            answered = time.monotonic()
        except ConnectionRefusedError:
            return self._note(history.Answer(client, node, app, asked, time.monotonic(), 0, problem="refused"))
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as failure:
            line.close()
            kind = "timeout" if isinstance(failure, asyncio.TimeoutError) else "cut"
            return self._note(history.Answer(client, node, app, asked, time.monotonic(), 0, problem=kind))
        if status != 200:
            problem = json.loads(body).get("code", "") if body else ""
            return self._note(history.Answer(client, node, app, asked, answered, status, problem=problem))
        told = json.loads(body)
        return self._note(history.Answer(client, node, app, asked, answered, 200, told["revision"], told["token"],
                                         told["fingerprint"], told["expires_in"], told["expires_at"],
                                         told.get("suspect", False)))

    def _note(self, answer):
        if answer.problem != "refused":  # A node that is down was asked nothing.
            self.answers.append(answer)
        return answer


class Line:
    """One keep-alive connection, made when it is needed."""

    def __init__(self):
        self.reader = self.writer = self.port = None

    async def exchange(self, port, request):
        """Sends a request and reads the reply: (status, body)."""
        if self.writer is not None and (self.port != port or self.reader.at_eof() or self.writer.is_closing()):
            self.close()
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
            self.port = port
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length, closes = 0, False
        for field in head.split("\r\n")[1:]:
            if field.startswith("content-length:"):
                length = int(field[15:])
            elif field.startswith("connection:") and "close" in field:
                closes = True
        body = await self.reader.readexactly(length) if length else b""
        if closes:
            self.close()
        return int(head.split(" ", 2)[1]), body

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Balancer:
    """Deals nodes out in turn, as long as they say of themselves that they are ready."""

    def __init__(self, nodes, every=0.1):
        self.nodes, self.every = nodes, every
        self._turn = 0
        self._ready = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        harness.wait_until(lambda: len(self._ready) == len(self.nodes), what="the nodes to be ready")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(harness.PATIENCE)

    def choose(self, besides=()):
        """The next node that is ready and not among `besides`; None if there is none."""
        for _ in self.nodes:
            self._turn += 1
            node = self.nodes[self._turn % len(self.nodes)]
            if node.port is not None and node.name in self._ready and node not in besides:
                return node
        return None

    def is_ready(self, node):
        return node.name in self._ready

    def _look(self):
        while not self._stop.wait(self.every):
            for node in self.nodes:
                (self._ready.add if self._says_ready(node) else self._ready.discard)(node.name)

    @staticmethod
    def _says_ready(node):
        if node.port is None:
            return False
        client = harness.Client(node.port, 2)
        try:
            return client.request("GET", "/readyz").status == 200
        except (OSError, harness.http.client.HTTPException):
            return False
        finally:
            client.close()
