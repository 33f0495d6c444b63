"""The gate itself, between a client and a server that echoes."""

import socket
import socketserver
import threading
import time
import unittest

from gate import Gate


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(4096):
                self.request.sendall(data)
        except OSError:
            pass


class GateTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.shutdown)
        self.gate = self.enterContext(Gate(self.server.server_address))

    def dial(self):
        return self.enterContext(socket.create_connection(("127.0.0.1", self.gate.port), 10))

    def say(self, connection, words=b"hello world!"):
        connection.sendall(words)
        return connection.recv(4096)

    def assert_nothing_comes(self, connection):
        connection.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)

    def test_an_open_gate_lets_everything_through(self):
        self.assertEqual(self.say(self.dial()), b"hello world!")
        self.assertEqual((self.gate.asked, self.gate.answered), (12, 12))

    def test_a_delay_is_paid_each_way(self):
        connection = self.dial()
        self.say(connection)
        self.gate.delay(0.1)
        asked = time.monotonic()
        self.assertEqual(self.say(connection), b"hello world!")
        self.assertGreaterEqual(time.monotonic() - asked, 0.2)

    def test_through_a_cut_nothing_goes_until_it_is_opened(self):
        connection = self.dial()
        self.say(connection)
        self.gate.cut()
        connection.sendall(b"is there anybody?")
        self.assert_nothing_comes(connection)
        later = self.dial()
        later.sendall(b"and here?")
        self.assert_nothing_comes(later)
        self.gate.open()
        self.assertEqual(connection.recv(4096), b"is there anybody?")
        self.assertEqual(later.recv(4096), b"and here?")

    def test_a_mute_gate_holds_answers_only(self):
        connection = self.dial()
        self.say(connection)
        self.gate.mute()
        connection.sendall(b"to the server")
        self.assert_nothing_comes(connection)
        deadline = time.monotonic() + 10
        while self.gate.asked < 25 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        self.assertEqual((self.gate.asked, self.gate.answered), (25, 12))
        self.gate.open()
        self.assertEqual(connection.recv(4096), b"to the server")

    def test_half_an_answer_is_the_end_of_a_connection(self):
        connection = self.dial()
        self.say(connection)
        self.gate.halve()
        self.assertEqual(self.say(connection), b"hello ")
        self.assertEqual(connection.recv(4096), b"")

    def test_a_reset_is_told_at_once_and_new_connections_are_served(self):
        connection = self.dial()
        self.say(connection)
        self.gate.reset()
        with self.assertRaises(ConnectionResetError):
            connection.recv(1)
        self.assertEqual(self.say(self.dial()), b"hello world!")

    def test_a_resetting_gate_resets_at_the_first_question(self):
        self.gate.resetting()
        connection = self.dial()
        with self.assertRaises(ConnectionResetError):
            self.say(connection)

    def test_a_shut_gate_refuses_and_accepts_again_at_the_same_port(self):
        port = self.gate.port
        self.gate.refuse()
        with self.assertRaises(ConnectionRefusedError):
            self.dial()
        self.gate.accept()
        self.assertEqual(self.gate.port, port)
        self.assertEqual(self.say(self.dial()), b"hello world!")


if __name__ == "__main__":
    unittest.main()
