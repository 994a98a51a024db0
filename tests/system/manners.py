#!/usr/bin/python3
"""A daemon's manners: default places, what it tells a service manager, reload, stopping, who may reach what."""
import json
import os
import signal
import socket
import stat
import threading
import time

from lib.certs import make_leaf
from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.service import DAEMON_UID, OTHER_UID, Frozen, Machine, Manager, with_environment
from lib.world import ORIGIN, check, check_equal, main, wait_until

CONFIG, BUSY = 2, 4  # exit codes


def hang_up(gateway, *words):
    """SIGHUP, and the line about it that has the words."""
    gateway.mark = os.path.getsize(gateway.log_path)
    gateway.child.send_signal(signal.SIGHUP)
    return gateway.wait_said("configuration", *words)


# --- default places ---


def defaults(world):
    """init, sealringd, check and status without a path, as the users of a real machine."""
    why_not = Machine.why_not()
    if why_not:
        print(f"    skipped: {why_not}", flush=True)
        return
    broker, _, _ = world.enrol()
    broker.start()
    machine = Machine(world)
    out, err = machine.run("sealring", "init", "--origin", ORIGIN)
    check(out.startswith(ORIGIN + "+") and len(out.split()) == 2, f"the anchor and nothing else on stdout: {out!r}")
    check("Disk space: 64 MiB: the least" in err, f"the size is said, and why: {err}")
    out, _ = machine.run("stat", "-c", "%a %U %G %n", "/etc/sealring", "/etc/sealring/sealring.toml",
                         "/var/lib/sealring", "/var/lib/sealring/identity.key", "/var/lib/sealring/store",
                         "/var/lib/sealring/store/ring.lmdb", "/var/lib/sealring/store/epoch-0.key")
    check_equal(out.splitlines(), ["755 root root /etc/sealring", "640 root sealring /etc/sealring/sealring.toml",
                                   "700 sealring sealring /var/lib/sealring",
                                   "600 sealring sealring /var/lib/sealring/identity.key",
                                   "700 sealring sealring /var/lib/sealring/store",
                                   "600 sealring sealring /var/lib/sealring/store/ring.lmdb",
                                   "600 sealring sealring /var/lib/sealring/store/epoch-0.key"], "modes and owners")
    _, err = machine.run("sealring", "init", "--origin", ORIGIN, code=1)
    check("/etc/sealring/sealring.toml is there already" in err, err)
    machine.run("sed", "-i", f"s/^port = .*/port = {broker.port}/", "/etc/sealring/sealring.toml")
    gateway = machine.daemon()
    gateway.start()
    out, _ = machine.run("ls", "-l", "/run/sealring/sock")
    check(out.startswith("srw-rw----"), out)

    status = json.loads(machine.run("sealring", "status", "--json", user="member")[0])
    check(status["running"] and status["origin"] == ORIGIN, f"a member of the group may ask: {status}")
    machine.run("sealring", "status", user="sealring")
    check_equal(machine.run("stat", "-c", "%a %U %G", "/run/sealring")[0], "750 sealring sealring\n", "as it was made")
    machine.run("ls", "/run/sealring", user="other", code=2)
    for user in ("member", "other"):
        for path in ("/var/lib/sealring/identity.key", "/var/lib/sealring/store/ring.lmdb", "/var/lib/sealring"):
            _, err, code = machine.run("sh", "-c", f"ls {path}/ 2>&1 || cat {path}", user=user, code=None)
            check(code != 0 and "Permission denied" in err, f"{user} reaches {path}: {code} {err}")
    _, err, code = machine.run("sealring", "status", user="other", code=None)
    check(code != 0 and "Permission denied" in err, f"a stranger may not ask: {code} {err}")
    # Nor over the socket itself, whatever the command would do.
    probe = "import socket; socket.socket(socket.AF_UNIX).connect('/run/sealring/sock')"
    machine.run("/usr/bin/python3", "-c", probe, user="member")
    _, err, code = machine.run("/usr/bin/python3", "-c", probe, user="other", code=None)
    check(code != 0 and "PermissionError" in err, f"a stranger may not connect: {code} {err}")

    out, _ = machine.run("sealring", "check", user="sealring")
    check("ok       store: a daemon runs" in out and "0 errors" in out, out)
    second = machine.daemon()
    second.log_path = world.path("second.log")
    second.start(ready=False)
    second.wait_end(BUSY)
    check("another process has this store" in second.said(), second.said())
    machine.run("sealring", "status", user="member")  # the first one's socket is still there
    gateway.stop()
    refuses_root(machine)
    other_groups(machine, gateway, probe)


def other_groups(machine, gateway, probe):
    """Another group, by the configuration; and one that is not there."""
    machine.run("sed", "-i", 's/^# socket_group = .*/socket_group = "other"/', "/etc/sealring/sealring.toml")
    gateway.command = machine.inside("sealringd", user="sealring", also=OTHER_UID)
    with_environment(gateway, RUNTIME_DIRECTORY="/run/sealring")
    gateway.start()
    check_equal(machine.run("stat", "-c", "%a %U %G", "/run/sealring")[0], "750 sealring other\n", "given to it")
    machine.run("/usr/bin/python3", "-c", probe, user="other")
    machine.run("/usr/bin/python3", "-c", probe, user="member", code=1)
    gateway.stop()
    machine.run("sed", "-i", 's/^socket_group = .*/socket_group = "nobody-there"/', "/etc/sealring/sealring.toml")
    gateway.start(ready=False)
    gateway.wait_end(CONFIG)
    check("nobody-there" in gateway.said(), gateway.said())
    machine.run("sed", "-i", "s/^socket_group = .*//", "/etc/sealring/sealring.toml")
    out, _ = machine.run("sealring", "check", user="sealring")
    check("no daemon answers" in out and "0 errors" in out, out)


def refuses_root(machine):
    """Root is not the daemon's user, and is told so before it takes the files away from that one."""
    for command in (("sealring", "check"), ("sealringd",)):
        out, err, code = machine.run(*command, code=None)
        check(code != 0 and f"belongs to user {DAEMON_UID}, who could change it: run this as that user" in out + err,
              f"{command} as root: {code} {out}{err}")


def disk_budget(world):
    """Too little space is said before anything is made."""
    why_not = Machine.why_not()
    if why_not:
        print(f"    skipped: {why_not}", flush=True)
        return
    machine = Machine(world, disk="100m", users=False)
    for arguments, words in (((), "only 100 MiB are free"), (("--ring-size", "99MiB"), "only 100 MiB are free"),
                             (("--ring-size", "10MiB"), "at least 64")):
        _, err = machine.run("sealring", "init", "--origin", ORIGIN, *arguments, code=1)
        check(words in err, f"{arguments}: {err}")
    out, _ = machine.run("sh", "-c", "ls -A /var/lib; ls /etc/sealring 2>/dev/null || true")
    check_equal(out, "", "nothing was made")
    _, err = machine.run("sealring", "init", "--origin", ORIGIN, "--ring-size", "64MiB")
    check("Disk space" not in err, err)
    # Without a user `sealring` everything stays root's.
    out, _ = machine.run("stat", "-c", "%a %U", "/var/lib/sealring", "/var/lib/sealring/identity.key")
    check_equal(out.split(), ["700", "root", "600", "root"], "modes and owners")
    _, err = machine.run("sealring", "init", "--root", "/x", "/y", "--origin", ORIGIN, code=2)
    check("--root" in err, err)
    # The places of an image that is being built: under a folder, and not so in the file.
    image = world.path("image")
    world.run("sealring", "init", "--root", image, "--origin", ORIGIN, "--ring-size", "64MiB")
    with open(image + "/etc/sealring/sealring.toml", encoding="utf-8") as f:
        text = f.read()
    check('\nstore = "/var/lib/sealring/store"' in text and image not in text, text)
    check(os.path.exists(image + "/var/lib/sealring/store/ring.lmdb"), "the store is in the image")


def planted(world):
    """What the service's user left in its folder leads root's `init` nowhere; the folder alone is no trouble."""
    why_not = Machine.why_not()
    if why_not:
        print(f"    skipped: {why_not}", flush=True)
        return
    machine = Machine(world)
    machine.run("sh", "-c", "mkdir -m 700 /var/lib/victim && echo secret > /var/lib/victim/file && chmod 600 "
                "/var/lib/victim/file && mkdir -m 755 /var/lib/sealring && chown sealring: /var/lib/sealring")
    before, _ = machine.run("sh", "-c", "ls -lnR /var/lib/victim; stat -c '%a %U' /var/lib/sealring")
    for plant, words in (("ln -s /var/lib/victim store", "store is a symbolic link"),
                         ("ln -s /var/lib/victim/file identity.key", "identity.key is a symbolic link"),
                         ("mkdir store", f"store belongs to user {DAEMON_UID}"),
                         ("mkfifo identity.key", "identity.key is not a regular file"),
                         ("touch store", "store is not a folder")):
        machine.run("sh", "-c", f"cd /var/lib/sealring && {plant}", user="sealring")
        _, err = machine.run("sealring", "init", "--origin", ORIGIN, code=1)
        check(words in err and "move it away" in err, f"{plant}: {err}")
        after, _ = machine.run("sh", "-c", "ls -lnR /var/lib/victim; stat -c '%a %U' /var/lib/sealring")
        check_equal(after, before, f"after {plant}")
        machine.run("sh", "-c", "rm -r /var/lib/sealring/*")
    # Made by root in part, with what that user could get in meanwhile.
    for plant, words in (("ln -s /var/lib/victim/file store/ring.lmdb", "ring.lmdb is a symbolic link"),
                         ("ln /var/lib/victim/file store/epoch-0.key", "epoch-0.key has another name"),
                         ("touch store/journal; chmod 666 store/journal", "journal can be written by others")):
        machine.run("sh", "-c", f"cd /var/lib/sealring && mkdir -m 700 store && {plant}")
        _, err = machine.run("sealring", "init", "--origin", ORIGIN, code=1)
        check(words in err, f"{plant}: {err}")
        machine.run("sh", "-c", "rm -r /var/lib/sealring/*")
    machine.run("sealring", "init", "--origin", ORIGIN)
    out, _ = machine.run("sh", "-c", "cd /var/lib/sealring && stat -c '%a %U %n' . identity.key store store/ring.lmdb")
    check_equal(out.split(), ["700", "sealring", ".", "600", "sealring", "identity.key", "700", "sealring", "store",
                              "600", "sealring", "store/ring.lmdb"], "modes and owners")
    machine.run("sh", "-c", "mkdir /var/lib/own && chown sealring: /var/lib/own")
    _, err = machine.run("sealring", "init", "/var/lib/own", "--origin", ORIGIN, code=1)
    check(f"/var/lib/own belongs to user {DAEMON_UID}" in err and "run this as that user" in err, err)
    machine.run("sh", "-c", "chown root: /var/lib/own && chmod 777 /var/lib/own")
    _, err = machine.run("sealring", "init", "/var/lib/own", "--origin", ORIGIN, code=1)
    check("chmod go-w" in err, err)


# --- the service manager ---


def notify(world):
    broker, _, gateway = world.enrol()
    broker.start()
    for abstract in (False, True):
        manager = Manager(world, abstract)
        with_environment(gateway, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC=None)
        gateway.start()
        manager.wait("READY", alive=[gateway])
        check(ORIGIN in manager.said[0]["STATUS"], f"the first datagram says what it does: {manager.said}")
        check(gateway.status()["running"], "ready means that it serves")
        manager.forget()
        gateway.child.send_signal(signal.SIGHUP)
        manager.wait("RELOADING", alive=[gateway])
        manager.wait("READY", alive=[gateway])
        order = [key for one in manager.said for key in one if key in ("RELOADING", "READY")]
        check_equal(order, ["RELOADING", "READY"], "what a reload says")
        check(manager.said[0]["MONOTONIC_USEC"].isdigit(), manager.said)
        manager.forget()
        gateway.stop()
        manager.wait("STOPPING")
        check_equal(manager.count("WATCHDOG"), 0, "pings that nobody asked for")
        check_equal(manager.count("READY"), 0, "ready while stopping")
    # A configuration that is refused is never ready; a manager that has gone is no trouble.
    manager.forget()
    gateway.broker["port"] = 0
    gateway.configure()
    gateway.start(ready=False)
    gateway.wait_end(CONFIG)
    check_equal(manager.said, [], "what a refused start says")
    gateway.broker["port"] = broker.port
    gateway.configure()
    for name in ("/nowhere/notify", "@nobody", "rubbish", "/" + "x" * 200, ""):
        with_environment(gateway, NOTIFY_SOCKET=name, WATCHDOG_USEC="200000")
        gateway.start()
        gateway.stop()


def watchdog(world):
    broker, _, gateway = world.enrol()
    broker.start()
    manager = Manager(world)
    gateway.recorder["heartbeat"] = "24h"  # nothing else makes the recorder come round
    gateway.configure()
    # A ping a millisecond, were it meant for this process.
    with_environment(gateway, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="2000", WATCHDOG_PID="1")
    gateway.start()
    manager.wait("READY", alive=[gateway])
    for _ in range(5):
        hang_up(gateway, "nothing changed")
    check_equal(manager.count("WATCHDOG"), 0, "pings although another process is watched")
    gateway.stop()
    manager.forget()
    with_environment(gateway, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000", WATCHDOG_PID=None)
    gateway.start()
    manager.wait("WATCHDOG", 5, alive=[gateway])
    if os.geteuid() != 0:
        print("    skipped: stopping the recorder alone needs root", flush=True)
        return
    frozen = Frozen(gateway.pid)
    try:
        # The thread that pings goes on, as its answers to SIGHUP show; one ping may have been due already.
        for _ in range(3):
            hang_up(gateway, "nothing changed")
        before = manager.count("WATCHDOG")
        readies = manager.count("READY")
        threading.Event().wait(3)  # fifteen pings' time: that nothing comes can only be waited for
        check(manager.count("WATCHDOG") <= before + 1, f"{manager.count('WATCHDOG') - before} pings of a hung recorder")
        gateway.child.send_signal(signal.SIGHUP)
        manager.wait("READY", readies + 1, alive=[gateway])
    finally:
        frozen.thaw()
    manager.wait("WATCHDOG", manager.count("WATCHDOG") + 3, alive=[gateway])
    # A recorder that waits for room is no hung one: see outages.py for what it does then.
    gateway.stop()


def journal(world):
    """Priorities where standard error is the journal, and only there: the variable alone may be inherited."""
    broker, _, gateway = world.enrol()
    broker.start()
    gateway.start()
    gateway.wait_said("notice: ready:")
    gateway.stop()
    log = os.stat(gateway.log_path)
    with_environment(gateway, JOURNAL_STREAM=f"{log.st_dev}:{log.st_ino + 1}")
    gateway.start()
    gateway.wait_said("notice: ready:")
    gateway.stop()
    with_environment(gateway, JOURNAL_STREAM=f"{log.st_dev}:{log.st_ino}")
    gateway.start()
    gateway.wait_said("<5>ready:")
    gateway.broker["port"] = 0
    gateway.configure()
    hang_up(gateway, "<3>configuration not taken")
    gateway.broker.update({"port": broker.port, "keepalive": "9s"})
    gateway.configure()
    hang_up(gateway, "<4>configuration read again", "needs a restart")
    gateway.stop()


# --- SIGHUP ---


class Reloading:
    """A gateway that forwards, and the config-changed events that are archived."""

    def __init__(self, world):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB")
        self.gateway.recorder.update({"segment_age": "1s", "heartbeat": "1h"})
        self.gateway.configure()
        self.toml = self.gateway.folder + "/sealring.toml"
        self.broker.start()
        self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.log = GrowingLog(log_folder(self.collector.archive))
        self.seen = 0

    def hang_up(self, *words):
        self.gateway.configure()
        return hang_up(self.gateway, *words)

    def event(self):
        """The details of the next config-changed event."""
        def events():
            return [details for _, details in self.log.read().events_named("config")]
        self.seen += 1
        wait_until(lambda: len(events()) >= self.seen, f"{self.seen} config-changed events are archived",
                   alive=[self.gateway, self.collector])
        check_equal(len(events()), self.seen, "config-changed events")
        return events()[-1]

    def file_hash(self):
        return self.world.run("sha256sum", self.toml)[0].split()[0]

    def end(self, *secrets):
        """Nothing is lost by many signals while messages flow; and the log shows no secret."""
        publisher = self.world.closing(Publisher(self.broker.port, "device"))
        for i in range(500):
            publisher.publish("plant/x", b"%d" % i)
            if i % 10 == 0:
                self.gateway.child.send_signal(signal.SIGHUP)
        publisher.wait_acknowledged()
        wait_archived(self.log, publisher.sent, alive=[self.gateway, self.collector])
        self.gateway.stop()
        self.world.verify_live(self.collector.archive)
        for segment in self.log.read().files:
            with open(os.path.join(self.log.folder, "segments", segment), "rb") as f:
                data = f.read()
            for secret in secrets:
                check(secret.encode() not in data, f"{secret} is in the log")


def idle_heartbeats(log):
    """Without those that say how the broker's count of drops begins."""
    return [event for event in log.events_named("heartbeat") if "dropped-total" not in event[1]]


def reload(world):
    scene = Reloading(world)
    gateway = scene.gateway
    scene.hang_up("nothing changed")
    event = scene.event()
    check_equal((event["result"], event["file-sha256"].hex()), ("nothing changed", scene.file_hash()), "the event")

    # What can change does: with a heartbeat of a second there are some, without one there were none.
    check_equal(idle_heartbeats(scene.log), [], "heartbeats")
    gateway.recorder.update({"heartbeat": "1s", "queue_bytes": "8MiB", "commit_interval": "1ms"})
    gateway.upstream["retry_max"] = "2s"
    live = "recorder.commit_interval, recorder.heartbeat, upstream.retry_max"
    line = scene.hang_up("changed " + live, "needs a restart: recorder.queue_bytes")
    check(line.startswith("warning: "), line)
    event = scene.event()
    check_equal((event["changed"], event["needs-restart"], event["file-sha256"].hex()),
                (live, "recorder.queue_bytes", scene.file_hash()), "the event")
    wait_until(lambda: idle_heartbeats(scene.log.read()), "there is a heartbeat", alive=[gateway])
    # The second time only what still waits.
    scene.hang_up("nothing changed yet", "needs a restart: recorder.queue_bytes")
    check("changed" not in scene.event(), "nothing changed anew")

    # Other brokers, by name.
    gateway.broker["name"] = "hall"
    scene.hang_up("needs a restart: broker[127.0.0.1:", "broker[hall]")
    del gateway.broker["name"]

    # The level of diagnostics, both ways. At "error" the line about the change itself is below the level.
    gateway.top["diag_level"] = "error"
    gateway.configure()
    gateway.child.send_signal(signal.SIGHUP)
    wait_until(lambda: not hang_up_pending(gateway), "the signal is taken", alive=[gateway])
    gateway.top["diag_level"] = "loud"
    scene.hang_up("not taken", "diag_level")
    check_equal(len(gateway.lines()), 1, "lines at the level error")
    gateway.top["diag_level"] = "info"
    scene.hang_up("changed diag_level")
    scene.end()
    starts = [details for _, details in scene.log.events_named("start")]
    check(len(starts) == 1 and len(starts[0]["config-sha256"]) == 32, f"start says the file's hash: {starts}")


def hang_up_pending(gateway):
    with open(f"/proc/{gateway.pid}/status", encoding="ascii") as status:
        masks = [line.split()[1] for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(mask, 16) & (1 << (signal.SIGHUP - 1)) for mask in masks)


def reload_refused(world):
    """A file that is not valid changes nothing, and neither it nor the log shows what may be a secret."""
    scene = Reloading(world)
    gateway = scene.gateway
    gateway.broker["password"] = "hunter2"
    line = scene.hang_up("not taken", "unknown key broker.password")
    check(line.startswith("error: ") and "hunter2" not in line, line)
    event = scene.event()
    check_equal((event["result"], event["file-sha256"].hex()), ("refused", scene.file_hash()), "the event")
    with open(scene.toml, encoding="utf-8") as f:
        check_equal(event["line"], 1 + f.read().split("\n").index('password = "hunter2"'), "line")
    del gateway.broker["password"]
    gateway.broker.update({"username": "u", "password_file": "hunter3"})
    scene.hang_up("not taken", "password_file", "No such file")
    check_equal(set(scene.event()), {"result", "file-sha256"}, "of a refused file nothing but its hash")
    os.remove(scene.toml)
    hang_up(gateway, "not taken", "sealring.toml", "No such file")
    check_equal(scene.event(), {"result": "refused"}, "of a file that is not there not even that")
    gateway.broker.pop("username")
    gateway.broker.pop("password_file")
    gateway.recorder["segment_bytes"] = "48MiB"
    gateway.recorder["heartbeat"] = "7s"
    scene.hang_up("not taken", "more than a quarter of the ring")
    scene.event()
    gateway.recorder["segment_bytes"] = "4MiB"
    scene.hang_up("changed recorder.heartbeat")  # only now: what was refused had not even half an effect
    scene.event()

    # A password that changes is a change, although the key's value stays.
    def password(text):
        world.write(gateway.folder + "/hunter3", text + "\n")
        os.chmod(gateway.folder + "/hunter3", 0o600)
    password("first-secret")
    gateway.broker.update({"username": "u", "password_file": "hunter3"})
    gateway.configure()
    gateway.stop()
    gateway.start()
    scene.hang_up("nothing changed")
    password("second-secret")
    line = scene.hang_up("needs a restart: broker[127.0.0.1:", "password_file")
    check("secret" not in line, line)
    password("first-secret")
    scene.hang_up("nothing changed")
    scene.end("hunter2", "hunter3", "first-secret", "second-secret")


# --- SIGTERM in bad moments ---


def stop_in_bad_moments(world):
    broker, collector, gateway = world.enrol()
    gateway.upstream["timeout"] = "60s"
    gateway.configure()
    # At once, before it is ready, again and again: it ends in order or by the signal, and the store stays whole.
    for _ in range(10):
        gateway.start(ready=False)
        gateway.child.send_signal(signal.SIGTERM)
        code = gateway.child.wait(10)
        gateway.child = None
        check(code in (0, -signal.SIGTERM), f"exit code {code} after an early SIGTERM")
    with socket.socket() as broker_hole, socket.socket() as collector_hole:  # accept by the kernel, never answer
        broker_hole.bind(("127.0.0.1", broker.port))
        broker_hole.listen(8)
        collector_hole.bind(("127.0.0.1", collector.port))
        collector_hole.listen(8)
        gateway.start()
        peer, _ = broker_hole.accept()
        peer.recv(1)  # it has sent its CONNECT and waits
        for name in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            gateway.child.send_signal(name)
        gateway.wait_end(0, patience=10)
        peer.close()
    broker.start()
    gateway.start()
    gateway.wait_subscribed()
    publisher = world.closing(Publisher(broker.port, "device"))
    for i in range(300):
        publisher.publish("x", b"%d" % i)
    # The broker hangs in mid-flow: it is there, and takes and gives nothing.
    broker.child.send_signal(signal.SIGSTOP)
    try:
        gateway.stop(patience=10)
    finally:
        broker.child.send_signal(signal.SIGCONT)
    publisher.wait_acknowledged()
    gateway.start()
    collector.start()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, publisher.sent, alive=[gateway, collector])
    collector.child.send_signal(signal.SIGSTOP)
    try:
        publisher.publish("x", b"last")
        publisher.wait_acknowledged()
        gateway.wait_status(lambda s: s["segments"]["sealed"] >= 1, "it forwards to a collector that hangs")
        gateway.stop(patience=10)
    finally:
        collector.child.send_signal(signal.SIGCONT)
    check("stopped at size" in gateway.said(), "it says that it stopped")
    world.verify(gateway.folder + "/store", code=(0, 10, 11), policy=None)


# --- sealring check ---


class Checking:
    def __init__(self, world):
        self.world = world
        self.broker, _, self.gateway = world.enrol()
        self.toml = self.gateway.folder + "/sealring.toml"

    def findings(self, code, config=None):
        out, err, got = self.world.run("sealring", "check", "--config", config or self.toml, "--json", code=None)
        report = json.loads(out)
        check_equal((got, report["ok"]), (code, code == 0), f"exit code and ok: {out}{err}")
        return [(f["level"], f["subject"], f["words"]) for f in report["findings"]]

    def finds(self, level, subject, *words, config=None):
        found = self.findings(1 if level == "error" else 0, config)
        hits = [f for f in found if f[:2] == (level, subject) and all(w in f[2] for w in words)]
        check(hits, f"no {level} about {subject} with {words} in {found}")
        print(f"    {level} {subject}: {hits[0][2]}", flush=True)

    def with_change(self, table, key, value, *expected):
        """With that one key changed in the file, and only for now."""
        saved = dict(table)
        table[key] = value
        self.gateway.configure()
        table.clear()
        table.update(saved)
        self.finds(*expected)
        self.gateway.configure()


def check_command(world):
    scene = Checking(world)
    gateway, finds, changed = scene.gateway, scene.finds, scene.with_change
    check(all(level != "error" for level, *_ in scene.findings(0)), "all is well")
    finds("ok", "store", "no daemon answers", "1 entries")
    before = sorted(os.listdir(gateway.folder)), sorted(os.listdir(gateway.folder + "/store"))
    finds("ok", "upstream", "valid for")
    finds("ok", "policy", "mirror")
    changed(gateway.recorder, "heartbeat", "never",
            "error", "configuration", "sealring.toml:", "heartbeat")
    finds("error", "configuration", "/nowhere", config="/nowhere")
    changed(gateway.top, "origin", "example.com/elsewhere",
            "error", "identity key", "example.com/elsewhere")
    changed(gateway.top, "store", "elsewhere",
            "error", "store", "elsewhere", "there is no store")
    changed(gateway.top, "socket", "no/such/folder/sock",
            "error", "socket", "no/such/folder is not there")
    changed(gateway.top, "socket", "x" * 120,
            "error", "socket", "too long")
    changed(gateway.top, "socket", "",
            "warning", "socket", "turned off")
    changed(gateway.top, "socket_group", "no-such-group",
            "error", "socket", "no-such-group")
    changed(gateway.upstream, "mirror", "nobody",
            "error", "policy", "nobody")
    changed(gateway.upstream, "policy", "nothing",
            "error", "policy", "nothing")
    changed(gateway.upstream, "key", "../tls/collector.key",
            "error", "upstream", "does not belong to the certificate")
    changed(gateway.upstream, "cert", "../tls/gateway.key",
            "error", "upstream", "no certificate in PEM")
    changed(gateway.upstream, "ca", "../tls/gateway.pem",
            "warning", "upstream", "is not a CA")
    certificates(world, scene)
    check_equal((sorted(os.listdir(gateway.folder)), sorted(os.listdir(gateway.folder + "/store"))), before,
                "check changes nothing")
    damaged(world, scene)
    scene.broker.start()
    gateway.start()
    finds("ok", "store", "a daemon runs, at size")
    out, _ = world.run("sealring", "check", "--config", scene.toml)
    check(out.startswith("ok       configuration: ") and out.endswith(" warnings\n"), out)
    gateway.stop()


def check_files(world):
    """Modes and passwords."""
    scene = Checking(world)
    gateway, finds = scene.gateway, scene.finds
    broker_words = f"broker 127.0.0.1:{scene.broker.port}"
    gateway.broker.update({"username": "u", "password_file": "pw"})
    gateway.configure()
    finds("error", broker_words, "pw: No such file")
    world.write(gateway.folder + "/pw", "secret word\n")
    finds("error", broker_words, "mode", "chmod 600")
    os.chmod(gateway.folder + "/pw", 0o600)
    check("secret word" not in json.dumps(scene.findings(0)), "the password is not shown")
    finds("ok", broker_words, "password from")
    gateway.broker.clear()
    gateway.broker.update({"port": scene.broker.port})
    gateway.configure()
    os.chmod(scene.toml, 0o666)
    finds("warning", "configuration", "chmod go-w")
    os.chmod(scene.toml, 0o640)
    os.chmod(gateway.folder + "/identity.key", 0o640)
    finds("error", "identity key", "0640", "chmod 600")
    os.chmod(gateway.folder + "/identity.key", 0o600)
    # The last folder of the socket's path is made: after a boot /run is empty.
    gateway.top["socket"] = "run/sock"
    gateway.configure()
    finds("ok", "socket", "run/sock")
    check(not os.path.exists(gateway.folder + "/run"), "check makes no folder")
    scene.broker.start()
    gateway.start()
    check(stat.S_ISSOCK(os.stat(gateway.folder + "/run/sock").st_mode), "the socket is there")
    check_equal(stat.S_IMODE(os.stat(gateway.folder + "/run").st_mode), 0o750, "the mode of its folder")
    gateway.stop()


def certificates(world, scene):
    """Those that have ended, have not begun, or end soon."""
    gateway, tls = scene.gateway, world.path("tls")
    day = lambda n: time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + n * 86400))  # noqa: E731
    for name, dates, level, words in (("old", (day(-20), day(-9.5)), "error", ("expired 9 days ago", "renew")),
                                      ("early", (day(9.5), day(90)), "error", ("not before in 9 days", "clock")),
                                      ("late", (day(-20), day(29.5)), "warning", ("valid for 29 days only", "renew"))):
        make_leaf(tls, name, "ca", "a gateway", "clientAuth", "URI:sealring:gw-0042", dates=dates)
        gateway.upstream["cert"] = f"../tls/{name}.pem"
        scene.with_change(gateway.upstream, "key", f"../tls/{name}.key", level, "upstream", *words)
    gateway.upstream["cert"] = "../tls/gateway.pem"
    gateway.configure()


def damaged(world, scene):
    """Epoch keys and store files that are not as they should be."""
    store, finds = scene.gateway.folder + "/store/", scene.finds
    os.rename(store + "epoch-0.key.copy", store + "away")
    finds("warning", "store", "one of the two files of epoch key 0")
    os.rename(store + "epoch-0.key", store + "away2")
    finds("error", "store", "epoch key 0", "goes on with a break")
    os.rename(store + "away2", store + "epoch-0.key")
    os.rename(store + "away", store + "epoch-0.key.copy")
    os.rename(store + "journal", store + "away")
    finds("error", "store", "journal")
    os.rename(store + "away", store + "journal")


if __name__ == "__main__":
    main(("defaults", defaults), ("disk_budget", disk_budget), ("planted", planted), ("notify", notify),
         ("watchdog", watchdog), ("journal", journal), ("reload", reload), ("reload_refused", reload_refused),
         ("stop_in_bad_moments", stop_in_bad_moments), ("check_command", check_command), ("check_files", check_files))
