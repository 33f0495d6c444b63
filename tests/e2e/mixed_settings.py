"""Processes that share a store and are set differently: none fights another, and none promises more than the record."""

import json
import signal
import time

import harness
import wechat

ENDPOINTS = ("classic", "stable")


class MixedSettings(harness.Case):
    def beside(self, instance, endpoint, timing):
        """A configuration of its own for the same store and app."""
        other = self.instance(apps=[], timing=timing, store=instance.settings["store"],
                              key_file=str(instance.directory / "hufu.key"))
        other.add_app(harness.APP, endpoint, instance.secrets[harness.APP])
        return other

    def clients_of(self, *nodes):
        turn = iter(range(10**9))
        return harness.Clients(lambda: nodes[next(turn) % len(nodes)].ask(), self.platform).start(8)

    def live_through(self, clients, seconds, change=lambda number: None):
        """Lets the clients live, with a change each second; how long it was."""
        started = time.monotonic()
        number = 0
        while time.monotonic() < started + seconds:
            change(number)
            number += 1
            harness.wait_until(lambda: time.monotonic() > min(started + number, started + seconds))
        clients.stop()
        self.assertEqual((clients.failures, clients.errors, clients.broken_promises()), ([], [], []))
        self.assertGreater(len(clients.promises), 20)
        self.assert_one_at_a_time()
        return time.monotonic() - started

    def assert_only_planned_renewals(self, seconds):
        """Of lives of 20 s: a token is due 14 s after the call that brought it, or later."""
        self.assertLessEqual(len(self.platform.token_calls()), 2 + seconds / 14)

    # ---- two nodes, two endpoints

    def two_nodes(self, timing):
        instance = self.instance(endpoint="classic", timing=timing)
        other = self.beside(instance, "stable", timing)
        nodes = [instance.serve().wait_until_ready(), other.serve().wait_until_ready()]
        return other, nodes

    def test_nodes_with_different_endpoints_leave_a_fresh_token_alone(self):
        _, nodes = self.two_nodes({})
        clients = self.clients_of(*nodes)
        self.live_through(clients, 8)
        self.assertEqual(len({value for value, _, _ in clients.promises}), 1)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_nodes_with_different_endpoints_renew_as_often_as_one(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        _, nodes = self.two_nodes(harness.QUICK_TIMING)
        self.assert_only_planned_renewals(self.live_through(self.clients_of(*nodes), 45))
        self.assertGreaterEqual(len(self.platform.token_calls()), 3)

    # ---- two nodes, two ideas of time

    def test_nodes_with_different_timing_leave_a_fresh_token_alone(self):
        for timing in ({"refresh_ahead": "6500s"}, {"refresh_ahead": "400s"}, {"use_slack": "200s"},
                       {"overlap": "100s", "use_slack": "5s"}):
            with self.subTest(timing):
                self.platform = self.enterContext(wechat.Wechat())
                instance = self.instance(endpoint="classic", timing={})
                other = self.beside(instance, "classic", timing)
                nodes = [each.serve().wait_until_ready() for each in (instance, other)]
                self.live_through(self.clients_of(*nodes), 3)
                self.assertEqual(len(self.platform.token_calls()), 1)

    def test_nodes_with_different_timing_keep_each_others_promises(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        instance = self.instance(endpoint="classic")
        other = self.beside(instance, "classic", {**harness.QUICK_TIMING, "refresh_ahead": "10s", "use_slack": "2s"})
        nodes = [instance.serve().wait_until_ready(), other.serve().wait_until_ready()]
        lasted = self.live_through(self.clients_of(*nodes), 45)
        # Due 9 s after the call that brought it, or later.
        self.assertLessEqual(len(self.platform.token_calls()), 2 + lasted / 9)
        self.assertGreaterEqual(len(self.platform.token_calls()), 3)

    # ---- SIGHUP

    def changed_by_sighup(self, timing, seconds):
        other, nodes = self.two_nodes(timing)

        def change(number):
            other.endpoints[harness.APP] = ENDPOINTS[number % 2]
            other.write_config()
            nodes[1].signal(signal.SIGHUP)

        return self.live_through(self.clients_of(*nodes), seconds, change)

    def test_an_endpoint_that_sighup_changes_every_second_leaves_a_fresh_token_alone(self):
        self.changed_by_sighup({}, 8)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_an_endpoint_that_sighup_changes_every_second_brings_no_renewal_early(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        self.assert_only_planned_renewals(self.changed_by_sighup(harness.QUICK_TIMING, 30))

    # ---- one node, an endpoint that is changed in the store

    def with_app_in_the_store(self, timing):
        instance = self.instance(apps=[], timing=timing)
        instance.secrets[harness.APP] = "the-same-all-the-time"
        self.platform.add_app(harness.APP, instance.secrets[harness.APP])
        self.set_endpoint(instance, "classic")
        return instance, instance.serve().wait_until_ready()

    def set_endpoint(self, instance, endpoint):
        added = instance.run("app", "add", harness.APP, "--endpoint", endpoint, "--secret-stdin",
                             stdin=instance.secrets[harness.APP])
        self.assertEqual(added.returncode, 0, added.stderr)

    def test_an_endpoint_that_is_set_back_and_forth_leaves_a_fresh_token_alone(self):
        instance, node = self.with_app_in_the_store({})
        self.live_through(self.clients_of(node), 8, lambda number: self.set_endpoint(instance, ENDPOINTS[number % 2]))
        self.assertEqual(len(self.platform.issued()), 1)
        self.assertEqual(len([call for call in self.platform.token_calls() if call.endpoint == "classic"]), 1)

    def test_an_endpoint_that_is_set_back_and_forth_breaks_no_promise(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        instance, node = self.with_app_in_the_store(harness.QUICK_TIMING)
        self.assert_only_planned_renewals(self.live_through(
            self.clients_of(node), 30, lambda number: self.set_endpoint(instance, ENDPOINTS[number % 2])))

    def test_a_refresh_does_not_come_sooner_for_an_endpoint_that_was_changed_meanwhile(self):
        instance, node = self.with_app_in_the_store({})
        self.assertEqual(instance.run("refresh").returncode, 0)
        refreshed = len(self.platform.token_calls())
        for endpoint in ("stable", "classic") * 2:
            self.set_endpoint(instance, endpoint)
            again = instance.run("refresh")
            self.assertEqual(again.returncode, 8, f"{endpoint}: {again.stdout}{again.stderr}")
        self.assertEqual(len(self.platform.token_calls()), refreshed)
        self.assertTrue(node.running)

    # ---- the configuration of a reader

    def reader(self, served_as, read_as):
        """A server has the app one way, a command that knows the environment alone another."""
        instance = self.instance(endpoint=served_as, timing={})
        key = instance.key()
        node = instance.serve().wait_until_ready()
        served = harness.wait_until(lambda: (found := node.ask_v1(key)).status == 200 and found, what="the key").json
        environment = {"HUFU_CONFIG": "", "HUFU_STORE": instance.settings["store"],
                       "HUFU_KEY_FILE": str(instance.directory / "hufu.key"), "WECHAT_APPID": harness.APP,
                       "WECHAT_APPSECRET": instance.secrets[harness.APP], "WECHAT_BASE_URL": self.platform.base_url}
        if read_as is not None:
            environment["WECHAT_ENDPOINT"] = read_as
        instance.config.rename(instance.directory / "elsewhere.toml")
        result = instance.run("get", "--json", env=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        read = json.loads(result.stdout)
        self.assertEqual(read["token"], served["token"])
        self.assertEqual(len(self.platform.token_calls()), 1)
        return served, read

    def test_a_command_promises_of_a_classic_token_no_more_than_the_server_that_fetched_it(self):
        for read_as in (None, "stable", "classic"):
            with self.subTest(read_as):
                self.platform = self.enterContext(wechat.Wechat())
                served, read = self.reader("classic", read_as)
                self.assertLessEqual(read["expires_in"], served["expires_in"])
                # To the planned renewal and the overlap behind it, less the slack.
                self.assertLessEqual(read["expires_in"], 7200 - 1800 + 180 + 300)

    def test_a_command_promises_of_a_stable_token_no_more_than_the_server_that_fetched_it(self):
        for read_as in (None, "classic"):
            with self.subTest(read_as):
                self.platform = self.enterContext(wechat.Wechat())
                served, read = self.reader("stable", read_as)
                self.assertLessEqual(read["expires_in"], served["expires_in"])


if __name__ == "__main__":
    harness.main(at_once=6)
