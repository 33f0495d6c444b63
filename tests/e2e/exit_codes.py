"""What a script learns from a command: 0 2 3 4 5 6 7 8, data on stdout, everything else on stderr."""

import json
import pathlib

import harness
import wechat


class ExitCodes(harness.CommandCase):
    # ---- 0

    def test_0_the_token_and_a_newline_and_nothing_else(self):
        result = self.ends_with(0, "get")
        self.assertEqual(result.stdout, self.platform.issued()[0].value + "\n")
        self.assertEqual(result.stderr, "")
        self.assertEqual(self.ends_with(0, "get", harness.APP).stdout, result.stdout)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_0_the_whole_record_as_json(self):
        record = json.loads(self.ends_with(0, "get", "--json").stdout)
        members = {"app", "kind", "token", "expires_in", "expires_at", "revision", "fingerprint"}
        self.assertLessEqual(members, set(record))
        self.assertEqual((record["app"], record["kind"], record["revision"]), (harness.APP, "access_token", 1))
        self.assertRegex(record["fingerprint"], "^[0-9a-f]{8}$")
        self.assertRegex(record["expires_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def test_0_without_a_file(self):
        self.platform.add_app("wxenv", "s")
        env = {"HUFU_CONFIG": "", "WECHAT_APPID": "wxenv", "WECHAT_APPSECRET": "s",
               "WECHAT_BASE_URL": self.platform.base_url, "WECHAT_ENDPOINT": "classic"}
        self.hufu.config.unlink()
        result = self.ends_with(0, "get", env=env)
        self.assertEqual(result.stdout.strip(), self.platform.issued("wxenv")[0].value)
        self.assertEqual(self.platform.token_calls()[0].endpoint, "classic")
        state = pathlib.Path(self.hufu.directory, ".local/state/hufu/hufu.db")
        self.assertTrue(state.exists(), "the default store")

    def test_0_options_before_or_after_the_command(self):
        before = self.ends_with(0, "--json", "get").stdout
        after = self.ends_with(0, "get", "--json").stdout
        self.assertEqual(json.loads(before)["token"], json.loads(after)["token"])

    def test_0_version_and_config_check(self):
        self.assertIn("0.", self.ends_with(0, "version").stdout)
        self.ends_with(0, "config", "check")
        self.ends_with(0, "config", "show")

    def test_0_an_app_kept_in_the_store(self):
        self.platform.add_app("wxstored", "its-secret")
        self.ends_with(0, "app", "add", "wxstored", "--endpoint", "classic", "--secret-stdin", stdin="its-secret\n")
        self.ends_with(0, "get", "wxstored")
        self.ends_with(0, "app", "test", "wxstored")
        self.assertIn("wxstored", self.ends_with(0, "app", "list").stdout)
        self.ends_with(0, "app", "show", "wxstored")
        self.ends_with(0, "app", "remove", "wxstored")
        self.ends_with(3, "get", "wxstored")

    # ---- 2

    def test_2_bad_usage(self):
        for arguments in (["nonsense"], ["get", "--nonsense"], ["get", "a", "b", "c"], ["get", "--min-ttl", "soon"],
                          ["get", "--min-ttl", "-1"], ["key", "create"], ["app", "add", "wx1"], ["app"], ["key"],
                          ["key", "create", "k", "--can", "everything"]):
            with self.subTest(arguments):
                self.ends_with(2, *arguments)

    def test_2_several_apps_and_none_named(self):
        self.hufu.add_app("wxsecond")
        result = self.hufu.run("get")
        self.assertIn(result.returncode, (2, 3), result.stderr)
        self.assertIn("wxsecond", result.stderr, "it names what there is to choose from")

    # ---- 3

    def test_3_unknown_app(self):
        self.ends_with(3, "get", "wxunknown")
        self.ends_with(3, "app", "show", "wxunknown")
        self.ends_with(3, "app", "remove", "wxunknown")
        self.assertEqual(self.platform.token_calls(), [])

    def test_3_bad_configuration(self):
        right = self.hufu.config.read_text()
        for wrong in ("nonsense = 1\n" + right, right.replace('endpoint = "stable"', 'endpoint = "x"'), "][", "a = \n",
                      right + '\n[timing]\nlease = "400s"\n', right.replace("[timing]", '[timing]\nlease = "400s"'),
                      right.replace('store = "sqlite:', 'store = "nosuch:'),
                      right.replace(f"{harness.APP}.secret", "missing.secret")):
            self.hufu.config.write_text(wrong)
            with self.subTest(wrong):
                self.ends_with(3, "get")
                self.ends_with(3, "config", "check")
                self.ends_with(3, "serve")

    def test_3_the_named_file_is_missing(self):
        self.ends_with(3, "get", "--config", "/nonexistent/hufu.toml")
        self.ends_with(3, "get", env={"HUFU_CONFIG": "/nonexistent/hufu.toml"})

    def test_3_a_malformed_store(self):
        for store in ("sqlite:", "sqlite:/x.db?mode=ro", "postgresql://", "nonsense", "mongodb://", ""):
            with self.subTest(store):
                self.ends_with(3, "get", env={"HUFU_STORE": store} if store else {"HUFU_STORE": "x:"})

    # ---- 4

    def test_4_the_platform_refuses(self):
        for code in (40013, 40125, 40164, 45009, 50002):
            app = f"wx{code}"
            self.hufu.add_app(app)
            self.platform.fail(wechat.errcode(code), app)
            with self.subTest(code):
                result = self.ends_with(4, "get", app)
                self.assertIn(str(code), result.stderr)
                self.assertGreaterEqual(len(result.stderr.strip().splitlines()), 2, "and what to do about it")
                # Asked again, it answers from what it knows.
                self.assertIn(str(code), self.ends_with(4, "get", app).stderr)
                self.assertEqual(len(self.platform.token_calls(app)), 1)
        self.assertIn("203.0.113.7", self.ends_with(4, "get", "wx40164").stderr, "the address to list")

    # ---- 5

    def test_5_the_platform_cannot_be_reached(self):
        self.platform.refuse_connections()
        self.ends_with(5, "get")

    def test_5_the_platform_answers_nonsense(self):
        for number, fault in enumerate((wechat.HTML, wechat.SERVER_ERROR, wechat.RESET, wechat.TRUNCATED)):
            app = f"wxnonsense{number}"
            self.hufu.add_app(app)
            self.platform.fail(fault, app)
            with self.subTest(number):
                self.ends_with(5, "get", app)

    def test_5_the_server_is_not_there(self):
        port = self.platform.port
        self.platform.refuse_connections()
        self.ends_with(5, "get", harness.APP, "--server", f"http://127.0.0.1:{port}", env={"HUFU_KEY": "hufu_x"})

    # ---- 6

    def test_6_the_store_cannot_be_used(self):
        directory = self.hufu.directory / "a-directory"
        directory.mkdir()
        self.ends_with(6, "get", "--store", f"sqlite:{directory}")
        garbage = self.hufu.directory / "garbage.db"
        garbage.write_bytes(b"this is no database" * 1000)
        self.ends_with(6, "get", "--store", f"sqlite:{garbage}")
        self.ends_with(6, "serve", "--store", f"sqlite:{garbage}")
        self.ends_with(6, "get", "--store", "sqlite:/proc/nothing/hufu.db")
        self.assertEqual(garbage.read_bytes(), b"this is no database" * 1000, "it is somebody's file")
        self.assertEqual(self.platform.token_calls(), [])

    def test_6_a_store_sealed_with_a_key_that_is_lost(self):
        self.ends_with(0, "get")
        (self.hufu.directory / "hufu.key").unlink()
        result = self.hufu.run("get")
        self.assertIn(result.returncode, (3, 6), result.stderr)
        self.assertEqual(len(self.platform.token_calls()), 1, "it fetched anew over what it could not read")

    # ---- with a server: 0 3 4 7 8

    def test_with_a_server(self):
        self.hufu.add_app("wxrefused")
        self.platform.fail(wechat.errcode(40164), "wxrefused")
        reader = self.hufu.key()
        narrow = self.hufu.key("--app", harness.APP)
        node = self.hufu.serve().wait_until_listening()
        token = self.assert_token(node.ask())
        server = f"http://127.0.0.1:{node.port}"
        as_reader = {"HUFU_SERVER": server, "HUFU_KEY": reader}
        self.assertEqual(self.ends_with(0, "get", harness.APP, env=as_reader).stdout, token + "\n")
        self.ends_with(0, "get", harness.APP, "--json", env=as_reader)
        self.ends_with(3, "get", "wxunknown", env=as_reader)
        self.ends_with(4, "get", "wxrefused", env=as_reader)
        self.ends_with(7, "get", harness.APP, env={**as_reader, "HUFU_KEY": "hufu_nonsense"})
        self.ends_with(7, "get", harness.APP, env={"HUFU_SERVER": server})
        self.ends_with(7, "get", "wxrefused", env={**as_reader, "HUFU_KEY": narrow})
        self.ends_with(7, "app", "list", env=as_reader)
        self.assertEqual(len(self.platform.token_calls(harness.APP)), 1)


class NotNow(harness.Case):
    def test_8_a_refresh_too_soon(self):
        instance = self.instance(endpoint="classic", timing={})
        self.assertEqual(instance.run("get").returncode, 0)
        first = instance.run("refresh")
        self.assertEqual(first.returncode, 0, first.stderr)
        second = instance.run("refresh")
        self.assertEqual(second.returncode, 8, second.stderr)
        self.assertRegex(second.stderr, r"\d", "it says how long to wait")
        self.assertEqual(len(self.platform.token_calls()), 2)

    def test_a_report_says_what_became_of_it(self):
        instance = self.instance(endpoint="classic", timing={})
        token = instance.run("get").stdout
        alive = instance.run("report", "--json", stdin=token)
        self.assertEqual(alive.returncode, 0, alive.stderr)
        self.assertEqual(json.loads(alive.stdout)["outcome"], "alive")
        self.platform.revoke(token.strip())
        renewed = instance.run("report", "--json", stdin=token)
        self.assertEqual(json.loads(renewed.stdout)["outcome"], "renewed")
        again = instance.run("report", "--json", stdin=token)
        self.assertEqual(json.loads(again.stdout)["outcome"], "already_newer")
        self.assertEqual(len(self.platform.token_calls()), 2)


if __name__ == "__main__":
    harness.main(at_once=4)
