#!/usr/bin/python3
"""Entries that somebody makes disappear, and calls lost: with a loss entry that the log does not have, with one that he
adds behind what is receipted, by telling the collector to skip what it has, or without a word.
"""
import os
import shutil

from kit.forge import History, Key, archive, vectors
from kit.offer import Client
from kit.scene import NAMED, TAMPERED, UNPROVEN, FINE, condemned, key_file, records

from lib.certs import make_leaf
from lib.compare import log_folder
from lib.load import Publisher
from lib.world import ORIGIN, check, check_equal, main

LOST = (256, 512)
MESSAGES = 720
LOSS = 9


class Scene:
    """A log with one large segment, archived and receipted, and the gateway's identity key."""

    def __init__(self, world):
        self.world = world
        broker, self.collector, gateway = world.enrol(ring_size="64MiB")
        gateway.recorder.update({"segment_age": "10min", "segment_entries": 700})
        gateway.configure()
        broker.start()
        self.collector.start()
        gateway.start()
        gateway.wait_subscribed()
        device = world.closing(Publisher(broker.port, "device", window=20))
        for n in range(MESSAGES):
            device.publish("plant", b"reading %d" % n)
        device.wait_acknowledged()
        gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"] >= 700, "the first segment has its receipt")
        self.history = History(ORIGIN, records(gateway))
        self.identity = key_file(os.path.join(gateway.folder, "identity.key"))
        gateway.stop()
        self.end = self.history.cuts()[0]
        self.collector.stop()
        world.verify(self.collector.archive, code=FINE)

    def bundle(self):
        return vectors.root_of([archive.leaf_hash(e) for e in self.history.entries[slice(*LOST)]])

    def loss_entry(self, bundle=None):
        fields = {k: v for k, v in self.history.fields(self.end - 2).items() if k < 6}
        fields.update({1: LOSS, 16: LOST[0], 17: LOST[1], 18: [bundle or self.bundle()], 19: 256, 20: fields[2],
                       21: fields[2]})
        return vectors.cbor(fields)

    def with_hole(self, name, entry, index, later, identity=None):
        """A copy of the archive whose first segment says that LOST was dropped. `later`: the log that has the entry."""
        folder = self.world.path(name)
        shutil.copytree(self.collector.archive, folder, symlinks=True)
        note = later.note(len(later.entries), identity or self.identity)
        proof = vectors.path_of(index, later.leaves(len(later.entries)))
        hole = (LOST[0].to_bytes(8, "big") + len(entry).to_bytes(2, "big") + entry + index.to_bytes(8, "big") +
                len(note).to_bytes(4, "big") + note + bytes([len(proof)]) + b"".join(proof) + self.bundle())
        path = os.path.join(log_folder(folder), "segments", f"{0:020}-{self.end:020}.seg")
        segment = archive.read_segment(path)
        data = archive.MAGIC_HOLES + (0).to_bytes(8, "big") + self.end.to_bytes(8, "big") + b"\0"
        data += len(segment.note).to_bytes(4, "big") + segment.note + (1).to_bytes(2, "big") + hole
        for n, kept in enumerate(segment.entries):
            if not LOST[0] <= n < LOST[1]:
                data += len(kept).to_bytes(2, "big") + kept
        os.chmod(path, 0o644)
        with open(path, "wb") as f:
            f.write(data)
        return folder


def gaps(world):
    """Whoever holds the archive takes entries out of it."""
    scene = Scene(world)
    log = scene.history.copy()
    log.entries = log.entries[:scene.end]
    # Without a word: the segment is no segment any more.
    bare = world.path("bare")
    shutil.copytree(scene.collector.archive, bare, symlinks=True)
    path = os.path.join(log_folder(bare), "segments", f"{0:020}-{scene.end:020}.seg")
    segment = archive.read_segment(path)
    os.chmod(path, 0o644)
    head = archive.MAGIC + (0).to_bytes(8, "big") + scene.end.to_bytes(8, "big") + b"\0"
    with open(path, "wb") as f:
        f.write(head + len(segment.note).to_bytes(4, "big") + segment.note +
                b"".join(len(e).to_bytes(2, "big") + e for n, e in enumerate(segment.entries)
                         if not LOST[0] <= n < LOST[1]))
    condemned(world, bare, TAMPERED, "segment file")
    # Called lost by an entry that is another one in the log.
    index = 600
    path = scene.with_hole("in-the-log", scene.loss_entry(), index, log)
    condemned(world, path, TAMPERED, f"entry {index}, which should say so, is no loss entry")
    # By an entry behind the end, signed with another key: the identity's next one, for all that is here. Never fine.
    later = log.copy()
    later.entries.append(scene.loss_entry())
    while len(later.entries) <= scene.end + 100:
        later.entries.append(later.entries[-1])
    path = scene.with_hole("not-signed", later.entries[-1], scene.end + 100, later, Key())
    condemned(world, path, UNPROVEN, "loss entry", "has no signature by the identity key")
    # By a thief of the identity key, in a checkpoint behind the end: it may be so, and is never fine.
    later = scene.history.copy()
    archived = archive.read_log(log_folder(scene.collector.archive)).size
    later.entries = later.entries[:archived]
    later.entries.append(scene.loss_entry())
    path = scene.with_hole("behind", later.entries[-1], archived, later)
    condemned(world, path, UNPROVEN, "lacks entries [256, 512)", "no receipt covers that")
    # The same with hashes that are not those of the tree.
    later.entries[-1] = scene.loss_entry(b"h" * 32)
    path = scene.with_hole("hashes", later.entries[-1], archived, later)
    condemned(world, path, TAMPERED, "has other hashes than the tree")


def skips(world):
    """Somebody with the gateway's keys tells the collector that what it has was lost; somebody else anything."""
    scene = Scene(world)
    before = world.verify(scene.collector.archive, code=FINE)["logs"][0]
    scene.collector.start()
    client = world.closing(Client(world, scene.collector.port))
    entry = scene.loss_entry()
    name = ORIGIN.encode()

    def skip(end, origin=name, by=client):
        body = b"sealring/skip/v1\n" + len(origin).to_bytes(2, "big") + origin + end.to_bytes(8, "big")
        body += len(entry).to_bytes(2, "big") + entry + (scene.end + 1).to_bytes(8, "big") + end.to_bytes(8, "big")
        body += b"\0" + scene.bundle() + b"\0"
        return by.post("/mirror/skip", body, "application/octet-stream")

    archived = before["size"]
    status, words = skip(archived)
    check_equal((status, words.splitlines()[1]), (409, str(archived)), "the collector goes on behind what it has")
    check_equal(skip(archived, b"example.com/nobody")[0], 404, "a log that it does not know")
    check_equal(client.post("/mirror/skip", b"x", "application/octet-stream")[0], 400, "what is no skip")
    make_leaf(world.path("tls"), "stranger", "ca", "second gateway", "clientAuth", "URI:sealring:second")
    stranger = world.closing(Client(world, scene.collector.port, "stranger"))
    check_equal(skip(archived, by=stranger)[0], 403, "another gateway's certificate")
    # A pending checkpoint of a true extension, and a skip in it that nothing proves.
    longer = History(ORIGIN, scene.history.entries[:archived])
    while len(longer.entries) < 1100:
        longer.entries.append(scene.history.entries[1])
    note = longer.note(1100, scene.identity)
    status, words = client.add_checkpoint("mirror", note, archived, longer.proof(archived, 1100))
    check_equal(status, 200, words)
    fields = {**longer.fields(1), 1: LOSS, 16: 768, 17: 1024, 18: [scene.bundle()], 19: 1, 20: 0, 21: 0}
    fields = {k: v for k, v in fields.items() if k < 6 or k > 15}
    entry = vectors.cbor(fields)
    check(skip(1100)[0] in (409, 422), "a skip that is not proven")
    scene.collector.stop()
    after = world.verify(scene.collector.archive, code=(FINE, NAMED))["logs"][0]
    check_equal((after["size"], after["root"]), (archived, before["root"]), "the archive is what it was")


if __name__ == "__main__":
    main(("gaps", gaps), ("skips", skips))
