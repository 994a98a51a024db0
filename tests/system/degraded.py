#!/usr/bin/python3
"""The world is in the way, and then it is not: each state is one that the operator sees, none loses anything, and all
but an I/O error end by themselves, without a restart."""
import glob
import mmap
import os
import re
import shutil
import signal
import subprocess

from lib.certs import make_leaf
from lib.compare import GrowingLog, log_folder, wait_archived
from lib.faults import FailingCalls, SmallDisk, no_root, no_strace
from lib.load import Publisher
from lib.service import with_environment
from lib.world import TLS_URI, Failure, check, check_equal, main, wait_until

WRITES = "pwrite64,pwritev,writev,fdatasync"
YEAR_S = 365 * 86400
FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]


class Scene:
    """Everything runs, or only the broker; messages are numbered."""

    def __init__(self, world, start=True, prepare=None, **recorder):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", inflight=0)
        self.gateway.recorder.update({"segment_age": "1s", "heartbeat": "60s", **recorder})
        if prepare:
            prepare(self)
        self.gateway.configure()
        self.broker.start()
        self.number = 0
        if start:
            self.start()

    def start(self):
        self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.publisher = self.world.closing(Publisher(self.broker.port, "publisher"))
        return self

    def store(self, name=""):
        return os.path.join(self.gateway.folder, self.gateway.top["store"], name)

    def publish(self, count=1, size=20):
        for _ in range(count):
            self.number += 1
            self.publisher.publish(f"plant/{self.number % 4}", f"{self.number} ".encode().ljust(size, b"."))
        self.publisher.wait_acknowledged()

    def publish_and_wait(self, count=1, size=20):
        """Until sealringd has acknowledged all of it."""
        before = self.gateway.status()["recorder"]["messages"]
        self.publish(count, size)
        wanted = before + count
        self.gateway.wait_status(lambda s: s["recorder"]["messages"] >= wanted and s["broker"]["acks_held"] == 0,
                                 f"{count} messages are durable")

    def held(self, word):
        """A state in which nothing is acknowledged; returns the words of the status."""
        status = self.gateway.wait_status(lambda s: s["recorder"]["disk_trouble"] and s["broker"]["acks_held"] > 0,
                                          "acknowledgements are held")
        check(word in status["recorder"]["disk_trouble"], status["recorder"]["disk_trouble"])
        out, _ = self.world.run("sealring", "status", "--config", os.path.join(self.gateway.folder, "sealring.toml"))
        check("NOT WRITABLE" in out and word in out, out)
        return status

    def alarms(self):
        log = GrowingLog(log_folder(self.collector.archive)).read()
        return [details.get("alarm") for _, details in log.events_named("alarm")]

    def all_is_there(self, flagged=0):
        log = GrowingLog(log_folder(self.collector.archive))
        wait_archived(log, self.publisher.sent, alive=[self.gateway, self.collector])
        check_equal(len(log.flagged()), flagged, "flagged as possible duplicates")
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
        self.gateway.stop()
        self.collector.stop()
        self.world.verify(self.collector.archive)
        self.world.verify(self.store(), code=(0, 10))
        return log


def processor_s(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sizes(scene):
    """Of what was written out beforehand: bytes, and blocks."""
    return [(os.stat(scene.store(n)).st_size, os.stat(scene.store(n)).st_blocks) for n in ("journal", "ring.lmdb")]


def disk_full(world):
    """No byte is left beside the ring: messages are recorded and acknowledged as ever, and the seal waits for the room
    that the next key needs."""
    if reason := no_root():
        return print(f"    skipped: {reason}", flush=True)
    disk = world.closing(SmallDisk(world.path("disk"), 80))

    def on_small_disk(scene):
        shutil.copytree(scene.store(), os.path.join(disk.path, "store"))
        scene.gateway.top["store"] = "../disk/store"
    scene = Scene(world, prepare=on_small_disk)
    scene.publish_and_wait()
    before = sizes(scene)
    disk.fill()
    check(disk.free() < 4096, "the disk is not full")
    scene.publish_and_wait(20)
    scene.gateway.wait_said("error: alarm: the next epoch key cannot be saved", "No space left on device")
    status = scene.gateway.wait_status(lambda s: s["recorder"]["key_trouble"], "the status has it")
    out, _ = world.run("sealring", "status", "--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    check("EPOCH TOO LONG" in out and "No space left" in out, out)
    scene.publish_and_wait(20, size=100000)  # past the journal, into the ring
    scene.publish_and_wait(200, size=2000)   # both halves of the journal
    check_equal(scene.gateway.status()["keys"]["epoch"], status["keys"]["epoch"], "epoch while the disk is full")
    check_equal(sizes(scene), before, "size and blocks of journal and ring")
    scene.gateway.stop()  # in this state, too
    scene.gateway.start()
    scene.publish_and_wait(3)
    scene.gateway.wait_said("the next epoch key cannot be saved")
    disk.drain()
    scene.gateway.wait_said("epoch keys are saved and erased again")
    scene.gateway.wait_status(lambda s: not s["recorder"]["key_trouble"], "the status has it no more")
    scene.all_is_there()
    check_equal(sizes(scene), before, "size and blocks of journal and ring in the end")


def refused_for_a_time(world, error, word):
    """Every write to journal and ring is refused; it waits without spinning, can be stopped, and goes on."""
    if reason := no_root() or no_strace():
        return print(f"    skipped: {reason}", flush=True)
    scene = Scene(world, segment_age="10min")
    scene.publish_and_wait(3)
    frames = scene.gateway.status()["size"]
    paths = [scene.store("journal"), scene.store("ring.lmdb")]
    with FailingCalls(world, scene.gateway, WRITES, error, paths) as fault:
        scene.publish(30)
        scene.held(word)
        used = processor_s(scene.gateway)
        hits = fault.hits()
        wait_until(lambda: fault.hits() >= hits + 3, "it tries again", alive=[scene.gateway])
        used = processor_s(scene.gateway) - used
        check(used < 1.5, f"{used} s of processor while waiting")
        check_equal(scene.gateway.status()["size"], frames, "size of what is durable")
    scene.gateway.wait_said("notice: the store can be written again")
    scene.gateway.wait_status(lambda s: not s["recorder"]["disk_trouble"] and s["broker"]["acks_held"] == 0,
                              "it goes on")
    said = [line for line in scene.gateway.lines() if "cannot be written" in line]
    check_equal(len(said), 1, "times that it was said")

    with FailingCalls(world, scene.gateway, WRITES, error, paths):
        scene.publish(5)
        scene.held(word)
        scene.gateway.stop()  # with 0
    check("nothing can be recorded" in scene.gateway.said(), scene.gateway.said())
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure().start()
    scene.all_is_there()
    check("store-not-writable" in scene.alarms(), f"alarms in the log: {scene.alarms()}")


def read_only(world):
    refused_for_a_time(world, "EROFS", "Read-only file system")


def no_space_for_writes(world):
    """As on a file system that writes every change to a new place."""
    refused_for_a_time(world, "ENOSPC", "No space left on device")


def one_refusal(world):
    """What passes at once is nobody's business."""
    if reason := no_root() or no_strace():
        return print(f"    skipped: {reason}", flush=True)
    scene = Scene(world)
    with FailingCalls(world, scene.gateway, "fdatasync", "ENOSPC", [scene.store("journal")], when="1+7") as fault:
        for _ in range(10):
            scene.publish_and_wait(1)
        check(fault.hits() > 0, "no call was made to fail")
    check("cannot be written" not in scene.gateway.said(), scene.gateway.said())
    scene.all_is_there()
    check_equal(scene.alarms(), [], "alarms")


def io_error(world):
    """A sync of the journal, a write of the ring: no acknowledgement after it, exit 5, and the next start goes on."""
    if reason := no_root() or no_strace():
        return print(f"    skipped: {reason}", flush=True)
    scene = Scene(world)
    for calls, name in (("fdatasync", "journal"), ("pwrite64", "journal"), ("pwrite64,pwritev,writev", "ring.lmdb"),
                        ("fdatasync", "ring.lmdb")):
        scene.publish_and_wait(2)
        released = scene.gateway.status()["broker"]["acks_released"]
        with FailingCalls(world, scene.gateway, calls, "EIO", [scene.store(name)]) as fault:
            scene.publish(5)
            scene.gateway.wait_end(5)
            check(fault.hits() > 0, "no call was made to fail")
        check("Input/output error" in scene.gateway.lines()[-1], scene.gateway.lines()[-1])
        print(f"    {name}, {calls}: {scene.gateway.lines()[-1]}; {released} acknowledged before", flush=True)
        scene.gateway.start()
    scene.all_is_there()


def lying_cache(world):
    """A disk that takes a write and loses it. Linux reports that once, at the sync, and from then on shows what was
    written as if it were there: a start must read the disk."""
    if reason := no_root() or shutil.which("filefrag") is None and "filefrag is not installed":
        return print(f"    skipped: {reason}", flush=True)
    lower = world.closing(SmallDisk(world.path("lower"), 160))
    image, upper = os.path.join(lower.path, "image"), world.path("upper")
    os.makedirs(upper)
    with open(image, "wb") as file:
        file.truncate(150 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, upper], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        return print(f"    skipped: no loop device: {mounted.stderr.strip()}", flush=True)
    world.closing(Unmounted(upper))

    def on_disk(scene):
        shutil.copytree(scene.store(), os.path.join(upper, "store"))
        scene.gateway.top["store"] = "../upper/store"
    scene = Scene(world, prepare=on_disk, segment_age="10min")
    scene.publish_and_wait(3)
    # The next record must begin in a block of its own: of a write that fails half-way the loop device tells nothing.
    wait_until(lambda: end_of_record(scene) % 4096 == 0, "a record ends with a block")
    size = scene.gateway.status()["size"]
    holes = take_away(image, scene.store("journal"))
    lower.fill()
    scene.publish(1)
    scene.gateway.wait_said("alarm: the store cannot be written: journal: fdatasync")
    scene.held("No space left on device")
    scene.gateway.kill()
    lose_dirty_pages(scene.store("journal"))
    with open(scene.store("journal"), "rb") as journal:
        mapped = mmap.mmap(journal.fileno(), 0, prot=mmap.PROT_READ)  # so that nothing can drop these pages
        shown = bytes(mapped)
        disk = read_directly(scene.store("journal"))
        check(shown != disk, "the page cache does not lie: this test shows nothing")
        lower.drain()
        scene.gateway.start()
        ready = scene.gateway.wait_said("ready:")
        check(ready.endswith(f"at size {size}"), f"it believes the page cache: {ready}, the disk has size {size}")
        mapped.close()
    print(f"    {holes} blocks taken away", flush=True)
    scene.gateway.stop()
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure().start()
    scene.all_is_there()


def end_of_record(scene):
    """Where in the journal the record of one more message ends."""
    before = read_whole(scene.store("journal"))
    scene.publish_and_wait(1)
    after = read_whole(scene.store("journal"))
    return max(at + 512 for at in range(0, len(after), 512) if before[at:at + 512] != after[at:at + 512])


def read_whole(path):
    with open(path, "rb") as file:
        return file.read()


def lose_dirty_pages(path):
    """It tried again until it was killed: what the last try left unwritten would reach the disk once there is room.
    Each error is told once to each file that is open; afterwards the pages count as written."""
    fd = os.open(path, os.O_RDWR)
    try:
        for _ in range(100):
            try:
                return os.fsync(fd)
            except OSError:
                pass
        raise Failure(f"{path} is never clean")
    finally:
        os.close(fd)


class Unmounted:
    def __init__(self, path):
        self.path = path

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def take_away(image, journal):
    """The blocks of the journal that hold zeros, from the disk below: they stay zeros and cannot be written."""
    content = read_whole(journal)
    out = subprocess.run(["filefrag", "-v", "-b4096", journal], capture_output=True, text=True, check=True).stdout
    holes = 0
    for match in re.finditer(r"^ *\d+: +(\d+)\.\. *(\d+): +(\d+)\.\.", out, re.M):
        first, last, physical = (int(g) for g in match.groups())
        for block in range(first, last + 1):
            if any(content[block * 4096:(block + 1) * 4096]):
                continue
            at = str((physical + block - first) * 4096)
            subprocess.run(["fallocate", "--punch-hole", "-o", at, "-l", "4096", image], check=True)
            holes += 1
    return holes


def read_directly(path):
    size = os.path.getsize(path) // 4096 * 4096
    buffer = mmap.mmap(-1, size)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        check_equal(os.preadv(fd, [buffer], 0), size, "bytes read")
    finally:
        os.close(fd)
    return bytes(buffer)


def memory(world):
    """The memory that it may have is cut to what it has, under load, and given back. Where a thread cannot bear it the
    process ends in words, with 6, and a service manager starts it again; either way nothing that was acknowledged is
    lost."""
    scene = Scene(world)
    scene.publish_and_wait(20, size=50000)
    pid = scene.gateway.pid
    have = scene.gateway.memory_kib("VmData") << 10
    subprocess.run(["prlimit", "--pid", str(pid), f"--data={have + (256 << 10)}:unlimited"], check=True)
    scene.publish(30, size=900000)
    lines = wait_until(lambda: [line for line in scene.gateway.lines() if "memory" in line or "alloc" in line],
                       "it says that there is no memory")
    print(f"    {lines[0]}", flush=True)
    subprocess.run(["prlimit", "--pid", str(pid), "--data=unlimited:unlimited"], check=False)
    archived = GrowingLog(log_folder(scene.collector.archive))
    wait_until(lambda: scene.gateway.poll() is not None or
               len(archived.read().messages) >= sum(scene.publisher.sent.values()), "it ends, or goes on")
    if scene.gateway.poll() is not None:
        last = scene.gateway.lines()[-1]
        print(f"    ended, and started again: {last}", flush=True)
        check(last.startswith("error: ") and "no memory" in last or "bad_alloc" in last, last)
        scene.gateway.wait_end(6)
        scene.gateway.start()
    scene.all_is_there()


def cut_short(world):
    """The ring's file shrinks under a running daemon: what is not there any more the memory map answers by SIGBUS. It
    ends in words and with 5; with the file as it was, the next start goes on."""
    scene = Scene(world)
    scene.publish_and_wait(50, size=3000)
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
    ring = scene.store("ring.lmdb")
    for length in (0, 8192):
        scene.publish_and_wait(3)
        held_still = scene.gateway.status()["size"]
        os.kill(scene.gateway.pid, signal.SIGSTOP)
        shutil.copyfile(ring, world.path("ring-before"))
        os.truncate(ring, length)
        os.kill(scene.gateway.pid, signal.SIGCONT)
        scene.publish(20)
        scene.gateway.wait_end(5)
        check_equal(scene.gateway.lines()[-1], f"error: cannot read {ring} by its memory map: the disk fails, or the "
                    "file was cut short", "the last line")
        scene.gateway.start(ready=False)
        scene.gateway.wait_end(3)
        shutil.copyfile(world.path("ring-before"), ring)
        scene.gateway.start()
        check(scene.gateway.status()["size"] >= held_still, "the size of what is durable")
    scene.all_is_there()


def clock(world):
    """Years forwards, years back, to 1970, and home again: recording goes on, every jump is in the log, and the links
    by TLS come back with the right time."""
    if FAKETIME is None:
        return print("    skipped: libfaketime is not installed", flush=True)
    offset = world.write("offset", "+0\n")

    def faked(scene):
        with_environment(scene.gateway, LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=offset, FAKETIME_NO_CACHE="1",
                         FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
    scene = Scene(world, prepare=faked)
    scene.publish_and_wait(2)
    scene.gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"] > 0, "a receipt")
    for seconds in (12 * YEAR_S, -8 * YEAR_S, -56 * YEAR_S):
        world.write("offset", f"{seconds:+d}\n")
        scene.collector.stop()  # an open connection minds no clock
        scene.collector.start()
        scene.publish_and_wait(5)
        scene.gateway.wait_status(lambda s: s["segments"]["sealed"] > 0 and "our clock" in s["upstream"]["trouble"],
                                  "segments are sealed, and wait for the right time")
        world.write("offset", "+0\n")
        scene.publish_and_wait(5)
        scene.gateway.wait_status(lambda s: s["upstream"]["reachable"] and s["segments"]["sealed"] == 0,
                                  "it forwards")
    scene.gateway.wait_said("forwarding waits", "our clock")
    log = scene.all_is_there()
    jumps = [(details["direction"], round(details["step-ms"] / 1000 / YEAR_S))
             for _, details in log.events_named("clock")]
    for jump in (("forward", 12), ("back", 12), ("back", 8), ("forward", 8)):
        check(jump in jumps, f"no event of {jump}: {jumps}")


def names(world):
    """The broker's and the collector's names cannot be looked up for a while."""
    if reason := no_root():
        return print(f"    skipped: {reason}", flush=True)
    hosts = world.write("hosts", "127.0.0.1 localhost\n")
    resolver = world.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    known = "127.0.0.1 localhost broker.sealring.test collector.sealring.test\n"

    def named(scene):
        scene.gateway.broker["host"] = "broker.sealring.test"
        scene.gateway.upstream.update(url=f"https://collector.sealring.test:{scene.collector.port}",
                                      server_name="localhost")
        command = f"mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf && exec \"$@\""
        scene.gateway.command = ["unshare", "-m", "--propagation", "private", "sh", "-c", command, "sh",
                                 *scene.gateway.command]
    scene = Scene(world, start=False, prepare=named)
    scene.collector.start()
    scene.gateway.start()  # nobody knows a name
    scene.gateway.wait_said("warning: broker", "broker.sealring.test")
    scene.gateway.wait_said("forwarding waits", "collector.sealring.test")
    world.write("hosts", known)
    scene.gateway.wait_subscribed()
    scene.publisher = world.closing(Publisher(scene.broker.port, "publisher"))
    scene.publish_and_wait(5)
    scene.gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"] > 0, "a receipt")

    world.write("hosts", "127.0.0.1 localhost\n")  # and both go away: connections must be made anew
    scene.broker.stop()
    scene.collector.stop()
    scene.gateway.wait_status(lambda s: not s["broker"]["connected"], "it notices")
    scene.broker.start()
    scene.collector.start()
    scene.publisher = world.closing(Publisher(scene.broker.port, "later"))
    scene.number += 1000
    scene.publish(5)
    scene.gateway.wait_status(lambda s: "broker.sealring.test" in s["broker"]["trouble"], "the status says which name")
    world.write("hosts", known)
    scene.gateway.wait_status(lambda s: s["broker"]["connected"] and s["broker"]["acks_held"] == 0, "it is back")
    log = GrowingLog(log_folder(scene.collector.archive))
    wait_until(lambda: len(log.read().messages) >= 10, "all ten are archived", alive=[scene.gateway, scene.collector])
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
    scene.gateway.stop()
    world.verify(scene.collector.archive)


def certificate(world):
    """The gateway's certificate has expired; the renewed one is taken without a restart."""
    tls = world.path("tls")

    def expired(scene):
        for name in ("gateway.pem", "gateway.key"):
            shutil.copy(os.path.join(tls, name), world.path("renewed-" + name))
        make_leaf(tls, "gateway", "ca", "gateway", "clientAuth", f"URI:{TLS_URI}", expired=True)
    scene = Scene(world, prepare=expired)
    scene.publish_and_wait(5)
    scene.gateway.wait_said("warning: forwarding waits", "expired")
    status = scene.gateway.wait_status(lambda s: s["segments"]["sealed"] > 0, "segments wait")
    check("expired" in status["upstream"]["trouble"], status["upstream"]["trouble"])
    for name in ("gateway.key", "gateway.pem"):
        os.rename(world.path("renewed-" + name), os.path.join(tls, name))
    scene.gateway.wait_said("notice: forwarding goes on")
    scene.all_is_there()


if __name__ == "__main__":
    main(("disk_full", disk_full), ("read_only", read_only), ("no_space_for_writes", no_space_for_writes),
         ("one_refusal", one_refusal), ("io_error", io_error), ("lying_cache", lying_cache), ("memory", memory),
         ("cut_short", cut_short), ("clock", clock), ("names", names), ("certificate", certificate))
