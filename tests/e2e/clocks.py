"""Somebody sets the clock of the machine: a token costs one plain call or probe at most, and every promise holds.

Only what a program is told about the time of day is set here (libfaketime), as NTP or a person does it. In a SQLite
file lies how far the time of day was ahead when it was first opened after the machine was started; that it was started
anew since then is written into the file. Where the clock makes a classic token's life look over (8 h forward, and no
boot to reckon it by), nobody can tell that token from an ended one, so there is no case for that.
"""

import contextlib
import itertools
import pathlib
import sqlite3
import subprocess
import sys
import time

import harness
import wechat

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cluster"))
import servers  # pylint: disable=wrong-import-position

LIBRARY = next((str(path) for path in pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
#: How far a clock is ahead: what NTP sets right, and what a wrong time zone does.
STEPS = (30, -30, 8 * 3600, -8 * 3600)
YEAR = 365 * 24 * 3600


def ahead(seconds):
    """The environment of a process whose time of day is that far ahead."""
    return {"LD_PRELOAD": LIBRARY, "FAKETIME": f"{seconds:+}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class SettableClock:
    """A time of day that is set while processes run by it."""

    def __init__(self, directory):
        self.file = directory / "clock"
        self.set(0)
        self.environment = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(f"{seconds:+}s\n")
        fresh.replace(self.file)


class Bootless:
    """A process on a system that does not tell one boot from the next: each opening of a file goes by its own clock."""

    prefix = ("unshare", "--mount", "sh", "-c",
              'mount --bind /dev/null /proc/sys/kernel/random/boot_id && exec "$@"', "sh")


class BootlessCommand(Bootless, harness.Process):
    pass


class BootlessNode(Bootless, harness.Node):
    pass


def as_if_the_machine_was_started_anew(instance):
    with contextlib.closing(sqlite3.connect(instance.database)) as database, database:
        changed = database.execute("UPDATE clock SET boot = 'an earlier one'").rowcount
    assert changed == 1


class Clocks(harness.Case):
    def setUp(self):
        super().setUp()
        self.promises = []

    def remember(self, record, asked):
        self.promises.append((record["token"], asked, record["expires_in"]))
        return record["token"]

    def get(self, instance, env=None):
        """The token that the command prints."""
        asked = time.monotonic()
        result = instance.run("get", "--json", env=env)
        self.assertEqual(result.returncode, 0, result.stderr)
        return self.remember(harness.json.loads(result.stdout), asked)

    def ask(self, node, key, app=harness.APP):
        """The token that a server hands out, which it may have to settle first."""
        asked = time.monotonic()
        reply = harness.wait_until(lambda: (found := node.ask_v1(key, app)).status == 200 and found, what="a token")
        return self.remember(reply.json, asked)

    def asks_for_a_while(self, node, key, app):
        """As long as a server that takes a token for one of the future would call the platform a thousand times."""
        deadline = time.monotonic() + 2

        def asks():
            self.ask(node, key, app)
            return time.monotonic() > deadline

        harness.wait_until(asks, what="two seconds to pass")

    def assert_promises_hold(self):
        broken = harness.broken_promises(self.platform, self.promises)
        self.assertEqual(broken[:3], [], f"{len(broken)} of {len(self.promises)} promises")

    # ---- between two processes

    def set_between(self, endpoint, first, started_anew=False, app=harness.APP, **where):
        """A command whose clock is `first` s ahead, then servers and commands by the right one."""
        instance = self.instance(apps=[app], endpoint=endpoint, timing={}, **where)
        token = self.get(instance, ahead(first))
        key = instance.key()
        if started_anew:
            as_if_the_machine_was_started_anew(instance)
        before = self.calls(app)
        settling = []
        for _ in range(2):
            node = instance.serve()
            self.asks_for_a_while(node, key, app)
            self.get(instance)
            self.assertEqual(node.terminate(), 0, node.stderr())
            settling.append(self.calls(app) - before)
        self.assertLessEqual(settling[0], 1 if started_anew else 0, self.platform.calls)
        self.assertEqual(settling[1], settling[0], "the second start found it settled")
        self.assert_promises_hold()
        self.assertEqual(self.platform.judge(token), 0, "the token was displaced")

    # ---- beside a server

    def stepped_server(self, endpoint):
        """A server whose clock is set while it runs, and commands by the right one, through some lives of a token."""
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        instance = self.instance(endpoint=endpoint)
        clock = SettableClock(instance.directory)
        node = instance.serve(env=clock.environment).wait_until_ready()
        started = time.monotonic()
        clients = harness.Clients(node.ask, self.platform).start(6)
        for step in (-15, 15, 0, 8 * 3600, -8 * 3600, -15):
            clock.set(step)
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                self.get(instance)
        clients.stop()
        self.assertEqual((clients.failures, clients.errors, clients.broken_promises()), ([], [], []))
        self.assert_promises_hold()
        self.assert_one_at_a_time()
        # One each 13 s or more, as by a clock that nobody sets.
        self.assertLessEqual(len(self.platform.token_calls()), 1 + (time.monotonic() - started) / 13)

    def test_a_server_whose_clock_is_set_keeps_its_promises_with_classic_tokens(self):
        self.stepped_server("classic")

    def test_a_server_whose_clock_is_set_keeps_its_promises_with_stable_tokens(self):
        self.stepped_server("stable")

    def years_off(self, endpoint, step):
        """A clock without a battery, or one that was typed in wrongly: the network sets it while a server runs."""
        instance = self.instance(endpoint=endpoint, timing={})
        clock = SettableClock(instance.directory)
        clock.set(step)
        node = instance.serve(env=clock.environment).wait_until_ready()
        made = instance.run("key", "create", "shop", env=clock.environment)
        key = made.stdout.strip()
        self.ask(node, key)
        clock.set(0)
        self.asks_for_a_while(node, key, harness.APP)
        self.get(instance)
        self.asks_for_a_while(node, key, harness.APP)
        self.assertEqual(node.terminate(), 0, node.stderr())
        self.asks_for_a_while(instance.serve(), key, harness.APP)
        longest = max(seconds for _, _, seconds in self.promises)
        self.assertLessEqual(longest, self.platform.lifetime, "no token lives that long")
        self.assertLessEqual(self.calls(), 5, self.platform.calls)

    def test_a_clock_40_years_behind_that_is_set_promises_no_more_than_a_classic_token_lives(self):
        self.years_off("classic", -40 * YEAR)

    def test_a_clock_40_years_behind_that_is_set_promises_no_more_than_a_stable_token_lives(self):
        self.years_off("stable", -40 * YEAR)

    def test_a_clock_2_years_ahead_that_is_set_promises_no_more_than_a_classic_token_lives(self):
        self.years_off("classic", 2 * YEAR)

    def test_a_clock_2_years_ahead_that_is_set_promises_no_more_than_a_stable_token_lives(self):
        self.years_off("stable", 2 * YEAR)

    def wrong_server(self, endpoint, step):
        """A server that was started by a clock that was wrong, and commands by the right one: both go by its."""
        instance = self.instance(endpoint=endpoint, timing={})
        node = instance.serve(env=ahead(step)).wait_until_ready()
        key = instance.key()
        harness.wait_until(lambda: node.ask_v1(key).status == 200, what="the key to be known")
        for _ in range(3):
            self.assertEqual(self.get(instance), self.ask(node, key))
            self.get(instance, ahead(-step))
        self.assertEqual(self.calls(), 1, self.platform.calls)
        self.assert_promises_hold()

    def test_commands_beside_a_server_whose_clock_is_wrong_call_nobody(self):
        for endpoint in ("classic", "stable"):
            for step in (-15, 15):
                with self.subTest(endpoint=endpoint, step=step):
                    self.platform, self.promises = self.enterContext(wechat.Wechat()), []
                    self.wrong_server(endpoint, step)

    # ---- where no boot can be told from the next

    def bootless(self, endpoint, steps, calls_a_step=1):
        """A server by the right clock, and commands by others, each of which moves the clock of all."""
        if subprocess.run([*Bootless.prefix, "true"], capture_output=True, check=False).returncode:
            self.skipTest("may not hide the boot's id (needs root)")
        instance = self.instance(endpoint=endpoint, timing={})
        key = instance.key()
        node = instance.serve(kind=BootlessNode).wait_until_ready()
        token = self.ask(node, key)
        for number, step in enumerate(steps):
            command = BootlessCommand(instance, ("get", "--json"), ahead(step))
            instance.processes.append(command)
            asked = time.monotonic()
            self.assertEqual(command.wait(), 0, command.stderr())
            self.remember(harness.json.loads(command.stdout()), asked)
            self.asks_for_a_while(node, key, harness.APP)
            self.assertLessEqual(self.calls(), 1 + calls_a_step * (number + 1), self.platform.calls)
        self.assert_promises_hold()
        self.assertEqual(self.platform.judge(token), 0, "the token was displaced")

    def test_where_no_boot_can_be_told_a_clock_30_s_off_costs_one_call_classic(self):
        self.bootless("classic", (30, 0, -30, 0))

    def test_where_no_boot_can_be_told_a_clock_30_s_off_costs_one_call_stable(self):
        self.bootless("stable", (30, 0, -30, 0))

    def test_where_no_boot_can_be_told_a_clock_8_h_off_costs_two_calls_stable(self):
        # One by whoever takes the token for ended, one by whoever then finds more than a life left of it.
        self.bootless("stable", (8 * 3600, 0), calls_a_step=2)

    # ---- where the database has the clock

    def on_a_server(self, name):
        if reason := servers.why_not(name):
            self.skipTest(reason)
        store = self.enterContext(servers.STORES[name]())
        for number, (endpoint, step) in enumerate(itertools.product(("classic", "stable"), (30, -8 * 3600))):
            with self.subTest(endpoint=endpoint, step=step):
                self.promises = []
                self.set_between(endpoint, step, app=f"wx{number:016}", store=store.uri(),
                                 key_file=str(store.directory / "hufu.key"))

    def test_a_clock_that_was_set_costs_nothing_on_redis(self):
        self.on_a_server("redis")

    def test_a_clock_that_was_set_costs_nothing_on_postgresql(self):
        self.on_a_server("postgresql")


def shape(endpoint, step, started_anew):
    def case(self):
        self.set_between(endpoint, step, started_anew)

    words = f"{abs(step)}_s" if abs(step) < 3600 else f"{abs(step) // 3600}_h"
    where = "after_a_boot_with_another_time" if started_anew else "between_two_processes"
    setattr(Clocks, f"test_{where}_{words}_{'back' if step > 0 else 'forward'}_{endpoint}", case)


for _endpoint in ("classic", "stable"):
    for _step in STEPS:
        for _started_anew in (False, True):
            if (_endpoint, _step, _started_anew) != ("classic", -8 * 3600, True):
                shape(_endpoint, _step, _started_anew)

if __name__ == "__main__":
    if LIBRARY is None:
        print("not run: no libfaketime (Debian: faketime)")
        sys.exit(0)
    harness.main(at_once=8)
