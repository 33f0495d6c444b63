"""With the loudest log there is, through successes and failures: no secret leaves Hufu but where it was asked for.

Canaries stand for the app's secret and the platform's tokens; they are searched for in everything a process leaves
behind, as they are and in the dresses in which they travel.
"""

import base64
import json
import pathlib
import urllib.parse

import harness
import wechat

#: With characters that look different in a URL, so that its encoded form is another text.
SECRET = "canary+secret/0123456789abcdef=&"


def dresses(canary):
    """A secret and the forms in which it may have slipped out."""
    data = canary.encode()
    forms = {data, data[::-1], urllib.parse.quote(canary, safe="").encode(), urllib.parse.quote_plus(canary).encode(),
             urllib.parse.quote(canary).encode(), data.hex().encode(), data.hex().upper().encode(),
             json.dumps(canary)[1:-1].encode(), json.dumps(canary)[1:-1].replace("/", "\\/").encode()}
    for offset in range(3):  # Base64 of a text that has it somewhere inside.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inner = encode(b"x" * offset + data).rstrip(b"=")
            forms.add(inner[(4 if offset else 0):-4])
    # A part of it is too much as well.
    forms |= {data[:12], data[-12:]}
    return {form for form in forms if len(form) >= 8}


class Secrecy(harness.Case):
    def setUp(self):
        super().setUp()
        self.heard = {}  # name -> bytes

    def hear(self, name, data):
        self.heard[name] = data if isinstance(data, bytes) else data.encode()

    def ask_everything(self, node, name):
        """Every open route, and what the kernel tells everybody about a process."""
        for path in ("/metrics", "/healthz", "/readyz", "/openapi.json", "/nothing"):
            reply = node.get(path)
            self.hear(f"{name} {path}", str(reply.headers).encode() + reply.body)
        self.hear(f"{name} cmdline", pathlib.Path(f"/proc/{node.pid}/cmdline").read_bytes())
        self.hear(f"{name} comm", pathlib.Path(f"/proc/{node.pid}/comm").read_bytes())

    def nothing_slipped_out(self, instance, canaries):
        for path in sorted(instance.directory.rglob("*")):
            if path.is_file() and path.suffix != ".secret":
                self.hear(path.name, path.read_bytes())
        self.assertGreater(len(self.heard), 8)
        for what, canary in canaries.items():
            for form in dresses(canary):
                for where, text in self.heard.items():
                    self.assertNotIn(form, text, f"{what} in {where}")

    def test_nothing_slips_out_of_a_server(self):
        instance = self.instance(apps=[], timing={}, log_level="trace")
        instance.add_app("wxgood", "classic", SECRET)
        instance.add_app("wxrefused", "stable", SECRET + "two")
        instance.add_app("wxlost", "classic", SECRET + "three")
        instance.add_app("wxhtml", "classic", SECRET + "four")
        # The platform repeats what it was sent, as some do in their errors.
        echo = f"appid wxhtml secret {SECRET}four {urllib.parse.quote(SECRET + 'four', safe='')}".encode()
        self.platform.fail(wechat.errcode(40125), "wxrefused")
        self.platform.fail(wechat.LOST_BY_TRUNCATION, "wxlost")
        self.platform.fail(wechat.answer(b"<html>" + echo + b"</html>"), "wxhtml")
        key = instance.key("--can", "read,report,refresh,admin", name="shop")
        node = instance.serve()
        bearer = {"Authorization": f"Bearer {key}"}
        canaries = {"app secret": SECRET, "API key": key}

        token = self.assert_token(node.ask("wxgood"))
        for app in ("wxrefused", "wxlost", "wxhtml"):
            self.hear(f"error of {app}", json.dumps(node.ask(app)))
            reply = node.ask_v1(key, app)
            self.hear(f"problem of {app}", str(reply.headers).encode() + reply.body)
        for path in ("/v1/status", "/v1/apps", "/v1/apps/wxgood", "/v1/apps/wxhtml", "/v1/nothing"):
            reply = node.get(path, bearer)
            self.hear(path, str(reply.headers).encode() + reply.body)
        unauthenticated = node.get("/v1/status", {"Authorization": f"Bearer {key}x"})
        self.assertEqual(unauthenticated.status, 401)
        self.hear("unauthenticated", unauthenticated.body)
        self.hear("wrong secret", json.dumps(node.ask("wxgood", secret=SECRET + "x")))
        self.hear("raw garbage", harness.raw(node.port, f"GET /?secret={SECRET} HTTP/9.9\r\n\r\n".encode()))
        self.hear("long line", harness.raw(node.port, b"GET /cgi-bin/token?secret=" + SECRET.encode() * 3000))

        # Reports and renewals, by value.
        report = "/v1/apps/wxgood/token/report"
        self.assertEqual(node.send("POST", report, json.dumps({"token": token + "x"}), bearer).status, 200)
        self.platform.revoke(token)
        reply = node.send("POST", report, json.dumps({"token": token}), bearer)
        self.assertEqual(reply.json["outcome"], "renewed", reply)
        canaries["token"] = token
        canaries["newer token"] = reply.json["token"]
        self.assertNotEqual(token, reply.json["token"])
        secret_in_body = json.dumps({"platform": "wechat", "endpoint": "classic", "secret": SECRET + "five"})
        self.platform.add_app("wxput", SECRET + "five")
        reply = node.send("PUT", "/v1/apps/wxput", secret_in_body, {**bearer, "Content-Type": "application/json"})
        self.assertIn(reply.status, (200, 201), reply)
        self.hear("PUT", str(reply.headers).encode() + reply.body)
        canaries["token of an app from outside"] = self.assert_token(node.ask("wxput", SECRET + "five"))
        self.hear("GET after PUT", node.get("/v1/apps/wxput", bearer).body)

        self.ask_everything(node, "running")
        self.assertEqual(node.terminate(), 0)
        for issued in self.platform.issued("wxlost"):
            canaries["token whose answer was cut"] = issued.value
        self.nothing_slipped_out(instance, canaries)

    def test_nothing_slips_out_of_commands(self):
        instance = self.instance(apps=[], timing={}, log_level="trace")
        instance.add_app("wxgood", "classic", SECRET)
        token = instance.run("get", "wxgood").stdout.strip()
        self.assertTrue(token)
        canaries = {"app secret": SECRET, "token": token}
        made = instance.run("key", "create", "shop")
        canaries["API key"] = made.stdout.strip()
        self.hear("key create, stderr", made.stderr)
        self.hear("get, stderr", instance.run("get", "wxgood").stderr)
        added = instance.run("app", "add", "wxadded", "--endpoint", "classic", "--secret-stdin", stdin=SECRET + "two\n")
        self.assertEqual(added.returncode, 0, added.stderr)
        self.hear("app add", added.stdout + added.stderr)
        for command in (["key", "list"], ["app", "list"], ["app", "show", "wxgood"], ["app", "show", "wxadded"],
                        ["app", "test", "wxadded"], ["get", "wxadded"], ["config", "show"], ["config", "check"],
                        ["get", "wxgood", "--kind", "nothing"], ["get", SECRET], ["status"], ["doctor"]):
            for extra in ([], ["--json"]):
                result = instance.run(*command, *extra)
                if command[-1] == SECRET:
                    continue  # Who writes a secret where a name belongs has it on the screen already.
                if command[0] != "get" or result.returncode:
                    self.hear(f"{command} {extra}", result.stdout + result.stderr)
                else:
                    self.hear(f"{command} {extra}", result.stderr)
        self.nothing_slipped_out(instance, canaries)

    def test_a_secret_that_stands_in_the_configuration_is_shown_to_nobody(self):
        instance = self.instance(apps=[], timing={}, log_level="trace")
        self.platform.add_app("wxenv", SECRET)
        env = {"WECHAT_APPID": "wxenv", "WECHAT_APPSECRET": SECRET, "WECHAT_ENDPOINT": "classic"}
        result = instance.run("get", env=env)
        self.assertEqual(result.returncode, 0, result.stderr)
        canaries = {"app secret": SECRET, "token": result.stdout.strip()}
        self.hear("stderr", result.stderr)
        for command in (["config", "show"], ["config", "show", "--json"], ["app", "list"], ["config", "check"],
                        ["app", "show", "wxenv"], ["app", "test", "wxenv"]):
            result = instance.run(*command, env=env)
            self.hear(str(command), result.stdout + result.stderr)
        node = instance.serve(env=env)
        self.assert_token(node.ask("wxenv", SECRET))
        self.ask_everything(node, "running")
        node.terminate()
        self.nothing_slipped_out(instance, canaries)

    def test_files_with_secrets_are_for_their_owner_alone(self):
        instance = self.instance(timing={})
        instance.run("get")
        for name in ("hufu.key", "hufu.db"):
            mode = (instance.directory / name).stat().st_mode & 0o777
            self.assertEqual(mode & 0o077, 0, f"{name} has mode {mode:o}")


if __name__ == "__main__":
    harness.main(at_once=4)
