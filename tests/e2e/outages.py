"""The platform fails at the moment of renewal, in every way it can.

The old token serves to its end less the slack; then comes a clear error, and never one on which SDKs loop; the
attempts lie ever further apart; and once the platform is well, Hufu is, by itself.
"""

import time

import harness
import wechat

#: SDKs that see one of these throw their token away and ask again, for ever.
LOOPED_ON = {40001, 40014, 42001}
SLACK = 1.0


class Outage(harness.Case):
    def setUp(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))

    def watch(self, node, condition, seconds):
        """Asks until `condition(answer)`; returns what was seen: (when asked, answer)."""
        seen = []

        def step():
            asked = time.monotonic()
            seen.append((asked, node.ask()))
            return condition(seen[-1][1])

        harness.wait_until(step, seconds, "an answer of another kind")
        return seen

    def live_through(self, endpoint, begin, errcode=-1, heals=True):
        instance = self.instance(endpoint=endpoint)
        key = instance.key()
        node = instance.serve().wait_until_ready()
        first = self.platform.life_of(node.ask()["access_token"])
        begin(self.platform)
        began = time.monotonic()

        # The old token to its end: an error before is a promise cut short, a token after it a dead one.
        seen = self.watch(node, lambda answer: "errcode" in answer, 30)
        gone, error = seen[-1]
        for asked, answer in seen[:-1]:
            self.assertEqual(answer["access_token"], first.value)
            self.assertLessEqual(asked + answer["expires_in"], first.expires, answer)
        self.assertGreater(gone, first.expires - SLACK - 2, "given up before its end")
        self.assertLess(gone, first.expires, "handed out to its last second")

        # A clear error, whoever asks.
        self.assertEqual(error["errcode"], errcode, error)
        self.assertNotIn(error["errcode"], LOOPED_ON)
        problem = node.ask_v1(key)
        self.assertEqual(problem.status, 503, problem)
        self.assertGreaterEqual(int(problem.headers["Retry-After"]), 1)
        self.assertEqual(problem.headers["Content-Type"], "application/problem+json")
        if errcode not in (-1,):
            self.assertEqual(problem.json.get("errcode"), errcode, problem)
        self.assertEqual(node.get("/readyz").status, 503)
        self.assertEqual(node.get("/healthz").status, 200)

        if heals:
            # It goes on trying, and is well when the platform is.
            later = time.monotonic() + 3
            harness.wait_until(lambda: time.monotonic() > later, 10)
            self.platform.heal()
            healed = time.monotonic()
            seen = self.watch(node, lambda answer: "access_token" in answer, 17)
            self.assertLess(time.monotonic() - healed, 16)
            self.assertEqual({answer["errcode"] for _, answer in seen[:-1]} - {errcode}, set())
            self.assertNotEqual(seen[-1][1]["access_token"], first.value)
            self.assertEqual(self.platform.judge(seen[-1][1]["access_token"]), 0)
        self.check_gaps([call for call in self.platform.token_calls() if call.started > began])
        return node

    def check_gaps(self, calls):
        """The n-th wait is at least a quarter of 2^(n-1) seconds, up to 15: a hammering is none."""
        for number, (earlier, later) in enumerate(zip(calls, calls[1:])):
            step = min(2**number, 15)
            self.assertGreaterEqual(later.started - earlier.started, step / 4 - 0.1, f"gap {number + 1}")

    def test_an_answer_lost_shortly_before_the_end_does_not_leave_a_gap_of_an_overlap(self):
        """A lost call is waited for as long as its displaced token is promised, and that is not beyond its end."""
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=9))
        node = self.instance(endpoint="classic", timing={**harness.QUICK_TIMING, "overlap": "9s"}).serve()
        node.wait_until_ready()
        first = self.platform.life_of(node.ask()["access_token"])
        made = len(self.platform.token_calls())
        self.platform.fail_next(wechat.LOST_BY_RESET)
        self.platform.wait_for(lambda platform: len(platform.token_calls()) > made, 20)
        self.watch(node, lambda answer: answer.get("access_token", first.value) != first.value, 15)
        self.assertLess(time.monotonic(), first.expires + 1, "the promise ended at the end less a second")

    # ---- no answer at all

    def test_connection_refused_classic(self):
        self.live_through("classic", lambda platform: platform.refuse_connections())

    def test_connection_refused_stable(self):
        self.live_through("stable", lambda platform: platform.refuse_connections())

    # ---- refusals that need a person

    def slow_lane(self, endpoint, sent, errcode):
        node = self.live_through(endpoint, lambda platform: platform.fail(wechat.errcode(sent)), errcode, heals=False)
        self.assertEqual([call.outcome for call in self.platform.token_calls() if call.outcome], [sent],
                         "one each five minutes")
        # Who has mended the cause need not wait for the next attempt.
        self.platform.heal()
        key = node.instance.key("--can", "read,refresh")
        harness.wait_until(lambda: node.ask_v1(key).status != 401, 5, "the new key to be known")
        renewed = node.send("POST", f"/v1/apps/{harness.APP}/token/refresh", headers={"Authorization": f"Bearer {key}"})
        self.assertEqual(renewed.status, 200, renewed)
        self.assertEqual(self.platform.judge(node.ask()["access_token"]), 0)

    def test_daily_quota_used_up(self):
        self.slow_lane("classic", 45009, 45009)

    def test_address_not_listed(self):
        self.slow_lane("stable", 40164, 40164)

    def test_secret_changed_elsewhere(self):
        self.slow_lane("stable", 40125, 40125)

    def test_secret_frozen(self):
        self.slow_lane("classic", 40243, 40243)

    def test_a_40001_of_the_token_endpoint_is_passed_on_as_a_wrong_secret(self):
        self.slow_lane("stable", 40001, 40125)


def shape(name, fault):
    """One case for each of the two endpoints."""
    for endpoint in (wechat.CLASSIC, wechat.STABLE):
        def case(self, endpoint=endpoint):
            self.live_through(endpoint, lambda platform: platform.fail(fault))

        setattr(Outage, f"test_{name}_{endpoint}", case)


shape("hangs", wechat.HANG)
shape("too_slow", wechat.slow(4))
shape("reset", wechat.RESET)
shape("closed_without_an_answer", wechat.CLOSED)
shape("bad_gateway", wechat.SERVER_ERROR)
shape("html_with_status_200", wechat.HTML)
shape("truncated", wechat.TRUNCATED)
shape("system_error", wechat.errcode(-1))
shape("token_dead_codes_that_make_no_sense_here", wechat.errcode(42001))
shape("absurd_lifetime", wechat.answer(b'{"access_token":"absurd","expires_in":-7200}'))
shape("carried_out_but_answer_reset", wechat.LOST_BY_RESET)
shape("carried_out_but_answer_never_came", wechat.LOST_BY_HANG)
shape("carried_out_but_504", wechat.LOST_BY_SERVER_ERROR)

if __name__ == "__main__":
    harness.main(at_once=40)
