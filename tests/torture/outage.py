#!/usr/bin/python3
"""A day of traffic with the collector away, then the drain: memory flat, files flat, order kept, nothing lost.

    outage.py [--messages N]

The day is one of ten messages a second, a segment every ten minutes: 864 000 messages in 144 segments or half as many,
sent as fast as they are taken. The default is a twenty-fourth of it, with as many segments.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from lib.compare import GrowingLog, log_folder  # noqa: E402
from lib.load import Publisher  # noqa: E402
from lib.world import check, check_equal, run, wait_until  # noqa: E402

DAY, SEGMENTS = 864000, 144
WINDOW = 500
BODY = 180  # bytes; with topic, properties and the rest of an entry about 300 in the ring
SLACK_KIB = 6 * 1024  # of anonymous memory: what an allocator may keep, far below what a day would take
FINE = 0


class Sizes:
    """Of all files beside the daemon, as (bytes, blocks): what could grow when nothing can be sent."""

    def __init__(self, folder):
        self.files = {}
        for parent, _, names in os.walk(folder):
            for name in names:
                try:
                    s = os.stat(os.path.join(parent, name))
                except FileNotFoundError:
                    continue  # an epoch's key that has just been wiped
                self.files[os.path.relpath(os.path.join(parent, name), folder)] = (s.st_size, s.st_blocks)

    def total(self):
        return sum(size for size, _ in self.files.values())


def send(publisher, count, of):
    for _ in range(count):
        publisher.publish("plant/line1/temp", b"%d of %d ".ljust(BODY, b".") % (publisher.published, of))
    publisher.wait_acknowledged()


def outage(world, messages):
    mib = max(64, -(-messages * 600 >> 20) + 48)
    broker, collector, gateway = world.enrol(ring_size=f"{mib}MiB", inflight=0)
    gateway.recorder.update({"segment_age": "10min", "segment_entries": messages // SEGMENTS})
    gateway.upstream.update({"retry_min": "50ms", "retry_max": "500ms"})
    gateway.configure()
    broker.start()
    gateway.start()
    gateway.wait_subscribed()
    publisher = world.closing(Publisher(broker.port, "device", WINDOW))
    send(publisher, messages // 8, messages)
    taken(gateway, publisher)
    store = os.path.join(gateway.folder, "store")
    early_memory, early = gateway.memory_kib(), Sizes(store)
    send(publisher, messages - publisher.published, messages)
    status = taken(gateway, publisher)
    late_memory, late = gateway.memory_kib(), Sizes(store)
    sealed = status["segments"]["sealed"]
    print(f"{messages} messages, {sealed} unsent segments; anonymous memory {early_memory} KiB after an eighth, "
          f"{late_memory} KiB at the end; files {early.total() >> 20} MiB, then {late.total() >> 20} MiB", flush=True)
    check(sealed >= SEGMENTS // 2, f"{sealed} unsent segments")
    check(late_memory - early_memory < SLACK_KIB, f"memory grew from {early_memory} to {late_memory} KiB")
    for name in ("ring.lmdb", "journal"):
        check_equal(late.files[name], early.files[name], f"bytes and blocks of {name}")
    check(late.total() - early.total() < 1 << 20, f"files grew: {sorted(set(late.files) ^ set(early.files))}")

    collector.start()
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "everything is drained", 600)
    drained_memory, drained = gateway.memory_kib(), Sizes(store)
    check(drained_memory - early_memory < SLACK_KIB, f"memory grew to {drained_memory} KiB while it was drained")
    check_equal(drained.files["ring.lmdb"], early.files["ring.lmdb"], "bytes and blocks of the ring behind the drain")
    gateway.recorder["segment_age"] = "1s"  # for what is still in the open one
    gateway.stop()
    gateway.configure().start()
    log = GrowingLog(log_folder(collector.archive))
    wait_until(lambda: len(log.read().messages) >= messages, "all is archived", 120, [gateway, collector])
    numbers = [int(m.payload.split(b" ")[0]) for m in log.messages]
    check_equal(numbers, list(range(messages)), "the messages, in their order")
    gateway.stop()
    collector.stop()
    check_equal(world.verify(collector.archive)["exit_code"], FINE, "the archive")


def taken(gateway, publisher):
    return gateway.wait_status(lambda s: s["recorder"]["messages"] >= publisher.published
                               and s["broker"]["acks_held"] == 0, "all that was sent is recorded", 300)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=DAY // 24)
    arguments = parser.parse_args()
    sys.exit(0 if run("outage", lambda world: outage(world, arguments.messages)) else 1)


if __name__ == "__main__":
    main()
