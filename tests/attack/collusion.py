#!/usr/bin/python3
"""Root on the gateway and whoever has the collector's keys, together: receipts can be made for anything. What is left
then: the epoch keys that were gone by T, a witness of somebody else, and what the auditor knows.
"""
import os
import time

from kit.forge import Key, cosignature_line, vectors
from kit.scene import FINE, TAMPERED, TRUNCATED, UNPROVEN, Scene, key_file, rewritten
from lib.world import MIRROR, WITNESS, main

THIRD = "elsewhere.example/witness"


def receipted(scene, history, name, signers, cuts=None):
    """An archive of their making: segments, a receipt for each, and the witness' checkpoint of the last."""
    path = scene.in_place(history, name, cuts=cuts)
    folder = scene.folder(path)
    for old in os.listdir(folder + "/receipts"):
        os.remove(f"{folder}/receipts/{old}")
    for size in cuts or history.cuts():
        note = history.note(size, scene.loot.identity).decode()
        lines = [cosignature_line(name, key, history.checkpoint(size), int(time.time())) for name, key in signers]
        with open(f"{folder}/receipts/{size:020}.note", "wb") as f:
            f.write((note + "".join(lines)).encode())
        os.chmod(folder + "/witness", 0o644)
        with open(folder + "/witness", "wb") as f:
            f.write((note + lines[0]).encode())
    return path


def receipts(world):
    scene = Scene(world)
    scene.honest_archive()
    ours = [(WITNESS, key_file(world.path("witness.key"))), (MIRROR, key_file(world.path("mirror.key")))]
    world.verify(receipted(scene, scene.honest, "same", ours), code=FINE)

    # History from before T: no receipt makes up for the epoch keys that are gone.
    forged, index = rewritten(scene.honest, 1)
    forged.rechain(index, scene.loot.epoch_key)
    scene.condemned(receipted(scene, forged, "before", ours), TAMPERED, "epoch that ends does not hold")

    # Not defended: the epoch that ran at T, receipted or not; and the end.
    def closed(history):
        history.entries.append(history.entries[-1])
        history.handover(len(history.entries) - 1, scene.segments, scene.loot.epoch_key, Key())
        return history
    true, false = closed(scene.loot.history.copy()), closed(rewritten(scene.loot.history, scene.segments)[0])
    shorter = scene.honest.copy()
    shorter.entries = shorter.entries[:scene.honest.cuts()[-2]]
    for name, history in (("true", true), ("false", false), ("shorter", shorter)):
        world.verify(receipted(scene, history, name, ours), code=FINE)

    # An independent witness has signed one history, and asked for by the auditor's policy it decides.
    third = Key()
    key_id = vectors.hashlib.sha256(THIRD.encode() + b"\n\x04" + third.public).hexdigest()[:8]
    with open(world.path("policy"), encoding="ascii") as f:
        policy = f.read()
    world.write("three", policy.replace(
        "group both all", f"witness third {THIRD}+{key_id}+{vectors.b64(bytes([4]) + third.public)}\n"
                          "group both all third"))
    scene.condemned(world.path("false"), UNPROVEN, "no receipt counts under the policy", policy="three")
    world.verify(receipted(scene, true, "witnessed", [*ours, (THIRD, third)]), code=FINE, policy="three")
    size = str(len(scene.honest.entries))
    scene.condemned(world.path("shorter"), TRUNCATED, f"at least {size} were demanded", extra=["--min-size", size])


if __name__ == "__main__":
    main(("receipts", receipts))
