"""Clients that report and clients that wait: a living token stays, and who waits is told what is true and no more."""

import json
import secrets
import socket
import threading
import time

import harness


class Reports(harness.Case):
    def setUp(self):
        super().setUp()
        self.hufu = self.instance(endpoint="classic", timing={})
        self.key = self.hufu.key("--can", "read,report,refresh")
        self.node = self.hufu.serve().wait_until_ready()
        harness.wait_until(lambda: self.node.ask_v1(self.key).status == 200, what="the key to be known")
        self.token = self.node.ask_v1(self.key).json["token"]

    def report(self, token, client=None):
        reply = (client or self.node.client()).request("POST", f"/v1/apps/{harness.APP}/token/report",
                                                       json.dumps({"token": token}),
                                                       {"Authorization": f"Bearer {self.key}"})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def force(self):
        body = {"grant_type": "client_credential", "appid": harness.APP, "secret": self.hufu.secrets[harness.APP],
                "force_refresh": True}
        return self.node.send("POST", "/cgi-bin/stable_token", json.dumps(body)).json

    def test_a_living_token_that_is_reported_thousands_of_times_stays(self):
        began = time.monotonic()
        reported = [0] * 4

        def insist(number):
            client = self.node.client()
            # Longer than a verdict holds.
            while time.monotonic() < began + 12 or reported[number] < 600:
                answer = self.report(self.token, client)
                self.assertEqual((answer["outcome"], answer["token"]), ("alive", self.token))
                if reported[number] % 50 == 0:  # And as SDKs do.
                    self.assertEqual(self.assert_token(self.force()), self.token)
                    self.assertEqual(self.assert_token(self.node.ask()), self.token)
                reported[number] += 1

        harness.together([lambda number=number: insist(number) for number in range(len(reported))])
        lasted = time.monotonic() - began
        self.assertEqual(len(self.platform.token_calls()), 1)
        # One for each time that a verdict holds, and one a minute for those who ask again.
        probes = len(self.platform.probes(since=began))
        self.assertGreaterEqual(probes, 2)
        self.assertLessEqual(probes, 2 + lasted / 10 + lasted / 60, f"{sum(reported)} reports in {lasted:.0f} s")
        self.assertEqual(self.platform.judge(self.token), 0)

    def test_an_older_token_and_an_unknown_one_cost_nothing_however_often(self):
        renewed = self.node.send("POST", f"/v1/apps/{harness.APP}/token/refresh",
                                 headers={"Authorization": f"Bearer {self.key}"})
        self.assertEqual(renewed.status, 200, renewed)
        newer = renewed.json["token"]
        before = self.calls()
        client = self.node.client()
        for _ in range(300):
            for token, outcome in ((self.token, "already_newer"), (secrets.token_hex(60), "unknown")):
                answer = self.report(token, client)
                self.assertEqual((answer["outcome"], answer["token"]), (outcome, newer))
        self.assertEqual(self.calls(), before)

    def test_a_dead_token_is_renewed_once_for_all_who_report_it(self):
        self.platform.revoke(self.token)
        answers = harness.together([lambda: self.report(self.token) for _ in range(50)])
        self.assertEqual(len({answer["token"] for answer in answers}), 1)
        self.assertNotEqual(answers[0]["token"], self.token)
        self.assertLessEqual({answer["outcome"] for answer in answers}, {"renewed", "already_newer"})
        self.assertEqual(len(self.platform.token_calls()), 2)
        self.assertEqual(len(self.platform.probes()), 1)


class Poll:
    """A question that waits for the next token, on a connection of its own."""

    def __init__(self, node, app, key, etag):
        self.connection = socket.create_connection(("127.0.0.1", node.port), harness.PATIENCE)
        self.connection.sendall(f"GET /v1/apps/{app}/token?wait=60 HTTP/1.1\r\nHost: hufu\r\nIf-None-Match: {etag}\r\n"
                                f"Authorization: Bearer {key}\r\nConnection: close\r\n\r\n".encode())
        harness.wait_until(lambda: harness.has_read(node.port, self.connection), what="the question to be read")
        self.answer, self.ended = None, None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        with self.connection, self.connection.makefile("rb") as stream:
            self.answer = stream.read()
            self.ended = time.monotonic()

    def wait(self):
        """The status and the text."""
        self._thread.join(harness.PATIENCE)
        if self.answer is None:
            raise AssertionError("no answer")
        return int(self.answer.split()[1]), self.answer.decode()


class Polls(harness.Case):
    #: A second, on a machine that does other things as well; far from the minute that they asked for.
    PROMPTLY = 15

    def setUp(self):
        super().setUp()
        self.apps = [f"wx{number:016x}" for number in range(3)]
        self.hufu = self.instance(apps=[], timing={})
        for app in self.apps:
            self.add(app)
        self.operator = self.hufu.key("--can", "read,refresh,admin")
        self.node = self.hufu.serve().wait_until_ready()

    def add(self, app):
        secret = self.hufu.secrets.setdefault(app, secrets.token_hex(16))
        self.platform.add_app(app, secret)
        added = self.hufu.run("app", "add", app, "--endpoint", "classic", "--secret-stdin", stdin=secret)
        self.assertEqual(added.returncode, 0, added.stderr)

    def ask(self, app, key=None):
        key = key or self.operator
        return harness.wait_until(lambda: (found := self.node.ask_v1(key, app)).status == 200 and found, what="a token")

    def refresh(self, app):
        reply = self.node.send("POST", f"/v1/apps/{app}/token/refresh",
                               headers={"Authorization": f"Bearer {self.operator}"})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["token"]

    def test_a_poll_ends_with_the_next_token(self):
        known = self.ask(self.apps[0])
        poll = Poll(self.node, self.apps[0], self.operator, known.headers["ETag"])
        newer = self.refresh(self.apps[0])
        status, text = poll.wait()
        self.assertEqual(status, 200)
        self.assertIn(newer, text)

    def test_a_poll_whose_key_is_revoked_ends_with_401(self):
        app = self.apps[0]
        key = self.hufu.key(name="gone")
        poll = Poll(self.node, app, key, self.ask(app, key).headers["ETag"])
        self.assertEqual(self.hufu.run("key", "revoke", "gone").returncode, 0)
        revoked = time.monotonic()
        status, text = poll.wait()
        self.assertEqual(status, 401, text)
        self.assertLess(poll.ended - revoked, self.PROMPTLY)

    def test_a_poll_whose_key_is_revoked_is_not_told_the_next_token(self):
        for number, app in enumerate(self.apps):
            name = f"gone{number}"
            key = self.hufu.key(name=name)
            poll = Poll(self.node, app, key, self.ask(app, key).headers["ETag"])
            self.assertEqual(self.hufu.run("key", "revoke", name).returncode, 0)
            harness.wait_until(lambda key=key, app=app: self.node.ask_v1(key, app).status == 401, what="the key to go")
            newer = self.refresh(app)
            status, text = poll.wait()
            self.assertEqual(status, 401, text)
            self.assertNotIn(newer, text)

    def test_a_poll_whose_app_is_removed_ends_with_404(self):
        app = self.apps[0]
        poll = Poll(self.node, app, self.operator, self.ask(app).headers["ETag"])
        self.assertEqual(self.hufu.run("app", "remove", app).returncode, 0)
        removed = time.monotonic()
        status, text = poll.wait()
        self.assertEqual(status, 404, text)
        self.assertLess(poll.ended - removed, self.PROMPTLY)

    def test_no_two_tokens_have_one_etag_though_the_app_was_removed_and_added_again(self):
        app = self.apps[0]
        seen = {}
        for _ in range(4):
            reply = self.ask(app)
            self.assertNotIn(reply.headers["ETag"], seen)
            self.assertNotIn(reply.json["token"], seen.values())
            seen[reply.headers["ETag"]] = reply.json["token"]
            for etag, token in seen.items():
                again = self.node.get(f"/v1/apps/{app}/token", {"Authorization": f"Bearer {self.operator}",
                                                                "If-None-Match": etag})
                self.assertEqual(again.status, 304 if token == reply.json["token"] else 200)
            self.assertEqual(self.hufu.run("app", "remove", app).returncode, 0)
            harness.wait_until(lambda: self.node.ask_v1(self.operator, app).status == 404, what="the app to go")
            self.add(app)


if __name__ == "__main__":
    harness.main(at_once=3)
