"""A gateway whose store is set back to an old copy, so that another log follows, and its collector that takes this."""
import collections
import json
import os
import shutil

from lib.compare import GrowingLog, log_folder
from lib.load import Publisher
from lib.world import ORIGIN, check_equal, wait_until

FOLLOWER = ORIGIN + "~1"
COLLECTOR_KEY = "collector.example/succession"


class Scene:
    def __init__(self, world, takes=True, quiet="0s", identity=None, **top):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", identity=identity)
        out, _ = world.run("sealring", "key", "generate", world.path("succession.key"), COLLECTOR_KEY)
        self.succession_vkey = out.strip().splitlines()[-1]
        if takes:
            with open(world.path("collector.toml"), encoding="utf-8") as f:
                text = f.read()
            world.write("collector.toml", f'succession_key = "succession.key"\nsuccession_quiet = "{quiet}"\n{text}')
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

    def last_is_recorded(self):
        """The broker has it; that sealringd has it too is not said by any count that outlasts a succession."""
        topic, payload = list(self.device.sent)[-1]
        out, _, code = self.world.run("sealring", "tail", "--json", "-n", "20", *self.config, code=None)
        return code == 0 and any(json.loads(line).get("payload") == payload.decode() for line in out.splitlines())

    def wait_receipted(self, origin=ORIGIN):
        self.publish(1)
        wait_until(self.last_is_recorded, "the last message is recorded", alive=[self.gateway])
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
