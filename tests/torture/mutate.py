#!/usr/bin/python3
"""Breaks one line of the program at a time and sees whether the tests notice.

    mutate.py [--files PATTERN...] [--count N] [--seed S] [--at FILE:LINE] [--jobs N] [--list | --missed]

Mutants of the verifier, the journal, the ring and the ack gate by default (COVERED below): a call dropped, a check
skipped, a condition inverted, a comparison inverted or shifted by one, operands swapped, `and` for `or`, a constant off
by one. N of all possible ones are drawn by the seed, which is printed; each is built in a copy of the tree under
build/mutate and given to the test cases that reach its line (reached.py), the quickest first, until one fails; where
none does, to all of the first unit test that covers its file. --missed lists the lines that no case reaches.

Killed: a test failed or ran out of time. Survived: all passed. A mutant that does not compile, or whose object file is
the same, is not counted. Survivors are listed with their lines; those in accepted_mutants.tsv (file, line, mutated
line, why), which no test can or should notice, apart. Exit code 1: less than 95 % killed, without the accepted ones.
"""
import argparse
import fnmatch
import glob
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import reached

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build", "mutate")
TREE = os.path.join(WORK, "tree")
BUILD = os.path.join(TREE, "build", "mutate")
COUNTED = os.path.join(TREE, "build", "counted")
ACCEPTED = os.path.join(HERE, "accepted_mutants.tsv")

# Files and the unit tests that cover them, the quickest first.
COVERED = (
    ("gateway/verify*.cc", ("test_gateway",)),
    ("storage/journal.cc", ("test_storage", "test_recorder")),
    ("storage/ring*.cc", ("test_storage", "test_recorder", "test_gateway")),
    ("storage/bundle_writer.cc", ("test_storage", "test_recorder")),
    ("drivers/ack_gate.cc", ("test_mqtt",)),
    ("drivers/mqtt_inbound.cc", ("test_mqtt",)),
    ("drivers/mqtt_outbound.cc", ("test_mqtt",)),
)
GOAL = 0.95
BUILD_SECONDS = 1800
SLOWER = 5  # than without a mutant: then it hangs
QUICK_SECONDS = 1


# --- mutants ----------------------------------------------------------------------------------------------------------


class Mutant:
    def __init__(self, path, number, line, mutated, what):
        self.path, self.number, self.line, self.mutated, self.what = path, number, line, mutated, what

    def __str__(self):
        return (f"{self.path}:{self.number}: {self.what}\n"
                f"    - {self.line.strip()}\n    + {self.mutated.strip()}")


def code_of(line):
    """The line with strings and a comment at its end blanked out: what may be mutated, at its place."""
    line = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', lambda match: "\0" * len(match[0]), line)
    return re.sub(r"//.*", lambda match: "\0" * len(match[0]), line)


COMPARISONS = {"==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"]}
ONE_FOR_ANOTHER = (
    (re.compile(r" (==|!=|<=|>=|<|>) "), lambda op: [(f" {new} ", f"{op} is {new}") for new in COMPARISONS[op]]),
    (re.compile(r" (&&) "), lambda op: [(" || ", "&& is ||")]),
    (re.compile(r" (\|\|) "), lambda op: [(" && ", "|| is &&")]),
    (re.compile(r"(?<=[\w)\]]) ([+-]) (?=[\w(])"), lambda op: [(" - " if op == "+" else " + ", f"{op} is the other")]),
    (re.compile(r"(?<=[(\s&|])(!)(?=[\w(:])"), lambda op: [("", "! is dropped")]),
    (re.compile(r"(?<![\w.])(\d+)(?=[uU]?[lL]{0,2}\b(?!\.|x))"),
     lambda n: [(str(int(n) + 1), f"{n} is {int(n) + 1}")]),
    (re.compile(r"\b(true|false)\b"),
     lambda word: [("false" if word == "true" else "true", f"{word} is the other")]),
    (re.compile(r"(\+\+|--)(?=\w)|(?<=\w)(\+\+|--)"),
     lambda op: [({"++": "--", "--": "++"}[op], f"{op} is the other")]),
)
CALL = re.compile(r"^\s*(?:\(void\))?[\w:.>\[\]*-]+\(.*\);$")
TRY = re.compile(r"^(\s*)SEALRING_TRY\((.*)\);$")
CHECK = re.compile(r"\bif \((.*)\) (return\b.*;|continue;|break;|\{)$")
ARGUMENTS = re.compile(r"(?<=\w)\(([\w.]+(?:\(\))?), ([\w.]+(?:\(\))?)\)")
DIFFERENCE = re.compile(r"([\w.]+(?:\(\))?) - ([\w.]+(?:\(\))?)")
# No file that is opened ever becomes number 0, so whether that one counts as an error makes no difference.
DESCRIPTOR = re.compile(r"\bfd_?(?:\(\))? (?:<|>=) 0\b")
SHIFTED = {"< is <=", ">= is >", "0 is 1"}
# Words for people and declarations: not what is to be tried here.
LEFT_ALONE = re.compile(r"^\s*(#|//|using |namespace |static_assert|constexpr std::string_view|case |default:|\}|\{)")


def balanced(text):
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def mutations_of(line):
    """(mutated line, what was done) for one line of code."""
    code = code_of(line)
    if LEFT_ALONE.match(line) or not code.strip("\0 "):
        return
    for pattern, others in ONE_FOR_ANOTHER:
        for match in pattern.finditer(code):
            for new, what in others(next(group for group in match.groups() if group)):
                yield line[: match.start()] + new + line[match.end() :], what
    tried = TRY.match(line)
    if tried:
        yield f"{tried[1]}(void)({tried[2]}).ok();", "the error is ignored"
        yield f"{tried[1]};", "the call is dropped"
    elif CALL.match(code) and balanced(code) and not code.strip().startswith(("return", "if", "for", "while")):
        yield re.match(r"\s*", line)[0] + ";", "the call is dropped"
    check = CHECK.search(code)
    if check and balanced(check[1]) and ";" not in check[1]:
        begin, end = check.span(1)
        yield f"{line[:begin]}false && ({line[begin:end]}){line[end:]}", "the check is skipped"
        yield f"{line[:begin]}!({line[begin:end]}){line[end:]}", "the condition is inverted"
    for match in ARGUMENTS.finditer(code):
        if match[1] != match[2]:
            yield line[: match.start()] + f"({match[2]}, {match[1]})" + line[match.end() :], "operands are swapped"
    for match in DIFFERENCE.finditer(code):
        if match[1] != match[2]:
            yield line[: match.start()] + f"{match[2]} - {match[1]}" + line[match.end() :], "operands are swapped"


def mutants_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        seen = {line}
        of_descriptor = DESCRIPTOR.search(line)
        for mutated, what in mutations_of(line):
            if mutated not in seen and not (of_descriptor and what in SHIFTED):
                seen.add(mutated)
                yield Mutant(path, number, line, mutated, what)


def files_of(patterns):
    return [path for pattern in patterns for path in sorted(glob.glob(pattern, root_dir=ROOT))]


def tests_of(path):
    for pattern, tests in COVERED:
        if fnmatch.fnmatch(path, pattern):
            return tests
    sys.exit(f"{path}: which tests cover it? Add it to COVERED")


# --- building and testing ---------------------------------------------------------------------------------------------


def run(command, seconds, **more):
    """(exit code, output); None: not in time. With all its children, for a test may have started some."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          start_new_session=True, **more) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, ""


class Workshop:
    def __init__(self, jobs):
        self.jobs = jobs
        self.environment = {**os.environ, "CCACHE_BASEDIR": TREE, "CCACHE_NOHASHDIR": "1"}
        self.cache = shutil.which("ccache") or ""
        self.reached = None

    def copy_tree(self):
        """As it is now; what did not change keeps its time, so that it is not built again."""
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True,
                               text=True, check=True).stdout.split("\n")
        for path in filter(None, files):
            source, target = os.path.join(ROOT, path), os.path.join(TREE, path)
            if not os.path.isfile(source):
                continue
            with open(source, "rb") as file:
                data = file.read()
            if os.path.exists(target):
                with open(target, "rb") as file:
                    if file.read() == data:
                        continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)

    def configure(self, build, launcher, linked):
        linker = "-fuse-ld=lld" if shutil.which("ld.lld") else ""
        code, output = run(["cmake", "-G", "Ninja", "-S", TREE, "-B", build, "-DCMAKE_BUILD_TYPE=Debug",
                            "-DCMAKE_CXX_FLAGS_DEBUG=-O0", f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}",
                            f"-DCMAKE_EXE_LINKER_FLAGS={linker} {linked}"], 300, env=self.environment)
        if code != 0:
            sys.exit(output)

    def prepare(self, tests, files):
        self.copy_tree()
        self.configure(BUILD, self.cache, "")
        self.configure(COUNTED, reached.launcher(WORK, TREE, files, self.cache), "--coverage")
        for build in (BUILD, COUNTED):
            code, output = self.build(tests, build)
            if code != 0:
                sys.exit("the tree itself does not build:\n" + "\n".join(output.split("\n")[-30:]))
        key, kept = reached.key_of(TREE, tests, files), os.path.join(WORK, "reached.json")
        self.reached = reached.measure(COUNTED, TREE, tests, files, self.jobs, reached.load(kept, key))
        reached.store(kept, key, self.reached)

    def build(self, tests, build=BUILD):
        return run(["ninja", "-C", build, f"-j{self.jobs}", *tests], BUILD_SECONDS, env=self.environment)

    def plan(self, mutant):
        """[(test, cases)]: those that are quick of all tests first, then one by one."""
        cases = self.reached.cases(mutant.path, mutant.number)
        if not cases:
            first = tests_of(mutant.path)[0]
            cases = sorted((case for case in self.reached.seconds if case[0] == first), key=self.reached.seconds.get)
        quick = [case for case in cases if self.reached.seconds[case] < QUICK_SECONDS]
        plan = [(test, [case for of, case in quick if of == test]) for test in tests_of(mutant.path)]
        plan += [(test, [case]) for test, case in cases[len(quick):]]
        return [(test, some) for test, some in plan if some]

    def test(self, test, cases):
        seconds = 20 + SLOWER * sum(self.reached.seconds[test, case] for case in cases)
        with tempfile.TemporaryDirectory(dir=reached.IN_MEMORY) as folder:
            return run([os.path.join(BUILD, "tests", test), "--abort", *reached.selected(cases, folder)], seconds,
                       cwd=WORK, env={**os.environ, "TMPDIR": folder})

    def try_out(self, mutant):
        """killed, survived, same, broken (does not compile), or slow (a test ran out of time)"""
        path = os.path.join(TREE, mutant.path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines = text.split("\n")
        assert lines[mutant.number - 1] == mutant.line
        lines[mutant.number - 1] = mutant.mutated
        plan = self.plan(mutant)
        before = self.fingerprint(mutant.path)
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
            code, _ = self.build(sorted({test for test, _ in plan}))
            if code != 0:
                return "broken"
            if self.fingerprint(mutant.path) == before:
                return "same"
            for test, cases in plan:
                code, _ = self.test(test, cases)
                if code is None:
                    return "slow"
                if code != 0:
                    return "killed"
            return "survived"
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)

    def fingerprint(self, path):
        folder, name = os.path.split(path)
        found = glob.glob(os.path.join(BUILD, folder, "CMakeFiles", "*.dir", name + ".o"))
        with open(found[0], "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


# --- report -----------------------------------------------------------------------------------------------------------


def accepted():
    """{(file, line, mutated line): why}"""
    rows = {}
    if os.path.exists(ACCEPTED):
        with open(ACCEPTED, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    path, old, new, why = line.rstrip("\n").split("\t")
                    rows[path, old, new] = why
    return rows


def report(outcomes, mutants):
    reasons = accepted()
    survivors = [m for m, outcome in zip(mutants, outcomes) if outcome == "survived"]
    explained = [m for m in survivors if (m.path, m.line.strip(), m.mutated.strip()) in reasons]
    count = {name: outcomes.count(name) for name in ("killed", "slow", "survived", "broken", "same")}
    caught = count["killed"] + count["slow"]
    tried = caught + count["survived"] - len(explained)
    print(f"\n{len(outcomes)} mutants: {count['killed']} killed, {count['slow']} ran out of time, "
          f"{count['survived']} survived ({len(explained)} of them accepted), {count['broken']} did not compile, "
          f"{count['same']} made the same code")
    for m in survivors:
        why = reasons.get((m.path, m.line.strip(), m.mutated.strip()))
        print(f"survived{' (accepted: ' + why + ')' if why else ''}: {m}")
    if tried == 0:
        return 0
    print(f"caught: {caught} of {tried}, {100 * caught / tried:.1f} %")
    return 0 if caught >= GOAL * tried else 1


def print_missed(known, files):
    for path in files:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            lines = file.read().split("\n")
        missed = known.missed(path)
        print(f"{path}: {len(missed)} of {len(known.reached[path])} lines of code are reached by no test case")
        for number in missed:
            print(f"  {number:4} {lines[number - 1].strip()}")
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", nargs="*", default=[pattern for pattern, _ in COVERED])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--at", help="FILE:LINE, all mutants of that line")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true", help="the mutants only, without building any")
    parser.add_argument("--missed", action="store_true", help="the lines that no test case reaches, and no mutants")
    options = parser.parse_args()
    if options.at:
        path, number = options.at.rsplit(":", 1)
        mutants = [m for m in mutants_of(path) if m.number == int(number)]
    else:
        mutants = [m for path in files_of(options.files) for m in mutants_of(path)]
        print(f"{len(mutants)} possible mutants, {min(options.count, len(mutants))} drawn by seed {options.seed}")
        mutants = random.Random(options.seed).sample(mutants, min(options.count, len(mutants)))
        # By file, so that one of them is built again at a time.
        mutants.sort(key=lambda m: (m.path, m.number))
    if options.list:
        print("\n".join(map(str, mutants)))
        return 0
    workshop = Workshop(options.jobs)
    files = files_of([pattern for pattern, _ in COVERED])
    workshop.prepare(sorted({test for path in files for test in tests_of(path)}), files)
    if options.missed:
        return print_missed(workshop.reached, files_of(options.files))
    outcomes = []
    for mutant in mutants:
        outcomes.append(workshop.try_out(mutant))
        place = f"{mutant.path}:{mutant.number}: {mutant.what}"
        print(f"{len(outcomes)}/{len(mutants)} {outcomes[-1]}: {place}", flush=True)
    return report(outcomes, mutants)


if __name__ == "__main__":
    sys.exit(main())
