"""The schedule of attempts is in the store: a cron of commands calls no oftener than one patient server would."""

import time

import harness
import wechat


class SharedBackoff(harness.Case):
    def cron(self, instance, seconds, at_once=3):
        """Runs `hufu get` without pause; the exit statuses."""
        deadline = time.monotonic() + seconds
        statuses = []
        while time.monotonic() < deadline:
            statuses += [result.returncode for result in harness.together([lambda: instance.run("get")] * at_once)]
        return statuses

    def test_a_refusal_that_needs_a_person_is_asked_about_once(self):
        self.platform.fail(wechat.errcode(40164))
        instance = self.instance(timing={})
        statuses = self.cron(instance, 8)
        self.assertGreater(len(statuses), 5)
        self.assertEqual(set(statuses), {4})
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_a_full_minute_is_waited_for(self):
        self.platform.fail(wechat.errcode(45011))
        instance = self.instance(timing={})
        self.assertEqual(set(self.cron(instance, 8)), {4})
        self.assertEqual(len(self.platform.token_calls()), 1)

    def grows(self, fault):
        self.platform.fail(fault)
        instance = self.instance(timing={})
        self.assertLessEqual(set(self.cron(instance, 16)), {4, 5})
        calls = self.platform.token_calls()
        self.assertGreaterEqual(len(calls), 3, "it gave up")
        for number, (earlier, later) in enumerate(zip(calls, calls[1:])):
            self.assertGreaterEqual(later.started - earlier.started, min(2**number, 15) / 4 - 0.1, f"gap {number + 1}")
        self.assertLessEqual(len(calls), 8)
        # Well again: the next attempt that is due brings the token to all.
        self.platform.heal()
        harness.wait_until(lambda: instance.run("get").returncode == 0, 17, "hufu get to succeed")

    def test_a_busy_platform_is_asked_at_growing_gaps(self):
        self.grows(wechat.errcode(-1))

    def test_a_broken_platform_is_asked_at_growing_gaps(self):
        self.grows(wechat.SERVER_ERROR)

    def test_restarts_of_a_server_do_not_forget_the_schedule(self):
        self.platform.fail(wechat.errcode(40125))
        instance = self.instance(timing={})
        for _ in range(10):
            node = instance.serve()
            self.assertEqual(node.ask()["errcode"], 40125)
            node.kill()
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_a_server_and_commands_share_one_schedule(self):
        self.platform.fail(wechat.errcode(40125))
        instance = self.instance(timing={})
        nodes = [instance.serve() for _ in range(2)]
        for node in nodes:
            self.assertEqual(node.ask()["errcode"], 40125)
        self.assertEqual(set(self.cron(instance, 4)), {4})
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_a_cron_that_finds_a_token_calls_nobody(self):
        instance = self.instance(timing={})
        self.assertEqual(set(self.cron(instance, 4)), {0})
        self.assertEqual(len(self.platform.token_calls()), 1)


if __name__ == "__main__":
    harness.main(at_once=8)
