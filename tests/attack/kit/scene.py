"""A real log of real programs, the time T, and what lies open to an attacker then."""
import base64
import os
import shutil
import socket

from .forge import HANDOVER, MESSAGE, History, Key, archive, vkey
from .offer import Client, Refused, offer

from lib.compare import log_folder
from lib.load import Publisher
from lib.world import ORIGIN, check, check_equal

FINE, NAMED, UNPROVEN, BROKEN, TAMPERED, TRUNCATED, FORKED, UNREADABLE = 0, 10, 11, 12, 20, 21, 22, 30
EPOCH_SEED = slice(22 + 8, 22 + 8 + 32)  # in the file of an epoch key: after the first line and the epoch's number
BATCH = 8


class Loot:
    """Everything on the gateway's disk and in its memory at one moment, as far as it can be used: the identity key, the
    present epoch key (the same bytes as in memory), the entries. TLS files lie where the World has them."""

    def __init__(self, gateway):
        self.entries = records(gateway)
        self.epoch = epoch_of(gateway)
        self.epoch_key = epoch_key(gateway, self.epoch)
        path = os.path.join(gateway.folder, "identity.key")
        self.identity = key_file(path) if os.path.exists(path) else None  # on a token
        self.history = History(gateway.top["origin"], self.entries)


def records(gateway):
    """All entries, from the daemon's socket, byte for byte."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(os.path.join(gateway.folder, "sealring.sock"))
        s.sendall(b'{"get": "records", "from": 0}\n')
        data = b"".join(iter(lambda: s.recv(65536), b""))
    at, entries = data.index(b"\n") + 1, []
    while True:
        index, length = int.from_bytes(data[at:at + 8], "big"), int.from_bytes(data[at + 8:at + 10], "big")
        at += 10 + length
        if index >= 2 ** 64 - 2:
            check(index == 2 ** 64 - 1 and b'"end"' in data[at - length:at], f"records end in {data[at - length:at]!r}")
            return entries
        check_equal(index, len(entries), "the index of a record")
        entries.append(data[at - length:at])


def key_file(path):
    """PRIVATE+KEY+name+id+base64(type || seed)"""
    with open(path, encoding="ascii") as f:
        return Key(base64.b64decode(f.read().strip().split("+", 4)[4])[1:])


def status_of(gateway):
    return gateway.wait_status(lambda _: True, "it answers")


def epoch_of(gateway):
    return status_of(gateway)["keys"]["epoch"]


def epoch_key(gateway, epoch):
    with open(os.path.join(gateway.folder, "store", f"epoch-{epoch}.key"), "rb") as f:
        return Key(f.read()[EPOCH_SEED])


class Scene:
    """`online`: the collector is there from the start, so that everything sealed is receipted by T. Otherwise nobody
    but the gateway has seen the log: the best case for an attacker."""

    def __init__(self, world, online=False, segments=4, origin=ORIGIN, identity=None):
        self.world, self.segments, self.origin = world, segments, origin
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", origin=origin, identity=identity)
        self.gateway.recorder.update({"segment_age": "10min", "segment_entries": BATCH})
        self.upstream = self.gateway.upstream
        if not online:
            self.gateway.upstream = {}
        self.gateway.configure()
        self.old_keys = {}  # epoch -> Key; an attacker has them only where a test says so
        self.broker.start()
        if online:
            self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))
        for _ in range(segments):
            self.fill_segment()
        self.publish(2)
        self.gateway.wait_status(lambda s: s["keys"]["unsigned"] == 0, "what is closed is signed")
        self.loot = Loot(self.gateway)
        check_equal(len(self.loot.history.indices(HANDOVER)), segments, "segments that are closed")
        self.honest = self.loot.history.sealed()

    def publish(self, count):
        for _ in range(count):
            n = self.device.published
            self.device.publish(f"plant/press-{n % 2}", b"reading %d" % n)
            # One by one: a frame is never cut, and all segments are alike.
            self.gateway.wait_status(lambda s, n=n: s["recorder"]["messages"] == n + 1, "it is recorded")

    def fill_segment(self):
        epoch = epoch_of(self.gateway)
        self.old_keys[epoch] = epoch_key(self.gateway, epoch)
        while epoch_of(self.gateway) == epoch:
            self.publish(1)

    def folder(self, path):
        """Of this log in an archive."""
        return log_folder(path, self.origin)

    # --- collectors ---

    def collector_with(self, name):
        """A collector with that archive, empty if it is not there; the one that ran before is ended."""
        if self.collector.poll() is None:
            self.collector.stop()
        self.collector.configure()
        path = self.world.path("collector.toml")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.world.write("collector.toml", text.replace('archive = "archive"', f'archive = "{name}"'))
        self.collector.archive = self.world.path(name)
        self.collector.start()
        return self.collector

    def client(self, cert="gateway"):
        return self.world.closing(Client(self.world, self.collector.port, cert))

    def honest_archive(self):
        """Ends the gateway as a power cut does, and brings what it sealed to a collector by the toolkit's own client:
        the untampered original, which verifies as fine."""
        if self.gateway.poll() is None:
            self.gateway.kill()
        self.collector_with("honest")
        offer(self.client(), self.honest, self.loot.identity)
        self.collector.stop()
        report = self.world.verify(self.collector.archive, code=FINE)
        check_equal(report["logs"][0]["handovers"], len(self.honest.cuts()), "handovers of the original")
        return self.collector.archive

    def knowing_collector(self, name):
        """One that has the original in its archive."""
        if self.collector.poll() is None:
            self.collector.stop()
        shutil.copytree(self.world.path("honest"), self.world.path(name), symlinks=True)
        return self.collector_with(name)

    # --- judging ---

    def taken(self, history, name, identity=None, cuts=None):
        """By a collector that has nothing to compare with: it takes the forged log, and gives receipts. Its archive."""
        self.collector_with(name)
        offer(self.client(), history, identity or self.loot.identity, cuts)
        return self.collector.archive

    def refused(self, history, *said, identity=None, cuts=None, answer=(), evidence=True):
        """By the collector that runs: its answer has the words `answer`, one line of its own the words `said`."""
        folder = self.folder(self.collector.archive)
        before = set(os.listdir(folder + "/evidence"))
        try:
            offer(self.client(), history, identity or self.loot.identity, cuts)
        except Refused as refused:
            print(f"    {refused}", flush=True)
            check(all(w in str(refused) for w in answer), f"{answer} is not in: {refused}")
        else:
            check(False, "the collector took it")
        if said:
            print("    " + self.collector.wait_said(*said), flush=True)
        kept = set(os.listdir(folder + "/evidence")) - before
        check(bool(kept) == evidence, f"evidence kept: {kept}")

    def in_place(self, history, name, identity=None, cuts=None):
        """A copy of the honest archive with the forged segments in it; receipts, witness and all else as they were."""
        folder = self.world.path(name)
        shutil.copytree(self.world.path("honest"), folder, symlinks=True)
        history.write(self.folder(folder), identity or self.loot.identity, cuts)
        return folder

    def three_ways(self, forged, name, *words, code=TAMPERED):
        """A forgery of a whole log goes into the honest archive in the place of what was there, with the receipts left;
        to a collector that has never seen the log, and receipts it; and to one that has seen the original. `words`:
        what verify says of it by itself."""
        self.condemned(self.in_place(forged, f"{name}-in-place"), (TAMPERED, FORKED), "receipt ", "two histories")
        self.condemned(self.taken(forged, f"{name}-fresh"), code, *words)
        self.knowing_collector(f"{name}-knowing")
        first = next(size for size in forged.cuts() if forged.root(size) != self.honest.root(size))
        self.refused(forged, "FORK?", f"of size {first} beside the known one of size {first}", "two roots for one size",
                     answer=("422", "this is a fork"))
        self.condemned(self.collector.archive, FORKED, "refused checkpoint", "two histories")

    def condemned(self, path, code, *words, **asked):
        return condemned(self.world, path, code, *words, **asked)


def condemned(world, path, code, *words, **asked):
    """`verify` ends with `code`, and one finding has all the words. The report."""
    report = world.verify(path, code=code, **asked)
    found = findings(report)
    hits = [f for f in found if all(w in f for w in words)]
    check(hits, f"verify of {os.path.basename(path)}: no finding has {words}, there are:\n  " + "\n  ".join(found))
    print(f"    {report['exit_code']}: {hits[0]}", flush=True)
    return report


def findings(report):
    every = report["findings"] + [f for log in report["logs"] for f in log["findings"]]
    return [f["where"] + ": " + f["what"] for f in every]


def message_of(history, segment):
    """Index of one in the middle of that segment, or of what stands behind the last."""
    cuts = [0, *history.cuts(), len(history.entries)]
    found = [i for i in history.indices(MESSAGE) if cuts[segment] <= i < cuts[segment + 1]]
    return found[len(found) // 2]


def rewritten(history, segment, same_length=False):
    """A copy with one message of that segment changed, and the index of that message."""
    forged, index = history.copy(), message_of(history, segment)
    payload = b"!" * len(history.fields(index)[19]) if same_length else b"all was well"
    forged.put(index, k19=payload)
    return forged, index


def anchor_of(history, identity):
    return f"{vkey(history.origin, identity)} {archive.leaf_hash(history.entries[0]).hex()}"
