#!/usr/bin/python3
"""kill -9 of sealringd, sealring-collector and Mosquitto at random moments, while the ring wraps, seals, drains and
its identity is rotated; with two oracles: what sealringd acknowledged on the wire, and what the broker acknowledged to
the publishers.

    kills.py [--kills N] [--seed S] [MODE...]

daemons   The broker lives. Every message that it acknowledged to a publisher is in the archive exactly once, a third of
          them byte for byte the same. (Some say that they may be duplicates: after a kill the gateway cannot compare
          with what its ring has released.)
all       The broker is killed, too; what it forgets by that is its own affair and counted apart. Every message that
          sealringd acknowledged is in the archive, and no message is there more often than the broker delivered it
          anew; a repeat that cannot be recognised is flagged.

The default is 12 kills over both modes. A seed repeats the moments and the victims, not what the scheduler makes of
them. It proves something only if messages were under way at kills, the ring has wrapped, and unsent segments have piled
up; until that has happened it goes on killing.
"""
import argparse
import collections
import os
import random
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from lib.compare import GrowingLog, differences, log_folder, wait_archived  # noqa: E402
from lib.load import Load, Publisher  # noqa: E402
from lib.wire import Wire  # noqa: E402
from lib.world import ORIGIN, check, check_equal, run, wait_until  # noqa: E402

FINE = 0
UNPROVEN = 11  # of a store whose entry 0 has been released: which log it is, the archive shows
MAX_BETWEEN = 800  # messages between two kills
PATIENCE_TURNS = 500  # of 10 ms; then it is killed all the same
TRAFFIC = 150 << 20  # bytes of payload in a run at least, so that a ring of 64 MiB wraps
REST = (15, 0.03)  # (messages, s) of each of the two publishers
LEAST, MOST = 150, 16000  # bytes of a payload


class Persistent(Publisher):
    """Survives the broker: connects again at once and repeats what is not acknowledged. All its messages differ."""

    def __init__(self, port, name, window):
        super().__init__(port, name, window)
        self.client.reconnect_delay_set(1, 1)

    def on_disconnect(self, *_):
        pass


class UniqueLoad(Load):
    PUBLISHER, SAME_EVERY = Persistent, None


class Scene:
    def __init__(self, world, kills, seed, broker_too):
        self.world, self.kills, self.chance = world, kills, random.Random(seed)
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", inflight=0)
        self.broker_too = broker_too
        self.wire = world.closing(Wire(self.broker.port))
        if broker_too:
            with open(world.path("broker", "mosquitto.conf"), "a", encoding="ascii") as file:
                file.write("autosave_on_changes true\nautosave_interval 500\n")
        gateway = self.gateway
        gateway.broker["port"] = self.wire.port
        gateway.recorder.update({"segment_age": "1s", "segment_entries": 2000})
        gateway.upstream.update({"retry_min": "50ms", "retry_max": "200ms"})
        gateway.configure()
        for part in (self.broker, self.collector, gateway):
            part.start()
        gateway.wait_subscribed()
        self.log = GrowingLog(log_folder(self.collector.archive))
        size = min(max(TRAFFIC // (kills * MAX_BETWEEN // 2), LEAST), MOST)
        self.load = world.closing((UniqueLoad if broker_too else Load)(self.broker.port, 1, 100, pace=REST, size=size))
        self.load.taken = 0
        self.killed = collections.Counter()
        self.under_way = self.suppressed = self.most_sealed = self.first_kept = 0
        self.away = 0  # for how many more kills the collector stays dead
        self.rotation = kills // 2

    def victim(self):
        parts, weights = [self.gateway, self.collector], [6, 2]
        if self.broker_too:
            parts, weights = parts + [self.broker], weights + [1]
        return self.chance.choices(parts, weights)[0]

    def one_kill(self, number):
        # The random moment: some traffic later, so that a slow machine sees as much between two kills as a fast one.
        target, patience = self.load.acknowledged() + self.chance.randrange(MAX_BETWEEN), threading.Event()
        for _ in range(PATIENCE_TURNS):
            if self.load.acknowledged() >= target:
                break
            patience.wait(0.01)
        victim = self.victim()
        if victim is self.collector and self.collector.child is None:
            victim = self.gateway
        self.note_status()
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait_end(-signal.SIGKILL)
        self.killed[victim.name] += 1
        self.load.check()
        check(not self.wire.trouble, self.wire.trouble)
        if number == self.rotation:
            self.rotate()
        if victim is self.collector:
            self.away = self.chance.choice([0, 0, 1, 4])
        elif self.away:
            self.away -= 1
        if self.collector.child is None and self.away == 0:
            self.collector.start(ready=False)
        if victim is not self.collector and victim.child is None:
            victim.start(**({"ready": False} if victim is self.gateway else {}))

    def note_status(self):
        status = self.gateway.status()
        if not status:
            return
        self.load.taken = status["size"]
        self.under_way += status["broker"]["acks_held"] > 0
        self.suppressed += status["recorder"]["suppressed_redeliveries"]
        self.most_sealed = max(self.most_sealed, status["segments"]["sealed"])
        self.first_kept = status["ring"]["first_index"]

    def proves_something(self):
        return self.suppressed > 0 and self.first_kept > 0 and self.most_sealed > 1

    def story(self):
        return (f"{sum(self.killed.values())} kills: {dict(self.killed)}; {self.under_way} with acknowledgements held, "
                f"{self.suppressed} redeliveries recognised, {self.most_sealed} unsent segments at most, first entry "
                f"still in the ring {self.first_kept}")

    def rotate(self):
        """Prepared now, recorded by the next start, wherever that is killed."""
        world, gateway = self.world, self.gateway
        path = os.path.join(gateway.folder, "second.key")
        world.run("sealring", "key", "generate", path, ORIGIN)
        world.run("sealring", "key", "rotate", path, "--config", os.path.join(gateway.folder, "sealring.toml"))
        if gateway.child:
            gateway.kill()
            self.killed[gateway.name] += 1
        gateway.top.update({"identity_key": "second.key", "previous_identity_key": "identity.key"})
        gateway.configure()
        if gateway.child is None:
            gateway.start(ready=False)

    def finish(self):
        """All is alive and drained: behind the load one more message has gone through the queue of the broker."""
        if self.collector.child is None:
            self.collector.start()
        sent = self.load.stop()
        last = self.world.closing(Publisher(self.broker.port, "last"))
        last.publish("plant/last", b"the last one")
        last.wait_acknowledged()
        sent += last.sent
        if self.broker_too:
            wait_until(lambda: any(m.topic == b"plant/last" for m in self.log.read().messages),
                       "the last message is archived", 240, [self.gateway, self.collector])
        else:
            wait_archived(self.log, sent, [self.gateway, self.collector], 240)
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["broker"]["acks_held"] == 0, "it is idle")
        self.note_status()
        return sent


def told(messages, scene):
    """One of them, for people."""
    message = next(iter(messages))
    places = [(m.index, m.packet_id, "DUP" if m.dup else "", m.duplicate_of) for m in scene.log.messages
              if (m.topic, m.payload) == message]
    return (f"{message[0]} {message[1][:24]}: delivered {scene.wire.delivered[message]}, repeated "
            f"{scene.wire.repeated[message]}, acknowledged {scene.wire.acknowledged[message]}, in the log as (index, "
            f"packet id, DUP, duplicate of) {places}")


def check_wire(scene):
    """Words are about single messages; of the ones that are alike, only their number says something."""
    wire, log = scene.wire, scene.log
    check(not wire.trouble, wire.trouble)
    anew = collections.Counter((m.topic, m.payload) for m in log.messages if not m.duplicate_of)
    every = collections.Counter((m.topic, m.payload) for m in log.messages)
    lost = [m for m in wire.acknowledged if m not in every]
    check(not lost, f"sealringd acknowledged {len(lost)} messages that are not in the archive, such as "
          f"{told(lost, scene) if lost else ''}")
    # What a broker had queued and never sent it may also mark as a repeat: so one of each may be new.
    known = collections.Counter({m: max(1, wire.delivered[m]) for m in wire.delivered + wire.repeated})
    twice = anew - known if scene.broker_too else {}  # else see killed()
    check(not twice, f"{sum(twice.values())} recorded as new more often than delivered, such as "
          f"{told(twice, scene) if twice else ''}")
    invented = every - wire.delivered - wire.repeated
    check(not invented, f"{sum(invented.values())} archived and never delivered: "
          f"{told(invented, scene) if invented else ''}")
    flagged = len(log.flagged())
    print(f"{sum(wire.delivered.values())} delivered, {sum(wire.repeated.values())} repeated, "
          f"{sum(wire.acknowledged.values())} acknowledged by sealringd, {len(log.messages)} archived in "
          f"{len(log.files)} segments, {flagged} flagged as possible duplicates", flush=True)


def killed(world, kills, seed, broker_too):
    scene = Scene(world, kills, seed, broker_too)
    number = 0
    while number < kills or not scene.proves_something():
        check(number < 3 * kills + 100, f"after {number} kills: {scene.story()}")
        scene.one_kill(number)
        number += 1
    sent = scene.finish()
    check_wire(scene)
    if broker_too:
        got = collections.Counter((m.topic, m.payload) for m in scene.log.messages)
        forgotten = sum((sent - got).values())
        print(f"{sum(sent.values())} acknowledged by the broker, of which it forgot {forgotten} when it was killed, "
              "before it delivered them", flush=True)
        check(forgotten < sum(sent.values()) // 2, f"the broker forgot {forgotten}: hardly anything was tested")
    else:
        words = differences(sent, scene.log)
        check(not words, words)
    print(scene.story(), flush=True)
    rotated = [n for n in os.listdir(os.path.join(scene.gateway.folder, "store")) if n.startswith("rotation-")]
    check_equal(len(rotated), 1, "statements of a rotation that was recorded")
    world.verify(scene.gateway.folder + "/store", code=UNPROVEN)
    check_equal(world.verify(scene.collector.archive)["exit_code"], FINE, "the archive")
    scene.gateway.stop()
    world.verify(scene.gateway.folder + "/store", code=UNPROVEN)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("SEALRING_TORTURE_KILLS", "12")))
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("SEALRING_SEED", random.SystemRandom().randrange(1 << 32))))
    parser.add_argument("modes", nargs="*", metavar="MODE", help="daemons, all; by default both")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    modes = arguments.modes or ["daemons", "all"]
    if set(modes) - {"daemons", "all"}:
        parser.error("the modes are daemons and all")
    passed = True
    for mode in modes:
        kills = max(1, arguments.kills // len(modes))
        print(f"{mode}: {kills} kills, seed {arguments.seed}", flush=True)
        passed &= run(f"kills-{mode}", lambda world, m=mode, n=kills: killed(world, n, arguments.seed, m == "all"))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
