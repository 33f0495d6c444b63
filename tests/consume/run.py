"""Installs a build of Hufu, builds examples/embed against it, and runs that
against the simulator."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"exit {done.returncode} from {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def start_simulator(hufu):
    """The simulator on a free port, and its address, once it says that it is there."""
    simulator = subprocess.Popen([hufu, "sim", "--listen", "127.0.0.1:0", "--any-app"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in simulator.stdout:
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        if address:
            return simulator, address.group()
    sys.exit("the simulator never said where it listens")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        prefix, embed = pathlib.Path(scratch, "prefix"), pathlib.Path(scratch, "embed")
        run("cmake", "--install", arguments.build, "--prefix", prefix)
        # Nothing but the installed tree may be found.
        run("cmake", "-G", "Ninja", "-S", arguments.source / "examples/embed", "-B", embed,
            f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={arguments.compiler}")
        run("cmake", "--build", embed)

        simulator, address = start_simulator(prefix / "bin/hufu")
        try:
            environment = {"PATH": os.environ["PATH"], "WECHAT_APPID": "wx0123456789abcdef",
                           "WECHAT_APPSECRET": "a-rehearsal-needs-no-secret",
                           "WECHAT_BASE_URL": address}
            said = run(embed / "embed", env=environment)
            assert re.fullmatch(r"good for \d+ s, revision 1\n", said), said
            shown = run(embed / "embed", "--show-token", env=environment)
            assert len(shown.splitlines()) == 2 and len(shown.splitlines()[1]) > 20, "no token"
        finally:
            simulator.terminate()
            simulator.wait()


if __name__ == "__main__":
    main()
