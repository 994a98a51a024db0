#!/usr/bin/python3
"""What `tail -f` costs the recorder: messages a second and CPU of the daemon, without and with one follower, in turns.

    follow.py [-sSECONDS]     of each turn; default 4. $SEALRING_BUILD is a build folder
"""
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from lib.load import Load  # noqa: E402
from lib.world import main, program  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
TURNS = 3


def cpu(pid):
    """Seconds of all threads, those that have ended included."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def turn(gateway, seconds):
    """(messages/s, CPU seconds of the daemon per million messages, the follower's own thread included)."""
    before, messages, began = cpu(gateway.pid), gateway.status()["recorder"]["messages"], time.monotonic()
    time.sleep(seconds)
    count = gateway.status()["recorder"]["messages"] - messages
    return count / (time.monotonic() - began), 1e6 * (cpu(gateway.pid) - before) / count


def follow(world):
    seconds = float(next((a[2:] for a in sys.argv if a.startswith("-s")), "4"))
    broker, _, gateway = world.enrol(ring_size="1GiB")
    gateway.upstream, gateway.recorder = {}, {"segment_age": "10min"}
    gateway.configure()
    broker.start()
    gateway.start()
    gateway.wait_subscribed()
    load = world.closing(Load(broker.port, qos=1, size=100, pace=(100, 0.02)))
    gateway.wait_status(lambda s: s["recorder"]["messages"] > 5000, "the load is on")
    rows = {False: [], True: []}
    for number in range(2 * TURNS):
        following = number % 2 == 1
        if following:
            child = subprocess.Popen([program("sealring"), "tail", "-f", "--config",
                                      os.path.join(gateway.folder, "sealring.toml")], stdout=subprocess.DEVNULL)
            gateway.wait_status(lambda s: s["socket"]["clients"] == 2, "somebody follows")
        rows[following].append(turn(gateway, seconds))
        if following:
            child.kill()
            child.wait()
    load.stop()
    median = {k: [statistics.median(row[i] for row in v) for i in range(2)] for k, v in rows.items()}
    for following, (rate, used) in median.items():
        print(f"{'with' if following else 'without'} tail -f: {rate:8.0f} messages/s, {used:6.2f} s of CPU per million")
    print(f"ratio: messages/s {median[True][0] / median[False][0]:.3f}, CPU {median[True][1] / median[False][1]:.3f}")


if __name__ == "__main__":
    main(("follow", follow))
