"""Runs clang-tidy over every translation unit of the tree that has changed since it was last clean.

usage: tidy.py BUILD_DIR [--all] [--seconds N] [FILE...]

A clean result is remembered under a hash of everything it depends on: the compiler's flags,
.clang-tidy, the file and each of the tree's headers that it includes, the sizes of the others. So a
second run takes seconds, and a change to one header checks what includes it. The results lie in the
user's cache folder, so that every clone on a machine profits from what one has found out.
What was committed last is looked at first. --seconds stops to begin new files after that long and
says how many were not looked at.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TIDY = "clang-tidy-14"
TOP = pathlib.Path.cwd()
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "hufu" / "tidy"


def dependencies(build_dir):
    """Object file -> headers, as ninja learnt them when it built."""
    out = subprocess.run(["ninja", "-C", build_dir, "-t", "deps"], capture_output=True, text=True)
    found, current = {}, None
    for line in out.stdout.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif ": #deps" in line:
            current = found.setdefault(line.split(": #deps")[0], [])
    return found


def in_tree(name):
    """The path from the top of the tree; None of what lies elsewhere."""
    path = pathlib.Path(name)
    return str(path.relative_to(TOP)) if TOP in path.parents else None


def fingerprint(command, headers, seed):
    digest = hashlib.sha256(seed)
    digest.update(command.replace(str(TOP), ".").encode())
    for name in sorted(set(headers)):
        path = pathlib.Path(name)
        digest.update((in_tree(name) or name).encode())
        if in_tree(name):
            digest.update(path.read_bytes())
        else:
            digest.update(str(path.stat().st_size).encode())
    return digest.hexdigest()


def ages():
    """Path -> how many files were committed after it; 0 is what is not committed at all."""
    changed = subprocess.run(["git", "diff", "--name-only", "HEAD"], capture_output=True, text=True)
    logged = subprocess.run(["git", "log", "--format=", "--name-only"], capture_output=True, text=True)
    found = {}
    for name in changed.stdout.split() + logged.stdout.split():
        found.setdefault(name, len(found))
    return found


def check(build_dir, path):
    began = time.monotonic()
    done = subprocess.run([TIDY, "-p", build_dir, "--quiet", path], capture_output=True, text=True)
    return done.returncode, done.stdout.strip(), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir")
    parser.add_argument("--all", action="store_true", help="trust no remembered result")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("files", nargs="*", help="only these")
    arguments = parser.parse_args()

    tracked = set(subprocess.run(["git", "ls-files"], capture_output=True, text=True).stdout.split())
    only = {os.path.relpath(name) for name in arguments.files}
    seed = (TOP / ".clang-tidy").read_bytes() + subprocess.run(
        [TIDY, "--version"], capture_output=True).stdout
    headers_of = dependencies(arguments.build_dir)
    CACHE.mkdir(parents=True, exist_ok=True)

    units, age_of, age = {}, {}, ages()
    for unit in json.load(open(f"{arguments.build_dir}/compile_commands.json")):
        path = os.path.relpath(os.path.join(unit["directory"], unit["file"]))
        if path not in tracked or (only and path not in only):
            continue
        output = unit.get("output") or re.search(r"-o (\S+)", unit["command"]).group(1)
        headers = [os.path.join(unit["directory"], name) for name in headers_of.get(output, [])]
        headers = [os.path.normpath(name) for name in headers] or [str(TOP / path)]
        units[path] = CACHE / fingerprint(unit["command"], headers, seed)
        age_of[path] = min(age.get(in_tree(name), len(age)) for name in headers)

    due = [path for path, mark in units.items() if arguments.all or not mark.exists()]
    due.sort(key=lambda path: (age_of[path], path))
    deadline = time.monotonic() + arguments.seconds
    bad, skipped = 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        def run(path):
            return None if time.monotonic() > deadline else check(arguments.build_dir, path)
        for path, result in zip(due, pool.map(run, due)):
            if result is None:
                skipped.append(path)
                continue
            status, words, seconds = result
            if status == 0:
                units[path].touch()
            else:
                bad += 1
                print(f"{path} ({seconds:.0f} s)\n{words}\n")

    print(f"clang-tidy: {len(units)} files, {len(due) - len(skipped)} looked at, "
          f"{len(units) - len(due)} unchanged since they were clean, {bad} with findings")
    if skipped:
        print(f"not run: clang-tidy on {len(skipped)} files (out of time)")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
