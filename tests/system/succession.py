#!/usr/bin/python3
"""A gateway whose store is an old copy goes on under a log that follows; what was acknowledged is in one of the two.
The collector closes the first and takes the second by itself, and an auditor follows from the anchor that he has."""
import os
import shutil
import signal

from lib.compare import log_folder
from lib.ports import free_port
from lib.softhsm import Token
from lib.succession_scene import FOLLOWER, Scene, messages_of
from lib.world import ORIGIN, TLS_URI, Gateway, check, check_equal, main

UNKNOWN = 5  # exit code: of an outcome that is not known
LARGE = bytes(range(256)) * 500  # three entries


def goes_on(world):
    scene = Scene(world)
    scene.roll_back()
    scene.broker.stop()  # what is recorded before the collector answers is the recorder's own
    scene.collector.stop()
    scene.broker.start()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.publish(30)
    scene.device.publish("plant/large", LARGE, 1)
    scene.device.wait_acknowledged()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] > 0, "something is sealed in the old copy")
    scene.collector.start()
    status = scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    check_equal(status["follows"], ORIGIN, "what it follows")
    scene.gateway.wait_status(lambda s: not s["upstream"]["succession_waits"], "the collector takes it")
    scene.wait_receipted(FOLLOWER)
    got, follower = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")
    check(len(follower.carried_messages()) >= 31, "what no receipt covered was carried over")
    check_equal(scene.folders(), ["store", "store.abandoned"], "folders")
    check(os.path.exists(scene.store + ".abandoned/rollback.note"), "the abandoned store is kept as it was")

    # Known at the next start, with a configuration that nobody has touched; and nothing is offered twice.
    scene.gateway.stop()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check_equal(messages_of(scene)[0], scene.device.sent, "all messages, each once")
    out, _ = world.run("sealring", "check", *scene.config)
    check(FOLLOWER in out and "0 errors" in out, out)
    out, _ = world.run("sealring", "status", *scene.config)
    check(f"which follows {ORIGIN}" in out and "not taken" not in out, out)
    scene.gateway.stop()
    scene.collector.stop()
    audit(world, scene)


def in_use(world):
    """A log that somebody writes to is not closed: the gateway offers it again until nobody does."""
    scene = Scene(world, quiet="1h")
    scene.roll_back()
    scene.gateway.start()
    scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_said("the succession is not taken", "is still being written to")
    scene.publish(10)  # and these are acknowledged: recording goes on
    check(not os.path.exists(log_folder(scene.collector.archive) + "/successor"), "the log is closed")
    scene.collector.stop()
    with open(world.path("collector.toml"), encoding="utf-8") as f:
        text = f.read()
    world.write("collector.toml", text.replace('succession_quiet = "1h"', 'succession_quiet = "0s"'))
    scene.collector.start()
    scene.gateway.wait_status(lambda s: not s["upstream"]["succession_waits"], "the collector takes it")
    scene.wait_receipted(FOLLOWER)
    check_equal(messages_of(scene)[0], scene.device.sent, "all messages, each once")


def copy_beside(world):
    """A copy of the store that is booted elsewhere, with the certificate, while the gateway is alive: it may follow,
    but it closes nothing, and the gateway does not notice it."""
    scene = Scene(world, quiet="1h")
    scene.publish(20)
    scene.wait_receipted()
    scene.gateway.stop()
    shutil.copytree(scene.gateway.folder, world.path("copy"))
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.publish(20)
    scene.wait_receipted()
    copy = world.add(Gateway(world, "copy"))
    copy.top, copy.recorder, copy.upstream = scene.gateway.top, scene.gateway.recorder, scene.gateway.upstream
    copy.broker = {"host": "127.0.0.1", "port": free_port()}
    copy.configure().start()
    copy.wait_status(lambda s: s["origin"] == FOLLOWER and s["upstream"]["succession_waits"], "the copy follows")
    copy.wait_said("the succession is not taken", "is still being written to")
    scene.publish(20)
    scene.wait_receipted()
    check(not os.path.exists(log_folder(scene.collector.archive) + "/successor"), "the log is closed")
    check(not os.path.exists(log_folder(scene.collector.archive, FOLLOWER)), "the collector knows the copy's log")
    status = scene.gateway.status()
    check(status["origin"] == ORIGIN and not status["upstream"]["contradicted"], f"the gateway noticed: {status}")
    check("alarm" not in scene.gateway.said(True), scene.gateway.said(True))
    scene.gateway.stop()
    check_equal(sum(1 for m in scene.log().messages), sum(scene.device.sent.values()), "messages in the archive")
    world.verify(scene.collector.archive)


def operator_enrols(world):
    """A collector without a key for it takes no succession; the follower is enrolled by hand, and all goes on."""
    scene = Scene(world, takes=False)
    scene.roll_back()
    scene.gateway.start()
    status = scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_said("the succession is not taken")
    scene.publish(10)  # and these are acknowledged: recording goes on
    out, _ = world.run("sealring", "status", *scene.config)
    check("the collector has not taken that yet" in out, out)
    check(not os.path.exists(log_folder(scene.collector.archive, FOLLOWER)), "the collector knows nothing of it")
    said = scene.gateway.said(True)
    anchor = said[said.index("its anchor: ") + len("its anchor: "):].splitlines()[0]
    check_equal(anchor.split(" ")[0], status["keys"]["identity"], "the vkey in the alarm")
    scene.collector.stop()
    with open(world.path("collector-policy"), "a", encoding="utf-8") as f:
        f.write(f"log {anchor.split(' ')[0]}\n")
    with open(world.path("collector.toml"), "a", encoding="utf-8") as f:
        f.write(f'[[gateway]]\nanchor = "{anchor}"\ntls_uri = "{TLS_URI}"\n')
    scene.collector.start()
    scene.wait_receipted(FOLLOWER)
    got, _ = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")
    scene.gateway.stop()
    scene.collector.stop()
    with open(world.path("policy"), encoding="utf-8") as f:
        world.write("policy-of-both", f"log {anchor.split(' ')[0]}\n" + f.read())
    world.write("anchors", world.anchor + "\n" + anchor + "\n")
    world.verify(scene.collector.archive, policy="policy-of-both", anchor="anchors")


def on_a_token(world):
    """Nothing is made on a token unasked. With a key that was prepared there, a log follows by itself."""
    token = Token(world)
    world.run("sealring", "key", "generate", token.uri(), ORIGIN)
    scene = Scene(world, identity=token.uri())
    scene.roll_back()
    scene.gateway.start()
    scene.gateway.wait_said("no log follows this one: the identity key is on a token", "follower_identity_key")
    scene.publish(10)
    scene.gateway.stop()
    prepared = token.uri("object=follower")
    scene.gateway.top["follower_identity_key"] = prepared
    scene.gateway.configure()
    out, _ = world.run("sealring", "check", *scene.config, code=1)
    check("follower's key" in out and "is not there" in out, out)
    vkey = world.run("sealring", "key", "generate", prepared, FOLLOWER)[0].strip().splitlines()[-1]
    out, _ = world.run("sealring", "check", *scene.config)
    check(f"{prepared} is {vkey}" in out, out)
    scene.gateway.start()
    status = scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    check_equal(status["keys"]["identity"], vkey, "its key")
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    # The next one is prepared, and the used one takes its place in the configuration.
    scene.gateway.stop()
    out, _ = world.run("sealring", "check", *scene.config)
    check("is in use: this log follows" in out, out)
    scene.gateway.top.update({"identity_key": prepared, "follower_identity_key": token.uri("object=second")})
    world.run("sealring", "key", "generate", token.uri("object=second"), ORIGIN + "~2")
    scene.gateway.configure().start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    out, _ = world.run("sealring", "check", *scene.config)
    check(ORIGIN + "~2+" in out, out)
    check_equal(messages_of(scene)[0], scene.device.sent, "all messages, each once")
    scene.gateway.stop()
    scene.collector.stop()
    audit(world, scene)


def key_in(store):
    """The follower's vkey, where there is a statement."""
    try:
        with open(store + "/succession.note", encoding="utf-8") as note:
            return note.read().split("\n")[4]
    except FileNotFoundError:
        return None


def killed(world):
    """Where a kill comes before the exchange, the old copy is still there, and the next start makes another follower;
    behind it, the follower is there, and what it replaced is set aside."""
    scene = Scene(world)
    scene.roll_back()
    plain, beside = scene.gateway.command, scene.store + ".new"
    keys = []
    # While it is being made: at the first file that may not be there yet. Then where the two would be exchanged.
    for where in ([], ["-P", beside]):
        scene.gateway.command = ["strace", "-f", "-o", os.devnull, *where, "-e", "trace=renameat2", "-e",
                                 "inject=renameat2:signal=SIGKILL:error=EINTR", *plain]
        scene.gateway.start(ready=not keys)
        scene.gateway.wait_end(-signal.SIGKILL)
        check_equal(scene.folders(), ["store", "store.new"], "folders")
        check(os.path.exists(scene.store + "/rollback.note"), "the old copy is where it was")
        keys.append(key_in(beside))
    check(keys[0] is None and keys[1] is not None, f"where it was killed: {keys}")
    scene.gateway.command = plain
    scene.gateway.start()
    scene.gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows")
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check(key_in(scene.store) not in keys, "the key of a try that did not come through is used by nobody")
    # As a kill right behind the exchange leaves it.
    scene.gateway.kill()
    os.rename(scene.store + ".abandoned", scene.store + ".new")
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check_equal(scene.folders(), ["store", "store.abandoned"], "folders")
    got, _ = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")


def rotated(world):
    """An old copy from the overlap of a rotation is followed, though its configuration names a key before it. One from
    before the rotation is not: the proof is by a key that this store does not know; it is held, and not begun anew for
    ever."""
    scene = Scene(world)
    gateway, place = scene.gateway, os.path.join(scene.gateway.folder, "identity-2.key")
    new = world.run("sealring", "key", "generate", place, ORIGIN)[0].strip()
    for name in ("policy", "gateway-policy", "collector-policy"):
        with open(world.path(name), encoding="utf-8") as f:
            text = f.read()
        world.write(name, text.replace(f"log {world.vkey}\n", f"log {world.vkey}\nlog {new}\n"))
    scene.collector.stop()
    scene.collector.start()
    scene.publish(10)
    scene.wait_receipted()
    images = []

    def turn(**top):
        """A stop, a copy, and a start with another configuration."""
        gateway.stop()
        images.append((world.path(f"image-{len(images)}"), dict(gateway.top)))
        shutil.copytree(scene.store, images[-1][0])
        gateway.top = {**{k: v for k, v in gateway.top.items() if k != "previous_identity_key"}, **top}
        gateway.configure().start()
        gateway.wait_subscribed()
        scene.publish(10)
        scene.wait_receipted()
    turn()
    world.run("sealring", "key", "rotate", place, *scene.config)
    turn(identity_key="identity-2.key", previous_identity_key="identity.key")
    turn(identity_key="identity-2.key", previous_identity_key="identity.key")  # a copy of the overlap
    turn(identity_key="identity-2.key")  # the overlap is over

    def put_back(image):
        gateway.stop()
        os.rename(scene.store, world.path(f"newer-{image}"))
        shutil.copytree(images[image][0], scene.store)
        gateway.top = images[image][1]
        gateway.configure().start()
    put_back(0)
    gateway.wait_said("no log follows this one: the proof is not by the key that is the log's identity here")
    scene.publish(5)  # and these are acknowledged
    gateway.stop()
    gateway.start()
    gateway.wait_said("alarm: rollback, known since an earlier start")
    check_equal(gateway.said(True).count("alarm: rollback: our"), 1, "how often it is noticed")
    put_back(2)
    gateway.wait_status(lambda s: s["origin"] == FOLLOWER, "another log follows the overlap's copy")
    gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    out, _ = world.run("sealring", "check", *scene.config)
    check("0 errors" in out, out)


def not_synced(world):
    """Where it is not known that the exchange is durable, the process ends, and its next start finds out."""
    scene = Scene(world, on_rollback="hold")
    scene.roll_back()
    scene.gateway.start()
    scene.gateway.wait_said("no log follows this one: on_rollback")
    scene.gateway.stop()
    scene.gateway.top["on_rollback"] = "follow"
    scene.gateway.configure()
    plain = scene.gateway.command
    # The first sync of that folder is of the follower's making, the second of the exchange.
    scene.gateway.command = ["strace", "-f", "-o", os.devnull, "-P", scene.gateway.folder, "-e", "trace=fsync", "-e",
                             "inject=fsync:error=EIO:when=2", *plain]
    scene.gateway.start(ready=False).wait_end(UNKNOWN)
    check("took the place of" in scene.gateway.said(), scene.gateway.said())
    check_equal(scene.folders(), ["store", "store.new"], "folders")
    scene.gateway.command = plain
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.wait_receipted(FOLLOWER)
    check_equal(scene.folders(), ["store", "store.abandoned"], "folders")
    got, _ = messages_of(scene)
    check_equal(got, scene.device.sent, "all messages, each once")


def audit(world, scene):
    """With the anchor that was given at the beginning, the policy, and the collector's word."""
    note = os.path.join(log_folder(scene.collector.archive), "successor")
    extra = ("--succession", note, "--succession-key", scene.succession_vkey)
    world.verify(scene.collector.archive, extra=extra)
    world.verify(log_folder(scene.collector.archive, FOLLOWER), extra=extra)
    # Without it the follower is a log that nobody has named.
    _, _, code = world.run("sealring", "verify", log_folder(scene.collector.archive, FOLLOWER), "--policy",
                           world.path("policy"), "--anchor", world.path("anchor"), code=None)
    check(code != 0, "a follower is not believed for its name")


if __name__ == "__main__":
    main(("goes_on", goes_on), ("in_use", in_use), ("copy_beside", copy_beside), ("on_a_token", on_a_token),
         ("operator_enrols", operator_enrols), ("killed", killed), ("rotated", rotated), ("not_synced", not_synced))
