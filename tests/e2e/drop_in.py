"""As the platform itself: an unmodified SDK, whose host alone was changed, gets what it understands."""

import http.client
import json
import urllib.parse

import harness
import wechat

JSON_TYPE = "application/json; encoding=utf-8"


class DropIn(harness.Case):
    def setUp(self):
        super().setUp()
        self.hufu = self.instance(timing={})
        self.node = self.hufu.serve().wait_until_ready()
        self.secret = self.hufu.secrets[harness.APP]
        self.current = self.assert_token(self.node.ask())

    def send(self, method, path, body=None, headers=None):
        reply = self.node.send(method, path, body, headers)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers["Content-Type"], JSON_TYPE)
        return reply.json

    def query(self, **changes):
        asked = {"grant_type": "client_credential", "appid": harness.APP, "secret": self.secret, **changes}
        return urllib.parse.urlencode({name: value for name, value in asked.items() if value is not None})

    def stable(self, headers=None, **changes):
        asked = {"grant_type": "client_credential", "appid": harness.APP, "secret": self.secret, **changes}
        body = json.dumps({name: value for name, value in asked.items() if value is not None})
        return self.send("POST", "/cgi-bin/stable_token", body, headers or {"Content-Type": "application/json"})

    def assert_current(self, answer):
        self.assertEqual(self.assert_token(answer), self.current)
        self.assertGreater(answer["expires_in"], 5000)
        self.assertLess(answer["expires_in"], 7200)

    def assert_errcode(self, answer, code):
        self.assertEqual(set(answer), {"errcode", "errmsg"})
        self.assertEqual(answer["errcode"], code, answer)
        self.assertRegex(answer["errmsg"], r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")

    # ---- what SDKs send

    def test_the_classic_call(self):
        self.assert_current(self.send("GET", "/cgi-bin/token?" + self.query()))

    def test_the_exact_bytes_have_no_more_members_than_the_platforms(self):
        text = self.node.get("/cgi-bin/token?" + self.query()).body
        self.assertRegex(text, rb'^\{"access_token":"[^"]+","expires_in":\d+\}$')

    def test_a_double_slash(self):
        self.assert_current(self.send("GET", "//cgi-bin/token?" + self.query()))

    def test_any_order_and_unknown_parameters(self):
        query = f"neededText=&secret={self.secret}&x=%20&appid={harness.APP}&grant_type=client_credential&y"
        self.assert_current(self.send("GET", "/cgi-bin/token?" + query))

    def test_names_of_parameters_that_are_percent_encoded(self):
        query = f"%61ppid={harness.APP}&se%63ret={self.secret}&grant%5Ftype=client%5Fcredential"
        self.assert_current(self.send("GET", "/cgi-bin/token?" + query))

    def test_a_leading_ampersand(self):
        self.assert_current(self.send("GET", "/cgi-bin/token?&" + self.query()))

    def test_post_where_get_is_due(self):
        self.assert_current(self.send("POST", "/cgi-bin/token?" + self.query(), ""))

    def test_post_with_a_form(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assert_current(self.send("POST", "/cgi-bin/token", self.query(), form))

    def test_a_header_that_names_the_platforms_host(self):
        self.assert_current(self.send("GET", "/cgi-bin/token?" + self.query(), headers={"Host": "api.weixin.qq.com"}))

    def test_http_1_0(self):
        answer = harness.raw(self.node.port, f"GET /cgi-bin/token?{self.query()} HTTP/1.0\r\n\r\n".encode())
        self.assert_current(json.loads(answer.partition(b"\r\n\r\n")[2]))

    def test_an_absolute_target(self):
        target = f"http://api.weixin.qq.com/cgi-bin/token?{self.query()}"
        request = f"GET {target} HTTP/1.1\r\nHost: api.weixin.qq.com\r\nConnection: close\r\n\r\n"
        answer = harness.raw(self.node.port, request.encode())
        self.assert_current(json.loads(answer.partition(b"\r\n\r\n")[2]))

    def test_stable_with_and_without_force_refresh(self):
        self.assert_current(self.stable())
        self.assert_current(self.stable(force_refresh=False))
        self.assert_current(self.stable(force_refresh=None))

    def test_stable_with_whatever_content_type(self):
        for content_type in ("application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"):
            self.assert_current(self.stable({"Content-Type": content_type}))

    def test_stable_in_chunks(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=harness.PATIENCE)
        body = json.dumps({"grant_type": "client_credential", "appid": harness.APP, "secret": self.secret}).encode()
        connection.request("POST", "/cgi-bin/stable_token", iter([body[:7], body[7:]]),
                           {"Content-Type": "application/json"}, encode_chunked=True)
        self.assert_current(json.loads(connection.getresponse().read()))
        connection.close()

    def test_an_api_key_in_the_place_of_the_secret(self):
        key = self.hufu.key()
        harness.wait_until(lambda: "access_token" in self.node.ask(secret=key), what="the key to be known")
        self.assert_current(self.send("GET", "/cgi-bin/token?" + self.query(secret=key)))
        self.assert_current(self.stable(secret=key))

    def test_an_api_key_for_another_app_opens_nothing(self):
        self.hufu.add_app("wxother")
        node = self.hufu.serve().wait_until_ready()
        key = self.hufu.key("--app", "wxother")
        harness.wait_until(lambda: "access_token" in node.ask("wxother", secret=key), what="the key to be known")
        self.assert_errcode(node.ask(secret=key), 40125)

    def test_a_prefix_from_the_configuration(self):
        prefixed = self.hufu.serve("--base-path", "/wechat/api")
        for path in ("/wechat/api/cgi-bin/token?", "/wechat/api//cgi-bin/token?"):
            self.assertEqual(self.assert_token(prefixed.get(path + self.query()).json), self.current)
        self.assertEqual(prefixed.get("/cgi-bin/token?" + self.query()).status, 404)

    def test_ten_thousand_questions_cost_no_further_call(self):
        client = self.node.client()
        for _ in range(10000 if not harness.options.quick else 2000):
            self.assert_current(self.node.ask(client=client))
        self.assertEqual(client.dialled, 1)
        self.assertEqual(len(self.platform.token_calls()), 1)

    # ---- force_refresh is a report

    def test_a_forced_refresh_of_a_living_token_renews_nothing(self):
        self.assert_current(self.stable(force_refresh=True))
        self.assertEqual(len(self.platform.token_calls()), 1)
        self.assertGreaterEqual(len(self.platform.probes()), 1)

    def test_a_forced_refresh_of_a_dead_token_renews_it_once_for_all_who_ask(self):
        self.platform.revoke(self.current)
        answers = harness.together([lambda: self.stable(force_refresh=True)] * 20)
        tokens = {self.assert_token(answer) for answer in answers}
        self.assertEqual(len(tokens), 1)
        self.assertNotEqual(tokens, {self.current})
        self.assertEqual(self.platform.judge(tokens.pop()), 0)
        self.assertEqual([call.force for call in self.platform.token_calls()], [False, True])

    # ---- what is wrong with a question

    def test_errors_have_the_platforms_codes_in_the_platforms_order(self):
        for code, changes in (
            (41002, {"appid": None}),
            (41002, {"appid": ""}),
            (41002, {"appid": None, "secret": None, "grant_type": None}),
            (40013, {"appid": "wxunknown"}),
            (40013, {"appid": "wxunknown", "secret": None, "grant_type": "x"}),
            (40013, {"appid": "w" * 5000}),
            (41004, {"secret": None}),
            (41004, {"secret": "", "grant_type": "x"}),
            (40002, {"grant_type": None}),
            (40002, {"grant_type": "client_credentials"}),
            (40002, {"grant_type": "x", "secret": "wrong"}),
            (40125, {"secret": "wrong"}),
            (40125, {"secret": self.secret + "0"}),
            (40125, {"secret": self.secret[:-1]}),
        ):
            with self.subTest(code=code, changes=changes):
                self.assert_errcode(self.send("GET", "/cgi-bin/token?" + self.query(**changes)), code)
                self.assert_errcode(self.stable(**changes), code)
        self.assertEqual(len(self.platform.token_calls()), 1, "a wrong question reached the platform")

    def test_the_wrong_method(self):
        self.assert_errcode(self.send("GET", "/cgi-bin/stable_token?" + self.query()), 43002)
        self.assert_errcode(self.send("PUT", "/cgi-bin/stable_token", "{}"), 43002)

    def test_stable_with_anything_but_a_json_object(self):
        for body in ("", "{", "[]", "null", "7", '"x"', self.query(), '{"appid":', "\0\1\2", "{" * 2000):
            with self.subTest(body):
                answer = self.send("POST", "/cgi-bin/stable_token", body)
                self.assert_errcode(answer, 41002)

    def test_stable_with_members_of_wrong_types(self):
        for changes in ({"appid": 7}, {"secret": 7}, {"grant_type": 7}, {"secret": [self.secret]}, {"appid": {}}):
            with self.subTest(changes):
                self.assertIn(self.stable(**changes)["errcode"], (41002, 40013, 41004, 40002, 40125))

    def test_paths_of_the_platform_that_are_not_here(self):
        for path in ("/cgi-bin/getcallbackip", "/cgi-bin/", "/cgi-bin/token/", "/cgi-bin/user/info?access_token=x"):
            with self.subTest(path):
                answer = self.send("GET", path)
                self.assertNotIn(answer["errcode"], (0, 40001, 40014, 42001))

    def test_an_app_that_does_not_allow_its_secret_for_a_login(self):
        self.hufu.config.write_text(self.hufu.config.read_text() + "secret_login = false\n")
        node = self.hufu.serve().wait_until_ready()
        self.assert_errcode(node.ask(), 40125)
        self.hufu.write_config()


class PlatformErrors(harness.Case):
    """Codes that the platform gave are passed on, but for those that make SDKs loop."""

    def test_every_code_of_the_platform(self):
        expected = {code: code for code in (40013, 40125, 40164, 40243, 45009, 45011, 50002, 89503, 89507, 61024, -1)}
        expected.update({40001: 40125, 40014: -1, 42001: -1})
        apps = {f"wx{abs(code):016d}": code for code in expected}
        for app, code in apps.items():
            self.platform.fail(wechat.errcode(code), app)
        instance = self.instance(apps=list(apps), timing={})
        key = instance.key()
        node = instance.serve()
        for (app, code), answer in zip(apps.items(), harness.together([lambda app=app: node.ask(app) for app in apps])):
            with self.subTest(code):
                self.assertEqual(answer.get("errcode"), expected[code], answer)
                problem = node.ask_v1(key, app)
                self.assertEqual(problem.status, 503)
                self.assertGreaterEqual(int(problem.headers["Retry-After"]), 1)


if __name__ == "__main__":
    harness.main(at_once=4)
