"""A platform that hufu.toml describes, `[platform.NAME]`, is a real OAuth 2.0 server: oidc-provider, on Node.js."""

import base64
import collections
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import harness

TOP = pathlib.Path(__file__).parents[2]
MODULES = TOP / "build/oauth/node_modules"

#: Everything that a credential may hold and that Basic has to encode. No blank: Hufu takes that for damage.
ODD = ":%+&=?#\"'"
PROBE = 'probe = { path = "/token/introspection" }'
#: For lives of ten seconds. The others have the usual times: a server that was just started is slow at first.
SHORT = {**harness.QUICK_TIMING, "lease": "4s", "request_timeout": "2s"}


class Server:
    """The server, which itself says by introspection whether a token is alive, and until when."""

    def __init__(self, auth="client_secret_basic", lifetime=3600):
        self.auth, self.lifetime = auth, lifetime
        self.port = harness.free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.clients = {}
        self.process = None
        self.directory = tempfile.mkdtemp(prefix="hufu-oauth-")

    def add_app(self, app, secret):
        """Known from the next start on."""
        self.clients[app] = secret

    def start(self):
        clients = [{"id": app, "secret": secret, "auth": self.auth} for app, secret in self.clients.items()]
        environment = {**os.environ, "NODE_PATH": str(MODULES), "OAUTH_CLIENTS": json.dumps(clients)}
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(["node", str(TOP / "tests/oauth/server.cjs"), str(self.port),
                                             str(self.lifetime)], stdout=log, stderr=log, env=environment)
        harness.wait_until(self._answers, what="the OAuth server to answer")

    def stop(self):
        """At once, so that connections are refused. It forgets every token."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def end(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def introspect(self, token):
        """What it says of a token, RFC 7662."""
        return json.loads(self._call("/token/introspection", token))

    def revoke(self, token):
        """RFC 7009."""
        self._call("/token/revocation", token)

    def _call(self, path, token):
        app, secret = next(iter(self.clients.items()))
        fields, headers = {"token": token}, {}
        if self.auth == "client_secret_basic":
            pair = f"{urllib.parse.quote_plus(app)}:{urllib.parse.quote_plus(secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            fields.update(client_id=app, client_secret=secret)
        request = urllib.request.Request(self.base_url + path, urllib.parse.urlencode(fields).encode(), headers)
        with urllib.request.urlopen(request, timeout=harness.PATIENCE) as reply:
            return reply.read()

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended: {pathlib.Path(self.directory, 'log').read_text()}")
        try:
            harness.socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


class Instance(harness.Instance):
    """Keeps apps of the platform "acme". `described` are further lines of its section."""

    def __init__(self, server, app, *described, **keywords):
        self.described = described
        super().__init__(server, [app], **{"timing": {}, **keywords})

    def write_config(self):
        lines = [f"{key} = {json.dumps(value)}" for key, value in self.settings.items()]
        lines += ["", "[platform.acme]", f'base_url = "{self.platform.base_url}"', 'path = "/token"', *self.described]
        lines += ["", "[timing]", *(f"{key} = {json.dumps(value)}" for key, value in self.timing.items())]
        for app in self.secrets:
            secret = json.dumps(str(self.secret_file(app)))
            lines += ["", "[[app]]", f'id = "{app}"', 'platform = "acme"', f"secret = {{ file = {secret} }}"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in self.app_settings.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def secret_file(self, app):
        return self.directory / f"{app}.secret"


class OAuth(harness.Case):
    def setUp(self):
        self.given = []  # Secrets that Hufu was given,
        self.said = []  # and all that it printed.

    def serve_oauth(self, *described, app="shop", auth="client_secret_basic", lifetime=3600, **keywords):
        """A server with one client, and a Hufu that keeps it."""
        self.app, self.platform = app, Server(auth, lifetime)
        self.addCleanup(self.platform.end)
        self.hufu = self.enterContext(Instance(self.platform, app, *described, **keywords))
        self.addCleanup(self.assert_no_secret)  # Before the files are gone.
        self.platform.clients[app] = self.give_secret(secrets.token_hex(16) + ODD)
        self.platform.start()

    def give_secret(self, secret):
        """Lets Hufu have it, whether or not it is the client's."""
        self.hufu.secret_file(self.app).write_text(secret + "\n")
        self.given.append(secret)
        return secret

    def run_hufu(self, *arguments, status=0, **keywords):
        result = self.hufu.run(*arguments, **keywords)
        self.said += [result.stdout, result.stderr]
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        return result

    def get(self):
        return self.run_hufu("get").stdout.strip()

    def report(self, token):
        """The outcome, and the token that holds now."""
        answer = json.loads(self.run_hufu("report", "--json", stdin=token).stdout)
        return answer["outcome"], answer["token"]

    def assert_no_secret(self):
        """Neither as it is nor as Basic carries it."""
        logs = [text for process in self.hufu.processes for text in (process.stdout(), process.stderr())]
        printed = "\n".join(self.said + logs)
        for secret in self.given:
            pair = f"{urllib.parse.quote_plus(self.app)}:{urllib.parse.quote_plus(secret)}"
            for form in (secret.removesuffix(ODD), base64.b64encode(pair.encode()).decode()):
                self.assertNotIn(form, printed)

    def assert_alive(self, token):
        self.assertTrue(self.platform.introspect(token)["active"])

    # ---- a token

    def test_a_client_that_proves_itself_by_basic_gets_a_token(self):
        self.serve_oauth()
        self.assert_alive(self.get())

    def test_a_client_that_proves_itself_in_the_body_gets_a_token(self):
        self.serve_oauth('client_auth = "body"', auth="client_secret_post")
        self.assert_alive(self.get())

    def test_an_id_may_hold_what_basic_has_to_encode(self):
        self.serve_oauth(app="shop:eu+1%")
        self.assertEqual(self.platform.introspect(self.get())["client_id"], "shop:eu+1%")

    def test_one_call_is_enough_for_all_who_ask_while_it_lives(self):
        self.serve_oauth()
        self.assertEqual(len({self.get() for _ in range(5)}), 1)

    def test_the_promise_is_the_servers_lifetime_less_the_slack(self):
        self.serve_oauth(lifetime=600)
        record = json.loads(self.run_hufu("get", "--json").stdout)
        self.assertLessEqual(record["expires_in"], 580)
        self.assertGreater(record["expires_in"], 580 - harness.PATIENCE)
        self.assertEqual(record["kind"], "access_token")

    def test_a_setting_fills_a_parameter(self):
        self.serve_oauth(app_settings={"scope": "orders"})
        self.assertEqual(self.platform.introspect(self.get())["scope"], "orders")

    def test_a_parameter_whose_setting_is_empty_is_left_out(self):
        self.serve_oauth()
        self.assertNotIn("scope", self.platform.introspect(self.get()))

    def test_app_test_tries_the_secret(self):
        self.serve_oauth()
        self.run_hufu("app", "test", self.app)

    # ---- a report

    def test_a_report_of_a_living_token_renews_nothing(self):
        self.serve_oauth(PROBE)
        token = self.get()
        self.assertEqual(self.report(token), ("alive", token))

    def test_a_token_that_the_server_took_back_is_renewed_when_it_is_reported(self):
        self.serve_oauth(PROBE)
        token = self.get()
        self.platform.revoke(token)
        outcome, successor = self.report(token)
        self.assertEqual(outcome, "renewed")
        self.assertNotEqual(successor, token)
        self.assert_alive(successor)
        self.assertEqual(self.get(), successor)

    def test_an_older_token_brings_the_current_one(self):
        self.serve_oauth(PROBE)
        token = self.get()
        self.platform.revoke(token)
        _, successor = self.report(token)
        self.assertEqual(self.report(token), ("already_newer", successor))

    def test_without_a_probe_a_report_is_believed(self):
        self.serve_oauth()
        token = self.get()
        outcome, successor = self.report(token)
        self.assertEqual(outcome, "renewed")
        self.assertNotEqual(successor, token)
        self.assert_alive(token)
        self.assert_alive(successor)

    def test_without_a_probe_a_token_that_the_server_took_back_is_renewed_too(self):
        self.serve_oauth()
        token = self.get()
        self.platform.revoke(token)
        outcome, successor = self.report(token)
        self.assertEqual(outcome, "renewed")
        self.assert_alive(successor)

    def test_introspection_proves_itself_in_the_body_where_the_client_does(self):
        self.serve_oauth('client_auth = "body"', PROBE, auth="client_secret_post")
        token = self.get()
        self.assertEqual(self.report(token), ("alive", token))
        self.platform.revoke(token)
        self.assertEqual(self.report(token)[0], "renewed")

    # ---- what is refused

    def test_a_wrong_secret_is_named(self):
        self.serve_oauth()
        self.give_secret(secrets.token_hex(16))
        for command in (["get"], ["app", "test", self.app]):
            refused = self.run_hufu(*command, status=4)
            self.assertIn("invalid_client", refused.stderr)
            self.assertIn("client authentication failed", refused.stderr)
            self.assertIn(f"check the id {self.app}, and set its secret anew", refused.stderr)
            self.assertNotIn("access_token", refused.stdout)

    def test_a_client_that_proves_itself_in_another_way_than_it_should_is_refused(self):
        self.serve_oauth(auth="client_secret_post")
        self.assertIn("the client is registered with client_secret_post", self.run_hufu("get", status=4).stderr)

    def test_a_scope_that_the_client_may_not_have_is_named(self):
        self.serve_oauth(app_settings={"scope": "invoices"})
        refused = self.run_hufu("get", status=4)
        self.assertIn("invalid_scope", refused.stderr)
        self.assertIn(f"check the scope of {self.app}", refused.stderr)

    def test_a_kind_that_is_not_described_is_unknown(self):
        self.serve_oauth()
        self.assertIn("access_token", self.run_hufu("get", "--kind", "id_token", status=3).stderr)

    def test_a_page_that_the_server_does_not_have_brings_no_token(self):
        self.serve_oauth('method = "GET"')
        self.assertEqual(self.run_hufu("get", status=4).stdout, "")

    def test_a_server_that_is_down_cannot_be_reached(self):
        self.serve_oauth()
        self.platform.stop()
        self.run_hufu("get", status=5)

    # ---- over several lives

    def test_no_token_is_refused_within_its_promise_over_several_short_lives(self):
        """The server counts in whole seconds: a token lives up to a second less than it says. The slack makes up."""
        self.serve_oauth(PROBE, lifetime=10, timing=SHORT)
        key = self.hufu.key()
        node = self.hufu.serve().wait_until_ready()
        client = node.client()
        asked = collections.Counter()

        def ask():
            at = time.time()
            reply = client.request("GET", f"/v1/apps/{self.app}/token", headers={"Authorization": f"Bearer {key}"})
            self.assertEqual(reply.status, 200, f"{reply} {node.stderr()}")
            answer = reply.json
            asked[answer["token"]] += 1
            judged = self.platform.introspect(answer["token"])
            if time.time() < at + answer["expires_in"]:
                self.assertTrue(judged["active"], f"{answer} {node.stderr()}")
            if judged["active"]:
                self.assertGreaterEqual(judged["exp"], at + answer["expires_in"])
            return len(asked) == (3 if harness.options.quick else 8)

        harness.wait_until(ask, 120, "several tokens")
        self.assertGreater(sum(asked.values()), 5 * len(asked))

    def test_while_the_server_is_down_a_token_is_served_to_its_promised_end(self):
        self.serve_oauth(lifetime=10, timing=SHORT)
        key = self.hufu.key()
        node = self.hufu.serve().wait_until_ready()
        answer = node.ask_v1(key, self.app).json
        token, ends = answer["token"], self.platform.introspect(answer["token"])["exp"]
        self.platform.stop()

        def ask():
            at, reply = time.time(), node.ask_v1(key, self.app)
            if reply.status == 200:
                self.assertEqual(reply.json["token"], token)
                self.assertLessEqual(at + reply.json["expires_in"], ends)
                return None
            self.assertEqual(reply.status, 503, reply)
            self.assertIn("Retry-After", reply.headers)
            return at

        failed = harness.wait_until(ask, what="the promised end")
        # A second of slack, one that is never promised in part, and one that the server's count takes off.
        self.assertGreater(failed, ends - 3)
        self.platform.start()
        harness.wait_until(lambda: node.ask_v1(key, self.app).status == 200, what="another token")
        self.assert_alive(node.ask_v1(key, self.app).json["token"])


if __name__ == "__main__":
    if not MODULES.exists() or not shutil.which("node"):
        print("not run: oidc-provider: no Node.js, or nothing in build/oauth (script/test makes it)")
        sys.exit(0)
    harness.main()
