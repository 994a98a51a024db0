#!/usr/bin/python3
"""What some keys and options do that show in no other test."""
import os
import re

from lib.world import ORIGIN, Raw, check, check_equal, main, wait_until


def broker_keys(world):
    """keepalive and watch_drops, as the broker sees them."""
    broker, _, gateway = world.enrol()
    broker.start()
    drops = "$SYS/broker/publish/messages/dropped"
    for keys, keepalive, watches in (({}, 30, True), ({"keepalive": "9s"}, 9, True),
                                     ({"watch_drops": Raw("false")}, 30, False)):
        gateway.broker = {"host": "127.0.0.1", "port": broker.port, **keys}
        gateway.configure()
        broker.mark = os.path.getsize(broker.log_path)
        gateway.start()
        connected = broker.wait_said("New client connected", "as sealring-")
        check(f", k{keepalive})" in connected, f"{keys}: {connected}")
        wait_until(lambda: re.search(r": sealring-\w+ 1 #$", broker.said(), re.M), "it has subscribed", alive=[gateway])
        gateway.stop()
        broker.wait_said("Client sealring-", "disconnected")
        check_equal(drops in broker.said(), watches, f"{keys}: asks for what the broker dropped")


def options(world):
    out, _ = world.run("sealring", "--version")
    check(re.fullmatch(r"sealring \d+\.\d+\.\d+\n", out), out)
    for daemon in ("sealringd", "sealring-collector"):
        check_equal(world.run(daemon, "--version")[0], out.replace("sealring", daemon), f"the version of {daemon}")
    vkey, err = world.run("sealring", "init", world.path("one"), "--origin", ORIGIN, "--ring-size", "64MiB",
                          "--vkey-only")
    check(re.fullmatch(re.escape(ORIGIN) + r"\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*\n", vkey), f"the vkey alone: {vkey!r}")
    check("Keep the vkey printed on standard output" in err, err)
    out, _ = world.run("sealring", "verify", world.path("one", "store"), code=11)
    check(vkey.strip() in out, f"it is the key of that log: {out}")


if __name__ == "__main__":
    main(("broker_keys", broker_keys), ("options", options))
