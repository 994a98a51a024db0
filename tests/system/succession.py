#!/usr/bin/python3
"""A gateway whose store is an old copy goes on under a log that follows; what was acknowledged is in one of the two.
The collector closes the first and takes the second by itself, and an auditor follows from the anchor that he has."""
import collections
import os
import shutil
import signal

from lib.compare import GrowingLog, log_folder
from lib.load import Publisher
from lib.world import ORIGIN, TLS_URI, check, check_equal, main

FOLLOWER = ORIGIN + "~1"
COLLECTOR_KEY = "collector.example/succession"
LARGE = bytes(range(256)) * 500  # three entries


class Scene:
    def __init__(self, world, takes=True, **top):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB")
        out, _ = world.run("sealring", "key", "generate", world.path("succession.key"), COLLECTOR_KEY)
        self.succession_vkey = out.strip().splitlines()[-1]
        if takes:
            with open(world.path("collector.toml"), encoding="utf-8") as f:
                text = f.read()
            world.write("collector.toml", 'succession_key = "succession.key"\n' + text)
        self.gateway.recorder.update({"segment_age": "1s"})
        self.gateway.top.update(top)
        self.gateway.configure()
        for process in (self.broker, self.collector, self.gateway):
            process.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))
        self.store = os.path.join(self.gateway.folder, "store")
        self.config = ("--config", os.path.join(self.gateway.folder, "sealring.toml"))

    def publish(self, count, payload=b"reading"):
        for _ in range(count):
            self.device.publish("plant/x", b"%d " % sum(self.device.sent.values()) + payload, 1)
        self.device.wait_acknowledged()

    def log(self, origin=ORIGIN):
        return GrowingLog(log_folder(self.collector.archive, origin)).read()

    def wait_receipted(self, origin=ORIGIN):
        self.publish(1)
        size = self.gateway.status()["size"]
        self.gateway.wait_status(lambda s: s["origin"] == origin and s["upstream"]["acknowledged_size"] >= size,
                                 f"{origin} is receipted up to {size}")

    def roll_back(self):
        """To where 20 messages had been receipted, of a log that has 20 more since."""
        self.publish(20)
        self.wait_receipted()
        self.gateway.stop()
        image = self.world.path("image")
        shutil.copytree(self.store, image)
        self.gateway.start()
        self.publish(20)
        self.wait_receipted()
        self.gateway.stop()
        shutil.rmtree(self.store)
        os.rename(image, self.store)

    def folders(self):
        return sorted(name for name in os.listdir(self.gateway.folder) if name.startswith("store"))


def messages_of(scene, follower=FOLLOWER):
    """Of both logs; a record that both have, at one index and with the same bytes, is counted once."""
    first, second = scene.log(), scene.log(follower)
    check_equal(second.follows[0], ORIGIN, "the origin that entry 1 names")
    closed = {m.index: (m.topic, m.payload) for m in first.messages}
    carried = [(m.topic, m.payload) for m in second.carried_messages() if closed.get(m.index) != (m.topic, m.payload)]
    return collections.Counter([*closed.values(), *carried, *((m.topic, m.payload) for m in second.messages)]), second


def goes_on(world):
    scene = Scene(world)
    scene.roll_back()
    scene.broker.stop()  # what is recorded before the collector answers is the recorder's own
    scene.collector.stop()
    scene.broker.start()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.publish(30)
    scene.device.publish("plant/large", LARGE, 1)
    scene.device.wait_acknowledged()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] > 0, "something is sealed in the old copy")
    scene.collector.start()
    status = scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    check_equal(status["follows"], ORIGIN, "what it follows")
    scene.gateway.wait_status(lambda s: not s["upstream"]["succession_waits"], "the collector takes it")
    scene.wait_receipted(FOLLOWER)
    got, follower = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")
    check(len(follower.carried_messages()) >= 31, "what no receipt covered was carried over")
    check_equal(scene.folders(), ["store", "store.abandoned"], "folders")
    check(os.path.exists(scene.store + ".abandoned/rollback.note"), "the abandoned store is kept as it was")

    # Known at the next start, with a configuration that nobody has touched; and nothing is offered twice.
    scene.gateway.stop()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check_equal(messages_of(scene)[0], scene.device.sent, "all messages, each once")
    out, _ = world.run("sealring", "check", *scene.config)
    check(FOLLOWER in out and "0 errors" in out, out)
    out, _ = world.run("sealring", "status", *scene.config)
    check(f"which follows {ORIGIN}" in out and "not taken" not in out, out)
    scene.gateway.stop()
    scene.collector.stop()
    audit(world, scene)


def operator_enrols(world):
    """A collector without a key for it takes no succession; the follower is enrolled by hand, and all goes on."""
    scene = Scene(world, takes=False)
    scene.roll_back()
    scene.gateway.start()
    status = scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_said("the succession is not taken")
    scene.publish(10)  # and these are acknowledged: recording goes on
    out, _ = world.run("sealring", "status", *scene.config)
    check("the collector has not taken that yet" in out, out)
    check(not os.path.exists(log_folder(scene.collector.archive, FOLLOWER)), "the collector knows nothing of it")
    said = scene.gateway.said(True)
    anchor = said[said.index("its anchor: ") + len("its anchor: "):].splitlines()[0]
    check_equal(anchor.split(" ")[0], status["keys"]["identity"], "the vkey in the alarm")
    scene.collector.stop()
    with open(world.path("collector-policy"), "a", encoding="utf-8") as f:
        f.write(f"log {anchor.split(' ')[0]}\n")
    with open(world.path("collector.toml"), "a", encoding="utf-8") as f:
        f.write(f'[[gateway]]\nanchor = "{anchor}"\ntls_uri = "{TLS_URI}"\n')
    scene.collector.start()
    scene.wait_receipted(FOLLOWER)
    got, _ = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")
    scene.gateway.stop()
    scene.collector.stop()
    with open(world.path("policy"), encoding="utf-8") as f:
        world.write("policy-of-both", f"log {anchor.split(' ')[0]}\n" + f.read())
    world.write("anchors", world.anchor + "\n" + anchor + "\n")
    world.verify(scene.collector.archive, policy="policy-of-both", anchor="anchors")


def key_in(store):
    """The follower's vkey, where there is a statement."""
    try:
        with open(store + "/succession.note", encoding="utf-8") as note:
            return note.read().split("\n")[4]
    except FileNotFoundError:
        return None


def killed(world):
    """Where a kill comes before the exchange, the old copy is still there, and the next start makes another follower;
    behind it, the follower is there, and what it replaced is set aside."""
    scene = Scene(world)
    scene.roll_back()
    plain, beside = scene.gateway.command, scene.store + ".new"
    keys = []
    # While it is being made: at the first file that may not be there yet. Then where the two would be exchanged.
    for where in ([], ["-P", beside]):
        scene.gateway.command = ["strace", "-f", "-o", os.devnull, *where, "-e", "trace=renameat2", "-e",
                                 "inject=renameat2:signal=SIGKILL:error=EINTR", *plain]
        scene.gateway.start(ready=not keys)
        scene.gateway.wait_end(-signal.SIGKILL)
        check_equal(scene.folders(), ["store", "store.new"], "folders")
        check(os.path.exists(scene.store + "/rollback.note"), "the old copy is where it was")
        keys.append(key_in(beside))
    check(keys[0] is None and keys[1] is not None, f"where it was killed: {keys}")
    scene.gateway.command = plain
    scene.gateway.start()
    scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check(key_in(scene.store) not in keys, "the key of a try that did not come through is used by nobody")
    # As a kill right behind the exchange leaves it.
    scene.gateway.kill()
    os.rename(scene.store + ".abandoned", scene.store + ".new")
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check_equal(scene.folders(), ["store", "store.abandoned"], "folders")
    got, _ = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")


def audit(world, scene):
    """With the anchor that was given at the beginning, the policy, and the collector's word."""
    note = os.path.join(log_folder(scene.collector.archive), "successor")
    extra = ("--succession", note, "--succession-key", scene.succession_vkey)
    world.verify(scene.collector.archive, extra=extra)
    world.verify(log_folder(scene.collector.archive, FOLLOWER), extra=extra)
    # Without it the follower is a log that nobody has named.
    _, _, code = world.run("sealring", "verify", log_folder(scene.collector.archive, FOLLOWER), "--policy",
                           world.path("policy"), "--anchor", world.path("anchor"), code=None)
    check(code != 0, "a follower is not believed for its name")


if __name__ == "__main__":
    main(("goes_on", goes_on), ("operator_enrols", operator_enrols), ("killed", killed))
