#!/usr/bin/python3
"""The rotation of the identity key on real parts: prepared beside a running daemon, recorded by the next start, and
followed by collector and auditor with the anchor that they had. Key files and a SoftHSM token; kills in between."""
import os
import shutil

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.softhsm import Token
from lib.world import ORIGIN, check, check_equal, main

NAMED, UNPROVEN, CONFIG, DAMAGED = 10, 11, 2, 3
PREPARED, RECORDED = "rotation.note", "rotation-%020d.note"


class Scene:
    def __init__(self, world):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol()
        self.store = os.path.join(self.gateway.folder, "store")
        self.config = ("--config", os.path.join(self.gateway.folder, "sealring.toml"))
        for part in (self.broker, self.collector, self.gateway):
            part.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))
        self.log = GrowingLog(log_folder(self.collector.archive))

    def key(self, name, origin=ORIGIN):
        """A new key file and its vkey."""
        path = os.path.join(self.gateway.folder, name)
        out, _ = self.world.run("sealring", "key", "generate", path, origin)
        return path, out.strip()

    def rotate(self, place, code=0):
        return self.world.run("sealring", "key", "rotate", place, *self.config, code=code)

    def policy(self, name, *vkeys):
        """The gateway's, the collector's or the auditor's policy, naming these keys of the log."""
        logs = "".join(f"log {vkey}\n" for vkey in vkeys)
        both = (f"witness witness {self.world.keys['witness']}\nwitness mirror {self.world.keys['mirror']}\n"
                "group both all witness mirror\nquorum both\n")
        self.world.write(name, logs + ("quorum none\n" if name == "collector-policy" else both))

    def restart(self, identity, previous=None, kill=False):
        if self.gateway.child:
            self.gateway.kill() if kill else self.gateway.stop()
        self.gateway.top["identity_key"] = identity
        self.gateway.top.pop("previous_identity_key", None)
        if previous:
            self.gateway.top["previous_identity_key"] = previous
        self.gateway.configure().start()
        self.gateway.wait_subscribed()

    def refused(self, *words):
        self.gateway.configure().start(ready=False).wait_end(CONFIG)
        for word in words:
            check(word in self.gateway.said(), f"{word!r} is not in: {self.gateway.said()}")
        out, _ = self.world.run("sealring", "check", *self.config, code=1)
        for word in words:
            check(word in out, f"{word!r} is not in what check says: {out}")

    def archived(self, messages=3):
        for _ in range(messages):
            self.device.publish("plant/line1/temp", b"21.0", 1)
        self.device.wait_acknowledged()
        wait_archived(self.log, self.device.sent, alive=[self.gateway, self.collector])
        return self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipts are here")["keys"]

    def verified(self, code=0):
        """The archive by the auditor's policy and the anchor of the first day: its rotations."""
        report = self.world.verify(self.collector.archive, code=code)["logs"][0]
        check(report["anchor_matched"], report)
        return [(r["index"], r["from"], r["to"]) for r in report["rotations"]]


def refusals(scene):
    """Before there is a statement; leaves the gateway stopped, and a copy of the store behind."""
    world, gateway = scene.world, scene.gateway
    foreign, _ = scene.key("foreign.key", "example.com/other")
    stranger, _ = scene.key("stranger.key")
    _, err = scene.rotate(foreign, code=1)
    check("is the key of" in err and "example.com/other" in err, err)
    _, err = scene.rotate(os.path.join(gateway.folder, "identity.key"), code=1)
    check("the new key is the old one" in err, err)
    check_equal([n for n in os.listdir(scene.store) if n.startswith("rotation")], [], "statements after refusals")
    gateway.stop()
    gateway.top["identity_key"] = stranger
    scene.refused("is not the identity key of the log, which is " + world.vkey, "sealring key rotate")
    gateway.top["identity_key"] = "identity.key"
    gateway.top["previous_identity_key"] = stranger
    scene.refused("was not rotated")
    shutil.copytree(scene.store, world.path("old-store"))


def prepared(scene, place, new):
    """With a statement and the old key nothing has changed, and no other key comes in by it."""
    old, gateway = scene.world.vkey, scene.gateway
    out, _ = scene.rotate(place)
    for words in (f"old  {old}", f"new  {new}", f'identity_key = "{place}"', "previous_identity_key = ", f"log {new}"):
        check(words in out, f"{words!r} is not in: {out}")
    check_equal(scene.archived()["identity"], old, "the identity before the restart")
    check(os.path.exists(os.path.join(scene.store, PREPARED)), "the statement is not in the store")
    gateway.stop()
    out, _ = scene.world.run("sealring", "check", *scene.config)
    check(f"a rotation to {new} is prepared" in out, out)
    gateway.top["identity_key"] = "stranger.key"
    scene.refused("is not the identity key of the log, which is " + old)


def overlap(scene, place, new):
    """Recorded at the start with the new key; all goes on under policies that know only the old one."""
    world, gateway, old = scene.world, scene.gateway, scene.world.vkey
    scene.restart(place, "identity.key")
    gateway.wait_said("the identity key was rotated at entry", new)
    keys = scene.archived()
    index = keys["identity_since"]
    check_equal((keys["identity"], keys["previous_identity"]), (new, old), "the keys in the overlap")
    names = sorted(n for n in os.listdir(scene.store) if n.startswith("rotation"))
    check_equal(names, [RECORDED % index], "statements")
    out, _ = world.run("sealring", "status", *scene.config)
    check(f"rotated at entry {index}; beside it signs {old}" in out, out)
    out, _ = world.run("sealring", "show", str(index), *scene.config)
    check("ROTATION of the identity key" in out, out)
    check_equal(scene.verified(), [(index, old, new)], "the rotations, by a policy with the old key only")
    # The collector is the first to learn of it, the gateway and the auditor follow.
    scene.policy("collector-policy", old, new)
    scene.collector.stop()
    scene.collector.start()
    scene.archived()
    scene.policy("policy", old, new)
    check_equal(scene.verified(), [(index, old, new)], "the rotations, by a policy with both")
    return index


def renamed(scene, index):
    """The file of a rotation under other names: refused, or known for what the log has."""
    gateway = scene.gateway
    recorded, prepared, other = (os.path.join(scene.store, n) for n in (RECORDED % index, PREPARED, RECORDED % 1))
    gateway.stop()
    os.rename(recorded, other)
    gateway.configure().start(ready=False).wait_end(DAMAGED)
    check("entry 1 of the log is not this rotation" in gateway.said(), gateway.said())
    out, _ = scene.world.run("sealring", "check", *scene.config, code=1)
    check("entry 1 of the log is not this rotation" in out, out)
    os.rename(other, prepared)
    _, err = scene.rotate(os.path.join(gateway.folder, "stranger.key"), code=1)
    check(f"the rotation at entry {index} is in the log and not finished yet" in err, err)
    gateway.start()
    gateway.wait_subscribed()
    check_equal(scene.archived()["identity_since"], index, "entry of the rotation")
    names = sorted(n for n in os.listdir(scene.store) if n.startswith("rotation"))
    check_equal(names, [RECORDED % index], "statements after the start")


def afterwards(scene, place, new, index):
    """The overlap is over: whoever knows only the old key hears of it, all others go on."""
    world, gateway, old = scene.world, scene.gateway, scene.world.vkey
    gateway.stop()
    gateway.top.pop("previous_identity_key")
    scene.refused("has no `log` line with this gateway's own vkey " + new)
    scene.policy("gateway-policy", old, new)
    scene.restart(place)
    keys = scene.archived()
    check_equal((keys["identity"], keys["identity_since"], keys["previous_identity"]), (new, index, ""), "after it")
    check_equal(scene.verified(), [(index, old, new)], "the rotations, after the overlap")
    last = gateway.status()["segments"]["open_from"] - 1
    world.run("sealring", "prove", str(last), "-o", world.path("proof"), *scene.config)
    world.verify(world.path("proof"))
    report = world.verify(world.path("proof"), policy=None)
    check_equal(report["rotations"], [{"from": old, "to": new}], "the rotations in the proof")
    world.run("sealring", "prove", str(last), "-o", world.path("proof-2"), "--from", scene.collector.archive)
    world.verify(world.path("proof-2"), policy=None)
    scene.policy("old-policy", old)
    world.verify(world.path("proof"), policy="old-policy", code=UNPROVEN)
    report = world.verify(scene.collector.archive, code=NAMED, policy="old-policy")["logs"][0]
    check(any("name the old and the new key" in f["what"] for f in report["findings"]), report["findings"])
    gateway.stop()
    world.verify(scene.store)
    out, _ = world.run("sealring", "status", "--json", *scene.config)
    check(new in out and f'"identity_since": {index}' in out, out)
    out, _ = world.run("sealring", "check", *scene.config)
    check("0 errors" in out and new in out, out)


def old_key_alone(scene, new, index):
    """The old key goes on with a copy of the store from before: further than the log is, and alone."""
    world, gateway, old = scene.world, scene.gateway, scene.world.vkey
    gateway.top["identity_key"] = "identity.key"
    scene.refused(f"is not the identity key of the log, which is {new} since entry {index}")
    os.rename(scene.store, world.path("new-store"))
    os.rename(world.path("old-store"), scene.store)
    size = scene.log.range.size
    gateway.recorder.update(segment_age="10min", segment_entries=4 * size)  # its first segment ends beyond the log
    scene.restart("identity.key")
    # It hears of that by the new key's line, and offers nothing, whoever wants it to.
    gateway.wait_said("alarm: rollback: our identity key has signed size")
    gateway.stop()
    gateway.command.append("--assume-current")
    scene.restart("identity.key")
    for _ in range(5 * size):
        scene.device.publish("plant/line1/temp", b"forged", 1)
    scene.device.wait_acknowledged()
    gateway.wait_status(lambda s: s["upstream"]["contradicted"], "it finds so again")
    gateway.stop()
    scene.collector.stop()
    check_equal(scene.verified(), [(index, old, new)], "the rotations, after what was refused")


def files(world):
    """From key file to key file: the overlap under policies with the old key, then without it."""
    scene = Scene(world)
    scene.archived()
    place, new = scene.key("identity-2.key")
    refusals(scene)
    scene.restart("identity.key")
    prepared(scene, place, new)
    index = overlap(scene, place, new)
    renamed(scene, index)
    afterwards(scene, place, new, index)
    old_key_alone(scene, new, index)


def token(world):
    """From a key file to a token, killed on the way and with the token away; then to another key on it."""
    scene = Scene(world)
    scene.policy("collector-policy", world.vkey)
    scene.archived()
    hsm = Token(world)
    vkeys = [world.vkey]
    for name in ("second", "third"):
        out, _ = world.run("sealring", "key", "generate", hsm.uri(f"object={name}"), ORIGIN)
        vkeys.append(out.strip())
    for policy in ("policy", "gateway-policy", "collector-policy"):
        scene.policy(policy, *vkeys)
    scene.rotate(hsm.uri("object=second"))
    scene.gateway.kill()
    scene.collector.stop()
    scene.collector.start()
    hsm.take_away()
    scene.restart(hsm.uri("object=second"), "identity.key")
    scene.gateway.wait_said("the identity key does not sign", "is not there")
    first = scene.gateway.wait_status(lambda s: s["keys"]["unsigned"] > 0, "segments wait")["keys"]["identity_since"]
    check(first is not None and first > 0, f"recorded at {first}, though the token is away")
    scene.restart(hsm.uri("object=second"), "identity.key", kill=True)
    hsm.bring_back()
    keys = scene.archived()
    check_equal((keys["identity"], keys["identity_since"]), (vkeys[1], first), "the identity after the kills")
    scene.rotate(hsm.uri("object=third"))
    _, err = scene.rotate(os.path.join(scene.gateway.folder, "identity.key"), code=1)
    check("was the identity of this log before" in err, err)
    # The configuration is still that of the first overlap: with the token away nothing is guessed from it.
    hsm.take_away()
    scene.restart(hsm.uri("object=second"), "identity.key", kill=True)
    keys = scene.gateway.status()["keys"]
    check_equal((keys["identity"], keys["identity_since"], keys["previous_identity"]), (vkeys[1], first, vkeys[0]),
                "the keys of the first overlap, with the token away")
    check(os.path.exists(os.path.join(scene.store, PREPARED)), "the statement is gone")
    scene.gateway.kill()
    scene.gateway.top.update(identity_key=hsm.uri("object=third"), previous_identity_key=hsm.uri("object=second"))
    scene.gateway.configure().start(ready=False).wait_end(CONFIG)
    check("says whether to record it" in scene.gateway.said(), scene.gateway.said())
    hsm.bring_back()
    scene.restart(hsm.uri("object=third"), hsm.uri("object=second"))
    keys = scene.archived()
    second = keys["identity_since"]
    check(second > first, f"rotated at {first} and {second}")
    check_equal((keys["identity"], keys["previous_identity"]), (vkeys[2], vkeys[1]), "the keys of the second overlap")
    scene.restart(hsm.uri("object=third"), kill=True)
    scene.archived()
    check_equal(scene.verified(), [(first, vkeys[0], vkeys[1]), (second, vkeys[1], vkeys[2])], "the rotations")
    scene.gateway.stop()
    world.verify(scene.store)


def waiting(world):
    """What is sealed and not signed before a rotation keeps the old key in use until it has signed."""
    hsm = Token(world)
    out, _ = world.run("sealring", "key", "generate", hsm.uri("object=first"), ORIGIN)
    broker, collector, gateway = world.enrol(identity=hsm.uri("object=first"))
    check_equal(world.vkey, out.strip(), "vkey of the anchor")
    for part in (broker, collector, gateway):
        part.start()
    gateway.wait_subscribed()
    config = ("--config", os.path.join(gateway.folder, "sealring.toml"))
    place = os.path.join(gateway.folder, "identity-2.key")
    new = world.run("sealring", "key", "generate", place, ORIGIN)[0].strip()
    world.run("sealring", "key", "rotate", place, *config)
    hsm.take_away()
    device = world.closing(Publisher(broker.port, "device"))
    device.publish("t", b"before", 1)
    device.wait_acknowledged()
    gateway.wait_status(lambda s: s["segments"]["sealed"] > 0 and s["keys"]["identity_trouble"],
                        "a segment waits, and the token does not sign")
    gateway.stop()
    gateway.top["identity_key"] = place
    gateway.configure().start(ready=False).wait_end(CONFIG)
    check("wait for the signature of the key before the rotation" in gateway.said(), gateway.said())
    gateway.top["previous_identity_key"] = hsm.uri("object=first")
    gateway.configure().start()
    gateway.wait_subscribed()
    device.publish("t", b"after", 1)
    device.wait_acknowledged()
    hsm.bring_back()
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, device.sent, alive=[gateway, collector])
    gateway.wait_status(lambda s: s["keys"]["unsigned"] == 0 and s["keys"]["identity"] == new, "all is signed")
    gateway.stop()
    world.verify(collector.archive)


if __name__ == "__main__":
    main(("files", files), ("token", token), ("waiting", waiting))
