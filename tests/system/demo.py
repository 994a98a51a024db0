#!/usr/bin/python3
"""The demonstration behind ./run: real processes, a cut link, a kill -9, and an archive that is checked at the end.

    devices -> Mosquitto -> sealringd -> relay (the link) -> sealring-collector -> archive

Everything runs on 127.0.0.1 with free ports, in one work folder, and is ended by pid on every way out. The figures of
the last line are counted from the archive's bytes by archive.py, not by the programs that are shown.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import archive  # noqa: E402
from device_traffic import DeviceTraffic  # noqa: E402
from lib.compare import GrowingLog, log_folder  # noqa: E402
from lib.softhsm import Token  # noqa: E402
from lib.world import ORIGIN, Failure, Raw, World, program, wait_until  # noqa: E402
from relay import Relay  # noqa: E402

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KEPT = ("anchor", "policy", "archive", "gateway", "gateway-policy", "collector-policy", "collector.toml", "witness.key",
        "mirror.key", "tls")


class Stop(BaseException):
    """Ctrl-C or SIGTERM. No error, so that nothing that handles errors holds it up."""


class Teller:
    """Short lines with the time since the start."""

    def __init__(self):
        self.began = time.monotonic()
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, text, colour=None):
        if colour and self.colour:
            text = f"\033[{colour}m{text}\033[0m"
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def trouble(self, text):
        self(text, "33")

    def good(self, text):
        self(text, "32")


class Site:
    """One gateway with its broker, its link and its collector."""

    def __init__(self, world, tell, hsm=False):
        self.world, self.tell = world, tell
        identity = None
        if hsm:
            token = Token(world)
            identity = token.uri()
            world.run("sealring", "key", "generate", identity, ORIGIN)
            tell("the identity key is made on a token, by SoftHSM, and cannot leave it")
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB", identity=identity)
        self.link = world.closing(Relay("127.0.0.1", self.collector.port))
        self.gateway.upstream["url"] = f"https://127.0.0.1:{self.link.port}"
        self.gateway.upstream["server_name"] = "localhost"
        self.gateway.broker["subscriptions"] = Raw('[ { filter = "#", qos = 2 } ]')
        self.gateway.recorder["segment_age"] = "2s"  # short, so that there is something to see
        self.gateway.configure()
        self.watched = GrowingLog(log_folder(self.collector.archive))
        tell(f"keys, certificates and a log are made: {self.gateway.top['origin']}")

    def start(self):
        self.broker.start()
        self.tell(f"a Mosquitto of our own listens on 127.0.0.1:{self.broker.port}")
        self.collector.start()
        self.tell("sealring-collector serves: a witness and a mirror, over mutual TLS")
        self.gateway.start()
        # From its first subscription on the broker keeps for it what it misses; not before.
        self.gateway.wait_subscribed()
        self.tell("sealringd records: every message is signed and on disk before the broker hears that it arrived")

    def archived(self):
        """How many messages the archive has now."""
        return len(self.watched.read().messages)

    def wait_archived(self, condition, what, patience):
        """Until condition(messages in the archive)."""
        alive = [self.broker, self.collector, self.gateway]
        wait_until(lambda: condition(self.watched.read().messages), what, patience, alive)

    def stop(self):
        """Ends both daemons in order, so that what is counted no longer changes."""
        # Not in the middle of a segment: its checkpoint would be at the witness already, which verify would name.
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "every sealed segment is receipted")
        self.gateway.stop()
        self.collector.stop()
        self.tell("sealringd and sealring-collector ended in order")

    def verify_command(self, folder):
        return [program("sealring"), "verify", os.path.join(folder, "archive"), "--policy",
                os.path.join(folder, "policy"), "--anchor", os.path.join(folder, "anchor")]

    def verify(self):
        self.tell("sealring verify, over the archive's bytes alone:")
        done = subprocess.run(self.verify_command(self.world.folder), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            print("          | " + line)
        if done.returncode != 0:
            raise Failure(f"sealring verify ended with exit code {done.returncode}")


# --- the story --------------------------------------------------------------------------------------------------------


def contents(messages):
    return Counter((message.topic, message.payload) for message in messages)


def flow(traffic, more):
    """Waits until the broker has acknowledged so many further messages to the devices."""
    goal = traffic.counts()[1] + more
    wait_until(lambda: traffic.counts()[1] >= goal, f"the broker acknowledges {more} more messages")


def demonstrate(site):
    tell = site.tell
    traffic = DeviceTraffic(site.broker.port, rate=300)
    traffic.start()
    tell("devices publish: JSON, binary frames, alarms, and the same reading \"21.0\" again and again; QoS 1 and 2")
    flow(traffic, 300)
    site.gateway.wait_status(lambda s: s["upstream"]["acknowledged_size"], "a first receipt comes")
    tell.good(f"first receipt: the collector has {site.archived()} messages in its archive and signed for them")

    site.link.cut()
    tell.trouble("the link to the collector is cut")
    before = site.archived()
    flow(traffic, 600)
    tell(f"{traffic.counts()[1]} acknowledged to the devices, {before} in the archive: the gateway keeps the rest")

    traffic.rate = 3000  # a burst, so that much is under way at the moment of the kill
    flow(traffic, 500)
    site.gateway.kill()
    tell.trouble("sealringd is killed with kill -9, in the middle of a burst")
    traffic.rate = 300
    flow(traffic, 300)
    site.gateway.start()
    tell.good("sealringd is back; the broker had kept for it what it had not acknowledged")
    flow(traffic, 300)
    recorder = site.gateway.wait_status(lambda s: s, "sealringd answers")["recorder"]
    tell(f"of what the broker sent a second time, {recorder['suppressed_redeliveries']} messages were recognised as "
         f"recorded, {recorder['flagged_duplicates']} flagged as possible duplicates")

    site.link.restore()
    tell.good("the link is back")
    flow(traffic, 300)
    traffic.stop()
    published, acknowledged = traffic.counts()
    tell(f"the devices are done: {published} published, {acknowledged} acknowledged by the broker")
    def complete(messages):  # each of them: one that is there twice must not stand for another
        return len(messages) >= acknowledged and not traffic.acknowledged - contents(messages)

    site.wait_archived(complete, "every acknowledged message is in the archive", 120)
    tell.good("everything that was acknowledged is in the archive")
    return traffic


def count(site, traffic):
    """The last line, and whether it is as it must be."""
    log, = archive.read_archive(site.collector.archive)
    archived = contents(log.messages)
    site.tell("counted from the archive by a second reader, which recomputed "
              f"{log.size} leaf hashes and {log.segments} roots:")
    for topic, number in sorted(archive.count_by_topic(log.messages).items()):
        print(f"          | {number:6}  {topic.decode('utf-8', 'backslashreplace')}")
    lost = sum((traffic.acknowledged - archived).values())
    doubled = sum((archived - traffic.published).values())
    published, acknowledged = traffic.counts()
    total = sum(archived.values())
    fine = lost == 0 and doubled == 0 and published == acknowledged == total
    return fine, (f"published {published}, acknowledged {acknowledged}, archived {total}, lost {lost}, "
                  f"duplicated {doubled}")


def serve(site):
    config = os.path.join(site.gateway.folder, "sealring.toml")
    print(f"""
Ready for your own devices, on this machine:

  broker    127.0.0.1:{site.broker.port}, without user and password
  try it    mosquitto_pub -h 127.0.0.1 -p {site.broker.port} -q 1 -t plant/line1/temp -m 21.0
  status    {program("sealring")} status --config {config}
  archive   {site.collector.archive}   (a message is there after some seconds)
  verify    {" ".join(site.verify_command(site.world.folder))}

Ctrl-C ends it, checks the archive and removes everything but what --keep asks for.
""", flush=True)
    shown = 0
    try:
        while True:
            alive = [site.broker, site.collector, site.gateway]
            wait_until(lambda: site.archived() > shown, "more messages are archived", float("inf"), alive)
            shown = site.archived()
            site.tell(f"{shown} messages are in the archive")
    except Stop:
        print()
        site.tell("ending; a second Ctrl-C does not wait for the archive")
    recorded = site.gateway.wait_status(lambda s: s, "sealringd answers")["recorder"]["messages"]
    if recorded == 0:
        site.tell("nothing was published, so there is nothing to check")
        return
    site.wait_archived(lambda messages: len(messages) >= recorded, "all that was recorded is in the archive", 30)
    site.stop()
    site.verify()


def keep(site, folder):
    os.makedirs(folder, exist_ok=True)
    for name in KEPT:
        source, target = site.world.path(name), os.path.join(folder, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))
        elif os.path.exists(source):
            shutil.copy2(source, target)
    for process in site.world.processes:
        if os.path.exists(process.log_path):
            shutil.copy2(process.log_path, folder)
    print(f"\nKept in {folder}; check it again with\n  {' '.join(site.verify_command(folder))}\n", flush=True)


# --- around it --------------------------------------------------------------------------------------------------------


def parse_arguments(argv):
    parser = argparse.ArgumentParser(prog="./run")
    parser.add_argument("--serve", action="store_true", help="stay up for your own devices until Ctrl-C")
    parser.add_argument("--hsm", action="store_true", help="the identity key is on a PKCS#11 token (SoftHSM)")
    parser.add_argument("--keep", metavar="DIR", help="leave keys, policy, anchor, archive and diagnostics in DIR")
    arguments = parser.parse_args(argv)
    if arguments.keep:
        arguments.keep = os.path.abspath(arguments.keep)
        if os.path.exists(arguments.keep) and (not os.path.isdir(arguments.keep) or os.listdir(arguments.keep)):
            parser.error(f"{arguments.keep} is there already and is not an empty folder")
    return arguments


def tell_story(world, arguments):
    site = Site(world, Teller(), arguments.hsm)
    try:
        site.start()
        if arguments.serve:
            return serve(site)
        traffic = demonstrate(site)
        site.stop()
        site.verify()
        fine, line = count(site, traffic)
    finally:
        # Of a failed or stopped run, too: there it is wanted most.
        ignore_signals()
        for process in world.processes:
            if process.poll() is None:
                process.child.terminate()
                wait_until(lambda: process.poll() is not None, f"{process.name} ends", 20)
        if arguments.keep:
            keep(site, arguments.keep)
    if not fine:
        raise Failure(line)
    print(line, flush=True)
    return None


def ignore_signals():
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def stop(_number, _frame):
    raise Stop()


def main(argv):
    arguments = parse_arguments(argv)
    for number in STOPPING:
        signal.signal(number, stop)
    world = None
    try:
        world = World("demo")
        tell_story(world, arguments)
        return 0
    except Stop:
        print("\nstopped", file=sys.stderr)
        return 130
    except (Failure, archive.Malformed, TimeoutError, RuntimeError, OSError) as error:
        sys.stdout.flush()
        print(f"\nFAILED: {error}", file=sys.stderr)
        if world is not None:
            world.show()
        return 1
    finally:
        ignore_signals()  # a second Ctrl-C must not leave anything running
        if world is not None:
            world.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
