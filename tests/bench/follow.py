#!/usr/bin/python3
"""What `tail -f` costs the recorder: messages a second and CPU of the daemon, without and with one follower, in turns.

    follow.py [-rRATE] [-sSECONDS] [-tTURNS]     RATE messages of 100 bytes a second, default 10000, at QoS 1;
                                                 seconds of each turn, default 5; turns of either kind, default 3

The load does not wait for anybody: it is offered by the clock, whether or not it is taken. A turn lasts until the
recorder has as many messages as the rate makes in so many seconds. Says so where the machine did not keep up. Prints
medians; asserts nothing about time. $SEALRING_BUILD is a build folder.
"""
import os
import select
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from lib.world import check, main, program, wait_until  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
STEP = 0.02  # seconds between two bursts


class OpenLoop:
    """MQTT 3.1.1 by hand, which costs next to nothing: the machine is for what is measured. `behind`: the most seconds
    that it could not write for, because the broker did not read."""

    def __init__(self, port, rate):
        self.burst, self.sent, self.behind, self.packet_id, self.failure = round(rate * STEP), 0, 0.0, 0, None
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04load")  # clean session, no keepalive
        check(self.socket.recv(4) == b"\x20\x02\x00\x00", "the broker does not accept the load's connection")
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def packets(self):
        out = []
        for _ in range(self.burst):
            self.packet_id = self.packet_id % 65535 + 1
            topic = b"plant/line%d/temp" % (self.packet_id % 8)
            rest = struct.pack(">H", len(topic)) + topic + struct.pack(">H", self.packet_id)
            rest += b"{\"n\": %d}" % self.sent + b"." * (100 - len(b"{\"n\": %d}" % self.sent))
            out.append(bytes([0x32, 0x80 | len(rest) % 128, len(rest) // 128]) + rest)
            self.sent += 1
        return b"".join(out)

    def work(self):
        poll, due = select.poll(), time.monotonic()
        poll.register(self.socket, select.POLLIN)
        try:
            while not self.ended.is_set():
                due += STEP
                while (left := due - time.monotonic()) > 0:
                    if poll.poll(1000 * left) and not self.socket.recv(65536):  # PUBACKs
                        raise OSError("the broker hung up")
                self.behind = max(self.behind, -left)
                self.socket.sendall(self.packets())
        except OSError as error:
            self.failure = error

    def close(self):
        self.ended.set()
        self.thread.join(10)
        self.socket.close()


def cpu(place):
    """Seconds of CPU: of a process those of all its threads, ended ones included; of a thread, PID/task/TID, its own,
    which are too few to be counted in ticks."""
    with open(f"/proc/{place}/{'schedstat' if '/' in str(place) else 'stat'}", encoding="ascii") as stat:
        text = stat.read()
    if "/" in str(place):
        return int(text.split()[0]) / 1e9
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def threads(pid):
    return set(os.listdir(f"/proc/{pid}/task"))


class Turn:
    """Of `count` messages: rate, and percent of one CPU that the daemon took, its thread for the follower, the
    follower."""

    def __init__(self, gateway, load, count, answering=None, follower=None):
        places = {"daemon": gateway.pid}
        if follower:
            places.update(thread=f"{gateway.pid}/task/{answering}", follower=follower.pid)
        before = {name: cpu(place) for name, place in places.items()}
        status, began = gateway.status()["recorder"], time.monotonic()
        first = status["messages"]
        wait_until(lambda: gateway.status()["recorder"]["messages"] >= first + count or load.failure,
                   f"{count} more messages are recorded", alive=[gateway])
        if load.failure:
            raise load.failure
        seconds = time.monotonic() - began
        now = gateway.status()["recorder"]
        self.rate, self.frames = ((now[key] - status[key]) / seconds for key in ("messages", "frames"))
        self.used = {name: 100 * (cpu(place) - before[name]) / seconds for name, place in places.items()}


def follow_one(gateway, load, count):
    """A turn with a follower, when that has come to the present."""
    before = threads(gateway.pid)
    child = subprocess.Popen([program("sealring"), "tail", "-f", "-n", "1", "--config",
                              os.path.join(gateway.folder, "sealring.toml")], stdout=subprocess.DEVNULL)
    try:
        gateway.wait_status(lambda s: s["socket"]["clients"] == 2, "somebody follows")
        seen = [set()]

        def stays():  # those that answer for a status come and go
            seen.append(threads(gateway.pid) - before)
            gateway.status()
            both = seen[-1] & seen[-2]
            return both.pop() if len(both) == 1 else None
        return Turn(gateway, load, count, wait_until(stays, "its thread is known"), child)
    finally:
        child.kill()
        child.wait()


def option(letter, default):
    return float(next((a[2:] for a in sys.argv if a.startswith("-" + letter)), default))


def follow(world):
    rate, turns = option("r", 10000), int(option("t", 3))
    count = round(rate * option("s", 5))
    broker, _, gateway = world.enrol(ring_size="1GiB")
    gateway.upstream, gateway.recorder = {}, {"segment_age": "10min"}
    gateway.configure()
    broker.start()
    gateway.start()
    gateway.wait_subscribed()
    load = world.closing(OpenLoop(broker.port, rate))
    gateway.wait_status(lambda s: s["recorder"]["messages"] > rate, "the load is on")
    alone, followed = [], []
    for _ in range(turns):
        alone.append(Turn(gateway, load, count))
        followed.append(follow_one(gateway, load, count))
        wait_until(lambda: gateway.status()["socket"]["clients"] == 1, "nobody follows")
    waiting = load.sent - gateway.status()["recorder"]["messages"]
    load.close()

    def median(rows, name=None):
        return statistics.median(row.used[name] if name else row.rate for row in rows)

    def frames(rows):
        return statistics.median(row.frames for row in rows)
    for words, rows in (("without tail -f", alone), ("with tail -f   ", followed)):
        print(f"{words}: {median(rows):6.0f} messages/s in {frames(rows):4.0f} frames, sealringd "
              f"{median(rows, 'daemon'):5.1f} % of a CPU: " + ", ".join(f"{row.used['daemon']:.1f}" for row in rows))
    extra, thread = median(followed, "thread"), median(followed, "daemon") - median(followed, "thread")
    print(f"with it, sealringd's thread for the follower {extra:.1f} %, all others {thread:.1f} %; "
          f"sealring tail {median(followed, 'follower'):.1f} %")
    print(f"ratio: messages/s {median(followed) / median(alone):.3f}, CPU of sealringd without that thread "
          f"{thread / median(alone, 'daemon'):.3f}, with it {median(followed, 'daemon') / median(alone, 'daemon'):.3f}")
    if waiting > rate or median(alone) < 0.98 * rate:
        print(f"NOT AT THE RATE: {rate:.0f}/s were offered, up to {load.behind:.1f} s late; {waiting} still waited at "
              "the end. The machine does not do more")


if __name__ == "__main__":
    main(("follow", follow))
