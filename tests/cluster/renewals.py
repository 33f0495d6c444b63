"""Five nodes, two hundred clients at each, one store: tokens become stale a thousand times.

Not one pair of calls overlaps at the platform, not one call is superfluous, every token that is answered lives for as
long as is promised, no client's revision goes back, and no node is more than a second behind (history.py).

--quick: 40 clients a node, 60 times.
"""

import time

import history
import fixture


class Renewals(fixture.Case):
    """Tokens become stale by themselves, again and again: `apps` lives side by side."""

    def live(self, endpoint, shape):
        quick = fixture.options.quick
        apps = [f"wx{number:016d}" for number in range(12 if quick else 50)]
        stale, each = (60, 40) if quick else (1000, 200)
        terms = history.Terms(shape, lifetime=10, overlap=6, refresh_ahead=4, use_slack=1)
        cluster = self.cluster(5, apps, terms, endpoint)
        cluster.platform.slow(0.1)  # Long enough to be overtaken.
        cluster.start()
        started = time.monotonic()
        # Each node is asked for each app: by some in turn, by one in four as soon as there is something new.
        with cluster.clients(each, pace=1.0, waiting=max(len(apps), each // 4)) as clients:
            fixture.harness.wait_until(lambda: cluster.platform.tokens_made() >= len(apps) + stale,
                                     15 * stale / len(apps) + 60, f"{stale} renewals")
            clients.stop()
        took = time.monotonic() - started
        for member in cluster.members:
            self.assertTrue(member.process.running, member.process.stderr()[-2000:])
        self.judge(cluster, say=f"{took:.0f} s")
        self.assertEqual({answer.status for answer in cluster.history.answers} - {200, 304}, set())
        self.assertGreaterEqual(len(cluster.history.calls), stale + len(apps))

    def test_classic(self):
        self.live("classic", "rotating")

    def test_stable(self):
        self.live("stable", "windowed")


if __name__ == "__main__":
    fixture.main(at_once=2 if "--quick" in fixture.sys.argv else 1)
