"""Rolling restart: three nodes behind clients that go to another node when one refuses them, as behind a load balancer
with health checks. No request fails, and nobody is told anything that does not hold.

A request that was sent and got no answer has failed, also where the client could ask again.
"""

import fixture
from clients import Balancer, Clients
from fixture import harness


class Rolling(fixture.Case):
    def restart(self, stop_and_start):
        apps = [f"wx{number:016d}" for number in range(4)]
        cluster = self.cluster(3, apps)
        cluster.platform.slow(0.1)
        cluster.start()
        with Balancer(cluster.members) as balancer, \
                Clients(cluster.history, cluster.key, pace=0.1).add_balanced(40, balancer, apps):
            for _ in range(1 if fixture.options.quick else 5):
                for member in cluster.members:
                    stop_and_start(member)
                    # As whoever restarts nodes by a script does: on to the next when this one is back.
                    harness.wait_until(lambda member=member: balancer.is_ready(member), what="the balancer to know")
            harness.wait_until(lambda: cluster.platform.tokens_made() >= 3 * len(apps), 30, "two renewals of each app")
        self.judge(cluster)
        failed = [answer for answer in cluster.history.answers if answer.status != 200]
        self.assertEqual(failed, [])
        self.assertGreater(len(cluster.history.answers), 500)
        self.assertEqual({answer.node for answer in cluster.history.answers}, {"n0", "n1", "n2"})

    def test_under_load(self):
        def stop_and_start(member):
            self.assertEqual(member.process.terminate(), 0, member.process.stderr()[-1500:])
            member.start().ready()

        self.restart(stop_and_start)


if __name__ == "__main__":
    fixture.main()
