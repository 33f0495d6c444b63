"""A gate on loopback that one end goes through to reach the other, and that can be shut in many ways.

    with Gate(("127.0.0.1", 5432)) as gate:   # or a path: a unix socket
        ... connect to 127.0.0.1:gate.port ...
        gate.cut()        # nothing goes through any more, and nobody is told
        gate.open()       # all is well; what was held comes out

What a gate does, it does to every connection through it, those that are made later included.
"""

import asyncio
import socket
import struct
import threading

#: How much is read at once.
CHUNK = 65536


class Gate:
    """One way to one server. Every verb may be called from any thread while it works, and takes effect at once."""

    def __init__(self, target):
        self.target = target
        self.port = None
        self.asked = self.answered = 0  # Bytes that came through, to the server and back.
        self._mode = "open"
        self._delay = 0.0
        self._pipes = set()
        self._changed = None
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    # ---- what it can do

    def open(self):
        """Everything goes through at once; what was held goes first."""
        self._switch("open")

    def delay(self, seconds):
        """Everything takes this much longer, each way."""
        self._switch("open", seconds)

    def cut(self):
        """A black hole: what is sent is never heard of, and connections are taken that nobody serves."""
        self._switch("cut")

    def mute(self):
        """Questions go through, answers are held."""
        self._switch("mute")

    def halve(self):
        """The next answer on each connection ends in the middle, and the connection with it."""
        self._switch("halve")

    def reset(self):
        """Every connection is reset, now. New ones are served as before."""
        self._call(self._reset_all)

    def resetting(self):
        """Every connection is reset at its first question."""
        self._switch("resetting")

    def refuse(self):
        """Connections are reset, and new ones refused."""
        self._call(self._refuse)

    def accept(self):
        """The end of `refuse`: at the same port."""
        self._call(self._accept)
        self.open()

    @property
    def connections(self):
        return len(self._pipes)

    # ---- its life

    def __enter__(self):
        self._thread.start()
        self._call(self._accept)
        return self

    def __exit__(self, *_):
        self._call(self._refuse)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._changed = asyncio.Event()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    def _call(self, work):
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def _switch(self, mode, delay=0.0):
        async def work():
            self._mode, self._delay = mode, delay
            self._changed.set()
            self._changed = asyncio.Event()

        self._call(work)

    async def _accept(self):
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port or 0, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset_all()

    async def _reset_all(self):
        for pipe in list(self._pipes):
            reset(pipe)
        self._pipes.clear()

    # ---- one connection

    async def _serve(self, reader, writer):
        self._pipes.add(writer)
        there = None
        try:
            while self._mode == "cut":
                await self._changed.wait()
            if isinstance(self.target, str):
                back, there = await asyncio.open_unix_connection(self.target)
            else:
                back, there = await asyncio.open_connection(*self.target)
            ways = [asyncio.ensure_future(self._carry(reader, there, False, writer)),
                    asyncio.ensure_future(self._carry(back, writer, True, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # The server is down, or the gate at its end: so is this connection.
        finally:
            self._pipes.discard(writer)
            for end in (writer, there):
                if end is not None:
                    end.close()

    async def _carry(self, source, target, is_answer, client):
        try:
            while data := await source.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                while self._mode == "cut" or (self._mode == "mute" and is_answer):
                    await self._changed.wait()
                if self._mode == "resetting" and not is_answer:
                    return reset(client)
                if self._mode == "halve" and is_answer:
                    target.write(data[:len(data) // 2])
                    return await target.drain()
                if is_answer:
                    self.answered += len(data)
                else:
                    self.asked += len(data)
                target.write(data)
                await target.drain()
        except OSError:
            pass  # One of the ends is gone.


def reset(writer):
    """Closes a connection so that its other end is told of a reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()
