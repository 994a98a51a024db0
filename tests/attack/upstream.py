#!/usr/bin/python3
"""A hostile collector: whatever it answers, the gateway goes on recording, under its own origin and with its own keys,
and gives all of it to a true collector afterwards.
"""
import os

from kit.forge import History, Key
from kit.scene import FINE, NAMED, Scene, findings, status_of

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.fakes import FakeCollector, http
from lib.world import ORIGIN, check, check_equal, main, wait_until

SIZE, INFO = "text/x.tlog.size", "text/x.tlog.mirror-info"


def answers(scene):
    """(name, answer) of each kind of hostility."""
    forged = History(ORIGIN, scene.loot.entries[:1] * 200)
    false = forged.note(200, Key())
    return (
        ("409 for ever, with a size beyond all", lambda *_: http(409, f"{2 ** 63}\n", SIZE)),
        ("409 with the size 0", lambda *_: http(409, "0\n", SIZE)),
        ("409 without a size", lambda *_: http(409, "go away")),
        ("409 with a checkpoint of a longer history that another key has signed",
         lambda path, _: http(409, false, INFO if "entries" in path else SIZE)),
        ("409 to entries, with a place to go on beyond the end",
         lambda path, _: http(409, f"{2 ** 63}\n{2 ** 63}\n\n", INFO) if "entries" in path else http(200)),
        ("200 with a checkpoint of a longer history in the place of a signature", lambda *_: http(200, false)),
        ("garbage", lambda *_: os.urandom(300)),
        ("garbage as HTTP", lambda *_: http(200, os.urandom(300), SIZE)),
        ("500", lambda *_: http(500, "begin a new log")),
        ("nothing at all", lambda *_: b""))


def facts(scene):
    """What the gateway is, and must stay."""
    status = status_of(scene.gateway)
    with open(os.path.join(scene.gateway.folder, "identity.key"), "rb") as key:
        identity = key.read()
    return status["origin"], status["keys"]["identity"], identity, sorted(
        name for name in os.listdir(scene.gateway.folder) if name != "sealring.sock")


def conflict(world):
    scene = Scene(world, segments=2)
    gateway = scene.gateway
    gateway.upstream = {**scene.upstream, "retry_min": "100ms", "retry_max": "200ms"}
    gateway.configure()
    gateway.stop()
    gateway.start()
    gateway.wait_subscribed()
    before, size = facts(scene), status_of(gateway)["size"]
    for turn, (name, answer) in enumerate(answers(scene)):
        fake = FakeCollector(scene.collector.port, answer, world.path("tls"))
        try:
            wait_until(lambda fake=fake: fake.requests >= 2, f"it asks twice: {name}", alive=[gateway])
            recorded = status_of(gateway)["recorder"]["messages"]
            scene.device.publish("plant/press-0", b"under attack %d" % turn)
            scene.device.wait_acknowledged()
            sent = sum(scene.device.sent.values())
            gateway.wait_status(lambda s, n=recorded: s["recorder"]["messages"] > n, f"it records on: {name}")
            if turn in (0, 5):  # a start has no better reason to believe a stranger
                gateway.stop()
                gateway.start()
                gateway.wait_subscribed()
                wait_until(lambda fake=fake, n=fake.requests: fake.requests > n, "it asks again", alive=[gateway])
        finally:
            fake.close()
        status = status_of(gateway)
        check_equal(status["segments"]["acknowledged"], 0, f"segments that count as receipted: {name}")
        check_equal(facts(scene), before, f"origin, keys and files: {name}")
        check(status["size"] > size, f"the log grows: {name}")
        size = status["size"]
    print(f"    {sent} messages; it says: {status_of(gateway)['upstream']['trouble']}", flush=True)
    # The identity may wait with its signatures for somebody to be believed; the log is whole without them.
    report = world.verify(gateway.folder + "/store", code=(FINE, NAMED), policy=None, extra=["--min-size", str(size)])
    check(all("the identity has not signed this segment yet" in f for f in findings(report)), findings(report))

    # The true one, which has never seen anything: the same log, from its first entry on, with every message.
    gateway.recorder["segment_age"] = "1s"
    gateway.configure()
    gateway.stop()
    scene.collector.start()
    gateway.start()
    log = GrowingLog(log_folder(scene.collector.archive))
    wait_archived(log, scene.device.sent, alive=[gateway, scene.collector])
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
    report = world.verify(scene.collector.archive, code=FINE)
    check_equal([(one["origin"], one["anchor_matched"]) for one in report["logs"]], [(ORIGIN, True)], "the logs")


if __name__ == "__main__":
    main(("conflict", conflict))
