"""The shell examples of docs/simulator.md, one after the other against a fresh simulator.

What differs from run to run is not compared: values of tokens behind their number, moments, long numbers and hex.
"""

import pathlib
import re
import shutil
import subprocess
import unittest

import harness

PAGE = pathlib.Path(__file__).parents[2] / "docs/simulator.md"


def examples():
    """Each command of the page, and the lines that stand below it."""
    for block in re.findall(r"```console\n(.*?)```\n", PAGE.read_text(), re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, answer = example.partition("\n")
            yield command, answer.strip()


def without_chance(text):
    text = re.sub(r"(SIM_\d*)[\w-]*…?", r"\1", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{8}){2}", "RID", text)
    # Seven digits are a code of a platform's, six are milliseconds that are left of five minutes.
    return re.sub(r"\b(\d{13,}|299\d{3})\b", "NUMBER", text)


class Page(unittest.TestCase):
    def test_its_examples_say_what_the_simulator_says(self):
        platform = subprocess.Popen([harness.options.hufu, "sim", "--listen", "127.0.0.1:0"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(platform.stdout.close)
        self.addCleanup(platform.wait, harness.PATIENCE)
        self.addCleanup(platform.kill)
        url = platform.stdout.readline().strip()
        self.assertTrue(url.startswith("http://"), url)
        # One shell for all, because later commands use the variables of earlier ones.
        mark = "--- the next example ---"
        examples_of_page = list(examples())
        self.assertGreater(len(examples_of_page), 50)
        script = "".join(f"echo '{mark}'\n{command}\n" for command, _ in examples_of_page)
        script = script.replace("http://127.0.0.1:7201", url)
        ran = subprocess.run(["bash"], input=script, text=True, capture_output=True, timeout=120)
        answers = [answer.strip() for answer in ran.stdout.split(mark)[1:]]
        self.assertEqual(len(answers), len(examples_of_page), ran.stderr)
        for (command, said), answer in zip(examples_of_page, answers):
            with self.subTest(command):
                self.assertEqual(without_chance(answer), without_chance(said))


if __name__ == "__main__":
    if shutil.which("jq") and shutil.which("curl"):
        harness.main()
    else:
        print("not run: the examples need jq and curl")
