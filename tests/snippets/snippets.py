"""The snippets of docs/how-to/point-an-sdk-here.md and README's lines, with the SDKs themselves and nginx.

A block of the page that follows `<!-- runs: NAME -->` is put into the program of that name at THE SNIPPET, or is a file
of that name. Addresses and the app's id are replaced, nothing else.
"""

import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading

TOP = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

HERE = pathlib.Path(__file__).parent
INSTALLED = TOP / "build/snippets"
PAGE = TOP / "docs/how-to/point-an-sdk-here.md"
READMES = [TOP / "README.md", TOP / "README.zh-CN.md"]

BLOCKS = dict(re.findall(r"<!-- runs: (\S+) -->\n```\w+\n(.*?)```\n", PAGE.read_text(), re.S))
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def table_lines(page, sdk):
    """What stands in the row of an SDK, in every table of a page that has one."""
    return re.findall(rf"^\| {re.escape(sdk)}(?:（.*?）| \(.*?\))? \| `(.*?)`", page.read_text(), re.M)


class Program:
    """A program that stands on an SDK. It answers each command with a line."""

    def __init__(self, command, directory, environment):
        self.popen = subprocess.Popen(command, cwd=directory, env=environment, text=True, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=open(directory / "stderr", "w"))
        self.stderr = directory / "stderr"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.stdin.close()
        self.popen.stdout.close()
        self.popen.kill()
        self.popen.wait()

    def ask(self, command):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        answer = self.popen.stdout.readline().strip()
        if not answer:
            raise AssertionError(f"no answer to {command}: {self.stderr.read_text()[-2000:]}")
        return answer


class Tls:
    """Port 443 of the platform: TLS in front of the one that the test plays. Counts its connections."""

    def __init__(self, directory, port):
        self.certificate, key = directory / "platform.pem", directory / "platform.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-out",
                        self.certificate, "-keyout", key, "-subj", "/CN=api.weixin.qq.com", "-addext",
                        "subjectAltName=DNS:api.weixin.qq.com"], check=True, capture_output=True)
        self.behind, self.connections = port, 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            outside = self.context.wrap_socket(connection, server_side=True)
            inside = socket.create_connection(("127.0.0.1", self.behind))
        except OSError:
            return
        # The request whole, then its answer whole: a TLS connection is not for two threads.
        outside.settimeout(harness.PATIENCE)
        try:
            answer = b"none yet"
            while answer and (request := _message(outside)):
                inside.sendall(request)
                answer = _message(inside)
                outside.sendall(answer)
        except OSError:
            pass
        finally:
            inside.close()
            outside.close()


def _message(connection):
    """One HTTP message with its body; empty where the other side has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: *(\d+)", head, re.M)
    while len(body) < int(length[1] if length else 0):
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        body += chunk
    return head + b"\r\n\r\n" + body


class Nginx:
    """The page's nginx, in the foreground, as the user who runs the tests."""

    def __init__(self, directory, hufu, tls):
        self.port = harness.free_port()
        self.log = directory / "nginx.log"
        block = BLOCKS["nginx"]
        for old, new in [("127.0.0.1:7201", f"127.0.0.1:{self.port}"), ("127.0.0.1:7200", f"127.0.0.1:{hufu}"),
                         ("server api.weixin.qq.com:443", f"server 127.0.0.1:{tls.port}"),
                         ("/etc/ssl/certs/ca-certificates.crt", str(tls.certificate))]:
            if block.count(old) != 1:
                raise AssertionError(f"the page's nginx has {old} {block.count(old)} times")
            block = block.replace(old, new)
        bodies = "".join(f"{name}_temp_path {directory}/{name};\n"
                         for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # Its workers write bodies into a directory that nobody else may enter.
        user = "user root; " if os.getuid() == 0 else ""
        (directory / "nginx.conf").write_text(
            f"{user}daemon off; worker_processes 1; pid {directory}/nginx.pid; events {{}}\nhttp {{\n{bodies}{block}}}\n")
        # Without -e it would open its usual error log first.
        self.popen = subprocess.Popen([NGINX, "-e", self.log, "-c", directory / "nginx.conf"],
                                      stderr=subprocess.DEVNULL)

    def __enter__(self):
        harness.wait_until(self._answers, what="nginx to answer")
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        self.popen.wait(harness.PATIENCE)

    def _answers(self):
        if self.popen.poll() is not None:
            raise AssertionError(f"nginx ended: {self.log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


class Snippets(harness.Case):
    def setUp(self):
        super().setUp()
        self.hufu = self.instance(timing={})
        self.key = self.hufu.key()
        self.node = self.hufu.serve().wait_until_ready()
        self.current = self.assert_token(self.node.ask())
        self.proxy = None

    # ---- starting a program

    def here(self, text):
        """A snippet with the addresses of this test."""
        text = text.replace("http://127.0.0.1:7200", f"http://127.0.0.1:{self.node.port}")
        if self.proxy:
            text = text.replace("http://127.0.0.1:7201", f"http://127.0.0.1:{self.proxy.port}")
        return text.replace("wx0123456789abcdef", harness.APP)

    def directory(self, name):
        made = self.hufu.directory / name
        made.mkdir(exist_ok=True)
        return made

    def write(self, directory, source, snippet):
        text = source.read_text()
        self.assertEqual(len(re.findall(r"^\s*(//|#) THE SNIPPET$", text, re.M)), 1, source)
        text = re.sub(r"(?m)^\s*(//|#) THE SNIPPET$", lambda _: self.here(snippet), text)
        (directory / source.name).write_text(text)

    def start(self, *command, directory):
        environment = {**os.environ, "HUFU_KEY": self.key, "APP": harness.APP, "PLATFORM": self.platform.base_url}
        return self.enterContext(Program(command, directory, environment))

    def go(self, name, snippet, *files, arguments=()):
        directory = self.directory(f"go-{name}")
        for file in ("go.mod", "go.sum", "program.go"):
            shutil.copy(HERE / "go" / file, directory)
        for file in files:
            (directory / file).write_text(self.here(BLOCKS[file]))
        self.write(directory, HERE / f"go/{name}.go", snippet)
        built = subprocess.run(["go", "build", "-o", "program", "."], cwd=directory, capture_output=True, text=True,
                               env={**os.environ, "GOFLAGS": "-mod=readonly"}, timeout=240)
        self.assertEqual(built.returncode, 0, built.stderr)
        return self.start("./program", *arguments, directory=directory)

    def javascript(self, name, snippet, *files):
        directory = self.directory(f"node-{name}")
        (directory / "node_modules").symlink_to(INSTALLED / "node/node_modules")
        shutil.copy(HERE / "node/program.cjs", directory)
        for file in files:
            (directory / file).write_text(self.here(BLOCKS[file]))
        self.write(directory, HERE / f"node/{name}.cjs", snippet)
        return self.start("node", f"{name}.cjs", directory=directory)

    def start_proxy(self):
        if not NGINX:
            self.fail("there is no nginx")
        directory = self.directory("nginx")
        self.tls = self.enterContext(Tls(directory, self.platform.port))
        self.proxy = self.enterContext(Nginx(directory, self.node.port, self.tls))

    # ---- what is true of each

    def assert_hufus(self, program):
        """The SDK has Hufu's token, its calls are accepted, and nobody but Hufu asked the platform for one."""
        self.assertEqual(program.ask("token"), self.current)
        self.assertEqual(program.ask("call"), "ok")
        self.assert_calls(1)

    def assert_calls(self, times):
        calls = self.platform.token_calls()
        self.assertEqual([call.outcome for call in calls], [0] * times, calls)

    def assert_heals(self, program, command, brings="ok"):
        """The platform takes the token back: a call is refused, and after the report the next one is accepted."""
        self.platform.revoke(self.current)
        self.assertRegex(program.ask("call"), "^error")
        answer = program.ask(command)
        self.assert_calls(2)
        fresh = self.node.ask()["access_token"]
        self.assertNotEqual(fresh, self.current)
        self.assertEqual(answer, fresh if brings == "token" else brings)
        self.assertEqual(program.ask("token"), fresh)
        self.assertEqual(program.ask("call"), "ok")
        self.assert_calls(2)

    # ---- the rows

    def test_silenceper(self):
        self.key = self.hufu.key("--margin", "1500")
        harness.wait_until(lambda: "access_token" in self.node.ask(secret=self.key), what="the key to be known")
        lines = [line for page in READMES for line in table_lines(page, "silenceper/wechat")]
        self.assertEqual(len(lines), 2, lines)
        for snippet in {BLOCKS["silenceper"], *lines}:
            for endpoint in ("classic", "stable"):
                with self.subTest(snippet=snippet, endpoint=endpoint):
                    self.assert_hufus(self.go("silenceper", snippet, arguments=[endpoint]))

    def test_own_token_in_go(self):
        program = self.go("own_token", BLOCKS["own_token"], "hufu.go")
        self.assert_hufus(program)
        self.assert_heals(program, "refused", "token")

    def test_wechatpy(self):
        directory = self.directory("python")
        self.write(directory, HERE / "python/wechatpy_client.py", BLOCKS["wechatpy"])
        program = self.start(INSTALLED / "python/bin/python", "wechatpy_client.py", directory=directory)
        self.assert_hufus(program)
        self.assert_heals(program, "healed")

    def test_co_wechat_api(self):
        program = self.javascript("co_wechat_api", BLOCKS["co_wechat_api"], "hufu.cjs")
        self.assert_hufus(program)
        self.assert_heals(program, "healed")

    def test_node_easywechat(self):
        program = self.javascript("easywechat_own", BLOCKS["easywechat_own"], "hufu.cjs")
        self.assert_hufus(program)
        self.assert_heals(program, "refused", "token")

    def test_whole_hosts(self):
        self.start_proxy()
        for sdk, name in [("co-wechat-api", "co_wechat_api_prefix"), ("wechat-api", "wechat_api"),
                          ("node-easywechat", "easywechat_host")]:
            lines = [line for page in [PAGE, *READMES] for line in table_lines(page, sdk) if ":7201" in line]
            self.assertEqual(len(lines), 3, sdk)
            self.assertEqual(len(set(lines)), 1, lines)
            with self.subTest(sdk=sdk):
                self.assert_hufus(self.javascript(name, lines[0]))

    def test_nginx(self):
        self.start_proxy()
        client = harness.Client(self.proxy.port)
        for path in (self.node.token_path(secret=self.key), "/" + self.node.token_path(secret=self.key)):
            self.assertEqual(client.request("GET", path).json["access_token"], self.current)
        self.assertEqual(self.tls.connections, 0)
        for _ in range(5):
            self.assertIn("ip_list", client.request("GET", f"/cgi-bin/getcallbackip?access_token={self.current}").json)
        self.assertEqual(self.tls.connections, 1)
        upload = client.request("POST", "/cgi-bin/media/upload?type=image", b"x" * (4 << 20))
        self.assertEqual(upload.status, 200, upload)
        self.assertEqual(upload.json["errcode"], 40066)  # What the platform of the test says to what it does not have.
        self.node.kill()
        self.assertEqual(client.request("GET", self.node.token_path(secret=self.key)).status, 502)
        self.assertEqual(self.proxy.log.read_text() if self.proxy.log.exists() else "", "")

    def test_every_marked_block_is_run(self):
        source = pathlib.Path(__file__).read_text()
        for name in BLOCKS:
            self.assertIn(f'"{name}"', source)
        self.assertEqual(len(BLOCKS), PAGE.read_text().count("<!-- runs:"))


if __name__ == "__main__":
    if not (INSTALLED / "complete").exists() or not (INSTALLED / "node/node_modules").exists():
        print("not run: build/snippets is not installed; script/test installs it")
        sys.exit(0)
    harness.main()
