"""A token handed out with `expires_in: N` is accepted by the platform for the next N seconds.

Lives are short here, so that a minute holds several of them: 20 s, of which the displaced token keeps 6.
"""

import time

import harness
import wechat


class Promise(harness.Case):
    LIFETIMES = 2.2

    def setUp(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))

    def live_through(self, clients, nodes):
        deadline = time.monotonic() + self.LIFETIMES * self.platform.lifetime
        harness.wait_until(lambda: time.monotonic() > deadline or any(not node.running for node in nodes),
                           self.LIFETIMES * 20 + 5)
        clients.stop()
        for node in nodes:
            self.assertTrue(node.running, node.stderr()[-2000:])

    def check(self, clients, renewals):
        self.assertEqual(clients.failures, [])
        self.assertEqual(clients.errors, [])
        self.assertGreater(len(clients.promises), 50)
        self.assertEqual(clients.broken_promises(), [])
        self.assert_one_at_a_time()
        calls = len(self.platform.token_calls())
        self.assertGreaterEqual(calls, renewals, "the test did not live through enough renewals")
        self.assertLessEqual(calls, renewals + 1, "more calls than the lives that passed ask for")

    def one_node(self, endpoint):
        node = self.instance(endpoint=endpoint).serve().wait_until_ready()
        clients = harness.Clients(node.ask, self.platform).start(24)
        self.live_through(clients, [node])
        self.check(clients, renewals=3)

    def test_sdks_that_cache_to_the_last_second_are_never_refused_with_a_classic_token(self):
        self.one_node("classic")

    def test_sdks_that_cache_to_the_last_second_are_never_refused_with_a_stable_token(self):
        self.one_node("stable")

    def two_nodes(self, endpoint):
        instance = self.instance(endpoint=endpoint)
        nodes = [instance.serve().wait_until_ready(), instance.serve().wait_until_ready()]
        turn = iter(range(10**9))
        clients = harness.Clients(lambda: nodes[next(turn) % 2].ask(), self.platform).start(24)
        self.live_through(clients, nodes)
        self.check(clients, renewals=3)

    def test_two_nodes_on_one_store_promise_no_more_than_one_with_a_classic_token(self):
        self.two_nodes("classic")

    def test_two_nodes_on_one_store_promise_no_more_than_one_with_a_stable_token(self):
        self.two_nodes("stable")

    def lost_answers(self, fault):
        """Renewals are carried out, and their answer lost: the platform has displaced more than Hufu knows."""
        node = self.instance(endpoint="classic").serve().wait_until_ready()
        clients = harness.Clients(node.ask, self.platform).start(24)
        self.platform.fail_next(fault, times=2)
        self.live_through(clients, [node])
        self.assertGreaterEqual(len(self.platform.token_calls()), 4)
        # Between the end of a promise and the answer to the next call there may be no token for a moment.
        self.assertEqual({answer["errcode"] for _, answer in clients.errors} - {-1}, set())
        self.assertEqual(clients.failures, [])
        self.assertEqual(clients.broken_promises(), [])

    def test_an_answer_that_was_reset_breaks_no_promise(self):
        self.lost_answers(wechat.LOST_BY_RESET)

    def test_an_answer_that_never_came_breaks_no_promise(self):
        self.lost_answers(wechat.LOST_BY_HANG)

    def test_expires_in_is_counted_at_the_answer_and_never_grows_for_the_same_token(self):
        node = self.instance(endpoint="classic").serve().wait_until_ready()
        clients = harness.Clients(node.ask, self.platform).start(4)
        deadline = time.monotonic() + 10
        harness.wait_until(lambda: time.monotonic() > deadline, 15)
        clients.stop()
        ends = {}
        for value, at, seconds in sorted(clients.promises, key=lambda promise: promise[1]):
            ends.setdefault(value, []).append((at, seconds))
        for promises in ends.values():
            for (_, earlier), (_, later) in zip(promises, promises[1:]):
                self.assertLessEqual(later, earlier + 1)
            self.assertLess(promises[-1][1], promises[0][1])


if __name__ == "__main__":
    harness.main(at_once=8)
