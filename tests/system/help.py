#!/usr/bin/python3
"""--help, the manual and the completions tell the same things, and all three are right about what the program takes."""
import ast
import os
import re
import shutil
import subprocess

from lib.world import check, check_equal, main, program

SHELLS = ("bash", "zsh", "fish")
MARK = re.compile(r"\x1b\[[0-9;]*m|.\x08")


def help_of(world, name, *path):
    """(commands, options, arguments) of a command, from its --help."""
    text, _ = world.run(name, *path, "--help")
    section, found = "", {"Subcommands": [], "Options": [], "Positionals": []}
    for line in text.splitlines():
        if re.match(r"^[A-Z][a-z]+:", line):
            section = line.split(":")[0]
        elif section in found and re.match(r"^  \S", line):
            found[section].append(line.strip().split("  ")[0])
        elif line and not line.startswith(" "):
            section = ""  # the footer
    options = [name for line in found["Options"] for name in re.findall(r"(?:^|,)(--?[a-z][a-z-]*)", line)]
    return [c.split()[0] for c in found["Subcommands"]], options, [a.split()[0] for a in found["Positionals"]]


def tree(world, path=(), name="sealring"):
    """{path: (commands, options, arguments)} of the program and all its commands."""
    here = help_of(world, name, *path)
    out = {path: here}
    for command in here[0]:
        out.update(tree(world, path + (command,), name))
    return out


def plain(page):
    """A manual page as text, without bold and hyphenation."""
    done = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-rHY=0", "-rLL=300n"], input=page,
                          capture_output=True, text=True, check=True)
    check_equal(done.stderr, "", "groff has something to say")
    return MARK.sub("", done.stdout)


def manual(world):
    commands = tree(world)
    check(("key", "generate") in commands and ("verify",) in commands, f"the commands were found: {list(commands)}")
    page, _ = world.run("sealring", "man")
    parts = re.split(r"^   (sealring [a-z ]+?)$", plain(page), flags=re.M)
    described = dict(zip(parts[1::2], parts[2::2]))
    leaves = {"sealring " + " ".join(path): what for path, what in commands.items() if path and not what[0]}
    check_equal(sorted(described), sorted(leaves), "the commands that the manual describes")
    for name, (_, options, arguments) in leaves.items():
        body = re.split(r"^\S", described[name], flags=re.M)[0]  # the next section begins at the margin
        told = re.findall(r"^ *((?:-{1,2}[a-z-]+(?:, )?)+)", body, re.M)
        told = {option for group in told for option in group.split(", ") if option}
        check_equal(told, set(options), f"options of {name} in the manual")
        for argument in arguments:
            check(argument in body or argument in ("PAGE", "SHELL"), f"{name}: {argument} is not in the manual")
    for name, page_name, words in (
            ("sealring", "sealringd", ("--config", "SIGHUP", "NOTIFY_SOCKET", "EXIT STATUS")),
            ("sealring", "sealring.toml", ("[[broker]]", "password_file", "needs a restart", "at SIGHUP")),
            ("sealring-collector", "sealring-collector", ("--config", "sealring-collector completion", "EXIT STATUS")),
            ("sealring-collector", "collector.toml", ("[[gateway]]", "tls_uri = string", "mirror_key = file"))):
        page, _ = world.run(name, "man", page_name)
        text = plain(page)
        for word in words:
            check(word in text, f"{page_name}: {word} is not in the manual")
        if shutil.which("mandoc"):
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, capture_output=True, text=True,
                                  check=False)
            check_equal(lint.stdout + lint.stderr, "", f"mandoc about {page_name}")
    if not shutil.which("mandoc"):
        print("    skipped: mandoc is not here", flush=True)
    _, err = world.run("sealring", "man", "nothing", code=2)
    check("sealring.toml" in err, err)
    _, err = world.run("sealring", "completion", "csh", code=2)
    check("zsh" in err, err)
    world.run("sealring", "completion", code=2)


def daemons(world):
    for name in ("sealringd", "sealring-collector"):
        out, _ = world.run(name, "--help")
        check("--config" in out and "--version" in out, out)
        check("sealring" in world.run(name, "--version")[0], "it has a version")
    for name, config in (("sealringd", "sealring.toml"), ("sealring-collector", "collector.toml")):
        check("/etc/sealring/" + config in world.run(name, "--help")[0], "the default is said")
        check(name + ": " in world.run(name, "--help")[0], "what it is is said")


class Bash:
    """Asks a real bash what it would offer."""

    def __init__(self, world, name="sealring"):
        self.name = name
        self.script = world.write(name + ".bash", world.run(name, "completion", "bash")[0])
        self.folder = world.path("here")
        os.makedirs(self.folder + "/some folder", exist_ok=True)
        for name in ("archive", "a file", "some file"):
            open(os.path.join(self.folder, name), "w", encoding="ascii").close()

    def offers(self, *words):
        """For the last of the words, which is being typed."""
        ask = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); $(complete -p "$1" | cut -d" " -f3); '
               '[ ${#COMPREPLY[@]} = 0 ] || printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "--norc", "-c", ask, "bash", self.script, self.name, *words],
                              capture_output=True, text=True, cwd=self.folder, check=True)
        check_equal(done.stderr, "", f"bash about {words}")
        return done.stdout.splitlines()


def offers_all(world, bash, name):
    for path, (commands, options, _) in tree(world, name=name).items():
        check_equal(sorted(bash.offers(*path, "-")), sorted(options), f"options that bash offers for {path}")
        for option in options:
            check_equal(bash.offers(*path, option), [o for o in options if o.startswith(option)], f"{path} {option}")
        if commands:
            check_equal(sorted(bash.offers(*path, "")), sorted(commands), f"commands that bash offers for {path}")


def bash_completion(world):
    for name in ("sealring-collector", "sealring"):
        bash = Bash(world, name)
        offers_all(world, bash, name)
    check_equal(bash.offers("ver"), ["verify"], "sealring ver<TAB>")
    check_equal(bash.offers("key", "gen"), ["generate"], "sealring key gen<TAB>")
    check_equal(bash.offers("completion", ""), list(SHELLS), "sealring completion <TAB>")
    check_equal(bash.offers("man", "sealring."), ["sealring.toml"], "sealring man sealring.<TAB>")
    check_equal(sorted(bash.offers("check", "--config", "a")), ["a file", "archive"], "a file, with its space")
    check_equal(sorted(bash.offers("verify", "a")), ["a file", "archive"], "sealring verify a<TAB>")
    check_equal(bash.offers("init", "s"), ["some folder"], "only folders")
    check_equal(bash.offers("init", "--ring-size", ""), [], "nobody knows the size")
    check_equal(bash.offers("nonsense", ""), sorted(tree(world)[()][0], key=bash.offers("").index), "after nonsense")


def other_shells(world):
    """zsh and fish, where they are; elsewhere only that every command and option is in what is made for them."""
    commands = tree(world)
    for shell in ("zsh", "fish"):
        text, _ = world.run("sealring", "completion", shell)
        path = world.write("sealring." + shell, text)
        for name, (_, options, _) in commands.items():
            for word in (*name, *options):
                shown = f"-l {word[2:]}" if shell == "fish" and word.startswith("--") else word.lstrip("-")
                check(re.search(rf"\b{re.escape(shown)}\b" if shown[0] != "-" else re.escape(shown) + r"\b", text),
                      f"{word} is not in the completion for {shell}")
        if not shutil.which(shell):
            print(f"    skipped: {shell} is not here", flush=True)
            continue
        world.run(shell, "-n", path)
        if shell == "fish":
            ask = lambda words: subprocess.run(  # noqa: E731
                ["fish", "--no-config", "-c", f"source {path}; complete -C '{words}'"], capture_output=True, text=True,
                check=True).stdout
            for words, wanted in (("sealring ver", "verify"), ("sealring verify --pol", "--policy"),
                                  ("sealring key gen", "generate"), ("sealring completion z", "zsh")):
                offers = [line.split("\t")[0] for line in ask(words).splitlines()]
                check(wanted in offers, f"fish, {words}: {offers}")
            check("--ring-size" not in ask("sealring verify --"), "fish offers only the command's own options")


# --- that everything there is has a test ---

HERE = os.path.dirname(os.path.abspath(__file__))


class Told(ast.NodeVisitor):
    """What one function of a test says: its texts, keyword arguments, and the functions that it calls by name."""

    def __init__(self, node):
        self.texts, self.calls = set(), set()
        self.visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_keyword(self, node):
        self.texts.add(node.arg or "")
        self.generic_visit(node)

    def visit_Call(self, node):
        self.calls.add(getattr(node.func, "id", getattr(node.func, "attr", None)))
        self.generic_visit(node)


def constructors(module):
    """{class: what its constructor says}: whoever calls the class calls that."""
    return {node.name: Told(of) for node in ast.walk(module) if isinstance(node, ast.ClassDef)
            for of in node.body if isinstance(of, ast.FunctionDef) and of.name == "__init__"}


def told_by_tests():
    """[(file, function, texts)] of all system tests but this file; texts with those of the functions that it calls."""
    out = []
    lib = {}
    for folder in (os.path.join(HERE, "lib"), HERE):
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".py") or name == "help.py":
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                module = ast.parse(f.read())
            functions = {node.name: Told(node) for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
            functions.update(constructors(module))
            if folder != HERE:
                lib.update(functions)
            for function, told in functions.items():
                texts, seen, ahead = set(), set(), [function]
                while ahead:
                    one = ahead.pop()
                    here = functions.get(one) or lib.get(one)
                    if one not in seen and here:
                        texts |= here.texts
                        ahead += here.calls
                    seen.add(one)
                out.append((name, function, texts, told.calls))
    return out


def covered(world):
    """Each command, option and key is in a test that runs the real program; what it does is that test's affair.

    Of a function that only collects refusals the keys do not count."""
    told = told_by_tests()
    missing = []
    for path, (commands, options, _) in tree(world).items():
        if path and not commands and not path[0] == "man" and not path[0] == "completion":
            if not any({"sealring", *path} <= texts for _, _, texts, _ in told):
                missing.append("sealring " + " ".join(path))
        # Two names of one option: what has the one has the other, by the parser.
        text, _ = world.run("sealring", *path, "--help")
        for option in options:
            names = set(re.findall(r"--?[a-z][a-z-]*", next(line.strip().split("  ")[0] for line in text.splitlines()
                                                            if re.search(rf"^  .*{option}\b", line))))
            if option not in ("-h", "--help") and not any(
                    set(path) <= texts and names & texts for _, _, texts, _ in told):
                missing.append(" ".join(("sealring", *path, option)))
    page, _ = world.run("sealring", "man", "--keys-as-markdown")
    table = ""
    for line in page.splitlines():
        if line.startswith("## "):
            table = line[3:]
        key = re.match(r"\| `([a-z_]+)` \|", line)
        if not key:
            continue
        says = re.compile(rf"(^|[\n{{, ]){key.group(1)} = ")
        if not any(key.group(1) in texts or any(says.search(text) for text in texts)
                   for file, _, texts, calls in told
                   if "refused" not in calls and (table != "`[broker.tls]`" or file == "broker_tls.py")):
            missing.append(f"{table} {key.group(1)}")
    check_equal(missing, [], "what no test uses")


def installed(world):
    """The build makes the pages and completions that it installs, and they are these."""
    build = os.path.dirname(os.path.dirname(program("sealring")))
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    for name, pages, keys in (("sealring", ("sealring.1", "sealringd.8", "sealring.toml.5"), "configuration.md"),
                              ("sealring-collector", ("sealring-collector.8", "collector.toml.5"), "collector.md")):
        for page in pages:
            with open(os.path.join(build, "man", page), encoding="utf-8") as f:
                check_equal(f.read(), world.run(name, "man", page[:-2])[0], page)
        for shell in SHELLS:
            with open(os.path.join(build, "completion", f"{name}.{shell}"), encoding="utf-8") as f:
                check_equal(f.read(), world.run(name, "completion", shell)[0], f"{name}: completion for {shell}")
        with open(os.path.join(root, "docs", keys), encoding="utf-8") as f:
            text = f.read()
        check(text.endswith(world.run(name, "man", "--keys-as-markdown")[0]),
              f"docs/{keys} does not end with what `{name} man --keys-as-markdown` prints: put it there")


def unit(world):
    """The service unit, as systemd reads it."""
    build = os.path.dirname(os.path.dirname(program("sealring")))
    with open(os.path.join(build, "sealringd.service"), encoding="utf-8") as f:
        text = f.read()
    line = re.search(r"^ExecStart=(.*)$", text, re.M).group(1)
    check(line.startswith("/") and line.endswith("/bin/sealringd"), line)
    if not shutil.which("systemd-analyze"):
        print("    skipped: systemd-analyze is not here", flush=True)
        return
    path = world.write("sealringd.service", text.replace(line, program("sealringd")))
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", path], capture_output=True, text=True,
                          check=False)
    # Its pages are found once they are installed.
    said = [one for one in done.stderr.splitlines() if "Command 'man " not in one]
    check_equal(said, [], "systemd-analyze verify")


if __name__ == "__main__":
    main(("manual", manual), ("daemons", daemons), ("bash_completion", bash_completion),
         ("other_shells", other_shells), ("covered", covered), ("installed", installed), ("unit", unit))
