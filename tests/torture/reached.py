"""Which test cases reach which lines of a file, and how long each takes: what a mutant of a line need be given to.

A tree of its own is not needed: only the files that are asked about are built with gcov's counters (through a compiler
launcher that looks at the file's name), and each test case runs once, in a process of its own. What a test's child
process reaches is not counted where it ends with _exit.
"""
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time

LAUNCHER = """#!/bin/sh
# Counts in the files that are asked about only; the others come from the cache, as they are without.
for last; do :; done
case " {files} " in *" ${{last#{tree}/}} "*) exec {cache} "$@" --coverage ;; esac
exec {cache} "$@"
"""
IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # where stores are made by the thousand


def cases_of(binary):
    listed = subprocess.run([binary, "--list-test-names-only"], capture_output=True, text=True, check=False).stdout
    return [name for name in listed.split("\n") if name]


def selected(cases, folder):
    """What makes Catch2 run these cases and no others."""
    path = os.path.join(folder, "cases")
    with open(path, "w", encoding="utf-8") as file:
        # A comma would end the name, a bracket begin a tag.
        file.write("\n".join(re.sub(r"([\\\\,\[])", r"\\\1", case) for case in cases) + "\n")
    return ["--input-file", path]


class Reached:
    """seconds: {(test, case): s}; reached: {file: {line: [[test, case]]}} of all lines that are code."""

    def __init__(self, seconds, reached):
        self.seconds, self.reached = seconds, reached

    def cases(self, path, number):
        """Those that reach the line, the quickest first; none: it is not reached. A line inside a statement is where
        that begins."""
        lines = self.reached.get(path, {})
        while number > 0 and number not in lines:
            number -= 1
        return sorted(map(tuple, lines.get(number, [])), key=lambda case: self.seconds[case])

    def missed(self, path):
        return sorted(number for number, cases in self.reached.get(path, {}).items() if not cases)


def launcher(work, tree, files, cache):
    path = os.path.join(work, "launcher")
    with open(path, "w", encoding="ascii") as file:
        file.write(LAUNCHER.format(tree=tree, files=" ".join(files), cache=cache))
    os.chmod(path, 0o755)
    return path


def counted(folder, tree):
    """{file: {line: count > 0}} of one run whose counters are in `folder`."""
    names = sorted(glob.glob("*.gcda", root_dir=folder))
    found = {}
    if not names:
        return found
    printed = subprocess.run(["gcov", "--json-format", "--stdout", *names], cwd=folder, capture_output=True, check=True)
    for document in map(json.loads, printed.stdout.splitlines()):
        for file in document["files"]:
            path = os.path.relpath(os.path.join(document["current_working_directory"], file["file"]), tree)
            lines = found.setdefault(path, {})
            for line in file["lines"]:
                number = line["line_number"]
                lines[number] = lines.get(number, False) or line["count"] > 0
    return found


def run_case(build, tree, notes, test, case):
    """(seconds, lines as counted() has them)"""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        environment = {**os.environ, "GCOV_PREFIX": folder, "GCOV_PREFIX_STRIP": "99", "TMPDIR": folder}
        began = time.monotonic()
        done = subprocess.run([os.path.join(build, "tests", test), *selected([case], folder)], env=environment,
                              capture_output=True, text=True, errors="replace", check=False)
        seconds = time.monotonic() - began
        if done.returncode != 0 or "No tests ran" in done.stdout:
            raise SystemExit(f"{test}: \"{case}\" fails without any mutant:\n{done.stdout[-3000:]}")
        for path in notes:
            os.symlink(path, os.path.join(folder, os.path.basename(path)))
        return seconds, counted(folder, tree)


def measure(build, tree, tests, files, jobs, known):
    """Runs each case of each test by itself, in a build that counts; but for those that are known already."""
    seconds, found = {}, {path: {} for path in files}
    notes = glob.glob(os.path.join(build, "**", "*.gcno"), recursive=True)
    every = [(test, case) for test in tests for case in cases_of(os.path.join(build, "tests", test))]
    cases = every
    if known:
        cases = [of for of in every if of not in known.seconds]
        seconds = {of: s for of, s in known.seconds.items() if of in every}
        found = {path: {number: [of for of in map(tuple, of_line) if of in every] for number, of_line in lines.items()}
                 for path, lines in known.reached.items()}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda of: run_case(build, tree, notes, *of), cases)
        for at, (of, (took, reached)) in enumerate(zip(cases, results), 1):
            seconds[of] = took
            for path, lines in reached.items():
                for number, yes in lines.items() if path in found else ():
                    of_line = found[path].setdefault(number, [])
                    if yes:
                        of_line.append(of)
            print(f"\rwhich lines {at} of {len(cases)} test cases reach", end="", flush=True)
    print(flush=True)
    without = [path for path in files if not found[path]]
    if without:
        raise SystemExit(f"no line of {', '.join(without)} was counted")
    return Reached(seconds, found)


def key_of(tree, tests, files):
    """A digest of the files that are counted, so that what was measured is used only for them. What a test case or
    another file reaches otherwise than it did, is believed until then."""
    digest = hashlib.sha256(repr((sorted(tests), sorted(files))).encode())
    for path in files:
        with open(os.path.join(tree, path), "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def load(path, key):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        kept = json.load(file)
    if kept["key"] != key:
        return None
    return Reached({(test, case): s for test, case, s in kept["seconds"]},
                   {file: {int(n): cases for n, cases in lines.items()} for file, lines in kept["reached"].items()})


def store(path, key, reached):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"key": key, "seconds": [[*case, s] for case, s in reached.seconds.items()],
                   "reached": reached.reached}, file)
