#!/usr/bin/python3
"""Several brokers into one log, and what a broker does besides delivering: drops, retained, wills, properties."""
import collections
import json
import os
import re
import signal

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from lib.compare import GrowingLog, differences, log_folder, wait_archived
from lib.load import Load, Publisher
from lib.world import Broker, Raw, check, check_equal, main, wait_until
from relay import Relay

GAP = 9
ACKNOWLEDGED = 5  # what the broker gets before a link swallows


def second_broker(world, gateway, **keys):
    """Another Mosquitto, as a second [[broker]] of the gateway, behind a relay."""
    first_config = world.path("broker/mosquitto.conf")
    with open(first_config, encoding="utf-8") as f:
        kept = f.read()
    broker = world.add(Broker(world))
    os.makedirs(world.path("broker2"))
    config = kept.replace(world.path("broker") + "/", world.path("broker2") + "/")
    config = world.write("broker2.conf", config.replace(f"listener {gateway.source.port} ", f"listener {broker.port} "))
    world.write("broker/mosquitto.conf", kept)
    broker.name, broker.command, broker.log_path = "mosquitto2", [*broker.command[:-1], config], world.path("mosq2.log")
    relay = world.closing(Relay("127.0.0.1", broker.port))
    values = {"name": '"two"', "host": '"127.0.0.1"', "port": relay.port, **keys}
    with open(os.path.join(gateway.folder, "sealring.toml"), "a", encoding="utf-8") as f:
        f.write("\n[[broker]]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))
    return broker, relay


def wait_both_subscribed(gateway, brokers):
    gateway.wait_status(lambda s: all(b["connected"] for b in s["brokers"]), "both brokers are connected")
    for broker in brokers:
        wait_until(lambda b=broker: any(" plant/#" in line for line in b.lines(True)), f"{broker.name} has the filter")


def publish(world, broker, qos, count, name):
    load = world.closing(Load(broker.port, qos, 100, name=name))
    wait_until(lambda: load.check() or load.acknowledged() >= count, f"{count} messages are published")
    sent = load.stop()
    load.close()
    return sent


def killed(world, qos):
    """The gateway is killed twice when thousands of both brokers are recorded whose acknowledgements were lost on the
    way: each is recognised, for its own broker. Then one broker is away for a while, and the other one goes on."""
    one, collector, gateway = world.enrol(inflight=0)  # also what a publisher may have under way at QoS 2
    filters = f'[{{ filter = "plant/#", qos = {qos} }}]'
    relays = [world.closing(Relay("127.0.0.1", one.port))]
    gateway.broker.update({"name": "one", "port": relays[0].port, "protocol": "5", "subscriptions": Raw(filters)})
    gateway.configure()
    two, relay = second_broker(world, gateway, protocol='"5"', subscriptions=filters)
    relays.append(relay)
    for part in (one, two, collector, gateway):
        part.start()
    wait_both_subscribed(gateway, (one, two))
    sent = collections.Counter()
    for number in range(2):
        for relay in relays:
            relay.swallow_after(ACKNOWLEDGED * 4)
        new = publish(world, one, qos, 1000, f"one-{number}") + publish(world, two, qos, 1000, f"two-{number}")
        sent, count = sent + new, sum(new.values())
        gateway.wait_status(lambda s, n=count: s["recorder"]["messages"] >= n, f"{count} are recorded")
        gateway.kill()
        for relay in relays:
            relay.cut()
            relay.restore()
        gateway.start()
        least = count - len(relays) * ACKNOWLEDGED
        gateway.wait_status(lambda s, n=least: s["recorder"]["suppressed_redeliveries"] >= n, f"{least} are recognised")
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    two.stop()
    sent = sent + publish(world, one, qos, 500, "meanwhile")
    wait_archived(log, sent, alive=[gateway, collector])
    two.start()
    gateway.wait_status(lambda s: all(b["connected"] for b in s["brokers"]), "both brokers are connected again")
    sent = sent + publish(world, two, qos, 500, "again")
    wait_archived(log, sent, alive=[gateway, collector])
    check_equal(len(log.flagged()), 0, "possible duplicates, which Mosquitto gives no reason for")
    named = {details.get("broker") for _, details in log.events_named("connected")}
    check_equal({n.decode() if isinstance(n, bytes) else n for n in named}, {"one", "two"}, "brokers in the events")
    gateway.stop()
    world.verify(gateway.folder + "/store")


class Scene:
    """A broker and a gateway; publish() leaves messages recorded whose acknowledgements were lost on the way."""

    def __init__(self, world, protocol="5", inflight=None, config=""):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(inflight=inflight)
        with open(world.path("broker/mosquitto.conf"), "a", encoding="utf-8") as f:
            f.write(config)
        self.relay = world.closing(Relay("127.0.0.1", self.broker.port))
        self.gateway.broker.update({"port": self.relay.port, "protocol": protocol,
                                    "subscriptions": Raw('[{ filter = "plant/#", qos = 1 }]')})
        self.gateway.configure()
        for part in (self.broker, self.collector, self.gateway):
            part.start()
        self.gateway.wait_subscribed()
        self.log = GrowingLog(log_folder(self.collector.archive))
        self.sent = collections.Counter()

    def total(self):
        return sum(self.sent.values())

    def stats(self):
        return self.gateway.status()["recorder"]

    def publish(self, count, swallow=True):
        """Returns how many. `swallow`: only a few acknowledgements reach the broker, on this connection."""
        if swallow:
            self.relay.swallow_after(ACKNOWLEDGED * 4)
        sent = publish(self.world, self.broker, 1, count, f"load-{self.total()}")
        self.sent += sent
        return sum(sent.values())

    def wait_recorded(self, count):
        self.gateway.wait_status(lambda s: s["recorder"]["messages"] >= count, f"{count} are recorded")

    def restart(self, end):
        """`end`: of the broker. What was on its way to it is lost."""
        self.relay.cut()
        end()
        self.broker.start()
        self.relay.restore()

    def wait_settled(self, again=0):
        """Everything is archived, `again` of it flagged and a second time. Nothing else is there twice or missing."""
        wanted = self.total() + again
        wait_until(lambda: len(self.log.read().messages) >= wanted, f"{wanted} messages are archived",
                   alive=[self.gateway, self.collector])
        self.gateway.wait_status(lambda s: s["broker"]["connected"] and s["broker"]["acks_held"] == 0, "it is idle")
        self.log.read()
        content = {m.index: (m.topic, m.payload) for m in self.log.messages}
        flagged = self.log.flagged()
        surplus = collections.Counter((m.topic, m.payload) for m in flagged)
        words = differences(self.sent + surplus, self.log)
        check(not words, f"besides {len(flagged)} flagged ones: {words}")
        for m in flagged:
            check_equal(content[m.duplicate_of], (m.topic, m.payload), f"what {m.index} may be a duplicate of")
        return len(flagged)


def broker_restarts(world, protocol, inflight):
    """Mosquitto is stopped with thousands under way: it sends them again, and each is recognised."""
    scene = Scene(world, protocol, inflight)
    count = scene.publish(3000)
    scene.wait_recorded(count)
    scene.restart(scene.broker.stop)
    check_equal(scene.wait_settled(), 0, "possible duplicates")
    check(scene.stats()["suppressed_redeliveries"] >= count - ACKNOWLEDGED, f"of {count}: {scene.stats()}")
    scene.gateway.stop()


def broker_restarts_short_window(world):
    """The same with a Mosquitto that may have 20 under way on 3.1.1. While it runs it exceeds that, afterwards it does
    not, and waits for acknowledgements before it has sent the end of what is in the log: recorded again, flagged."""
    scene = Scene(world, "3.1.1")
    scene.relay.cut()
    scene.publish(1000, swallow=False)
    scene.relay.restore()
    scene.relay.swallow_after(200)  # CONNECT, SUBSCRIBE, some acknowledgements, each of which brings 20 messages more
    scene.wait_recorded(100)
    scene.restart(scene.broker.stop)
    flagged = scene.wait_settled()
    print(f"broker_restarts_short_window: {flagged} flagged", flush=True)
    check(flagged > 20, f"{flagged} flagged: no more than the broker may have under way")
    scene.gateway.stop()


def broker_killed(world):
    """Mosquitto goes on from what it saved last. What was under way then comes again: recognised if it was still under
    way when it was killed, and otherwise recorded again, flagged, for it cannot be told from new messages."""
    scene = Scene(world, config="autosave_interval 0\n")  # only when told
    saved = world.path("broker/mosquitto.db")

    def save():
        before = os.stat(saved).st_ino if os.path.exists(saved) else None
        os.kill(scene.broker.pid, signal.SIGUSR1)
        wait_until(lambda: os.path.exists(saved) and os.stat(saved).st_ino != before, "the broker has saved its state")

    count = scene.publish(3000)
    scene.wait_recorded(count)
    save()
    scene.restart(scene.broker.kill)
    check_equal(scene.wait_settled(), 0, "possible duplicates of what was still under way")
    recognised = scene.stats()["suppressed_redeliveries"]
    check(recognised >= count - ACKNOWLEDGED, f"{recognised} of {count} recognised")

    under_way = scene.publish(500)
    scene.wait_recorded(scene.total())
    save()
    scene.relay.cut()
    scene.relay.restore()
    check_equal(scene.wait_settled(), 0, "possible duplicates, the link was cut")
    check(scene.stats()["suppressed_redeliveries"] >= recognised + under_way - ACKNOWLEDGED, f"{scene.stats()}")
    scene.publish(300, swallow=False)
    scene.wait_settled()
    scene.restart(scene.broker.kill)
    flagged = scene.wait_settled(under_way - ACKNOWLEDGED)
    # Of the first messages the relay may have swallowed acknowledgements, too: then those were under way in what was
    # saved. That nothing else is there twice or missing, wait_settled() has checked.
    check(under_way - ACKNOWLEDGED <= flagged <= count + under_way, f"{flagged} flagged of {under_way}")
    scene.gateway.stop()


def drops(world):
    """What the broker drops while sealringd is away becomes a gap, with the right number."""
    broker, collector, gateway = world.enrol()
    gateway.broker.update({"name": "one", "subscriptions": Raw('[{ filter = "plant/#", qos = 1 }]')})
    gateway.configure()
    path = world.path("broker/mosquitto.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read().replace("max_queued_messages 0", "max_queued_messages 10")
    world.write("broker/mosquitto.conf", text + "sys_interval 1\n")
    for part in (broker, collector, gateway):
        part.start()
    gateway.wait_subscribed()
    count = []
    watcher = mqtt.Client(client_id="watcher")
    watcher.on_message = lambda _c, _d, m: count.append(int(m.payload))
    watcher.connect("127.0.0.1", broker.port)
    watcher.subscribe("$SYS/broker/publish/messages/dropped")
    watcher.loop_start()
    try:
        wait_until(lambda: count, "the broker says its count")
        check_equal(count[-1], 0, "dropped before anything was published")
        gateway.stop()
        publisher = world.closing(Publisher(broker.port, "device"))
        for number in range(100):
            publisher.publish("plant/a", b"%d" % number)
        publisher.wait_acknowledged()
        wait_until(lambda: count[-1] > 0, "the broker says that it dropped")
        gateway.start()
        log = GrowingLog(log_folder(collector.archive))

        def gaps():
            return [details for _, code, details in log.read().details if code == GAP]
        wait_until(gaps, "a gap is archived", alive=[gateway])
        wait_until(lambda: sum(g["dropped"] for g in gaps()) == count[-1], "the gaps add up to the broker's count")
        lost = 100 - len(log.read().messages)
        check(lost > 0, "nothing was dropped, which proves nothing")
        check_equal(count[-1], lost, "the broker's count, and what is not in the log")
        check_equal(gaps()[-1]["dropped-total"], count[-1], "total")
        check(all(not m.topic.startswith(b"$SYS") for m in log.messages), "no message of the watch is recorded")
    finally:
        watcher.loop_stop()
    gateway.stop()


def retained(world, protocol):
    """Recorded with its flag at a new session, and not again when sealringd starts anew, unless it was killed and
    MQTT 3.1.1 is spoken: then it does not rely on the session's having its subscriptions."""
    broker, collector, gateway = world.enrol()
    gateway.broker.update({"protocol": protocol, "subscriptions": Raw('[{ filter = "plant/#", qos = 1 }]')})
    gateway.configure()
    broker.start()
    publisher = world.closing(Publisher(broker.port, "device"))
    publisher.publish("plant/kept", b"r", retain=True)
    publisher.wait_acknowledged()
    collector.start()
    log = GrowingLog(log_folder(collector.archive))
    for number in range(3):
        gateway.start()
        gateway.wait_subscribed()
        publisher.publish("plant/live", b"%d" % number)
        wait_until(lambda n=number: any(m.payload == b"%d" % n for m in log.read().messages), "the live one is there")
        gateway.stop()

    def times():
        return [m.retain for m in log.read().messages if m.topic == b"plant/kept"]
    check_equal(times(), [True], f"RETAIN of the records of the retained message, {protocol}")
    gateway.start()
    gateway.wait_subscribed()
    gateway.kill()
    gateway.start()
    publisher.publish("plant/live", b"last")
    wait_until(lambda: any(m.payload == b"last" for m in log.read().messages), "the last one is there")
    if protocol == "3.1.1":
        wait_until(lambda: len(times()) == 2, "it is recorded again after a kill")
    check_equal(times(), [True] * (2 if protocol == "3.1.1" else 1), f"the same after a kill, {protocol}")
    gateway.stop()


def will_and_properties(world):
    broker, collector, gateway = world.enrol()
    gateway.broker.update({"protocol": "5", "subscriptions": Raw('[{ filter = "plant/#", qos = 1 }]')})
    gateway.configure()
    for part in (broker, collector, gateway):
        part.start()
    gateway.wait_subscribed()
    dying = mqtt.Client(client_id="dying")
    dying.will_set("plant/will", b"gone", 1)
    dying.connect("127.0.0.1", broker.port)
    dying.loop_start()
    wait_until(dying.is_connected, "the device with a will is connected")
    dying.socket().shutdown(2)  # without DISCONNECT
    dying.loop_stop()
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType, properties.CorrelationData, properties.MessageExpiryInterval = "text/x", b"\0\xff", 3600
    properties.UserProperty = [("b", "1"), ("a", "2"), ("b", "3")]
    publisher = world.closing(Publisher(broker.port, "device", protocol=mqtt.MQTTv5))
    publisher.publish("plant/properties", b"p", properties=properties)
    log = GrowingLog(log_folder(collector.archive))
    wait_until(lambda: {b"plant/will", b"plant/properties"} <= {m.topic for m in log.read().messages}, "both archived")
    check_equal([m.payload for m in log.messages if m.topic == b"plant/will"], [b"gone"], "the will")
    got = [m for m in log.messages if m.topic == b"plant/properties"][0].properties
    # MQTT 5 identifiers: 2 expiry, 3 content type, 9 correlation data, 38 user property
    check_equal([p[1:] for p in got if p[0] == 38], [[b"b", b"1"], [b"a", b"2"], [b"b", b"3"]], f"in order, of {got}")
    check_equal([p[1] for p in got if p[0] == 3], [b"text/x"], "content type")
    check_equal([p[1] for p in got if p[0] == 9], [b"\0\xff"], "correlation data")
    check([p for p in got if p[0] == 2 and 3500 < p[1] <= 3600], f"expiry in {got}")
    gateway.stop()


def same_client(world):
    """Two clients of one id throw each other out: refused before anything starts."""
    _, _, gateway = world.enrol()
    gateway.broker.update({"name": "one", "client_id": "same"})
    gateway.configure()
    with open(os.path.join(gateway.folder, "sealring.toml"), "a", encoding="utf-8") as f:
        f.write('\n[[broker]]\nname = "two"\nhost = "127.0.0.1"\nclient_id = "same"\n'
                f'port = {gateway.broker["port"]}\n')
    gateway.start(ready=False).wait_end(2)
    check("client" in gateway.said(), f"it says why: {gateway.said()}")


def named(world):
    """tail and show say by its name which of two brokers a message came from: from the event with which its connection
    began, and from the heartbeat at the oldest segment's beginning when that event is no longer on the gateway."""
    one, collector, gateway = world.enrol(ring_size="64MiB")
    gateway.broker.update({"name": "hall \u7b2c", "subscriptions": Raw('[{ filter = "plant/#", qos = 1 }]')})
    gateway.recorder = {"segment_age": "1s", "segment_bytes": "4MiB"}
    gateway.configure()
    two, _ = second_broker(world, gateway, subscriptions='[{ filter = "plant/#", qos = 1 }]')
    for part in (one, two, collector, gateway):
        part.start()
    wait_both_subscribed(gateway, (one, two))
    config = ("--config", os.path.join(gateway.folder, "sealring.toml"))
    devices = {"hall \u7b2c": world.closing(Publisher(one.port, "in-hall")),
               "two": world.closing(Publisher(two.port, "on-roof"))}

    def look(*command):
        return world.run("sealring", *command)[0]

    def publish_each(payload):
        for device in devices.values():
            device.publish("plant/a", payload)
            device.wait_acknowledged()
        count = sum(device.published for device in devices.values())
        gateway.wait_status(lambda s: s["recorder"]["messages"] == count, f"{count} messages are recorded")

    def check_names(payload, *where):
        """The two messages of publish_each(payload)."""
        found = [r for r in map(json.loads, look("tail", "--json", "--topic", "plant/a", *where).splitlines())
                 if r["payload"] == payload]
        check_equal({r.get("broker") for r in found}, set(devices), f"the brokers of {found}")
        for record in found:
            shown = look("show", str(record["index"]), *where)
            check(f" to broker {record['broker']}, message " in shown, shown)
            check_equal(json.loads(look("show", str(record["index"]), "--json", *where))["broker"], record["broker"],
                        "show --json")
        return found
    publish_each(b"first")
    check_names("first", *config)
    lines = look("tail", "--topic", "plant/a", *config).splitlines()
    check_equal({re.sub(r"^ +\d+  .{10} .{12}[~ ] +", "", line) for line in lines},
                {f"{name}: plant/a  first" for name in devices}, f"names in {lines}")
    connected = max(r["connection"] for r in check_names("first", *config))
    # The ring goes round until the oldest segment here is younger than both connections.
    for _ in range(80):
        devices["two"].publish("plant/large", bytes(1000000))
    devices["two"].wait_acknowledged()
    gateway.wait_status(lambda s: s["ring"]["first_index"] > connected, "the events of both connections are released")
    publish_each(b"last")
    check_names("last", *config)
    wait_until(lambda: b"last" in [m.payload for m in GrowingLog(log_folder(collector.archive)).read().messages],
               "it is archived", alive=[gateway, collector])
    check_names("first", "--from", collector.archive)
    gateway.stop()
    check_names("last", *config)  # from the store


if __name__ == "__main__":
    main(("killed_qos1", lambda w: killed(w, 1)), ("killed_qos2", lambda w: killed(w, 2)),
         ("broker_restarts_v5", lambda w: broker_restarts(w, "5", None)),
         ("broker_restarts_v311", lambda w: broker_restarts(w, "3.1.1", 0)),
         ("broker_restarts_short_window", broker_restarts_short_window), ("broker_killed", broker_killed),
         ("drops", drops),
         ("retained_v5", lambda w: retained(w, "5")), ("retained_v311", lambda w: retained(w, "3.1.1")),
         ("will_and_properties", will_and_properties), ("same_client", same_client), ("named", named))
