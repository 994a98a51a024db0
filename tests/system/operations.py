#!/usr/bin/python3
"""Metrics, health and alarms of both daemons, as their operators have them."""
import os
import socket
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "attack"))

from kit.forge import note_line, vectors
from kit.offer import Client
from kit.scene import key_file

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.faults import FailingCalls, no_root, no_strace
from lib.load import Publisher
from lib.metrics import Scraper, alarms_heard, command_script
from lib.service import Frozen, Manager, with_environment
from lib.world import ORIGIN, Raw, check, check_equal, main, wait_until

CONFIG, SYSTEM = 2, 6
BROKER = "the \"hall\" \\ 1"


class Scene:
    def __init__(self, world, ring_size="64MiB", alarm=True, **upstream):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size=ring_size, inflight=0)
        gateway, collector = self.gateway, self.collector
        self.gateway_command, self.gateway_heard = command_script(world, "gateway-command")
        self.collector_command, self.collector_heard = command_script(world, "collector-command")
        gateway.metrics = {"listen": "127.0.0.1:0"}
        gateway.broker["name"] = BROKER
        gateway.top["alarm_quiet"] = "1s"
        if alarm:
            gateway.top["alarm_command"] = [self.gateway_command, "first"]
        gateway.upstream.update(upstream)
        gateway.configure()
        collector.top = {"alarm_command": [self.collector_command], "alarm_quiet": "1s"}
        collector.metrics = {"listen": "127.0.0.1:0"}
        collector.configure()
        self.log = GrowingLog(log_folder(collector.archive))

    def start(self, collector=True):
        self.broker.start()
        if collector:
            self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.device = self.world.closing(Publisher(self.broker.port, "device", window=50))
        return self

    def publish(self, count, payload=b"x"):
        for _ in range(count):
            self.device.publish("plant/x", b"%d " % sum(self.device.sent.values()) + payload, 1)

    def events(self):
        """Alarms in the archived log: [(kind, state)]."""
        return [(details.get("alarm"), details.get("state")) for _, details in self.log.read().events_named("alarm")]


def metrics(world):
    """The values move as they should, and are those of `status`."""
    scene = Scene(world).start()
    gateway = Scraper(scene.gateway)
    label = f"{{broker={BROKER}}}"
    before = gateway.values()
    check_equal(before["sealring_messages_total" + label], 0, "messages at first")
    scene.publish(200, b"0123456789")
    scene.device.wait_acknowledged()
    wait_archived(scene.log, scene.device.sent, alive=[scene.gateway, scene.collector])
    after = gateway.wait(lambda v: v["sealring_messages_total" + label] == 200 and
                         v["sealring_acknowledgements_held" + label] == 0 and v["sealring_receipts_total"] > 0 and
                         v["sealring_segments{state=sealed}"] == 0, "all is counted")
    check(200 * 12 <= after["sealring_message_bytes_total" + label] <= 200 * 14, "bytes of payload")
    check_equal(after["sealring_acknowledgements_released_total" + label], 200, "acknowledgements")
    for name in ("sealring_broker_connected" + label, "sealring_upstream_reachable", "sealring_health{status=ok}",
                 "sealring_identity_signs"):
        check_equal(after[name], 1, name)
    for name in ("sealring_log_entries", "sealring_frames_total", "sealring_written_bytes_total", "sealring_epoch",
                 "sealring_receipted_entries", "sealring_commit_seconds_count",
                 "sealring_signature_seconds_count{key=epoch}", "sealring_signature_seconds_count{key=identity}"):
        check(after[name] > before[name], f"{name}: {before[name]} and then {after[name]}")
    check(after["sealring_start_time_seconds"] <= after["sealring_last_receipt_time_seconds"], "times")
    check(0 < after["sealring_commit_seconds_sum"] < after["sealring_commit_seconds_count"] * 30, "commit latency")
    check_equal(after["sealring_ring_size_bytes"], 64 << 20, "size of the ring")
    check(0 < after["sealring_ring_fill_ratio"] < 1, "fill of the ring")
    check_equal(after["sealring_lost_messages_total"], 0, "lost messages")
    families = gateway.families()
    check_equal(families["sealring_build"].samples[0].labels.keys(), {"version"}, "build info")
    check_equal(families["sealring_log"].samples[0].labels["origin"], ORIGIN, "origin")
    check_equal(families["sealring_commit_seconds"].unit, "seconds", "unit")
    check_equal(families["sealring_messages"].type, "counter", "type")
    status = scene.gateway.status()
    one = status["brokers"][0]
    check_equal((one["recorded"], one["name"], status["health"]["status"]), (200, BROKER, "ok"), "of the status")
    check_equal(status["ring"]["free_bytes"] + status["ring"]["used_bytes"], 64 << 20, "bytes of the ring")
    check(status["latency"]["commit"]["count"] >= after["sealring_commit_seconds_count"], "latency in the status")
    out, _ = world.run("sealring", "status", "--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    check("on average" in out and "ALARM" not in out and "health" not in out, out)
    of_collector(scene)
    hostile(scene, gateway)


def of_collector(scene):
    collector = Scraper(scene.collector)
    label = f"{{log={ORIGIN}}}"
    values = collector.values()
    receipted = scene.gateway.status()["upstream"]["acknowledged_size"]
    check(0 < values["sealring_collector_archived_entries" + label] <= receipted, "archived entries")
    check_equal(values["sealring_collector_logs"], 1, "logs")
    check(values["sealring_collector_receipts_total" + label] > 0, "receipts")
    check(values["sealring_collector_requests_total{endpoint=mirror/add-entries}"] > 0, "requests")
    check_equal(sum(v for k, v in values.items() if "refusals_total" in k and "=size" not in k), 0, "refusals")
    check(0 <= values["sealring_collector_lag_seconds" + label] < 600, "lag")
    folder = log_folder(scene.collector.archive) + "/segments"
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    check(0 < values["sealring_collector_archive_bytes" + label] <= size, "bytes of the archive")
    check_equal(collector.health(), (200, "ok", []), "health of the collector")


def hostile(scene, gateway):
    """Clients that say nothing, or read nothing, take all places again and again: recording goes on."""
    peers = []
    for turn in range(40):
        peer = socket.create_connection(("127.0.0.1", gateway.port))
        whole = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        peer.sendall((b"", whole[:30], whole * 1000)[turn % 3])
        peers.append(peer)
        scene.publish(10)
    scene.device.wait_acknowledged()
    for method, path, status in (("GET", "/", 404), ("GET", "/metrics/", 404), ("GET", "/../etc/passwd", 404),
                                 ("POST", "/metrics", 405), ("GET", "/metrics", 200)):
        def answered(method=method, path=path, status=status):
            try:
                return gateway.get(path, method)[0] == status
            except OSError:
                return False  # no place
        wait_until(answered, f"{method} {path} is answered by {status}", alive=[scene.gateway])
        if status == 405:
            for peer in peers:
                peer.close()
    gateway.wait(lambda v: v[f"sealring_messages_total{{broker={BROKER}}}"] == 600, "all is recorded")


def health(world):
    """503 when the ring is full, 200 in words when broker or collector are away, and back."""
    scene = Scene(world)
    scene.gateway.recorder["segment_bytes"] = "4MiB"
    scene.gateway.configure()
    scene.start(collector=False)
    gateway = Scraper(scene.gateway)
    check_equal(gateway.wait_health("degraded", "collector")[0], 200, "status")
    block = bytes(range(256)) * 80
    for _ in range(3600):  # 70 MiB
        scene.publish(1, block)
    scene.device.wait_acknowledged()
    gateway.wait_health("unhealthy", "the ring is full")
    values = gateway.values()
    check_equal(values["sealring_waiting_for_room"], 1, "it waits for room")
    check(values["sealring_ring_fill_ratio"] > 0.8, "the ring is full")
    check(values[f"sealring_acknowledgements_held{{broker={BROKER}}}"] > 0, "acknowledgements are held")
    out, _ = world.run("sealring", "status", "--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    check("UNHEALTHY: the ring is full" in out, out)
    scene.collector.start()
    gateway.wait_health("ok")
    scene.broker.stop()
    check_equal(gateway.wait_health("degraded", f"broker {BROKER} is not connected")[0], 200, "status")


def lag(world):
    """The collector away for long: one alarm, told by command, entry, metric and status; over when it is drained."""
    scene = Scene(world, max_lag="5s").start(collector=False)
    gateway = Scraper(scene.gateway)
    scene.publish(5)
    values = gateway.wait(lambda v: v["sealring_alarm_active{alarm=lag}"] == 1, "the alarm lasts")
    check(values["sealring_unforwarded_age_seconds"] >= 5 and values["sealring_unforwarded_entries"] > 5, "the lag")
    wait_until(lambda: alarms_heard(scene.gateway_heard), "the command is run", alive=[scene.gateway])
    kind, state, said = alarms_heard(scene.gateway_heard)[0]
    check_equal((kind, state, said["alarm"], said["state"], said["log"]), ("lag", "begins", "lag", "begins", ORIGIN),
                "what the command hears")
    check("has no receipt yet" in said["words"] and said["age-s"] >= 5, f"words: {said}")
    scene.gateway.wait_said("error: alarm: lag: entry")
    config = ("--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    check("ALARM       lag, since" in world.run("sealring", "status", *config)[0], "in the status")
    check_equal(scene.gateway.status()["alarms"][0]["alarm"], "lag", "in the status")
    scene.gateway.wait_status(lambda s: s["alarms"] and s["alarms"][0]["times"] >= 4, "its cause goes on")
    scene.collector.start()
    gateway.wait(lambda v: v["sealring_alarm_active{alarm=lag}"] == 0, "it is over")
    wait_until(lambda: len(alarms_heard(scene.gateway_heard)) == 2, "the command is run", alive=[scene.gateway])
    check_equal([a[:2] for a in alarms_heard(scene.gateway_heard)], [("lag", "begins"), ("lag", "ends")], "heard")
    wait_until(lambda: scene.events() == [("lag", "begins"), ("lag", "ends")], "both are in the log")
    values = gateway.values()
    check_equal((values["sealring_alarms_total{alarm=lag}"], values["sealring_alarm_commands_total"],
                 values["sealring_alarm_command_failures_total"]), (1, 2, 0), "counted")
    # Taken over by SIGHUP: nobody is told any more.
    scene.gateway.upstream["max_lag"] = "0s"
    scene.gateway.configure()
    scene.gateway.child.send_signal(1)
    scene.gateway.wait_said("configuration read again: changed upstream.max_lag")


def disk(world):
    """The file system refuses for a while; then a seal finds no place for the next key: one alarm each, everywhere."""
    if reason := no_root() or no_strace():
        return print(f"    skipped: {reason}", flush=True)
    scene = Scene(world).start()
    gateway, store = Scraper(scene.gateway), os.path.join(scene.gateway.folder, "store")
    config = ("--config", os.path.join(scene.gateway.folder, "sealring.toml"))

    def lasts(kind, words):
        gateway.wait(lambda v: v[f"sealring_alarm_active{{alarm={kind}}}"] == 1, f"{kind} lasts")
        check(f"ALARM       {kind}, since" in world.run("sealring", "status", *config)[0], "in the status")
        alarm = scene.gateway.status()["alarms"][0]
        check_equal(alarm["alarm"], kind, "in the status")
        check(words in alarm["words"], alarm["words"])

    def over(*kinds):
        both = [(kind, state) for kind in kinds for state in ("begins", "ends")]
        wait_until(lambda: len(alarms_heard(scene.gateway_heard)) >= len(both), "the command is run",
                   alive=[scene.gateway])
        heard = alarms_heard(scene.gateway_heard)
        check_equal([a[:2] for a in heard], both, "heard")
        check(all(a[2]["words"] and (a[1] == "ends" or a[2]["reason"]) for a in heard), f"words: {heard}")
        wait_until(lambda: scene.events() == both, "all are in the log", alive=[scene.gateway, scene.collector])
        values = gateway.values()
        for kind in kinds:
            check_equal((values[f"sealring_alarms_total{{alarm={kind}}}"],
                         values[f"sealring_alarm_active{{alarm={kind}}}"]), (1, 0), kind)

    with FailingCalls(world, scene.gateway, "pwrite64,pwritev,writev,fdatasync", "EROFS",
                      [os.path.join(store, name) for name in ("journal", "ring.lmdb")]):
        scene.publish(5)
        lasts("store-not-writable", "Read-only file system")
        check_equal(gateway.wait_health("unhealthy", "the store cannot be written")[0], 503, "status")
        check_equal(gateway.values()["sealring_waiting_for_disk"], 1, "it waits for the disk")
        wait_until(lambda: len(alarms_heard(scene.gateway_heard)) == 1, "the command is run", alive=[scene.gateway])
    gateway.wait(lambda v: v["sealring_waiting_for_disk"] == 0, "it goes on")
    over("store-not-writable")
    gateway.wait_health("ok")

    wait_until(lambda: scene.gateway.status()["segments"]["sealed"] == 0, "all is sealed and sent")
    in_the_way = os.path.join(store, f"epoch-{scene.gateway.status()['keys']['epoch'] + 1}.key")
    os.mkdir(in_the_way)
    scene.publish(5)
    lasts("epoch-key", "the next epoch key cannot be saved")
    check_equal(gateway.wait_health("degraded", "alarm: epoch-key")[0], 200, "status")
    os.rmdir(in_the_way)
    over("store-not-writable", "epoch-key")
    scene.device.wait_acknowledged()
    wait_archived(scene.log, scene.device.sent, alive=[scene.gateway, scene.collector])


def rollback(world):
    """A store that is set back: alarms on both sides, at the collector when the copy signs below what is known."""
    scene = Scene(world, alarm=True)
    scene.gateway.top["on_rollback"] = "hold"
    scene.gateway.configure()
    scene.start()
    store, image = os.path.join(scene.gateway.folder, "store"), world.path("image")

    def receipted():
        scene.publish(20)
        scene.device.wait_acknowledged()
        size = scene.gateway.status()["size"]
        scene.gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"] >= size, "it is receipted")
    receipted()
    scene.gateway.stop()
    world.run("cp", "-a", store, image)
    scene.gateway.start()
    receipted()
    scene.gateway.stop()
    world.run("rm", "-r", store)
    world.run("mv", image, store)
    scene.gateway.start()
    wait_until(lambda: [a[:2] for a in alarms_heard(scene.gateway_heard)] == [("rollback", "begins")],
               "the gateway's command is run", alive=[scene.gateway])
    gateway = Scraper(scene.gateway)
    gateway.wait(lambda v: v["sealring_alarm_active{alarm=rollback}"] == 1 and v["sealring_identity_held"] == 1, "held")
    check_equal(gateway.wait_health("degraded", "alarm: rollback")[0], 200, "status")
    of_a_thief(scene)


def of_a_thief(scene):
    """Somebody with the gateway's keys shows the collector another history, then one that is below what it has."""
    world, collector = scene.world, Scraper(scene.collector)
    client, key = world.closing(Client(world, scene.collector.port)), key_file(scene.gateway.folder + "/identity.key")
    size = int(collector.values()[f"sealring_collector_witnessed_entries{{log={ORIGIN}}}"])

    def offered(at):
        text = f"{ORIGIN}\n{at}\n{vectors.b64(os.urandom(32))}\n"
        return client.add_checkpoint("witness", (text + "\n" + note_line(ORIGIN, key, text)).encode(), size)
    check_equal(offered(size)[0], 422, "the answer to a fork")
    check_equal(client.add_checkpoint("witness", b"garbage")[0], 400, "the answer to garbage")

    def heard(*kinds):
        both = [(kind, state) for kind in kinds for state in ("begins", "ends")]
        return [a[:2] for a in alarms_heard(scene.collector_heard)] == both
    wait_until(lambda: heard("fork"), "the collector's command is run", alive=[scene.collector])
    for _ in range(5):
        check(offered(size - 1)[0] in (400, 409), "the answer to what is below")
    wait_until(lambda: heard("fork", "rollback"), "the collector's command is run", alive=[scene.collector])
    said = alarms_heard(scene.collector_heard)[2][2]
    check_equal((said["log"], said["size"]), (ORIGIN, size - 1), "what it hears")
    values = collector.values()
    for name, value in (("refusals_total{reason=fork}", 1), ("refusals_total{reason=rollback}", 5),
                        ("refusals_total{reason=malformed}", 1), ("alarms_total{alarm=fork}", 1),
                        ("alarms_total{alarm=rollback}", 1), ("alarms_active{alarm=fork}", 0)):
        check_equal(values["sealring_collector_" + name], value, name)


def commands(world):
    """A command that fails, or that hangs, changes nothing for anybody but who reads the diagnostics."""
    scene = Scene(world, alarm=False, max_lag="1500ms")
    scene.gateway.top["alarm_command"] = ["/bin/false"]
    scene.gateway.configure()
    scene.start(collector=False)
    scene.gateway.wait_said("warning: alarm_command /bin/false failed: it ended with 1")
    scene.gateway.stop()
    scene.gateway.top["alarm_command"] = ["/bin/sleep", "1000"]  # `sleep 1000 lag begins` fails by itself
    hang = world.write("hang", "#!/bin/sh\nexec sleep 1000\n")
    world.run("chmod", "0755", hang)
    scene.gateway.top["alarm_command"] = [hang]
    scene.gateway.configure()
    scene.gateway.start()
    gateway = Scraper(scene.gateway)
    gateway.wait(lambda v: v["sealring_alarm_active{alarm=lag}"] == 1, "the alarm lasts")
    scene.publish(50)
    scene.device.wait_acknowledged()
    scene.gateway.stop()  # in time
    config = ("--config", os.path.join(scene.gateway.folder, "sealring.toml"))
    out, _ = world.run("sealring", "check", *config)
    check(f"alarm_command: {hang}" in out and "metrics: http://127.0.0.1:0/metrics" in out, out)
    world.run("chmod", "0777", hang)
    check("can be changed by others" in world.run("sealring", "check", *config)[0], "a warning")
    world.run("chmod", "0600", hang)
    out, _ = world.run("sealring", "check", *config, code=1)
    check(f"{hang} is no program that this user may run" in out, out)
    out, _ = world.run("ps", "-eo", "args")
    check(f"sh {hang}" not in out, "the command is gone")


def keys(world):
    """What the configurations may not say of it, and addresses that cannot be had."""
    scene = Scene(world)
    gateway, collector = scene.gateway, scene.collector
    gateway.upstream["max_lag"] = "1s"
    gateway.configure()
    gateway.start(ready=False)
    gateway.wait_end(CONFIG)
    check("max_lag must be above segment_age" in gateway.said(), gateway.said())
    del gateway.upstream["max_lag"]
    for daemon in (gateway, collector):
        for metrics_keys, words in (({"listen": "0.0.0.0:9464"}, "allow_remote = true if that is meant"),
                                    ({"listen": "[::]:9464"}, "allow_remote = true if that is meant"),
                                    ({"listen": "localhost"}, "must be ADDRESS:PORT"),
                                    ({"lisen": "127.0.0.1:1"}, "the nearest key is metrics.listen")):
            daemon.metrics = metrics_keys
            daemon.configure()
            daemon.start(ready=False)
            daemon.wait_end(CONFIG)
            check(words in daemon.said(), daemon.said())
        daemon.metrics = {"listen": "127.0.0.1:0"}
        command = daemon.top["alarm_command"]
        for value in (["alarm"], [""], [1], "alarm"):
            daemon.top["alarm_command"] = value
            daemon.configure()
            daemon.start(ready=False)
            daemon.wait_end(CONFIG)
            check("alarm_command" in daemon.said(), daemon.said())
        daemon.top["alarm_command"] = command
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            daemon.metrics = {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
            daemon.configure()
            if daemon is gateway:
                scene.broker.start()
            daemon.start(ready=False)
            daemon.wait_end(SYSTEM)
            check("metrics.listen: " in daemon.said(), daemon.said())
        daemon.metrics = {"listen": "0.0.0.0:0", "allow_remote": Raw("true")}
        daemon.configure()
        daemon.start()
        daemon.wait_said("metrics at http://0.0.0.0:")
        daemon.metrics = {}
        daemon.stop()
        daemon.configure()
        daemon.start()
        check("metrics at" not in daemon.said(), "nobody listens")


def hangs(world):
    """A recorder that does not come round: 503, and the service manager is not pinged; both again when it does."""
    if os.geteuid() != 0:
        print("    skipped: not root", flush=True)
        return
    scene = Scene(world)
    manager = Manager(world)
    with_environment(scene.gateway, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="2000000", WATCHDOG_PID=None)
    scene.start()
    gateway = Scraper(scene.gateway)
    gateway.wait_health("ok")
    manager.wait("WATCHDOG", 3, alive=[scene.gateway])
    manager.wait("STATUS", 2, alive=[scene.gateway])
    said = [one["STATUS"] for one in manager.said if "STATUS" in one]
    check(f"recording {ORIGIN}, " in said[-1] and "1 of 1 brokers; collector there" in said[-1], f"status: {said[-1]}")
    threads = {}
    for tid in os.listdir(f"/proc/{scene.gateway.pid}/task"):
        with open(f"/proc/{scene.gateway.pid}/task/{tid}/comm", encoding="ascii") as comm:
            threads.setdefault(comm.read().strip(), []).append(int(tid))
    check({"recorder", "forwarder", "signer", "watch"} <= set(threads), f"threads: {sorted(threads)}")
    others = [tid for name, tids in threads.items() if name != "recorder" for tid in tids]
    frozen = Frozen(scene.gateway.pid, spared=others)
    try:
        gateway.wait_health("unhealthy", "the recorder has not come round for")
        manager.forget()
        manager.wait("STATUS", 1, alive=[scene.gateway])
        check_equal(manager.count("WATCHDOG"), 0, "pings while it hangs")
    finally:
        frozen.thaw()
    gateway.wait_health("ok")
    manager.wait("WATCHDOG", 1, alive=[scene.gateway])


if __name__ == "__main__":
    main(("metrics", metrics), ("health", health), ("lag", lag), ("disk", disk), ("rollback", rollback),
         ("commands", commands), ("keys", keys), ("hangs", hangs))
