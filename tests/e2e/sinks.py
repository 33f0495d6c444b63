"""Tokens where other programs look: a real Redis and a file always hold one that is promised, and are never in the way."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import harness
import wechat

KEY = f"wx:access_token:{harness.APP}"
SERVER = shutil.which("redis-server")


class Redis:
    """A redis-server of one's own that keeps nothing on disk."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hufu-e2e-redis-")
        self.port = harness.free_port()
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        self.process = subprocess.Popen([SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--dir", self.directory], stdout=subprocess.DEVNULL)
        harness.wait_until(self.answers, what="redis-server to answer")

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def answers(self):
        try:
            return self.ask("PING") == "PONG"
        except OSError:
            return False

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *words):
        """One command on a connection of its own: a text, a number or None."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.create_connection(("127.0.0.1", self.port), harness.PATIENCE) as connection:
            connection.sendall(command.encode())
            with connection.makefile("rb") as answer:
                line = answer.readline().decode().rstrip()
                if line.startswith("$"):
                    return None if line == "$-1" else answer.read(int(line[1:])).decode()
                return int(line[1:]) if line.startswith(":") else line[1:]

    def life(self, key=KEY):
        """What a reader finds at one moment, and for how many milliseconds it will stay."""
        script = "return {redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1])}"
        words = ("EVAL", script, "1", key)
        command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.create_connection(("127.0.0.1", self.port), harness.PATIENCE) as connection:
            connection.sendall(command.encode())
            with connection.makefile("rb") as answer:
                answer.readline()
                value = answer.read(int(answer.readline()[1:]) + 2)[:-2].decode()
                return value or None, int(answer.readline()[1:])


class Watch:
    """Somebody who looks at the key all the time, and writes down what is wrong with what is there."""

    def __init__(self, redis, platform, key=KEY):
        self.redis, self.platform, self.key = redis, platform, key
        self.wrong, self.seen = [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join(harness.PATIENCE)

    def _look(self):
        while not self._stop.wait(0.01):
            asked = time.monotonic()
            value, left = self.redis.life(self.key)
            if value is None:
                self.wrong.append("missing")
                continue
            if value not in self.seen:
                self.seen.append(value)
            token = self.platform.life_of(value)
            if left < 0 or token is None or token.dies < asked + left / 1000:
                self.wrong.append(f"{value[:10]} stays {left} ms, lives {token and token.dies - asked} s")


class Sinks(harness.Case):
    def setUp(self):
        self.platform = self.enterContext(wechat.Wechat(lifetime=12, overlap=6))
        self.redis = self.enterContext(Redis())

    def sink(self, instance, *lines):
        instance.sinks[harness.APP] = [*instance.sinks.get(harness.APP, []), lines]
        instance.write_config()

    def with_redis_sink(self, endpoint="classic", **settings):
        instance = self.instance(endpoint=endpoint, **settings)
        self.sink(instance, f'redis = "redis://127.0.0.1:{self.redis.port}/0"', 'sdk = "wxjava"')
        return instance

    def newest(self):
        return self.platform.issued()[-1].value

    def wait_for_key(self, seconds=harness.PATIENCE):
        harness.wait_until(lambda: self.redis.ask("GET", KEY) == self.newest(), seconds, "the newest token in Redis")

    def test_a_key_is_never_missing_and_never_dead(self):
        instance = self.with_redis_sink()
        nodes = [instance.serve().wait_until_ready() for _ in range(2)]
        self.wait_for_key()
        watch = Watch(self.redis, self.platform)
        harness.wait_until(lambda: len(watch.seen) > 3, 60, "three renewals")
        watch.stop()
        self.assertEqual(watch.wrong, [])
        for node in nodes:
            self.assertIn(b'hufu_sink_writes_total{sink="redis",result="put"}', node.get("/metrics").body)

    def test_a_frozen_redis_holds_up_no_renewal_and_is_right_again_afterwards(self):
        instance = self.with_redis_sink()
        node = instance.serve().wait_until_ready()
        self.wait_for_key()
        self.redis.freeze()
        clients = harness.Clients(node.ask, self.platform).start(4)
        before = len(self.platform.token_calls())
        harness.wait_until(lambda: len(self.platform.token_calls()) > before + 2, 60, "renewals to go on")
        clients.stop()
        self.assertEqual((clients.failures, clients.errors, clients.broken_promises()), ([], [], []))
        self.redis.thaw()
        self.wait_for_key()
        watch = Watch(self.redis, self.platform)
        harness.wait_until(lambda: len(watch.seen) > 2, 60, "another renewal")
        watch.stop()
        self.assertEqual(watch.wrong, [])
        warnings = [line for line in node.stderr().splitlines() if " warn " in line and "sink" in line]
        self.assertEqual(len(warnings), 1, "told once, not at every try")
        self.assertIn("tokens reach their sink again", node.stderr())

    def test_a_redis_that_lost_everything_is_filled_again(self):
        instance = self.with_redis_sink()
        instance.serve().wait_until_ready()
        self.wait_for_key()
        self.redis.stop()
        self.redis.start()
        self.wait_for_key()

    def test_a_key_is_stretched_while_the_renewal_is_late(self):
        instance = self.with_redis_sink()
        instance.serve().wait_until_ready()
        self.wait_for_key()
        watch = Watch(self.redis, self.platform)
        first = self.newest()
        self.platform.fail(wechat.errcode(-1))
        token = self.platform.life_of(first)
        # To the last second that the use slack leaves.
        harness.wait_until(lambda: time.monotonic() > token.expires - 2.5, 30)
        watch.stop()
        self.assertEqual(watch.wrong, [])
        self.assertEqual(watch.seen, [first])
        harness.wait_until(lambda: self.redis.ask("GET", KEY) is None, 10, "the key to end")
        self.assertLess(time.monotonic(), token.expires, "with the promise, not with the token")
        self.platform.heal()
        harness.wait_until(lambda: self.newest() != first, 30, "a renewal")
        self.wait_for_key()

    def test_a_node_that_dies_between_commit_and_sink_is_made_good_by_another(self):
        instance = self.with_redis_sink()
        doomed = instance.serve(env={"HUFU_FAILPOINT": f"renew.after_commit:kill:{instance.armed}"}).wait_until_ready()
        self.wait_for_key()
        other = instance.serve().wait_until_ready()
        watch = Watch(self.redis, self.platform)
        instance.armed.touch()
        harness.wait_until(lambda: not doomed.running or len(self.platform.issued()) > 3, 60, "a renewal or two")
        self.wait_for_key(5)
        watch.stop()
        self.assertEqual(watch.wrong, [])
        self.assertTrue(other.running)

    def test_a_token_that_is_dead_is_taken_away(self):
        self.platform = self.enterContext(wechat.Wechat())
        instance = self.with_redis_sink(timing={})
        key = instance.key("--can", "read,report")
        node = instance.serve().wait_until_ready()
        self.wait_for_key()
        first = self.newest()
        self.platform.revoke(first)
        self.platform.fail(wechat.errcode(-1))
        node.send("POST", f"/v1/apps/{harness.APP}/token/report", json.dumps({"token": first}),
                  {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        harness.wait_until(lambda: self.redis.ask("GET", KEY) is None, what="the dead token to go")

    def test_a_file_holds_what_the_command_prints_and_goes_with_the_promise(self):
        instance = self.instance(endpoint="classic")
        raw, full = instance.directory / "wx.token", instance.directory / "wx.json"
        self.sink(instance, f'file = "{raw}"')
        self.sink(instance, f'file = "{full}"', 'format = "json"')
        instance.serve().wait_until_ready()
        harness.wait_until(lambda: raw.exists() and raw.read_text() == self.newest() + "\n", what="the file")
        self.assertEqual(stat.S_IMODE(raw.stat().st_mode), 0o600)
        harness.wait_until(lambda: full.exists() and self.newest() in full.read_text(), what="the other file")
        found, printed = json.loads(full.read_text()), json.loads(instance.run("get", "--json").stdout)
        self.assertEqual(list(found), list(printed))
        life = self.platform.life_of(found["token"])
        age = time.time() - full.stat().st_mtime
        self.assertGreaterEqual(life.dies, time.monotonic() - age + found["expires_in"])
        second = self.newest()
        harness.wait_until(lambda: self.newest() != second, 30, "a renewal")
        harness.wait_until(lambda: raw.read_text() == self.newest() + "\n", 5, "the new token in the file")
        self.platform.fail(wechat.errcode(-1))
        last = self.platform.life_of(self.newest())
        harness.wait_until(lambda: not raw.exists() and not full.exists(), 30, "the files to go")
        self.assertLess(time.monotonic(), last.expires)
        self.assertEqual([each for each in os.listdir(instance.directory) if each.startswith(".wx")], [])

    def test_a_ticket_that_is_kept_stands_where_the_sdk_and_a_file_look_for_it(self):
        self.platform.lifetime = 30.0
        instance = self.with_redis_sink(app_settings={"keep": ["jsapi_ticket"]})
        file = instance.directory / "wx.ticket"
        self.sink(instance, f'file = "{file}"', 'kind = "jsapi_ticket"')
        instance.serve()
        key = f"wx:ticket:key:{harness.APP}:jsapi"
        harness.wait_until(lambda: self.redis.ask("GET", key), what="the ticket in Redis")
        (ticket,) = self.platform.tickets(harness.APP)
        asked = time.monotonic()
        value, left = self.redis.life(key)
        self.assertEqual(value, ticket.value)
        self.assertGreaterEqual(ticket.dies, asked + left / 1000)
        harness.wait_until(lambda: file.exists() and file.read_text() == ticket.value + "\n", what="the file")
        self.wait_for_key()  # The access token beside it.
        harness.wait_until(lambda: len(self.platform.tickets(harness.APP)) > 1, 60, "the next ticket")
        harness.wait_until(lambda: self.redis.ask("GET", key) == self.platform.tickets(harness.APP)[-1].value,
                           what="the next ticket in Redis")

    def test_a_sink_that_cannot_be_used_is_told_and_changes_nothing(self):
        instance = self.instance(endpoint="classic")
        missing = instance.directory / "not-there" / "wx.token"
        self.sink(instance, f'file = "{missing}"')
        node = instance.serve().wait_until_ready()
        harness.wait_until(lambda: "make the directory" in node.stderr(), what="the log to tell")
        self.assert_token(node.ask())
        self.assertIn(b'hufu_sink_writes_total{sink="file",result="failed"}', node.get("/metrics").body)
        self.assertNotIn(self.newest(), node.stderr())

    def test_a_new_configuration_brings_new_sinks(self):
        self.platform = self.enterContext(wechat.Wechat())
        instance = self.instance(endpoint="classic", timing={})
        node = instance.serve().wait_until_ready()
        added = instance.directory / "wx.token"
        self.sink(instance, f'file = "{added}"')
        node.signal(signal.SIGHUP)
        harness.wait_until(added.exists, what="the file")
        self.assertEqual(added.read_text(), self.newest() + "\n")


if __name__ == "__main__":
    if SERVER is None:
        print("not run: Redis: no redis-server on the path")
        sys.exit(0)
    harness.main(at_once=9)
