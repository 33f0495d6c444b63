"""What commands do beside printing a token: many apps at once, kinds, and the catalog of platforms."""

import itertools
import json
import secrets

import harness

KINDS = ["access_token", "jsapi_ticket", "wx_card_ticket"]


class Commands(harness.CommandCase):
    def json_of(self, *arguments, **keywords):
        return json.loads(self.ends_with(0, *arguments, "--json", **keywords).stdout)

    def server(self, *rights):
        """What a command needs to ask a running server."""
        key = self.hufu.key(*(("--can", ",".join(rights)) if rights else ()))
        node = self.hufu.serve().wait_until_ready()
        harness.wait_until(lambda: node.ask_v1(key).status != 401, what="the key to be known")
        return {"HUFU_SERVER": f"http://127.0.0.1:{node.port}", "HUFU_KEY": key}


class Import(Commands):
    def line(self, app, **members):
        self.platform.add_app(app, members.setdefault("secret", secrets.token_hex(16)))
        return json.dumps({"id": app, "platform": "wechat", **members})

    def apps(self, **where):
        return {app["id"] for app in self.json_of("app", "list", **where)["apps"]} - {harness.APP}

    def test_it_takes_one_app_a_line(self):
        lines = [self.line("wx1", endpoint="classic"), "", "  \t", self.line("wx2", keep=["jsapi_ticket"]) + "\r"]
        file = self.hufu.directory / "apps.jsonl"
        file.write_text("\n".join(lines) + "\n")
        self.assertEqual(self.json_of("app", "import", str(file)), {"added": 2, "replaced": 0})
        again = self.json_of("app", "import", "-", stdin=file.read_text().rstrip())
        self.assertEqual(again, {"added": 0, "replaced": 2})
        self.assertEqual(self.apps(), {"wx1", "wx2"})
        self.assertEqual(self.json_of("app", "show", "wx1")["endpoint"], "classic")
        self.assertEqual(self.json_of("app", "show", "wx2")["keep"], ["jsapi_ticket"])
        for app in ("wx1", "wx2"):
            self.assertEqual(self.json_of("app", "show", app)["credentials"], ["secret"])
            self.ends_with(0, "get", app)
        self.assertEqual([call.endpoint for call in self.platform.token_calls("wx1")], ["classic"])
        for arguments in (["app", "import", str(file)], ["app", "show", "wx1"], ["app", "list"]):
            result = self.ends_with(0, *arguments)
            self.assertNotIn(json.loads(lines[0])["secret"], result.stdout + result.stderr)

    def test_an_app_that_is_there_keeps_its_secret_and_its_token(self):
        self.ends_with(0, "app", "import", "-", stdin=self.line("wx1", endpoint="classic"))
        token = self.ends_with(0, "get", "wx1").stdout
        self.ends_with(0, "app", "import", "-", stdin='{"id":"wx1","platform":"wechat","endpoint":"classic"}')
        self.assertEqual(self.ends_with(0, "get", "wx1").stdout, token)
        self.ends_with(0, "app", "test", "wx1")

    def test_a_bad_line_is_named_and_takes_nothing_away(self):
        self.ends_with(0, "app", "import", "-", stdin=self.line("wxthere", endpoint="classic"))
        token = self.ends_with(0, "get", "wxthere").stdout
        long = '{"id":"wxbad","secret":"' + "x" * 70_000 + '"}'
        numbers = itertools.count()
        for bad in ("nonsense", "[]", "null", '{"id":"wxbad"', '{"platform":"wechat"}', '{"id":7}', '{"id":".."}',
                    '{"id":"wxbad","platform":"nosuch","secret":"x"}', '{"id":"wxbad","nosuch":1,"secret":"x"}',
                    '{"id":"wxbad","platform":"wechat"}', '{"id":"wxthere","endpoint":"x"}',
                    '{"id":"wxthere","keep":["nosuch"]}', '{"id":"wxthere","secret":7}', '{"id":"wxthere","secret":""}',
                    f'{{"id":"{harness.APP}","secret":"x"}}', long, '{"id":"wxb\xff"}'):
            with self.subTest(bad[:60]):
                before = f"wxbefore{next(numbers)}"
                text = "\n".join(["", self.line(before), bad, self.line("wxafter")])
                result = self.ends_with(2, "app", "import", "-", stdin=text)
                self.assertIn("line 3: ", result.stderr)
                self.assertIn("→", result.stderr)
                self.assertNotIn("xxxxxxxx", result.stderr, "a part of the line")
                self.assertIn(before, self.apps(), "what came before it is kept")
                self.assertNotIn("wxafter", self.apps())
        self.assertNotIn("wxbad", self.apps())
        self.assertEqual(self.json_of("app", "show", "wxthere")["endpoint"], "classic")
        self.assertEqual(self.ends_with(0, "get", "wxthere").stdout, token)

    def test_what_cannot_be_read_is_no_empty_file(self):
        self.ends_with(2, "app", "import", str(self.hufu.directory / "not-there.jsonl"))
        self.ends_with(2, "app", "import", str(self.hufu.directory))

    def test_nothing_is_not_much_but_no_failure(self):
        self.assertEqual(self.json_of("app", "import", "-", stdin=""), {"added": 0, "replaced": 0})

    def test_it_streams_a_thousand_apps(self):
        lines = "\n".join(self.line(f"wx{number:016x}") for number in range(1000))
        self.assertEqual(self.json_of("app", "import", "-", stdin=lines)["added"], 1000)
        self.assertEqual(self.platform.token_calls(), [], "a command of the store's fetches nothing")

    def test_it_works_through_a_server(self):
        server = self.server("read", "admin")
        lines = "\n".join([self.line("wx1"), self.line("wx2")])
        self.assertEqual(self.json_of("app", "import", "-", stdin=lines, env=server), {"added": 2, "replaced": 0})
        self.assertEqual(self.apps(env=server), {"wx1", "wx2"})
        harness.wait_until(lambda: self.hufu.run("get", "wx2", env=server).returncode == 0, what="a new app's token")
        bad = self.ends_with(2, "app", "import", "-", stdin=self.line("wx3") + "\nnonsense\n", env=server)
        self.assertIn("line 2: ", bad.stderr)
        self.assertEqual(self.apps(env=server), {"wx1", "wx2", "wx3"})
        self.ends_with(7, "app", "import", "-", stdin=self.line("wx4"), env={**server, "HUFU_KEY": self.hufu.key()})
        self.assertNotIn("wx4", self.apps(env=server))


class Kinds(Commands):
    def ticket(self, **where):
        return self.ends_with(0, "get", harness.APP, "--kind", "jsapi_ticket", **where).stdout.strip()

    def kinds_in_status(self, **where):
        tokens = self.json_of("status", **where)["tokens"]
        return {token["kind"]: token for token in tokens if token["app"] == harness.APP}

    def through(self, **where):
        """The life of a ticket by commands, on the store or through a server."""
        ticket = self.ticket(**where)
        (issued,) = self.platform.tickets(harness.APP)
        self.assertEqual(ticket, issued.value)
        record = self.json_of("get", harness.APP, "--kind", "jsapi_ticket", **where)
        self.assertEqual((record["kind"], record["token"], record["revision"]), ("jsapi_ticket", ticket, 1))
        self.assertLessEqual(set(self.kinds_in_status(**where)), {"access_token", "jsapi_ticket"})
        self.assertEqual(self.kinds_in_status(**where)["jsapi_ticket"]["state"], "fresh")
        self.assertIn("jsapi_ticket", self.ends_with(0, "status", **where).stdout)
        # Until its end the platform gives the same one, whoever asks and why.
        for text, outcome in ((ticket, "alive"), ("nothing-of-ours", "unknown")):
            said = self.json_of("report", harness.APP, "--kind", "jsapi_ticket", stdin=text, **where)
            self.assertEqual((said["outcome"], said["token"]), (outcome, ticket))
        self.ends_with(0, "refresh", harness.APP, "--kind", "jsapi_ticket", **where)
        self.assertEqual(self.ticket(**where), ticket)
        self.assertEqual(len(self.platform.tickets(harness.APP)), 1)
        self.assertEqual(len(self.platform.token_calls()), 1, "one access token served for all of it")
        for command in ("get", "report", "refresh"):
            told = self.ends_with(3, command, harness.APP, "--kind", "nosuch", stdin="x", **where).stderr
            for kind in KINDS:
                self.assertIn(kind, told, "it names those that there are")

    def test_a_ticket_on_the_store(self):
        self.through()

    def test_a_ticket_through_a_server(self):
        self.through(env=self.server("read", "report", "refresh"))

    def test_an_app_keeps_the_kinds_that_it_was_added_with(self):
        self.hufu = self.instance(apps=[], timing={})
        self.hufu.secrets[harness.APP] = secrets.token_hex(16)
        self.platform.add_app(harness.APP, self.hufu.secrets[harness.APP])
        add = ["app", "add", harness.APP, "--secret-stdin"]
        refused = self.ends_with(2, *add, "--keep", "nosuch", stdin=self.hufu.secrets[harness.APP])
        self.assertIn("wx_card_ticket", refused.stderr)
        self.ends_with(0, *add, "--keep", "jsapi_ticket", "--keep", "wx_card_ticket",
                       stdin=self.hufu.secrets[harness.APP])
        self.assertEqual(self.json_of("app", "show", harness.APP)["keep"], ["jsapi_ticket", "wx_card_ticket"])
        self.hufu.serve()
        for kind in ("jsapi", "wx_card"):
            self.platform.wait_for(lambda platform, kind=kind: platform.tickets(harness.APP, kind), harness.PATIENCE,
                                   f"the {kind} ticket")
        harness.wait_until(lambda: {token["state"] for token in self.kinds_in_status().values()} == {"fresh"})
        self.assertEqual(sorted(self.kinds_in_status()), KINDS)


class Platforms(Commands):
    def test_a_table_for_people(self):
        table = self.ends_with(0, "platforms").stdout
        for word in ("wechat", *KINDS, "endpoint", "stable or classic", "secret", "rotating", "windowed", "sticky"):
            self.assertIn(word, table)
        self.assertEqual(self.ends_with(0, "platforms", "wechat").stdout.splitlines()[0].split()[0], "wechat")
        self.assertIn("wechat", self.ends_with(3, "platforms", "nosuch").stderr)

    def test_json_for_programs(self):
        (wechat_platform,) = [each for each in self.json_of("platforms")["platforms"] if each["name"] == "wechat"]
        self.assertEqual(wechat_platform, self.json_of("platforms", "wechat"))
        kinds = wechat_platform["kinds"]
        self.assertEqual({kind["name"] for kind in kinds}, set(KINDS))
        self.assertEqual({kind["name"] for kind in kinds if kind["main"]}, {"access_token"})
        self.assertEqual({(kind["when"]["endpoint"], kind["renewal"]) for kind in kinds if kind["main"]},
                         {("stable", "windowed"), ("classic", "rotating")})
        self.assertIn("endpoint", [setting["name"] for setting in wechat_platform["settings"]])
        self.assertIn("secret", [credential["name"] for credential in wechat_platform["credentials"]])

    def test_a_server_shows_the_same(self):
        server = self.server()
        answer = harness.Client(int(server["HUFU_SERVER"].rpartition(":")[2])).request(
            "GET", "/v1/platforms", headers={"Authorization": f"Bearer {server['HUFU_KEY']}"})
        self.assertEqual(answer.json, self.json_of("platforms"))


if __name__ == "__main__":
    harness.main(at_once=4)
