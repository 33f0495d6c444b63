"""Coming and going costs the platform nothing and the callers nothing."""

import http.client
import pathlib
import re
import signal
import threading
import time

import harness
import wechat


class Restarts(harness.Case):
    def test_thirty_restarts_call_the_platform_not_once(self):
        for endpoint in ("classic", "stable"):
            with self.subTest(endpoint):
                app = f"wx{endpoint}"
                instance = self.instance(apps=[app], endpoint=endpoint, timing={})
                node = instance.serve()
                token = self.assert_token(node.ask(app))
                for _ in range(30):
                    self.assertEqual(node.terminate(), 0, node.stderr())
                    node = instance.serve()
                    self.assertEqual(self.assert_token(node.ask(app)), token)
                self.assertEqual(len(self.platform.token_calls(app)), 1)

    def test_a_token_that_was_never_asked_for_is_fetched_soon_after_the_start(self):
        apps = [f"wx{number:016x}" for number in range(20)]
        instance = self.instance(apps=apps, timing={})
        node = instance.serve()
        self.platform.wait_for(lambda platform: len(platform.token_calls()) >= 20, harness.PATIENCE)
        node.wait_until_ready()
        self.assertEqual({call.appid for call in self.platform.token_calls()}, set(apps))
        self.assertEqual(len(self.platform.token_calls()), 20)

    def test_kill_9_leaves_no_shared_memory_behind(self):
        """A driver leaves some, by the number of the process; who gets that number next would complain on stderr."""
        node = self.instance(timing={}).serve()
        node.kill()
        its = re.compile(rf"(?<!\d){node.pid}(?!\d)")
        self.assertEqual([path.name for path in pathlib.Path("/dev/shm").iterdir() if its.search(path.name)], [])

    def test_sigterm_under_load_cuts_no_answer(self):
        instance = self.instance(timing={})
        for _ in range(5):
            node = instance.serve().wait_until_ready()
            stop, cut, answered = threading.Event(), [], [0]

            def load(node=node, stop=stop, cut=cut, answered=answered):
                client = node.client()
                while not stop.is_set():
                    try:
                        reply = client.request("GET", node.token_path())
                        answered[0] += 1
                        if reply.status != 200 or "access_token" not in reply.json:
                            cut.append(repr(reply))
                    except http.client.IncompleteRead as failure:
                        cut.append(repr(failure))
                    except (http.client.BadStatusLine, OSError):
                        # Between two answers a server may close, and then refuse.
                        if not node.running or node.stopping:
                            return
                        cut.append("closed before the end was asked for")
                        return

            node.stopping = False
            threads = [threading.Thread(target=load) for _ in range(16)]
            for thread in threads:
                thread.start()
            harness.wait_until(lambda answered=answered: answered[0] > 300, what="load")
            node.stopping = True
            self.assertEqual(node.terminate(), 0, node.stderr())
            stop.set()
            for thread in threads:
                thread.join(harness.PATIENCE)
            self.assertEqual(cut, [])

    def test_sigterm_lets_those_who_wait_for_a_renewal_have_it(self):
        instance = self.instance(timing={})
        self.platform.fail(wechat.slow(2))
        node = instance.serve()
        with harness.socket.create_connection(("127.0.0.1", node.port), harness.PATIENCE) as waiting:
            waiting.sendall(f"GET {node.token_path()} HTTP/1.1\r\nHost: hufu\r\n\r\n".encode())
            harness.wait_until(lambda: harness.has_read(node.port, waiting), what="the question to be read")
            self.platform.wait_for(lambda platform: platform.token_calls(), harness.PATIENCE)
            self.assertEqual(node.terminate(), 0, node.stderr())
            self.assertIn(b"access_token", waiting.recv(65536), "the one who waited was cut off")
        self.platform.heal()
        # What was paid for is kept: the next start finds it.
        node = instance.serve()
        self.assert_token(node.ask())
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_sighup_adds_an_app_and_drops_no_connection(self):
        instance = self.instance(timing={})
        node = instance.serve().wait_until_ready()
        client = node.client()
        token = self.assert_token(node.ask(client=client))
        self.assertEqual(client.request("GET", node.token_path("wxnew", "x")).json["errcode"], 40013)
        instance.add_app("wxnew")
        node.signal(signal.SIGHUP)
        harness.wait_until(lambda: "access_token" in node.ask("wxnew", client=client), what="the new app")
        self.assertEqual(self.assert_token(node.ask(client=client)), token)
        self.assertEqual(client.dialled, 1, "the connection was dropped")
        self.assertEqual(len(self.platform.token_calls(harness.APP)), 1)

    def test_sighup_with_a_broken_file_changes_nothing(self):
        instance = self.instance(timing={})
        node = instance.serve().wait_until_ready()
        token = self.assert_token(node.ask())
        right = instance.config.read_text()
        instance.config.write_text(right + "\nno_such_key = 1\n")
        node.signal(signal.SIGHUP)
        harness.wait_until(lambda: "no_such_key" in node.stderr(), what="a complaint about the file")
        self.assertTrue(node.running)
        self.assertEqual(self.assert_token(node.ask()), token)

    def test_sighup_takes_an_app_away(self):
        instance = self.instance(apps=[harness.APP, "wxgone"], timing={})
        node = instance.serve().wait_until_ready()
        self.assert_token(node.ask("wxgone"))
        del instance.endpoints["wxgone"]
        instance.write_config()
        node.signal(signal.SIGHUP)
        harness.wait_until(lambda: node.ask("wxgone").get("errcode") == 40013, what="the app to be unknown")
        self.assert_token(node.ask())

    def test_a_new_key_is_known_within_a_second(self):
        instance = self.instance(timing={})
        node = instance.serve().wait_until_ready()
        key = instance.key(name="shop")
        made = time.monotonic()
        harness.wait_until(lambda: node.ask_v1(key).status == 200, what="the key to be known")
        self.assertLess(time.monotonic() - made, 3)
        self.assert_token(node.ask(secret=key))
        self.assertEqual(instance.run("key", "revoke", "shop").returncode, 0)
        revoked = time.monotonic()
        harness.wait_until(lambda: node.ask_v1(key).status == 401, what="the key to be unknown")
        self.assertLess(time.monotonic() - revoked, 3)


if __name__ == "__main__":
    harness.main(at_once=4)
