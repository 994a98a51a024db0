#!/usr/bin/python3
"""The identity key on a token: real sealringd with Debian's SoftHSM, Mosquitto and the collector.

Recording never waits for the token: it is taken away, slowed down and given a wrong pin while messages come.
"""
import json
import os
import re
import shutil

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Load
from lib.metrics import alarms_heard, command_script
from lib.softhsm import LIBRARY, PIN, Token
from lib.world import ORIGIN, check, check_equal, main, wait_until

WRONG_PIN = "314159"
SLOW_MS = "150"


def enrol(world, token, key="object=identity"):
    parts = world.enrol(identity=token.uri(key))
    for part in parts:
        part.start()
    parts[2].wait_subscribed()
    return parts


def slow_library():
    build = os.environ.get("SEALRING_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build", "release"))
    path = os.path.abspath(os.path.join(build, "tests", "pkcs11", "libslow_pkcs11.so"))
    check(os.path.exists(path), f"{path} is not there")
    return path


def wait_sealed_unsigned(gateway, count=2):
    return gateway.wait_status(lambda s: s["keys"]["unsigned"] >= count, f"{count} segments wait for the identity")


def wait_all(world, collector, gateway, sent):
    log = GrowingLog(log_folder(collector.archive))
    wait_archived(log, sent, alive=[gateway, collector])
    gateway.wait_status(lambda s: s["keys"]["unsigned"] == 0 and not s["keys"]["identity_trouble"], "it signs")
    return log


def alarms(log):
    return [details["state"] for _, details in log.events_named("alarm")]


def no_pin_anywhere(world, *parts):
    for part in parts:
        check(PIN not in part.said(True) and WRONG_PIN not in part.said(True), f"{part.name} says a pin")


def happy(world):
    """From the key to the archive, with our command and with theirs; nothing else can be told from a key file's log."""
    token = Token(world)
    out, _ = world.run("sealring", "key", "generate", token.uri(), ORIGIN)
    vkey = out.strip()
    _, err, code = world.run("sealring", "key", "generate", token.uri(), ORIGIN, code=None)
    check(code == 1 and "is there already" in err, f"a key was overwritten: {code} {err}")
    broker, collector, gateway = enrol(world, token)
    check_equal(world.vkey, vkey, "vkey of the anchor")
    check(not os.path.exists(os.path.join(gateway.folder, "identity.key")), "a key file was made")
    load = world.closing(Load(broker.port, 1, pace=(20, 0.02)))
    gateway.wait_status(lambda s: s["recorder"]["messages"] > 500, "it records")
    sent = load.stop()
    log = wait_all(world, collector, gateway, sent)
    check_equal(alarms(log), [], "alarms")
    out, _ = world.run("sealring", "check", "--config", os.path.join(gateway.folder, "sealring.toml"), code=0)
    check("ok       identity key" in out and vkey in out, out)
    gateway.stop()
    world.verify(collector.archive)
    no_pin_anywhere(world, gateway)


def listed(world):
    """Keys of another tool, and what `key` says of them."""
    token = Token(world)
    world.run("pkcs11-tool", "--module", LIBRARY, "--token-label", "gateway", "--login", "--pin", PIN, "--keypairgen",
              "--key-type", "EC:edwards25519", "--label", "theirs", "--id", "2a")
    world.run("sealring", "key", "generate", token.uri("object=ours"), ORIGIN)
    out, _ = world.run("sealring", "key", "list", f"pkcs11:?module-path={LIBRARY}", "--json")
    keys = {key["label"]: key for key in json.loads(out)}
    check_equal(sorted(keys), ["ours", "theirs"], "labels")
    check_equal(keys["theirs"]["id"], "2a", "id")
    out, _ = world.run("sealring", "key", "show", keys["theirs"]["key"], ORIGIN, "--json")
    check(json.loads(out)["vkey"].startswith(ORIGIN + "+"), out)
    broker, collector, gateway = enrol(world, token, "id=%2a")
    check_equal(world.vkey, json.loads(out)["vkey"], "vkey of the anchor")
    load = world.closing(Load(broker.port, 1, pace=(20, 0.02)))
    gateway.wait_status(lambda s: s["recorder"]["messages"] > 200, "it records")
    wait_all(world, collector, gateway, load.stop())
    gateway.stop()
    world.verify(collector.archive)
    world.write("plain.txt", "no key\n")
    out, _ = world.run("sealring", "key", "list", world.folder)
    check_equal(sorted(re.findall(r"^name +(\S+)$", out, re.M)), sorted(k.split("+")[0] for k in world.keys.values()),
                "key files")
    for file in ("witness.key", "mirror.key"):
        with open(world.path(file), encoding="ascii") as text:
            check(text.read().strip().split("+", 4)[4] not in out, "a private key was shown")


def away(world):
    """Taken away and brought back, without a restart; gone for a start, too; and killed in between."""
    token = Token(world)
    world.run("sealring", "key", "generate", token.uri(), ORIGIN)
    broker, collector, gateway = enrol(world, token)
    command, heard = command_script(world)
    gateway.stop()
    gateway.top.update(alarm_command=[command], alarm_quiet="1s")
    gateway.configure().start().wait_subscribed()
    load = world.closing(Load(broker.port, 1, pace=(20, 0.02)))
    gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"] > 0, "a segment is receipted")
    token.take_away()
    gateway.wait_said("warning: the identity key does not sign", "recording goes on", "is not there")
    status = wait_sealed_unsigned(gateway)
    check("is not there" in status["keys"]["identity_trouble"], status["keys"]["identity_trouble"])
    check_equal([a["alarm"] for a in status["alarms"]], ["key"], "alarms that last")
    before = status["broker"]["acks_released"]
    gateway.wait_status(lambda s: s["broker"]["acks_released"] > before + 200, "messages are acknowledged as ever")
    config = ("--config", os.path.join(gateway.folder, "sealring.toml"))
    out, _ = world.run("sealring", "status", *config)
    check("DOES NOT SIGN" in out, out)
    # What is sealed since then can be proven once it is signed.
    sealed = str(gateway.status()["upstream"]["acknowledged_size"])
    _, err = world.run("sealring", "prove", sealed, "-o", world.path("proof"), *config, code=1)
    check(f"the segment of entry {sealed} is sealed, but the identity key has not signed it yet" in err, err)
    check("--wait waits for that" in err and "not sealed yet" not in err, err)

    gateway.kill()
    gateway.start()  # ready without its token
    wait_sealed_unsigned(gateway, status["keys"]["unsigned"])
    gateway.wait_status(lambda s: "is not there" in s["keys"]["identity_trouble"], "this run has tried to sign, too")
    token.bring_back()
    gateway.wait_said("notice: the identity key signs again")
    sent = load.stop()
    log = wait_all(world, collector, gateway, sent)
    world.run("sealring", "prove", sealed, "--wait", "-o", world.path("proof"), *config)
    world.verify(world.path("proof"))
    check_equal(alarms(log), ["does not sign", "does not sign", "signs again"], "alarms")
    check_equal(len(log.events_named("start")), 3, "starts of the daemon")
    # What lasts is found again by the run after the kill, and is over once.
    wait_until(lambda: [a[:2] for a in alarms_heard(heard)] == [("key", "begins"), ("key", "begins"), ("key", "ends")],
               "the command is run", alive=[gateway])
    check_equal(gateway.status()["alarms"], [], "alarms that last")
    gateway.stop()
    world.verify(collector.archive)


def pins(world):
    """A wrong pin is offered once and mended without a restart."""
    token = Token(world)
    world.run("sealring", "key", "generate", token.uri(), ORIGIN)
    token.write_pin(WRONG_PIN)
    broker, collector, gateway = enrol(world, token)
    load = world.closing(Load(broker.port, 1, pace=(20, 0.02)))
    gateway.wait_said("the identity key does not sign", "the pin in", "is wrong")
    gateway.wait_said("the identity key does not sign", "has refused the pin", "not tried again")
    _, err, code = world.run("sealring", "check", "--config", os.path.join(gateway.folder, "sealring.toml"), code=None)
    check(code != 0, f"check passes with a wrong pin: {err}")
    token.write_pin(PIN, 0o644)
    gateway.wait_said("the identity key does not sign", "chmod")
    token.write_pin(PIN)
    gateway.wait_said("the identity key signs again")
    wait_all(world, collector, gateway, load.stop())
    gateway.stop()
    no_pin_anywhere(world, gateway)
    config = os.path.join(gateway.folder, "sealring.toml")
    gateway.top["identity_key"] = token.uri(pin=False) + f"&pin-value={PIN}"
    gateway.configure().start(ready=False).wait_end(2)
    check("a pin must not stand in a URI" in gateway.said() and PIN not in gateway.said(), gateway.said())
    check(PIN not in "".join(world.run("sealring", "check", "--config", config, code=None)[:2]), "check shows the pin")


def slow(world):
    """A signature takes as long as a smart card's; what is recorded meanwhile is signed segment by segment."""
    os.environ.update(SEALRING_SLOW_MODULE=LIBRARY, SEALRING_SLOW_MS=SLOW_MS)
    token = Token(world, library=slow_library())
    world.run("sealring", "key", "generate", token.uri(), ORIGIN)
    broker, collector, gateway = world.enrol(identity=token.uri())
    gateway.recorder["segment_entries"] = 50  # more segments a second than it can sign
    gateway.configure()
    for part in (broker, collector, gateway):
        part.start()
    gateway.wait_subscribed()
    load = world.closing(Load(broker.port, 1, pace=(50, 0.01)))
    gateway.wait_status(lambda s: s["recorder"]["messages"] > 3000 and s["keys"]["unsigned"] > 5, "segments wait")
    sent = load.stop()
    log = wait_all(world, collector, gateway, sent)
    check_equal(alarms(log), [], "alarms")
    gateway.stop()
    world.verify(collector.archive)


if __name__ == "__main__":
    for tool in ("softhsm2-util", "pkcs11-tool"):
        check(shutil.which(tool), f"{tool} is not installed")
    main(("happy", happy), ("listed", listed), ("away", away), ("pins", pins), ("slow", slow))
