#!/usr/bin/python3
"""kill -9 of sealringd, sealring-collector and Mosquitto at random moments, while the ring wraps, seals, drains and
its identity is rotated; with oracles on the wire, what sealringd acknowledged, and at the publishers, what the broker
acknowledged.

    kills.py [--kills N] [--seed S] [MODE...]

daemons   The broker lives. Every message that it acknowledged to a publisher is in the archive exactly once, a third of
          them byte for byte the same. (Some say that they may be duplicates: after a kill the gateway cannot compare
          with what its ring has released.)
all       The broker is killed, too; what it forgets by that is its own affair and counted apart. Every message that
          sealringd acknowledged is in the archive, and no message is there more often than the broker delivered it
          anew; a repeat that cannot be recognised is flagged.
drop      when_full is drop-oldest, and the collector stays away until the ring has dropped something, and often is
          killed while it takes what is left. Every message that sealringd acknowledged is in the archive once, or, by
          its place in the order in which the broker delivered, in a hole of it; and each hole is short of just as many
          messages as the loss entry says that names it, and `verify` confirms.

The default is 18 kills over all modes. A seed repeats the moments and the victims, not what the scheduler makes of
them. It proves something only if messages were under way at kills, the ring has wrapped, and unsent segments have piled
up; with drop, if kills came right at drops, before a loss was forwarded, and while it was. Until that has happened it
goes on killing.
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

FINE, NAMED = 0, 10
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
    RECORDER = {"segment_age": "1s", "segment_entries": 2000}
    BETWEEN = MAX_BETWEEN

    def __init__(self, world, kills, seed, broker_too):
        self.world, self.kills, self.chance = world, kills, random.Random(seed)
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", inflight=0)
        self.broker_too = broker_too
        self.wire = world.closing(self.new_wire())
        if broker_too:
            with open(world.path("broker", "mosquitto.conf"), "a", encoding="ascii") as file:
                file.write("autosave_on_changes true\nautosave_interval 500\n")
        gateway = self.gateway
        gateway.broker["port"] = self.wire.port
        gateway.recorder.update(self.RECORDER)
        gateway.upstream.update({"retry_min": "50ms", "retry_max": "200ms"})
        gateway.configure()
        for part in (self.broker, self.collector, gateway):
            part.start()
        gateway.wait_subscribed()
        self.log = self.new_log(log_folder(self.collector.archive))
        self.load = world.closing(self.new_load())
        self.load.taken = 0
        self.killed = collections.Counter()
        self.under_way = self.suppressed = self.most_sealed = self.first_kept = 0
        self.away = 0  # for how many more kills the collector stays dead
        self.rotation = kills // 2

    def new_wire(self):
        return Wire(self.broker.port)

    def new_log(self, folder):
        return GrowingLog(folder)

    def new_load(self):
        size = min(max(TRAFFIC // (self.kills * self.BETWEEN // 2), LEAST), MOST)
        return (UniqueLoad if self.broker_too else Load)(self.broker.port, 1, 100, pace=REST, size=size)

    def victim(self):
        parts, weights = [self.gateway, self.collector], [6, 2]
        if self.broker_too:
            parts, weights = parts + [self.broker], weights + [1]
        return self.chance.choices(parts, weights)[0]

    def wait_moment(self):
        """Some traffic later, so that a slow machine sees as much between two kills as a fast one."""
        target, patience = self.load.acknowledged() + self.chance.randrange(self.BETWEEN), threading.Event()
        for _ in range(PATIENCE_TURNS):
            if self.load.acknowledged() >= target:
                break
            patience.wait(0.01)

    def one_kill(self, number):
        self.wait_moment()
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
        self.start_again(victim)

    def start_again(self, victim):
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

    def all_are_archived(self):
        return not self.broker_too

    def finish(self):
        """All is alive and drained: behind the load one more message has gone through the queue of the broker."""
        if self.collector.child is None:
            self.collector.start()
        sent = self.load.stop()
        last = self.world.closing(Publisher(self.broker.port, "last"))
        last.publish("plant/last", b"the last one")
        last.wait_acknowledged()
        sent += last.sent
        if not self.all_are_archived():
            wait_until(lambda: any(m.topic == b"plant/last" for m in self.log.read().messages),
                       "the last message is archived", 240, [self.gateway, self.collector])
        else:
            wait_archived(self.log, sent, [self.gateway, self.collector], 240)
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["broker"]["acks_held"] == 0, "it is idle")
        self.note_status()
        return sent


def short(payload):
    """Of a message of the load: its name and its length."""
    name, dot, rest = payload.partition(b".")
    check(not rest.strip(b"."), f"not a payload of ours: {payload[:40]}")
    return name + b"%d" % len(payload) if dot else name


class ShortPublisher(Publisher):
    named = staticmethod(short)


class ShortLoad(Load):
    PUBLISHER, SAME_EVERY, MAX_BACKLOG = ShortPublisher, None, 4000


class ShortLog(GrowingLog):
    def _add_message(self, index, fields):
        super()._add_message(index, {**fields, 19: short(fields[19])})


class DropScene(Scene):
    """The collector is away until the ring has dropped something, and then alive until that is archived; and again."""
    # Of 8 MiB each. A drop leaves one or two bundles of eight.
    RECORDER = {"segment_age": "5s", "segment_entries": 2000, "segment_bytes": "16MiB", "when_full": "drop-oldest"}
    BETWEEN, WHILE_DRAINED, PAYLOAD = 4000, 600, 4000
    AIMED = 60  # percent of the kills: at a drop, or at a loss on its way
    LATEST = 0.06  # s after what was aimed at

    def __init__(self, world, kills, seed, broker_too):
        self.heard = self.drops = 0  # of the gateway's words, and of the drops in them
        self.back, self.goal = True, 0  # whether the collector is wanted; up to which drop, or entry
        self.at_drops = self.unforwarded = self.on_the_way = self.rounds = 0
        super().__init__(world, kills, seed, broker_too)

    def new_wire(self):
        return Wire(self.broker.port, short)

    def new_log(self, folder):
        return ShortLog(folder)

    def new_load(self):
        return ShortLoad(self.broker.port, 1, 100, size=self.PAYLOAD)

    def all_are_archived(self):
        return False

    def listen(self):
        """How many drops the gateway has spoken of."""
        with open(self.gateway.log_path, "rb") as log:
            log.seek(self.heard)
            new = log.read()
        new = new[:new.rfind(b"\n") + 1]
        self.heard += len(new)
        self.drops += new.count(b"alarm: the ring is full: dropped the entries")
        return self.drops

    def staged_hole(self):
        try:
            return any(n.endswith(".skip") for n in os.listdir(os.path.join(self.log.folder, "staging")))
        except FileNotFoundError:
            return False

    def wait_moment(self):
        self.BETWEEN = self.WHILE_DRAINED if self.back else type(self).BETWEEN
        if self.chance.randrange(100) >= self.AIMED:
            super().wait_moment()
            return
        before, turn = self.listen(), threading.Event()
        target = self.load.acknowledged() + 2 * self.BETWEEN
        for _ in range(PATIENCE_TURNS * 5):
            if self.staged_hole() if self.back else self.listen() > before:
                turn.wait(self.chance.random() * self.LATEST)
                break
            if self.load.acknowledged() > target:
                break
            turn.wait(0.002)
        self.at_drops += self.listen() > before

    def victim(self):
        if not self.back:
            return self.gateway
        return self.chance.choice([self.gateway, self.collector])

    def note_status(self):
        super().note_status()
        self.on_the_way += self.staged_hole()
        status = self.gateway.status()
        size = self.log.read().range.size
        self.unforwarded += bool(status) and any(loss["index"] >= size for loss in status["losses"])

    def start_again(self, victim):
        if self.gateway.child is None:
            self.gateway.start(ready=False)
        if self.back and self.log.read().range.size > self.goal:
            self.back, self.goal = False, self.listen() + self.chance.randrange(1, 4)
            self.rounds += 1
            if self.collector.child:
                self.collector.kill()
                self.killed[self.collector.name] += 1
        elif not self.back and self.listen() >= self.goal:
            status = self.gateway.wait_status(lambda s: s["size"] > 0, "it says how large the log is")
            self.back, self.goal = True, max([loss["index"] for loss in status["losses"]], default=0)
        if self.back and self.collector.child is None:
            self.collector.start(ready=False)

    def proves_something(self):
        # Of the outages the first is over, and something went on after it.
        return (self.rounds > 1 and self.log.holes and self.at_drops > 1 and self.unforwarded > 1
                and self.on_the_way > 0)

    def story(self):
        return (super().story() + f"; {self.rounds} outages, {self.drops} drops that the gateway spoke of, of "
                f"{len(self.log.losses)}; killed {self.at_drops} times at a drop, {self.unforwarded} with a loss not "
                f"forwarded, {self.on_the_way} with one on its way")


def told(messages, scene):
    """One of them, for people."""
    message = next(iter(messages))
    places = [(m.index, m.packet_id, "DUP" if m.dup else "", m.duplicate_of) for m in scene.log.messages
              if (m.topic, m.payload) == message]
    return (f"{message[0]} {message[1][:24]}: delivered {scene.wire.delivered[message]}, repeated "
            f"{scene.wire.repeated[message]}, acknowledged {scene.wire.acknowledged[message]}, in the log as (index, "
            f"packet id, DUP, duplicate of) {places}")


def check_holes(scene):
    """Each hole had as many messages as its loss entry says: those that come next, in the order of delivery, after what
    is before it in the log. They are not archived, or again, with a flag. Returns those that are not."""
    order, log = scene.wire.order, scene.log
    names, dropped, last = list(order), set(), -1
    archived = {(m.topic, m.payload) for m in log.messages}
    anew = {(m.topic, m.payload) for m in log.messages if not m.duplicate_of}
    check_equal(sorted((hole.start, hole.end) for hole in log.holes if hole.loss_index not in log.losses), [],
                "holes whose loss entry is not archived")
    holes = {hole.loss_index: hole for hole in log.holes}
    for index, fields in sorted(log.losses.items(), key=lambda one: one[1][16]):
        hole, (start, end, messages) = holes.pop(index, None), (fields[16], fields[17], fields[19])
        first = end if hole is None else hole.first
        check(hole is None or (hole.start, hole.end) == (start, end), f"the hole at {start} is another one")
        came = sum(start <= m.index < first for m in log.messages)  # before it was dropped
        if hole is None:
            check_equal(came, messages, f"messages of [{start}, {end}), all of which came before they were dropped")
            continue
        before = max((order[m.topic, m.payload] for m in log.messages if m.index < first), default=-1)
        begin = max(last, before) + 1
        last = begin + messages - came - 1
        here = set(names[begin:last + 1])
        check(len(here) == messages - came <= end - first and not here & anew,
              f"entry {index} says {messages} messages of [{start}, {end}), of which {came} came; of the others "
              f"{len(here & anew)} are archived elsewhere")
        dropped |= here - archived
    check(not holes, f"holes without a loss entry: {holes}")
    return dropped


def check_wire(scene):
    """Words are about single messages; of the ones that are alike, only their number says something."""
    wire, log = scene.wire, scene.log
    check(not wire.trouble, wire.trouble)
    anew = collections.Counter((m.topic, m.payload) for m in log.messages if not m.duplicate_of)
    every = collections.Counter((m.topic, m.payload) for m in log.messages)
    dropped = check_holes(scene)
    lost = [m for m in wire.acknowledged if m not in every and m not in dropped]
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
    check(not log.losses or scene.RECORDER.get("when_full"), "something was dropped")
    flagged = len(log.flagged())
    print(f"{sum(wire.delivered.values())} delivered, {sum(wire.repeated.values())} repeated, "
          f"{sum(wire.acknowledged.values())} acknowledged by sealringd, {len(log.messages)} archived in "
          f"{len(log.files)} segments, {flagged} flagged as possible duplicates", flush=True)


def check_losses(scene, report):
    """What `verify` says of the archive's losses is what was found here."""
    log = scene.log
    first = {hole.loss_index: hole.first for hole in log.holes}
    wanted = [(f[16], f[17], index, f[19], f[17] - first.get(index, f[17])) for index, f in log.losses.items()]
    got = [tuple(loss[name] for name in ("start", "end", "index", "messages", "missing"))
           for loss in report["logs"][0]["losses"]]
    check_equal(sorted(got), sorted(wanted), "losses, as verify says")


def killed(world, kills, seed, mode):
    broker_too = mode == "all"
    scene = MODES[mode](world, kills, seed, broker_too)
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
    elif mode == "drop":
        got = collections.Counter((m.topic, m.payload) for m in scene.log.messages)
        anew = collections.Counter((m.topic, m.payload) for m in scene.log.messages if not m.duplicate_of)
        dropped = collections.Counter(check_holes(scene))
        for words, rest in (("lost", sent - got - dropped), ("more than once, and not flagged", anew + dropped - sent)):
            check(not rest, f"{sum(rest.values())} messages {words}")
    else:
        words = differences(sent, scene.log)
        check(not words, words)
    print(scene.story(), flush=True)
    rotated = [n for n in os.listdir(os.path.join(scene.gateway.folder, "store")) if n.startswith("rotation-")]
    check_equal(len(rotated), 1, "statements of a rotation that was recorded")
    world.verify(scene.gateway.folder + "/store", code=UNPROVEN)
    check_losses(scene, world.verify(scene.collector.archive, code=NAMED if scene.log.losses else FINE))
    scene.gateway.stop()
    world.verify(scene.gateway.folder + "/store", code=UNPROVEN)


MODES = {"daemons": Scene, "all": Scene, "drop": DropScene}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("SEALRING_TORTURE_KILLS", "18")))
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("SEALRING_SEED", random.SystemRandom().randrange(1 << 32))))
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"{', '.join(MODES)}; by default all of these")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    modes = arguments.modes or list(MODES)
    if set(modes) - set(MODES):
        parser.error(f"the modes are {', '.join(MODES)}")
    passed = True
    for mode in modes:
        kills = max(1, arguments.kills // len(modes))
        print(f"{mode}: {kills} kills, seed {arguments.seed}", flush=True)
        passed &= run(f"kills-{mode}", lambda world, m=mode, n=kills: killed(world, n, arguments.seed, m))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
