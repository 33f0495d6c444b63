"""Sums up ctest's JUnit reports: failures with their output, what was not run and why, the count.

usage: test_report.py [--left-out PRESET]... PRESET=REPORT...
"""

import argparse
import os
import re
import sys
import xml.etree.ElementTree as ElementTree


def why_skipped(case):
    """The reason a test gave, or the word of ctest where it gave none."""
    output = case.findtext("system-out") or ""
    # GoogleTest prints "file:line: Skipped" and then what was streamed into GTEST_SKIP().
    given = re.search(r": Skipped\n(.*)", output) or re.search(r"^not run: (.*)", output, re.M)
    return given.group(1).strip() if given else case.find("skipped").get("message", "no reason given")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--left-out", action="append", default=[])
    parser.add_argument("reports", nargs="+")
    arguments = parser.parse_args()
    strict = os.environ.get("CI") == "true"

    passed = failed = 0
    not_run = []
    for preset, path in (report.split("=", 1) for report in arguments.reports):
        try:
            cases = ElementTree.parse(path).getroot().findall("testcase")
        except (OSError, ElementTree.ParseError):
            print(f"FAILED [{preset}] the build, or ctest itself: see above and build/{preset}/tests.log")
            failed += 1
            continue
        seconds = sum(float(case.get("time", 0)) for case in cases)
        print(f"{preset}: {len(cases)} tests, {seconds:.0f} s of work")
        if not cases:
            not_run.append(f"[{preset}] no tests were found")
        for case in cases:
            status = case.get("status")
            if status == "run":
                passed += 1
            elif case.find("skipped") is not None or status in ("notrun", "disabled"):
                reason = why_skipped(case) if case.find("skipped") is not None else status
                not_run.append(f"[{preset}] {case.get('name')}: {reason}")
            else:
                failed += 1
                print(f"\nFAILED [{preset}] {case.get('name')}")
                print((case.findtext("system-out") or "").strip())

    if strict:
        failed += len(not_run)
    for line in not_run:
        print(f"not run: {line}{' (a failure, as CI=true)' if strict else ''}")
    for preset in arguments.left_out:
        print(f"not run: the tests under {preset} (not chosen)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
