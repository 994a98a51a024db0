#!/usr/bin/python3
"""Epoch keys on real parts: one that is lost leaves a break that nobody overlooks; one that has handed over is gone."""
import os

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.world import check, check_equal, main, wait_until

FINE, NAMED, BROKEN = 0, 10, 12
SEED = slice(22 + 8, 22 + 8 + 32)  # in the file of an epoch key: after the first line and the epoch's number


class Scene:
    def __init__(self, world, segment_age):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol()
        self.gateway.recorder["segment_age"] = segment_age
        self.gateway.configure()
        self.store = os.path.join(self.gateway.folder, "store")
        self.config = ("--config", os.path.join(self.gateway.folder, "sealring.toml"))
        self.broker.start()
        self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))
        self.log = GrowingLog(log_folder(self.collector.archive))

    def publish(self, payload):
        self.device.publish("plant/line1/temp", payload, 1)
        self.device.wait_acknowledged()

    def archived(self):
        wait_archived(self.log, self.device.sent, alive=[self.gateway, self.collector])
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipts are here")

    def key_files(self, epoch):
        name = os.path.join(self.store, f"epoch-{epoch}.key")
        return name, name + ".copy"

    def epoch(self):
        return self.gateway.status()["keys"]["epoch"]


def lost(world):
    """Both files of the epoch key are gone after a kill: the messages go on, and every verifier hears of it."""
    scene = Scene(world, "1h")
    scene.publish(b"before")
    epoch = scene.epoch()
    scene.gateway.kill()
    for name in scene.key_files(epoch):
        os.unlink(name)
    out, _ = world.run("sealring", "check", *scene.config, code=1)
    check("the log goes on with a break" in out, out)
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure().start()
    scene.gateway.wait_said("alarm: the epoch key file")
    scene.gateway.wait_subscribed()
    scene.publish(b"after")
    scene.archived()

    report = world.verify(scene.collector.archive, code=BROKEN)
    breaks = report["logs"][0]["breaks"]
    check_equal([(b["epoch"], b["identity_only_from"]) for b in breaks], [(epoch, 0)], "the breaks in the report")
    index = breaks[0]["index"]
    check_equal(world.verify(scene.store, code=BROKEN)["logs"][0]["breaks"], breaks, "the breaks in the store")
    accepted = world.verify(scene.collector.archive, code=NAMED, extra=("--accept-break", str(index)))
    check(any("(accepted)" in f["what"] for f in accepted["logs"][0]["findings"]), accepted["logs"][0]["findings"])
    world.verify(scene.collector.archive, code=BROKEN, extra=("--accept-break", str(index - 1)))
    out, _ = world.run("sealring", "show", str(index), *scene.config)
    check(f"the key of epoch {epoch} was lost" in out, out)
    out, _ = world.run("sealring", "tail", "-n", "1000", "--json", *scene.config)
    check('"alarm":"key-lost"' in out.replace('": "', '":"'), "the alarm is a record")
    # A proof of a record stands on the identity's checkpoint and the receipt: it is as good as before.
    proof = world.path("proof")
    world.run("sealring", "prove", str(index - 1), "-o", proof, *scene.config)
    world.verify(proof)
    _, err = world.run("sealring", "verify", proof, "--accept-break", "1", code=2)
    check("not for the proof" in err, err)


def places_of(secret, pid):
    """Where in the memory of a process the bytes are."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, rights, *_ = line.split()
            if "r" not in rights or "[v" in line:  # vvar, vsyscall
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:
                continue  # guard pages
            if secret in content:
                found.append(line.strip())
    return found


def files_with(secret, folder):
    found = []
    for where, _, names in os.walk(folder):
        for path in filter(os.path.isfile, (os.path.join(where, name) for name in names)):
            with open(path, "rb") as f:
                if secret in f.read():
                    found.append(os.path.basename(path))
    return sorted(found)


def erased(world):
    """What an epoch signed with is nowhere once it has handed over: not in the process, not in a file."""
    if os.geteuid() != 0:
        print("skipped: reading the memory of a process that allows no core dumps needs root")
        return
    scene = Scene(world, "1s")
    scene.publish(b"first")

    def secret_of_now():
        """The present epoch and its secret; none in the moment of a handover."""
        epoch = scene.epoch()
        try:
            with open(scene.key_files(epoch)[0], "rb") as f:
                seed = f.read()[SEED]
        except FileNotFoundError:
            return None
        return (epoch, seed) if len(seed) == 32 and any(seed) else None

    # Without messages nothing is sealed, so the present epoch stays: the search finds what it should.
    scene.archived()
    epoch, seed = wait_until(secret_of_now, "there is an epoch key", alive=[scene.gateway])
    scene.gateway.wait_status(lambda s: s["keys"]["epoch"] == epoch, "the epoch stays")
    check(places_of(seed, scene.gateway.pid), "the present key was not found in memory: the search is no search")
    names = [os.path.basename(name) for name in scene.key_files(epoch)]
    check_equal(files_with(seed, scene.gateway.folder), names, "the files that have the present key")
    scene.publish(b"second")
    scene.gateway.wait_status(lambda s: s["keys"]["epoch"] > epoch, "the next epoch has begun")
    wait_until(lambda: not any(map(os.path.exists, scene.key_files(epoch))), "its files are gone",
               alive=[scene.gateway])
    check_equal(places_of(seed, scene.gateway.pid), [], "the old key is in memory still")
    check_equal(files_with(seed, scene.gateway.folder), [], "files that have the old key")
    scene.archived()
    scene.gateway.stop()
    check_equal(files_with(seed, world.folder), [], "files that have the old key, after the end")
    world.verify(scene.collector.archive)


if __name__ == "__main__":
    main(("lost", lost), ("erased", erased))
