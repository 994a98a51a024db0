#!/usr/bin/python3
"""`sealring prove` and `sealring verify FILE` through the real programs: from a daemon, a store, an archive; before the
seal and after the receipt; and a reader of the proof that shares no code with ours."""
import base64
import hashlib
import json
import os
import socket
import subprocess
import threading

import archive
from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.world import PATIENCE, check, check_equal, main, program, wait_until

LARGE = bytes(range(256)) * 500  # three entries
UNPROVEN, TAMPERED, UNREADABLE = 11, 20, 30


def read_proof(path):
    """(extra, index, hashes, checkpoint) of a C2SP tlog-proof."""
    with open(path, "rb") as f:
        head, checkpoint = f.read().split(b"\n\n", 1)
    lines = head.split(b"\n")
    check_equal(lines[0], b"c2sp.org/tlog-proof@v1", "the first line")
    check(lines[1].startswith(b"extra ") and lines[2].startswith(b"index "), f"head: {lines[1:3]}")
    return (base64.b64decode(lines[1][6:]), int(lines[2][6:]), [base64.b64decode(h) for h in lines[3:]], checkpoint)


def root_of(leaf, index, size, hashes):
    """RFC 9162 2.1.3.2."""
    fn, sn, result = index, size - 1, leaf
    for h in hashes:
        check(sn > 0, "too many hashes")
        if fn & 1 or fn == sn:
            result = archive.node_hash(h, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = archive.node_hash(result, h)
        fn, sn = fn >> 1, sn >> 1
    check_equal(sn, 0, "hashes are missing")
    return result


def ed25519_holds(world, key, message, signature):
    """By openssl."""
    der = world.write("key.der", bytes.fromhex("302a300506032b6570032100") + key)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", der, "-rawin", "-in",
               world.write("signed", message), "-sigfile", world.write("signature", signature)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def check_signatures(world, note, vkeys):
    """C2SP signed-note, and tlog-cosignature where the key is of that type: a line of each key, and each one holds."""
    text, lines = note.decode().split("\n\n")
    lines = dict(line.split(" ")[1:] for line in lines.splitlines())
    for vkey in vkeys:
        name, key_id, key = vkey.split("+", 2)
        key = base64.b64decode(key)
        blob = base64.b64decode(lines[name])
        check_equal(blob[:4].hex(), key_id, f"the key ID of {name}")
        signature, message = blob[4:], (text + "\n").encode()
        if key[0] == 4:
            message = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + message
            signature = signature[8:]
        check(ed25519_holds(world, key[1:], message, signature), f"the signature of {name}")
        check(not ed25519_holds(world, key[1:], b"x" + message, signature), "a signature of something else")


def check_independently(world, path, entry_path, payload):
    """The proof as anybody else would read it."""
    extra, index, hashes, note = read_proof(path)
    origin, size, root = note.split(b"\n")[:3]
    with open(entry_path, "rb") as f:
        entry = f.read()
    magic = b"sealring/evidence/v1\n"
    check(extra.startswith(magic), "extra")
    length = int.from_bytes(extra[len(magic):len(magic) + 2], "big")
    check_equal(extra[len(magic) + 2:len(magic) + 2 + length], entry, "the entry inside of the proof")
    leaf = hashlib.sha256(b"\0" + entry).digest()
    check_equal(root_of(leaf, index, int(size), hashes), base64.b64decode(root), "the root")
    check_equal(origin.decode(), world.vkey.split("+")[0], "the origin")
    check(payload in entry, "the payload is in the entry")
    # The gateway has the receipt with the lines of all.
    check_signatures(world, note, [world.vkey, *world.keys.values()])
    # With entry 0 there is all that the anchor speaks of.
    rest = extra[len(magic) + 2 + length:]
    length = int.from_bytes(rest[:2], "big")
    genesis, count, path_of_0 = rest[2:2 + length], rest[2 + length], rest[3 + length:]
    check_equal(len(path_of_0), 32 * count, "the path of entry 0")
    leaf = hashlib.sha256(b"\0" + genesis).digest()
    check_equal(leaf.hex(), world.anchor.split(" ")[1], "entry 0 is the anchor's")
    path_of_0 = [path_of_0[i:i + 32] for i in range(0, len(path_of_0), 32)]
    check_equal(root_of(leaf, 0, int(size), path_of_0), base64.b64decode(root), "the root from entry 0")
    return index, int(size)


class Scene:
    def __init__(self, world, age):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB")
        self.gateway.recorder.update({"segment_age": age})
        self.gateway.configure()
        for process in (self.broker, self.collector, self.gateway):
            process.start()
        self.gateway.wait_subscribed()
        self.config = ("--config", os.path.join(self.gateway.folder, "sealring.toml"))
        self.publisher = world.closing(Publisher(self.broker.port, "device"))

    def publish(self, topic, payload):
        self.publisher.publish(topic, payload, 1)
        self.publisher.wait_acknowledged()

    def archived(self):
        wait_archived(GrowingLog(log_folder(self.collector.archive)), self.publisher.sent,
                      alive=[self.gateway, self.collector])

    def index_of(self, topic, *where):
        def found():
            out, _ = self.world.run("sealring", "tail", "--topic", topic, "--json", *(where or self.config))
            return [json.loads(line) for line in out.splitlines()]
        return wait_until(found, f"something on {topic} is recorded")[-1]["index"]


def prove(world, index, name, *options, code=0):
    path = world.path(name)
    _, err = world.run("sealring", "prove", str(index), "-o", path, *options, code=code)
    return path, err


def receipted(world):
    """The whole way, as an auditor would be given it."""
    scene = Scene(world, "1s")
    scene.publish("plant/line1/temp", b"21.5")
    scene.publish("plant/large", LARGE)
    scene.archived()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipts are here")
    index = scene.index_of("plant/line1/temp")
    proof, err = prove(world, index, "temp.tlog-proof", "--entry", world.path("temp.entry"), *scene.config)
    check_equal(err, "", "what prove says")
    report = world.verify(proof)
    check(report["anchor_matched"] and report["quorum_met"], f"{report}")
    check_equal(report["record"]["topic"], "plant/line1/temp", "topic")
    check_equal(report["index"], index, "index")
    check_equal(check_independently(world, proof, world.path("temp.entry"), b"21.5")[0], index, "index")
    text, _ = world.run("sealring", "verify", proof, "--anchor", world.path("anchor"))
    check("21.5" in text and "plant/line1/temp" in text and "proven" in text, text)

    # Not over a file that is there; with --force yes.
    _, err = prove(world, index, "temp.tlog-proof", *scene.config, code=1)
    check("--force" in err, err)
    prove(world, index, "temp.tlog-proof", "--force", *scene.config)

    # A large message: its parts by the hash in the first entry, and a part is proven as its message.
    first = scene.index_of("plant/large")
    large, err = prove(world, first + 1, "large.tlog-proof", "--payload", world.path("large"), *scene.config)
    check("part of message" in err, err)
    with open(world.path("large"), "rb") as f:
        check(f.read() == LARGE, "the payload")
    check_equal(world.verify(large, extra=("--payload", world.path("large")))["index"], first, "index")
    world.verify(large, code=TAMPERED, extra=("--payload", world.write("not-the-payload", LARGE[1:])))

    # Without a daemon, and from the archive.
    scene.gateway.stop()
    from_store, err = prove(world, index, "store.tlog-proof", *scene.config)
    check("reading the store itself" in err, err)
    from_archive, _ = prove(world, index, "archive.tlog-proof", "--from", scene.collector.archive)
    for path in (from_store, from_archive):
        check_equal(world.verify(path)["record"]["index"], index, "index")
    # An event is a record, too.
    event, _ = prove(world, 1, "event.tlog-proof", "--from", scene.collector.archive)
    check_equal(world.verify(event)["record"]["kind"], "event", "kind")
    wrong(world, proof)


def wrong(world, proof):
    """What must not be believed."""
    with open(proof, "rb") as f:
        good = f.read()
    extra = good.split(b"\n")[1]
    forged = base64.b64decode(extra[6:]).replace(b"21.5", b"12.5")
    changed = world.write("forged.tlog-proof", good.replace(extra, b"extra " + base64.b64encode(forged)))
    report = world.verify(changed, code=TAMPERED)
    check(report["record"] is None, "what was forged is not shown as a record")
    cut = world.write("cut.tlog-proof", good[:-20])
    world.verify(cut, code=TAMPERED)
    # Another gateway's anchor, another key under this name, no anchor.
    out, _ = world.run("sealring", "init", world.path("other"), "--origin", "example.com/other", "--ring-size", "64MiB")
    world.write("other-anchor", out)
    report = world.verify(proof, code=TAMPERED, policy=None, anchor="other-anchor")
    check("example.com/other" in report["findings"][0]["what"], f"{report['findings']}")
    out, _ = world.run("sealring", "init", world.path("twin"), "--origin", world.vkey.split("+")[0], "--ring-size",
                       "64MiB")
    world.write("twin-anchor", out)
    world.verify(proof, code=TAMPERED, policy=None, anchor="twin-anchor")
    world.verify(proof, code=UNPROVEN, policy=None, anchor=None)
    # Other people's policies: one that does not know the log, one whose cosigner has not signed.
    stranger, _ = world.run("sealring", "key", "generate", world.path("stranger.key"), "stranger.example", "--cosigner")
    world.write("policy-elsewhere", "quorum none\n")
    report = world.verify(proof, code=TAMPERED, policy="policy-elsewhere")
    check("not in the policy" in report["findings"][0]["what"], f"{report['findings']}")
    world.write("policy-stranger", f"log {world.vkey}\nwitness s {stranger.split()[-1]}\nquorum s\n")
    report = world.verify(proof, code=UNPROVEN, policy="policy-stranger")
    check(not report["quorum_met"] and any("quorum" in s for s in report["not_proven"]), f"{report}")
    # Not known for a proof any more: not read as anything else.
    _, _, code = world.run("sealring", "verify", world.write("odd.tlog-proof", b"C" + good[1:]), code=None)
    check_equal(code, UNREADABLE, "a file of another kind")
    _, err = world.run("sealring", "verify", proof, "--min-size", "3", code=2)
    check("--min-size: is for logs, not for the proof of a record" in err, err)
    _, err = world.run("sealring", "verify", world.path("gateway"), "--payload", proof, code=2)
    check("--payload" in err, err)


class Liar:
    """Stands between `sealring` and a daemon's socket, and lets `alter(request, answer)` say what comes back."""

    def __init__(self, world, daemon):
        self.path, self.daemon = world.path("liar.sock"), daemon
        self.alter = lambda request, answer: answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def lie(self, about, to):
        """About proofs, or payloads; honest about all else."""
        self.alter = lambda request, answer: to(answer) if request["get"] == about else answer

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                line = client.makefile("rb").readline()
                try:
                    client.sendall(self.alter(json.loads(line), self.ask(line)))
                except (OSError, ValueError):
                    pass  # a probe that asks nothing, or does not read

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.daemon)
            s.sendall(line)
            return b"".join(iter(lambda: s.recv(65536), b""))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def liar_before(world, scene):
    """The liar, and the options that have `sealring` ask it."""
    liar = world.closing(Liar(world, os.path.join(scene.gateway.folder, "sealring.sock")))
    with open(scene.config[1], encoding="utf-8") as f:
        text = f.read()
    check('socket = "sealring.sock"' in text, text)
    config = ("--config", os.path.join(scene.gateway.folder, "liar.toml"))
    world.write(config[1], text.replace('socket = "sealring.sock"', f'socket = "{liar.path}"'))
    return liar, config


def lying_daemon(world):
    """What a daemon answers is believed no more than any other bytes: nothing that does not stand up is written."""
    scene = Scene(world, "1s")
    scene.publish("plant/line1/temp", b"21.5")
    scene.publish("plant/large", LARGE)
    scene.archived()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipts are here")
    index, large = scene.index_of("plant/line1/temp"), scene.index_of("plant/large")
    liar, config = liar_before(world, scene)

    def in_proof(change):
        def to(answer):
            proof = change(answer.split(b"\n", 1)[1])
            return json.dumps({"proof_bytes": len(proof), "size": 1, "receipted": True}).encode() + b"\n" + proof
        return to

    def forged(proof):
        extra = proof.split(b"\n")[1]
        changed = base64.b64decode(extra[6:]).replace(b"21.5", b"12.5")
        return proof.replace(extra, b"extra " + base64.b64encode(changed))

    def unsigned(proof):
        head, lines = proof.rsplit(b"\n\n", 1)
        name, blob = lines.splitlines()[0].rsplit(b" ", 1)
        bad = bytearray(base64.b64decode(blob))
        bad[-1] ^= 1
        return head + b"\n\n" + name + b" " + base64.b64encode(bad) + b"\n"

    other = world.path("other.tlog-proof")
    world.run("sealring", "prove", "1", "-o", other, *scene.config)
    with open(other, "rb") as f:
        other = f.read()
    for name, about, to, words in (
            ("forged", "proof", in_proof(forged), "not at this place of the signed tree"),
            ("unsigned", "proof", in_proof(unsigned), "not signed by the key"),
            ("other", "proof", in_proof(lambda _: other), "proof of entry 1, which was not asked for"),
            ("not-a-proof", "proof", in_proof(lambda _: b"no proof\n"), "does not stand up"),
            ("cut", "proof", lambda answer: answer[:-1], "the daemon went away"),
            ("endless", "proof", lambda _: b'{"proof_bytes": 99999999999}\n', "more bytes than there can be"),
            ("silent", "proof", lambda _: b"", "hung up without an answer"),
            ("payload", "payload", lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]), "not this record's")):
        liar.lie(about, to)
        wanted = large if about == "payload" else index
        options = ("--payload", world.path(name + ".payload"), "--entry", world.path(name + ".entry"))
        path, err = prove(world, wanted, name, *(options if about == "payload" else ()), *config, code=1)
        check(words in err, f"{name}: {err}")
        left = [f for f in (path, path + ".payload", path + ".entry") if os.path.exists(f)]
        check_equal(left, [], f"{name}: files that were written all the same")
    # The way itself is good: with no lie on it the proof comes through.
    liar.alter = lambda request, answer: answer
    honest, err = prove(world, large, "honest", "--payload", world.path("honest.payload"), *config)
    check_equal(err, "", "what prove says")
    world.verify(honest, extra=("--payload", world.path("honest.payload")))


def cosigned_in_part(world):
    """A witness' line alone is no receipt: --wait asks until the daemon says that it has one."""
    scene = Scene(world, "1s")
    scene.publish("plant/line1/temp", b"21.5")
    scene.archived()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipts are here")
    index = scene.index_of("plant/line1/temp")
    liar, config = liar_before(world, scene)
    asked = 0
    def not_yet(answer):
        nonlocal asked
        asked += 1
        head, proof = answer.split(b"\n", 1)
        return json.dumps({**json.loads(head), "receipted": asked > 2}).encode() + b"\n" + proof
    liar.lie("proof", not_yet)
    _, err = prove(world, index, "early.tlog-proof", *config)
    check("there is no receipt for this record yet" in err, err)
    _, err = prove(world, index, "waited.tlog-proof", "--wait", *config)
    check_equal((err, asked), ("sealring: waiting for the receipt\n", 3), "what prove says, and how often it asks")
    world.verify(world.path("waited.tlog-proof"))


def not_sealed_yet(world):
    """Before the seal there is nothing to prove with; --wait waits for it and for the receipt."""
    scene = Scene(world, "2s")
    # The identity signs once the collector has said what it has.
    scene.gateway.wait_status(lambda s: s["upstream"]["asked"], "the collector has answered")
    scene.collector.stop()
    scene.publish("plant/early", b"1")
    index = scene.index_of("plant/early")
    # With no receipt, the gateway's own word alone.
    def sealed():
        _, err, code = world.run("sealring", "prove", str(index), "-o", world.path("own"), "--force", *scene.config,
                                 code=None)
        check(code == 0 or "not sealed yet" in err or "has not signed it yet" in err, err)
        return err if code == 0 else None
    err = wait_until(sealed, "the segment is sealed", alive=[scene.gateway])
    check("no receipt" in err, err)
    report = world.verify(world.path("own"), code=UNPROVEN)
    check(report["anchor_matched"] and not report["quorum_met"], f"{report}")
    world.verify(world.path("own"), policy=None)
    scene.publish("plant/later", b"2")
    later = scene.index_of("plant/later")
    # Sealed is not enough for --wait: the collector starts only when it waits for the receipt.
    wait_until(lambda: not world.run("sealring", "prove", str(later), "-o", world.path("own"), "--force",
                                     *scene.config, code=None)[2], "it is sealed", alive=[scene.gateway])
    proof = world.path("later.tlog-proof")
    with subprocess.Popen([program("sealring"), "prove", str(later), "-o", proof, "--wait", *scene.config],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as waiting:
        deadline = threading.Timer(PATIENCE, waiting.kill)
        deadline.start()
        try:
            check_equal(waiting.stderr.readline(), "sealring: waiting for the receipt\n", "what prove says")
            check(not os.path.exists(proof), "nothing is written before the receipt")
            scene.collector.start()
            check_equal(waiting.stderr.read(), "", "what prove says in the end")
            check_equal(waiting.wait(), 0, "exit code")
        finally:
            deadline.cancel()
            waiting.kill()
    world.verify(proof)
    _, err = prove(world, 99999, "none", *scene.config, code=1)
    check("there is no entry 99999" in err, err)
    check(not os.path.exists(world.path("none")), "nothing was written")
    # Without a daemon nobody seals: --wait says so, and does not wait.
    scene.gateway.recorder["segment_age"] = "10min"
    scene.gateway.stop()
    scene.gateway.configure().start()
    scene.gateway.wait_subscribed()
    scene.publish("plant/last", b"3")
    last = scene.index_of("plant/last")
    scene.gateway.kill()
    _, err = prove(world, last, "none", *scene.config, code=1)
    check("not sealed yet" in err and "--wait" not in err, err)
    _, err = prove(world, last, "none", "--wait", *scene.config, code=1)
    check("no daemon is asked" in err, err)


def released(world):
    """What the gateway has released is proven from the archive; the anchor alone does not do for what is left."""
    scene = Scene(world, "1s")
    scene.publish("plant/old", b"old")
    block = os.urandom(200000)
    sent = 0
    def gone():
        nonlocal sent
        for _ in range(20):
            scene.publisher.publish(f"bulk/{sent % 3}", f"{sent} ".encode() + block, 1)
            sent += 1
        scene.publisher.wait_acknowledged()
        return scene.gateway.status()["ring"]["first_index"] > 10
    wait_until(gone, "old entries are released", patience=120, alive=[scene.gateway, scene.collector])
    scene.publish("plant/new", b"new")
    scene.archived()
    old = scene.index_of("plant/old", "--from", scene.collector.archive)
    _, err = prove(world, old, "old.tlog-proof", *scene.config, code=1)
    check("was released" in err and "--from" in err, err)
    proof, _ = prove(world, old, "old.tlog-proof", "--from", scene.collector.archive)
    check(world.verify(proof)["anchor_matched"], "with entry 0")
    new = scene.index_of("plant/new")
    proof, _ = prove(world, new, "new.tlog-proof", "--wait", *scene.config)
    report = world.verify(proof, code=UNPROVEN)
    check(report["quorum_met"] and not report["anchor_matched"], f"{report}")
    world.verify(proof, code=UNPROVEN, policy=None)
    world.verify(proof, anchor=None)
    proof, _ = prove(world, new, "new-archived.tlog-proof", "--from", scene.collector.archive)
    world.verify(proof)


if __name__ == "__main__":
    main(("receipted", receipted), ("lying_daemon", lying_daemon),
         ("cosigned_in_part", cosigned_in_part), ("not_sealed_yet", not_sealed_yet),
         ("released", released))
