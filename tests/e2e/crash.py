"""kill -9 at every step of a renewal, and in between: nobody has to do anything, and nothing dead is handed out.

Each scenario is an app with a life of its own, through which processes are killed again and again.
"""

import random
import signal
import threading
import time

import harness
import wechat

FAILPOINTS = ("renew.after_begin", "renew.before_call", "renew.after_call", "renew.after_commit")
TIMING = {"use_slack": "500ms", "refresh_ahead": "2500ms", "overlap": "3s", "lease": "1500ms", "request_timeout": "700ms"}
#: The shortest time from a call to the planned renewal of the token that it brought: until the window of `stable` opens.
STALE_AFTER = 3


class Scenario:
    """What was promised in one scenario, whoever of its processes promised it."""

    def __init__(self, case, endpoint):
        self.case = case
        self.platform = case.enterContext(wechat.Wechat(lifetime=6, overlap=3))
        self.instance = case.enterContext(harness.Instance(self.platform, endpoint=endpoint, timing=TIMING))
        self.promises = []
        self.kills = 0

    def ask(self, node):
        asked = time.monotonic()
        answer = node.ask()
        if "access_token" in answer:
            self.promises.append((answer["access_token"], asked, answer["expires_in"]))
            return answer["access_token"]
        # Nobody is told to throw a token away and ask again.
        self.case.assertNotIn(answer["errcode"], (40001, 40014, 42001), answer)
        return None

    def ask_until(self, node, condition, seconds):
        """Asks a node until `condition(token or None)`; stops early if the node was killed."""
        deadline = time.monotonic() + seconds
        while node.running:
            try:
                token = self.ask(node)
            except (OSError, harness.http.client.HTTPException):
                continue  # It was killed between the question and the answer.
            if condition(token):
                return token
            if time.monotonic() > deadline:
                raise AssertionError(f"no recovery within {seconds} s: {node.stderr()[-1500:]}")
            threading.Event().wait(0.03)
        return None

    def killed(self, process):
        self.case.assertEqual(process.wait(), -signal.SIGKILL, process.stderr()[-1500:])
        self.kills += 1

    def check(self):
        dead = []
        for value, at, seconds in self.promises:
            token = self.platform.life_of(value)
            if token.dies < at + seconds:
                dead.append(f"promised {seconds} s, lived {token.dies - at:.3f} s")
        self.case.assertEqual(dead, [])
        # A call nobody asked for again is one that a kill took the answer of, or a machine too slow for 700 ms; or its
        # token was due before the next process came up to hand it out.
        calls = self.platform.token_calls()
        useful = {value for value, _, _ in self.promises}
        wasted = [call for call, later in zip(calls, [*calls[1:], None])
                  if call.issued not in useful and not (later and later.started - call.started > STALE_AFTER)]
        late = sum(process.stderr().count("gave no answer") for process in self.instance.processes)
        self.case.assertLessEqual(len(wasted), self.kills + late, f"{self.kills} kills, {late} late, {len(calls)} calls")
        self.case.assert_one_at_a_time_in(calls)


class Crash(harness.Case):
    def assert_one_at_a_time_in(self, calls):
        for earlier, later in zip(calls, calls[1:]):
            self.assertLessEqual(earlier.ended, later.started, f"two calls at once: {earlier} {later}")

    def rounds(self, full):
        return full // 3 if harness.options.quick else full

    def serve_scenario(self, endpoint, failpoint):
        scenario = Scenario(self, endpoint)
        for _ in range(self.rounds(12)):
            # A healthy life first: it must come to a token of its own, whatever was left behind.
            node = scenario.instance.serve()
            scenario.ask_until(node, lambda token: token and scenario.platform.judge(token) == 0, 12)
            self.assertEqual(node.terminate(), 0)
            # Then one that dies in its next renewal.
            doomed = scenario.instance.serve(env={"HUFU_FAILPOINT": f"{failpoint}:kill"}, wait=False)
            try:
                doomed.wait_until_listening()
                scenario.ask_until(doomed, lambda token: False, 12)
            except AssertionError:
                if doomed.running:
                    raise
            scenario.killed(doomed)
        node = scenario.instance.serve()
        scenario.ask_until(node, lambda token: token and scenario.platform.judge(token) == 0, 12)
        scenario.check()

    def get(self, scenario, env=None):
        asked = time.monotonic()
        result = scenario.instance.run("get", "--json", env=env)
        if result.returncode == 0:
            record = harness.json.loads(result.stdout)
            scenario.promises.append((record["token"], asked, record["expires_in"]))
        return result

    def get_scenario(self, endpoint, failpoint):
        scenario = Scenario(self, endpoint)
        for _ in range(self.rounds(12)):
            harness.wait_until(lambda: self.get(scenario).returncode == 0, 12, "hufu get to recover")

            def doomed():
                result = self.get(scenario, {"HUFU_FAILPOINT": f"{failpoint}:kill"})
                # 5: the last second of a life with a call of unknown outcome, in which nothing can be promised.
                self.assertIn(result.returncode, (0, 5, -signal.SIGKILL), result.stderr)
                return result.returncode == -signal.SIGKILL

            harness.wait_until(doomed, 12, "a renewal to die in")
            scenario.kills += 1
        harness.wait_until(lambda: self.get(scenario).returncode == 0, 12, "hufu get to recover")
        scenario.check()

    def random_scenario(self, endpoint):
        scenario = Scenario(self, endpoint)
        chance = random.Random()
        for _ in range(self.rounds(25)):
            node = scenario.instance.serve(wait=False)
            end = time.monotonic() + chance.uniform(0.005, 2.5)
            while time.monotonic() < end:
                try:
                    if node.port is None:
                        node.port = harness.listening_port(node.pid)
                    else:
                        scenario.ask(node)
                except OSError:
                    pass
                threading.Event().wait(0.02)
            node.kill()
            scenario.kills += 1
        node = scenario.instance.serve()
        scenario.ask_until(node, lambda token: token and scenario.platform.judge(token) == 0, 12)
        scenario.check()

    def test_killed_at_random_moments_classic(self):
        self.random_scenario("classic")

    def test_killed_at_random_moments_stable(self):
        self.random_scenario("stable")


def add_lanes():
    for failpoint in FAILPOINTS:
        place = failpoint.replace("renew.", "")
        for endpoint in (wechat.CLASSIC, wechat.STABLE):
            def serve(self, endpoint=endpoint, failpoint=failpoint):
                self.serve_scenario(endpoint, failpoint)

            def get(self, endpoint=endpoint, failpoint=failpoint):
                self.get_scenario(endpoint, failpoint)

            setattr(Crash, f"test_serve_killed_{place}_{endpoint}", serve)
            setattr(Crash, f"test_get_killed_{place}_{endpoint}", get)


add_lanes()

if __name__ == "__main__":
    harness.main(at_once=18)
