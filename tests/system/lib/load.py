"""Publishers that know what the broker acknowledged (python3-paho-mqtt 1.6)."""
import collections
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .world import Failure, wait_until


class Publisher:
    """`window`: how many messages are under way at most; publish() waits while it is full.

    Above 20 only with QoS 0 and 1, or with a broker that allows it: Mosquitto's default is 20.
    """

    def __init__(self, port, name, window=20, protocol=mqtt.MQTTv311):
        self.sent = collections.Counter()  # (topic, payload) -> how often, all that were handed to publish()
        self.published = self.acknowledged = 0
        self.trouble = None
        self.window, self.turn = window, threading.Condition()
        clean = {} if protocol == mqtt.MQTTv5 else {"clean_session": False}
        self.client = mqtt.Client(client_id=name, protocol=protocol, **clean)
        self.client.max_inflight_messages_set(window)
        self.client.max_queued_messages_set(0)
        self.client.on_publish = self.on_publish
        self.client.on_disconnect = self.on_disconnect
        self.connected = threading.Event()
        self.client.on_connect = lambda *_: self.connected.set()
        self.closing = False
        self.client.connect("127.0.0.1", port, keepalive=60)
        self.client.loop_start()
        if not self.connected.wait(30):
            raise Failure(f"publisher {name} does not connect")

    @staticmethod
    def named(payload):
        """What to keep of it in `sent`, for those who send more than fits the memory."""
        return payload

    def on_publish(self, _client, _data, _mid):
        with self.turn:
            self.acknowledged += 1
            self.turn.notify_all()

    def on_disconnect(self, _client, _data, code, *_):
        if not self.closing and code != 0:
            self.trouble = f"the broker ended the connection: {mqtt.error_string(code)}"

    def publish(self, topic, payload, qos=1, retain=False, properties=None, patience=60):
        with self.turn:
            if not self.turn.wait_for(lambda: self.published - self.acknowledged < self.window, patience):
                raise Failure(f"the broker acknowledged {self.acknowledged} of {self.published} messages and stopped")
            self.published += 1
            self.sent[topic.encode(), self.named(payload)] += 1
        info = self.client.publish(topic, payload, qos, retain, properties)
        if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
            raise Failure(f"publish: {mqtt.error_string(info.rc)}")

    def wait_acknowledged(self, patience=60):
        wait_until(lambda: self.acknowledged >= self.published,
                   f"all {self.published} messages of a publisher are acknowledged", patience)

    def close(self):
        self.closing = True
        self.client.disconnect()
        self.client.loop_stop()


def user_properties(*pairs, **others):
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = list(pairs)
    for name, value in others.items():
        setattr(properties, name, value)
    return properties


class Load:
    """Publishers at work on threads of their own until stop(): unique messages, and a third of all, by count, that are
    byte for byte the same on one topic.

    `pace`: (messages, seconds of rest after them). `taken`, kept up to date by whoever wants it: how many messages the
    gateway has taken; publishing rests while it is more than MAX_BACKLOG behind. Mosquitto gives packet ids to what it
    queues: from 65 536 on two messages have the same, and it loses track of which one was acknowledged.
    """
    SAME, SAME_EVERY = ("plant/line1/temp", b"21.0"), 3  # None: all are unique
    MAX_BACKLOG = 20000
    PUBLISHER = Publisher

    def __init__(self, port, qos, window=20, name="load", pace=None, size=0):
        self.qos, self.pace, self.size, self.failure, self.taken = qos, pace, size, None, None
        self.stopping = threading.Event()
        self.publishers = [self.PUBLISHER(port, f"{name}-{i}", window) for i in range(2)]
        self.threads = [threading.Thread(target=self.work, args=(i, p), daemon=True)
                        for i, p in enumerate(self.publishers)]
        for thread in self.threads:
            thread.start()

    def work(self, i, publisher):
        n = 0
        try:
            while not self.stopping.is_set():
                if self.taken is not None and self.published() - self.taken > self.MAX_BACKLOG:
                    self.stopping.wait(0.01)
                    continue
                if self.SAME_EVERY and n % self.SAME_EVERY == self.SAME_EVERY - 1:
                    publisher.publish(*self.SAME, qos=self.qos)
                else:
                    body = f"{i} {n} ".encode().ljust(self.size, b".")
                    publisher.publish(f"plant/line{n % 4 + 2}/{i}", body, qos=self.qos)
                n += 1
                if self.pace and n % self.pace[0] == 0:
                    self.stopping.wait(self.pace[1])
        except Exception as error:  # shown by the test's own thread
            self.failure = error

    def published(self):
        return sum(p.published for p in self.publishers)

    def acknowledged(self):
        return sum(p.acknowledged for p in self.publishers)

    def check(self):
        for p in self.publishers:
            if p.trouble:
                raise Failure(p.trouble)
        if self.failure:
            raise self.failure

    def stop(self, patience=60):
        """Ends publishing and waits until everything is acknowledged. Returns Counter of (topic, payload)."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(patience)
        self.check()
        total = collections.Counter()
        for p in self.publishers:
            p.wait_acknowledged(patience)
            total += p.sent
        self.check()
        return total

    def close(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(5)
        for p in self.publishers:
            p.close()
