#!/usr/bin/python3
"""A real archive and a real store, changed: verify never calls it fine, and says where.

Of the archive every file is changed at all bytes of its frame and at sampled ones of the rest; files are removed,
cut off, lengthened, exchanged. (The unit tests do every byte of a synthetic archive.) $SEALRING_SEED repeats a run.

A store has bytes that mean nothing: old pages of LMDB, the used half of the journal. There the rule is: either verify
says that something is wrong, or it finds the very same size and root.

What somebody makes of them who has keys is in tests/attack.
"""
import os
import random
import shutil

from lib.compare import GrowingLog, archive, log_folder, wait_archived
from lib.load import Publisher
from lib.world import MIRROR, WITNESS, Failure, check, check_equal, main

FINE, NAMED, UNPROVEN, TAMPERED, TRUNCATED, FORKED, UNREADABLE = 0, 10, 11, 20, 21, 22, 30
WRONG = (TAMPERED, TRUNCATED, FORKED, UNREADABLE)
SAMPLES_PER_FILE = 8
STORE_SAMPLES = 120


def make_log(world):
    broker, collector, gateway = world.enrol(ring_size="64MiB")
    gateway.recorder["segment_entries"] = 60
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    device = world.closing(Publisher(broker.port, "device"))
    for i in range(200):
        device.publish(f"plant/{i % 3}", b"reading %d" % i, i % 3)
        if i % 20 == 19:  # small frames, so that there are several segments
            gateway.wait_status(lambda s, i=i: s["recorder"]["messages"] == i + 1, "they are recorded")
    device.publish("plant/large", bytes(range(256)) * 400)
    device.wait_acknowledged()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, device.sent, alive=[gateway, collector])
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is acknowledged")
    gateway.stop()
    collector.stop()
    world.verify(collector.archive)
    world.verify(gateway.folder + "/store")
    return collector, gateway


def common_keys_of_last(path):
    """Offsets of times and counters in the last entry of a segment, the handover: no signature, no later entry and no
    later segment speaks of them, only the root of the last checkpoint."""
    segment = archive.read_segment(path)
    begin = os.path.getsize(path) - len(segment.entries[-1])
    return range(begin, begin + 32)


def structure(path):
    """Offsets of a segment file that are not payload: magic, numbers, hashes, note, the lengths of entries."""
    segment = archive.read_segment(path)
    head = len(archive.MAGIC) + 17 + 32 * len(segment.range_before) + 4
    offsets = set(range(head + len(segment.note)))
    at = head + len(segment.note)
    for entry in segment.entries:
        offsets |= {at, at + 1}
        at += 2 + len(entry)
    return sorted(offsets)


class Changed:
    """A copy of a folder in which one thing at a time is changed and put right again."""

    def __init__(self, world, original, name):
        self.world, self.folder = world, world.path(name)
        self.tries = 0
        shutil.copytree(original, self.folder, symlinks=True)

    def files(self):
        out = []
        for folder, _, names in os.walk(self.folder):
            if os.path.basename(folder) == "index":
                continue  # follows from the segments and is no evidence: verify does not read it, tiles.py spoils it
            out += [os.path.relpath(os.path.join(folder, n), self.folder) for n in names if n != "lock"]
        return sorted(out)

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        if os.path.exists(path):
            os.chmod(path, 0o644)
        with open(path, "wb") as f:
            f.write(data)

    def judge(self, what, codes=WRONG, names=()):
        """The report, after checking its code, that a finding names the file, and that the words do not contradict."""
        self.tries += 1
        report = self.world.verify(self.folder, code=None)
        code = report["exit_code"]
        check(code in codes, f"{what}: verify says {code} {report['verdict']}, expected one of {codes}")
        findings = report["findings"] + [f for log in report["logs"] for f in log["findings"]]
        check(code in (FINE, NAMED, UNPROVEN) or findings, f"{what}: no finding")
        if names and code != FINE:
            check(any(n in f["where"] + f["what"] for f in findings for n in names), f"{what}: {findings} name no file")
        return report

    def flipped(self, name, at, bit, **kwargs):
        """In place: the ring is large."""
        path = os.path.join(self.folder, name)
        os.chmod(path, 0o644)
        with open(path, "r+b", buffering=0) as f:
            byte = os.pread(f.fileno(), 1, at)
            os.pwrite(f.fileno(), bytes([byte[0] ^ 1 << bit]), at)
            try:
                return self.judge(f"{name}: bit {bit} of byte {at} flipped", **kwargs)
            finally:
                os.pwrite(f.fileno(), byte, at)

    def with_bytes(self, name, data, what, **kwargs):
        original = self.read(name)
        self.write(name, data)
        try:
            return self.judge(f"{name}: {what}", **kwargs)
        finally:
            self.write(name, original)


def place_of(name):
    """How a finding may name the file: by its name, or by the entries in it."""
    base = os.path.basename(name)
    return (base, base.split(".")[0].lstrip("0"), "entry", "index", "size", "witness", "anchor", "log")


def change_archive(world, collector, random_bytes):
    changed = Changed(world, collector.archive, "changed-archive")
    names = changed.files()
    segments = [n for n in names if n.endswith(".seg")]
    check(len(segments) >= 4, f"{len(segments)} segments are too few for this test")
    full = {segments[0], segments[len(segments) // 2]}  # of these, all bytes that are not payload
    for name in names:
        data = changed.read(name)
        # Entries must be right. Of notes beside them one may be spoilt so that it only no longer counts, and the
        # archive's own copy of the anchor may be gone: then that is said, with the file's name, and nothing is fine.
        codes = WRONG if name.endswith(".seg") else (*WRONG, NAMED, UNPROVEN)
        offsets = set(random_bytes.sample(range(len(data)), min(SAMPLES_PER_FILE, len(data))))
        if name in full:
            offsets |= set(random_bytes.sample(structure(os.path.join(changed.folder, name)), 120))
        elif name.endswith(".seg"):
            offsets |= set(random_bytes.sample(structure(os.path.join(changed.folder, name)), 10))
        if name == segments[-1]:
            offsets |= set(common_keys_of_last(os.path.join(changed.folder, name)))
        for at in sorted(offsets):
            changed.flipped(name, at, random_bytes.randrange(8), names=place_of(name), codes=codes)
        # Without its last newline the line still says the same.
        for cut in {0, 1, len(data) // 2, len(data) - (2 if name.endswith("/log") else 1)}:
            changed.with_bytes(name, data[:cut], f"cut off at {cut} of {len(data)}", names=place_of(name), codes=codes)
        changed.with_bytes(name, data + b"\0", "a byte more", names=place_of(name), codes=codes)
        changed.with_bytes(name, data + data, "twice", names=place_of(name), codes=codes)
    print(f"archive: {changed.tries} changes of {len(names)} files", flush=True)
    remove_and_exchange(changed, names, segments)
    changed.judge("put right again", codes=(FINE,))


def remove_and_exchange(changed, names, segments):
    receipts = [n for n in names if "/receipts/" in n]
    for name in segments:
        data = changed.read(name)
        os.remove(os.path.join(changed.folder, name))
        changed.judge(f"{name} removed", names=place_of(name))
        changed.write(name, data)
    data = {n: changed.read(n) for n in segments}
    changed.with_bytes(segments[1], data[segments[2]], "the next segment in its place")
    for name in receipts[:2]:
        changed.with_bytes(name, changed.read(receipts[-1]), "another receipt in its place")


def change_policy(world, collector):
    """The evidence is right, what it is measured by asks for more."""
    other = world.run("sealring", "key", "generate", world.path("other.key"), "other.example", "--cosigner")[0].strip()
    policy = open(world.path("policy"), encoding="ascii").read()
    world.write("more-asked", policy.replace("group both all", f"witness third {other}\ngroup both all third"))
    world.verify(collector.archive, code=(UNPROVEN, TRUNCATED), policy="more-asked")
    world.verify(collector.archive, code=TRUNCATED, extra=["--min-size", "1000000000"])


def take_lines_away(world, collector):
    """Receipts and proofs have the lines of witness and mirror: a quorum of both is met, and with each one away not."""
    policy = open(world.path("policy"), encoding="ascii").read()
    for role in ("witness", "mirror"):
        world.write(f"{role}-only", policy.replace("quorum both", f"quorum {role}"))
    world.run("sealring", "prove", "0", "-o", world.path("0.tlog-proof"), "--from", collector.archive)
    for path in (collector.archive, world.path("0.tlog-proof")):
        for asked in ("policy", "witness-only", "mirror-only"):
            world.verify(path, policy=asked)
    changed = Changed(world, collector.archive, "fewer-lines")
    receipts = [n for n in changed.files() if "/receipts/" in n]
    with open(world.path("0.tlog-proof"), "rb") as f:
        proof = f.read()
    for role, name, other in (("witness", WITNESS, "mirror"), ("mirror", MIRROR, "witness")):
        def without(data, line=f"\n\u2014 {name} ".encode()):
            head, tail = data.split(line)
            return head + b"\n" + tail.split(b"\n", 1)[1]
        kept = {n: changed.read(n) for n in receipts}
        for n, data in kept.items():
            changed.write(n, without(data))
        report = world.verify(changed.folder, code=UNPROVEN)
        check(report["logs"][0]["receipts"]["counted"] == 0, f"receipts without the {role}'s line count")
        world.verify(changed.folder, policy=f"{other}-only")  # as archives were before receipts had both
        less = world.write("less.tlog-proof", without(proof))
        world.verify(less, code=UNPROVEN)
        world.verify(less, policy=f"{other}-only")
        for n, data in kept.items():
            changed.write(n, data)


def change_store(world, gateway, random_bytes):
    changed = Changed(world, gateway.folder + "/store", "changed-store")
    right = changed.judge("unchanged", codes=(FINE,))["logs"][0]
    detected = 0

    def same_or_wrong(report, what):
        nonlocal detected
        if report["exit_code"] in WRONG:
            detected += 1
            return
        one, = report["logs"]
        check_equal((one["size"], one["root"]), (right["size"], right["root"]), f"{what}: size and root")

    anything = WRONG + (FINE, NAMED, UNPROVEN)
    names = [n for n in changed.files() if os.path.getsize(os.path.join(changed.folder, n)) > 0]
    for name in names:
        data = changed.read(name)
        if len(data) <= 100:
            offsets = range(len(data))
        else:  # most of the ring is zeros that nothing has used yet
            used = [at for at in random_bytes.sample(range(len(data)), min(len(data), 200000)) if data[at]]
            offsets = sorted(used[:STORE_SAMPLES])
        for at in offsets:
            same_or_wrong(changed.flipped(name, at, random_bytes.randrange(8), codes=anything), f"{name}: byte {at}")
        for cut in {c for c in (0, 1, 4096, len(data) // 2, len(data) - 1) if c < len(data)}:
            same_or_wrong(changed.with_bytes(name, data[:cut], f"cut off at {cut}", codes=anything),
                          f"{name} cut off at {cut} of {len(data)}")
        os.rename(os.path.join(changed.folder, name), world.path("aside"))
        same_or_wrong(changed.judge(f"{name} removed", codes=anything), f"{name} removed")
        os.rename(world.path("aside"), os.path.join(changed.folder, name))
    # What is in the log, wherever it lies: every copy of one message's bytes.
    for word in (b"reading 77", b"reading 150"):
        hits = 0
        for name in names:
            data = changed.read(name)
            if word in data:
                hits += 1
        check(hits > 0, f"{word} is in no file of the store")
        originals = {n: changed.read(n) for n in names}
        for n, data in originals.items():
            changed.write(n, data.replace(word, word[:-1] + b"!"))
        changed.judge(f"{word} changed in all copies", names=("entry", "frame", "segment", "bundle", "size", "root"))
        for n, data in originals.items():
            changed.write(n, data)
    print(f"store: {changed.tries} changes, {detected} detected, the others changed nothing that counts", flush=True)
    check(detected > 20, f"only {detected} changes of the store were detected")
    changed.judge("put right again", codes=(FINE,))


def tamper(world):
    seed = int(os.environ.get("SEALRING_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}", flush=True)
    collector, gateway = make_log(world)
    try:
        change_policy(world, collector)
        take_lines_away(world, collector)
        change_archive(world, collector, random.Random(seed))
        change_store(world, gateway, random.Random(seed))
    except Failure as error:
        raise Failure(f"seed {seed}: {error}") from None


if __name__ == "__main__":
    main(("tamper", tamper))
