#!/usr/bin/python3
"""Another log in the place of one that was closed, or that nobody has closed: by a thief who has the identity key, the
certificate and the store, by whoever holds the archive, and by somebody in the collector's place.
"""
import os
import shutil

from kit.forge import HANDOVER, MESSAGE, History, Key, archive, note_line, vectors, vkey
from kit.offer import Client, offer
from kit.scene import (FINE, FORKED, NAMED, TAMPERED, UNPROVEN, anchor_of, condemned, epoch_key, epoch_of, findings,
                       key_file)

from lib.certs import make_leaf
from lib.compare import log_folder
from lib.fakes import FakeCollector, http
from lib.succession_scene import COLLECTOR_KEY, FOLLOWER, Scene, messages_of
from lib.world import ORIGIN, check, check_equal, main, wait_until

SUCCESSION, CARRIED = 7, 10  # kinds of entries


def read(path):
    with open(path, "rb") as f:
        return f.read()


def history_of(scene, origin=ORIGIN):
    segments = log_folder(scene.collector.archive, origin)
    entries = [e for name in archive.segment_names(segments)
               for e in archive.read_segment(os.path.join(segments, "segments", name)).entries]
    return History(origin, entries)


def successor_of(scene):
    return os.path.join(log_folder(scene.collector.archive), "successor")


def by_note(scene, *notes):
    """What an auditor gives beside the first log's anchor."""
    return [*(a for note in notes for a in ("--succession", note)), "--succession-key", scene.succession_vkey]


def closed_log(world):
    """A log that was closed and one that follows it, both in the archive, all of it true; and nothing runs any more."""
    scene = Scene(world)
    scene.roll_back()
    scene.gateway.start()
    scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    scene.gateway.stop()
    scene.collector.stop()
    world.verify(scene.collector.archive, code=FINE, extra=by_note(scene, successor_of(scene)))
    return scene


class Thief:
    """Has the identity key of the closed log, and makes a follower of his own with it. The entries behind entry 1 are
    like those of the true log; what stands in them is as he likes."""

    def __init__(self, scene, closed):
        """`closed`: text of the checkpoint that is said to close the log."""
        self.stolen = key_file(os.path.join(scene.gateway.folder, "identity.key"))
        self.identity, epoch, true = Key(), Key(), history_of(scene)
        origin, size, root, _ = closed.split("\n")
        genesis = vectors.cbor({**true.fields(0), 16: FOLLOWER, 17: self.identity.public, 18: epoch.public})
        self.text = (f"sealring/succession/v1\n{closed}{vkey(FOLLOWER, self.identity)}\n"
                     f"{vectors.b64(archive.leaf_hash(genesis))}\n")
        self.own_line = note_line(ORIGIN, self.stolen, self.text)
        common = {k: v for k, v in true.fields(1).items() if k < 6}
        entry = {**common, 1: SUCCESSION, 16: origin, 17: int(size), 18: vectors.base64.b64decode(root),
                 19: self.stolen.public, 20: self.stolen.sign(self.text)}
        message = {k: v for k, v in true.fields(true.indices(MESSAGE)[0]).items() if k not in (6, 7)}
        handover = true.fields(true.indices(HANDOVER)[0])
        self.history = History(FOLLOWER, [genesis, *map(vectors.cbor, (entry, {**message, 19: b"all is well"},
                                                                        handover))])
        self.history.rechain(0, epoch)

    def note(self, *lines):
        return (self.text + "\n" + "".join(lines)).encode()

    def folder(self, path):
        """His log in an archive, in the place of what was there."""
        folder = log_folder(path, FOLLOWER)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder + "/receipts")
        self.history.write(folder, self.identity)
        with open(folder + "/log", "w", encoding="ascii") as f:
            f.write(anchor_of(self.history, self.identity) + "\n")
        return folder


def without_the_collector(world):
    """A succession that the stolen identity has signed, and the collector has not: nobody follows it."""
    scene = closed_log(world)
    true = read(successor_of(scene)).decode()
    thief = Thief(scene, "\n".join(true.split("\n")[1:4]) + "\n")
    path = world.path("false")
    shutil.copytree(scene.collector.archive, path, symlinks=True)
    folder = thief.folder(path)

    collector, stranger = key_file(world.path("succession.key")), Key()
    key_id = bytes.fromhex(scene.succession_vkey.split("+")[1])
    as_its_own = f"\u2014 {COLLECTOR_KEY} {vectors.b64(key_id + stranger.sign(thief.text))}\n"
    of_another = true.split("\n\n")[1].splitlines(True)[1]
    check(of_another.startswith(f"\u2014 {COLLECTOR_KEY} "), of_another)
    for name, line, code, words in (
            ("alone", "", UNPROVEN, "has no line of the succession key"),
            ("his-own-key", note_line(COLLECTOR_KEY, stranger, thief.text), UNPROVEN, "without that it binds nobody"),
            ("another-name", note_line("thief.example/succession", stranger, thief.text), UNPROVEN, "has no line of"),
            ("its-key-id", as_its_own, TAMPERED, "does not verify"),
            ("line-of-another", of_another, TAMPERED, "does not verify")):
        note = world.write(name, thief.note(thief.own_line, line))
        report = condemned(world, path, code, f"{note}: is not followed: ", words, extra=by_note(scene, note))
        matched = {log["origin"]: log["anchor_matched"] for log in report["logs"]}
        check_equal(matched, {ORIGIN: True, FOLLOWER: False}, f"{name}: what is believed")
        condemned(world, folder, TAMPERED, "is not the entry that the anchor names", extra=by_note(scene, note))
    # Behind the true one there is no place for a second.
    note = world.write("alone", thief.note(thief.own_line))
    condemned(world, scene.collector.archive, UNPROVEN, f"{note}: is not followed",
              extra=by_note(scene, successor_of(scene), note))
    # What is missing is that line alone: by the collector's key he would be followed.
    note = world.write("countersigned", thief.note(thief.own_line, note_line(COLLECTOR_KEY, collector, thief.text)))
    report = world.verify(folder, code=UNPROVEN, extra=by_note(scene, note))  # no receipt
    check(report["logs"][0]["anchor_matched"], "by the collector's own key it is followed")
    # And not by that line alone, without the closed log's.
    for name, own in (("not-the-log", note_line(ORIGIN, stranger, thief.text)), ("nobody", "")):
        line = note_line(COLLECTOR_KEY, collector, thief.text)
        note = world.write(name, thief.note(own, line))
        condemned(world, path, UNPROVEN, f"{note}: is not followed: no key that is known of",
                  extra=by_note(scene, note))


def closing(world):
    """POST /succession with what a gateway's thief has. Without its certificate, or its key, or a checkpoint that the
    collector knows, nothing is closed. Not defended: with all of that he closes the log, and goes on in its place."""
    scene = Scene(world)
    gateway, collector = scene.gateway, scene.collector
    scene.publish(20)
    scene.wait_receipted()
    gateway.stop()
    shutil.copytree(scene.store, world.path("image"))
    known = read(log_folder(collector.archive) + "/witness").decode().split("\n\n")[0] + "\n"
    origin, size, root, _ = known.split("\n")
    make_leaf(world.path("tls"), "second", "ca", "second gateway", "clientAuth", "URI:sealring:gw-0043")
    thief, stranger = Thief(scene, known), Key()

    def post(note, cert="gateway"):
        return world.closing(Client(world, collector.port, cert)).post("/succession", note)

    def refused(what, note, status, words, cert="gateway"):
        got = post(note, cert)
        print(f"    {what}: {got[0]} {got[1].strip()}", flush=True)
        check_equal(got[0], status, f"the answer to a succession {what}: {got[1]}")
        check(words in got[1], f"{what}: {got[1]}")
        check(not os.path.exists(successor_of(scene)), f"{what}: the log is closed")
    own = thief.note(thief.own_line)
    refused("with another gateway's certificate", own, 403, "bound to a certificate with another URI", cert="second")
    collector.wait_said("refused a succession from", "second gateway")
    for what, of in (("for a size that is not known", f"{origin}\n{int(size) + 1000}\n{root}\n"),
                     ("for another root", f"{origin}\n{size}\n{vectors.b64(os.urandom(32))}\n")):
        other = Thief(scene, of)
        refused(what, other.note(other.own_line), 403, "what closes it must be known here")
    key_id = bytes.fromhex(world.vkey.split("+")[1])
    for what, line, status, words in (
            ("that a stranger has signed", note_line(ORIGIN, stranger, thief.text), 403, "has no signature of"),
            ("that its own follower has signed", note_line(FOLLOWER, thief.identity, thief.text), 403,
             "has no signature of"),
            ("with a wrong signature", f"\u2014 {ORIGIN} {vectors.b64(key_id + stranger.sign(thief.text))}\n", 403,
             "is wrong"),
            ("that nobody has signed", "", 400, "")):
        refused(what, thief.note(line), status, words)
    collector.stop()
    enrolled = read(world.path("collector.toml")).decode()
    world.write("collector.toml", "".join(line for line in enrolled.splitlines(True) if "tls_uri" not in line))
    collector.start()
    refused("of a log that is bound to no certificate", own, 403, "is closed by an operator only")
    collector.stop()
    world.write("collector.toml", enrolled)
    collector.start()
    gateway.start()
    gateway.wait_subscribed()
    scene.wait_receipted()  # nothing of that was any harm
    world.verify(collector.archive, code=FINE)
    taken(world, scene, thief, post(own))
    second(world, scene)


def taken(world, scene, thief, answer):
    gateway, collector = scene.gateway, scene.collector
    check_equal(answer[0], 200, f"the answer to what has key and certificate: {answer[1]}")
    alarm = collector.wait_said("alarm: ", f"{ORIGIN} is closed at size", f"{FOLLOWER} follows it",
                                anchor_of(thief.history, thief.identity))
    print("    " + alarm, flush=True)
    # Its own gateway is told, records on, and signs nothing else.
    recorded = gateway.status()["recorder"]["messages"]
    scene.publish(20)
    gateway.wait_status(lambda s: s["recorder"]["messages"] >= recorded + 20, "it records on")
    trouble = gateway.wait_status(lambda s: FOLLOWER in (s["upstream"]["trouble"] or ""), "it is told")
    check("is closed" in trouble["upstream"]["trouble"], trouble["upstream"]["trouble"])
    status = gateway.wait_status(lambda s: s["upstream"]["closed_by"], "it has the statement")
    check_equal(status["upstream"]["closed_by"], FOLLOWER, "who follows")
    check_equal([a["alarm"] for a in status["alarms"]], ["closed"], "its alarms")
    print("    " + gateway.wait_said("alarm: closed: the collector has closed this log", FOLLOWER), flush=True)
    print("    " + collector.wait_said(f"{ORIGIN}: refused", "the log is closed", FOLLOWER), flush=True)
    check_equal(trouble["origin"], ORIGIN, "the log that it records")
    check_equal(sum("is closed at size" in line for line in collector.lines()), 1, "how often the alarm is said")
    # Not defended: what he goes on with is archived, and an auditor who is given the collector's line follows.
    offer(world.closing(Client(world, collector.port)), thief.history, thief.identity)
    note = world.write("taken", answer[1].encode())
    report = world.verify(collector.archive, code=FINE, extra=by_note(scene, note))
    check_equal(sorted(log["origin"] for log in report["logs"]), [ORIGIN, FOLLOWER], "the logs")


def second(world, scene):
    """The true gateway's store was set back as well, and it signs a succession of its own: too late, but not unseen."""
    gateway, collector = scene.gateway, scene.collector
    gateway.stop()
    shutil.rmtree(scene.store)
    shutil.copytree(world.path("image"), scene.store)
    gateway.start()
    gateway.wait_subscribed()
    gateway.wait_status(lambda s: s["origin"] == FOLLOWER and s["upstream"]["succession_waits"], "another log follows")
    alarm = collector.wait_said("alarm: ", f"{ORIGIN} has signed a second succession", "its identity key is in other")
    print("    " + alarm, flush=True)
    said = gateway.wait_said("the succession is not taken", "closed already, and by another statement")
    print("    " + said, flush=True)
    recorded = gateway.status()["recorder"]["messages"]
    scene.publish(20)
    gateway.wait_status(lambda s: s["recorder"]["messages"] >= recorded + 20, "it records on")
    gateway.stop()
    collector.stop()
    evidence = log_folder(collector.archive) + "/evidence/"
    kept = [name for name in os.listdir(evidence) if name.endswith(".succession")]
    check_equal(len(kept), 1, f"successions kept as evidence: {kept}")
    check_equal(read(evidence + kept[0]), read(scene.store + "/succession.note"), "what was kept")
    report = condemned(world, collector.archive, FORKED, f"evidence/{kept[0]}",
                       "closes this log otherwise than successor")
    check(not any("does not belong" in f for f in findings(report)), findings(report))


def in_the_archive(world):
    """The collector's statement, changed by whoever holds the archive: neither its own next start nor an auditor takes
    it for what it was."""
    scene = closed_log(world)
    path, brought = successor_of(scene), world.path("brought")
    true = read(path)
    shutil.copy(path, brought)
    os.chmod(path, 0o644)

    def starts_not(what, *words):
        scene.collector.start(ready=False)
        scene.collector.wait_end(3)
        check(any(all(w in line for w in (path, *words)) for line in scene.collector.lines()),
              f"{what}: {scene.collector.said()}")
        print(f"    {what}: {scene.collector.lines()[-1]}", flush=True)
    start = 0
    for number, line in enumerate(true.splitlines(True), 1):
        at = start + len(line) // 2
        start += len(line)
        spoilt = bytearray(true)
        spoilt[at] ^= 1
        world.write(path, bytes(spoilt))
        starts_not(f"a bit of line {number}")
        condemned(world, scene.collector.archive, TAMPERED, "successor: ", extra=by_note(scene, brought))
        condemned(world, scene.collector.archive, TAMPERED, f"{path}: is not followed",
                  extra=by_note(scene, path))
    # A whole other one in its place: with the stolen key, and lines that are there but not the collector's.
    thief = Thief(scene, "\n".join(true.decode().split("\n")[1:4]) + "\n")
    theirs = true.decode().split("\n\n")[1].splitlines(True)[1]
    for what, line, words, code in (
            ("another one, by a key of his", note_line(COLLECTOR_KEY, Key(), thief.text), "no valid signature of",
             UNPROVEN),
            ("another one, with the true one's line", theirs, "no valid signature of", TAMPERED),
            ("another one, with one line", "", "other lines than", UNPROVEN)):
        world.write(path, thief.note(thief.own_line, line))
        starts_not(what, words)
        condemned(world, log_folder(scene.collector.archive), FORKED if code == UNPROVEN else TAMPERED,
                  "successor: closes this log otherwise than", extra=by_note(scene, brought))
        condemned(world, scene.collector.archive, code, f"{path}: is not followed", extra=by_note(scene, path))
    # Taken away it closes nothing any more, there; who has it follows it all the same.
    os.remove(path)
    scene.collector.start()
    check(not any("is closed" in line for line in scene.collector.lines()), scene.collector.said())
    scene.collector.stop()
    world.verify(scene.collector.archive, code=FINE, extra=by_note(scene, brought))
    world.write(path, true)
    scene.collector.start()
    scene.collector.wait_said("alarm: ", f"{ORIGIN} is closed at size")
    scene.collector.stop()
    world.verify(scene.collector.archive, code=FINE, extra=by_note(scene, path))


def follower_with_first_key(world):
    """A true follower, and the key of its epoch 0, in which all is that it carries over."""
    scene = Scene(world)
    scene.roll_back()
    scene.broker.stop()
    scene.collector.stop()
    scene.broker.start()
    scene.gateway.recorder["segment_age"] = "10min"
    scene.gateway.configure()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.publish(10)
    scene.collector.start()
    scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_subscribed()
    check_equal(epoch_of(scene.gateway), 0, "the epoch")
    first = epoch_key(scene.gateway, 0)
    scene.gateway.stop()
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    scene.gateway.stop()
    scene.collector.stop()
    world.verify(scene.collector.archive, code=FINE, extra=by_note(scene, successor_of(scene)))
    return scene, first


class Remade:
    """The follower's log with something changed in it, and all that its keys can sign signed anew."""

    def __init__(self, world):
        self.world = world
        self.scene, self.first = follower_with_first_key(world)
        self.identity = key_file(self.scene.store + "/identity.key")
        self.true = history_of(self.scene, FOLLOWER)
        self.carried = [i for i in self.true.indices(CARRIED) if i < self.true.cuts()[0]]
        check(len(self.carried) >= 10, f"carried entries: {self.carried}")

    def judged(self, name, forged, code, *words, receipts=False, old=None):
        """`old`: the key that ends the first epoch, which is the true one if it is left out."""
        folder = log_folder(self.world.path(name), FOLLOWER)
        shutil.copytree(self.scene.collector.archive, self.world.path(name), symlinks=True)
        forged.rechain(0, old or self.first).write(folder, self.identity)
        if not receipts:
            shutil.rmtree(folder + "/receipts")
            os.remove(folder + "/witness")
            os.makedirs(folder + "/receipts")
        extra = by_note(self.scene, successor_of(self.scene))
        if words:
            return condemned(self.world, folder, code, *words, extra=extra)
        return self.world.verify(folder, code=code, extra=extra)

    def a_byte(self):
        """Of an entry that is carried over."""
        forged, index = self.true.copy(), self.carried[3]
        content = bytearray(forged.fields(index)[19])
        content[-1] ^= 1
        forged.put(index, k19=bytes(content))
        return forged


def remade_follower(world):
    """The follower's log, made anew by whoever has its keys, that of its first epoch too: the statement holds it."""
    remade = Remade(world)
    true, judged = remade.true, remade.judged
    # By these hands a log is as whole as it was, but for its receipts.
    report = judged("unchanged", true.copy(), (NAMED, UNPROVEN))
    check(report["logs"][0]["anchor_matched"], findings(report))

    no_succession = "names a log that follows another, but entry 1 here is no succession"
    forged = true.copy()
    forged.heartbeat(1)
    judged("in-its-place", forged, TAMPERED, no_succession)
    forged = true.copy()
    del forged.entries[1]
    judged("dropped", forged, TAMPERED, no_succession)

    stolen = key_file(os.path.join(remade.scene.gateway.folder, "identity.key"))
    size, root = true.fields(1)[17], true.fields(1)[18]
    for name, size, root, key in (("root", size, os.urandom(32), stolen), ("size", size - 1, root, stolen),
                                  ("signer", size, root, Key())):
        text = (f"sealring/succession/v1\n{ORIGIN}\n{size}\n{vectors.b64(root)}\n{vkey(FOLLOWER, remade.identity)}\n"
                f"{vectors.b64(archive.leaf_hash(true.entries[0]))}\n")
        forged = true.copy()
        forged.put(1, k17=size, k18=root, k19=key.public)
        judged(f"another-{name}-unsigned", forged, TAMPERED, "over that and entry 0, does not hold")
        forged.put(1, k20=key.sign(text))
        judged(f"another-{name}", forged, TAMPERED, "says otherwise than entry 1 which log was closed where")

    judged("a-byte", remade.a_byte(), TAMPERED, "epoch that ends does not hold", old=Key())
    judged("a-byte-and-receipts", remade.a_byte(), (TAMPERED, FORKED), "receipt ", "two histories", receipts=True)
    forged = true.copy()
    a, b = remade.carried[3:5]
    forged.entries[a], forged.entries[b] = forged.entries[b], forged.entries[a]
    judged("order", forged, TAMPERED, "not in the order of the log that was closed")
    # Not noticed: what no receipt covers, in an epoch whose key is there, as in any log.
    report = judged("within-reach", remade.a_byte(), (NAMED, UNPROVEN))
    check(report["logs"][0]["anchor_matched"], findings(report))


def upstream(world):
    """Somebody in the collector's place who knows what proves the store to be an old copy, and then says anything to
    the succession: it is not taken for taken, and recording goes on."""
    scene = Scene(world)
    scene.roll_back()
    scene.collector.stop()
    gateway, proof = scene.gateway, read(log_folder(scene.collector.archive) + "/witness")
    gateway.upstream["retry_max"] = "200ms"
    gateway.configure()
    asked, answer = [], [lambda body: http(500, "no")]

    def answers(path, body):
        if path == "/succession":
            asked.append(body)
            return answer[0](body)
        of_first = os.path.basename(log_folder("", ORIGIN))
        return http(200, proof) if path.endswith(of_first + "/checkpoint") else http(404, "There is no such log.\n")
    fake = world.closing(FakeCollector(scene.collector.port, answers, world.path("tls")))
    gateway.start()
    gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    gateway.wait_subscribed()
    own = read(scene.store + "/succession.note")
    collector = Key()

    def cosigned(text, *lines):
        return (text + "\n" + "".join(lines) + note_line(COLLECTOR_KEY, collector, text)).encode()
    text, line = (part.decode() for part in own.split(b"\n\n"))
    text += "\n"
    other = text.replace(f"\n{FOLLOWER}+", f"\n{ORIGIN}~2+")
    not_ours = "is not our succession with its own line"
    for name, reply, words in (
            ("garbage", lambda _: os.urandom(300), ""),
            ("garbage as HTTP", lambda _: http(200, os.urandom(300)), "/succession"),
            ("200 with nothing", lambda _: http(200), "/succession"),
            ("200 with a note of another text", lambda _: http(200, cosigned(other, line)), not_ours),
            ("200 with a checkpoint", lambda _: http(200, proof), not_ours),
            ("200 with our own note only", lambda body: http(200, body), not_ours),
            ("200 with another line in the place of ours",
             lambda _: http(200, cosigned(text, note_line(ORIGIN, Key(), text))), not_ours),
            ("200 without ours", lambda _: http(200, cosigned(text)), not_ours)):
        answer[0], before = reply, len(asked)
        wait_until(lambda n=before: len(asked) >= n + 2, f"it asks twice: {name}", alive=[gateway])
        recorded = gateway.status()["recorder"]["messages"]
        scene.publish(1)
        status = gateway.wait_status(lambda s, n=recorded, w=words: s["recorder"]["messages"] > n and
                                     w in (s["upstream"]["trouble"] or ""), f"it records on, and says so: {name}")
        print(f"    {name}: {status['upstream']['trouble']}", flush=True)
        check(status["upstream"]["trouble"], f"it says so: {name}")
        check(status["upstream"]["succession_waits"], f"it does not take it: {name}")
        check_equal(read(scene.store + "/succession.note"), own, f"its note: {name}")
        check_equal((status["origin"], status["segments"]["acknowledged"]), (FOLLOWER, 0), f"its log: {name}")
    check(all(body == own for body in asked), "what it offers is always the same")
    # The true collector takes it, from the same gateway, with all that was recorded.
    fake.close()
    scene.collector.start()
    gateway.wait_status(lambda s: not s["upstream"]["succession_waits"], "the collector takes it")
    scene.wait_receipted(FOLLOWER)
    check_equal(messages_of(scene)[0], scene.device.sent, "all messages, each once")
    gateway.stop()
    scene.collector.stop()
    world.verify(scene.collector.archive, code=FINE, extra=by_note(scene, successor_of(scene)))


if __name__ == "__main__":
    main(("without_the_collector", without_the_collector), ("closing", closing), ("in_the_archive", in_the_archive),
         ("remade_follower", remade_follower), ("upstream", upstream))
