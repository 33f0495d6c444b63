"""Several processes, one SQLite file: one of them renews, and a lost one is not waited for longer than its lease."""

import signal
import time

import harness
import wechat


class Cluster(harness.Case):
    def many_processes(self, endpoint):
        """Three nodes, and commands that come and go, through some lives of a token."""
        self.platform = self.enterContext(wechat.Wechat(lifetime=10, overlap=6))
        self.platform.fail(wechat.slow(0.3))  # Long enough to be overtaken.
        timing = {**harness.QUICK_TIMING, "refresh_ahead": "4s"}
        instance = self.instance(endpoint=endpoint, timing=timing)
        nodes = [instance.serve() for _ in range(3)]
        turn = iter(range(10**9))
        clients = harness.Clients(lambda: nodes[next(turn) % 3].ask(), self.platform).start(12)
        deadline = time.monotonic() + 28
        commands = 0
        while time.monotonic() < deadline:
            for result in harness.together([lambda: instance.run("get")] * 4):
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(self.platform.judge(result.stdout.strip()), 0, "a dead token")
                commands += 1
        clients.stop()
        self.assertEqual(clients.failures, [])
        self.assertEqual(clients.errors, [])
        self.assertEqual(clients.broken_promises(), [])
        self.assertGreater(commands, 20)
        self.assert_one_at_a_time()
        calls = len(self.platform.token_calls())
        # One each 5 to 7 s, as many as one node alone would make; of a windowed token one for each window, which
        # opens 4 s after the token was made.
        self.assertGreaterEqual(calls, 4)
        self.assertLessEqual(calls, 6 if endpoint == "classic" else 8)

    def test_many_processes_renew_as_one_classic(self):
        self.many_processes("classic")

    def test_many_processes_renew_as_one_stable(self):
        self.many_processes("stable")

    def test_a_renewal_is_seen_by_the_other_nodes_within_a_second(self):
        self.platform = self.enterContext(wechat.Wechat())
        instance = self.instance(endpoint="classic", timing={})
        key = instance.key("--can", "read,refresh")
        nodes = [instance.serve().wait_until_ready() for _ in range(2)]
        first = nodes[0].ask_v1(key).json
        self.assertEqual(nodes[1].ask_v1(key).json["token"], first["token"])
        path = f"/v1/apps/{harness.APP}/token/refresh"
        reply = nodes[0].send("POST", path, headers={"Authorization": f"Bearer {key}"})
        self.assertEqual(reply.status, 200, reply)
        asked = time.monotonic()
        harness.wait_until(lambda: nodes[1].ask_v1(key).json["revision"] == 2, what="the other node to know")
        self.assertLess(time.monotonic() - asked, 2.5)

    def stopped_holder(self, endpoint, failpoint):
        """A node stands still inside a renewal for longer than its lease, and then goes on as if nothing had been."""
        platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        instance = self.enterContext(harness.Instance(platform, endpoint=endpoint))
        stopped = instance.serve(env={"HUFU_FAILPOINT": f"{failpoint}:stop:{instance.armed}"}).wait_until_ready()
        first = platform.issued()[0]
        instance.armed.touch()
        harness.wait_until(lambda: state_of(stopped) == "T", 25, "the node to stand still in its second renewal")
        other = instance.serve()
        clients = harness.Clients(other.ask, platform).start(6)
        harness.wait_until(lambda: any(value != first.value for value, _, _ in clients.promises), 15,
                           "the other node to take over")
        stopped.signal(signal.SIGCONT)
        back = time.monotonic()
        # It finds that it has been overtaken: both hand out the same, and nothing that is dead.
        agreed = harness.wait_until(lambda: same_token(stopped, other), 15, "the two to agree")
        self.assertEqual(platform.judge(agreed), 0)
        later = harness.Clients(stopped.ask, platform).start(6)
        harness.wait_until(lambda: time.monotonic() > back + 6, 15)
        clients.stop()
        later.stop()
        for each in (clients, later):
            self.assertEqual(each.failures, [])
            self.assertEqual({answer["errcode"] for _, answer in each.errors} - {-1}, set())
            # In the last second of a life with a call of unknown outcome, nothing can be promised.
            moments = [at for at, _ in each.errors]
            self.assertLess(max(moments, default=0) - min(moments, default=0), 2.5, each.errors[-1:])
            if endpoint == "classic":
                # One who could not know that its lease was over has displaced a token that was promised for longer, or
                # may have. Nobody can undo that, but from when it is known every promise holds. (Those of one second
                # are the best guess about a token in doubt.)
                each.promises = [(value, at, seconds) for value, at, seconds in each.promises
                                 if at > back + 2 and seconds > 1]
            self.assertEqual(each.broken_promises(), [])

    def test_stopped_before_the_call_classic(self):
        self.stopped_holder("classic", "renew.before_call")

    def test_stopped_before_the_call_stable(self):
        self.stopped_holder("stable", "renew.before_call")

    def test_stopped_after_the_call_classic(self):
        self.stopped_holder("classic", "renew.after_call")

    def test_stopped_after_the_call_stable(self):
        self.stopped_holder("stable", "renew.after_call")

    def test_stopped_after_the_commit_classic(self):
        self.stopped_holder("classic", "renew.after_commit")


def state_of(process):
    """"T" while stopped."""
    text = harness.pathlib.Path(f"/proc/{process.pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def same_token(one, other):
    first, second = one.ask().get("access_token"), other.ask().get("access_token")
    return first if first == second else None


if __name__ == "__main__":
    harness.main(at_once=8)
