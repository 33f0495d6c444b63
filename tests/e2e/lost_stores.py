"""A store that loses everything under a running server: what is in memory goes on, and costs the platform no call."""

import pathlib
import resource
import sys
import time

import harness
import wechat

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cluster"))
import servers  # pylint: disable=wrong-import-position


class FlushedRedis(harness.Case):
    def setUp(self):
        super().setUp()
        if reason := servers.why_not("redis"):
            self.skipTest(reason)
        self.redis = self.enterContext(servers.Redis())

    def on_redis(self, **settings):
        return self.instance(store=self.redis.uri(), key_file=str(self.redis.directory / "hufu.key"), **settings)

    def has_token(self):
        return self.redis.ask("EXISTS", "{hufu}:token:" + harness.APP + ":access_token") == ":1"

    def flush(self):
        self.assertTrue(self.has_token(), "the test does not know where the token lies")
        self.assertEqual(self.redis.ask("FLUSHALL"), "+OK")

    def wait_until_written_back(self):
        harness.wait_until(self.has_token, what="the token to be in Redis again")

    def gets_the_token_back(self, endpoint):
        instance = self.on_redis(endpoint=endpoint, timing={})
        nodes = [instance.serve().wait_until_ready() for _ in range(2)]
        token = self.assert_token(nodes[0].ask())
        for _ in range(3):
            self.flush()
            self.wait_until_written_back()
        for node in (*nodes, instance.serve().wait_until_ready()):
            self.assertEqual(self.assert_token(node.ask()), token)
        self.assertEqual(instance.run("get").stdout.strip(), token)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_it_gets_a_classic_token_back_without_a_call(self):
        self.gets_the_token_back("classic")

    def test_it_gets_a_stable_token_back_without_a_call(self):
        self.gets_the_token_back("stable")

    def test_it_promises_no_more_than_before(self):
        instance = self.on_redis(endpoint="classic", timing={})
        node = instance.serve().wait_until_ready()
        promised = node.ask()["expires_in"]
        self.flush()
        self.wait_until_written_back()
        self.assertLessEqual(harness.json.loads(instance.run("get", "--json").stdout)["expires_in"], promised)
        self.assertEqual(node.terminate(), 0)
        self.assertLessEqual(instance.serve().wait_until_ready().ask()["expires_in"], promised)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_it_may_be_flushed_after_every_renewal(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=20, overlap=6))
        instance = self.on_redis(endpoint="classic")
        nodes = [instance.serve().wait_until_ready() for _ in range(2)]
        turn = iter(range(10**9))
        started = time.monotonic()
        clients = harness.Clients(lambda: nodes[next(turn) % 2].ask(), self.platform).start(8)
        for renewals in range(1, 4):
            self.platform.wait_for(lambda platform, least=renewals: len(platform.issued()) >= least, 40, "a renewal")
            current = self.platform.issued()[-1].value
            harness.wait_until(lambda: {self.assert_token(node.ask()) for node in nodes} == {current},
                               what="both nodes to have it")
            for _ in range(2):
                self.flush()
                self.wait_until_written_back()
        clients.stop()
        self.assertEqual((clients.failures, clients.errors, clients.broken_promises()), ([], [], []))
        self.assert_one_at_a_time()
        self.assertLessEqual(len(self.platform.token_calls()), 1 + (time.monotonic() - started) / 13)

    def test_a_node_with_another_key_file_is_still_refused(self):
        instance = self.on_redis(timing={})
        node = instance.serve().wait_until_ready()
        token = self.assert_token(node.ask())
        self.flush()
        self.wait_until_written_back()
        stranger = instance.run("get", "--key-file", str(instance.directory / "another.key"))
        self.assertNotEqual(stranger.returncode, 0, "it would seal the same store with another key")
        right = instance.run("get")
        self.assertEqual(right.stdout.strip(), token, f"{stranger.stderr}{right.stderr}")
        self.assertEqual(self.assert_token(node.ask()), token)
        self.assertEqual(len(self.platform.token_calls()), 1)


class RemovedFile(harness.Case):
    def remove(self, instance):
        found = list(instance.directory.glob("hufu.db*"))
        self.assertTrue(found)
        for path in found:
            path.unlink()

    def wait_until_noticed(self, node):
        reply = harness.wait_until(lambda: (found := node.get("/readyz")).status == 503 and found, what="503")
        self.assertEqual(reply.json["reason"], "the store cannot be used")
        told = "was removed or replaced while it was in use"
        harness.wait_until(lambda: told in node.stderr(), what="the log to tell")

    def test_it_is_noticed_told_once_and_served_from_memory(self):
        instance = self.instance(endpoint="classic", timing={})
        node = instance.serve().wait_until_ready()
        token = self.assert_token(node.ask())
        self.remove(instance)
        self.wait_until_noticed(node)
        for _ in range(100):
            self.assertEqual(self.assert_token(node.ask()), token)
            self.assertEqual(node.get("/readyz").status, 503)
        self.assertEqual(node.get("/healthz").status, 200)
        told = [line for line in node.stderr().splitlines() if "was removed or replaced" in line]
        self.assertEqual(len(told), 1)
        self.assertIn("start hufu again", told[0])
        self.assertEqual(node.terminate(), 0, node.stderr())
        self.assertEqual(len(self.platform.token_calls()), 1)
        self.assertEqual(list(instance.directory.glob("hufu.db*")), [], "it wrote to what is no longer there")

    def test_a_start_on_the_empty_place_fetches_once(self):
        instance = self.instance(endpoint="classic", timing={})
        node = instance.serve().wait_until_ready()
        self.remove(instance)
        self.wait_until_noticed(node)
        self.assertEqual(node.terminate(), 0, node.stderr())
        for _ in range(3):
            node = instance.serve().wait_until_ready()
            self.assert_token(node.ask())
            self.assertEqual(node.terminate(), 0, node.stderr())
        self.assertEqual(len(self.platform.token_calls()), 2)

    def test_it_is_well_again_when_the_file_is_put_back(self):
        instance = self.instance(endpoint="classic", timing={})
        node = instance.serve().wait_until_ready()
        token = self.assert_token(node.ask())
        elsewhere = instance.directory / "elsewhere"
        elsewhere.mkdir()
        for path in list(instance.directory.glob("hufu.db*")):
            path.rename(elsewhere / path.name)
        self.wait_until_noticed(node)
        for path in list(elsewhere.iterdir()):
            path.rename(instance.directory / path.name)
        node.wait_until_ready()
        self.assertEqual(self.assert_token(node.ask()), token)
        self.assertEqual(instance.run("get").stdout.strip(), token)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_a_file_of_another_program_in_its_place_is_not_written_to(self):
        instance = self.instance(endpoint="classic", timing={})
        node = instance.serve().wait_until_ready()
        token = self.assert_token(node.ask())
        self.remove(instance)
        instance.database.write_bytes(b"somebody's notes\n" * 100)
        self.wait_until_noticed(node)
        self.assertEqual(self.assert_token(node.ask()), token)
        self.assertEqual(node.terminate(), 0, node.stderr())
        self.assertEqual(instance.database.read_bytes(), b"somebody's notes\n" * 100)
        self.assertEqual(len(self.platform.token_calls()), 1)


class FileThatMayNotGrow(harness.Case):
    def test_it_ends_no_server_and_costs_no_call(self):
        """The limit on a file's size (`ulimit -f`) ends a program that does not ask to go on. The log has it, too."""
        instance = self.instance(endpoint="classic", timing={})
        key = instance.key("--can", "read,refresh")
        node = instance.serve().wait_until_ready()
        token = self.assert_token(node.ask())
        bearer = {"Authorization": f"Bearer {key}"}
        refresh = f"/v1/apps/{harness.APP}/token/refresh"
        before = resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        self.assertEqual(node.send("POST", refresh, headers=bearer).status, 503)
        for _ in range(20):
            self.assertEqual(self.assert_token(node.ask()), token)
        self.assertTrue(node.running)
        self.assertEqual(len(self.platform.token_calls()), 1, "a call that cannot be written down is not made")
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, before)
        harness.wait_until(lambda: node.send("POST", refresh, headers=bearer).status == 200, what="a refresh")
        self.assertEqual(len(self.platform.token_calls()), 2)
        self.assertEqual(node.terminate(), 0, node.stderr())


if __name__ == "__main__":
    harness.main(at_once=4)
