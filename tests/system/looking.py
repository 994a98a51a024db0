#!/usr/bin/python3
"""Looking into the log: tail, show and status, by the daemon's socket, from a store and from an archive."""
import base64
import grp
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from lib.load import Load, Publisher, user_properties
from lib.service import Frozen
from lib.world import PATIENCE, check, check_equal, main, program, wait_until

import paho.mqtt.client as mqtt

HOSTILE = "\x1b]0;owned\x07\n   99  2026-01-01 00:00:00.000  forged  line\r\x1b[2J"
LARGE = bytes(range(256)) * 800  # over several entries
SPLIT = "image"
FAILED, USAGE = 1, 2


def config(gateway):
    return ("--config", os.path.join(gateway.folder, "sealring.toml"))


def records(world, *options):
    """`tail --json`, as objects."""
    out, _ = world.run("sealring", "tail", "--json", *options)
    return [json.loads(line) for line in out.splitlines()]


def payload_of(record):
    return base64.b64decode(record["payload_base64"]) if "payload_base64" in record else record["payload"].encode()


def start(world, upstream=False):
    broker, collector, gateway = world.enrol()
    if not upstream:
        gateway.upstream = {}
    gateway.recorder = {"segment_age": "1s" if upstream else "10min"}
    gateway.configure()
    broker.start()
    if upstream:
        collector.start()
    gateway.start()
    gateway.wait_subscribed()
    return broker, collector, gateway


def publish_samples(broker, gateway):
    """One of each sort; returns [(topic, payload)]."""
    sent = [("plant/a/temperature", b'{"celsius": 21.5, "ok": true}'), ("plant/b/temperature", b"22.5"),
            ("plant/a/state", b"on"), ("image", b"\x00\x01\xff\xfe"), ("big", LARGE), ("evil", HOSTILE.encode()),
            ("not utf-8", b"\xff\xfe text"), ("empty", b"")]
    publisher = Publisher(broker.port, "samples", protocol=mqtt.MQTTv5)
    for topic, payload in sent:
        publisher.publish(topic, payload, properties=user_properties(("unit", "C")))
        if topic == SPLIT:  # entries of one frame have one time: two frames, two times
            publisher.wait_acknowledged()
            gateway.wait_status(lambda s: s["recorder"]["messages"] >= 4, "the first samples are recorded")
    publisher.wait_acknowledged()
    publisher.close()
    gateway.wait_status(lambda s: s["recorder"]["messages"] >= len(sent), "the samples are recorded")
    return sent


def check_samples(world, sent, *options):
    """tail and show of the samples, wherever `options` say they are."""
    got = records(world, "-n", "1000", *options)
    messages = [r for r in got if r["kind"] == "message"]
    check_equal([(r["topic"], payload_of(r)) for r in messages], sent, "messages, oldest first")
    check(got[0]["kind"] == "genesis" and all(a["index"] < b["index"] for a, b in zip(got, got[1:])), "order")
    check_equal([r["topic"] for r in records(world, "--topic", "plant/+/temperature", *options)],
                ["plant/a/temperature", "plant/b/temperature"], "a wildcard")
    check_equal([r["topic"] for r in records(world, "--topic", "plant/#", "-n", "1", *options)], ["plant/a/state"],
                "the last that matches")
    check_equal(records(world, "--until", "2020-01-01", *options), [], "nothing is so old")
    check_equal(len(records(world, "--since", "1h", *options)), len(got), "everything is younger than an hour")
    first_half = [topic for topic, _ in sent].index(SPLIT) + 1
    middle = messages[first_half]["time"]
    check(messages[first_half - 1]["time"] < middle, "two frames, two times")
    check_equal([r["index"] for r in records(world, "--since", middle, "--topic", "#", *options)],
                [r["index"] for r in messages[first_half:]], "since the very time of one")
    check_equal([r["index"] for r in records(world, "--until", middle, "--topic", "#", "-n", "99", *options)],
                [r["index"] for r in messages[:first_half]], "until the very time of one")

    out, _ = world.run("sealring", "tail", "-n", "1000", *options)
    lines = out.splitlines()
    check_equal(len(lines), len(got), "one line a record, whatever it holds")
    check(all(len(line) <= 120 for line in lines), f"lines fit: {max(map(len, lines))}")
    check(not any(c in out for c in "\x1b\x07\r\x7f"), f"nothing commands the terminal: {out!r}")
    check("0x0001fffe (4 bytes)" in out and '{"celsius": 21.5' in out, out)

    by_topic = {r["topic"]: r for r in messages}
    out, _ = world.run("sealring", "show", str(by_topic["plant/a/temperature"]["index"]), *options)
    for words in ("plant/a/temperature", "QoS 1", '"celsius": 21.5,', "user-property: unit = C", "leaf hash",
                  "segment"):
        check(words in out, f"show has {words!r}: {out}")
    out, _ = world.run("sealring", "show", str(by_topic["evil"]["index"]), *options)
    check("\x1b" not in out and "\n   99  2026" not in out, f"show forges nothing: {out!r}")
    out, _ = world.run("sealring", "show", str(by_topic["image"]["index"]), *options)
    check("00 01 ff fe" in out, out)
    big = by_topic["big"]
    check(big["parts"]["count"] > 1 and big["parts"]["missing"] == 0, f"large: {big['parts']}")
    path = world.path("payload")
    _, err = world.run("sealring", "show", str(big["index"] + 1), "--payload", path, *options)
    check(f"part 1 of message {big['index']}" in err, err)
    with open(path, "rb") as file:
        check(file.read() == LARGE, "the large payload is written as it came")
    out, _ = world.run("sealring", "show", str(big["index"]), "--json", *options)
    check_equal(json.loads(out), big, "show --json beside tail --json")
    _, err = world.run("sealring", "show", "100000", *options, code=FAILED)
    check("there is no entry 100000" in err, err)


def status_words(world, gateway):
    """What was written, and when the last receipt came, for people and for programs."""
    status = json.loads(world.run("sealring", "status", "--json", *config(gateway))[0])
    written, upstream = status["written"], status["upstream"]
    check(written["bytes"] > len(LARGE), f"as much as was sent at least: {written}")
    if written["today_since_unix"] % 86400 != 0:  # it is not just after midnight
        check(written["today_bytes"] > len(LARGE), f"all of it today: {written}")
    now = time.time()
    check(now - 600 < written["today_since_unix"] <= now, f"since the start: {written}")
    check(written["today_since_unix"] <= upstream["last_receipt_unix"] <= now, f"{upstream}")
    out, _ = world.run("sealring", "status", *config(gateway))
    lines = [line for line in out.splitlines() if line.startswith(("written ", "receipts "))]
    check(re.fullmatch(r"written     \d+ MiB today, since (the start at [-:0-9 ]+|00:00 UTC; \d+ MiB since start)",
                       lines[0]), lines[0])
    check(re.fullmatch(r"receipts    the last at [-0-9]+ [:0-9]+, -?\d+ s ago", lines[1]), lines[1])
    unsynchronised = "by a clock that is not synchronised" in out
    check_equal(unsynchronised, not status["clock"]["synchronised"], "what it says of the clock")


def samples(world):
    """By the daemon, without it, and of an archive; the same records each time."""
    broker, collector, gateway = start(world, upstream=True)
    sent = publish_samples(broker, gateway)
    check_samples(world, sent, *config(gateway))
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["segments"]["acknowledged"] > 0, "receipts came")
    out, _ = world.run("sealring", "show", "0", *config(gateway))
    check("sealed and receipted" in out, out)
    status_words(world, gateway)
    gateway.stop()
    _, err = world.run("sealring", "tail", *config(gateway))
    check("no daemon answers" in err, err)
    check_samples(world, sent, *config(gateway))
    check_samples(world, sent, "--from", os.path.join(gateway.folder, "store"))
    check_samples(world, sent, "--from", collector.archive)
    _, err = world.run("sealring", "tail", "-f", *config(gateway), code=FAILED)
    check("no daemon to follow" in err, err)


class Following:
    """`sealring tail -f` at work."""

    def __init__(self, world, gateway, *options, form=("--json",)):
        self.lines, self.form = [], form
        self.child = world.closing(subprocess.Popen(
            [program("sealring"), "tail", "-f", *form, *config(gateway), *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True))
        self.child.close = self.end
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            self.lines.append(json.loads(line) if self.form else line)

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.thread.join()


def follow(world):
    """-f has what comes, ends with Ctrl-C, and says when the daemon goes away."""
    broker, _, gateway = start(world)
    both = [Following(world, gateway, "--topic", "x/#"), Following(world, gateway)]
    wait_until(lambda: both[1].lines, "tail -f shows what is there")
    gateway.wait_status(lambda s: s["socket"]["clients"] == 3, "both follow")
    publisher = Publisher(broker.port, "follow")
    for i in range(500):
        publisher.publish(f"{'xy'[i % 2]}/{i}", str(i))
    publisher.wait_acknowledged()
    publisher.close()
    wait_until(lambda: len(both[0].lines) >= 250, "250 of them came", alive=[gateway])
    check_equal([r["payload"] for r in both[0].lines], [str(i) for i in range(0, 500, 2)], "what matches, in order")
    wait_until(lambda: len([r for r in both[1].lines if r["kind"] == "message"]) == 500, "all came to the other")
    both[0].child.send_signal(signal.SIGINT)
    check_equal(both[0].child.wait(PATIENCE), 0, "exit code after Ctrl-C")
    check_equal(both[0].child.stderr.read(), "", "it says nothing")
    gateway.stop()
    check_equal(both[1].child.wait(PATIENCE), FAILED, "exit code when the daemon went away")
    check("the daemon went away" in both[1].child.stderr.read(), "it says so")


def overtaken(world):
    """A follower that the ring overtakes is told what it missed, and goes on."""
    if os.geteuid() != 0:
        print("    skipped: stopping one thread of the daemon needs root", flush=True)
        return
    broker, collector, gateway = world.enrol(ring_size="64MiB")
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    publisher = world.closing(Publisher(broker.port, "device"))
    for topic in ("x", "nothing"):
        publisher.publish(topic, b"first")
    publisher.wait_acknowledged()
    spared = [int(tid) for tid in os.listdir(f"/proc/{gateway.pid}/task")]
    tails = [Following(world, gateway, "--topic", topic) for topic in ("x", "nothing")]
    human = Following(world, gateway, form=())
    wait_until(lambda: all(one.lines for one in (*tails, human)), "three follow", alive=[gateway])
    frozen = Frozen(gateway.pid, spared)
    try:
        for i in range(1500):
            publisher.publish("x", b"%d " % i + b"." * 60000)
        publisher.wait_acknowledged()
        gateway.wait_status(lambda s: s["ring"]["first_index"] > 100, "the ring has released what nobody read")
    finally:
        frozen.thaw()
    first, gap, after = wait_until(lambda: len(tails[0].lines) >= 3 and tails[0].lines[:3], "it goes on",
                                   alive=[gateway])
    check_equal((first["topic"], set(gap), after["topic"]), ("x", {"skipped"}, "x"), "the gap, then what is after it")
    gap = gap["skipped"]
    check(gap["count"] > 50 and first["index"] < gap["from"] and after["index"] >= gap["from"] + gap["count"],
          f"{first['index']}, {gap}, {after['index']}")
    wait_until(lambda: len(tails[1].lines) >= 2, "who waits for something else is told as well", alive=[gateway])
    check_equal(set(tails[1].lines[1]), {"skipped"}, "its second line")
    before = [line for line in human.lines if "...." not in line]
    wait_until(lambda: len(human.lines) > len(before), "the one for people goes on", alive=[gateway])
    human.child.send_signal(signal.SIGINT)
    human.child.wait(PATIENCE)
    err = human.child.stderr.read()
    check("sealring: skipped " in err and "released them before they could be read" in err, err)


def connect(gateway):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(os.path.join(gateway.folder, "sealring.sock"))
    return s


def ask(gateway, request):
    with connect(gateway) as s:
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(65536), b""))


def garbage(world):
    """Nonsense is answered with what is wrong, and the daemon goes on."""
    _, _, gateway = start(world)
    for request, words in ((b"GET / HTTP/1.0\r\n", "one JSON object"), (b"{}\n", "get must be"), (b"\n", "JSON object"),
                           (b'{"get": "records", "last": 0}\n', "last must be"), (b"\xff\x00\n", "JSON object"),
                           (b'{"get": "records", "nest": 1}\n', "nest"), (b"[" * 4000 + b"\n", "JSON object"),
                           (b'{"get": "records", "topic": "a/#/b"}\n', "topic"),
                           (b'{"get": "proof"}\n', "index is missing"),
                           (b'{"get": "records", "count": 2000000000}\n', "count must be 1 to 10^9"),
                           (b'{"get": "status", "get": "status"}\n', '"get" is not known here, or is there twice'),
                           (b'{"get": "records", "from": [1]}\n', "from must be a whole number"), (b"x" * 5000, "4096"),
                           (b'{"get": "status"', "within 2 s")):
        answer = json.loads(ask(gateway, request))
        check(words in answer["error"] and answer["kind"] in ("reject", "retry"), f"{request[:40]}: {answer}")
    answer = ask(gateway, b'{"get": "records", "count": 1}\n')
    head, _, rest = answer.partition(b"\n")
    check(json.loads(head)["records"] and rest[:8] == bytes(8), "the first record")
    check(rest.endswith(b'{"end":1}'), f"the end: {rest[-20:]}")
    check(gateway.status()["running"], "it goes on")


def crowd(world):
    """Sixteen may ask at once; the others are told."""
    _, _, gateway = start(world)
    within = [connect(gateway) for _ in range(16)]
    for s in within:  # they stay: followers
        s.sendall(b'{"get": "records", "follow": true}\n')
        check(b'"records"' in s.recv(4096), "those within are answered")
    refused = [connect(gateway) for _ in range(4)]
    for s in refused:
        answer = json.loads(b"".join(iter(lambda s=s: s.recv(4096), b"")))
        check("16 others" in answer["error"] and answer["kind"] == "retry", f"{answer}")
    crowd_of = within + refused
    for s in crowd_of:
        s.close()
    gateway.wait_status(lambda s: s["socket"]["clients"] == 1, "they are gone")


FOLLOWER = """
import socket, sys
kept = []
for _ in range(int(sys.argv[2])):
    kept.append(socket.socket(socket.AF_UNIX))
    kept[-1].connect(sys.argv[1])
    kept[-1].sendall(b'{"get": "records", "follow": true}\\n')
    print(kept[-1].makefile("rb").readline().decode().strip(), flush=True)
sys.stdin.read()
"""
MEMBERS = 64110  # the first of some user ids that nobody has


def as_member(number, group, *command):
    return ["setpriv", f"--reuid={MEMBERS + number}", f"--regid={group}", "--clear-groups", "--", *command]


def seats(world):
    """Members of the group who stay keep neither root nor, each by himself, the other members from asking."""
    if os.geteuid() != 0:
        print("    skipped: only root can become another user", flush=True)
        return
    _, _, gateway = start(world)
    gateway.stop()
    group = gateway.top["socket_group"] = "mail"
    gateway.configure().start()
    for path in (world.folder, gateway.folder, config(gateway)[1]):
        os.chmod(path, 0o755)

    def follow_as(number, times):
        child = world.closing(subprocess.Popen(
            as_member(number, group, "/usr/bin/python3", "-c", FOLLOWER, f"{gateway.folder}/sealring.sock", str(times)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        child.close = child.kill
        return child, [json.loads(child.stdout.readline()) for _ in range(times)]

    def status_as(number, code):
        done = subprocess.run(as_member(number, group, program("sealring"), "status", *config(gateway)),
                              capture_output=True, text=True, check=False)
        check_equal(done.returncode, code, f"status of member {number}: {done}")
        return done.stderr

    first, answers = follow_as(0, 5)
    check(all(a["records"] for a in answers[:4]), f"four follow: {answers}")
    check("follows 4 times already" in answers[4]["error"] and answers[4]["kind"] == "retry", f"{answers[4]}")
    status_as(0, 0)  # who follows can still ask
    for number in (1, 2):
        follow_as(number, 4)
    check_equal(gateway.status()["socket"]["clients"], 13, "twelve follow, and root asks")
    err = status_as(3, FAILED)
    check("12 others are asking already" in err and "try again later" in err, err)
    err = status_as(0, FAILED)
    check("12 others are asking already" in err, err)
    world.run("sealring", "status", *config(gateway))  # as root
    first.stdin.close()
    first.wait()
    gateway.wait_status(lambda s: s["socket"]["clients"] == 9, "four are gone")
    status_as(3, 0)


def stuck_reader(world):
    """Who never reads is dropped; recording goes on meanwhile, and a stop is prompt."""
    broker, _, gateway = start(world)
    stuck = connect(gateway)
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.sendall(b'{"get": "records", "follow": true}\n')
    load = world.closing(Load(broker.port, qos=1, size=2000, pace=(20, 0.05)))
    gateway.wait_status(lambda s: s["recorder"]["messages"] > 2000, "recording goes on")
    gateway.wait_status(lambda s: s["socket"]["clients"] == 1, "the reader was dropped")
    before = gateway.status()["recorder"]["messages"]
    gateway.wait_status(lambda s: s["recorder"]["messages"] > before + 500, "recording went on")
    load.stop()
    gateway.wait_said("read nothing for 10 s")
    again = connect(gateway)
    again.sendall(b'{"get": "records", "follow": true}\n')
    gateway.wait_status(lambda s: s["socket"]["clients"] == 2, "another one waits")
    gateway.stop(patience=8)
    again.close()
    stuck.close()


def strangers(world):
    """Without the group nobody may ask."""
    if os.geteuid() != 0:
        print("    skipped: only root can become another user", flush=True)
        return
    _, _, gateway = start(world)
    os.chmod(world.folder, 0o755)
    os.chmod(gateway.folder, 0o755)
    path = os.path.join(gateway.folder, "sealring.sock")
    check_equal(os.stat(path).st_mode & 0o777, 0o660, "mode of the socket")
    probe = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
    done = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", "/usr/bin/python3",
                           "-c", probe], capture_output=True, text=True, check=False)
    check(done.returncode != 0 and "PermissionError" in done.stderr, f"nobody connects: {done}")
    gateway.stop()
    gateway.top["socket_group"] = "no-such-group"
    gateway.configure().start(ready=False)
    gateway.wait_end(USAGE)
    check("there is no group" in gateway.said(), gateway.said())
    member = grp.getgrgid(os.stat("/var/mail").st_gid).gr_name if os.path.exists("/var/mail") else "mail"
    gateway.top["socket_group"] = member
    owners = os.stat(gateway.folder)
    gateway.configure().start()
    check_equal(os.stat(gateway.folder).st_gid, owners.st_gid, "the group of a folder that is not the socket's alone")
    done = subprocess.run(["setpriv", "--reuid=nobody", f"--regid={member}", "--clear-groups", "--",
                           "/usr/bin/python3", "-c", probe], capture_output=True, text=True, check=False)
    check_equal(done.returncode, 0, f"a member of {member} may ask: {done.stderr}")


def usage(world):
    """What the options refuse."""
    _, _, gateway = start(world)
    for options, words in ((("--topic", "a/#/b"), "--topic"), (("--since", "yesterday"), "--since"),
                           (("-n", "0"), "0"), (("-f", "--until", "now"), "-f"), (("-f", "--from", "/"), "-f")):
        chosen = () if "--from" in options else config(gateway)
        _, err = world.run("sealring", "tail", *options, *chosen, code=USAGE)
        check(words in err, f"{options}: {err}")
    _, err = world.run("sealring", "tail", "--from", world.path("nothing"), code=FAILED)
    check("nothing" in err, err)
    _, err = world.run("sealring", "show", "0", "--payload", world.path("p"), *config(gateway), code=FAILED)
    check("no message" in err and not os.path.exists(world.path("p")), err)


if __name__ == "__main__":
    main(("samples", samples), ("follow", follow), ("overtaken", overtaken), ("garbage", garbage), ("crowd", crowd),
         ("seats", seats), ("stuck_reader", stuck_reader), ("strangers", strangers), ("usage", usage))
