"""An id or a secret that was damaged on its way is told as such, with what to do, and the secret is shown to nobody."""

import json
import secrets

import harness

#: Of the platform's usual form.
ID = "wx0123456789abcdef"


class DamagedInput(harness.Case):
    def setUp(self):
        super().setUp()
        self.hufu = self.instance(apps=[], timing={})
        self.secret = secrets.token_hex(16)
        self.hufu.add_app(ID, secret=self.secret)
        self.file = self.hufu.directory / f"{ID}.secret"
        self.other = self.instance(apps=[], timing={})  # Where apps are added: its configuration names none.

    def told(self, status, words, *arguments, by=None, **keywords):
        """It ends with `status`, and says `words` and a next step, but no part of the secret."""
        result = (by or self.hufu).run(*arguments, **keywords)
        said = result.stdout + result.stderr
        self.assertEqual(result.returncode, status, f"{arguments}: {said}")
        self.assertIn(words, said, arguments)
        self.assertIn("next_step" if "config" in arguments and "--json" in arguments else
                      "fix" if "--json" in arguments else "→", said, arguments)
        for start in range(len(self.secret) - 7):
            self.assertNotIn(self.secret[start:start + 8], said.lower(), arguments)
        return result

    def refused(self, content, words):
        """What cannot be a secret, whoever the platform is."""
        self.file.write_bytes(content)
        self.told(3, words, "config", "check")
        self.told(3, words, "config", "check", "--json")
        self.told(3, words, "doctor")
        self.told(3, words, "doctor", "--json")
        self.told(3, words, "get")
        self.told(3, words, "serve")
        self.told(2, words, "app", "add", ID, "--secret-file", str(self.file), by=self.other)
        self.assertEqual(self.platform.token_calls(), [])

    def doubted(self, content, words):
        """What may be a secret in a form that the platform did not have before: the platform has the last word."""
        self.file.write_bytes(content)
        self.told(0, words, "config", "check")
        self.told(0, words, "config", "check", "--json")
        self.told(4, words, "doctor")
        found = json.loads(self.told(4, words, "doctor", "--json").stdout)["checks"]
        self.assertIn((ID, "fail"), [(each["check"], each["level"]) for each in found])
        self.assertIn("warn", [each["level"] for each in found if words in each["message"]])
        for place, keywords in ((["--secret-file", str(self.file)], {}),
                                (["--secret-stdin"], {"stdin": content.decode()}),
                                (["--secret-env", "DAMAGED"], {"env": {"DAMAGED": content.decode()}})):
            added = self.told(0, words, "app", "add", ID, *place, by=self.other, **keywords)
            self.assertRegex(added.stdout, rf"^(added|replaced) {ID}\n$", "the doubt stands on stderr")

    # ---- secrets

    def test_white_space_around_a_secret_is_no_damage(self):
        self.file.write_bytes(b" \t\r\n" + self.secret.encode() + b"\r\n\n ")
        for command in (["config", "check"], ["doctor"], ["get"]):
            result = self.hufu.run(*command)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertNotIn("damaged", result.stdout + result.stderr)

    def test_a_secret_in_quotation_marks(self):
        for left, right in (('"', '"'), ("'", "'"), ("“", "”"), ("", '"')):
            with self.subTest(left + right):
                self.doubted(f"{left}{self.secret}{right}\n".encode(), "quotation marks")

    def test_a_secret_with_a_name_before_it(self):
        for name in ("WECHAT_APPSECRET=", "AppSecret=", "secret="):
            with self.subTest(name):
                self.doubted(f"{name}{self.secret}\n".encode(), "a name and an equals sign stand before it")

    def test_a_secret_of_another_length(self):
        self.doubted(self.secret[:31].encode(), "31 characters, where others of the platform have 32")
        self.doubted(self.secret.encode() + b"0", "33 characters, where others of the platform have 32")

    def test_a_secret_in_upper_case(self):
        self.secret = "abcdef" + self.secret[6:]
        self.doubted(self.secret.upper().encode(), "upper-case letters")

    def test_a_secret_with_other_characters(self):
        self.doubted(self.secret[:31].encode() + b"x", "other characters than usual")
        self.doubted(self.secret[:30].encode() + "é".encode(), "not plain ASCII")

    def test_a_file_with_a_byte_order_mark(self):
        self.refused(b"\xef\xbb\xbf" + self.secret.encode(), "byte order mark (BOM)")

    def test_a_file_in_utf_16(self):
        for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
            with self.subTest(encoding):
                self.refused((self.secret + "\n").encode(encoding), "UTF-16")

    def test_odd_blanks(self):
        half = self.secret[:16]
        for blank in ("\u00a0", "\u2009", "\u200b", "\u202f", "\u2060", "\u3000", "\ufeff"):
            with self.subTest(f"U+{ord(blank):04X}"):
                self.refused(f"{self.secret}{blank}".encode(), "a blank that is not seen")
        self.refused(f"{half}\u00a0{self.secret[16:]}".encode(), "a blank that is not seen")
        for blank in (" ", "\t", "\n"):
            self.refused(f"{half}{blank}{self.secret[16:]}".encode(), "white space in its middle")

    def test_an_empty_file(self):
        self.refused(b"", "is empty")
        self.refused(b" \r\n", "is empty")

    # ---- ids

    def configure_id(self, text):
        self.hufu.endpoints.clear()
        self.hufu.write_config()
        self.hufu.config.write_text(self.hufu.config.read_text() + f"\n[[app]]\nid = {json.dumps(text)}\n"
                                    f'platform = "wechat"\nsecret = {{ file = {json.dumps(str(self.file))} }}\n')

    def test_an_id_that_looks_damaged(self):
        for text, words in ((f'"{ID}"', "quotation marks"), (f"'{ID}'", "quotation marks"),
                            (f"APPID={ID}", "a name and an equals sign stand before it"),
                            (ID[:-1], "17 characters, where others of the platform have 18"),
                            (ID.upper(), 'does not begin with "wx"')):
            with self.subTest(text):
                self.configure_id(text)
                self.told(0, words, "config", "check")
                self.told(4, words, "doctor")
                self.told(0, words, "app", "add", text, "--secret-stdin", stdin=self.secret, by=self.other)

    def test_a_damaged_id_of_an_app_in_the_store_is_told_by_doctor(self):
        words = "a name and an equals sign stand before it"
        self.told(0, words, "app", "add", f"APPID={ID}", "--secret-stdin", stdin=self.secret, by=self.other)
        self.told(4, words, "doctor", by=self.other)

    def test_a_damaged_secret_of_an_app_in_the_store_is_told_by_doctor(self):
        words = "quotation marks"
        self.told(0, words, "app", "add", ID, "--secret-stdin", stdin=f'"{self.secret}"', by=self.other)
        self.told(4, words, "doctor", by=self.other)

    def test_an_id_that_cannot_be_one(self):
        for text in (".", "..", "", f" {ID}", f"{ID} ", f"\ufeff{ID}", f"{ID}\u200b", f"{ID}\u00a0", "a/b", "w" * 129):
            with self.subTest(text):
                self.configure_id(text)
                self.told(3, "is not an app id", "config", "check")
                self.told(3, "is not an app id", "doctor")
                self.told(2, "is not an app id", "app", "add", text, "--secret-stdin", stdin=self.secret,
                          by=self.other)


if __name__ == "__main__":
    harness.main(at_once=4)
