"""What the suites of this folder share: a platform, a store, some nodes, a history; and the choice of the store.

    python3 tests/cluster/SUITE.py --hufu build/dev/hufu --store postgresql [--quick] [NAME…]
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import harness  # pylint: disable=wrong-import-position
import history  # pylint: disable=wrong-import-position
import servers  # pylint: disable=wrong-import-position
from clients import Clients  # pylint: disable=wrong-import-position
from gate import Gate  # pylint: disable=wrong-import-position
from history import Claims  # pylint: disable=wrong-import-position
from platform_memory import Simulator  # pylint: disable=wrong-import-position

#: A life of ten seconds, of which a displaced token keeps six; renewed about every six.
TERMS = history.Terms("rotating", lifetime=10, overlap=6, refresh_ahead=4, use_slack=1)
LEASE, REQUEST_TIMEOUT = 3.0, 1.0


class OtherMachine(harness.Node):
    """A node as on another machine: nobody can tell from here whether it still lives."""

    # The first process of a namespace cannot kill itself, so that is a shell.
    prefix = ("unshare", "--pid", "--fork", "--kill-child", "sh", "-c", '"$@"; exit', "sh")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        harness.wait_until(lambda: not self.running or len(servers.family(self.popen.pid)) > 2,
                           what="a process namespace of its own")
        self.pid = servers.family(self.popen.pid)[-1]  # Of what ended at once: unshare's, which has ended, too.

    @classmethod
    def why_not(cls):
        done = subprocess.run([*cls.prefix, "true"], capture_output=True, check=False)
        return None if done.returncode == 0 else "no right to make a process namespace"

    def signal(self, number):
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Member:
    """A node by its name, whatever process it is at the moment: it may be killed and started again."""

    def __init__(self, cluster, number):
        self.cluster, self.name, self.process = cluster, f"n{number}", None
        self.gate = None  # On its way to the store, if it has one of its own.

    @property
    def port(self):
        """Where it answers; None while it is down."""
        process = self.process
        return process.port if process is not None and process.running else None

    def start(self, env=None, wait=True, kind=None):
        settings = dict(env or {})
        if self.gate is not None:
            settings["HUFU_STORE"] = self.cluster.server.uri(self.gate.port)
        self.process = self.cluster.instance.serve(env=settings, wait=wait, kind=kind)
        return self

    def ready(self):
        self.process.wait_until_ready()
        return self

    def kill(self):
        """kill -9. Returns when."""
        self.process.kill()
        return time.monotonic()

    def token(self, app=harness.APP, patience=harness.PATIENCE):
        """(status, JSON) of one question for a token."""
        client = harness.Client(self.port, patience)
        try:
            reply = client.request("GET", f"/v1/apps/{app}/token", headers=self.cluster.auth)
            return reply.status, json.loads(reply.body)
        finally:
            client.close()

    def revision(self, app=harness.APP):
        """The revision that it answers; 0 if it answers none."""
        try:
            status, told = self.token(app)
        except (OSError, harness.http.client.HTTPException):
            return 0
        return told["revision"] if status == 200 else 0

    def refresh(self, app=harness.APP, patience=harness.PATIENCE):
        """An operator's choice. Noted as an occasion, unless it was too soon."""
        asked = time.monotonic()
        client = harness.Client(self.port, patience)
        try:
            reply = client.request("POST", f"/v1/apps/{app}/token/refresh", headers=self.cluster.auth)
        except ConnectionRefusedError:
            return None
        except (OSError, harness.http.client.HTTPException):
            self.cluster.history.occasions.append(history.Occasion(app, asked, "refresh"))
            return None
        finally:
            client.close()
        if reply.status != 409:
            self.cluster.history.occasions.append(history.Occasion(app, asked, "refresh"))
        return reply

    def readiness(self):
        """(status, JSON) of /readyz."""
        reply = self.process.get("/readyz")
        return reply.status, json.loads(reply.body)


class Cluster:
    """A platform, a store and `count` nodes, of which none runs yet. Use it in a `with` block."""

    def __init__(self, count, apps=None, terms=TERMS, endpoint="classic", server=None, small_disk=False, gates=False,
                 timing=None):
        self.terms, self.apps = terms, apps or [harness.APP]
        self.history = history.History(terms)
        self._stack = contextlib.ExitStack()
        self._given, self._small_disk, self._gates = server, small_disk, gates
        self._count, self._endpoint = count, endpoint
        self._timing = {"use_slack": f"{terms.use_slack}s", "refresh_ahead": f"{terms.refresh_ahead}s",
                        "overlap": f"{terms.overlap}s", "lease": f"{LEASE}s", "request_timeout": f"{REQUEST_TIMEOUT}s",
                        **(timing or {})}
        self.members, self.key, self.totals = [], None, {}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.platform = stack.enter_context(Simulator(self.terms.lifetime, self.terms.overlap))
            self.server = self._given or stack.enter_context(servers.STORES[options.store](self._small_disk))
            self.instance = stack.enter_context(
                harness.Instance(self.platform, apps=self.apps, endpoint=self._endpoint, timing=self._timing,
                                 store=self.server.uri()))
            self.instance.settings["key_file"] = str(self.instance.directory / "hufu.key")
            self.instance.settings["threads"] = 1
            self.instance.write_config()
            self.key = self.instance.key("--can", "read,report,refresh")
            self.members = [Member(self, number) for number in range(self._count)]
            if self._gates:
                for member in self.members:
                    member.gate = stack.enter_context(Gate(self.server.target()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def auth(self):
        return {"Authorization": f"Bearer {self.key}"}

    def start(self, members=None, env=None):
        """Starts all (or these) at once, and waits until each is ready."""
        members = self.members if members is None else members
        for member in members:
            member.start(env, wait=False)
        for member in members:
            member.process.wait_until_listening()
        for member in members:
            member.ready()
        return members

    def clients(self, each=10, members=None, pace=0.2, waiting=2):
        """`each` clients at every node, `waiting` of them with `wait=`; all apps are asked for at every node."""
        clients = Clients(self.history, self.key, pace)
        for member in self.members if members is None else members:
            clients.add(each - waiting, member, self.apps)
            clients.add(waiting, member, self.apps, waits=True)
        return clients

    def remember(self):
        """What the platform knows goes into the history."""
        self.totals = self.platform.testify(self.history)

    def agreed_revision(self, members=None, above=0):
        """The revision that all nodes answer, if it is one and above `above`; else 0."""
        revisions = {member.revision() for member in (self.members if members is None else members)}
        return revisions.pop() if len(revisions) == 1 and min(revisions) > above else 0

    def wait_until_agreed(self, members=None, above=0, seconds=harness.PATIENCE):
        """Until all these nodes answer one revision, above `above`, that the platform accepts. Returns it."""
        return harness.wait_until(lambda: self.agreed_revision(members, above), seconds,
                                  f"the nodes to agree on a revision above {above}")

    def wait_for_all(self, apps):
        """Until every node answers a token for each of these apps."""
        harness.wait_until(lambda: all(member.revision(app) for member in self.members for app in apps),
                           what="all tokens")


class Case(harness.Case):
    """Each case ends in `judge`."""

    def setUp(self):
        pass  # No platform of Python: `cluster` has one.

    def cluster(self, *arguments, **keywords):
        return self.enterContext(Cluster(*arguments, **keywords))

    def judge(self, cluster, claims=Claims(), say=""):
        """Fails if the history contradicts the claims; prints its figures."""
        cluster.history.until = time.monotonic()
        cluster.remember()
        name = self.id().rpartition(".")[2].removeprefix("test_")
        if directory := os.environ.get("HUFU_CLUSTER_KEEP"):
            cluster.history.save(pathlib.Path(directory) / f"{options.store}-{name}.history")
        told = history.figures(cluster.history, claims)
        print(f"        {options.store} {name}: {json.dumps(told)} {say}".rstrip(), flush=True)
        contradictions = history.check(cluster.history, claims)
        if contradictions:
            words = [f"{len(contradictions)} contradictions", *contradictions[:10], *summary(contradictions)]
            self.fail("\n  ".join(words))
        self.assertGreater(told["statuses"].get("200", 0), 0, "nobody was answered anything")
        if "overlap" not in claims.without:
            self.assertEqual(cluster.totals["overlapping_pairs"], 0)

    def need_server(self):
        if options.store == "sqlite":
            self.skipTest("SQLite has no server")
        if not servers.STORES[options.store].may_be_stopped():
            self.skipTest("the server is not ours to hurt")


def summary(contradictions):
    """How many of each rule."""
    rules = [line.partition(":")[0] for line in contradictions]
    return [f"({rules.count(rule)} of {rule})" for rule in sorted(set(rules))]


options = harness.options


def main(at_once=1):
    """As harness.main, with a choice of store; says "not run" where the store cannot be had."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--store", default="sqlite", choices=servers.STORES)
    parser.add_argument("--hufu", default=options.hufu)
    chosen, _ = parser.parse_known_args()
    if why := servers.why_not(chosen.store) or _why_not_built(chosen.hufu, chosen.store):
        print(f"not run: {chosen.store}: {why}")
        sys.exit(0)
    options.store = chosen.store
    arguments = sys.argv[1:]
    if "--store" in arguments:
        at = arguments.index("--store")
        del arguments[at:at + 2]
    sys.argv[1:] = [argument for argument in arguments if not argument.startswith("--store=")]
    harness.main(at_once)


def _why_not_built(hufu, store):
    told = subprocess.run([hufu, "version"], capture_output=True, text=True, timeout=30, check=False)
    return None if store in told.stdout else "this hufu was built without it"
