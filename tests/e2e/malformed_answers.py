"""Whatever a platform may say in place of a token: nothing absurd is kept, and nothing absurd is handed out."""

import json
import sqlite3
import time

import harness
import wechat

TOKEN = "41_" + "a" * 130


def said(**members):
    return json.dumps(members).encode()


#: What is no token.
ABSURD = {
    "empty body": b"",
    "not JSON": b"access_token=abc&expires_in=7200",
    "HTML": b"<html><body>maintenance</body></html>",
    "JSON, but cut": b'{"access_token":"' + TOKEN.encode() + b'","expires_',
    "JSON and more": said(access_token=TOKEN, expires_in=7200) + b"}",
    "null": b"null",
    "a list": b'[{"access_token":"a","expires_in":7200}]',
    "a string": b'"access_token"',
    "a number": b"7200",
    "no members": b"{}",
    "no lifetime": said(access_token=TOKEN),
    "no token": said(expires_in=7200),
    "empty token": said(access_token="", expires_in=7200),
    "null token": said(access_token=None, expires_in=7200),
    "number for a token": said(access_token=12345, expires_in=7200),
    "list for a token": said(access_token=[TOKEN], expires_in=7200),
    "object for a token": said(access_token={"value": TOKEN}, expires_in=7200),
    "true for a token": said(access_token=True, expires_in=7200),
    "token with a newline": said(access_token=TOKEN + "\n", expires_in=7200),
    "token with NUL": said(access_token=TOKEN + "\0", expires_in=7200),
    "token with DEL": said(access_token=TOKEN + "\x7f", expires_in=7200),
    "token over 4 KiB": said(access_token="t" * 4097, expires_in=7200),
    "token over 1 MiB": said(access_token="t" * (1 << 20), expires_in=7200),
    "endless spaces": b" " * (5 << 20),
    "lifetime zero": said(access_token=TOKEN, expires_in=0),
    "lifetime negative": said(access_token=TOKEN, expires_in=-7200),
    "lifetime a fraction": b'{"access_token":"%s","expires_in":7199.5}' % TOKEN.encode(),
    "lifetime null": said(access_token=TOKEN, expires_in=None),
    "lifetime true": said(access_token=TOKEN, expires_in=True),
    "lifetime empty": said(access_token=TOKEN, expires_in=""),
    "lifetime words": said(access_token=TOKEN, expires_in="two hours"),
    "lifetime with a unit": said(access_token=TOKEN, expires_in="7200s"),
    "lifetime in hex": said(access_token=TOKEN, expires_in="0x1c20"),
    "lifetime a list": said(access_token=TOKEN, expires_in=[7200]),
    "lifetime NaN": b'{"access_token":"%s","expires_in":NaN}' % TOKEN.encode(),
    "lifetime infinite": b'{"access_token":"%s","expires_in":1e999}' % TOKEN.encode(),
    "deeply nested": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "token beside an errcode": said(errcode=40013, errmsg="invalid appid", access_token=TOKEN, expires_in=7200),
}

#: What is a token, and the longest lifetime that it may be given.
UNUSUAL = {
    "lifetime as a string": (said(access_token=TOKEN, expires_in="7200"), 7200),
    "errcode 0": (said(errcode=0, errmsg="ok", access_token=TOKEN, expires_in=7200), 7200),
    "unknown members": (said(access_token=TOKEN, expires_in=7200, token_type="x", more={"a": [1]}), 7200),
    "lifetime far too long": (said(access_token=TOKEN, expires_in=10**9), 7200),
    "lifetime beyond 32 bits": (said(access_token=TOKEN, expires_in=2**32 + 7200), 7200),
    "lifetime beyond 63 bits": (b'{"access_token":"%s","expires_in":99999999999999999999}' % TOKEN.encode(), 7200),
    "token of 512 characters": (said(access_token="t" * 512, expires_in=7200), 7200),
    "token of 4 KiB": (said(access_token="t" * 4096, expires_in=7200), 7200),
}


def stored(instance):
    """By app: (holds a token, expires_at in seconds from now), as it stands in the file."""
    with sqlite3.connect(f"file:{instance.database}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT app, token IS NOT NULL, expires_at FROM tokens").fetchall()
    return {app: (bool(there), None if ends is None else ends / 1000 - time.time()) for app, there, ends in rows}


class MalformedAnswers(harness.Case):
    def apps_for(self, answers, endpoint):
        return {f"wx{endpoint}{number:04d}": name for number, name in enumerate(answers)}

    def nothing_is_kept(self, endpoint):
        apps = self.apps_for(ABSURD, endpoint)
        for app, name in apps.items():
            self.platform.fail(wechat.answer(ABSURD[name]), app)
        instance = self.instance(apps=list(apps), endpoint=endpoint, timing={})
        node = instance.serve()
        answers = harness.together([lambda app=app: node.ask(app) for app in apps])
        for (app, name), answer in zip(apps.items(), answers):
            with self.subTest(name):
                expected = 40013 if name == "token beside an errcode" else -1
                self.assertEqual(answer.get("errcode"), expected, answer)
                self.assertNotIn("access_token", answer)
        kept = stored(instance)
        self.assertEqual(set(kept), set(apps))
        for app, (there, ends) in kept.items():
            self.assertFalse(there, f"{apps[app]} was stored")
            self.assertIsNone(ends, f"{apps[app]} has an end")
        self.assertTrue(node.running)

    def test_nothing_absurd_is_kept_of_a_classic_answer(self):
        self.nothing_is_kept("classic")

    def test_nothing_absurd_is_kept_of_a_stable_answer(self):
        self.nothing_is_kept("stable")

    def test_nothing_absurd_displaces_a_token_that_works(self):
        apps = self.apps_for(ABSURD, "stable")
        instance = self.instance(apps=list(apps), endpoint="classic", timing={})
        key = instance.key("--can", "read,refresh")
        node = instance.serve()
        before = dict(zip(apps, harness.together([lambda app=app: node.ask(app) for app in apps])))
        ends = stored(instance)
        for app, name in apps.items():
            self.platform.fail(wechat.answer(ABSURD[name]), app)

        def refresh(app):
            return node.send("POST", f"/v1/apps/{app}/token/refresh", headers={"Authorization": f"Bearer {key}"})

        for app, reply in zip(apps, harness.together([lambda app=app: refresh(app) for app in apps], 8)):
            with self.subTest(apps[app]):
                self.assertEqual(reply.status, 503, reply)
                after = node.ask(app)
                self.assertEqual(after["access_token"], before[app]["access_token"])
                self.assertLessEqual(after["expires_in"], before[app]["expires_in"])
                self.assertAlmostEqual(stored(instance)[app][1], ends[app][1], delta=30)

    def test_what_is_unusual_but_sane_is_taken_and_cut_to_what_the_platform_can_give(self):
        apps = self.apps_for(UNUSUAL, "stable")
        for app, name in apps.items():
            self.platform.fail(wechat.answer(UNUSUAL[name][0]), app)
        instance = self.instance(apps=list(apps), timing={})
        node = instance.serve()
        for (app, name), answer in zip(apps.items(), harness.together([lambda app=app: node.ask(app) for app in apps])):
            with self.subTest(name):
                body, longest = UNUSUAL[name]
                self.assertEqual(self.assert_token(answer, name), json.loads(body)["access_token"])
                self.assertLessEqual(answer["expires_in"], longest - 20)
                self.assertGreater(answer["expires_in"], longest - 20 - 30)
                self.assertLessEqual(stored(instance)[app][1], longest)


if __name__ == "__main__":
    harness.main(at_once=2)
