#!/usr/bin/python3
"""What people see on a terminal, in a real one of 80 and of 40 columns: lines that fit, a progress bar that goes away,
and nothing that a device sent in command of it."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import unicodedata

from lib.load import Publisher
from lib.world import PATIENCE, Failure, check, check_equal, main, program

HOSTILE = "\x1b]0;owned\x07\n   99  2026-01-01 forged\r\x1b[2J\x9b31m"


def on_terminal(columns, *command, at_first=None, patience=PATIENCE):
    """(what came out of a terminal of that width, exit code). `at_first` is called when something has come."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [program(one) if one == "sealring" else one for one in command]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    end = threading.Timer(patience, child.kill)
    end.start()
    data = b""
    try:
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # nobody has the other side any more
                break
            if not more:
                break
            data += more
            if at_first:
                at_first()
                at_first = None
    finally:
        os.close(ours)
        code = child.wait()
        end.cancel()
    if code < 0:
        raise Failure(f"{command} ended by signal {-code}: {data!r}")
    return data.decode("utf-8"), code


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)


def check_clean(text, what, drawing=False):
    """No control characters but the ends of lines; `drawing`: besides what draws a bar in one line."""
    rest = text.replace("\r\n", "\n")
    if drawing:
        rest = re.sub(r"\r|\x1b\[K", "", rest)
    bad = [c for c in rest if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c != "\n"]
    check_equal(bad, [], f"control characters of {what} in {text!r}")
    return rest.splitlines()


def scene(world):
    broker, collector, gateway = world.enrol()
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    publisher = Publisher(broker.port, "device")
    sent = [("plant/a/temperature", b'{"celsius": 21.5, "unit": "C", "device": "a very long name of some device"}'),
            ("a/" * 60 + "deep", b"x" * 500), ("evil", HOSTILE.encode()), ("evil/latin", HOSTILE.encode("latin-1")),
            ("wide/\u6e29\u5ea6", "\u6e29\u5ea6\u8a08".encode() * 30), ("bidi", "\u202e\u2066abc\u2028".encode()),
            ("binary", bytes(range(256))), ("empty", b"")]
    for topic, payload in sent:
        publisher.publish(topic, payload)
    publisher.wait_acknowledged()
    publisher.close()
    gateway.wait_status(lambda s: s["recorder"]["messages"] >= len(sent), "all is recorded")
    return collector, gateway, ("--config", os.path.join(gateway.folder, "sealring.toml")), len(sent)


def looking(world):
    _, gateway, config, count = scene(world)
    for columns in (80, 40):
        text, code = on_terminal(columns, "sealring", "tail", "-n", "100", *config)
        check_equal(code, 0, f"tail: {text}")
        lines = check_clean(text, f"tail in {columns}")
        check(len(lines) >= count, f"a line for each record: {lines}")
        check_equal([line for line in lines if width(line) > columns], [], f"lines that do not fit {columns} columns")
        check(any(width(line) >= columns - 3 for line in lines), f"the {columns} columns are used: {lines}")
        check(any("evil" in line and "forged" not in line[:20] for line in lines), f"{lines}")
    dated = [bool(re.match(r" *\d+  \d{4}-\d\d-\d\d ", on_terminal(columns, "sealring", "tail", *config)[0]))
             for columns in (64, 63)]
    check_equal(dated, [True, False], "a narrow terminal's lines have no date")
    # No terminal: a width of its own, whatever the terminal of the other stream.
    out, _ = world.run("sealring", "tail", "-n", "100", *config)
    check(80 < max(width(line) for line in out.splitlines()) <= 120, out)
    for index in range(1, gateway.status()["size"]):
        text, code = on_terminal(80, "sealring", "show", str(index), *config)
        check_equal(code, 0, f"show: {text}")
        check_clean(text, f"show {index}")
        check("\n   99  2026" not in text.replace("\r\n", "\n"), text)
    for command in ("status", "check"):
        text, code = on_terminal(80, "sealring", command, *config)
        check_equal(code, 0, f"{command}: {text}")
        check_clean(text, command)


def proving(world):
    """--wait says on a terminal, in one line, what it waits for."""
    collector, gateway, config, _ = scene(world)
    gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"] > 5, "entry 5 is receipted")
    proof = world.path("proof")
    text, code = on_terminal(80, "sealring", "prove", "5", *config)
    check(code == 2 and "Name a file with -o FILE" in text, f"no proof into a terminal: {text}")
    text, code = on_terminal(80, "sealring", "prove", "5", "--wait", "-o", proof, *config)
    check_equal((text, code), ("", 0), "nothing to say")
    text, code = on_terminal(80, "sealring", "verify", proof, "--policy", world.path("policy"), "--anchor",
                             world.path("anchor"))
    check_equal(code, 0, f"verify: {text}")
    check_clean(text, "verify of a proof")
    # With the collector away there is something to wait for, until it is back.
    collector.stop()
    index = gateway.status()["size"]
    publisher = Publisher(gateway.broker["port"], "late")
    publisher.publish("late", b"x")
    publisher.wait_acknowledged()
    publisher.close()
    gateway.wait_status(lambda s: s["size"] > index, "it is recorded")
    text, code = on_terminal(40, "sealring", "prove", str(index), "--wait", "-o", world.path("late"), *config,
                             at_first=collector.start)
    check_equal(code, 0, f"prove --wait: {text}")
    lines = check_clean(text, "prove --wait", drawing=True)
    check(text.startswith("\rsealring: waiting for the ") and text.endswith("\r\n"), f"{text!r}")
    check_equal(len(lines), 1, f"lines of waiting: {text!r}")
    check(max(width(one) for one in re.split(r"[\r\n]+", text)) <= 40, f"{text!r}")


def verifying(world):
    """The bar comes when it takes long, fits, goes away again; and there is none where there is no terminal."""
    slower = subprocess.run(["strace", "-o", world.path("strace"), "true"], capture_output=True, text=True, check=False)
    if slower.returncode != 0:
        print(f"    skipped: nothing can be traced here: {slower.stderr.strip()}", flush=True)
        return
    collector, gateway, _, _ = scene(world)
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["segments"]["acknowledged"] > 0, "receipts came")
    gateway.stop()
    collector.stop()
    (log,) = [one for one in os.listdir(collector.archive) if one != "lock"]
    segments = os.path.join(collector.archive, log, "segments")
    slow = ["strace", "-f", "-o", world.path("strace")]
    for name in os.listdir(segments):
        slow += ["-P", os.path.join(segments, name)]
    slow += ["-e", "inject=openat:delay_exit=700000"]
    verify = (program("sealring"), "verify", collector.archive, "--policy", world.path("policy"), "--anchor",
              world.path("anchor"))
    plain, _ = world.run(*verify)
    for columns in (80, 40):
        text, code = on_terminal(columns, *slow, *verify)
        check_equal(code, 0, f"verify: {text}")
        check_clean(text, "verify", drawing=True)
        bars = re.findall(r"\r(\[[^\r\x1b]*)\x1b\[K", text)
        check(bars and "] " in bars[0] and " %" in bars[0], f"there is a bar: {text!r}")
        check_equal([bar for bar in bars if width(bar) >= columns], [], f"bars that do not fit {columns} columns")
        left = text[text.rindex("\r\x1b[K") + 4:] if "\r\x1b[K" in text else text
        check_equal(left.replace("\r\n", "\n"), plain, "what is left is what is said without a terminal")
    check_equal(world.run(*slow, *verify), (plain, ""), "no bar where there is no terminal")
    text, _ = on_terminal(80, *verify)
    check("\x1b" not in text, f"no bar where it takes no time: {text!r}")


if __name__ == "__main__":
    main(("looking", looking), ("proving", proving), ("verifying", verifying))
