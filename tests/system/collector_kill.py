#!/usr/bin/python3
"""kill -9 of the collector at random moments while a gateway pushes: a receipt is never ahead of the archive.

$SEALRING_KILLS / 2 kills (by default 10). Right after each, before the collector runs again: the archive verifies, no
object is torn, and what the gateway counts as acknowledged is in segment files. In the end all is archived, once.
"""
import os
import random
import threading

from lib.compare import GrowingLog, archive, check_same, log_folder, wait_archived
from lib.load import Load
from lib.world import check, check_equal, main

MAX_DELAY_S = 1.5
FINE, NAMED, UNPROVEN = 0, 10, 11


def archived_size(folder):
    """As far as whole segment files go."""
    names = archive.segment_names(folder)
    return int(names[-1][21:41]) if names else 0


def is_normal(finding, size, highest):
    """A kill leaves temporary files; a segment may be without its receipt; the witness is ahead of the entries."""
    if finding["verdict"] == "unproven" and highest == 0:
        return True  # the very first segment, without its receipt yet
    if finding["verdict"] != "named":
        return False
    if finding["where"].endswith(".tmp") or "not sent yet" in finding["what"]:
        return True
    return finding["where"].endswith(f"-{size:020}.seg") and "no receipt" in finding["what"] and highest < size


def check_after_kill(world, collector, acknowledged):
    """`acknowledged`: the size that the gateway had a receipt for, asked after the kill."""
    folder = log_folder(collector.archive)
    size = archived_size(folder)
    check(acknowledged <= size, f"the gateway has a receipt for size {acknowledged}, the archive ends at {size}")
    if size == 0:
        return 0
    report = world.verify(collector.archive, code=(FINE, NAMED, UNPROVEN))
    one, = report["logs"]
    check_equal(one["size"], size, "verify's size beside the names of the files")
    highest = one["receipts"].get("highest", {}).get("size", 0)
    check(highest >= acknowledged, f"the gateway has a receipt for {acknowledged}, the archive's reach {highest}")
    for finding in one["findings"]:
        check(is_normal(finding, size, highest), f"after a kill: {finding}")
    for name in os.listdir(folder):
        sub = os.path.join(folder, name)
        if os.path.isdir(sub):
            for file in os.listdir(sub):
                unfinished = file.startswith(".") and file.endswith(".tmp")  # removed when the log is opened again
                check(unfinished or os.path.getsize(os.path.join(sub, file)) > 0, f"{name}/{file} is empty")
    GrowingLog(folder).read()
    return size


def collector_kill(world):
    seed = int(os.environ.get("SEALRING_SEED", random.SystemRandom().randrange(1 << 32)))
    kills = max(1, int(os.environ.get("SEALRING_KILLS", "20")) // 2)
    print(f"{kills} kills, seed {seed}", flush=True)
    moments = random.Random(seed)
    broker, collector, gateway = world.enrol(inflight=0)
    # Small segments, so that uploads, cosignatures and renames are always under way; one in three needs many packages.
    gateway.recorder.update({"segment_age": "1s", "segment_entries": 150})
    gateway.upstream.update({"retry_min": "50ms", "retry_max": "200ms"})
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    load = world.closing(Load(broker.port, 1, window=100, pace=(40, 0.02)))
    load.taken, sizes = 0, []
    for i in range(kills):
        threading.Event().wait(moments.uniform(0.02, MAX_DELAY_S))  # the random moment itself
        collector.kill()
        acknowledged = gateway.status()["upstream"]["acknowledged_size"]
        sizes.append(check_after_kill(world, collector, acknowledged))
        load.taken = sizes[-1]  # the checks take longer and longer; what piles up meanwhile would take minutes to drain
        load.check()
        collector.start(ready=i % 2 == 0)
    print(f"archived at each kill: {sizes}", flush=True)
    check(len(set(sizes)) > kills // 2, "the archive hardly grew between the kills: nothing was under way")
    sent = load.stop()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is acknowledged")
    gateway.stop()
    collector.stop()
    check_same(sent, log.read())
    check_equal(world.verify(collector.archive)["exit_code"], FINE, "the end")
    world.verify(gateway.folder + "/store")
    leftovers = [n for n in ("staging", "pending") if os.listdir(os.path.join(log.folder, n))]
    print(f"{sum(sent.values())} messages in {len(log.files)} segments", flush=True)
    check(not leftovers, f"left behind in {leftovers}")


if __name__ == "__main__":
    main(("collector_kill", collector_kill))
