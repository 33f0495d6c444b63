"""Every fault that a cluster is told to survive, one a case, each ending in "and it recovers" and in the judge.

Nodes are killed in the midst of a renewal or stand still in it; the store is killed, frozen, filled up, switched; the
way between them is cut, halved and reset; clocks are wrong. Under each of them the model (history.py) goes on to hold
what can be claimed: no dead token, no promise broken, one call at a time, at most one call more for each answer that was taken.
"""

import contextlib
import os
import random
import signal
import threading
import time

import fixture
from fixture import Claims, harness, history, servers

LIFE = fixture.TERMS.lifetime
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def state_of(process):
    """"T" while stopped."""
    return harness.pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


class Fault(fixture.Case):
    def fresh_revision(self, cluster, members=None):
        """Waits for a token that is new, so that there is time for a fault before it becomes stale. Returns it."""
        now = cluster.wait_until_agreed(members)
        return cluster.wait_until_agreed(members, above=now)

    def recovers(self, cluster, since, members=None, seconds=25):
        """Two renewals that all nodes come to know: the fault is over, and left nothing behind."""
        first = cluster.wait_until_agreed(members, above=since, seconds=seconds)
        return cluster.wait_until_agreed(members, above=first)

    def hit(self, member, others, happened):
        """Has an operator refresh at the member until the failpoint that waits there has `happened`.

        A refresh may be answered by another node's renewal, which the failpoint does not see: so, again and again.
        Returns when it was, the newest revision of the others, and the thread of the operator, who may be left
        without an answer.
        """

        def insist():
            while not enough.is_set():
                if member.port is not None:
                    member.refresh()
                enough.wait(0.1)

        member.cluster.instance.armed.touch()
        enough = threading.Event()
        operator = threading.Thread(target=insist, daemon=True)
        operator.start()
        try:
            harness.wait_until(happened, 2 * harness.PATIENCE, "the failpoint")
            at = time.monotonic()
        finally:
            enough.set()
        revision = max(other.revision() for other in others)
        self.assertGreater(revision, 0)
        return at, revision, operator


class Nodes(Fault):
    """What happens to the node that holds the lease."""

    def doomed(self, failpoint, **more):
        """A cluster of which all is well, whose first node is going to be hit in a renewal (`hit`)."""
        cluster = self.cluster(3, **more)
        doomed, *others = cluster.members
        cluster.start([doomed], env={"HUFU_FAILPOINT": f"{failpoint}:{cluster.instance.armed}"})
        cluster.start(others)
        return cluster, doomed, others

    def took_over(self, cluster, since):
        """In words: how long after `since` the next call was made."""
        cluster.remember()
        call = history.next_call(cluster.history, harness.APP, since)
        return f"takeover_ms={round(1000 * (call.began - since))}" if call else "takeover_ms=none"

    def killed(self, failpoint, extra_calls):
        cluster, doomed, others = self.doomed(f"{failpoint}:kill")
        with cluster.clients():
            cluster.wait_until_agreed(others)
            died, revision, asking = self.hit(doomed, others, lambda: not doomed.process.running)
            self.assertEqual(doomed.process.wait(), -signal.SIGKILL)
            asking.join(harness.PATIENCE)
            after = cluster.wait_until_agreed(others, above=revision, seconds=25)
            doomed.start().ready()
            self.recovers(cluster, after)
        self.judge(cluster, Claims(extra_calls=extra_calls, punctual=False), self.took_over(cluster, died))

    def test_killed_holding_the_lease(self):
        self.killed("renew.after_begin", 0)

    def test_killed_before_the_call(self):
        self.killed("renew.before_call", 0)

    def test_killed_after_the_call(self):
        self.killed("renew.after_call", 1)

    def test_killed_after_the_commit(self):
        self.killed("renew.after_commit", 0)

    def test_killed_before_the_first_token(self):
        """There is no token to fall back on: the others take over as soon as the lease lets them."""
        cluster = self.cluster(3)
        doomed, *others = cluster.members
        doomed.start(env={"HUFU_FAILPOINT": "renew.before_call:kill"}, wait=False)
        self.assertEqual(doomed.process.wait(), -signal.SIGKILL)
        died = time.monotonic()
        cluster.start(others)
        with cluster.clients(members=others):
            self.recovers(cluster, 0, others)
        self.judge(cluster, say=self.took_over(cluster, died))

    def test_killed_on_another_machine(self):
        """Nobody can see that it is gone: its lease is waited for, and not much longer."""
        if fixture.options.store == "sqlite":
            self.skipTest("a file is shared on one machine")
        if why := fixture.OtherMachine.why_not():
            self.skipTest(why)
        cluster = self.cluster(3)
        doomed, *others = cluster.members
        started = time.monotonic()
        doomed.start(env={"HUFU_FAILPOINT": "renew.after_begin:kill"}, wait=False, kind=fixture.OtherMachine)
        doomed.process.wait()
        died = time.monotonic()
        cluster.start(others)
        with cluster.clients(members=others):
            self.recovers(cluster, 0, others)
        self.judge(cluster, say=self.took_over(cluster, died))
        first = history.next_call(cluster.history, harness.APP, died)
        self.assertGreater(first.began, started + fixture.LEASE, "the lease was not respected")
        self.assertLess(first.began, died + fixture.LEASE + fixture.REQUEST_TIMEOUT + 5)

    def test_killed_at_random_moments(self):
        """Any node, at any moment, again and again: nobody has to do anything."""
        chance = random.Random(seed := random.randrange(10**6))
        apps = [f"wx{number:016d}" for number in range(6)]
        cluster = self.cluster(5, apps)
        cluster.platform.slow(0.1)
        cluster.start()
        kills = 0
        with cluster.clients(12, waiting=6):
            cluster.wait_for_all(apps)
            until = time.monotonic() + (20 if fixture.options.quick else 90)
            while time.monotonic() < until:
                threading.Event().wait(chance.uniform(0.2, 1.0))
                victim = chance.choice(cluster.members)
                victim.kill()
                kills += 1
                threading.Event().wait(chance.uniform(0.0, 0.5))
                victim.start(wait=False)
                victim.process.wait_until_listening()
            for member in cluster.members:
                member.ready()
            made = cluster.platform.tokens_made()
            harness.wait_until(lambda: cluster.platform.tokens_made() >= made + len(apps), 30, "renewals of all apps")
            cluster.wait_for_all(apps)
        # A kill that takes an answer costs a call.
        self.judge(cluster, Claims(extra_calls=kills, punctual=False), f"kills={kills} seed={seed}")

    def test_killed_in_the_midst_of_a_commit(self):
        """The store has carried the commit out, and the answer never reached the node that asked for it."""
        self.need_server()
        cluster, doomed, others = self.doomed("renew.after_call:stop", gates=True)
        with cluster.clients():
            cluster.wait_until_agreed(others)
            _, revision, asking = self.hit(doomed, others, lambda: state_of(doomed.process) == "T")
            doomed.gate.mute()
            doomed.process.signal(signal.SIGCONT)
            after = cluster.wait_until_agreed(others, above=revision, seconds=25)
            died = doomed.kill()
            asking.join(harness.PATIENCE)
            doomed.gate.open()
            doomed.start().ready()
            self.recovers(cluster, after)
        apart = ((doomed.name, 0, died),)
        self.judge(cluster, Claims(extra_calls=1, punctual=False, apart=apart), self.took_over(cluster, died))

    def stopped(self, failpoint, late_call):
        """A node stands still for longer than its lease, and goes on as if nothing had been."""
        cluster, stopped, others = self.doomed(f"{failpoint}:stop")
        with cluster.clients():
            cluster.wait_until_agreed(others)
            since, revision, asking = self.hit(stopped, others, lambda: state_of(stopped.process) == "T")
            after = cluster.wait_until_agreed(others, above=revision, seconds=25)
            harness.wait_until(lambda: time.monotonic() > since + fixture.LEASE + 1, what="the lease to be over")
            stopped.process.signal(signal.SIGCONT)
            back = time.monotonic()
            asking.join(harness.PATIENCE)
            last = self.recovers(cluster, after)
        cluster.remember()
        # The token that it made too late to be stored has displaced one that was promised for longer, or may have:
        # whoever was told before the nodes knew of it cannot be helped. One call more than there were occasions is the
        # one whose answer came too late, another that of the holder who has been told to doubt its token.
        claims = Claims(extra_calls=2, punctual=False, apart=((stopped.name, since, back + 1.5),),
                        excused=((since, back + 2),) if late_call else (),
                        without=frozenset({"overlap"}) if late_call else frozenset())
        self.judge(cluster, claims, self.took_over(cluster, since) + f" revisions={last}")

    def test_stopped_before_the_call(self):
        self.stopped("renew.before_call", late_call=True)

    def test_stopped_after_the_call(self):
        self.stopped("renew.after_call", late_call=False)

    def test_stopped_after_the_commit(self):
        self.stopped("renew.after_commit", late_call=False)


class Clocks(Fault):
    """Nodes whose clocks are wrong: the platform is not called earlier for it, and nothing dead is handed out."""

    def fake(self, **settings):
        if not os.path.exists(FAKETIME):
            self.skipTest("no libfaketime (Debian: faketime)")
        self.addCleanup(self.sweep)
        return {"LD_PRELOAD": FAKETIME, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", **settings}

    def sweep(self):
        """libfaketime leaves something behind of a process that is killed."""
        for process in self.processes:
            for name in (f"faketime_shm_{process.pid}", f"sem.faketime_sem_{process.pid}"):
                harness.pathlib.Path("/dev/shm", name).unlink(missing_ok=True)

    def clocked_cluster(self):
        cluster = self.cluster(3)
        self.processes = cluster.instance.processes
        return cluster

    def test_ten_minutes_apart(self):
        if fixture.options.store == "sqlite":
            self.skipTest("a file is shared on one machine, which has one clock")
        cluster = self.clocked_cluster()
        for member, offset in zip(cluster.members, ("+600s", "-600s", "+0s")):
            member.start(self.fake(FAKETIME=offset), wait=False)
        for member in cluster.members:
            member.process.wait_until_listening()
            member.ready()
        with cluster.clients():
            self.recovers(cluster, self.fresh_revision(cluster))
            # And one that comes later, with a clock of its own, believes what is stored.
            cluster.members[0].kill()
            cluster.members[0].start(self.fake(FAKETIME="-600s")).ready()
            self.recovers(cluster, cluster.wait_until_agreed())
        self.judge(cluster)

    def stepped(self, first, then):
        """The clock of the machine steps while all nodes run, and the nodes are then started again one by one."""
        cluster = self.clocked_cluster()
        clock = cluster.instance.directory / "clock"
        clock.write_text(first + "\n")
        fake = self.fake(FAKETIME_TIMESTAMP_FILE=str(clock), FAKETIME_NO_CACHE="1")
        cluster.start(env=fake)
        with cluster.clients():
            revision = self.fresh_revision(cluster)
            clock.write_text(then + "\n")
            revision = self.recovers(cluster, revision)
            if fixture.options.store != "sqlite":
                # What was stored by the database's clock means the same after the step.
                cluster.members[1].kill()
                cluster.members[1].start(fake).ready()
                self.recovers(cluster, revision)
        self.judge(cluster)

    def test_an_hour_forward_while_running(self):
        self.stepped("+0s", "+3600s")

    def test_an_hour_back_while_running(self):
        self.stepped("+3600s", "+0s")


class Outage(Fault):
    """The store is out: clients are answered from memory as long as there is something to answer."""

    def all_unready(self, cluster, members=None, seconds=15):
        """Waits until these nodes say that the store is out. Returns how long that took."""
        since = time.monotonic()
        for member in cluster.members if members is None else members:
            harness.wait_until(lambda member=member: self.says_store(member), seconds,
                               f"{member.name} to miss the store")
        return time.monotonic() - since

    def says_store(self, member):
        status, told = member.readiness()
        return status == 503 and "store" in told.get("reason", "")

    def all_ready(self, cluster, seconds=25):
        for member in cluster.members:
            harness.wait_until(lambda member=member: member.readiness()[0] == 200, seconds,
                               f"{member.name} to be ready")

    def out(self, cluster, hurt, heal, noticed=True, least=0.0, extra_calls=1, may_call=False):
        """Does `hurt`, waits until it is noticed, `heal`s, and sees that all is well again."""
        self.outs(cluster, [(hurt, heal)], noticed, least, extra_calls, may_call)

    def outs(self, cluster, faults, noticed=True, least=0.0, extra_calls=1, may_call=False):
        """The same, one fault after the other; `faults` are pairs of `hurt` and `heal`."""
        cluster.start()
        outages = []
        with cluster.clients() as clients:
            for hurt, heal in faults:
                revision = self.fresh_revision(cluster)
                since = time.monotonic()
                hurt()
                took = self.all_unready(cluster) if noticed else 0.0
                harness.wait_until(lambda since=since: time.monotonic() > since + least, what="the fault to last")
                healed = time.monotonic()  # From here on a renewal that has waited for it may go through.
                heal()
                self.all_ready(cluster)
                ready = time.monotonic()
                self.recovers(cluster, revision)
                outages.append((since, healed, ready, f"noticed_ms={round(1000 * took)} "
                                f"ready_ms={round(1000 * (ready - healed))} "
                                f"recovered_ms={round(1000 * (time.monotonic() - healed))}"))
        cluster.remember()
        for since, healed, _, _ in outages:
            self.served_meanwhile(cluster, clients, since)
            # Without the store nobody calls the platform: or the fault was none.
            if not may_call:
                self.assertEqual([call for call in cluster.history.calls if since + 0.5 < call.began < healed], [])
        apart = tuple(("", since, ready + 1.5) for since, _, ready, _ in outages)
        self.judge(cluster, Claims(extra_calls=extra_calls, punctual=False, apart=apart),
                   " ".join(words for _, _, _, words in outages))

    def served_meanwhile(self, cluster, clients, since):
        """As long as the token was good: no answer but a token, and none that was waited for."""
        early = [answer for answer in cluster.history.answers if since <= answer.asked <= since + 3]
        self.assertEqual({answer.problem or answer.status for answer in early} - {200, 304}, set())
        waited = [answer.answered - answer.asked for answer in early if answer.client not in clients.waiting]
        self.assertGreater(len(waited), 10)
        self.assertLess(max(waited), 2.0, "a reader was blocked")


class Store(Outage):
    """What happens to the database."""

    def test_killed_and_started_again(self):
        self.need_server()
        cluster = self.cluster(3)
        self.out(cluster, cluster.server.kill, cluster.server.start, least=3)

    def test_frozen(self):
        self.need_server()
        cluster = self.cluster(3)
        self.addCleanup(cluster.server.thaw)
        self.out(cluster, cluster.server.freeze, cluster.server.thaw, least=3)

    def test_disk_full(self):
        if not servers.may_mount():
            self.skipTest("no right to mount a small disk")
        cluster = self.cluster(3, small_disk=True)
        server = cluster.server
        if server.is_a_process is False and fixture.options.store != "sqlite":
            self.skipTest("the server is not ours to hurt")

        def hurt():
            server.fill_disk()
            server.use_up_reserves()

        def heal():
            server.make_room()
            if server.is_a_process and not server.ping():
                server.kill()
                server.start()

        # A log that begins anew where it ended before has room for a record or two, whatever the disk says.
        self.out(cluster, hurt, heal, least=LIFE, may_call=fixture.options.store == "mongodb")

    def test_no_connection_left(self):
        self.need_server()
        if fixture.options.store == "mongodb":
            self.skipTest("the server has no limit of connections")
        cluster = self.cluster(3)
        held = contextlib.ExitStack()
        self.addCleanup(held.close)
        # A node keeps the connections that it has, and may go on renewing over them.
        self.out(cluster, lambda: held.enter_context(cluster.server.take_connections()), held.close, noticed=False,
                 least=LIFE, may_call=True)

    def test_primary_switched(self):
        self.need_server()
        {"postgresql": self.switch_postgresql, "redis": self.switch_redis,
         "mongodb": self.switch_mongodb}[fixture.options.store]()

    def switch_postgresql(self):
        primary = self.enterContext(servers.PostgreSql())
        replica = self.enterContext(servers.Replica(primary))
        # A commit is one when both have it: what was said to be saved survives the primary.
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        harness.wait_until(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync",
                           what="the replica to follow")
        both = Switched(primary, f"postgresql://node@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/hufu"
                                 "?target_session_attrs=read-write")
        cluster = self.cluster(3, server=both)
        self.out(cluster, primary.kill, replica.promote)

    def switch_redis(self):
        primary = self.enterContext(servers.Redis())
        replica = self.enterContext(servers.RedisReplica(primary))
        harness.wait_until(lambda: "up" in replica.info("replication", "master_link_status"),
                           what="the replica to follow")
        sentinel = self.enterContext(servers.Sentinel(primary))
        harness.wait_until(lambda: sentinel.info("sentinel", "slaves").startswith("1"), 30, "the Sentinel to know both")
        cluster = self.cluster(3, server=Switched(primary, f"redis+sentinel://127.0.0.1:{sentinel.port}/hufu/0"))

        def decided():
            harness.wait_until(lambda: replica.info("replication", "role") == "master", 30, "the Sentinel to decide")

        self.out(cluster, primary.kill, decided)

    def replica_set(self):
        if why := servers.MongoReplicaSet.why_not():
            self.skipTest(why)
        return self.enterContext(servers.MongoReplicaSet())

    def switch_mongodb(self):
        """The primary steps down, and the next one dies: the members elect another by themselves."""
        server = self.replica_set()
        cluster = self.cluster(3, server=server)

        def elected():
            server.wait_for_primary()
            server.revive()

        # Whoever is elected may be found before this process sees it.
        self.outs(cluster, [(server.step_down, elected), (server.kill_primary, elected)], noticed=False, extra_calls=2,
                  may_call=True)

    def test_primary_switched_among_renewals(self):
        """Again and again, while tokens of many apps become stale all the time: each step of a renewal is met."""
        if fixture.options.store != "mongodb":
            self.skipTest("only MongoDB's members elect another primary by themselves")
        server = self.replica_set()
        apps = [f"wx{number:016d}" for number in range(12)]
        # Lives that outlast an election and a lease: whose token is stale at the switch is answered one all the same.
        terms = history.Terms("rotating", lifetime=18, overlap=10, refresh_ahead=9, use_slack=1)
        cluster = self.cluster(3, apps, terms, server=server, timing={"lease": "7500ms"})
        cluster.platform.slow(0.1)
        cluster.start()
        switches = []
        with cluster.clients(24, waiting=12) as clients:
            cluster.wait_for_all(apps)
            for switch in (server.step_down, server.kill_primary) * (1 if fixture.options.quick else 8):
                made = cluster.platform.tokens_made()
                harness.wait_until(lambda made=made: cluster.platform.tokens_made() > made + 2, 30, "some renewals")
                before = {app: cluster.members[0].revision(app) for app in apps}
                since = time.monotonic()
                switch()
                server.wait_for_primary()
                server.revive()
                harness.wait_until(lambda before=before: all(member.revision(app) > before[app] for app in apps
                                                             for member in cluster.members), 40, "renewals of all apps")
                switches.append((since, time.monotonic() + 1.5))
        for since, _ in switches:
            self.served_meanwhile(cluster, clients, since)
        # A switch that takes the answer to a step may cost that app a call.
        apart = tuple(("", since, until) for since, until in switches)
        claims = Claims(extra_calls=len(switches) * len(apps), punctual=False, apart=apart)
        self.judge(cluster, claims, f"switches={len(switches)}")


class Switched:
    """Two servers as one store."""

    is_a_process = True

    def __init__(self, primary, uri):
        self.primary, self._uri = primary, uri

    def uri(self, port=None):
        return self._uri


class Way(Outage):
    """What happens on the way between nodes and store: a gate stands in it (gate.py)."""

    def gated(self):
        self.need_server()
        return self.cluster(3, gates=True)

    def all_gates(self, cluster, verb):
        def work():
            for member in cluster.members:
                getattr(member.gate, verb)()

        return work

    def test_one_node_cut_off(self):
        """It serves what it knows to its end, renews nothing, and says so; the others go on."""
        cluster = self.gated()
        lonely, *others = cluster.members
        cluster.start()
        with cluster.clients():
            revision = self.fresh_revision(cluster)
            since = time.monotonic()
            lonely.gate.cut()
            took = self.all_unready(cluster, [lonely])
            after = cluster.wait_until_agreed(others, above=revision)
            harness.wait_until(lambda: lonely.token()[0] == 503, 2 * LIFE, "the end of what it knows")
            self.assertTrue(self.says_store(lonely))
            lonely.gate.open()
            healed = time.monotonic()
            self.recovers(cluster, max(after, cluster.wait_until_agreed()))
        apart = ((lonely.name, since, healed + 15),)
        self.judge(cluster, Claims(punctual=False, apart=apart), f"noticed_ms={round(1000 * took)}")
        answers = [answer for answer in cluster.history.answers if since <= answer.asked <= healed]
        self.assertEqual({answer.status for answer in answers if answer.node != lonely.name} - {200, 304}, set())
        late = [answer for answer in answers if answer.node == lonely.name and answer.asked > since + 5]
        self.assertIn(200, {answer.status for answer in late})

    def test_all_nodes_cut_off(self):
        cluster = self.gated()
        self.out(cluster, self.all_gates(cluster, "cut"), self.all_gates(cluster, "open"), least=4)

    def test_refused(self):
        cluster = self.gated()
        self.out(cluster, self.all_gates(cluster, "refuse"), self.all_gates(cluster, "accept"), least=4)

    def test_answers_halved(self):
        cluster = self.gated()
        self.out(cluster, self.all_gates(cluster, "halve"), self.all_gates(cluster, "open"), noticed=False, least=8)

    def test_every_question_reset(self):
        cluster = self.gated()
        self.out(cluster, self.all_gates(cluster, "resetting"), self.all_gates(cluster, "open"), noticed=False, least=8)

    def test_reset_again_and_again(self):
        """Lines die all the time and are made anew, with ever longer pauses: a node may be behind, and nothing else."""
        cluster = self.gated()
        cluster.start()
        with cluster.clients():
            revision = self.fresh_revision(cluster)
            until = time.monotonic() + LIFE
            while time.monotonic() < until:
                for member in cluster.members:
                    member.gate.reset()
                threading.Event().wait(0.4)
            self.recovers(cluster, revision)
        self.judge(cluster, Claims(extra_calls=1, punctual=False, apart=(("", until - LIFE, until + 4),)))

    def test_slow(self):
        """A tenth of a second each way: everything holds, the second in which a renewal is everywhere included."""
        cluster = self.gated()
        cluster.start()
        self.all_gates(cluster, "open")()
        for member in cluster.members:
            member.gate.delay(0.1)
        with cluster.clients():
            self.recovers(cluster, self.fresh_revision(cluster))
        self.judge(cluster)


if __name__ == "__main__":
    fixture.main(at_once=8)
