#!/usr/bin/python3
"""Broker away, collector away, both, in any order, a link that breaks in mid-upload, a full ring: nothing is lost, it
comes back by itself, memory stays flat, and the diagnostics stay readable."""
import threading

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Load, Publisher
from lib.world import Failure, check, main, wait_until
from relay import Relay

# Resident memory of its own (RssAnon: LMDB's mapping of the ring is file pages) that may come on top in 10 000
# messages. Up to 50 000 packet ids are remembered, which is 150 KiB of it.
FLAT_KIB = 2 * 1024
MEMORY_KIB = 64 * 1024  # of sealringd at the most: a queue of 4 MiB, 16 MiB of redeliveries held, uploads of 4 MiB
FULL_KIB = 32 * 1024    # in a full ring and after it is drained: what an upload needed goes back to the system
LINES_PER_OUTAGE = 12  # of diagnostics, of either daemon, however long the outage
MESSAGES = 3000        # during each outage
PACE = (20, 0.03)      # with two publishers 1 300 a second: the backlog of half a minute stays below 65 536 packet ids


class Scene:
    """Everything runs, with relays where the two links are."""

    def __init__(self, world, ring_size="256MiB", **recorder):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size=ring_size, inflight=0)
        self.to_broker = world.closing(Relay("127.0.0.1", self.broker.port))
        self.to_collector = world.closing(Relay("127.0.0.1", self.collector.port))
        self.gateway.recorder.update({"segment_age": "1s", "segment_entries": 1000, **recorder})
        self.gateway.broker["port"] = self.to_broker.port
        self.gateway.upstream["url"] = f"https://127.0.0.1:{self.to_collector.port}"
        self.gateway.configure()
        self.broker.start()
        self.log = GrowingLog(log_folder(self.collector.archive))

    def start(self):
        self.collector.start()
        self.gateway.start()
        self.wait_connected()
        return self

    def wait_connected(self):
        self.gateway.wait_subscribed()

    def wait_idle(self):
        return self.gateway.wait_status(
            lambda s: s["segments"]["sealed"] == 0 and s["broker"]["acks_held"] == 0 and s["upstream"]["reachable"],
            "everything is acknowledged in both directions")

    def load(self, name, **kwargs):
        return self.world.closing(Load(self.broker.port, 1, window=200, name=name, **kwargs))

    def more(self, load, count=MESSAGES):
        """Until the broker has acknowledged so many more."""
        target = load.acknowledged() + count
        wait_until(lambda: load.check() or load.acknowledged() >= target, f"{count} more messages are published",
                   alive=[self.broker])

    def archived(self, sent):
        wait_archived(self.log, sent, alive=[self.gateway, self.collector])
        self.world.verify_live(self.collector.archive)


def outage(scene, load, away):
    """`away`: list of (cut, restore) in the order to cut; restored in that order, and once more in the other."""
    for order in (away, list(reversed(away))) if len(away) > 1 else (away,):
        for cut, _ in away:
            cut()
            scene.more(load)
        for _, restore in order:
            restore()
            scene.more(load, MESSAGES // 3)
        scene.wait_connected()


def links(world):
    """Both links cut and restored in all orders, under load."""
    scene = Scene(world).start()
    daemons = (scene.gateway, scene.collector)
    broker = (scene.to_broker.cut, scene.to_broker.restore)
    collector = (scene.to_collector.cut, scene.to_collector.restore)
    load = scene.load("warm-up", pace=PACE)
    scene.more(load)
    outage(scene, load, [broker, collector])
    total = load.stop()
    scene.archived(total)
    scene.wait_idle()

    # The collector away for 10 000 messages, with all buffers used before: flat.
    before = {p.name: p.memory_kib() for p in daemons}
    load = scene.load("flat", pace=PACE)
    collector[0]()
    scene.more(load, 10000)
    collector[1]()
    total += load.stop()
    scene.archived(total)
    scene.wait_idle()
    for p in daemons:
        grown = p.memory_kib() - before[p.name]
        print(f"{p.name}: {before[p.name]} KiB of memory, {grown:+} KiB after 10 000 messages more", flush=True)
        check(grown < FLAT_KIB, f"{p.name} grew by {grown} KiB")

    lines = {p.name: len(p.lines()) for p in daemons}
    load = scene.load("outage", pace=PACE)
    for away in ([broker], [collector, broker]):
        outage(scene, load, away)
    total += load.stop()
    scene.archived(total)
    scene.wait_idle()
    for p in daemons:
        memory, said = p.memory_kib(), len(p.lines()) - lines[p.name]
        print(f"{p.name}: {memory} KiB of memory in the end (VmRSS {p.memory_kib('VmRSS')}), {said} lines of "
              "diagnostics in three outages", flush=True)
        check(memory < MEMORY_KIB, f"{p.name} has {memory} KiB")
        check(said <= LINES_PER_OUTAGE * 3, f"{p.name} said {said} lines in three outages")
    flagged = len(scene.log.flagged())
    print(f"links: {sum(total.values())} messages, {flagged} flagged as possible duplicates", flush=True)
    check(flagged == 0, "the session was there each time: nothing is a possible duplicate")


def backlog_and_kill(world):
    """A long backlog comes down at once (Mosquitto 2.0.11 forgets Receive Maximum for what it had queued), the link
    loses the acknowledgements, and then the process is killed: tens of thousands of messages come again, each is
    recognised."""
    scene = Scene(world).start()
    scene.to_broker.cut()
    load = scene.load("backlog", size=300)
    scene.more(load, 30000)
    total = load.stop()
    before = scene.gateway.status()["recorder"]["messages"]
    sent = sum(total.values())
    scene.to_broker.restore(swallow_after=1000)  # a new session's packets and some of the acknowledgements
    scene.gateway.wait_status(lambda s: s["recorder"]["messages"] - before == sent, "the backlog is recorded")
    scene.gateway.kill()
    scene.to_broker.cut()
    scene.to_broker.restore()
    scene.gateway.start()
    scene.archived(total)
    # All that the relay swallowed; what got through was a few hundred.
    status = scene.gateway.wait_status(lambda s: s["recorder"]["suppressed_redeliveries"] > sent - 1000,
                                       f"of {sent} messages nearly all came again and were recognised")
    recognised, memory = status["recorder"]["suppressed_redeliveries"], scene.gateway.memory_kib()
    print(f"backlog_and_kill: {recognised} of {sent} recognised, {len(scene.log.flagged())} flagged; {memory} KiB of "
          "memory", flush=True)
    check(memory < MEMORY_KIB, f"sealringd has {memory} KiB")
    check(not scene.log.flagged(), "nothing is a possible duplicate")


def cuts_in_redelivery(world):
    """The broker's link breaks again while it sends again what was under way, and stays away for longer than the
    recorder waits for the rest: what is in the log is not recorded a second time."""
    scene = Scene(world).start()
    load = scene.load("again", pace=PACE)
    for _ in range(4):  # with backoff, the last times away are longer than that wait
        scene.to_broker.cut()
        scene.more(load, MESSAGES // 2)
        scene.to_broker.restore()
        scene.gateway.wait_status(lambda s: s["broker"]["connected"], "it is connected to the broker")
    total = load.stop()
    scene.archived(total)
    status = scene.wait_idle()
    suppressed = status["recorder"]["suppressed_redeliveries"]
    print(f"cuts_in_redelivery: {sum(total.values())} messages, {suppressed} redeliveries recognised, "
          f"{len(scene.log.flagged())} flagged", flush=True)
    check(suppressed > 0, "no redelivery was recognised: the cuts came at the wrong moments")
    check(not scene.log.flagged(), "nothing is a possible duplicate")


def daemons_away(world):
    """The broker and the collector themselves end and come back; the collector is away at the start, too."""
    scene = Scene(world)
    gateway, collector, broker = scene.gateway, scene.collector, scene.broker
    gateway.start()  # no collector yet
    scene.wait_connected()
    load = scene.load("early", pace=PACE)
    scene.more(load)
    gateway.wait_status(lambda s: s["segments"]["sealed"] >= 2 and not s["upstream"]["reachable"],
                        "segments wait for the collector")
    gateway.wait_said("warning", "forwarding waits")
    collector.start()
    gateway.wait_said("forwarding goes on")
    said = [line for line in gateway.lines() if "forwarding" in line]
    check(len(said) <= LINES_PER_OUTAGE, f"{len(said)} lines about one outage: {said}")
    scene.more(load)
    total = load.stop()
    scene.archived(total)

    broker.stop()  # keeps the session and what is queued on its disk
    gateway.wait_status(lambda s: not s["broker"]["connected"], "it notices that the broker is away")
    collector.stop()
    broker.start()
    scene.wait_connected()
    load = scene.load("later", pace=PACE)
    scene.more(load)
    gateway.stop()  # while the collector is away
    scene.more(load)
    gateway.start()
    scene.more(load, 500)
    collector.start()
    total += load.stop()
    scene.archived(total)
    check(not scene.log.flagged(), "nothing is a possible duplicate")
    gateway.stop()


def starts_without_broker(world):
    """It starts, says what is missing, and connects when the broker comes."""
    scene = Scene(world)
    scene.broker.stop()
    scene.collector.start()
    scene.gateway.start()
    scene.gateway.wait_said("warning", "broker")
    scene.broker.start()
    scene.wait_connected()
    load = scene.load("late")
    scene.more(load, 500)
    scene.archived(load.stop())


def broken_uploads(world):
    """The link breaks after n bytes of an upload, many n: every piece that was taken counts, nothing is torn."""
    scene = Scene(world, segment_entries=20000).start()
    scene.to_collector.cut()
    load = scene.load("big", size=1000)
    scene.more(load, 6000)
    total = load.stop()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] >= 1, "a segment waits")
    cuts = 0
    for after in (1, 700, 1500, 3000, 8000, 20000, 60000, 150000, 300000, 500000, 900000):
        scene.to_collector.cut_after(after)  # forgotten by restore()
        scene.to_collector.restore()
        scene.to_collector.cut_after(after)
        up = scene.to_collector.bytes_up
        try:
            wait_until(lambda: scene.to_collector.bytes_up >= up + after or idle(scene), "the link broke", 20)
        except Failure:
            raise Failure(f"no upload of {after} bytes was tried") from None
        cuts += not idle(scene)
    scene.to_collector.restore()
    scene.archived(total)
    print(f"broken_uploads: {cuts} uploads broken off", flush=True)
    check(cuts >= 5, f"only {cuts} uploads were broken off: the segments are too small for this test")


def idle(scene):
    status = scene.gateway.status()
    return status is not None and status["segments"]["sealed"] == 0


def full_ring(world):
    """64 MiB of ring and no collector: acknowledging stops, the broker holds; it goes on when there is room."""
    scene = Scene(world, ring_size="64MiB", segment_bytes="4MiB", segment_entries=100000)
    scene.gateway.start()
    scene.wait_connected()
    publisher = world.closing(Publisher(scene.broker.port, "bulk", window=50))
    block = bytes(range(256)) * 80
    for i in range(4600):  # 90 MiB
        publisher.publish(f"bulk/{i % 5}", f"{i} ".encode() + block)
    publisher.wait_acknowledged()
    status = scene.gateway.wait_status(lambda s: s["recorder"]["waiting_for_room"], "the ring is full")
    recorded = status["recorder"]["messages"]
    check(1000 < recorded < 4600, f"{recorded} messages fit the ring")
    scene.gateway.wait_status(lambda s: s["broker"]["acks_held"] > 0, "acknowledgements are held")
    scene.gateway.wait_said("warning", "acknowledging stops")
    scene.gateway.stop()  # in this state, too
    scene.gateway.start()
    full = scene.gateway.wait_status(lambda s: s["recorder"]["waiting_for_room"], "the ring is full after the restart")
    check(full["ring"]["first_index"] == 0, "nothing unsent was released")
    before = scene.gateway.memory_kib()
    scene.collector.start()
    wait_archived(scene.log, publisher.sent, alive=[scene.gateway, scene.collector])
    scene.gateway.wait_said("acknowledging goes on")
    status = scene.wait_idle()
    check(status["ring"]["first_index"] > 0, "receipted segments were released")
    check(not scene.log.flagged(), "nothing is a possible duplicate")
    world.verify_live(scene.collector.archive)
    world.verify(scene.gateway.folder + "/store", code=(0, 11))
    grown = scene.gateway.memory_kib() - before
    print(f"full_ring: {recorded} of 4600 messages fit; {before} KiB of memory when full, {grown:+} KiB after (VmRSS "
          f"{scene.gateway.memory_kib('VmRSS')})", flush=True)
    check(max(before, before + grown) < FULL_KIB, f"sealringd has {before} KiB, then {before + grown}")
    lines = len(scene.gateway.lines())
    check(lines <= LINES_PER_OUTAGE * 4, f"sealringd said {lines} lines")


def quiet_collector(world):
    """The link is up but swallows everything, as a broken NAT does: the timeout ends the call, the next one works."""
    scene = Scene(world)
    scene.gateway.upstream["timeout"] = "1s"
    scene.gateway.configure()
    hole = world.closing(Hole(scene.to_collector))
    scene.gateway.start()
    scene.collector.start()
    scene.wait_connected()
    load = scene.load("hole")
    scene.more(load, 1000)
    scene.gateway.wait_said("warning", "forwarding waits")
    hole.close()
    scene.archived(load.stop())


class Hole:
    """Takes the place of a relay: accepts and never answers, until close() gives the place back."""

    def __init__(self, relay):
        import socket
        self.relay = relay
        relay.cut()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", relay.port))
        self.listener.listen(16)
        self.peers, self.open = [], True
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        import socket
        while True:
            try:
                self.peers.append(self.listener.accept()[0])
            except (OSError, socket.timeout):
                return

    def close(self):
        import socket
        if self.open:
            self.open = False
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.thread.join(5)
            for peer in self.peers:
                peer.close()
            self.relay.restore()


if __name__ == "__main__":
    main(("links", links), ("cuts_in_redelivery", cuts_in_redelivery), ("backlog_and_kill", backlog_and_kill),
         ("daemons_away", daemons_away), ("starts_without_broker", starts_without_broker),
         ("broken_uploads", broken_uploads), ("full_ring", full_ring), ("quiet_collector", quiet_collector))
