#!/usr/bin/python3
"""Runs the fuzz targets under libFuzzer, one after the other, and says what came of each.

    run.py [--seconds N] [--seed S] [--build FOLDER] [TARGET...]      default: 60 s each, build/fuzz
    run.py --minimise [TARGET...]                                     corpus/ again, from all that was found

Begins with corpus/ and with what seeds.py makes; what is found is kept in BUILD/corpus. A failing input is kept in
BUILD/failed, and how to try it again is printed. Exit code 1: something failed.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# What libFuzzer itself guards; the targets have narrower limits for memory (fuzz.h).
LIMITS = ["-timeout=20", "-rss_limit_mb=1500", "-malloc_limit_mb=64"]
# Of what is kept in the repository, for each target.
MAX_INPUTS, MAX_SEED_BYTES, MAX_CORPUS_BYTES = 250, 5_000, 10_000


def packed(target):
    return os.path.join(HERE, "corpus", target + ".hex")


def read_packed(target):
    if not os.path.exists(packed(target)):
        return []
    with open(packed(target), encoding="ascii") as file:
        return [bytes.fromhex(line) for line in file]


def write_packed(target, inputs):
    os.makedirs(os.path.dirname(packed(target)), exist_ok=True)
    with open(packed(target), "w", encoding="ascii") as file:
        for data in inputs:
            file.write(data.hex() + "\n")


def size_first(data):
    return len(data), data


def contents(folder):
    inputs = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            inputs.append(file.read())
    return sorted(inputs, key=size_first)


def unpack(target, folder):
    os.makedirs(folder, exist_ok=True)
    for number, data in enumerate(read_packed(target)):
        with open(os.path.join(folder, f"kept-{number:04d}"), "wb") as file:
            file.write(data)


class Fuzzing:
    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.program = os.path.join(self.build, "tests", "fuzz", "sealring_fuzz")
        if not os.path.exists(self.program):
            sys.exit(f"{self.program} is not there: cmake --preset fuzz && ninja -C build/fuzz sealring_fuzz")
        listed = subprocess.run([self.program, "--list"], capture_output=True, text=True, check=True)
        lines = listed.stdout.split("\n")
        self.longest = dict(line.split() for line in lines if line)
        self.seeds = self.folder("seeds")
        subprocess.run([sys.executable, "-B", os.path.join(HERE, "seeds.py"), self.seeds], check=True)

    def folder(self, *names):
        path = os.path.join(self.build, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def command(self, target):
        command = [self.program, f"--target={target}", f"-max_len={self.longest[target]}"] + LIMITS
        dictionary = os.path.join(HERE, "dictionaries", target + ".dict")
        return command + ([f"-dict={dictionary}"] if os.path.exists(dictionary) else [])

    def folders(self, target):
        kept = self.folder("kept", target)
        unpack(target, kept)
        return [self.folder("corpus", target), kept, self.folder("seeds", target)]

    def search(self, target, seconds, seed):
        """(line for the report, whether it failed)"""
        failed = os.path.join(self.folder("failed"), target + "-")
        command = self.command(target) + [f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={failed}",
                                          "-print_final_stats=1"] + self.folders(target)
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=0",
                       "UBSAN_OPTIONS": "print_stacktrace=1"}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
        with open(os.path.join(self.folder("output"), target + ".txt"), "w", encoding="utf-8") as file:
            file.write(done.stderr)
        runs = re.findall(r"stat::number_of_executed_units: +(\d+)|^#(\d+)", done.stderr, re.M)
        count = max((int(a or b) for a, b in runs), default=0)
        state = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", done.stderr)
        edges, features, inputs = state[-1] if state else ("?", "?", "?")
        line = f"{target:<18}{count:>11} runs{edges:>7} edges{features:>7} features{inputs:>6} inputs"
        if done.returncode == 0:
            return line, False
        kept = re.findall(r"Test unit written to (\S+)", done.stderr)
        telling = re.compile(r"fuzz: |==\d+==ERROR|SUMMARY|.*runtime error")
        words = [text for text in done.stderr.split("\n") if telling.match(text)]
        again = f"{self.program} --target={target} {kept[-1] if kept else '(no input was kept)'}"
        return "\n".join([line + "  FAILED", *("    " + text for text in words[:6]), "    again by: " + again]), True

    def minimise(self, target):
        merged = os.path.join(self.build, "merged", target)
        shutil.rmtree(merged, ignore_errors=True)
        os.makedirs(merged)
        command = self.command(target) + ["-merge=1", merged] + self.folders(target)
        subprocess.run(command, capture_output=True, check=True)
        whole, found = contents(os.path.join(self.build, "seeds", target)), contents(merged)
        kept, total = [], 0
        for inputs, most in ((whole, MAX_SEED_BYTES), (found, MAX_CORPUS_BYTES)):
            for data in inputs:
                if data not in kept and len(kept) < MAX_INPUTS and total + len(data) <= most:
                    kept.append(data)
                    total += len(data)
        write_packed(target, sorted(kept, key=size_first))
        return f"{target:<18}{len(kept):>5} of {len(found)} inputs, {total} bytes"

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "fuzz"))
    parser.add_argument("--minimise", action="store_true")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    fuzzing = Fuzzing(options.build)
    targets = options.targets or sorted(fuzzing.longest)
    unknown = set(targets) - set(fuzzing.longest)
    if unknown:
        sys.exit(f"no target {', '.join(sorted(unknown))}; there are {', '.join(sorted(fuzzing.longest))}")
    if options.minimise:
        for target in targets:
            print(fuzzing.minimise(target), flush=True)
        return 0
    print(f"{len(targets)} targets, {options.seconds} s each, seed {options.seed}", flush=True)
    failures = 0
    for target in targets:
        line, failed = fuzzing.search(target, options.seconds, options.seed)
        print(line, flush=True)
        failures += failed
    if failures:
        print(f"{failures} of {len(targets)} targets failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
