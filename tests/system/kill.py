#!/usr/bin/python3
"""kill -9 of sealringd at random moments under load: what a publisher was acknowledged is in the archive, once.

`kill.py [MODE...]`, modes v5_qos1 v5_qos2 v311_qos1. $SEALRING_KILLS: in total over the modes, by default 20, shared 8,
6 and 6. $SEALRING_SEED repeats the moments of a run (not what the scheduler made of them).

The publishers are never cut off, so in the end they have an acknowledgement for everything, and counts must be equal.
The test proves something only if messages were in flight when the process died, so it insists that redeliveries were
recognised in the whole run.
"""
import os
import random
import signal
import threading

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Load
from lib.world import Raw, check, check_equal, main, wait_until

SHARES = {"v5_qos1": 8, "v5_qos2": 6, "v311_qos1": 6}
MAX_DELAY_S = 0.8  # from the start of the process to its end


def kills_of(mode):
    total, done = int(os.environ.get("SEALRING_KILLS", "20")), 0
    out = {}
    for name, share in SHARES.items():
        out[name] = total * share // sum(SHARES.values())
        done += out[name]
    out["v5_qos1"] += total - done
    return out[mode]


def check_share(sent):
    """A third of all messages are byte-identical on one topic."""
    same = sent[Load.SAME[0].encode(), Load.SAME[1]]
    check(0.3 < same / sum(sent.values()) < 0.36, f"{same} of {sum(sent.values())} messages are the same")


def killed(world, mode, protocol, qos, inflight, window):
    seed = int(os.environ.get("SEALRING_SEED", random.SystemRandom().randrange(1 << 32)))
    kills = kills_of(mode)
    print(f"{mode}: {kills} kills, seed {seed}", flush=True)
    moments = random.Random(seed)
    broker, collector, gateway = world.enrol(inflight=inflight)
    gateway.recorder.update({"segment_age": "1s", "segment_entries": 2000})
    gateway.broker.update({"protocol": protocol, "subscriptions": Raw(f'[{{ filter = "plant/#", qos = {qos} }}]')})
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    load = world.closing(Load(broker.port, qos, window))
    load.taken = 0

    suppressed = in_flight = not_ready = 0
    for _ in range(kills):
        threading.Event().wait(moments.uniform(0, MAX_DELAY_S))  # the random moment itself
        status = gateway.status()
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait_end(-signal.SIGKILL)
        if status:
            suppressed += status["recorder"]["suppressed_redeliveries"]
            in_flight += status["broker"]["acks_held"] > 0
            load.taken = status["size"]
        else:
            not_ready += 1
        load.check()
        gateway.start(ready=False)
    sent = load.stop()
    print(f"{mode}: {sum(sent.values())} messages acknowledged; {not_ready} kills before the status socket answered, "
          f"{in_flight} seen with acknowledgements held", flush=True)
    check_share(sent)

    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    status = gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["broker"]["acks_held"] == 0, "it is idle")
    suppressed += status["recorder"]["suppressed_redeliveries"]
    print(f"{mode}: {suppressed} redeliveries recognised, {len(log.flagged())} possible duplicates flagged, "
          f"{log.range.size} entries in {len(log.files)} segments", flush=True)
    check_equal(len(log.flagged()), 0, "possible duplicates, which Mosquitto gives no reason for")
    check(suppressed > 0, "no redelivery was recognised: nothing was in flight at any kill, which proves nothing")
    starts = len(log.events_named("start"))
    check(1 < starts <= kills + 1, f"{starts} starts in the log after {kills} kills")
    check(all(m.qos == qos for m in log.messages), f"every message came with QoS {qos}")
    check(status["broker"]["connected"] and status["upstream"]["reachable"], f"status: {status}")
    world.verify(gateway.folder + "/store")
    world.verify(collector.archive)
    gateway.stop()
    world.verify(gateway.folder + "/store")
    wait_until(lambda: "stopped at size" in gateway.said(), "it says that it stopped")


def v5_qos1(world):
    killed(world, "v5_qos1", "5", 1, inflight=0, window=200)


def v5_qos2(world):
    killed(world, "v5_qos2", "5", 2, inflight=0, window=100)


def v311_qos1(world):
    killed(world, "v311_qos1", "3.1.1", 1, inflight=None, window=20)


def v311_qos2_is_lowered(world):
    """Paho would lose QoS 2 messages on 3.1.1 (it acknowledges first), so they are taken with QoS 1, and it says so."""
    broker, collector, gateway = world.enrol()
    gateway.broker.update({"protocol": "3.1.1", "subscriptions": Raw('[{ filter = "#", qos = 2 }]')})
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    load = world.closing(Load(broker.port, 2))
    wait_until(lambda: load.acknowledged() > 100, "100 messages are acknowledged")
    sent = load.stop()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    check_equal({m.qos for m in log.messages}, {1}, "QoS of what the broker delivered")
    gateway.wait_said("warning", "QoS 1 instead of 2", "3.1.1")
    gateway.stop()


if __name__ == "__main__":
    main(("v5_qos1", v5_qos1), ("v5_qos2", v5_qos2), ("v311_qos1", v311_qos1),
         ("v311_qos2_is_lowered", v311_qos2_is_lowered))
