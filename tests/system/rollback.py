#!/usr/bin/python3
"""A gateway whose disk is set back to an old copy notices by what its collector has, and signs no second history; and a
witness knows of entries long before their segment is sealed. That another log follows then is in succession.py."""
import os
import re
import shutil

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.world import check, check_equal, main, wait_until


class Scene:
    def __init__(self, world, on_rollback="hold", **recorder):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB")
        self.gateway.recorder.update({"segment_age": "1s", **recorder})
        self.gateway.top["on_rollback"] = on_rollback
        self.gateway.configure()
        for process in (self.broker, self.collector, self.gateway):
            process.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))
        self.store = os.path.join(self.gateway.folder, "store")

    def publish(self, count):
        for i in range(count):
            self.device.publish("plant/x", b"reading %d" % i, 1)
        self.device.wait_acknowledged()

    def wait_receipted(self):
        self.publish(1)
        wait_archived(GrowingLog(log_folder(self.collector.archive)), self.device.sent,
                      alive=[self.gateway, self.collector])

    def evidence(self):
        return os.listdir(os.path.join(log_folder(self.collector.archive), "evidence"))

    def witnessed(self):
        try:
            with open(os.path.join(log_folder(self.collector.archive), "witness"), encoding="utf-8") as note:
                return int(note.read().split("\n")[1])
        except FileNotFoundError:
            return 0

    def alarms(self):
        out, _ = self.world.run("sealring", "tail", "-n", "1000", "--json", "--config",
                                os.path.join(self.gateway.folder, "sealring.toml"))
        return [line for line in out.splitlines() if '"rollback"' in line]


def set_back(world):
    scene = Scene(world)
    scene.publish(20)
    scene.wait_receipted()
    scene.gateway.stop()
    image = world.path("image")
    shutil.copytree(scene.store, image)
    scene.gateway.start()
    scene.wait_receipted()
    scene.gateway.stop()
    present = world.path("present")
    os.rename(scene.store, present)
    shutil.copytree(image, scene.store)
    signed = scene.witnessed()

    scene.gateway.start()
    status = scene.gateway.wait_status(lambda s: s["upstream"]["contradicted"], "it finds that its store is old")
    check(status["keys"]["identity_held"], f"{status}")
    scene.gateway.wait_said("alarm: rollback: our identity key has signed size")
    kept = scene.device.sent.copy()
    scene.publish(30)  # and these are acknowledged: recording goes on
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] > 0 and s["keys"]["unsigned"] > 0,
                              "a segment is sealed and not signed")
    check_equal(len(wait_until(scene.alarms, "the alarm is in the log", alive=[scene.gateway])), 1, "alarms")
    text, _ = world.run("sealring", "status", "--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    check(re.search(r"identity +HELD: this store is an old copy of the log", text), text)
    with open(os.path.join(scene.store, "rollback.note"), encoding="utf-8") as note:
        check(int(note.read().split("\n")[1]) > 20, "what proves it is kept")
    check_equal(scene.evidence(), [], "the collector was offered nothing that contradicts it")
    check_equal(scene.witnessed(), signed, "what the collector's witness has")
    # The same after a restart; and with the right store everything goes on.
    scene.gateway.stop()
    scene.gateway.start()
    scene.gateway.wait_status(lambda s: s["upstream"]["contradicted"], "it finds so again")
    scene.gateway.stop()
    os.rename(scene.store, world.path("abandoned"))
    os.rename(present, scene.store)
    scene.device.sent.clear()
    scene.device.sent.update(kept)  # the others are in the abandoned store
    scene.gateway.start()
    scene.wait_receipted()
    scene.gateway.stop()
    scene.collector.stop()
    world.verify(scene.collector.archive)

    # Whoever overrules it signs what nobody has seen yet; the collector's answer stops that again.
    shutil.rmtree(scene.store)
    shutil.copytree(image, scene.store)
    scene.gateway.command.append("--assume-current")
    scene.gateway.start()
    scene.publish(10)
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] > 0 and s["keys"]["unsigned"] == 0, "it signs")
    scene.collector.start()
    scene.gateway.wait_status(lambda s: s["upstream"]["contradicted"], "then it knows")
    check_equal(scene.evidence(), [], "and offers nothing")
    # What is known stays known, also where nobody can be asked.
    scene.gateway.stop()
    scene.collector.stop()
    scene.gateway.command.remove("--assume-current")
    scene.gateway.start()
    scene.gateway.wait_said("alarm: rollback, known since an earlier start")
    check(scene.gateway.status()["keys"]["identity_held"], "nothing is signed")


def silent_until_answered(world):
    """Whoever cannot ask records and acknowledges, and signs when it was answered."""
    scene = Scene(world)
    scene.gateway.stop()
    scene.collector.stop()
    scene.gateway.start()
    scene.publish(10)
    scene.gateway.wait_status(lambda s: s["keys"]["identity_held"] and s["keys"]["unsigned"] > 0,
                              "a segment is sealed and waits")
    text, _ = world.run("sealring", "status", "--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    check("held until the collector has said what it has of this log" in text, text)
    scene.collector.start()
    scene.wait_receipted()
    check(not scene.gateway.status()["keys"]["identity_held"], "it signs")


def witnessed_early(world):
    """Long before the segment is sealed, a witness has cosigned what was recorded: root cannot rewrite it any more."""
    scene = Scene(world, segment_age="10min", heartbeat="1s")
    scene.publish(50)
    wait_until(lambda: scene.witnessed() > 50, "the witness has cosigned the open segment",
               alive=[scene.gateway, scene.collector])
    status = scene.gateway.status()
    check_equal((status["segments"]["sealed"], status["segments"]["acknowledged"]), (0, 0), "segments")
    scene.gateway.stop()
    scene.collector.stop()
    # The archive has nothing of it yet. That is shown, and, later than the auditor grants, a finding.
    size = scene.witnessed()
    for granted, finding in (("24h", False), ("0s", True)):
        text, _, _ = world.run("sealring", "verify", scene.collector.archive, "--policy", world.path("policy"),
                               "--anchor", world.path("anchor"), "--max-lag", granted, code=None)
        words = " ".join(text.split())
        check_equal("existed by then and are not here" in words, finding, f"--max-lag {granted}: {text}")
        check(re.search(rf"witnessed size {size} at .* are not here yet", words), text)


if __name__ == "__main__":
    main(("set_back", set_back), ("silent_until_answered", silent_until_answered),
         ("witnessed_early", witnessed_early))
