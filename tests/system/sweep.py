#!/usr/bin/python3
"""The system-call sweep: the real daemons while one of their storage calls fails, or kills them.

    sweep.py [--all | --count N] [--seed S] [--only DAEMON:CALL:FAULT:N] [gateway] [collector]

A short session on a store that has some history: the daemon starts (it replays the journal), takes messages that go
through the journal and one that is too large for it, seals, uploads, archives and stops. It is run once under strace to
learn which calls concern the store or the archive, and then again for each of those calls, with the fault put in by
`strace -e inject`: an I/O error, a full disk (once, and from there on), an interrupted call, SIGKILL. Every time on a
copy of the same history.

After each fault: the daemon went on, or ended within the deadline with a documented code and words that say what it
was. Then it is started again without a fault, by itself drains, and: the archive and the store verify as fine, and
every message that was published is in the archive exactly once. The broker is never killed and holds what is not
acknowledged, so a message that is missing was acknowledged before it was durable.

strace counts the calls of each thread by themselves, and so does this: the N-th of every thread that makes so many, for
each file by itself where its name is known beforehand. What strace cannot do here is reported as skipped.
"""
import argparse
import collections
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lib.compare import GrowingLog, differences, log_folder
from lib.load import Publisher
from lib.world import HERE, Failure, World, check, wait_until

DAEMONS = ("gateway", "collector")
CALLS = ("openat,read,pread64,write,pwrite64,pwritev,writev,fsync,fdatasync,rename,renameat2,unlink,ftruncate,mkdir,"
         "mmap,flock,fchmod,newfstatat,getdents64,bind,fadvise64")
FAULTS = {"EIO": "error=EIO:when={}", "ENOSPC": "error=ENOSPC:when={}", "ENOSPC+": "error=ENOSPC:when={}+",
          "EINTR": "error=EINTR:when={}", "SIGKILL": "signal=SIGKILL:when={}"}
DOCUMENTED = {0, 2, 3, 5, 6, -signal.SIGKILL}  # 4 would be a second instance, and there is none
DEADLINE = 90.0  # what a fault may make anything last; seconds
FINE, NAMED = 0, 10
LASTING = 8.0    # how long a fault that does not go away is looked at
LARGE = b"large ".ljust(70000, b".")
WORKERS = 4
SKIPPED = 77
CALL = re.compile(r"^(?P<tid>\d+) +(?P<call>\w+)\((?P<arguments>.*)$")


class Traced:
    """One of the two daemons, with strace as its debugger and not its parent: its own pid, its own exit code."""

    def __init__(self, process, options, log_path):
        self.process, self.log_path = process, log_path
        self.plain = process.command
        self.command = ["strace", "-D", "-f", "-qq", "-y", "--seccomp-bpf", "-o", log_path, *options] + process.command

    def __enter__(self):
        self.process.command = self.command
        return self

    def __exit__(self, *_):
        self.process.command = self.plain

    def lines(self):
        wait_until(lambda: os.path.exists(self.log_path), "strace writes")
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read().splitlines()


class Scene:
    """A broker, a publisher, and the history from which each session begins."""

    def __init__(self, world):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", inflight=0)
        self.gateway.recorder.update({"segment_entries": 6, "segment_age": "1s", "heartbeat": "60s"})
        self.gateway.broker.update({"client_id": "sealring-swept", "protocol": "5"})
        self.gateway.upstream.update({"retry_min": "50ms", "retry_max": "500ms"})
        self.gateway.configure()
        self.published = 0
        self.broker.start()
        self.make_history()

    def make_history(self):
        self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.publisher = self.world.closing(Publisher(self.broker.port, "publisher"))
        self.publish()
        self.wait_drained(DEADLINE)
        self.publish()  # lies in the journal only
        # None held is not enough: what has not arrived yet would be in none of the copies, and the broker gives it to
        # the first session only.
        self.gateway.wait_status(lambda s: s["broker"]["acks_released"] == sum(self.publisher.sent.values()),
                                 "all is acknowledged")
        self.gateway.kill()
        self.collector.stop()
        for name in ("gateway", "archive"):
            shutil.copytree(self.world.path(name), self.world.path("history-" + name), symlinks=True,
                            copy_function=copy)
        self.before = self.publisher.sent.copy()

    def restore(self):
        for process in (self.gateway, self.collector):
            if process.child:
                process.child.kill()
                process.child.wait()
                process.child = None
        for name in ("gateway", "archive"):
            shutil.rmtree(self.world.path(name))
            shutil.copytree(self.world.path("history-" + name), self.world.path(name), symlinks=True,
                            copy_function=copy)
        self.publisher.sent = self.before.copy()
        archived.known = None, 0  # a segment of this session may have the name of another one's

    def publish(self):
        self.published += 1
        for i in range(4):
            self.publisher.publish(f"plant/{i}", f"{self.published} {i}".encode())
        self.publisher.publish("plant/large", f"{self.published} ".encode() + LARGE)
        self.publisher.wait_acknowledged()

    def log(self):
        return GrowingLog(log_folder(self.collector.archive)).read()

    def drained(self):
        status = self.gateway.status()
        return bool(status) and status["segments"]["sealed"] == 0 and status["broker"]["acks_held"] == 0 and \
            status["broker"]["connected"] and archived(self.collector.archive) >= sum(self.publisher.sent.values())

    def wait_drained(self, patience):
        wait_until(self.drained, "all is archived", patience, alive=[self.gateway, self.collector])

    def swept(self, name):
        return self.gateway if name == "gateway" else self.collector

    def session(self, name, traced, lasting):
        """The daemon `name` runs under strace; returns its exit code."""
        swept = self.swept(name)
        other = self.collector if name == "gateway" else self.gateway
        other.start()
        with traced:
            swept.start(ready=False)
        self.publish()
        try:
            wait_until(lambda: swept.poll() is not None or self.drained(), f"{swept.name} ends or goes on",
                       LASTING if lasting else DEADLINE)
        except Failure:
            check(lasting, f"{swept.name} neither ends nor goes on within {DEADLINE:g} s")
        if swept.poll() is None:
            swept.child.send_signal(signal.SIGTERM)
        try:
            code = swept.child.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{swept.name} does not end within {DEADLINE:g} s of SIGTERM") from None
        swept.child = None
        return code

    def judge(self, name, code, said):
        if code == 127 and any("error while loading shared libraries" in line for line in said):
            return  # a call of the loader, before there is a program
        check(code in DOCUMENTED, f"exit code {code} is none of the documented ones")
        check(code != 3, "exit code 3: nothing is damaged")
        if code > 0:
            last = said[-1] if said else ""
            check(last.startswith("error: ") and len(last) > 20, f"ended with {code}, and its last line is {last!r}")
        if code == -signal.SIGKILL or name == "gateway":
            return
        check(self.gateway.poll() is None, "the gateway ended with its collector")

    def after(self, name):
        """It starts again, drains, and all is there."""
        self.swept(name).start()
        self.wait_drained(DEADLINE)
        self.gateway.stop()
        self.collector.stop()
        words = differences(self.publisher.sent, self.log())
        check(not words, words)
        for log in self.world.verify(self.collector.archive, code=(FINE, NAMED))["logs"]:
            wrong = [finding for finding in log["findings"] if "not sent yet" not in finding["what"]]
            check(not wrong, f"the archive: {wrong}")
        self.world.verify(os.path.join(self.gateway.folder, "store"), code=(FINE, NAMED))  # named: not signed yet

    def one(self, case):
        name, call, fault, number, paths = case
        self.restore()
        options = ["-e", f"trace={call}", "-e", f"inject={call}:" + FAULTS[fault].format(number)]
        for path in paths:
            options += ["-P", path]
        log_path = self.world.path("strace.log")
        if os.path.exists(log_path):
            os.remove(log_path)
        traced = Traced(self.swept(name), options, log_path)
        # Where no path is told, each new thread meets the fault with its N-th call of that name.
        code = self.session(name, traced, fault.endswith("+") or not paths)
        said = self.swept(name).lines()
        self.judge(name, code, said)
        self.after(name)
        hit = fault == "SIGKILL" and code == -signal.SIGKILL or any("INJECTED" in line for line in traced.lines())
        return code, hit

    def learn(self, name):
        """The calls of one undisturbed session that concern files of ours: [(call, number, path or None)]."""
        self.restore()
        traced = Traced(self.swept(name), ["-e", f"trace={CALLS}"], self.world.path(f"learn-{name}.log"))
        code = self.session(name, traced, False)
        check(code == 0, f"undisturbed, {name} ended with {code}")
        self.after(name)
        ours = self.world.path(name if name == "gateway" else "archive")
        passing = re.compile(r"\.tmp$|\d{20}")  # names that the next session may not have
        counts, found = collections.Counter(), set()
        for line in traced.lines():
            match = CALL.match(line)
            if not match:
                continue
            tid, call, arguments = match["tid"], match["call"], match["arguments"]
            counts[tid, call] += 1
            path = re.search(re.escape(ours) + r'[^">]*', arguments)
            if path is None:
                continue
            path = path.group()
            if not passing.search(path):  # counted by itself
                counts[tid, call, path] += 1
                found.add((call, counts[tid, call, path], path))
            else:
                found.add((call, counts[tid, call], None))
        return sorted(found, key=str)


def copy(source, target):
    """Most of a ring is zeros."""
    if os.path.islink(source) or not os.path.isfile(source):
        return target  # the socket of a daemon that was killed
    subprocess.run(["cp", "--sparse=always", "--preserve=mode", source, target], check=True)
    return target


def archived(folder):
    """Messages, cheaply: nothing is read as long as there are no new segments."""
    folder = log_folder(folder)
    try:
        names = tuple(sorted(os.listdir(os.path.join(folder, "segments"))))
    except FileNotFoundError:
        return 0
    key = folder, tuple(n for n in names if n.endswith(".seg"))
    if archived.known[0] != key:
        archived.known = key, len(GrowingLog(folder).read().messages)
    return archived.known[1]


archived.known = None, 0


def why_not():
    """Words, when strace cannot do it here."""
    if not shutil.which("strace"):
        return "strace is not installed"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["strace", "-D", "-f", "-o", os.path.join(folder, "log"), "-e", "inject=write:error=EIO:"
                               "when=1", "/bin/echo", "x"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return f"strace does not put in faults: {done.stderr.strip() or 'echo wrote all the same'}"
    return None if "rror" in done.stderr else f"strace: {done.stderr.strip()}"


def words(case):
    name, call, fault, number, paths = case
    return f"{name}:{call}:{fault}:{number}" + (":" + os.path.basename(paths[0]) if paths else "")


def draw(cases, seed):
    """In an order by seed and name alone: two sessions do not make quite the same calls, and the rest stays drawn."""
    return sorted(cases, key=lambda case: hashlib.sha256(f"{seed} {words(case)}".encode()).digest())


def cases_of(scene, daemons):
    out = []
    for name in daemons:
        calls = scene.learn(name)
        for call, number, path in calls:
            for fault in FAULTS:
                if fault == "SIGKILL" and call in ("newfstatat", "mmap", "fadvise64", "read", "pread64", "getdents64"):
                    continue  # nothing is different on the disk than at the next call
                if fault.endswith("+") and path is None and call in ("read", "write", "writev"):
                    continue  # sockets and event descriptors would fail with it
                out.append((name, call, fault, number, (path,) if path else ()))
    return out


def work(arguments):
    """A process of its own for each world: a daemon is bound to the thread that started it."""
    world, scene = World("sweep"), None
    failed, hits, codes = [], 0, collections.Counter()
    try:
        for case in json.loads(arguments.work):
            if scene is None:
                scene = Scene(world)
            here = case[:4] + [[path.replace("@", world.folder) for path in case[4]]]
            began = time.monotonic()
            try:
                code, hit = scene.one(here)
                hits += hit
                codes[str(code)] += 1
                if arguments.verbose:
                    met = "" if hit else ", not met"
                    print(f"{words(here)}: {code}{met}, {time.monotonic() - began:.1f} s", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed.append(words(here))
                print(f"{words(here)}: FAILED: {error}", file=sys.stderr)
                for process in (scene.gateway, scene.collector):
                    for line in process.lines()[-12:]:
                        print(f"    {process.name}: {line}", file=sys.stderr)
                sys.stderr.flush()
                world.close()  # the broker may hold what this session left
                world, scene = World("sweep"), None
    finally:
        world.close()
    print(json.dumps({"failed": failed, "hits": hits, "codes": codes}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("daemons", nargs="*", default=list(DAEMONS))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--count", type=int, default=int(os.environ.get("SEALRING_SWEEP", "60")))
    seed = os.environ.get("SEALRING_SEED", random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seed", type=int, default=int(seed))
    parser.add_argument("--only")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--verbose", "-v", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if arguments.work:
        return work(arguments)
    if reason := why_not():
        print(f"skipped: {reason}")
        return SKIPPED
    world = World("sweep-learn")
    try:
        cases = cases_of(Scene(world), arguments.daemons)
        cases = [case[:4] + ([p.replace(world.folder, "@") for p in case[4]],) for case in cases]
    except Failure:
        world.show()
        raise
    finally:
        world.close()
    total = len(cases)
    if arguments.only:
        cases = [case for case in cases if words(case).startswith(arguments.only)]
    elif not arguments.all:
        cases = draw(cases, arguments.seed)[:arguments.count]
    print(f"{len(cases)} of {total} faults, seed {arguments.seed}", flush=True)
    workers = []
    for i in range(min(arguments.workers, len(cases))):
        command = [sys.executable, "-B", os.path.abspath(__file__), "--work", json.dumps(cases[i::arguments.workers])]
        workers.append(subprocess.Popen(command + ["-v"] * arguments.verbose, stdout=subprocess.PIPE, text=True))
    failed, hits, codes = [], 0, collections.Counter()
    for worker in workers:
        last = ""
        for line in worker.stdout:
            if line.startswith("{"):
                last = line
            else:
                print(line, end="", flush=True)
        check(worker.wait() == 0 and last, "a worker of the sweep did not come to its end")
        result = json.loads(last)
        failed += result["failed"]
        hits += result["hits"]
        codes.update(result["codes"])
    print(f"{len(cases)} sessions, {hits} of them met the fault; ended with {dict(sorted(codes.items()))}; "
          f"{len(failed)} failed", flush=True)
    for name in failed:
        print(f"FAILED: {name}", file=sys.stderr)
    check(hits * 2 > len(cases) or failed, f"only {hits} of {len(cases)} faults were met: the sessions differ too much")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
