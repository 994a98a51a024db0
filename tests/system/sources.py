#!/usr/bin/python3
"""Several brokers into one log, and what a broker does besides delivering: drops, retained, wills, properties."""
import os
import signal

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Load, Publisher
from lib.world import Broker, Raw, check, check_equal, main, wait_until

GAP = 9


def second_broker(world, gateway, **keys):
    """Another Mosquitto, as a second [[broker]] of the gateway."""
    first_config = world.path("broker/mosquitto.conf")
    with open(first_config, encoding="utf-8") as f:
        kept = f.read()
    broker = world.add(Broker(world))
    os.makedirs(world.path("broker2"))
    config = kept.replace(world.path("broker") + "/", world.path("broker2") + "/")
    config = world.write("broker2.conf", config.replace(f"listener {gateway.source.port} ", f"listener {broker.port} "))
    world.write("broker/mosquitto.conf", kept)
    broker.name, broker.command, broker.log_path = "mosquitto2", [*broker.command[:-1], config], world.path("mosq2.log")
    values = {"name": '"two"', "host": '"127.0.0.1"', "port": broker.port, **keys}
    with open(os.path.join(gateway.folder, "sealring.toml"), "a", encoding="utf-8") as f:
        f.write("\n[[broker]]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))
    return broker


def wait_both_subscribed(gateway, brokers):
    gateway.wait_status(lambda s: all(b["connected"] for b in s["brokers"]), "both brokers are connected")
    for broker in brokers:
        wait_until(lambda b=broker: any(" plant/#" in line for line in b.lines(True)), f"{broker.name} has the filter")


def killed(world, qos):
    """One broker is stopped for a while, the gateway is killed twice with both under load."""
    one, collector, gateway = world.enrol(inflight=0)
    filters = f'[{{ filter = "plant/#", qos = {qos} }}]'
    gateway.broker.update({"name": "one", "protocol": "5", "subscriptions": Raw(filters)})
    gateway.configure()
    two = second_broker(world, gateway, protocol='"5"', subscriptions=filters)
    for part in (one, two, collector, gateway):
        part.start()
    wait_both_subscribed(gateway, (one, two))
    loads = [world.closing(Load(b.port, qos, 100)) for b in (one, two)]
    for _ in range(2):
        before = gateway.status()["size"]
        gateway.wait_status(lambda s, n=before: s["size"] > n + 500, "records flow")
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait_end(-signal.SIGKILL)
        gateway.start()
    sent = loads[0].stop() + loads[1].stop()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    # With nothing under way: a Mosquitto that is stopped with thousands under way makes flagged duplicates.
    two.stop()
    load = world.closing(Load(one.port, qos, 100, name="meanwhile"))
    before = gateway.status()["size"]
    gateway.wait_status(lambda s: s["size"] > before + 500, "the first broker flows while the second is away")
    sent = sent + load.stop()
    two.start()
    gateway.wait_status(lambda s: all(b["connected"] for b in s["brokers"]), "both brokers are connected again")
    load = world.closing(Load(two.port, qos, 100, name="again"))
    before = gateway.status()["size"]
    gateway.wait_status(lambda s: s["size"] > before + 500, "the second broker flows again")
    sent = sent + load.stop()
    wait_archived(log, sent, alive=[gateway, collector])
    check_equal(len(log.flagged()), 0, "possible duplicates, which Mosquitto gives no reason for")
    named = {details.get("broker") for _, details in log.events_named("connected")}
    check_equal({n.decode() if isinstance(n, bytes) else n for n in named}, {"one", "two"}, "brokers in the events")
    gateway.stop()
    world.verify(gateway.folder + "/store")


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


def retained(world, protocol, times):
    """Recorded with its flag at a new session. When sealringd starts anew: not again on MQTT 5, again on 3.1.1."""
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
    got = [m.retain for m in log.messages if m.topic == b"plant/kept"]
    check_equal(got, [True] * times, f"RETAIN of the records of the retained message, {protocol}")


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


if __name__ == "__main__":
    main(("killed_qos1", lambda w: killed(w, 1)), ("killed_qos2", lambda w: killed(w, 2)), ("drops", drops),
         ("retained_v5", lambda w: retained(w, "5", 1)), ("retained_v311", lambda w: retained(w, "3.1.1", 3)),
         ("will_and_properties", will_and_properties), ("same_client", same_client))
