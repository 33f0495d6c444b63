"""Processes that share a store and are set differently: none fights another, and none promises more than the record."""

import json
import signal
import time

import harness
import wechat


class MixedSettings(harness.Case):
    def beside(self, instance, endpoint, **settings):
        """A configuration of its own for the same store and app."""
        other = self.instance(apps=[], timing=instance.timing, store=instance.settings["store"],
                              key_file=str(instance.directory / "hufu.key"), **settings)
        other.add_app(harness.APP, endpoint, instance.secrets[harness.APP])
        return other

    def crowd_of(self, nodes):
        turn = iter(range(10**9))
        return harness.Crowd(lambda: nodes[next(turn) % len(nodes)].ask(), self.platform).start(8)

    def watch(self, crowd, seconds, meanwhile=lambda: None):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            harness.wait_until(lambda: time.monotonic() > min(deadline, began + 1), what="a second to pass") if (
                began := time.monotonic()) else None
            meanwhile()
        crowd.stop()
