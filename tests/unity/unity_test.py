#!/usr/bin/env python3
"""What programs that fail on purpose print, to the line, and their exit codes.

    unity_test.py LINES ORDER CARELESS      (the programs built from checks/)
"""
import os
import re
import subprocess
import sys
import unittest

CHECKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checks")
PROGRAMS = {}


def run(name, *arguments):
    return subprocess.run([PROGRAMS[name], *arguments], capture_output=True, text=True, timeout=60, check=False)


def summary(tests, failures, ignored):
    return ["", "-----------------------", f"{tests} Tests {failures} Failures {ignored} Ignored ",
            "FAIL" if failures else "OK"]


def expected_lines(path):
    """From the comments of the file: of a test's line what it prints, of RUN_TEST's line that it passes."""
    said, passes, order, pending = {}, {}, [], None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = re.search(r"/\*= (.*) \*/", line)
            test = re.search(r"RUN_TEST\((\w+)\)", line)
            body = re.search(r"/\*@ (\w+) \*/", line) or re.match(r"static void (\w+)\(void\) {", line)
            if test:
                order.append(test[1])
                if words:
                    passes[test[1]] = f"{number}:{test[1]}:{words[1]}"
                continue
            if body:
                pending = (number, body[1])
            if words:
                said[pending[1]] = f"{pending[0]}:{pending[1]}:{words[1]}"
    lines = [f"{path}:{line}" for name in order for line in (said.get(name), passes.get(name)) if line]
    return lines, len(order)


class Lines(unittest.TestCase):
    def test_every_assertion(self):
        expected, tests = expected_lines(os.path.join(CHECKS, "lines.c"))
        self.assertGreater(tests, 60)
        done = run("lines")
        failures = sum(1 for line in expected if re.search(r":test_\w+:FAIL", line))
        self.assertEqual(done.stdout.split("\n"), expected + summary(tests, failures, 2) + [""])
        self.assertEqual(done.returncode, failures)


class Order(unittest.TestCase):
    def test_what_runs_around_a_test(self):
        around = ["setUp", "...", "tearDown", "tearDown done"]
        bad = ["bad", "FAIL: Expected TRUE Was FALSE", "destructor"]
        broken = "FAIL: no teardown"

        def block(*inner, end=()):
            return around[:1] + list(inner) + around[2:] + list(end)

        expected = (
            block("good", end=["PASS"]) + block(*bad) + block("IGNORE: later", "destructor") +
            block("INFO: enough", end=["PASS"]) + block("FAIL: Unexpected Exception: full") +
            block("FAIL: Unexpected Exception") + block("FAIL: swallowed", "caught") + block("FAIL: in qsort") +
            block("FAIL: no setup") +
            ["setUp", "good", "tearDown", broken] + ["setUp", *bad, "tearDown", broken] +
            ["setUp", "IGNORE: later", "destructor", "tearDown", broken])
        done = run("order")
        lines = [re.sub(r"^.*order\.cpp:\d+:test_\w+:", "", line) for line in done.stdout.split("\n")]
        self.assertEqual(lines, expected + summary(12, 9, 1) + [""])
        self.assertEqual(done.returncode, 9)


class Careless(unittest.TestCase):
    def check(self, how, code, stderr):
        done = run("careless", how)
        self.assertEqual((done.returncode, done.stderr), (code, f"unity: {stderr}\n" if stderr else ""))

    def test_good(self):
        self.check("good", 0, "")

    def test_result_dropped(self):
        self.check("", 2, "")

    def test_exit_with_result_dropped(self):
        self.check("exit-after", 2, "")

    def test_first_of_two_suites_failed(self):
        self.check("two-suites", 2, "")

    def test_256_failures(self):
        self.check("many", 125, "")

    def test_no_test(self):
        self.check("nothing", 126, "no test ran")

    def test_no_end(self):
        self.check("no-end", 126, "main ended without UNITY_END()")

    def test_exit_in_test(self):
        self.check("exit-in-test", 126, "exit() was called before UNITY_END(): not all tests ran")

    def test_outside(self):
        self.check("outside", 126, "an assertion left main: it stood outside of RUN_TEST()")


if __name__ == "__main__":
    PROGRAMS = dict(zip(("lines", "order", "careless"), sys.argv[1:4]))
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
