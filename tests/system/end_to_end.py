#!/usr/bin/python3
"""From devices to the archive: about 2 000 messages of every shape, byte for byte, each once; and what verify says."""
import collections
import json
import os
import random

import paho.mqtt.client as mqtt

from lib.compare import GrowingLog, archive, log_folder, wait_archived
from lib.load import Publisher, user_properties
from lib.world import ORIGIN, Raw, check, check_equal, main, wait_until

MIB = 1 << 20
UNPROVEN = 11
USER_PROPERTY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION = 38, 3, 8, 9
ODD_TOPICS = ["/", "//", "/a", "a//b", " ", "plant/Größe/温度", "quote\"back\\slash", "tab\u00a0nbsp/\U0001F512",
              "x" * 2000, "/".join("d" for _ in range(150))]


def ordinary(publisher, random_bytes, count):
    for i in range(count):
        qos = (0, 1, 2)[i % 3]
        if i % 5 == 0:
            publisher.publish("plant/line1/temp", b"21.0", qos)
        else:
            publisher.publish(f"plant/line{i % 7}/x", random_bytes.randbytes(random_bytes.randrange(300)), qos)


def special(publisher, random_bytes):
    for qos in (0, 1, 2):
        publisher.publish("special/empty", b"", qos)
        publisher.publish("special/every-byte", bytes(range(256)), qos)
        publisher.publish("special/large", random_bytes.randbytes(MIB), qos)
        publisher.publish("special/one-entry", random_bytes.randbytes(48000), qos)
        publisher.publish("special/two-entries", random_bytes.randbytes(48001), qos)
    for topic in ODD_TOPICS:
        publisher.publish(topic, b"odd topic", 1)


def with_properties(port):
    """MQTT 5: properties must come through whole and in order. Returns what was sent, and the expected properties."""
    publisher = Publisher(port, "device-5", window=10, protocol=mqtt.MQTTv5)
    publisher.publish("special/properties", b"with properties", 1, properties=user_properties(
        ("unit", "°C"), ("unit", "again"), ("", ""), ContentType="text/plain", ResponseTopic="answers/here",
        CorrelationData=b"\x00\x01\xff"))
    publisher.publish("special/properties", b"two", 2, properties=user_properties(("z", "1"), ("a", "2")))
    publisher.wait_acknowledged()
    publisher.close()
    first = [[USER_PROPERTY, b"unit", "°C".encode()], [USER_PROPERTY, b"unit", b"again"], [USER_PROPERTY, b"", b""],
             [CONTENT_TYPE, b"text/plain"], [RESPONSE_TOPIC, b"answers/here"], [CORRELATION, b"\x00\x01\xff"]]
    second = [[USER_PROPERTY, b"z", b"1"], [USER_PROPERTY, b"a", b"2"]]
    return publisher.sent, {b"with properties": first, b"two": second}


def check_properties(log, expected):
    for m in log.messages:
        if m.topic == b"special/properties":
            wanted = expected.pop(m.payload)
            users = [p for p in m.properties if p[0] == USER_PROPERTY]
            check_equal(users, [p for p in wanted if p[0] == USER_PROPERTY], "user properties, in order")
            check_equal(sorted(map(repr, m.properties)), sorted(map(repr, wanted)), "all properties")
    check(not expected, f"no message came with {expected}")


def check_verify(world, collector, gateway, log):
    report = world.verify(collector.archive)
    check_equal(report["verdict"], "fine", "verdict with anchor and policy")
    one, = report["logs"]
    size = log.range.size
    check_equal((one["origin"], one["size"], one["leaves"]), (ORIGIN, size, size), "verify's figures")
    check_equal(one["entries"]["message"], len(log.messages), "messages as verify counts them")
    check(one["anchor_matched"] and one["receipts"]["counted"] >= 1, "no receipt counted under the policy")
    check_equal(one["segments"], len(log.files), "segments")
    world.verify(collector.archive, code=UNPROVEN, anchor=None)
    world.verify(collector.archive, code=UNPROVEN, policy=None, anchor=None)
    world.verify(log_folder(collector.archive, ORIGIN))
    store = world.verify(gateway.folder + "/store")
    check_equal(store["logs"][0]["kind"], "store", "what verify takes the store for")


def check_times(log):
    """Order is by index; receive counters go up by one within a connection."""
    connected = log.events_named("connected")
    check_equal(len(connected), 1, "connections to the broker")
    check_equal([d["protocol"] for _, d in connected], ["5"], "protocol")
    check_equal(len(log.events_named("start")), 1, "start events")


def end_to_end(world):
    broker, collector, gateway = world.enrol()
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    random_bytes = random.Random(seed)
    gateway.recorder["segment_entries"] = 500
    gateway.broker["subscriptions"] = Raw('[{ filter = "#", qos = 2 }]')
    gateway.configure()
    broker.start()
    early = world.closing(Publisher(broker.port, "early"))
    early.publish("special/retained", b"before the gateway came", 1, retain=True)
    early.wait_acknowledged()

    collector.start()
    gateway.start()
    gateway.wait_status(lambda s: s["recorder"]["messages"] == 1, "the retained message is recorded")
    device = world.closing(Publisher(broker.port, "device-311"))
    ordinary(device, random_bytes, 2000)
    special(device, random_bytes)
    properties_sent, properties = with_properties(broker.port)
    device.publish("special/retained", b"while the gateway listens", 1, retain=True)
    device.wait_acknowledged()

    sent = early.sent + device.sent + properties_sent
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    check_properties(log, properties)
    check_times(log)
    retained = [(m.payload, m.retain) for m in log.messages if m.topic == b"special/retained"]
    check_equal(retained, [(b"before the gateway came", True), (b"while the gateway listens", False)], "retained")
    check_equal(log.flagged(), [], "flagged duplicates")
    check_equal(len([m for m in log.messages if len(m.payload) == MIB]), 3, "messages of 1 MiB")
    check_equal(log.kinds["part"], 3 * (-(-MIB // 48000) - 1) + 3, "parts")
    by_qos = collections.Counter(m.qos for m in log.messages)
    check(min(by_qos[q] for q in (0, 1, 2)) > 600, f"each QoS comes as it was published: {by_qos}")

    status = gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["broker"]["acks_held"] == 0,
                                 "everything sealed is acknowledged")
    check_equal(status["recorder"]["messages"], len(log.messages), "messages in the status")
    command, _ = world.run("sealring", "status", "--config", gateway.folder + "/sealring.toml", "--json")
    check_equal(json.loads(command)["running"], True, "`sealring status` of a running daemon")
    world.run("sealring", "status", "--config", gateway.folder + "/sealring.toml")

    check_verify(world, collector, gateway, log)
    gateway.stop()
    collector.stop()
    offline, _ = world.run("sealring", "status", "--config", gateway.folder + "/sealring.toml", "--json")
    check_equal(json.loads(offline)["running"], False, "`sealring status` without a daemon")
    check_verify(world, collector, gateway, log.read())
    for name in os.listdir(log.folder + "/segments"):
        mode = os.stat(os.path.join(log.folder, "segments", name)).st_mode & 0o777
        check_equal(oct(mode), oct(0o444), f"mode of {name}")
    with open(os.path.join(log.folder, "log"), encoding="ascii") as f:
        check_equal(f.read().strip(), world.anchor, "the anchor in the archive")
    first = archive.read_segment(os.path.join(log.folder, "segments", log.files[0])).entries[0]
    check_equal(archive.leaf_hash(first).hex(), world.anchor.split(" ")[1], "leaf hash of entry 0 beside the anchor")
    print(f"{len(log.messages)} messages in {log.range.size} entries, {len(log.files)} segments; all roots recomputed")


def quiet_goes_on(world):
    """A gateway without traffic: heartbeats, and segments that come to rest instead of receipting receipts for ever."""
    broker, collector, gateway = world.enrol()
    gateway.recorder["heartbeat"] = "1s"
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    log = GrowingLog(log_folder(collector.archive))
    wait_until(lambda: len(log.read().events_named("heartbeat")) >= 2, "two heartbeats are archived",
               alive=[gateway, collector])
    world.verify_live(collector.archive)
    gateway.stop()


if __name__ == "__main__":
    main(("end_to_end", end_to_end), ("quiet_goes_on", quiet_goes_on))
