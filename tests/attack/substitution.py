#!/usr/bin/python3
"""Something else in the place of the log: another gateway's certificate, another gateway's entries, nothing at all or
nothing signed, another key, another anchor, and a log made from scratch by the true key.
"""
import os
import shutil

from kit.forge import GENESIS, HANDOVER, MESSAGE, History, Key, vectors, vkey
from kit.offer import Refused, offer
from kit.scene import (FINE, FORKED, TAMPERED, TRUNCATED, UNPROVEN, UNREADABLE, Scene, anchor_of)

from lib.certs import make_leaf
from lib.compare import log_folder
from lib.world import ORIGIN, TLS_URI, World, check, check_equal, main

OTHER, OTHER_URI = "example.com/site7/gw-0043", "sealring:gw-0043"


def second_gateway(world):
    """A real one of another origin, with a log of its own."""
    other = world.closing(World("second"))
    return Scene(other, segments=2, origin=OTHER)


def certificate(world):
    """Whoever has all keys of one gateway, and the certificate of another one of the same CA, speaks for neither."""
    a, b = Scene(world, segments=2), second_gateway(world)
    make_leaf(world.path("tls"), "second", "ca", "second gateway", "clientAuth", f"URI:{OTHER_URI}")
    for scene in (a, b):
        scene.gateway.kill()
    policy = open(world.path("policy"), encoding="ascii").read()
    logs = f"log {a.world.vkey}\nlog {b.world.vkey}\n"
    world.write("collector-policy", logs + "quorum none\n")
    world.write("policy", policy.replace(f"log {a.world.vkey}\n", logs))
    world.write("anchor", a.world.anchor + "\n" + b.world.anchor + "\n")
    a.collector.configure()
    with open(world.path("collector.toml"), "a", encoding="ascii") as f:
        f.write(f'\n[[gateway]]\nanchor = "{b.world.anchor}"\ntls_uri = "{OTHER_URI}"\n')
    a.collector.start()

    for scene, own, stolen, uri in ((b, "second", "gateway", OTHER_URI), (a, "gateway", "second", TLS_URI)):
        client = a.client(stolen)
        note = scene.honest.note(scene.honest.cuts()[0], scene.loot.identity)
        entries = scene.honest.entries[:scene.honest.cuts()[0]]
        for answer in (client.add_checkpoint("witness", note), client.add_checkpoint("mirror", note),
                       client.add_entries(scene.origin, 0, len(entries), entries)):
            check_equal(answer[0], 403, f"the answer to the certificate of another gateway: {answer[1]}")
            check("bound to a certificate with another URI than yours" in answer[1], answer[1])
        print("    " + a.collector.wait_said(f"{scene.origin}: refused a request by", uri), flush=True)
        check_equal(os.listdir(log_folder(a.collector.archive, scene.origin) + "/segments"), [], "what was archived")
        offer(a.client(own), scene.honest, scene.loot.identity)
        a.collector.stop()  # the next line of the same kind is to be said at once
        a.collector.start()
    check_equal(len(world.verify(a.collector.archive, code=FINE)["logs"]), 2, "logs in the archive")


def replay(world):
    """Another gateway's segments under this origin: as they are, and with all notes signed by this log's own key."""
    a, b = Scene(world), second_gateway(world)
    a.honest_archive()
    b.gateway.kill()
    end = b.honest.cuts()[0]

    # As they are: a file of the other one's archive in the place of the first one.
    path = a.in_place(a.honest, "file")
    for folder, name in (("segments", f"{0:020}-{end:020}.seg"),):
        with open(os.path.join(log_folder(path), folder, name), "wb") as f:
            f.write(b.honest.segment(0, end, b.loot.identity))
    a.condemned(path, TAMPERED, f"is a checkpoint of \"{OTHER}\", not of this log", "taken from another one")
    a.condemned(path, TAMPERED, "entry 0", "is not the entry that the anchor names")
    a.condemned(path, TAMPERED, f'is the genesis of "{OTHER}", expected was "{ORIGIN}"')
    a.knowing_collector("knowing")
    status, words = a.client().add_checkpoint("witness", b.honest.note(end, b.loot.identity))
    check_equal(status, 404, f"a log that is not enrolled: {words}")
    check(OTHER in words and "not one of this collector's" in words, words)

    # Under this origin, by its key: nothing that it signs makes them the entries that it has signed before.
    whole = History(ORIGIN, b.honest.entries)
    a.refused(whole, "FORK?", "two roots for one size", answer=("409",))
    fresh = a.collector_with("fresh")
    try:
        offer(a.client(), whole, a.loot.identity)
        check(False, "the collector took another log's entry 0")
    except Refused as refused:
        check_equal(refused.status, 422, "the answer to another log's entry 0")
        check("this is another history" in refused.words, refused.words)
    print("    " + fresh.wait_said("refused an upload whose entry 0 is not the one that was pinned"), flush=True)

    # Behind the log's own first segment, where the anchor is right: the chain of epoch keys is not.
    tail = History(ORIGIN, a.honest.entries[:a.honest.cuts()[0]] + b.honest.entries[end:b.honest.cuts()[1]])
    path = a.taken(tail, "behind")
    a.condemned(path, TAMPERED, "epoch that ends does not hold", "made without its key")
    a.knowing_collector("knowing-behind")
    a.refused(tail, "FORK?", "two roots for one size", answer=("409",))
    a.condemned(a.collector.archive, FORKED, "two histories")


def unsigned(world):
    """Nothing, or nothing signed, is never taken for a log that is fine."""
    scene = Scene(world, segments=2)
    honest, size = scene.honest_archive(), scene.honest.cuts()[-1]
    world.verify(scene.gateway.folder + "/store", code=FINE, policy=None,
                 extra=["--min-size", str(size)])

    def spoilt(name):
        path = world.path(name)
        shutil.copytree(honest, path, symlinks=True)
        return path, log_folder(path)
    os.makedirs(world.path("nothing"))
    scene.condemned(world.path("nothing"), UNREADABLE, "neither an archive nor")
    os.makedirs(world.path("bare/" + os.path.basename(log_folder(honest)) + "/segments"))
    scene.condemned(world.path("bare"), UNPROVEN, "there are no entries: nothing was checked")
    path, folder = spoilt("no-log")
    shutil.rmtree(folder)
    os.makedirs(f"{path}/{'0' * 64}/segments")  # there is an archive, and this log is not in it
    scene.condemned(path, TRUNCATED, f"there is no log of \"{ORIGIN}\", of which an anchor was given")
    path, folder = spoilt("no-entries")
    shutil.rmtree(folder + "/segments")
    os.makedirs(folder + "/segments")
    scene.condemned(path, TRUNCATED, f"the log had {size} entries, here are only 0")

    for name, note, words in (
            ("no-signature", scene.honest.checkpoint(size).encode(), "is not a signed note"),
            ("stranger", scene.honest.note(size, Key(), "stranger.example"), "has no signature by the identity key"),
            ("false", scene.honest.note(size, scene.loot.identity)[:-9] + b"AAAAAA==\n", "signature by the identity")):
        path, folder = spoilt(name)
        start = scene.honest.cuts()[-2]
        segment = f"{folder}/segments/{start:020}-{size:020}.seg"
        os.chmod(segment, 0o644)
        with open(segment, "wb") as f:
            f.write(scene.honest.segment(start, size, note))
        scene.condemned(path, TAMPERED, os.path.basename(segment) + ": checkpoint", words)

    # A store without entries, and none.
    for name, files, code, words in (("empty-store", ("journal", "ring.lmdb"), TAMPERED, "is empty, there is no log"),
                                     ("half-a-store", ("journal",), UNREADABLE, "there is no store")):
        os.makedirs(world.path(name))
        for file in files:
            world.write(f"{name}/{file}", b"")
        scene.condemned(world.path(name), code, words)

    collector = scene.collector_with("fresh")
    for role in ("witness", "mirror"):
        status, words = scene.client().add_checkpoint(role, scene.honest.checkpoint(size).encode())
        check_equal(status, 400, f"a checkpoint without a signature: {words}")
        status, words = scene.client().add_checkpoint(role, scene.honest.note(size, Key(), "stranger.example"))
        check_equal(status, 403, f"a checkpoint that a stranger has signed: {words}")
    print("    " + collector.wait_said(f"{ORIGIN}: refused a checkpoint from", "has no signature of"), flush=True)
    status, words = scene.client().add_entries(ORIGIN, 0, size, scene.honest.entries)
    check_equal(status, 409, f"entries without a checkpoint: {words}")
    check_equal(os.listdir(log_folder(collector.archive) + "/segments"), [], "what was archived")


def other_key(world):
    """The same entries, signed by another key of the same name; the right ones, measured by another anchor."""
    scene = Scene(world, segments=2)
    honest, false = scene.honest_archive(), Key()
    path = scene.in_place(scene.honest, "false", identity=false)
    scene.condemned(path, TAMPERED, "checkpoint", "has no signature by the identity key " + world.vkey)
    status, words = scene.collector_with("fresh") and scene.client().add_checkpoint(
        "witness", scene.honest.note(scene.honest.cuts()[0], false))
    check_equal(status, 403, words)
    print("    " + scene.collector.wait_said("refused a checkpoint from", "has no signature of " + world.vkey))
    # A line with the right key ID, made by the wrong key.
    text = scene.honest.checkpoint(scene.honest.cuts()[0])
    key_id = bytes.fromhex(world.vkey.split("+")[1])
    line = f"\u2014 {ORIGIN} {vectors.b64(key_id + false.sign(text))}\n"
    scene.collector_with("fresh")
    status, words = scene.client().add_checkpoint("mirror", (text + "\n" + line).encode())
    check_equal(status, 403, words)
    print("    " + scene.collector.wait_said("refused a checkpoint from", "is wrong"), flush=True)

    wrong = world.anchor[:-1] + ("0" if world.anchor[-1] != "0" else "1")
    world.write("wrong-genesis", wrong + "\n")
    scene.condemned(honest, TAMPERED, "is not the entry that the anchor names", "the anchor is of another log",
                    anchor="wrong-genesis")
    world.write("wrong-key", f"{vkey(ORIGIN, false)} {world.anchor.split(' ')[1]}\n")
    scene.condemned(honest, TAMPERED, "anchor and policy name different identity keys", anchor="wrong-key")
    scene.condemned(honest, TAMPERED, "names another identity key", anchor="wrong-key", policy=None)
    world.write("of-another", anchor_of(History(OTHER, scene.honest.entries), scene.loot.identity) + "\n")
    scene.condemned(honest, TRUNCATED, f"there is no log of \"{OTHER}\"", anchor="of-another")


def from_scratch(world):
    """A whole log, made anew by the true identity key, with no fault in it but that it is not the one that was."""
    scene = Scene(world)
    honest = scene.honest_archive()
    forged = scene.honest.copy()
    first, key = Key(), scene.loot.identity
    forged.put(0, k18=first.public)
    for index in forged.indices(MESSAGE):
        forged.put(index, k19=b"all was well")
    forged.rechain(0, first)
    check_equal((forged.indices(GENESIS), len(forged.indices(HANDOVER))), ([0], scene.segments), "it is a whole log")

    # By itself, and with an archive of its own making: as consistent as a log can be, and no more than that.
    alone = world.path("alone")
    shutil.copytree(honest, alone)
    folder = log_folder(alone)
    for name in os.listdir(folder):
        if name != "segments":
            (shutil.rmtree if os.path.isdir(f"{folder}/{name}") else os.remove)(f"{folder}/{name}")
    forged.write(folder, key)
    with open(folder + "/log", "w", encoding="ascii") as f:
        f.write(anchor_of(forged, key) + "\n")
    os.makedirs(folder + "/receipts")
    for policy in (None, "policy"):
        report = scene.condemned(alone, UNPROVEN, "the whole history may have been re-made", anchor=None, policy=policy)
        check(not any("are one history" in words for words in report["logs"][0]["proven"]), report["logs"][0]["proven"])
    scene.condemned(alone, UNPROVEN, "no receipt counts under the policy", anchor=None)
    scene.condemned(alone, TAMPERED, "is not the entry that the anchor names", "the log was begun anew")

    # With the true receipts beside it; to a collector that has pinned the anchor; to the one that has the original.
    scene.condemned(scene.in_place(forged, "receipts"), (TAMPERED, FORKED), "receipt ", "two histories", anchor=None)
    collector = scene.collector_with("fresh")
    scene.refused(forged, "refused an upload whose entry 0 is not the one that was pinned",
                  answer=("422", "this is another history"), evidence=False)
    check_equal(os.listdir(log_folder(collector.archive) + "/segments"), [], "what was archived")
    # Not defended: a witness that the forger came to first, with key and certificate, takes the true log for the fork.
    scene.refused(scene.honest, "FORK?", "two roots for one size", answer=("422", "this is a fork"))
    scene.knowing_collector("knowing")
    scene.refused(forged, "FORK?", "two roots for one size", answer=("422", "this is a fork"))
    scene.condemned(scene.collector.archive, FORKED, "two histories")


if __name__ == "__main__":
    main(("certificate", certificate), ("replay", replay), ("unsigned", unsigned), ("other_key", other_key),
         ("from_scratch", from_scratch))
