"""However many ask for a token that nobody has yet: one call to the platform, the same token for all."""

import json
import resource
import selectors
import socket
import time

import harness
import wechat

CALLERS = 1000


def ask_all_at_once(port, path, callers):
    """Opens all connections first, then sends on all, then reads all. The answers' bodies."""
    request = f"GET {path} HTTP/1.1\r\nHost: hufu\r\nConnection: close\r\n\r\n".encode()
    waiting = selectors.DefaultSelector()
    received = {}
    for _ in range(callers):
        connection = socket.create_connection(("127.0.0.1", port), harness.PATIENCE)
        received[connection] = b""
        waiting.register(connection, selectors.EVENT_READ)
    for connection in received:
        connection.sendall(request)
    deadline = time.monotonic() + 2 * harness.PATIENCE
    while waiting.get_map():
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(waiting.get_map())} of {callers} callers got no answer")
        for key, _ in waiting.select(1):
            chunk = key.fileobj.recv(65536)
            received[key.fileobj] += chunk
            if not chunk:
                waiting.unregister(key.fileobj)
                key.fileobj.close()
    return [answer.partition(b"\r\n\r\n")[2] for answer in received.values()]


class FirstCallers(harness.Case):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))

    def a_thousand(self, endpoint):
        instance = self.instance(endpoint=endpoint, timing={})
        self.platform.fail(wechat.slow(4))
        node = instance.serve()
        bodies = ask_all_at_once(node.port, node.token_path(), CALLERS)
        tokens = {self.assert_token(json.loads(body)) for body in bodies}
        self.assertEqual(len(bodies), CALLERS)
        self.assertEqual(len(tokens), 1)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_a_thousand_first_callers_cost_one_classic_call(self):
        self.a_thousand("classic")

    def test_a_thousand_first_callers_cost_one_stable_call(self):
        self.a_thousand("stable")

    def test_many_first_commands_at_once_cost_one_call(self):
        instance = self.instance(timing={})
        self.platform.fail(wechat.slow(2))
        results = harness.together([lambda: instance.run("get")] * 12)
        self.assertEqual({result.returncode for result in results}, {0}, [result.stderr for result in results])
        self.assertEqual(len({result.stdout for result in results}), 1)
        self.assertEqual(len(self.platform.token_calls()), 1)

    def test_a_thousand_callers_of_a_platform_that_refuses_cost_one_call(self):
        instance = self.instance(timing={})
        self.platform.fail(wechat.Fault(before=3, errcode=40125))
        node = instance.serve()
        bodies = ask_all_at_once(node.port, node.token_path(), CALLERS)
        self.assertEqual({json.loads(body)["errcode"] for body in bodies}, {40125})
        self.assertEqual(len(self.platform.token_calls()), 1)


if __name__ == "__main__":
    harness.main(at_once=2)
