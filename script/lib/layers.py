"""Checks that every folder of src/ includes only what stands below it (docs/architecture.md)."""

import pathlib
import re
import subprocess
import sys

# Each layer and what it may use, lowest first. The two families of plug-ins, platform/ and store/,
# do not know each other, nor do server/ and simulator/.
LAYERS = {
    "core": [],
    "net": ["core"],
    "platform": ["core", "net"],
    "store": ["core", "net"],
    "keeper": ["core", "net", "platform", "store"],
    "sink": ["core", "net", "store", "keeper"],
    "config": ["core", "net", "platform", "store", "keeper", "sink"],
    "library": ["core", "net", "platform", "store", "keeper", "sink", "config"],
    "simulator": ["core", "net"],
    "server": ["core", "net", "platform", "store", "keeper", "library", "config"],
    "cli": ["core", "net", "platform", "store", "keeper", "library", "config", "simulator",
            "server"],
}
# Below store/, a folder for each database: independent of each other, known to opening/ alone.
DATABASES = ["sqlite", "mongodb", "postgresql", "redis"]
# What a program that embeds Hufu sees: values and interfaces only, open to every layer.
PUBLIC = "hufu"
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([a-z_]+)/(?:([a-z_]+)/)?', re.M)


def fault_of(path, used, inner):
    """Why `path` may not include something of the folder `used`, or of `used`/`inner`, or None."""
    layer = path.parts[1] if path.parts[0] == "src" else None
    for_tests = path.stem.endswith(("_test", "_testing", "conformance")) or path.parts[0] in ("tests", "bench")
    if used == "testing":
        return None if for_tests or layer == "testing" else "only tests may use testing/"
    if used not in LAYERS:
        return None
    if path.parts[0] == "include":
        return "public headers may not use private ones"
    if layer in LAYERS and used != layer and used not in LAYERS[layer]:
        return f"{used}/ does not stand below {layer}/"
    if used == "store" and inner in DATABASES and not for_tests and path.parts[2] not in (inner, "opening"):
        return f"store/{inner}/ is for store/opening/ only"
    return None


def main():
    listed = subprocess.run(["git", "ls-files", "include", "src", "tests", "bench"],
                            capture_output=True, text=True, check=True).stdout.split()
    faults = 0
    for path in map(pathlib.Path, listed):
        if path.suffix not in (".cpp", ".hpp"):
            continue
        if path.parts[0] == "src" and path.parts[1] not in {*LAYERS, "testing"}:
            print(f"{path}: {path.parts[1]}/ is no layer (script/lib/layers.py)")
            faults += 1
        for used, inner in sorted(set(INCLUDE.findall(path.read_text()))):
            why = fault_of(path, used, inner)
            if why:
                print(f"{path}: includes {used}/: {why}")
                faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
