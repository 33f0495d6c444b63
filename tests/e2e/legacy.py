"""A Node.js program on mongoose, such as Hufu grew from, lives side by side with it on one MongoDB."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile

import harness

TOP = pathlib.Path(__file__).parents[2]
MODULES = TOP / "build/legacy/node_modules"
FERRETDB = TOP / "build/servers/ferretdb"


def server_command(port, directory):
    """What to start as the server; None where there is nothing."""
    if mongod := shutil.which("mongod"):
        return [mongod, "--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", directory]
    if FERRETDB.exists():
        return [str(FERRETDB), f"127.0.0.1:{port}", directory]
    return None


class Server:
    """A server for one test, or the one that is given."""

    def __init__(self):
        self.process = None
        if given := os.environ.get("HUFU_TEST_MONGODB_URI"):
            self.base = given.rstrip("/")
            return
        port = harness.free_port()
        self.directory = tempfile.mkdtemp(prefix="hufu-legacy-")
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(server_command(port, self.directory), stdout=log, stderr=log)
        self.base = f"mongodb://127.0.0.1:{port}"
        harness.wait_until(lambda: self._answers(port), 60, "the MongoDB server to answer")

    @staticmethod
    def _answers(port):
        try:
            harness.socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def end(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)


class Legacy(harness.Case):
    def setUp(self):
        super().setUp()
        server = Server()
        self.addCleanup(server.end)
        self.uri = f"{server.base}/hufu_{secrets.token_hex(4)}"

    def beside(self, endpoint):
        """An instance whose app keeps the document of such a program."""
        return self.instance(endpoint=endpoint, store=self.uri, key_file="hufu.key",
                             app_settings={"legacy_document": "access_token"})

    def start_program(self, *words):
        return subprocess.Popen(["node", str(TOP / "tests/legacy/program.cjs"), *words], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "NODE_PATH": str(MODULES), "MONGODB_URI": self.uri})

    def program(self, *words):
        with self.start_program(*words) as program:
            out, _ = program.communicate(timeout=140)
            self.assertEqual(program.returncode, 0)
        return json.loads(out) if out else None

    def test_it_reads_hufus_token_as_valid(self):
        instance = self.beside("stable")
        token = instance.run("get").stdout.strip()
        data = self.program("get")
        self.assertEqual(data["token"], token)
        self.assertLessEqual(data["expires_in"] / 1000, harness.time.time() + 7200)
        self.assertGreater(data["meta"]["updatedAt"], "2020")

    def test_through_renewals_it_never_finds_a_moment_without_a_valid_one(self):
        self.platform.lifetime, self.platform.overlap = 12.0, 6.0
        instance = self.beside("classic")
        node = instance.serve()
        found = self.program("watch", "4")
        self.assertEqual(len(found["seen"]), 4, node.stderr())
        self.assertEqual(found["holes"], 0)
        self.assertGreater(found["looks"], 100)
        for one in found["seen"]:
            self.assertIsNotNone(self.platform.life_of(one["token"]))

    def test_an_older_token_that_it_saves_again_is_replaced_by_the_current_one(self):
        instance = self.beside("classic")
        node = instance.serve().wait_until_ready()
        harness.wait_until(lambda: self.program("get"), what="the document")
        with self.start_program("save-late") as program:
            older = json.loads(program.stdout.readline())
            # Not before the overlap is over.
            harness.wait_until(lambda: instance.run("refresh").returncode == 0, what="another token")
            self.assertEqual(program.wait(harness.PATIENCE), 0)
        current = self.platform.issued()[-1].value
        self.assertNotEqual(older, current)
        harness.wait_until(lambda: self.program("get")["token"] == current, what="the current token")
        self.assertEqual(len(self.platform.token_calls()), 2, f"no renewal did that: {node.stderr()}")

    def test_an_app_that_is_added_while_the_server_runs_gets_its_document_too(self):
        instance = self.instance(apps=[], store=self.uri, key_file="hufu.key")
        instance.serve()
        secret = secrets.token_hex(16)
        self.platform.add_app(harness.APP, secret)
        added = instance.run("app", "add", harness.APP, "--secret-stdin", "--legacy-document", "access_token",
                             stdin=secret)
        self.assertEqual(added.returncode, 0, added.stderr)
        data = harness.wait_until(lambda: self.program("get"), what="the document")
        self.assertEqual(data["token"], self.platform.issued()[-1].value)

    def test_a_token_that_it_saved_first_is_imported_without_a_call(self):
        self.program("save", "saved-by-the-program", "3600000")
        instance = self.beside("stable")
        self.assertEqual(instance.run("get").stdout, "saved-by-the-program\n")
        self.assertEqual(self.program("get")["token"], "saved-by-the-program")
        self.assertEqual(self.platform.token_calls(), [])

    def test_an_import_is_no_renewal(self):
        self.program("save", "saved-by-the-program", "3600000")
        node = self.beside("stable").serve().wait_until_ready()
        self.assert_token(node.ask())
        renewals = [line for line in node.get("/metrics").body.decode().splitlines()
                    if line.startswith("hufu_token_refresh_total{") and not line.endswith(" 0")]
        self.assertEqual(renewals, [])

    def test_a_token_of_its_that_has_ended_is_not_imported(self):
        self.program("save", "saved-by-the-program", "-1000")
        instance = self.beside("stable")
        token = instance.run("get").stdout.strip()
        self.assertNotEqual(token, "saved-by-the-program")
        self.assertEqual(self.program("get")["token"], token)
        self.assertEqual(len(self.platform.token_calls()), 1)


if __name__ == "__main__":
    if not os.environ.get("HUFU_TEST_MONGODB_URI") and server_command(0, "") is None:
        print("not run: MongoDB: no mongod on the path, no build/servers/ferretdb, no HUFU_TEST_MONGODB_URI")
        sys.exit(0)
    if not MODULES.exists() or not shutil.which("node"):
        print("not run: mongoose: no Node.js, or nothing in build/legacy (script/test makes it)")
        sys.exit(0)
    harness.main()
