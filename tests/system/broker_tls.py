#!/usr/bin/python3
"""TLS and passwords towards the broker: real sealringd, real Mosquitto with a listener for TLS beside the devices' own.

What is refused must be refused with words that say which of all the things it is; nothing ever falls back to plain TCP,
and no password is ever shown.
"""
import os
import shutil
import signal
import socket
import threading

from lib.certs import make_ca, make_leaf, openssl
from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Load, Publisher
from lib.world import Raw, TLS_URI, Broker, check, check_equal, free_port, main, wait_until

HERE_NAMES = "DNS:localhost,IP:127.0.0.1"
USER, PASSWORD = "gateway-7", "correct horse ü"
KILLS = 4


class TlsBroker(Broker):
    """Mosquitto with two listeners: `port` for devices, plain; `tls_port` for the gateway."""

    def __init__(self, world):
        super().__init__(world)
        self.world, self.tls_port = world, free_port()

    def configure(self, cert="tls/broker", ca="tls/ca.pem", client_certificate=False, passwords=None, more=()):
        folder = self.world.path("broker")
        lines = ["per_listener_settings true", "persistence true", f"persistence_location {folder}/",
                 "autosave_interval 1", "max_queued_messages 0", "log_dest stderr", "log_type all",
                 f"user {self.world.user}", f"listener {self.port} 127.0.0.1", "allow_anonymous true",
                 f"listener {self.tls_port} 127.0.0.1", *more]
        if cert:
            lines += [f"cafile {self.world.path(ca)}", f"certfile {self.world.path(cert)}.pem",
                      f"keyfile {self.world.path(cert)}.key", f"require_certificate {str(client_certificate).lower()}"]
        lines += [f"password_file {passwords}", "allow_anonymous false"] if passwords else ["allow_anonymous true"]
        self.world.write("broker/mosquitto.conf", "\n".join(lines) + "\n")
        return self


class PlainListener:
    """Takes one connection after the other, answers in MQTT without TLS, and keeps what it was told."""

    def __init__(self, port, answer):
        self.answer, self.heard = answer, []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                self.heard.append(peer.recv(4096))
                peer.sendall(self.answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


def make_certificates(world):
    folder = world.path("tls")
    make_ca(folder, "other-ca", "another CA")
    make_leaf(folder, "broker", "ca", "the broker", "serverAuth", HERE_NAMES)
    make_leaf(folder, "broker-expired", "ca", "the broker", "serverAuth", HERE_NAMES, expired=True)
    make_leaf(folder, "broker-future", "ca", "the broker", "serverAuth", HERE_NAMES,
              dates=("480101000000Z", "490101000000Z"))
    make_leaf(folder, "broker-elsewhere", "ca", "the broker", "serverAuth", "DNS:elsewhere.example,IP:192.0.2.7")
    make_leaf(folder, "broker-other-ca", "other-ca", "the broker", "serverAuth", HERE_NAMES)
    make_leaf(folder, "gateway-other-ca", "other-ca", "gateway", "clientAuth", f"URI:{TLS_URI}")
    make_leaf(folder, "gateway-expired", "ca", "gateway", "clientAuth", f"URI:{TLS_URI}", expired=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "self-signed.key", "-out", "self-signed.pem", "-days", "30", "-subj", "/CN=localhost", "-addext",
            f"subjectAltName={HERE_NAMES}", cwd=folder)


def enrol(world):
    """As World.enrol(), with a broker for TLS."""
    _, collector, gateway = world.enrol()
    make_certificates(world)
    broker = gateway.source = world.add(TlsBroker(world))
    gateway.broker.update({"host": "localhost", "port": broker.tls_port,
                           "subscriptions": Raw('[{ filter = "plant/#", qos = 1 }]')})
    return broker.configure(), collector, gateway


def over_tls(gateway, **keys):
    """Keys of [broker.tls]; `client`: the name of our own certificate."""
    client = keys.pop("client", None)
    if client:
        keys.update(cert=f"../tls/{client}.pem", key=f"../tls/{client}.key")
    keys.setdefault("ca", "../tls/ca.pem")
    gateway.broker["tls"] = Raw("{ " + ", ".join(f'{k} = "{v}"' for k, v in keys.items()) + " }")
    return gateway.configure()


def password(world, gateway, word, user=USER):
    path = world.write(os.path.join(gateway.folder, "broker.password"), word + "\n")
    os.chmod(path, 0o600)
    gateway.broker.update({"username": user, "password_file": "broker.password"})


def passwords_of_broker(world):
    path = world.path("broker", "passwords")
    world.run("/usr/bin/mosquitto_passwd", "-c", "-b", path, USER, PASSWORD)
    return path


def record_some(broker, collector, gateway, name, count=50):
    """Messages of a device reach the archive. Returns them."""
    device = Publisher(broker.port, name)
    for i in range(count):
        device.publish(f"plant/{name}", b"%d" % i + b"x" * (i * 700), 1)
    device.publish(f"plant/{name}", b"large" * 100000, 1)
    device.wait_acknowledged()
    device.close()
    log = GrowingLog(log_folder(collector.archive))
    wait_until(lambda: sum(m.topic == f"plant/{name}".encode() for m in log.read().messages) >= count + 1,
               f"the messages of {name} are archived", alive=[gateway, collector, broker])
    return device.sent


def happy(world):
    """Without and with a certificate of our own, by name and by address, with a password, on both versions of MQTT."""
    broker, collector, gateway = enrol(world)
    collector.start()
    sent = None
    passwords = passwords_of_broker(world)
    cases = (("plain-client", dict(), None, False, "5"),
             ("by-address", dict(server_name="127.0.0.1"), None, False, "3.1.1"),
             ("certified", dict(client="gateway"), None, True, "5"),
             ("with-password", dict(client="gateway"), PASSWORD, True, "5"),
             ("password-311", dict(), PASSWORD, False, "3.1.1"))
    for name, tls, word, certificate, protocol in cases:
        broker.configure(client_certificate=certificate, passwords=passwords if word else None).start()
        gateway.broker["protocol"] = protocol
        if word:
            password(world, gateway, word)
        over_tls(gateway, **tls).start()
        gateway.wait_subscribed()
        more = record_some(broker, collector, gateway, name)
        sent = sent + more if sent else more
        gateway.stop()
        for line in gateway.lines():
            check("warning" not in line and "error" not in line, f"{name}: {line}")
        broker.stop()
    log = GrowingLog(log_folder(collector.archive))
    check(PASSWORD not in gateway.said(True), "the password is in what sealringd says")
    check(f"u'{USER}'" in broker.said(True), "the broker has not seen the user name")
    wait_archived(log, sent, alive=[collector])
    check_equal(log.flagged(), [], "possible duplicates")


def refused(world):
    """One thing wrong at a time."""
    broker, _, gateway = enrol(world)
    gateway.upstream = {}
    passwords = passwords_of_broker(world)
    ca, port = world.path("tls/ca.pem"), broker.tls_port
    gateway_file = os.path.join(gateway.folder, "../tls/gateway")

    def attempt(at_broker, tls, *words, word=None, plain=False):
        broker.configure(**at_broker).start()
        for key in ("tls", "username", "password_file"):
            gateway.broker.pop(key, None)
        if word is not None:
            password(world, gateway, word)
        if plain:
            gateway.configure()
        else:
            over_tls(gateway, **tls)
        gateway.start()
        line = gateway.wait_said("warning: broker", *words)
        print("   ", line, flush=True)
        check("the server" not in line, f"it is a broker: {line}")
        check(not gateway.status()["broker"]["connected"], "connected all the same")
        check(not word or word not in gateway.said(), "the password is shown")
        gateway.stop()
        broker.stop()

    at = f"localhost:{port}"
    attempt(dict(cert="tls/broker-expired"), {}, at, "has expired on 2020-01-02", "our clock")
    attempt(dict(cert="tls/broker-future"), {}, at, "is not valid before 2048-01-01", "our clock")
    attempt(dict(cert="tls/broker-elsewhere"), {}, 'is not for name "localhost"', '"elsewhere.example", 192.0.2.7')
    attempt({}, dict(server_name="mqtt.example"), 'is not for name "mqtt.example"', '"localhost", 127.0.0.1')
    attempt(dict(cert="tls/broker-other-ca"), {}, "is not signed by the CA in", os.path.basename(ca), "another CA")
    attempt(dict(cert="tls/self-signed"), {}, "is not signed by the CA in", "self-signed")
    attempt({}, dict(ca="../tls/other-ca.pem"), "is not signed by the CA in", "other-ca.pem")
    attempt(dict(client_certificate=True), {}, "requires a certificate", "set cert and key")
    attempt(dict(client_certificate=True), dict(client="gateway-other-ca"), "refused our certificate",
            "gateway-other-ca.pem", "not signed by a CA that it trusts")
    attempt(dict(client_certificate=True), dict(client="gateway-expired"), "refused our certificate", "expired")
    # Revoked: the broker no longer has the CA of our certificate among those it trusts.
    attempt(dict(client_certificate=True, ca="tls/other-ca.pem"), dict(client="gateway"), "refused our certificate",
            os.path.basename(gateway_file) + ".pem", "not signed by a CA that it trusts")
    attempt(dict(more=["tls_version tlsv1.3"]), {}, "refused our version of TLS")
    attempt(dict(cert=None), {}, at, "is no TLS server")
    attempt({}, {}, at, "set [broker.tls]", plain=True)
    attempt(dict(passwords=passwords), {}, "not authorized", "username and password_file", word="wrong-" + PASSWORD)
    attempt(dict(passwords=passwords), {}, "not authorized", "username and password_file")


def no_downgrade(world):
    """Somebody in between answers in plain MQTT: nothing but a greeting of TLS is said to him."""
    broker, _, gateway = enrol(world)
    gateway.upstream = {}
    password(world, gateway, PASSWORD)
    # CONNACK of MQTT 5 that accepts, without properties; and of 3.1.1.
    for answer in (b"\x20\x03\x00\x00\x00", b"\x20\x02\x00\x00"):
        listener = world.closing(PlainListener(broker.tls_port, answer))
        over_tls(gateway).start()
        gateway.wait_said("warning: broker", "speaks plain text or another protocol, not TLS", "is the port right?")
        wait_until(lambda: len(listener.heard) >= 2, "it has tried again", alive=[gateway])
        gateway.stop()
        world.closers.remove(listener)
        listener.close()
        for heard in listener.heard:
            check(heard.startswith(b"\x16\x03"), f"said in plain text: {heard[:40]!r}")
            check(b"MQTT" not in heard and PASSWORD.encode() not in heard, f"said in plain text: {heard!r}")


def wrong_files(world):
    """What is wrong with our own files is told at the start: exit code 2."""
    _, _, gateway = enrol(world)

    def start(*words, **tls):
        over_tls(gateway, **tls).start(ready=False)
        gateway.wait_end(2)
        check(all(w in gateway.said() for w in words), f"expected {words}: {gateway.said()}")

    start("missing.pem", ca="../tls/missing.pem")
    start("is not a CA certificate in PEM", ca="../anchor")
    start("does not belong to the certificate", cert="../tls/gateway.pem", key="../tls/broker.key")
    os.chmod(world.path("tls/gateway.key"), 0o644)
    start("gateway.key", client="gateway")


def renewed(world):
    """New CA, new certificates on both sides, in two steps as one does it; the daemon is never restarted."""
    broker, collector, gateway = enrol(world)
    collector.start()
    folder = world.path("mqtt")
    os.makedirs(folder)

    def install(name, source):
        shutil.copy(world.path("tls", source), os.path.join(folder, name + ".new"))
        os.rename(os.path.join(folder, name + ".new"), os.path.join(folder, name))

    for name, source in (("ca.pem", "ca.pem"), ("cert.pem", "gateway.pem"), ("key.pem", "gateway.key")):
        install(name, source)
    over_tls(gateway, ca="../mqtt/ca.pem", cert="../mqtt/cert.pem", key="../mqtt/key.pem")
    broker.configure(client_certificate=True).start()
    gateway.start()
    gateway.wait_subscribed()
    sent = record_some(broker, collector, gateway, "before")
    broker.stop()

    # The broker moves to another CA, for itself and for us.
    broker.configure(cert="tls/broker-other-ca", ca="tls/other-ca.pem", client_certificate=True).start()
    gateway.wait_said("warning: broker", "is not signed by the CA in", "mqtt/ca.pem")
    install("ca.pem", "other-ca.pem")
    gateway.wait_said("warning: broker", "refused our certificate", "mqtt/cert.pem")
    install("cert.pem", "gateway-other-ca.pem")  # half of a renewal
    gateway.wait_said("warning: TLS files changed but cannot be used", "does not belong to the certificate")
    install("key.pem", "gateway-other-ca.key")
    gateway.wait_status(lambda s: s["broker"]["connected"], "it is connected with the new files")
    sent += record_some(broker, collector, gateway, "after")
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    check_equal(len(log.events_named("start")), 1, "starts of the daemon")
    gateway.stop()


def killed(world):
    """kill -9 under load over TLS: nothing acknowledged is lost, nothing is there twice."""
    broker, collector, gateway = enrol(world)
    gateway.recorder.update({"segment_age": "1s", "segment_entries": 2000})
    over_tls(gateway, client="gateway")
    broker.configure(client_certificate=True).start()
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    load = world.closing(Load(broker.port, 1, pace=(20, 0.01)))
    suppressed = kills = 0
    while kills < KILLS or (suppressed == 0 and kills < 10 * KILLS):  # until something was in flight at a kill
        kills += 1
        before = gateway.wait_status(lambda s: s["broker"]["connected"] and s["recorder"]["messages"] > 100,
                                     "it records")
        suppressed += before["recorder"]["suppressed_redeliveries"]
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait_end(-signal.SIGKILL)
        load.check()
        gateway.start(ready=False)
    sent = load.stop()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    status = gateway.wait_status(lambda s: s["segments"]["sealed"] == 0 and s["broker"]["acks_held"] == 0, "it is idle")
    suppressed += status["recorder"]["suppressed_redeliveries"]
    print(f"{sum(sent.values())} messages, {suppressed} redeliveries recognised", flush=True)
    check(suppressed > 0, "no redelivery was recognised: nothing was in flight at any kill, which proves nothing")
    check_equal(log.flagged(), [], "possible duplicates")
    gateway.stop()
    world.verify(collector.archive)


if __name__ == "__main__":
    main(("happy", happy), ("refused", refused), ("no_downgrade", no_downgrade), ("wrong_files", wrong_files),
         ("renewed", renewed), ("killed", killed))
