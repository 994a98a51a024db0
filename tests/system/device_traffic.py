#!/usr/bin/python3
"""Devices of a small plant, as an MQTT publisher that knows what the broker acknowledged to it.

    traffic = DeviceTraffic(port)
    traffic.start()             # publishes in the background, `rate` messages a second, until stop()
    traffic.stop()              # waits until the broker has acknowledged everything that was published
    traffic.rate = 2000         # from now on
    traffic.published           # Counter of (topic, payload), both bytes
    traffic.acknowledged        # the same, of what got its PUBACK or PUBCOMP

Five kinds of traffic: telemetry as JSON, a reading that is byte for byte the same every time, a binary frame, a counter
at QoS 2, now and then an alarm that is retained.

As a program: device_traffic.py PORT COUNT; prints what was published and acknowledged.
"""
import json
import struct
import sys
import threading
import time
from collections import Counter

import paho.mqtt.client as mqtt

EQUAL = (b"plant/line1/temp", b"21.0", 1, False)


def make_message(number):
    """(topic, payload, qos, retain) of the number-th message: the same in every run."""
    kind = number % 9
    if kind in (0, 3, 6):
        return EQUAL
    if kind in (1, 4):
        reading = {"seq": number, "pressure_kpa": 101.3 + number % 7 / 10, "pump": "on" if number % 2 else "off"}
        return b"plant/line1/pump/telemetry", json.dumps(reading).encode(), 1, False
    if kind == 2:
        frame = struct.pack(">HHIff", 0xA55A, 16, number, 20.5 + number % 5, -1.25) + bytes(range(256))
        return b"plant/line2/plc/frame", frame, 2, False
    if kind in (5, 7):
        return b"plant/meter/7/kwh", b"%d" % (100000 + number), 2, False
    text = {"seq": number, "alarm": "door open", "level": "warning"}
    return b"plant/alarm/door", json.dumps(text).encode(), 1, True


class DeviceTraffic:
    MAX_WAITING = 500  # published and not acknowledged yet

    def __init__(self, port, rate=200, client_id="plant-devices"):
        self.rate = rate
        self.published, self.acknowledged = Counter(), Counter()
        self._waiting = {}  # mid -> (topic, payload)
        self._early = set()  # acknowledged before publish() told us the mid
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._failure = None
        self._thread = None
        self._client = mqtt.Client(client_id=client_id, clean_session=False, protocol=mqtt.MQTTv311)
        # Mosquitto takes 20 at a time from a client and ends the connection of one that sends more.
        self._client.max_inflight_messages_set(20)
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port, keepalive=30)
        self._client.loop_start()

    def start(self, count=None):
        self._thread = threading.Thread(target=self._run, args=(count,), daemon=True)
        self._thread.start()

    def counts(self):
        """(published, acknowledged) so far."""
        with self._changed:
            return sum(self.published.values()), sum(self.acknowledged.values())

    def stop(self, deadline=60):
        self._stopping.set()
        self.finish(deadline)

    def finish(self, deadline=60):
        """Waits for the publishing thread, then for the broker's last acknowledgement."""
        until = time.monotonic() + deadline
        self._thread.join(deadline)
        with self._changed:
            done = self._changed.wait_for(lambda: not self._waiting, max(0, until - time.monotonic()))
            waiting = len(self._waiting)
        self._client.disconnect()
        self._client.loop_stop()
        if self._failure:
            raise RuntimeError(self._failure)
        if not done:
            raise TimeoutError(f"the broker has not acknowledged {waiting} messages within {deadline} s")

    def _run(self, count):
        due = time.monotonic()
        number = 0
        while not self._stopping.is_set() and (count is None or number < count):
            if not self._publish(make_message(number)):
                return
            number += 1
            # What could not be sent in time is not made up for in one go.
            due = max(due + 1 / self.rate, time.monotonic() - 0.1)
            self._stopping.wait(max(0, due - time.monotonic()))

    def _publish(self, message):
        topic, payload, qos, retain = message
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self.MAX_WAITING)
        info = self._client.publish(topic.decode(), payload, qos=qos, retain=retain)
        with self._changed:
            if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):  # without a connection Paho queues it
                self._failure = f"publishing failed: {mqtt.error_string(info.rc)}"
                return False
            self.published[topic, payload] += 1
            if info.mid in self._early:
                self._early.discard(info.mid)
                self.acknowledged[topic, payload] += 1
            else:
                self._waiting[info.mid] = (topic, payload)
        return True

    def _on_publish(self, _client, _userdata, mid):
        with self._changed:
            message = self._waiting.pop(mid, None)
            if message is None:
                self._early.add(mid)
            else:
                self.acknowledged[message] += 1
            self._changed.notify_all()


def main(argv):
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    traffic = DeviceTraffic(int(argv[1]))
    traffic.start(int(argv[2]))
    try:
        traffic.finish(600)
    except (RuntimeError, TimeoutError) as error:
        print(f"device_traffic.py: {error}", file=sys.stderr)
        return 1
    print("published %d, acknowledged %d" % traffic.counts())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
