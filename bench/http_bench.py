#!/usr/bin/env python3
"""Compares the HTTP server with nginx: CPU time of the server process for each request.

Both answer the same small JSON body; wrk drives them in turns, so that what else the machine does
hits both alike. The median of the pairs is what counts; throughput says more about the load
generator than about the server.

    cmake --preset bench && cmake --build build/bench --target http_server_bench
    bench/http_bench.py build/bench/http_server_bench
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BODY = '{"access_token":"' + "x" * 190 + '","expires_in":7200}'

NGINX = """
daemon off; master_process off; worker_processes 1; pid {home}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
  uwsgi_temp_path {home}; scgi_temp_path {home};
  server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 '{body}'; }} }}
}}
"""

PATH = "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=none"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def cpu_seconds(pid):
    """User and system time of a process (proc(5), fields 14 and 15 of stat)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def measure(process, port, connections, seconds):
    before = cpu_seconds(process.pid)
    output = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{port}{PATH}"],
        check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    used = cpu_seconds(process.pid) - before
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(output)

    def percentile(percent):
        return milliseconds(re.search(rf"^ +{percent}% +(\S+)$", output, re.MULTILINE)[1])

    requests = int(re.search(r"(\d+) requests in", output)[1])
    return {"cpu": used / requests * 1e6, "rate": requests / seconds,
            "p50": percentile(50), "p99": percentile(99)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="the http_server_bench binary")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--at-most", type=float, help="fail above this ratio")
    options = parser.parse_args()
    for tool in ("nginx", "wrk"):
        if not shutil.which(tool) and not os.path.exists(f"/usr/sbin/{tool}"):
            sys.exit(f"{tool} is not installed")

    with contextlib.ExitStack() as cleanup:
        home = cleanup.enter_context(tempfile.TemporaryDirectory())
        ports = {"nginx": free_port(), "hufu": free_port()}
        config = pathlib.Path(home, "nginx.conf")
        config.write_text(NGINX.format(home=home, port=ports["nginx"], body=BODY))
        commands = {
            "nginx": [shutil.which("nginx") or "/usr/sbin/nginx", "-p", home, "-c", str(config)],
            "hufu": [options.server, f"127.0.0.1:{ports['hufu']}", "1"],
        }
        processes = {}
        for name, command in commands.items():
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            processes[name] = process
            cleanup.callback(process.wait)
            cleanup.callback(process.send_signal, signal.SIGTERM)
            wait_for(ports[name])

        results = {"nginx": [], "hufu": []}
        for pair in range(-1, options.pairs):  # The first pair warms up and is not counted.
            for name in results if pair % 2 else reversed(results):
                result = measure(processes[name], ports[name], options.connections,
                                 options.seconds if pair >= 0 else 1)
                if pair >= 0:
                    results[name].append(result)
                    print(f"{name:6} {result['cpu']:6.2f} µs/request  {result['rate']:8.0f}/s"
                          f"  p50 {result['p50']:.2f} ms  p99 {result['p99']:.2f} ms", flush=True)

    def median(name, what):
        return statistics.median(result[what] for result in results[name])

    ratio = statistics.median(h["cpu"] / n["cpu"] for h, n in zip(results["hufu"], results["nginx"]))
    print()
    for name in results:
        print(f"{name:6} median {median(name, 'cpu'):5.2f} µs CPU/request, "
              f"p50 {median(name, 'p50'):.2f} ms, p99 {median(name, 'p99'):.2f} ms")
    print(f"ratio  {ratio:.3f} x nginx (median of {options.pairs} pairs)")
    return 1 if options.at_most and ratio > options.at_most else 0


if __name__ == "__main__":
    sys.exit(main())
