#!/usr/bin/python3
"""History from before T, changed by whoever has all keys of T: entries rewritten, put in another order, segments cut
anew, epoch keys used outside of their range. All hashes, and all signatures that those keys can make, are right.
"""
import os
import shutil

from kit.forge import Key
from kit.offer import offer
from kit.scene import BROKEN, FINE, FORKED, NAMED, TAMPERED, Scene, message_of, rewritten
from kit.store import Forgery

from lib.compare import log_folder
from lib.world import check, check_equal, main


def rewrite(world):
    """An entry is changed, and the best is made of the handover behind it: signed by the key that is there at T."""
    scene = Scene(world)
    scene.honest_archive()
    forged, index = rewritten(scene.honest, 1)
    scene.three_ways(forged, "as-it-was", "its root is not that of the entries before it")
    scene.three_ways(forged.rechain(index, scene.loot.epoch_key), "signed", "epoch that ends does not hold",
               "entries of that epoch were changed, or made without its key")


def reorder(world):
    """Two messages of one segment exchanged; two segments exchanged."""
    scene = Scene(world)
    scene.honest_archive()
    forged, index = scene.honest.copy(), message_of(scene.honest, 1)
    forged.entries[index], forged.entries[index + 1] = forged.entries[index + 1], forged.entries[index]
    scene.three_ways(forged.rechain(index, scene.loot.epoch_key), "entries", "entries of that epoch were changed")
    forged = scene.honest.copy()
    a, b, c = scene.honest.cuts()[:3]
    forged.entries[a:c] = forged.entries[b:c] + forged.entries[a:b]
    scene.three_ways(forged, "segments", "ends epoch 2, expected was 1", "out of order")


def reseal(world):
    """The same entries, cut into other segments and signed by the identity key again."""
    scene = Scene(world)
    scene.honest_archive()
    cuts = scene.honest.cuts()
    joined, split = [cuts[0], *cuts[2:]], sorted([*cuts, cuts[0] + 3])
    for name, other in (("joined", joined), ("split", split)):
        for how in (scene.in_place, scene.taken):
            path = how(scene.honest, f"{name}-{how.__name__}", cuts=other)
            scene.condemned(path, TAMPERED, "the log was cut into other segments")

    # Who has the original is not to be moved by the same entries in other pieces, and says when a size is new to it.
    scene.knowing_collector("knowing")
    segments = log_folder(scene.collector.archive) + "/segments"
    before = sorted(os.listdir(segments))
    offer(scene.client(), scene.honest, scene.loot.identity, joined)
    note = scene.honest.note(cuts[0] + 3, scene.loot.identity)
    for role in ("witness", "mirror"):
        status, words = scene.client().add_checkpoint(role, note)
        check_equal((status, words), (409, f"{cuts[-1]}\n"), f"the {role}'s answer")
    scene.collector.wait_said("FORK?", f"size {cuts[0] + 3} beside", "the second is below the first")
    check_equal(sorted(os.listdir(segments)), before, "the segments in the archive")
    scene.condemned(scene.collector.archive, NAMED, f"{cuts[0] + 3:020}", "the collector kept this because it refused")


def keys(world):
    """An old epoch's key, got back from somewhere, for a later epoch; the present one for an older; one for two."""
    scene = Scene(world)
    scene.honest_archive()
    present = scene.loot.epoch_key
    forged, index = rewritten(scene.honest, 2)
    words = "epoch that ends does not hold"
    scene.three_ways(forged.copy().rechain(index, scene.old_keys[1]), "old", words,
               "it is by the key of epoch 1, outside of its range")
    scene.three_ways(forged.copy().rechain(index, present, begins=present), "present", words,
               "it is by the key of epoch 3, outside of its range")
    # From its own range on, and then on and on: the handover to itself is signed as it should be.
    forged, index = rewritten(scene.honest, 1)
    scene.three_ways(forged.rechain(index, scene.old_keys[1], begins=scene.old_keys[1]), "again",
               "takes an epoch key that was in use before, for epoch 1")


def made_break(world):
    """The only step without the key that is gone: to say that it was lost. Nobody takes that for a handover."""
    scene = Scene(world)
    scene.honest_archive()
    forged, index = rewritten(scene.honest, 1)
    forged.rechain(index, None, by_break=True)
    scene.three_ways(forged, "break", "is a break: the key of epoch 1 was lost", "rest on the identity key alone",
               code=BROKEN)
    at = scene.honest.cuts()[1] - 1
    fresh = world.path("break-fresh")
    world.verify(fresh, code=BROKEN, extra=("--accept-break", str(at + 1)))
    world.verify(fresh, code=NAMED, extra=("--accept-break", str(at)))  # the auditor's own word, and no default


def within_reach(world):
    """What is not defended, so that nobody believes more: the epoch that runs at T, and one whose key was got back
    from the disk's old blocks, can be rewritten as far as no receipt reaches. Behind one, they cannot."""
    scene = Scene(world)
    scene.honest_archive()
    for name, forged, index, key in (
            ("got-back", *rewritten(scene.honest, 1), scene.old_keys[1]),
            ("present", *rewritten(scene.loot.history, scene.segments), scene.loot.epoch_key)):
        closed = forged.copy()
        if name == "present":
            closed.entries.append(closed.entries[-1])
            closed.handover(len(closed.entries) - 1, scene.segments, key, Key())
        else:
            closed.rechain(index, key)
        world.verify(scene.taken(closed, f"{name}-fresh"), code=FINE)
    # The open epoch has no receipt yet: of two versions the first that comes is the history, and the other one a fork.
    collector = scene.knowing_collector("present-knowing")
    offer(scene.client(), closed, scene.loot.identity)
    world.verify(collector.archive, code=FINE)
    other = scene.loot.history.copy()
    other.entries.append(other.entries[-1])
    other.handover(len(other.entries) - 1, scene.segments, scene.loot.epoch_key, Key())
    check(len(other.entries) == len(closed.entries), "two versions of one size")
    scene.refused(other, "FORK?", "two roots for one size", answer=("422", "this is a fork"))
    scene.condemned(collector.archive, FORKED, "two histories")
    forged, index = rewritten(scene.honest, 1)
    scene.knowing_collector("got-back-knowing")
    scene.refused(forged.rechain(index, scene.old_keys[1]), "FORK?", "two roots for one size", answer=("422", "fork"))


def store(world):
    """The store itself made anew, with every hash and checksum in it: an entry of before T, and one of the epoch that
    runs. What the present key may sign passes, as it must; by an old key it does not."""
    scene = Scene(world)
    scene.gateway.kill()
    original, loot = scene.gateway.folder + "/store", scene.loot
    size = len(loot.entries)
    # Nothing has been receipted yet: the auditor knows the size.
    asked = {"policy": None, "extra": ["--min-size", str(size)]}
    right = world.verify(original, code=FINE, **asked)["logs"][0]
    check_equal(right["size"], size, "size of the store at T")

    def forged(name, history, sign):
        path = world.path(name)
        shutil.copytree(original, path)
        Forgery(path, loot.history, history, loot.identity, sign).write()
        return path
    # All that was ever signed in this log is signed here as it was, but for what comes after the change.
    known = {**scene.old_keys, loot.epoch: loot.epoch_key}
    same = forged("same", loot.history, lambda epoch, text: known[epoch].sign(text))
    check_equal(world.verify(same, **asked)["logs"][0], {**right, "where": same},
                "a store that was made anew with the same entries and keys")

    history, index = rewritten(loot.history, 1, same_length=True)
    history.rechain(index, loot.epoch_key)
    path = forged("before", history, lambda epoch, text: loot.epoch_key.sign(text))
    scene.condemned(path, TAMPERED, "segment 1: entry", "epoch that ends does not hold", **asked)

    history, index = rewritten(loot.history, scene.segments, same_length=True)
    path = forged("old-key", history, lambda epoch, text: scene.old_keys[1].sign(text))
    scene.condemned(path, TAMPERED, "frame [", "the signature of its epoch key does not hold",
                    "it is by the key of epoch 1, outside of its range", **asked)
    # Not defended: the epoch that runs at T, as long as no receipt covers it.
    world.verify(forged("present", history, lambda epoch, text: known[epoch].sign(text)), code=FINE, **asked)


if __name__ == "__main__":
    main(("rewrite", rewrite), ("reorder", reorder), ("reseal", reseal), ("keys", keys), ("made_break", made_break),
         ("within_reach", within_reach), ("store", store))
