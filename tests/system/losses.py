#!/usr/bin/python3
"""A ring that is full while the collector is away, with drop-oldest: recording goes on, what was dropped is in the log,
and when the collector is back everything else is archived. With both daemons killed on the way."""
import json
import os

from lib.compare import GrowingLog, log_folder
from lib.load import Publisher
from lib.world import Raw, check, check_equal, main, wait_until

PAYLOAD = bytes(range(256)) * 16  # 4 KiB
NAMED = 10


class Scene:
    def __init__(self, world, **upstream):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", inflight=0)
        self.gateway.recorder.update({"segment_age": "2s", "segment_bytes": "2MiB", "when_full": "drop-oldest"})
        self.gateway.upstream.update(upstream)
        self.gateway.configure()
        self.log = GrowingLog(log_folder(self.collector.archive))

    def start(self):
        self.broker.start()
        self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.publisher = self.world.closing(Publisher(self.broker.port, "plant", window=50))
        return self

    def publish_until(self, enough, what, limit=60000):
        """Messages of 4 KiB, each another one."""
        for _ in range(limit):
            n = self.publisher.published
            self.publisher.publish(f"plant/{n % 7}", f"{n} ".encode() + PAYLOAD)
            if n % 200 == 0 and enough(self.gateway.status()):
                return
        check(False, f"{limit} messages, and not: {what}")

    def lost(self, count):
        return lambda status: len(status["losses"]) >= count

    def drained(self):
        """Everything is archived, but for what the losses cover; each message once."""
        sent = self.publisher.sent
        self.publisher.wait_acknowledged()

        def complete():
            self.log.read()
            return len(self.log.messages) + self.lost_messages() >= sum(sent.values())

        wait_until(complete, "all is archived or lost", 300, alive=[self.gateway, self.collector])
        got = {}
        for message in self.log.messages:
            got[message.topic, message.payload] = got.get((message.topic, message.payload), 0) + 1
        check(all(n == 1 and sent[key] == 1 for key, n in got.items()), "each message is archived once")
        check_equal(len(got) + self.lost_messages(), sum(sent.values()), "messages archived, and those lost")
        check_equal(sorted((hole.start, hole.end, hole.loss_index) for hole in self.log.holes),
                    sorted((f[16], f[17], index) for index, f in self.log.losses.items()), "holes, and loss entries")

    def lost_messages(self):
        return sum(fields[19] for fields in self.log.losses.values())


def overflow(world):
    scene = Scene(world).start()
    gateway, collector = scene.gateway, scene.collector
    scene.publish_until(lambda s: s["upstream"]["acknowledged_size"] > 300, "a receipt")
    collector.stop()
    gateway.wait_said("warning", "forwarding waits")
    scene.publish_until(scene.lost(3), "something is dropped")
    check(not gateway.status()["recorder"]["waiting_for_room"], "recording goes on")
    gateway.wait_said("error", "alarm: the ring is full: dropped the entries")

    # The words of those who look for what is not there.
    first = gateway.status()["losses"][0]
    config = os.path.join(gateway.folder, "sealring.toml")
    _, err = world.run("sealring", "show", str(first["start"]), "--config", config, code=1)
    check("was dropped unsent when the ring was full" in err and str(first["index"]) in err, err)
    _, err = world.run("sealring", "prove", str(first["start"] + 1), "--config", config, code=1)
    check("were dropped unsent" in err, err)
    out, _ = world.run("sealring", "show", str(first["index"]), "--config", config, "--json")
    entry = json.loads(out)
    check_equal((entry["kind"], entry["start"], entry["end"], entry["messages"]),
                ("loss", first["start"], first["end"], first["messages"]), "the loss entry")
    out, err = world.run("sealring", "tail", "--config", config, "-n", "100000000", "--json")
    gaps = [line["skipped"] for line in map(json.loads, out.splitlines()) if "skipped" in line]
    check({"from": first["start"], "count": first["end"] - first["start"], "loss": first["index"]} in gaps, gaps)
    out, _ = world.run("sealring", "status", "--config", config)
    check("LOST" in out and f"entries {first['start']} to {first['end'] - 1}" in out, out)

    gateway.kill()
    out, _ = world.run("sealring", "status", "--config", config, "--json")
    check(first in json.loads(out)["losses"], "the losses of a store without its daemon")
    report = world.verify(os.path.join(gateway.folder, "store"), code=(NAMED, 11))
    check(any(loss["start"] == first["start"] for loss in report["logs"][0]["losses"]), report["logs"][0]["losses"])
    gateway.start()
    gateway.wait_subscribed()
    scene.publish_until(scene.lost(8), "more is dropped")

    collector.start()
    wait_until(lambda: scene.log.read().holes, "the first hole is archived", 120, alive=[gateway, collector])
    collector.kill()
    collector.start()
    gateway.kill()
    gateway.start()
    gateway.wait_subscribed()
    collector.wait_said("error", "LOSS: entries [", "were dropped unsent")
    scene.drained()
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
    wait_until(lambda: world.verify(collector.archive, code=None)["exit_code"] == NAMED, "losses are all that is named")
    report = world.verify(collector.archive, code=NAMED)["logs"][0]
    losses = report["losses"]
    check_equal(sum(loss["messages"] for loss in losses), scene.lost_messages(), "messages lost, as verify says")
    check(all(loss["missing"] == loss["end"] - loss["start"] for loss in losses), losses)
    _, err = world.run("sealring", "show", str(first["start"]), "--from", collector.archive, code=1)
    check("was dropped unsent" in err, err)
    print(f"overflow: {len(losses)} losses, {scene.lost_messages()} of {sum(scene.publisher.sent.values())} messages",
          flush=True)


def refused(world):
    """drop-oldest only where somebody takes it."""
    scene = Scene(world, foreign_mirror=Raw("true"))
    config = os.path.join(scene.gateway.folder, "sealring.toml")
    out, err = world.run("sealring", "check", "--config", config, code=None)[:2]
    check("goes with no foreign_mirror" in out + err, out + err)
    scene.gateway.upstream = {}
    scene.gateway.configure()
    out, err = world.run("sealring", "check", "--config", config, code=None)[:2]
    check("needs an [upstream]" in out + err, out + err)


if __name__ == "__main__":
    main(("overflow", overflow), ("refused", refused))
