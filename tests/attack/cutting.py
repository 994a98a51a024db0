#!/usr/bin/python3
"""History that is made shorter: whole segments or the end of one cut off, one taken out of the middle; and a store that
goes on from an old image of its disk.
"""
import os

from kit.forge import Key
from kit.scene import FINE, FORKED, NAMED, TAMPERED, TRUNCATED, UNPROVEN, Scene

from lib.compare import log_folder
from lib.world import check, check_equal, main


def shorter(scene, count):
    """The original without its last `count` segments."""
    history = scene.honest.copy()
    history.entries = history.entries[:scene.honest.cuts()[-1 - count]]
    return history


def behind(scene, size):
    """The collector that has more is offered `size`, signed by the true key."""
    note = scene.honest.note(size, scene.loot.identity)
    for role in ("witness", "mirror"):
        status, words = scene.client().add_checkpoint(role, note)
        check_equal((status, words), (409, f"{scene.honest.cuts()[-1]}\n"), f"the {role}'s answer to size {size}")


def segments(world):
    """Whole segments cut off the end. Receipts say how much there was; then the witness; then only the auditor."""
    scene = Scene(world)
    scene.honest_archive()
    size, left = scene.honest.cuts()[-1], shorter(scene, 2)
    path = scene.in_place(left, "cut")
    scene.condemned(path, TRUNCATED, f"the log had {size} entries", "its end was cut off")
    folder = log_folder(path)
    for cut in scene.honest.cuts()[-2:]:
        os.remove(f"{folder}/receipts/{cut:020}.note")
    # That the witness is ahead is normal for as long as the auditor grants: shown, then named, not condemned.
    report = world.verify(path, code=FINE)["logs"][0]
    check_equal((report["witnessed"], report["size"]), (size, left.cuts()[-1]), "what was witnessed, and what is here")
    scene.condemned(path, NAMED, "the witness' checkpoint", "existed by then and are not here",
                    extra=["--max-lag", "0s"])
    os.remove(f"{folder}/witness")
    scene.condemned(path, TRUNCATED, f"at least {size} were demanded", extra=["--min-size", str(size)])
    # Not defended against whoever can remove all receipts and the witness' checkpoint: the end is said to be open.
    left_open = world.verify(path, code=FINE)["logs"][0]["not_proven"]
    check(any(f"whether entries after size {left.cuts()[-1]} existed" in words for words in left_open), left_open)

    # A fresh collector takes what it is given: it cannot know of more. The auditor's size does.
    path = scene.taken(left, "fresh")
    scene.condemned(path, TRUNCATED, f"at least {size} were demanded", extra=["--min-size", str(size)])

    # To the one that has it all a known size is no news, and one that it has not seen an alarm.
    scene.knowing_collector("knowing")
    scene.refused(left, answer=("409", "larger size"), evidence=False)
    behind(scene, left.cuts()[-1] + 2)
    scene.collector.wait_said("FORK?", f"size {left.cuts()[-1] + 2} beside", "the second is below the first",
                              "or cut off?")
    scene.condemned(scene.collector.archive, NAMED, "the collector kept this because it refused")


def end_of_segment(world):
    """The last entries of a sealed segment cut off, its handover with them or made anew by the key of T."""
    scene = Scene(world)
    scene.honest_archive()
    start, size = scene.honest.cuts()[-2:]
    for name, words in (("bare", "its end was cut off"), ("handed-over", "epoch that ends does not hold")):
        left = scene.honest.copy()
        left.entries = left.entries[:size - 3]
        if name == "handed-over":
            left.handover(len(left.entries) - 1, scene.segments - 1, scene.loot.epoch_key, Key())
        cuts = [*scene.honest.cuts()[:-1], size - 3]
        path = scene.in_place(left, f"{name}-in-place", cuts=cuts)
        scene.condemned(path, TAMPERED, f"the log had {size} entries", "its end was cut off")
        scene.condemned(scene.taken(left, f"{name}-fresh", cuts=cuts), TAMPERED, words)
        scene.knowing_collector(f"{name}-knowing")
        scene.refused(left, "FORK?", f"size {size - 3} beside", "the second is below the first", "or cut off?",
                      cuts=cuts, answer=("409",))
        check(start < size - 3, "it is within the last segment")


def out_of_the_middle(world):
    """A segment taken out, those behind it moved up, roots and the identity's signatures made anew."""
    scene = Scene(world)
    scene.honest_archive()
    a, b, _, size = scene.honest.cuts()
    left = scene.honest.copy()
    del left.entries[a:b]
    scene.condemned(scene.in_place(left, "in-place"), TAMPERED, f"the log had {size} entries", "its end was cut off")
    scene.condemned(scene.taken(left, "fresh"), TAMPERED, "ends epoch 2, expected was 1", "segments are missing")
    scene.knowing_collector("knowing")
    scene.refused(left, "FORK?", "two roots for one size", answer=("409",))
    scene.condemned(scene.collector.archive, FORKED, "two histories")
    # Only the file removed, nothing else touched.
    path = scene.in_place(scene.honest, "file")
    os.remove(f"{log_folder(path)}/segments/{a:020}-{b:020}.seg")
    scene.condemned(path, TRUNCATED, f"entries [{a}, {b})", "are missing before it")


def old_image(world):
    """All of the disk as it was at T is put back later, and goes on from there, with every key in its place: another
    end, which the collector does not take, and of which it keeps the proof."""
    scene = Scene(world, online=True, segments=2)
    image = scene.loot
    for _ in range(2):
        scene.fill_segment()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
    scene.gateway.kill()
    size = scene.world.verify(scene.collector.archive)["logs"][0]["size"]
    check(size > len(image.entries), "the log went on after T")

    def went_on(end):
        forged = image.history.copy()
        for index in range(len(image.entries), end):
            forged.entries.append(forged.entries[-1])
            forged.heartbeat(index)
        forged.handover(end - 1, image.epoch, image.epoch_key, Key())
        return forged
    scene.refused(went_on(size + 5), "FORK?", f"of size {size + 5} beside the known one of size {size}",
                  "no proof that the second extends the first", answer=("422", "is not proven to extend the one"))
    scene.condemned(scene.collector.archive, UNPROVEN, f"has signed size {size + 5}", "there may be two histories")
    scene.collector.stop()  # the next line of the same kind is to be said at once
    scene.collector.start()
    # As far as the other one, the two can be laid side by side.
    scene.refused(went_on(size), "FORK?", "two roots for one size", answer=("422", "this is a fork"))
    scene.condemned(scene.collector.archive, FORKED, "refused checkpoint", "two histories")


if __name__ == "__main__":
    main(("segments", segments), ("end_of_segment", end_of_segment), ("out_of_the_middle", out_of_the_middle),
         ("old_image", old_image))
