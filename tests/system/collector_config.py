#!/usr/bin/python3
"""sealring-collector's configuration through the real program: what each key does, and how each start that cannot be
is refused: the exit code, what is wrong, where, and what to do."""
import base64
import hashlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lib.certs import make_ca, make_leaf
from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.world import MIRROR, ORIGIN, TLS_URI, WITNESS, Collector, check, check_equal, main, program, wait_until

CONFIG, DAMAGED, BUSY, SYSTEM = 2, 3, 4, 6


def change(world, old, new):
    path = world.path("collector.toml")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(old in text, f"{old} is not in {path}")
    world.write("collector.toml", text.replace(old, new, 1))


def refused(collector, code, *words):
    """Ends with `code`, and its one line has all the words."""
    collector.start(ready=False).wait_end(code)
    line, = collector.lines()
    print("    " + line, flush=True)
    check(line.startswith("error: "), line)
    for word in words:
        check(word in line, f"{word!r} is not in: {line}")


def configuration(world):
    _, collector, _ = world.enrol()

    def wrong(old, new, *words):
        collector.configure()
        change(world, old, new)
        refused(collector, CONFIG, "collector.toml:", *words)
    wrong("witness_key", "witnes_key", "toml:4: unknown key witnes_key", "nearest key is witness_key")
    wrong('archive = "archive"\n', "", "the key archive is missing")
    wrong('listen = "127.0.0.1:', 'listen = "', "collector.toml:1: listen must be ADDRESS:PORT")
    wrong("[tls]", 'diag_level = "loud"\n[tls]', "collector.toml:7: diag_level must be one of", "notice")
    wrong("[tls]", "[tsl]", "collector.toml:7: unknown", "tsl")
    wrong(world.anchor, world.anchor[:-1], "collector.toml:13: gateway.anchor", "64 lower-case hex digits")
    wrong(world.anchor, world.anchor.replace("gw-0042", "gw-0043"), "gateway.anchor", "key ID")
    wrong('"mirror.key"', '"witness.key"', "two keys with two names")
    for name in ("witness", "mirror"):
        wrong("[tls]", f'succession_key = "{name}.key"\n[tls]', "succession_key must be a third key with a third name")
    world.run("sealring", "key", "generate", world.path("namesake.key"), MIRROR)
    wrong("[tls]", 'succession_key = "namesake.key"\n[tls]', "a third name")
    wrong("[tls]", 'succession_quiet = "25h"\n[tls]', "collector.toml:7: succession_quiet")
    wrong('"collector-policy"', '"no-such-policy"', "policy: cannot open", "no-such-policy")
    world.write("cut-policy", f"log {world.vkey}\nquorum no")
    wrong('"collector-policy"', '"cut-policy"', "policy: ", "cut-policy: line 2")
    world.write("empty-policy", "quorum none\n")
    wrong('"collector-policy"', '"empty-policy"', "[[gateway]]", world.vkey, "not a log of the policy", "empty-policy")
    collector.command[-1] = world.path("elsewhere.toml")
    refused(collector, CONFIG, "cannot open", "elsewhere.toml", "sealring-collector man collector.toml")
    check(not os.path.exists(collector.archive), "nothing of all this made an archive")


def key_files(world):
    _, collector, _ = world.enrol()
    collector.configure()
    tls = world.path("tls")
    for key, name in (("witness_key", "witness.key"), ("mirror_key", "mirror.key")):
        path = world.path(name)
        os.chmod(path, 0o666)
        refused(collector, CONFIG, f"collector.toml: {key}: ", path, "has mode 0666", "chmod 600 " + path)
        os.rename(path, path + ".away")
        refused(collector, CONFIG, f"collector.toml: {key}: cannot open {path}",
                f"sealring key generate {path} NAME --cosigner")
        world.write(name, "something else\n")
        os.chmod(path, 0o600)
        refused(collector, CONFIG, f"collector.toml: {key}: {path}: not a key file")
        os.rename(path + ".away", path)
        os.chmod(path, 0o600)
    collector.configure()
    change(world, "[tls]", 'succession_key = "none.key"\n[tls]')
    path = world.path("none.key")
    refused(collector, CONFIG, f"collector.toml: succession_key: cannot open {path}",
            f"make it with `sealring key generate {path} NAME`")
    collector.configure()
    for name in ("ca.pem", "collector.pem", "collector.key"):
        os.rename(f"{tls}/{name}", f"{tls}/away")
        refused(collector, CONFIG, f"TLS: cannot open {tls}/{name}")
        os.rename(f"{tls}/away", f"{tls}/{name}")
    os.chmod(f"{tls}/collector.key", 0o640)
    refused(collector, CONFIG, "collector.key has mode 0640", f"chmod 600 {tls}/collector.key")
    os.chmod(f"{tls}/collector.key", 0o600)
    collector.configure(key="tls/gateway.key")
    refused(collector, CONFIG, "gateway.key", "does not belong to the certificate", "collector.pem")
    collector.configure().start().stop()


def system(world):
    _, collector, _ = world.enrol()
    collector.configure().start()
    second = world.add(Collector(world))
    change(world, f":{collector.port}", f":{second.port}")
    second.log_path = world.path("second.log")
    refused(second, BUSY, "another collector has the archive " + collector.archive, "stop it first")
    check(collector.poll() is None, "the first goes on")
    # The port is in use, by the first; the archive is another one.
    change(world, f":{second.port}", f":{collector.port}")
    change(world, '"archive"', '"archive-2"')
    refused(second, SYSTEM, f"cannot listen on 127.0.0.1:{collector.port}", "in use", "choose another")
    change(world, f"127.0.0.1:{collector.port}", f"192.0.2.1:{second.port}")
    refused(second, SYSTEM, "cannot listen on 192.0.2.1", "does not have the address")
    change(world, '"archive-2"', '"collector.toml"')
    refused(second, SYSTEM, "make directory", "collector.toml", "Not a directory")
    # Without root's right to pass over modes.
    os.mkdir(world.path("closed"), 0o500)
    change(world, '"collector.toml"', '"closed"')
    if os.geteuid() == 0:
        second.command = ["setpriv", "--bounding-set=-dac_override", "--"] + second.command
    refused(second, SYSTEM, world.path("closed"), "Permission denied")
    collector.stop()


def damaged(world):
    """An archive that is not what was written, or not of this anchor or key: 3, and nothing is repaired by guessing."""
    broker, collector, gateway = world.enrol()
    for process in (broker, collector, gateway):
        process.start()
    gateway.wait_subscribed()
    device = world.closing(Publisher(broker.port, "device"))
    device.publish("plant/x", b"21.5", 1)
    device.wait_acknowledged()
    wait_archived(GrowingLog(log_folder(collector.archive)), device.sent, alive=[gateway, collector])
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipt is here")
    gateway.stop()
    collector.stop()
    # The keys that the configuration names sign what is in the archive.
    folder = log_folder(collector.archive)
    receipt = sorted(os.listdir(folder + "/receipts"))[-1]
    with open(f"{folder}/receipts/{receipt}", encoding="utf-8") as f:
        check_equal([line.split()[1] for line in f.read().splitlines() if line.startswith("\u2014")],
                    [world.vkey.split("+")[0], WITNESS, MIRROR], "who signed the receipt")
    for role, name in (("witness", WITNESS), ("mirror", MIRROR)):
        world.run("sealring", "key", "generate", world.path(f"new-{role}.key"), name, "--cosigner")
        collector.configure()
        change(world, f'"{role}.key"', f'"new-{role}.key"')
        refused(collector, DAMAGED, folder, f"no valid cosignature of {name}", "was the key changed?")
    collector.configure(anchor=world.anchor[:-1] + ("0" if world.anchor[-1] != "0" else "1"))
    refused(collector, DAMAGED, folder + "/log says", world.anchor, "but the configuration says")
    collector.configure()
    last = sorted(os.listdir(folder + "/segments"))[-1]
    shutil.move(f"{folder}/segments/{last}", world.path("aside"))
    refused(collector, DAMAGED, folder, "receipt for size", "the segments end at")
    shutil.move(world.path("aside"), f"{folder}/segments/{last}")
    collector.start().stop()
    world.verify(collector.archive)


def ask(world, port, method, target, body=None, client="gateway", ca="ca", host="127.0.0.1"):
    """Status and body of the answer to a request over TLS with that client's certificate."""
    tls = world.path("tls")
    context = ssl.create_default_context(cafile=f"{tls}/{ca}.pem")
    context.check_hostname = False
    if client:
        context.load_cert_chain(f"{tls}/{client}.pem", f"{tls}/{client}.key")
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=30)
    try:
        connection.request(method, target, body and body.encode(), {"Content-Type": "text/plain"} if body else {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def get(world, port, client="gateway", ca="ca", host="127.0.0.1"):
    return ask(world, port, "GET", "/nothing", None, client, ca, host)[0]


def b64(data):
    return base64.b64encode(data).decode()


def signed(text, name, key):
    """A C2SP signed note, and the vkey of who signed it."""
    public = b"\x01" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{text}\n\u2014 {name} {b64(key_id + key.sign(text.encode()))}\n", f"{name}+{key_id.hex()}+{b64(public)}"


def succession_of(world, archive):
    """What the gateway says when the store is lost: the statement, signed; the anchor of the log that follows, and that
    one's first checkpoint; and the closed log's own, signed by its identity."""
    with open(log_folder(archive) + "/witness", encoding="utf-8") as note:
        closed = "\n".join(note.read().split("\n")[:3]) + "\n"
    with open(world.path("gateway/identity.key"), encoding="ascii") as file:
        identity = Ed25519PrivateKey.from_private_bytes(base64.b64decode(file.read().strip().split("+", 4)[4])[1:])
    fresh, genesis = Ed25519PrivateKey.generate(), hashlib.sha256(b"\0entry 0").digest()
    first, vkey = signed(f"{ORIGIN}~1\n1\n{b64(genesis)}\n", ORIGIN + "~1", fresh)
    offered, of_log = signed(f"sealring/succession/v1\n{closed}{vkey}\n{b64(genesis)}\n", ORIGIN, identity)
    check_equal(of_log, world.vkey, "the identity that signs")
    return offered, f"{vkey} {genesis.hex()}", first, signed(closed, ORIGIN, identity)[0]


def check_countersigned(taken, offered, vkey):
    check(taken.startswith(offered), "its own words come back")
    name, key_id, key = vkey.split("+", 2)
    ours = taken[len(offered):].split()
    check_equal(ours[:2], ["\u2014", name], "who countersigned it")
    raw = base64.b64decode(ours[2])
    check_equal(raw[:4].hex(), key_id, "the key's ID")
    text = offered.split("\n\n")[0] + "\n"
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(raw[4:], text.encode())


def succession(world):
    """With succession_key the collector lets one log follow another, by its identity's word and its certificate; the
    old one is closed and the new one taken from then on. Without it an operator has to."""
    broker, collector, gateway = world.enrol()
    make_leaf(world.path("tls"), "stranger", "ca", "another gateway", "clientAuth", "URI:sealring:another")
    for process in (broker, collector, gateway):
        process.start()
    gateway.wait_subscribed()
    device = world.closing(Publisher(broker.port, "device"))
    device.publish("plant/x", b"21.5", 1)
    device.wait_acknowledged()
    wait_archived(GrowingLog(log_folder(collector.archive)), device.sent, alive=[gateway, collector])
    gateway.stop()
    offered, anchor, first, again = succession_of(world, collector.archive)

    def post(client="gateway"):
        return ask(world, collector.port, "POST", "/succession", offered, client)
    status, words = post()
    check(status == 403 and "succession_key is not set" in words and "[[gateway]]" in words, words)
    collector.wait_said("warning: refused a succession from", "CN=", "succession_key is not set")
    collector.stop()
    out, _ = world.run("sealring", "key", "generate", world.path("succession.key"), "collector.example/succession")
    change(world, "[tls]", 'succession_key = "succession.key"\nsuccession_quiet = "1h"\n[tls]')
    collector.start()
    status, words = post()
    check(status == 503 and "is still being written to" in words and "is 3600 s old" in words, words)
    collector.wait_said("warning: refused a succession from", "is still being written to")
    collector.stop()
    change(world, '"1h"', '"0s"')
    collector.start()
    status, words = post("stranger")
    check(status == 403 and "another URI than yours" in words, words)
    status, taken = post()
    check_equal(status, 200, taken)
    check_countersigned(taken, offered, out.strip())
    print("    " + collector.wait_said("error: alarm: " + ORIGIN, "is closed at size", anchor), flush=True)

    def check_taken(old_size):
        check_equal(post(), (200, taken), "the same again")
        for role in ("witness", "mirror"):
            target = f"/{role}/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/successor"
            check_equal(ask(world, collector.port, "GET", target), (200, taken), target)
        status, words = ask(world, collector.port, "POST", "/witness/add-checkpoint", "old 1\n\n" + again)
        check(status == 403 and f'closed: "{ORIGIN}~1" follows it' in words, words)
        body = f"old {old_size}\n\n{first}"
        status, words = ask(world, collector.port, "POST", "/witness/add-checkpoint", body, "stranger")
        check(status == 403 and "another URI" in words, words)
        status, words = ask(world, collector.port, "POST", "/witness/add-checkpoint", body)
        check_equal((status, words.split()[1]), (200, WITNESS), "the follower's first checkpoint")
    check_taken(0)
    # Nothing but the archive says that it is one of ours; what could stand between the two is a kill.
    collector.kill()
    collector.start()
    collector.wait_said("ready: ", "2 logs")
    collector.wait_said("error: alarm: " + ORIGIN, "is closed at size", anchor)
    check_taken(1)
    collector.stop()
    world.write("both-policy", f"log {world.vkey}\nlog {anchor.split()[0]}\nquorum none\n")
    change(world, '"collector-policy"', '"both-policy"')
    collector.start()
    collector.wait_said("ready: ", "2 logs")
    check("alarm" not in collector.said(), "an operator has enrolled it")
    check_taken(1)
    collector.stop()
    # The key is for the archive's life.
    world.run("sealring", "key", "generate", world.path("new.key"), "collector.example/succession")
    change(world, '"succession.key"', '"new.key"')
    refused(collector, DAMAGED, log_folder(collector.archive) + "/successor", "was succession_key changed?")


def keys(world):
    """What the keys do that no refusal shows. (policy, anchor and tls_uri: bad_input.py, upstream_strangers.)"""
    _, collector, _ = world.enrol()

    def port_of(listen):
        line = collector.wait_said("ready: listening on " + listen)
        return int(line.split(listen)[1].split(",")[0])
    collector.configure()
    change(world, f"127.0.0.1:{collector.port}", "127.0.0.1:0")
    collector.start()
    check("1 logs" in collector.wait_said("ready:"), "the policy's log")
    check_equal(get(world, port_of("127.0.0.1:")), 404, "a GET at the port that it said")
    collector.stop()
    change(world, "127.0.0.1:0", "[::1]:0")
    change(world, '"archive"', '"made/of/its/own"')
    collector.start()
    check_equal(get(world, port_of("[::1]:"), host="::1"), 404, "a GET by IPv6")
    collector.stop()
    check(os.path.isfile(world.path("made/of/its/own/lock")), "the archive is where it should be, beside the file")

    # Another CA and another certificate of our own: the old client is refused, and a new one sees the new server.
    make_ca(world.path("tls"), "ca-2", "another CA")
    make_leaf(world.path("tls"), "server-2", "ca-2", "collector 2", "serverAuth", "IP:127.0.0.1")
    make_leaf(world.path("tls"), "client-2", "ca-2", "gateway 2", "clientAuth", "URI:sealring:gw-0042")
    collector.configure(ca="tls/ca-2.pem", cert="tls/server-2.pem", key="tls/server-2.key")
    collector.start()
    check_equal(get(world, collector.port, "client-2", "ca-2"), 404, "a client of the new CA")
    for client, ca in (("gateway", "ca-2"), ("client-2", "ca")):
        try:
            get(world, collector.port, client, ca)
            check(False, f"{client} with {ca} got an answer")
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            pass
    collector.wait_said("connection from 127.0.0.1", "refused", "not signed by the CA", "ca-2.pem")
    collector.stop()

    # The first line is a notice: above that, silence.
    collector.configure()
    change(world, '"mirror.key"\n', '"mirror.key"\ndiag_level = "warning"\n')
    collector.start(ready=False)

    def answers():
        try:
            return get(world, collector.port)
        except ConnectionRefusedError:
            return None
    check_equal(wait_until(answers, "it serves", alive=[collector]), 404, "a GET")
    check_equal(collector.lines(), [], "what it says")
    collector.stop()


def clients(world):
    """Whom the listener refuses, each with the words for it: which certificate, what is wrong, by whose clock. Nobody
    of them gets an answer, and one who is right still does."""
    _, collector, _ = world.enrol()
    tls, of_gateway = world.path("tls"), f"URI:{TLS_URI}"
    make_ca(tls, "other-ca", "another CA")
    make_leaf(tls, "stranger", "other-ca", "a stranger", "clientAuth", of_gateway)
    make_leaf(tls, "expired", "ca", "an old gateway", "clientAuth", of_gateway, expired=True)
    make_leaf(tls, "future", "ca", "a gateway to come", "clientAuth", of_gateway,
              dates=("480101000000Z", "490101000000Z"))
    make_leaf(tls, "server", "ca", "no client", "serverAuth", "IP:127.0.0.1")
    collector.configure().start()

    def refused_client(client, *words):
        collector.stop()  # it says one such line a second
        collector.start()
        try:
            get(world, collector.port, client)
            check(False, f"{client} got an answer")
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            pass
        print("    " + collector.wait_said("notice: connection from 127.0.0.1", "refused: ", *words), flush=True)
    refused_client("stranger", 'certificate "CN=a stranger" is not signed by the CA in', f"{tls}/ca.pem", "another CA")
    refused_client("expired", 'certificate "CN=an old gateway" has expired on 2020-01-02', "our clock")
    refused_client("future", 'certificate "CN=a gateway to come" is not valid before 2048-01-01', "is it right?")
    refused_client("server", 'certificate "CN=no client" is not meant for clients')
    refused_client(None, "the client showed no certificate")
    collector.stop()
    collector.start()
    with socket.create_connection(("127.0.0.1", collector.port), 30) as plain:
        plain.sendall(b"GET /mirror/ HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = b"".join(iter(lambda: receive(plain), b""))
    check(b"HTTP" not in heard, f"an answer in clear: {heard!r}")
    collector.wait_said("refused: ", "the client speaks plain text or another protocol, not TLS", "GET /mirr")
    check_equal(get(world, collector.port), 404, "who is right")
    collector.stop()


def receive(peer):
    try:
        return peer.recv(4096)
    except ConnectionError:
        return b""


def removed(world):
    """A gateway that is no longer one of the collector's: refused, with words on its side; it records on, what is
    archived stays, and when it is one again everything arrives."""
    broker, collector, gateway = world.enrol()
    for process in (broker, collector, gateway):
        process.start()
    gateway.wait_subscribed()
    device = world.closing(Publisher(broker.port, "device"))

    def publish(payload):
        device.publish("plant/x", payload, 1)
        device.wait_acknowledged()
    log = GrowingLog(log_folder(collector.archive))
    publish(b"before")
    wait_archived(log, device.sent, alive=[gateway, collector])
    collector.stop()
    # Neither in the policy nor as a [[gateway]].
    vkey = world.run("sealring", "key", "generate", world.path("other.key"), "example.com/other")[0].strip()
    world.write("other-policy", f"log {vkey}\nquorum none\n")
    collector.configure(policy="other-policy", tls_uri=None).start()
    publish(b"meanwhile")
    line = gateway.wait_said("warning: forwarding waits", "404", ORIGIN, "is not one of this collector's")
    print("    " + line, flush=True)
    check("its policy does not name it" in line, line)
    collector.stop()
    # Its certificate has the URI of before, and the [[gateway]] now wants another one.
    collector.configure(tls_uri="sealring:its-successor").start()
    print("    " + gateway.wait_said("warning: forwarding waits", "403", "another URI than yours"), flush=True)
    collector.wait_said("warning: " + ORIGIN, "refused a request by", "CN=", "the URI sealring:its-successor")
    check_equal([m.payload for m in log.read().messages], [b"before"], "what is archived")
    check_equal(gateway.status()["recorder"]["messages"], 2, "messages recorded")
    collector.stop()
    collector.configure().start()
    gateway.wait_said("notice: forwarding goes on")
    wait_archived(log, device.sent, alive=[gateway, collector])
    gateway.stop()
    collector.stop()


def flags(world):
    """--config without and with a file; a wrong use says how to get help."""
    _, collector, _ = world.enrol()
    collector.configure()
    collector.command = [program("sealring-collector"), "--config=" + world.path("collector.toml")]
    collector.start().stop()
    for arguments, words in ((["--config"], "FILE"), (["--nonsense"], "--nonsense"), (["nonsense"], "nonsense"),
                             (["man", "nothing"], "collector.toml"), (["completion", "csh"], "zsh"),
                             (["completion"], "SHELL")):
        _, err = world.run("sealring-collector", *arguments, code=CONFIG)
        check(words in err, f"{arguments}: {err}")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([program("sealring-collector"), "man"], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    check_equal((done.returncode, done.stderr), (SYSTEM, "error: cannot write to standard output\n"), "a full disk")


if __name__ == "__main__":
    main(("configuration", configuration), ("key_files", key_files), ("system", system), ("damaged", damaged),
         ("keys", keys), ("clients", clients), ("removed", removed), ("flags", flags),
         ("succession", succession))
