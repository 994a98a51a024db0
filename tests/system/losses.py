#!/usr/bin/python3
"""A ring that is full while the collector is away, with drop-oldest: recording goes on, what was dropped is in the log,
and when the collector is back everything else is archived. With both daemons killed on the way, with the identity key
rotated between drops, and with somebody who follows what is dropped."""
import json
import os
import signal
import subprocess

from lib.compare import GrowingLog, log_folder
from lib.load import Publisher
from lib.world import ORIGIN, PATIENCE, Raw, check, check_equal, main, program, wait_until

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

    def restart(self):
        self.gateway.stop()
        self.gateway.configure().start()
        self.gateway.wait_subscribed()

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
    check("was dropped unsent, when the ring was full" in err and str(first["index"]) in err, err)
    _, err = world.run("sealring", "prove", str(first["start"] + 1), "--config", config, code=1)
    check("were dropped unsent" in err, err)
    out, _ = world.run("sealring", "show", str(first["index"]), "--config", config, "--json")
    entry = json.loads(out)
    check_equal((entry["kind"], entry["start"], entry["end"], entry["messages"]),
                ("loss", first["start"], first["end"], first["messages"]), "the loss entry")
    out, err = world.run("sealring", "tail", "--config", config, "-n", "100000000", "--json")
    gaps = [line["skipped"] for line in map(json.loads, out.splitlines()) if "skipped" in line]
    losses = [{"from": loss["start"], "count": loss["end"] - loss["start"], "loss": loss["index"]}
              for loss in gateway.status()["losses"]]
    check(any(loss in gaps for loss in losses), f"of {losses} none is in {gaps}")
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


class SlowFollower:
    """`sealring tail -f --json` from the oldest entry on, whose lines are taken one by one."""

    def __init__(self, world, gateway):
        config = os.path.join(gateway.folder, "sealring.toml")
        self.child = world.closing(subprocess.Popen(
            [program("sealring"), "tail", "-f", "--json", "-n", "100000000", "--config", config],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        self.child.close = self.end
        self.next, self.skipped, self.kinds = None, [], {}

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def take(self):
        """One line, which must go on where the one before it ended."""
        line = self.child.stdout.readline()
        check(line, f"it ends behind entry {self.next}: {self.child.stderr.read() if not line else ''}")
        record = json.loads(line)
        gap = record.get("skipped")
        at = gap["from"] if gap else record["index"]
        check(self.next in (None, at), f"entry {at} comes, expected {self.next}")
        if gap:
            self.skipped.append(gap)
        else:
            self.kinds[record["kind"]] = self.kinds.get(record["kind"], 0) + 1
        self.next = at + (gap["count"] if gap else 1)


def followed(world):
    """tail -f while the ring drops what it reads just now, and what it has not come to."""
    scene = Scene(world)
    scene.gateway.recorder.update({"segment_age": "10min", "segment_bytes": "8MiB"})
    scene.gateway.configure()
    scene.start()
    gateway = scene.gateway
    scene.publish_until(lambda s: s["upstream"]["acknowledged_size"] > 300, "a receipt")
    gateway.wait_status(lambda s: s["recorder"]["messages"] == scene.publisher.published
                        and s["segments"]["sealed"] == 0, "the collector has all that is sealed")
    scene.collector.stop()

    def almost_full(_):
        recorded = lambda s: s["recorder"]["messages"] == scene.publisher.published  # noqa: E731
        ring = gateway.wait_status(recorded, "all is recorded")["ring"]
        return ring["free_bytes"] < ring["reserve_bytes"] + (8 << 20)

    scene.publish_until(almost_full, "it is almost full")
    check_equal(gateway.status()["losses"], [], "losses so far")
    acknowledged = gateway.status()["upstream"]["acknowledged_size"]
    tail = SlowFollower(world, gateway)
    tail.take()
    while tail.next < acknowledged:
        tail.take()
    # Of the outage the first segment stays; in the middle of the second it waits.
    handovers = tail.kinds.get("handover", 0)
    while tail.kinds.get("handover", 0) == handovers:
        tail.take()
    for _ in range(600):
        tail.take()
    check_equal(gateway.status()["losses"], [], "losses so far")

    def taking(status):
        tail.take()
        return len(status["losses"]) >= 3

    scene.publish_until(taking, "something is dropped")
    scene.publisher.wait_acknowledged()
    status = gateway.wait_status(lambda s: s["recorder"]["messages"] == scene.publisher.published, "all is there")
    size, losses = status["size"], {loss["index"]: loss for loss in status["losses"]}
    while tail.next < size:
        tail.take()
    check(len(tail.skipped) >= 3, tail.skipped)
    for gap in tail.skipped:
        loss = losses[gap["loss"]]
        check(loss["start"] <= gap["from"] and gap["from"] + gap["count"] == loss["end"], (gap, loss))
    check(tail.skipped[0]["from"] > losses[tail.skipped[0]["loss"]]["start"], "the first was being read")
    check(any(gap["from"] == losses[gap["loss"]]["start"] for gap in tail.skipped), "others were not come to")
    scene.publisher.publish("plant/last", b"one more")
    while tail.next <= size:
        tail.take()
    tail.child.send_signal(signal.SIGINT)
    check_equal(tail.child.wait(PATIENCE), 0, "exit code after Ctrl-C")
    print(f"followed: {tail.skipped} of {tail.next}", flush=True)


def rotated(world):
    """Another identity key between drops, and while losses wait: with an overlap, and then without."""
    scene = Scene(world).start()
    gateway, collector = scene.gateway, scene.collector
    scene.publish_until(lambda s: s["upstream"]["acknowledged_size"] > 300, "a receipt")
    collector.stop()
    scene.publish_until(scene.lost(2), "something is dropped")
    gateway.wait_status(lambda s: s["recorder"]["messages"] == scene.publisher.published, "all is recorded")
    out, _ = world.run("sealring", "key", "generate", os.path.join(gateway.folder, "second.key"), ORIGIN)
    world.run("sealring", "key", "rotate", os.path.join(gateway.folder, "second.key"), "--config",
              os.path.join(gateway.folder, "sealring.toml"))
    gateway.top.update({"identity_key": "second.key", "previous_identity_key": "identity.key"})
    scene.restart()
    since = gateway.wait_status(lambda s: s["keys"]["identity_since"], "the rotation is recorded")["keys"]
    check_equal(since["identity"], out.strip(), "the identity")
    scene.publish_until(scene.lost(5), "more is dropped in the overlap")
    for name in ("policy", "gateway-policy", "collector-policy"):
        with open(world.path(name), encoding="ascii") as file:
            text = file.read()
        world.write(name, text.replace(f"log {world.vkey}\n", f"log {world.vkey}\nlog {out.strip()}\n"))
    # After a start nothing is signed before the collector has answered; what is unsigned may need the key before.
    if gateway.status()["keys"]["unsigned"] == 0:
        gateway.top.pop("previous_identity_key")
    scene.restart()
    scene.publish_until(lambda s: s["losses"][-1]["index"] > since["identity_since"], "more is dropped after it")
    losses = gateway.status()["losses"]
    check(losses[0]["index"] < since["identity_since"] < losses[-1]["index"], losses)
    collector.start()
    scene.drained()
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is receipted")
    wait_until(lambda: world.verify(collector.archive, code=None)["exit_code"] == NAMED, "losses are all that is named")
    report = world.verify(collector.archive, code=NAMED)["logs"][0]
    check_equal([one["index"] for one in report["rotations"]], [since["identity_since"]], "the rotation")
    check_equal(sum(loss["messages"] for loss in report["losses"]), scene.lost_messages(), "lost, as verify says")
    print(f"rotated: {len(losses)} losses, {scene.lost_messages()} of {sum(scene.publisher.sent.values())} messages",
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
    main(("overflow", overflow), ("followed", followed), ("rotated", rotated), ("refused", refused))
