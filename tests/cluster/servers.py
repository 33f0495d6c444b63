"""Real database servers for one test each: started on loopback, hurt in every way, ended by process id.

`STORES[name]` makes a server; `why_not(name)` says why it cannot be had on this machine, or nothing. A server lives in a
directory of its own in memory, so that a test's disk is not what is measured.

MongoDB is `mongod` on the path; else the program that HUFU_TEST_FERRETDB names (a server of its wire protocol over a
real database; by default build/servers/ferretdb, which script/test builds); else the one that runs at
HUFU_TEST_MONGODB_URI, which can be cut off but neither killed nor frozen.
"""

import contextlib
import glob
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse

import harness

#: Of the small disks that fill up.
SMALL_DISK = "96m"


def why_not(name):
    """Why no server for this store can be started here; None if one can."""
    return STORES[name].why_not()


class Server:
    """What all have in common. `uri(port)` is how a node reaches it, through a gate at `port` if one is named."""

    name = ""
    #: Whether there is a process that can be killed, frozen and gone around.
    is_a_process = True

    def __init__(self, small_disk=False):
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"hufu-{self.name}-", dir=place))
        self.directory.chmod(0o755)
        self.port = harness.free_port()
        self.process = None
        self._mounted = False
        if small_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=0777", "tmpfs", self.directory],
                           check=True)
            self._mounted = True

    @classmethod
    def why_not(cls):
        return None

    @classmethod
    def may_be_stopped(cls):
        """Whether a server of this kind would be a process of ours."""
        return cls.is_a_process

    def __enter__(self):
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.end()
        self.make_room()
        if self._mounted:
            subprocess.run(["umount", "-l", self.directory], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- its life

    def prepare(self):
        """Once, before the first start."""

    def start(self):
        """Starts it, and waits until it serves."""
        self.launch()
        harness.wait_until(self._serves, 30, f"{self.name} to serve")

    def _serves(self):
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log()}")
        return self.ping()

    def launch(self):
        raise NotImplementedError

    def ping(self):
        raise NotImplementedError

    def log(self):
        path = self.directory / "log"
        return path.read_text(errors="replace")[-1500:] if path.exists() else ""

    def run(self, *command, user=None, env=None):
        """Starts the server's process; what it says goes to a file."""
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user,
                                            group=user and pwd.getpwnam(user).pw_gid, extra_groups=[] if user else None,
                                            cwd=self.directory, env={**os.environ, **(env or {})})

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def pids(self):
        return family(self.process.pid) if self.alive else []

    def signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """kill -9, all its processes."""
        if self.process is not None:
            pids = self.pids()
            self.signal(signal.SIGSTOP)  # None may be born meanwhile.
            for pid in sorted({*pids, *self.pids()}):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(harness.PATIENCE)
            harness.wait_until(lambda: not any(is_running(pid) for pid in pids), what="its processes to be gone")

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def end(self):
        if self.alive:
            self.kill()

    # ---- its disk

    def fill_disk(self):
        """Not one more byte fits."""
        with open(self.directory / "filler", "wb", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while True:
                    filler.write(b"\0" * 4096)

    def make_room(self):
        with contextlib.suppress(OSError):
            (self.directory / "filler").unlink()

    def use_up_reserves(self):
        """Writes until what the server had set aside is full as well."""

    # ---- ways in

    def uri(self, port=None):
        raise NotImplementedError

    def target(self):
        """Where a gate goes to."""
        return ("127.0.0.1", self.port)

    def take_connections(self):
        """Holds all connections that the server allows; returns what holds them, for `with`."""
        raise NotImplementedError


class Sqlite(Server):
    """No server: a file that nodes on one machine share."""

    name = "sqlite"
    is_a_process = False

    def start(self):
        pass

    def uri(self, port=None):
        return f"sqlite:{self.directory / 'hufu.db'}"


class PostgreSql(Server):
    name = "postgresql"
    _template = None

    @staticmethod
    def program(name):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")) + [shutil.which(name) or ""]
        return next(filter(None, reversed(found)), None) if found[0] == "" else found[-2]

    @staticmethod
    def user():
        return "postgres" if os.geteuid() == 0 else None

    @classmethod
    def why_not(cls):
        if not cls.program("initdb"):
            return "no initdb (Debian: postgresql)"
        if cls.user():
            try:
                pwd.getpwnam(cls.user())
            except KeyError:
                return "root may not run PostgreSQL, and there is no user postgres"
        return None

    @property
    def data(self):
        return self.directory / "data"

    def as_its_user(self, *command):
        user = self.user()
        done = subprocess.run(command, user=user, group=user and pwd.getpwnam(user).pw_gid,
                              extra_groups=[] if user else None, capture_output=True, text=True, timeout=60, check=False,
                              cwd="/")
        if done.returncode:
            raise AssertionError(f"{command[0]}: {done.stderr[-1500:]}")

    def prepare(self):
        if self.user():
            shutil.chown(self.directory, self.user())
        self.as_its_user(self.program("initdb"), "-D", str(self.data), "-U", "hufu", "-A", "trust", "-E", "UTF8",
                         "--locale", "C", "--wal-segsize", "1", "--no-sync")
        self.configure(listen_addresses="127.0.0.1", port=self.port, unix_socket_directories=self.directory,
                       shared_buffers="16MB", max_connections=60, min_wal_size="2MB", max_wal_size="16MB",
                       wal_keep_size="8MB", autovacuum="off", dynamic_shared_memory_type="mmap")

    def start(self):
        super().start()
        # Nodes are no superusers: for those the server keeps connections in reserve.
        self.sql("CREATE ROLE node LOGIN", check=False)
        self.sql("CREATE DATABASE hufu OWNER node", check=False)

    def configure(self, **settings):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            for name, value in settings.items():
                file.write(f"{name} = '{value}'\n")

    def launch(self):
        self.run(self.program("postgres"), "-D", str(self.data), user=self.user())

    def ping(self):
        return subprocess.run([self.program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                              check=False).returncode == 0

    def sql(self, *statements, check=True):
        """Runs statements as psql does; returns what it printed."""
        command = [self.program("psql"), "-XqAt", "-h", "127.0.0.1", "-p", str(self.port), "-U", "hufu", "postgres"]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=check,
                              stdin=subprocess.DEVNULL).stdout.strip()

    def uri(self, port=None):
        return f"postgresql://node@127.0.0.1:{port or self.port}/hufu"

    def use_up_reserves(self):
        for _ in range(40):
            self.sql("SELECT pg_logical_emit_message(true, 'hufu', repeat('x', 500000))", check=False)
            if not self.alive or not self.ping():
                return

    @contextlib.contextmanager
    def take_connections(self):
        with contextlib.ExitStack() as held:
            for _ in range(3):  # What the nodes let go of is taken as well.
                self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                         "WHERE usename = 'node' AND application_name <> 'hog'")
                while self._take_one(held):
                    pass
            yield

    def _take_one(self, held):
        """Logs in once more and stays; False if there is no room."""
        line = held.enter_context(socket.create_connection(("127.0.0.1", self.port), 10))
        words = b"user\0node\0database\0hufu\0application_name\0hog\0\0"
        line.sendall(struct.pack("!II", 8 + len(words), 196608) + words)
        with line.makefile("rb") as told:
            while kind := told.read(1):
                told.read(struct.unpack("!I", told.read(4))[0] - 4)
                if kind in (b"E", b"Z"):  # An error, or ready for a query.
                    return kind == b"Z"
        return False


class Replica(PostgreSql):
    """A hot standby of `primary`, until it is promoted."""

    def __init__(self, primary):
        self.primary = primary
        super().__init__()

    def start(self):
        Server.start(self)

    def prepare(self):
        if self.user():
            shutil.chown(self.directory, self.user())
        self.as_its_user(self.program("pg_basebackup"), "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "-h",
                         "127.0.0.1", "-p", str(self.primary.port), "-U", "hufu")
        self.configure(port=self.port, unix_socket_directories=self.directory)

    def promote(self):
        self.sql("SELECT pg_promote(true, 30)")


class Redis(Server):
    name = "redis"

    @classmethod
    def why_not(cls):
        return None if shutil.which("redis-server") else "no redis-server (Debian: redis-server)"

    def launch(self):
        self.run("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory),
                 "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--enable-debug-command", "no",
                 *self.more_flags())

    def more_flags(self):
        return ()

    def ask(self, *words, port=None):
        """One command; the first line of its answer."""
        with socket.create_connection(("127.0.0.1", port or self.port), 10) as line:
            texts = [str(word).encode() for word in words]
            line.sendall(b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts))
            return line.makefile("rb").readline().decode().strip()

    def info(self, section, field):
        """One field of INFO; empty if it is not there, or the server lets go of its clients just now."""
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port), 10) as line:
            line.sendall(f"INFO {section}\r\nQUIT\r\n".encode())
            for each in line.makefile("r"):
                name, _, value = each.strip().partition(":")
                if name == field or (field == "slaves" and "slaves=" in value):
                    return value.partition("slaves=")[2] if field == "slaves" else value
        return ""

    def ping(self):
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def uri(self, port=None):
        return f"redis://127.0.0.1:{port or self.port}/0"

    def use_up_reserves(self):
        for _ in range(40):
            with contextlib.suppress(OSError):
                self.ask("SET", "filler", "x" * 4096)
            if not self.alive:
                return

    @contextlib.contextmanager
    def take_connections(self):
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.create_connection(("127.0.0.1", self.port), 10))
            first.sendall(b"CONFIG SET maxclients 8\r\nCLIENT KILL TYPE normal SKIPME yes\r\n"
                          b"CLIENT KILL TYPE pubsub SKIPME yes\r\n")
            lines = first.makefile("rb")
            for _ in range(3):
                lines.readline()
            for _ in range(12):
                held.enter_context(socket.create_connection(("127.0.0.1", self.port), 10))
            try:
                yield
            finally:
                first.sendall(b"CONFIG SET maxclients 1000\r\n")
                lines.readline()


class RedisReplica(Redis):
    def __init__(self, primary):
        self.primary = primary
        super().__init__()

    def more_flags(self):
        return "--replicaof", "127.0.0.1", str(self.primary.port)


class Sentinel(Redis):
    """One Sentinel that watches `primary` and is enough to decide."""

    def __init__(self, primary):
        self.primary = primary
        super().__init__()

    def launch(self):
        config = self.directory / "sentinel.conf"
        config.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
                          f"sentinel monitor hufu 127.0.0.1 {self.primary.port} 1\n"
                          "sentinel down-after-milliseconds hufu 1000\nsentinel failover-timeout hufu 5000\n")
        self.run("redis-server", str(config), "--sentinel")


class MongoDb(Server):
    name = "mongodb"

    def __init__(self, small_disk=False):
        self.program, self.given = self.find()
        self.is_a_process = self.program is not None
        self.database = "hufu_" + secrets.token_hex(4)
        super().__init__(small_disk)

    @staticmethod
    def find():
        """(the program to start, the URI of one that runs); both None if there is nothing."""
        built = pathlib.Path(__file__).parents[2] / "build/servers/ferretdb"
        program = shutil.which("mongod") or os.environ.get("HUFU_TEST_FERRETDB")
        return program or (str(built) if built.exists() else None), os.environ.get("HUFU_TEST_MONGODB_URI")

    @classmethod
    def may_be_stopped(cls):
        return cls.find()[0] is not None

    @classmethod
    def why_not(cls):
        program, given = cls.find()
        if program and not os.access(program, os.X_OK):
            return f"{program} cannot be run"
        return None if program or given else "no mongod on the path, no build/servers/ferretdb, no HUFU_TEST_MONGODB_URI"

    def launch(self):
        if self.program is None:
            host = urllib.parse.urlsplit(self.given)
            self.port = host.port or 27017
        elif pathlib.Path(self.program).name == "mongod":
            (self.directory / "data").mkdir(exist_ok=True)
            self.run(self.program, "--port", str(self.port), "--bind_ip", "127.0.0.1", "--dbpath",
                     str(self.directory / "data"))
        else:
            (self.directory / "data").mkdir(exist_ok=True)
            self.run(self.program, f"127.0.0.1:{self.port}", str(self.directory / "data"))

    def say(self, port, *elements):
        """One command to `admin`; its answer as bytes, or none."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as line:
            line.sendall(command(*elements, string(b"$db", "admin")))
            answers = line.makefile("rb")
            length, = struct.unpack("<i", answers.read(4) or bytes(4))
            return answers.read(max(length - 4, 0))
        return b""

    def is_primary(self, port):
        """Whether it is one, and says so."""
        return b"\x08isWritablePrimary\0\1" in self.say(port, number(b"hello", 1))

    def ping(self):
        return self.is_primary(self.port)

    def use_up_reserves(self):
        """Inserts megabytes that cannot be pressed together, until one is refused: less room than a new log file takes."""
        filler = self.directory / "filler"
        os.truncate(filler, max(0, filler.stat().st_size - 15 * 2**20))
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 20) as line:
            answers = line.makefile("rb")
            for identity in range(100):
                line.sendall(insertion(identity, os.urandom(500_000).hex()))
                length, = struct.unpack("<i", answers.read(4) or bytes(4))
                if b"writeErrors" in (told := answers.read(max(length - 4, 0))) or b"errmsg" in told or not told:
                    break
        self.fill_disk()

    def uri(self, port=None):
        return f"mongodb://127.0.0.1:{port or self.port}/{self.database}?directConnection=true"


class MongoReplicaSet(MongoDb):
    """Three members whose roles are played in front of one database (tests/servers/ferretdb), and so without rollbacks."""

    #: Seconds from the end of a primary to the next one.
    ELECTION = 2

    def __init__(self):
        super().__init__()
        self.ports = [harness.free_port() for _ in range(3)]
        self.dead = None

    @classmethod
    def why_not(cls):
        program, _ = cls.find()
        return None if program and pathlib.Path(program).name != "mongod" else "no build/servers/ferretdb to play one"

    def launch(self):
        (self.directory / "data").mkdir(exist_ok=True)
        self.run(self.program, "-election", f"{self.ELECTION}s", ",".join(map(self.address, self.ports)),
                 str(self.directory / "data"))

    @staticmethod
    def address(port):
        return f"127.0.0.1:{port}"

    def ping(self):
        return self.primary() is not None

    def uri(self, port=None):
        return f"mongodb://{','.join(map(self.address, self.ports))}/{self.database}?replicaSet=hufu"

    def primary(self):
        """The port of the member that says so of itself; None for a while after each switch."""
        return next(filter(self.is_primary, self.ports), None)

    def wait_for_primary(self):
        harness.wait_until(lambda: self.primary() is not None, 30, "the members to elect one")

    def step_down(self):
        """The primary gives up, and stays; it may be elected again after a second."""
        self.say(self.primary(), number(b"replSetStepDown", 1))

    def kill_primary(self):
        """Its connections are reset, and new ones refused."""
        self.dead = self.primary()
        self.say(self.dead, number(b"shutdown", 1))

    def revive(self):
        """Who was killed comes back, as a secondary."""
        if self.dead is not None:
            self.say(self.primary(), string(b"gateStart", self.address(self.dead)))
            self.dead = None


# ---- MongoDB's wire protocol, as far as it is needed


def document(*elements):
    body = b"".join(elements) + b"\0"
    return struct.pack("<i", 4 + len(body)) + body


def string(name, value):
    return b"\x02" + name + b"\0" + struct.pack("<i", len(value.encode()) + 1) + value.encode() + b"\0"


def number(name, value):
    return b"\x10" + name + b"\0" + struct.pack("<i", value)


def command(*elements, request=1):
    """A message with one command."""
    body = document(*elements)
    return struct.pack("<iiiiiB", 21 + len(body), request, 0, 2013, 0, 0) + body


def insertion(identity, text):
    """A message that inserts one document."""
    documents = b"\x04documents\0" + document(b"\x030\0" + document(number(b"_id", identity), string(b"text", text)))
    return command(string(b"insert", "filler"), documents, string(b"$db", "filler"), request=identity + 1)


STORES = {"sqlite": Sqlite, "postgresql": PostgreSql, "redis": Redis, "mongodb": MongoDb}


# ---- processes


def family(pid):
    """A process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
    members = [pid]
    for member in members:
        members += children.get(member, [])
    return members


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def may_mount():
    """Whether this process may mount a small disk."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], capture_output=True,
                              check=False)
        if done.returncode == 0:
            subprocess.run(["umount", directory], check=False)
        return done.returncode == 0
