#!/usr/bin/python3
"""Bad input of every kind gets a clear sentence or an event record: never a crash, never a stuck window."""
import base64
import hashlib
import os
import shutil
import socket
import time

from lib.certs import make_ca, make_leaf
from lib.compare import GrowingLog, check_same, log_folder, wait_archived
from lib.fakes import FakeCollector, http
from lib.load import Publisher, user_properties
from lib.world import MIRROR, TLS_URI, WITNESS, Collector, Gateway, Raw, check, check_equal, free_port, main, wait_until

import paho.mqtt.client as mqtt

CONFIG, DAMAGED, BUSY = 2, 3, 4  # exit codes
OCTETS = ["Content-Type: application/octet-stream"]


# --- the collector's side of the link is wrong ---


class Upstream:
    """A running gateway with messages to forward; what listens where its collector should be is changed under it."""

    def __init__(self, world):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol()
        self.gateway.recorder["segment_age"] = "1s"
        self.gateway.upstream.update({"retry_max": "300ms", "timeout": "2s"})
        self.gateway.configure()
        self.broker.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.publisher = world.closing(Publisher(self.broker.port, "device"))
        for i in range(300):
            self.publisher.publish("plant/x", b"%d" % i)
        self.publisher.wait_acknowledged()
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] >= 1, "a segment waits")

    def refused(self, start, close, *words):
        """With that thing in the collector's place: one line has all the words, and nothing counts as receipted."""
        self.gateway.mark = os.path.getsize(self.gateway.log_path)
        thing = start()
        try:
            line = self.gateway.wait_said("warning: forwarding waits", *words)
            print("    " + line, flush=True)
            status = self.gateway.status()
            check(status and status["upstream"]["acknowledged_size"] == 0 and not status["upstream"]["reachable"],
                  f"not receipted: {status}")
            check_equal(status["segments"]["acknowledged"], 0, "acknowledged segments")
        finally:
            close(thing)
        lines = self.gateway.lines()
        check(len(lines) < 12, f"{len(lines)} lines of diagnostics for one trouble")

    def fake(self, answer, *words, **kwargs):
        self.refused(lambda: FakeCollector(self.collector.port, answer, self.world.path("tls"), **kwargs),
                     lambda fake: fake.close(), *words)

    def real(self, configure, *words, said=()):
        """The real collector, wrongly configured; `said`: words of its own diagnostics."""
        configure(self.collector)

        def close(collector):
            if said:
                print("    " + collector.wait_said(*said), flush=True)
            collector.stop()
            self.collector.configure()
        self.refused(self.collector.start, close, *words)

    def recovers(self):
        """The right collector at last: everything arrives."""
        self.collector.configure().start()
        log = GrowingLog(log_folder(self.collector.archive))
        wait_archived(log, self.publisher.sent, alive=[self.gateway, self.collector])
        self.gateway.wait_said("forwarding goes on")
        self.world.verify_live(self.collector.archive)
        self.gateway.stop()


def upstream_tls(world):
    up = Upstream(world)
    tls = world.path("tls")
    make_ca(tls, "other-ca", "another CA")
    names = "DNS:localhost,IP:127.0.0.1"
    make_leaf(tls, "foreign", "other-ca", "foreign collector", "serverAuth", names)
    make_leaf(tls, "expired", "ca", "expired collector", "serverAuth", names, expired=True)
    make_leaf(tls, "misnamed", "ca", "misnamed collector", "serverAuth", "DNS:elsewhere.example,IP:127.0.0.2")
    make_leaf(tls, "client", "ca", "client as server", "clientAuth", names)
    up.gateway.wait_said("warning: forwarding waits", "connection refused")  # nobody listens
    for cert, words in (("foreign", ("not signed by the CA", "another CA")), ("expired", ("expired", "2020-01-02")),
                        ("misnamed", ("not for name", "127.0.0.1", "elsewhere.example"))):
        up.real(lambda c, cert=cert: c.configure(cert=f"tls/{cert}.pem", key=f"tls/{cert}.key"), *words)
    up.real(lambda c: c.configure(ca="tls/other-ca.pem"), "refused our certificate", "gateway.pem",
            said=("refused", "not signed by the CA"))
    make_leaf(tls, "old", "ca", "an old gateway", "clientAuth", f"URI:{TLS_URI}", expired=True)

    def install(source):
        for end in ("key", "pem"):  # the key first, as one does it
            shutil.copy2(f"{tls}/{source}.{end}", f"{tls}/new")
            os.rename(f"{tls}/new", f"{tls}/gateway.{end}")
    for end in ("key", "pem"):
        shutil.copy2(f"{tls}/gateway.{end}", f"{tls}/kept.{end}")
    install("old")
    up.real(lambda c: c.configure(), "refused our certificate", "gateway.pem", "expired, by its clock",
            "to 2020-01-02", "our clock", said=("refused", '"CN=an old gateway" has expired on 2020-01-02'))
    install("kept")
    up.fake(lambda *_: http(200), "not meant for servers", cert="client")
    up.fake(lambda *_: http(200), "not TLS", tls=False)
    up.recovers()


def note_line(name, vkey, signature):
    key_id = bytes.fromhex(vkey.split("+")[1])
    return f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n"


def upstream_answers(world):
    up = Upstream(world)
    up.fake(lambda *_: b"\x00\x01garbage\r\n\r\n" * 20, "not HTTP")
    up.fake(lambda *_: http(500, "the disk is on fire\nsecond line\x1b[31m"), "500", "disk is on fire")
    up.fake(lambda *_: http(200, b"short", length=1000), "closed in mid-answer")
    up.fake(lambda *_: b"", "without")
    up.fake(lambda *_: http(200, b"x" * (20 << 20)), "larger than")
    up.fake(lambda *_: http(302, "moved"), "302")
    up.fake(lambda *_: http(200, "no checkpoint\n"), "/witness/.../checkpoint", "not a signed note")

    # From here on it has nothing of the log yet when it is asked, and what follows is said to what is sent.
    def to_posts(answer):
        return lambda path, body: http(404) if path.endswith("/checkpoint") else answer(path, body)

    def refused(answer, *words):
        up.fake(to_posts(answer), *words)
    refused(lambda *_: http(409, "18446744073709551615\n", "text/x.tlog.size"), "beyond our segment's end",
            "shows no checkpoint of that")
    refused(lambda *_: http(409, "many\n", "text/x.tlog.size"), "/witness/add-checkpoint", "many")
    refused(lambda *_: http(200, "not a signature line\n"), "/witness/add-checkpoint", "line")

    # Cosignatures with the right names and key IDs, but not by those keys; and none at all.
    time_now = int(time.time()).to_bytes(8, "big")
    forged = {"witness": note_line(WITNESS, world.keys["witness"], time_now + os.urandom(64)),
              "mirror": note_line(MIRROR, world.keys["mirror"], time_now + os.urandom(64))}

    def forge(path, _body):
        if path.endswith("/mirror/add-checkpoint"):
            return http(200)
        return http(200, forged["witness" if "witness" in path else "mirror"])
    refused(forge, "receipt does not verify")
    stranger = note_line("stranger.example", "stranger.example+01020304+AAAA", time_now + os.urandom(64))
    refused(lambda path, _: http(200, "" if path.endswith("/mirror/add-checkpoint") else stranger), "receipt",
            "cosignature of the mirror")

    # Words that change at every try are told once each.
    turn = iter(range(10 ** 6))
    up.fake(lambda *_: http(503, f"busy, version {next(turn) % 2}"), "version 1")
    up.gateway.mark = os.path.getsize(up.gateway.log_path)
    fake = FakeCollector(up.collector.port, lambda *_: http(503, f"busy, version {next(turn) % 2}"), world.path("tls"))
    wait_until(lambda: fake.requests >= 8, "eight more tries", alive=[up.gateway])
    fake.close()
    lines = [line for line in up.gateway.lines() if "version" in line]
    check(len(lines) <= 1, f"the same troubles again: {lines}")

    # A mirror that says it has everything, or nothing for ever.
    def info(next_entry, status):
        def answer(path, _body):
            if "add-entries" in path:
                return http(status, f"1000000\n{next_entry}\n\n", "text/x.tlog.mirror-info")
            return http(200, stranger if "witness" in path else "")
        return answer
    refused(info(999999, 202), "outside the segment")
    refused(info(0, 409), "takes no entries")
    up.recovers()


def upstream_strangers(world):
    """Real collectors that were enrolled wrongly, or are not the ones that the policy names."""
    up = Upstream(world)
    world.run("sealring", "init", world.path("other"), "--origin", "example.com/other", "--ring-size", "64MiB")
    other = world.run("sealring", "key", "generate", world.path("x.key"), "example.com/other")[0].strip()
    world.write("other-policy", f"log {other}\nquorum none\n")

    def elsewhere(change, *edits):
        """Configures the collector and gives it an archive of its own."""
        def configure(collector):
            change(collector)
            for old, new in (*edits, ('"archive"', f'"archive-{len(os.listdir(world.folder))}"')):
                edit(world.path("collector.toml"), old, new)
        return configure
    up.real(elsewhere(lambda c: c.configure(policy="other-policy", tls_uri=None)), "404",
            "not one of this collector's")
    up.real(lambda c: c.configure(tls_uri="sealring:someone-else"), "403", "another URI",
            said=("refused a request", "sealring:someone-else"))
    for role, name in (("witness", WITNESS), ("mirror", MIRROR)):
        world.run("sealring", "key", "generate", world.path(f"false-{role}.key"), name, "--cosigner")
    up.real(elsewhere(lambda c: c.configure(), ('"mirror.key"', '"false-mirror.key"'),
                      ('"witness.key"', '"false-witness.key"')), "receipt", "cosignature of the mirror")
    pinned = world.anchor[:-8] + "00000000"
    up.real(elsewhere(lambda c: c.configure(anchor=pinned)), "422", "anchor pinned here",
            said=("refused an upload", "entry 0"))
    up.recovers()


# --- nonsense that arrives at the collector ---


def collector_is_poked(world):
    _, collector, _ = world.enrol()
    collector.start()
    tls = world.path("tls")
    make_ca(tls, "other-ca", "another CA")
    make_leaf(tls, "foreign", "other-ca", "foreign gateway", "clientAuth", "URI:sealring:gw-0042")

    def poke(data):
        with socket.create_connection(("127.0.0.1", collector.port), 5) as s:
            s.settimeout(1)
            s.sendall(data)
            try:
                while s.recv(4096):
                    pass
            except OSError:
                pass
    poke(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    collector.wait_said("refused", "not TLS", "GET /")
    for data in (os.urandom(500), b"\x16\x03\x01\xff\xff" + os.urandom(100), b""):
        poke(data or b"\x15")

    def call(path, method="POST", body=None, cert="gateway", headers=()):
        command = ["curl", "-sS", "--max-time", "20", "--cacert", f"{tls}/ca.pem", "-X", method, "-o", "-", "-w",
                   "\n%{http_code}", f"https://127.0.0.1:{collector.port}{path}"]
        if cert:
            command += ["--cert", f"{tls}/{cert}.pem", "--key", f"{tls}/{cert}.key"]
        if body is not None:
            command += ["--data-binary", "@" + world.write("body", body)]
        for header in headers:
            command += ["-H", header]
        out, err, code = world.run(*command, code=None)
        return int(out.rsplit("\n", 1)[1]), out.rsplit("\n", 1)[0], code, err
    for cert in (None, "foreign"):
        _, _, code, _ = call("/witness/add-checkpoint", cert=cert, body=b"")
        check(code != 0, f"curl with the certificate {cert} got an answer")
    expected = [("/", "GET", None, 404), ("/witness/add-checkpoint", "GET", None, 405),
                ("/witness/add-checkpoint", "POST", b"", 400), ("/witness/add-checkpoint", "POST", b"old 0\n\n\n", 400),
                ("/mirror/add-entries", "POST", os.urandom(3000), 400), ("/mirror/add-entries", "POST", b"", 400),
                ("/mirror/add-entries", "POST", b"\x00\x09elsewhere" + b"\0" * 18, 404),
                ("/mirror/" + "0" * 64 + "/checkpoint", "GET", None, 404), ("/../../etc/passwd", "GET", None, 404)]
    for path, method, body, wanted in expected:
        status, words, _, err = call(path, method, body, headers=OCTETS if "entries" in path else ())
        check_equal(status, wanted, f"{method} {path} with {body!r}: {words} {err}")
        check(words.strip(), f"{method} {path}: no sentence")
    status, _, _, _ = call("/mirror/add-entries", "POST", b"not gzip", headers=[*OCTETS, "Content-Encoding: gzip"])
    check_equal(status, 400, "a body that is not gzip")
    status, _, _, _ = call("/mirror/add-entries", "POST", bytes(80 << 20), headers=OCTETS)
    check(status in (0, 400, 413), f"a body of 80 MiB: {status}")
    status, _, _, _ = call("/witness/add-checkpoint", "POST", b"")
    check_equal(status, 400, "it still answers")
    check(collector.memory_kib() < 150 * 1024, f"the collector has {collector.memory_kib()} KiB resident")
    collector.stop()


# --- configuration and files ---


def refused_start(process, code, *words):
    process.start(ready=False)
    process.wait_end(code)
    lines = process.lines()
    hits = [line for line in lines if all(w in line for w in words)]
    check(hits, f"{process.name} did not say {words} but {lines}")
    print("    " + hits[0], flush=True)
    check(len(lines) <= 3, f"one sentence is enough: {lines}")


def edit(path, old, new):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(old in text, f"{old!r} is not in {path}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new, 1))


def configuration(world):
    _, collector, gateway = world.enrol()
    toml = gateway.folder + "/sealring.toml"

    def refused(old, new, *words, code=CONFIG):
        edit(toml, old, new)
        refused_start(gateway, code, *words)
        gateway.configure()
    line = 1 + open(toml, encoding="utf-8").read().split("\n").index('segment_age = "1s"')
    refused('segment_age = "1s"', 'segment_aeg = "1s"', f"sealring.toml:{line}:", "segment_aeg", "segment_age")
    refused('segment_age = "1s"', 'segment_age = "1 fortnight"', f"sealring.toml:{line}:", "fortnight")
    refused('segment_age = "1s"', 'segment_age = ', "sealring.toml:")
    refused("port = ", "port = 99", "sealring.toml:", "port")
    refused('mirror = "mirror"', 'mirror = "nobody"', "nobody", "policy")
    refused("../gateway-policy", "../collector-policy", "policy")
    refused("../gateway-policy", "../no-such-policy", "no-such-policy")
    refused("../tls/gateway.key", "../tls/collector.key", "does not belong to the certificate")
    refused("../tls/ca.pem", "../tls/gateway.key", "is not a CA certificate")
    refused('origin = "example.com/site7/gw-0042"', 'origin = "example.com/elsewhere"', "example.com/elsewhere",
            "example.com/site7/gw-0042")
    refused('store = "store"', 'store = "no-such-store"', "no-such-store")

    os.chmod(gateway.folder + "/identity.key", 0o644)
    refused_start(gateway, CONFIG, "identity.key", "0644", "chmod")
    os.chmod(gateway.folder + "/identity.key", 0o600)
    os.chmod(world.path("tls/gateway.key"), 0o644)
    refused_start(gateway, CONFIG, "gateway.key", "0644", "chmod")
    os.chmod(world.path("tls/gateway.key"), 0o600)

    world.run("sealring", "init", world.path("other"), "--origin", "example.com/other", "--ring-size", "64MiB")
    gateway.top["identity_key"] = "../other/identity.key"
    gateway.configure()
    refused_start(gateway, CONFIG, "other/identity.key", "example.com/other")
    gateway.top["identity_key"] = "identity.key"
    gateway.top["store"] = "../other/store"
    gateway.configure()
    refused_start(gateway, CONFIG, "example.com/other")
    gateway.top["store"] = "store"
    gateway.configure()


def broker_configuration(world):
    """Keys of a broker, through the daemon: each refusal says where and what."""
    _, _, gateway = world.enrol()
    toml = gateway.folder + "/sealring.toml"

    def refused(old, new, *words):
        edit(toml, old, new)
        refused_start(gateway, CONFIG, *words)
        gateway.configure()
    head, another = "[[broker]]\n", '[[broker]]\nname = "other"\nport = 1\n'
    refused(head, another + another + head, "broker.name", "has another [[broker]]")
    same = 'client_id = "c"\nport = 7\n'
    refused(head, f'{head}name = "x"\n{same}{head}name = "y"\n{same}{head}', "broker.client_id", "throw each other out")
    refused(head, head + 'name = ""\n', "broker.name must not be empty")
    refused(head, head + "watch_drops = 1\n", "broker.watch_drops must be true or false")
    refused(head, head + 'subscriptions = [ { filter = "a/#" }, { filter = "+/b" } ]\n', "overlaps with", "a/#")
    refused(head, head + 'subscriptions = [ { filter = "a/#/b" } ]\n', "last level")
    refused(head, head + 'subscriptions = [ { filter = "$share/g/a" } ]\n', "shared subscription")
    refused(head, head + "subscriptions = []\n", "at least one filter")
    refused(head, head + 'protocol = "4"\n', "broker.protocol must be one of auto, 5, 3.1.1")
    refused(head, head + "receive_maximum = 0\n", "broker.receive_maximum")
    refused(head, head + 'keepalive = "1500ms"\n', "broker.keepalive")
    refused(head, head + 'client_id = ""\n', "broker.client_id")
    refused("[upstream]", "[broker.tls]\n\n[upstream]", "the key broker.tls.ca is missing")
    refused("[upstream]", '[broker.tls]\nca = "x"\ncert = "y"\n[upstream]', "needs both cert and key")
    refused("[upstream]", '[broker.tls]\nca = "x"\nserver_name = ""\n[upstream]', "broker.tls.server_name")
    refused("[upstream]", '[broker.tls]\nca = "x"\ninsecure = true\n[upstream]', "unknown key broker.tls.insecure")
    refused('socket = "', 'socket = "no/such/', "no/such")

    def password(name, text=None, mode=0o600):
        if text is not None:
            world.write(os.path.join(gateway.folder, name), text)
            os.chmod(os.path.join(gateway.folder, name), mode)
        return head + f'username = "u"\npassword_file = "{name}"\n'
    refused(head, head + 'password_file = "pw"\n', "broker.password_file needs a username")
    refused(head, password("nothing"), "password_file of broker", "nothing: No such file")
    refused(head, password("pw", "secret\n", 0o640), "mode 0640", "chmod 600")
    refused(head, password("pw", "secret\nmore\n"), "in one line")
    refused(head, password("pw", "\n"), "has no password in it")
    refused(head, password("credential:mqtt"), "LoadCredential=")
    refused(head, password("credential:../pw"), "plain name")
    os.mkfifo(os.path.join(gateway.folder, "fifo"))
    refused(head, password("fifo"), "fifo is not a regular file")
    check("secret" not in gateway.said(everything=True), "no password is shown")


def command_line(world):
    _, _, gateway = world.enrol()
    for command, code, words in (
            (("sealringd", "--nonsense"), 2, "--nonsense"), (("sealringd", "--config", "/nowhere"), 2, "/nowhere"),
            (("sealring-collector", "--config", "/nowhere"), 2, "/nowhere"), (("sealring",), 2, "subcommand"),
            (("sealring", "verify"), 2, "PATH"), (("sealring", "verify", "/nowhere"), 30, "/nowhere"),
            (("sealring", "verify", world.folder, "--anchor", "rubbish"), 2, "rubbish"),
            (("sealring", "verify", world.folder, "--policy", world.path("anchor")), 2, "anchor"),
            (("sealring", "init", world.path("gateway"), "--origin", "example.com/again"), 1, "already"),
            (("sealring", "init", world.path("tiny"), "--origin", "x.example", "--ring-size", "1MiB"), 1, "64"),
            (("sealring", "init", world.path("bad"), "--origin", "two words"), 1, "two words"),
            (("sealring", "key", "generate", world.path("mirror.key"), "name"), 1, "mirror.key"),
            (("sealring", "status", "--config", "/nowhere"), 2, "/nowhere")):
        out, err, got = world.run(*command, code=None)
        check_equal(got, code, f"exit code of {' '.join(command)}: {out}{err}")
        check(words in out + err, f"{' '.join(command)}: no {words!r} in {out}{err}")
    check(os.path.exists(gateway.folder + "/store"), "the store is untouched")


def second_instance(world):
    broker, collector, gateway = world.enrol()
    broker.start()
    collector.start()
    gateway.start()
    second = world.add(Gateway(world))
    second.log_path = world.path("second.log")
    refused_start(second, BUSY, "store")
    other = world.add(Collector(world, collector.port))
    other.log_path = world.path("other.log")
    refused_start(other, BUSY, "another collector")
    check(gateway.status()["running"], "the first one is not disturbed")
    gateway.stop()
    collector.stop()


# --- messages ---


def rejected_messages(world):
    """Too large to record: an event with size and hash, and the window goes on, though it is only 5 wide."""
    broker, collector, gateway = world.enrol(inflight=0)
    gateway.recorder["max_payload"] = "1KiB"
    gateway.broker.update({"receive_maximum": 5, "subscriptions": Raw('[{ filter = "#", qos = 2 }]')})
    gateway.configure()
    broker.start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    device = world.closing(Publisher(broker.port, "device"))
    device5 = world.closing(Publisher(broker.port, "device5", window=5, protocol=mqtt.MQTTv5))
    large = {}
    for qos in (0, 1, 2):
        for i in range(12):
            payload = f"{qos} {i} ".encode() * 300
            large[hashlib.sha256(payload).digest()] = (len(payload), qos)
            device.publish(f"too/large/{qos}", payload, qos)
    huge = os.urandom(3 << 20)
    large[hashlib.sha256(huge).digest()] = (len(huge), 1)
    device.publish("too/large/1", huge, 1)
    for i in range(12):
        payload = b"long properties %d" % i
        large[hashlib.sha256(payload).digest()] = (len(payload), 1)
        device5.publish("too/large/1", payload, 1, properties=user_properties(("k", "v" * 20000)))
    long_topic = b"long topic"
    large[hashlib.sha256(long_topic).digest()] = (len(long_topic), 1)
    device.publish("t" * 40000, long_topic, 1)
    good = Publisher(broker.port, "good")
    world.closing(good)
    for i in range(60):
        good.publish("fits", b"%d" % i, i % 3)
    for p in (device, device5, good):
        p.wait_acknowledged()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, good.sent, alive=[gateway, collector])
    wait_until(lambda: len(log.read().events_named("rejected")) >= len(large), "all rejected events are archived")
    check_same(good.sent, log)
    for _, details in log.events_named("rejected"):
        size, qos = large.pop(details["payload-sha256"], (None, None))
        check_equal(details["payload-bytes"], size, f"size in the rejected event {details}")
        check_equal(details["qos"], qos, "QoS in the rejected event")
        check(details["reason"] and details["topic"], f"reason and topic: {details}")
    check(not large, f"{len(large)} have no event")
    status = gateway.wait_status(lambda s: s["broker"]["acks_held"] == 0, "no acknowledgement is held")
    check_equal(status["recorder"]["rejected"], 12 * 3 + 1 + 12 + 1, "rejected in the status")
    world.verify_live(collector.archive)
    gateway.stop()


def odd_broker(world):
    """What listens is not a broker, refuses, or is not there: words, and no spam."""
    broker, _, gateway = world.enrol()
    gateway.upstream = {}
    port = free_port()
    gateway.broker["port"] = port
    gateway.configure()
    gateway.start()
    gateway.wait_said("warning: broker", "refused")
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x03\x00\x87\x00", b"\xff" * 50, b""):
        fake = FakeCollector(port, lambda *_, answer=answer: answer, tls=False)
        try:
            before = fake.requests
            wait_until(lambda: fake.requests > before + 1, "it tries twice", alive=[gateway])
        finally:
            fake.close()
    check(len(gateway.lines()) < 20, f"{len(gateway.lines())} lines")
    gateway.stop(patience=10)
    gateway.broker["port"] = broker.port
    gateway.configure()
    broker.start()
    gateway.start()
    gateway.wait_subscribed()
    gateway.stop(patience=10)
    world.verify(gateway.folder + "/store", code=(0, 11), policy=None)


# --- stopping, and the status socket ---


def stops_in_time(world):
    """SIGTERM ends both daemons, with 0, within 10 s whatever they are doing."""
    broker, collector, gateway = world.enrol()
    gateway.upstream["timeout"] = "60s"
    gateway.configure()
    gateway.start()
    gateway.stop(patience=10)  # connecting to nobody
    broker.start()
    with socket.socket() as hole:  # accepts by the kernel, never answers
        hole.bind(("127.0.0.1", collector.port))
        hole.listen(8)
        gateway.start()
        gateway.wait_subscribed()
        publisher = world.closing(Publisher(broker.port, "device"))
        for i in range(200):
            publisher.publish("x", b"%d" % i)
        publisher.wait_acknowledged()
        gateway.wait_status(lambda s: s["segments"]["sealed"] >= 1, "it forwards into the hole")
        gateway.stop(patience=10)
        check("stopped at size" in gateway.said(), "it says that it stopped")
    collector.start()
    with socket.create_connection(("127.0.0.1", collector.port)):  # an idle peer
        gateway.start()
        log = GrowingLog(log_folder(collector.archive))
        wait_archived(log, publisher.sent, alive=[gateway, collector])
        gateway.stop(patience=10)
        collector.stop(patience=10)


def status_socket(world):
    broker, _, gateway = world.enrol()
    broker.start()
    gateway.start()
    path = gateway.folder + "/sealring.sock"
    check_equal(oct(os.stat(path).st_mode & 0o777), oct(0o660), "mode of the socket")
    for request in (b"nonsense\n", b"x" * 100000, b"\n", b"\0\xff\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            try:
                s.sendall(request)
                answer = s.recv(1000)
            except OSError:
                answer = b"error"
            check(b"error" in answer, f"{request[:20]!r}: {answer!r}")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for s in silent:
        s.connect(path)
    gateway.wait_status(lambda s: s["running"], "it answers in spite of silent peers")
    for s in silent:
        s.close()
    gateway.stop()
    check(not os.path.exists(path), "the socket goes with the daemon")


if __name__ == "__main__":
    main(("upstream_tls", upstream_tls), ("upstream_answers", upstream_answers),
         ("upstream_strangers", upstream_strangers), ("collector_is_poked", collector_is_poked),
         ("configuration", configuration), ("broker_configuration", broker_configuration),
         ("command_line", command_line), ("second_instance", second_instance),
         ("rejected_messages", rejected_messages), ("odd_broker", odd_broker), ("stops_in_time", stops_in_time),
         ("status_socket", status_socket))
