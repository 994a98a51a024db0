#!/usr/bin/python3
"""What the compiler does not check and a reader relies on. Run by CTest; prints `FILE:LINE: what` and exits 1.

    tidy.py [--no-format] [ROOT]

Rules: who may include whom (docs/architecture.md), lengths of lines, functions and files, every source file built by
somebody, clang-format, no path of one machine, every third-party package in the table of docs/dependencies.md, every
diagnostic line in docs/operations.md, every test that docs/trust.md names.
tidy_test.py shows each rule a tree that breaks it.
"""
import ast
import os
import re
import shutil
import subprocess
import sys

# --- what is allowed --------------------------------------------------------------------------------------------------

# docs/architecture.md: which folder may include which of ours.
ARROWS = {
    "crypto": {"crypto"},
    "storage": {"storage", "crypto"},
    "drivers": {"drivers", "crypto"},
    "manual": {"manual", "crypto"},
    "gateway": {"gateway", "manual", "drivers", "storage", "crypto"},
    "collector": {"collector", "manual", "drivers", "storage", "crypto"},
}
TESTS = {"tests", "gateway", "collector", "manual", "drivers", "storage", "crypto"}

# Third-party headers: prefix -> (Debian package, the files or folders whose .cc files may include it).
THIRD_PARTY = {
    "nettle/": ("nettle-dev", {"crypto"}),
    "sodium.h": ("libsodium-dev", {"crypto/ed25519.cc", "tests/torture/fake_threads.cc"}),
    "lmdb.h": ("liblmdb-dev", {"storage"}),
    "cbor.h": ("libcbor-dev", {"storage"}),
    "mqtt/": ("libpaho-mqttpp-dev", {"drivers"}),
    "MQTTAsync.h": ("libpaho-mqtt-dev", {"drivers"}),
    "boost/": ("libboost1.81-dev", {"drivers"}),
    "mbedtls/": ("libmbedtls-dev", {"drivers"}),
    "psa/": ("libmbedtls-dev", {"drivers"}),
    "p11-kit/": ("libp11-kit-dev", {"drivers", "tests"}),
    "zlib.h": ("zlib1g-dev", {"drivers", "tests"}),
    "toml++/": ("libtomlplusplus-dev", {"drivers/toml_reader.cc"}),
    "CLI/": ("libcli11-dev", {"gateway", "collector", "manual", "tests/torture/simulator.cc"}),
    "nlohmann/": ("nlohmann-json3-dev", {"gateway", "collector", "tests"}),
    "catch2/": ("catch2", {"tests"}),
}

# Headers of the C and C++ standards and of Linux, by name or prefix.
SYSTEM = {
    "arpa/", "dirent.h", "dlfcn.h", "fcntl.h", "getopt.h", "grp.h", "ifaddrs.h", "linux/", "malloc.h", "net/",
    "netdb.h", "netinet/", "poll.h", "pthread.h", "pwd.h", "sanitizer/", "sched.h", "semaphore.h", "signal.h",
    "spawn.h", "stddef.h", "stdint.h", "stdlib.h", "sys/", "unistd.h",
}
STANDARD = re.compile(r"[a-z_0-9]+")

MAX_LINE = 120
MAX_FUNCTION = 70
MAX_TEST_CASE = 150  # a TEST_CASE is a list of examples under one heading
MAX_FILE = 500
MAX_TEST_FILE = 700  # looked things up in, rather than read from top to bottom
# Longer than that, each with its own limit and the reason. An entry that is not needed any more is an error too.
LONG_FILES = {
    "drivers/tls_stream.cc": (600, "handshake, verification and their words for people depend on each other"),
    "drivers/mqtt_source.cc": (600, "one state machine over Paho and the gate"),
}
LONG_FUNCTIONS = {
    ("tests/vectors/make_crypto_vectors.py", "policy_rows"): (80, "a table, one case a line"),
    ("tests/vectors/make_crypto_vectors.py", "evaluation_rows"): (80, "a table, one case a line"),
}
# Vectors and their generators: one case a line, which wrapping would only make harder to compare.
LONG_LINES = re.compile(r"tests/vectors/")

# A place on one machine: nobody else has it. Written so that this line does not match itself.
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work)/[A-Za-z0-9_.]|/tmp/(?:build-|w/)")

CODE = (".cc", ".h", ".py", ".sh")
SCRIPTS = {"run", "test", ".ci/run", "tests/torture/run"}
TEXT = CODE + (".md", ".txt", ".cmake", ".json", ".toml", ".yml", ".tsv", ".hex")
SKIPPED_FOLDERS = {".git", "__pycache__"}


# --- the tree ---------------------------------------------------------------------------------------------------------


class Tree:
    """The files of a checkout or a tarball, without what builds leave."""

    def __init__(self, root):
        self.root = root
        self.findings = []
        self.files = sorted(self._walk())

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            at_root = folder == self.root
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and not (at_root and f.startswith("build"))]
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def lines(self, path):
        return self.read(path).split("\n")

    def code(self, *suffixes):
        return [f for f in self.files if f.endswith(suffixes)]

    def report(self, path, line, what):
        self.findings.append(f"{path}:{line}: {what}" if line else f"{path}: {what}")


# --- includes ---------------------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)[">]')


def check_includes(tree):
    for path in tree.code(".cc", ".h"):
        folder = path.split("/")[0]
        allowed = TESTS if folder == "tests" else ARROWS.get(folder)
        if allowed is None:
            tree.report(path, 0, "C++ belongs in one of " + ", ".join(sorted(ARROWS) + ["tests"]))
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = INCLUDE.match(line)
            if match and match[1] == '"':
                check_own_include(tree, path, number, match[2], allowed)
            elif match:
                check_foreign_include(tree, path, number, match[2])


def check_own_include(tree, path, number, name, allowed):
    if name.split("/")[0] not in allowed:
        tree.report(path, number, f'may not include "{name}": allowed are {", ".join(sorted(allowed))}')
    elif name not in tree.files:
        tree.report(path, number, f'"{name}" is no file; includes start from the project\'s root')


def check_foreign_include(tree, path, number, name):
    for prefix, (package, places) in THIRD_PARTY.items():
        if name == prefix or (prefix.endswith("/") and name.startswith(prefix)):
            if path not in places and path.split("/")[0] not in places:
                tree.report(path, number, f"<{name}> ({package}) is for {', '.join(sorted(places))} only")
            elif path.endswith(".h") and package != "catch2":
                tree.report(path, number, f"<{name}> ({package}) in a header: a third-party type would leak")
            return
    if STANDARD.fullmatch(name) or name in SYSTEM or any(name.startswith(s) for s in SYSTEM if s.endswith("/")):
        return
    tree.report(path, number, f"<{name}> is not known here: add it to THIRD_PARTY or SYSTEM in tests/tidy/tidy.py")


# --- lengths ----------------------------------------------------------------------------------------------------------


def check_lengths(tree):
    needed = set()
    for path in tree.files:
        if not path.endswith(CODE) and path not in SCRIPTS:
            continue
        lines = tree.lines(path)
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_LINE and not LONG_LINES.match(path):
                tree.report(path, number, f"{len(line)} characters, more than {MAX_LINE}")
            if line != line.rstrip():
                tree.report(path, number, "blanks at the end of the line")
        count = len(lines) - 1
        usual = MAX_TEST_FILE if path.startswith("tests/") else MAX_FILE
        limit = LONG_FILES.get(path, (usual, ""))[0]
        if count > usual:
            needed.add(path)
        if count > limit:
            tree.report(path, 0, f"{count} lines, more than {limit}: split it, or say why in LONG_FILES")
    for path in sorted(set(LONG_FILES) - needed):
        tree.report(path, 0, "is not long: its line in LONG_FILES is not needed")


NO_FUNCTION = re.compile(
    r"\s*(if|else|for|while|switch|do|try|catch|namespace|class|struct|enum|union|extern|return)\b")
INITIALISERS = re.compile(r"\s*:\s|\s*[A-Za-z_]\w*[({].*[)}],$")


def cpp_functions(lines):
    """(name, first line, count of lines). Relies on clang-format: a body ends at its own indentation."""
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.endswith("{") or ")" not in line or line.lstrip().startswith(("//", "}")):
            number += 1
            continue
        first = number
        while first > 0 and (depth(lines[first : number + 1]) < 0 or INITIALISERS.match(lines[first])):
            first -= 1
        head = " ".join(text.strip() for text in lines[first : number + 1])
        indent = len(lines[first]) - len(lines[first].lstrip())
        if NO_FUNCTION.match(head) or "(" not in head:
            number += 1
            continue
        body_end = re.compile(" " * indent + r"}[);,]*")
        end = next((i for i in range(number + 1, len(lines)) if body_end.fullmatch(lines[i])), number)
        yield head.split("(")[0].split()[-1], first + 1, end - first + 1
        # What is inside of it, lambdas say, counts with it.
        number = end + 1


def depth(lines):
    text = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'', "", "\n".join(lines))
    return text.count("(") - text.count(")")


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def check_functions(tree):
    seen = set()
    for path in tree.code(".cc", ".h", ".py"):
        text = tree.read(path)
        functions = python_functions(text) if path.endswith(".py") else cpp_functions(text.split("\n"))
        for name, line, count in functions:
            usual = MAX_TEST_CASE if name.startswith("TEST_CASE") else MAX_FUNCTION
            limit, _ = LONG_FUNCTIONS.get((path, name), (usual, ""))
            if count > usual:
                seen.add((path, name))
            if count > limit:
                tree.report(path, line, f"function {name} has {count} lines, more than {limit}")
    for path, name in sorted(set(LONG_FUNCTIONS) - seen):
        tree.report(path, 0, f"{name} is not long: its line in LONG_FUNCTIONS is not needed")


# --- build ------------------------------------------------------------------------------------------------------------


def check_listed(tree):
    listed = set()
    for path in tree.files:
        if os.path.basename(path) == "CMakeLists.txt" or path.endswith(".cmake"):
            text = re.sub(r"#.*", "", tree.read(path))
            for name in re.findall(r"[^\s()\"]+\.cc\b", text):
                name = name.replace("${PROJECT_SOURCE_DIR}/", "")
                listed.add(name)
                listed.add(os.path.normpath(os.path.join(os.path.dirname(path), name)))
    for path in tree.code(".cc"):
        if path not in listed:
            tree.report(path, 0, "no CMakeLists.txt lists it: it is never built")


def check_format(tree):
    program = shutil.which("clang-format")
    if program is None:
        tree.report("clang-format", 0, "is not installed")
        return
    files = tree.code(".cc", ".h")
    done = subprocess.run([program, "--dry-run", "--Werror", "--style=file", *files], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        blamed = sorted(set(re.findall(r"^(\S+?\.(?:cc|h)):\d+:\d+: error", done.stderr, re.M)))
        for path in blamed:
            tree.report(path, 0, "is not as clang-format would write it: run clang-format -i on it")
        if not blamed:
            tree.report("clang-format", 0, done.stderr.strip() or f"exit code {done.returncode}")


# --- words ------------------------------------------------------------------------------------------------------------


def check_machine_paths(tree):
    for path in tree.files:
        if not path.endswith(TEXT) and path not in SCRIPTS:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = MACHINE_PATH.search(line)
            if match:
                tree.report(path, number, f"{match[0]!r}: a path of one machine")


def setup_packages(tree):
    text = tree.read("cmake/setup.sh")
    packages = []
    for block in re.findall(r"^(?:LONG_)?PACKAGES=\((.*?)\)", text, re.M | re.S):
        packages += re.sub(r"#.*", "", block).split()
    return packages


def check_dependencies(tree):
    """cmake/setup.sh, docs/dependencies.md and THIRD_PARTY name the same packages."""
    table = re.findall(r"^\| `([^`]+)` \|", tree.read("docs/dependencies.md"), re.M)
    installed = setup_packages(tree)
    for package in sorted(set(installed) - set(table)):
        tree.report("docs/dependencies.md", 0, f"has no line for {package}, which cmake/setup.sh installs")
    for package in sorted(set(table) - set(installed)):
        tree.report("docs/dependencies.md", 0, f"has a line for {package}, which cmake/setup.sh does not install")
    for package in sorted({name for name, _ in THIRD_PARTY.values()} - set(installed)):
        tree.report("cmake/setup.sh", 0, f"does not install {package}, whose headers may be included")
    for package in sorted({p for p in table if table.count(p) > 1}):
        tree.report("docs/dependencies.md", 0, f"names {package} twice")


def diagnostics(text):
    """(offset, longest string literal) of each call of diag(), and of a LimitedDiag's report()."""
    for match in re.finditer(r"\b(?:diag|report)\(DiagLevel::", text):
        end = text.index(";", match.end())
        while depth([text[match.start() : end]]) > 0:
            end = text.index(";", end + 1)
        literals = re.findall(r'"((?:\\.|[^"\\])*)"', text[match.start() : end])
        yield match.start(), max(literals, key=len, default="").strip(" :,;")


def check_diagnostics(tree):
    """Who reads a line of a daemon's finds it in docs/operations.md."""
    manual = " ".join(tree.read("docs/operations.md").split())
    for path in tree.code(".cc"):
        if path.startswith("tests/"):
            continue
        text = tree.read(path)
        for offset, words in diagnostics(text):
            if words not in manual:
                line = text.count("\n", 0, offset) + 1
                tree.report(path, line, f"docs/operations.md does not explain {words!r}")


THREATS = "## Who can do what"


def cases_of(text):
    """Those that a system test of ours gives to main()."""
    return set(re.findall(r'\("(\w+)", ', text[text.find("\n    main(") :])) if "\n    main(" in text else set()


def check_named_tests(tree):
    """`tests/FILE CASE...` in docs/trust.md: the file is there, CTest runs it, and it has those cases. Each row of the
    table of attackers names at least one."""
    path, threats = "docs/trust.md", False
    for number, line in enumerate(tree.lines(path), 1):
        if line.startswith("## "):
            threats = line.startswith(THREATS)
        named = 0
        for name, cases in re.findall(r"`(tests/[^` ]+)((?: \w+)*)`", line):
            file = name in tree.files
            if not file and not any(f.startswith(name + "/") for f in tree.files):
                tree.report(path, number, f"{name} is not there")
                continue
            if file and name.endswith(".py") and not is_run(tree, name):
                tree.report(path, number, f"{name} is in no CMakeLists.txt beside it")
            for case in cases.split():
                named += 1
                if not file or case not in cases_of(tree.read(name)):
                    tree.report(path, number, f"{name} has no case {case}")
        if threats and line.startswith("| ") and not line.startswith("| who |") and named == 0:
            tree.report(path, number, "this row names no case of a test")
    if not any(line.startswith(THREATS) for line in tree.lines(path)):
        tree.report(path, 0, f"has no section {THREATS!r}")


def is_run(tree, name):
    folder, file = os.path.split(name)
    listed = folder + "/CMakeLists.txt"
    text = re.sub(r"#.*", "", tree.read(listed)) if listed in tree.files else ""
    return re.search(rf"_test\({file[:-3]}\b", text) is not None


VERIFIER = re.compile(
    r"\b(?:C_Verify|mbedtls_(?:pk|ecdsa|rsa)_verify|EVP_\w*Verify|crypto_sign\w*_(?:verify|open))\w*\s*\(")


def check_verifiers(tree):
    """There is one rule for signatures, and one function that has it."""
    for path in tree.code(".cc", ".h"):
        if path.startswith("tests/") or path == "crypto/ed25519.cc":
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if VERIFIER.search(line):
                tree.report(path, number, "verifies by itself: crypto/ed25519.h has the rule for signatures")


CHECKS = (check_includes, check_verifiers, check_lengths, check_functions, check_listed, check_machine_paths,
          check_dependencies, check_diagnostics, check_named_tests)


def main(argv):
    arguments = argv[1:]
    checks = list(CHECKS) + [check_format]
    if arguments[:1] == ["--no-format"]:
        checks.remove(check_format)
        arguments = arguments[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    tree = Tree(os.path.abspath(arguments[0]) if arguments else os.path.dirname(os.path.dirname(here)))
    for check in checks:
        check(tree)
    for finding in tree.findings:
        print(finding)
    if len(tree.code(".cc")) == 0:
        print("there is no C++ file here: wrong folder?")
        return 1
    return 1 if tree.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
