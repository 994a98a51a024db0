#!/usr/bin/python3
"""The demonstration behind ./run: real processes, a cut link, a kill -9, and an archive that is checked at the end.

    devices -> Mosquitto -> sealringd -> relay (the link) -> sealring-collector -> archive

Everything runs on 127.0.0.1 with free ports, in one work folder, and is ended by pid on every way out. The figures of
the last line are counted from the archive's bytes by archive.py, not by the programs that are shown.
"""
import argparse
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import archive  # noqa: E402
import relay  # noqa: E402
from device_traffic import DeviceTraffic  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ORIGIN = "example.com/demo/gw-1"
TLS_URI = "sealring:gw-demo"


class Failed(Exception):
    """The demonstration did not show what it should; the words say what."""


class Stop(Exception):
    """Ctrl-C or SIGTERM."""


class Teller:
    """Short lines with the time since the start."""

    def __init__(self):
        self.began = time.monotonic()
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, text, colour=None):
        if colour and self.colour:
            text = f"\033[{colour}m{text}\033[0m"
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def event(self, text):
        self(text, "1")

    def trouble(self, text):
        self(text, "33")


def wait_for(what, condition, seconds, every=0.05):
    """Polls until `condition` gives something true, and gives it back."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(every)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_parent():
    """In the child, before exec: the kernel ends it when this program is killed without a chance to clean up."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Processes:
    """What was started, with its output in a file each; all of it is ended by stop_all()."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}
        os.makedirs(folder, exist_ok=True)

    def log(self, name):
        return os.path.join(self.folder, name + ".log")

    def start(self, name, command):
        with open(self.log(name), "ab") as log:
            # A session of its own: a Ctrl-C on the terminal is for us, and we end it in order.
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                  start_new_session=True, preexec_fn=end_with_parent)
        return self.running[name]

    def start_until(self, name, command, words, seconds=20):
        """Starts it and waits until it has said `words`; gives back that line."""
        seen = os.path.getsize(self.log(name)) if os.path.exists(self.log(name)) else 0
        process = self.start(name, command)

        def line():
            with open(self.log(name), "rb") as log:
                log.seek(seen)
                for text in log.read().decode(errors="replace").splitlines():
                    if words in text:
                        return text
            if process.poll() is not None:
                raise Failed(f"{name} ended with exit code {process.returncode} instead of getting ready")
            return None

        return wait_for(f"{name} gets ready", line, seconds)

    def stop(self, name, seconds=20):
        process = self.running.pop(name, None)
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def stop_all(self):
        for name in list(self.running):
            self.stop(name, seconds=5)

    def check(self):
        for name, process in self.running.items():
            if process.poll() is not None:
                raise Failed(f"{name} ended by itself with exit code {process.returncode}")

    def tails(self, lines=15):
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), "rb") as log:
                tail = log.read().decode(errors="replace").splitlines()[-lines:]
            if tail:
                yield name, tail


class Site:
    """The work folder with keys, certificates and configurations, and the programs over it."""

    def __init__(self, folder, programs, tell):
        self.folder, self.programs, self.tell = folder, programs, tell
        self.processes = Processes(self.path("logs"))
        self.link = None
        self.broker_port = 0

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)

    def program(self, name):
        return os.path.join(self.programs, {"sealring-collector": "collector"}.get(name, "gateway"), name)

    def call(self, *command):
        """A command that must succeed; gives back what it printed."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr.strip()}")
        return done.stdout.strip()

    def make_keys(self):
        self.call(os.path.join(ROOT, "tests/system/make_certs.sh"), self.path("tls"), TLS_URI)
        sealring = self.program("sealring")
        anchor = self.call(sealring, "init", self.path("gateway"), "--origin", ORIGIN, "--ring-size", "64MiB")
        witness = self.call(sealring, "key", "generate", self.path("witness.key"), "demo/witness", "--cosigner")
        mirror = self.call(sealring, "key", "generate", self.path("mirror.key"), "demo/mirror", "--cosigner")
        self.write("anchor", anchor + "\n")
        vkey = anchor.split()[0]
        names = f"log {vkey}\nwitness witness {witness}\nwitness mirror {mirror}\n"
        # The gateway releases nothing without both cosignatures. The receipts in an archive have the mirror's.
        self.write("gateway/policy", names + "group both all witness mirror\nquorum both\n")
        self.write("policy", names + "quorum mirror\n")
        self.write("collector.toml", "listen = \"127.0.0.1:0\"\n"
                                     "archive = \"archive\"\n"
                                     "policy = \"policy\"\n"
                                     "witness_key = \"witness.key\"\n"
                                     "mirror_key = \"mirror.key\"\n"
                                     "\n[tls]\n"
                                     "ca = \"tls/ca.pem\"\n"
                                     "cert = \"tls/collector.pem\"\n"
                                     "key = \"tls/collector.key\"\n"
                                     "\n[[gateway]]\n"
                                     f"anchor = \"{anchor}\"\n"
                                     f"tls_uri = \"{TLS_URI}\"\n")
        return anchor

    def write_gateway_config(self):
        self.write("gateway/sealring.toml", f"origin = \"{ORIGIN}\"\n"
                                            "\n[recorder]\n"
                                            "segment_age = \"2s\"   # short, so that there is much to see\n"
                                            "\n[[broker]]\n"
                                            "host = \"127.0.0.1\"\n"
                                            f"port = {self.broker_port}\n"
                                            "subscriptions = [ { filter = \"#\", qos = 2 } ]\n"
                                            "\n[upstream]\n"
                                            f"url = \"https://127.0.0.1:{self.link.port}\"\n"
                                            "server_name = \"localhost\"\n"
                                            "ca = \"../tls/ca.pem\"\n"
                                            "cert = \"../tls/gateway.pem\"\n"
                                            "key = \"../tls/gateway.key\"\n"
                                            "policy = \"policy\"\n"
                                            "mirror = \"mirror\"\n"
                                            "retry_max = \"2s\"\n")

    def start_broker(self, port=0):
        os.makedirs(self.path("broker"), exist_ok=True)
        mosquitto = shutil.which("mosquitto", path="/usr/sbin:" + os.environ.get("PATH", ""))
        if not mosquitto:
            raise Failed("there is no mosquitto")
        for attempt in range(5):  # another process may take the free port before the broker does
            self.broker_port = port or free_port()
            user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
            self.write("broker/mosquitto.conf", f"listener {self.broker_port} 127.0.0.1\n"
                                                "allow_anonymous true\n"
                                                f"user {user}\n"
                                                "persistence true\n"
                                                f"persistence_location {self.path('broker')}/\n"
                                                "max_queued_messages 0\n"
                                                "log_dest stderr\n"
                                                "log_type error\nlog_type warning\nlog_type notice\n"
                                                "log_type information\nlog_type subscribe\n")
            try:
                self.processes.start_until("mosquitto", [mosquitto, "-c", self.path("broker/mosquitto.conf")],
                                           "running", 10)
                return
            except Failed:
                ended = self.processes.running["mosquitto"].poll() is not None
                self.processes.stop("mosquitto")
                if port or not ended or attempt == 4:
                    raise

    def start_collector(self):
        line = self.processes.start_until(
            "sealring-collector", [self.program("sealring-collector"), "--config", self.path("collector.toml")],
            "ready:")
        host, port = line.split("listening on ")[1].split(",")[0].split()[0].rsplit(":", 1)
        self.link = relay.Relay(host, int(port))

    def start_gateway(self):
        self.processes.start_until(
            "sealringd", [self.program("sealringd"), "--config", self.path("gateway/sealring.toml")], "ready:")

    def subscribed(self):
        with open(self.processes.log("mosquitto"), "rb") as log:
            return b" 2 #" in log.read()

    def status(self):
        return json.loads(self.call(self.program("sealring"), "status", "--config",
                                    self.path("gateway/sealring.toml"), "--json"))

    def archived(self):
        """The log as it is in the archive now, read anew; None while there is none."""
        if not os.path.isdir(self.path("archive")):
            return None
        logs = archive.read_archive(self.path("archive"))
        return logs[0] if logs else None

    def archived_messages(self):
        log = self.archived()
        return len(log.messages) if log else 0

    def verify_command(self, folder="{}"):
        at = (lambda name: os.path.join(folder, name)) if folder != "{}" else self.path
        return [self.program("sealring"), "verify", at("archive"), "--policy", at("policy"), "--anchor", at("anchor")]

    def verify(self):
        done = subprocess.run(self.verify_command(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        for line in (done.stdout + done.stderr).splitlines():
            print("          | " + line)
        if done.returncode != 0:
            raise Failed(f"sealring verify ended with exit code {done.returncode}")

    def start(self, broker_port=0):
        tell = self.tell
        self.start_broker(broker_port)
        tell(f"a Mosquitto of our own listens on 127.0.0.1:{self.broker_port}")
        self.make_keys()
        tell(f"keys and certificates are made; the gateway's log is {ORIGIN}")
        self.start_collector()
        tell("sealring-collector serves: a witness and a mirror, over mutual TLS")
        self.write_gateway_config()
        self.start_gateway()
        # From its first subscription on the broker keeps for it what it misses; not before.
        wait_for("sealringd subscribes at the broker", self.subscribed, 20)
        tell("sealringd records: every message is signed and on disk before the broker hears that it arrived")

    def close(self):
        self.processes.stop_all()
        if self.link is not None:
            self.link.close()


# --- the story --------------------------------------------------------------------------------------------------------


def flow(site, traffic, more):
    """Waits until `more` further messages were acknowledged to the devices."""
    goal = traffic.counts()[1] + more

    def reached():
        site.processes.check()
        return traffic.counts()[1] >= goal

    wait_for(f"the broker acknowledges {more} more messages", reached, 60)


def demonstrate(site):
    tell = site.tell
    traffic = DeviceTraffic(site.broker_port, rate=300)
    traffic.start()
    tell("devices publish: JSON, binary frames, alarms, and the same reading \"21.0\" again and again; QoS 1 and 2")
    flow(site, traffic, 300)
    wait_for("a first receipt comes", lambda: (site.status()["upstream"] or {}).get("acknowledged_size"), 60)
    tell(f"first receipt: the collector has {site.archived_messages()} messages in its archive and signed for them")

    site.link.cut()
    before = site.archived_messages()
    tell.trouble("the link to the collector is cut")
    flow(site, traffic, 600)
    tell(f"{traffic.counts()[1]} messages acknowledged to the devices, {before} in the archive; the gateway keeps the rest")

    traffic.rate = 3000  # a burst, so that much is under way at the moment of the kill
    flow(site, traffic, 500)
    site.processes.kill("sealringd")
    tell.trouble("sealringd is killed with kill -9, in the middle of a burst")
    traffic.rate = 300
    flow(site, traffic, 300)
    site.start_gateway()
    tell("sealringd is back; the broker had kept for it what it had not acknowledged")
    flow(site, traffic, 300)
    recorder = site.status()["recorder"]
    tell(f"what the broker sent a second time: {recorder['suppressed_redeliveries']} messages recognised and not "
         f"recorded again, {recorder['flagged_duplicates']} flagged as possible duplicates")

    site.link.restore()
    tell.event("the link is back")
    flow(site, traffic, 300)
    traffic.stop()
    published, acknowledged = traffic.counts()
    tell(f"the devices are done: {published} published, {acknowledged} acknowledged by the broker")
    wait_until_archived(site, acknowledged)
    tell("everything that was acknowledged is in the archive")
    return traffic


def wait_until_archived(site, count, seconds=45):
    def arrived():
        site.processes.check()
        return site.archived_messages() >= count

    wait_for(f"{count} messages are in the archive", arrived, seconds, every=0.25)


def settle(site):
    """Ends both daemons in order, so that what is counted no longer changes."""
    for name in ("sealringd", "sealring-collector"):
        code = site.processes.stop(name)
        if code != 0:
            raise Failed(f"{name} ended with exit code {code} after SIGTERM")
    site.tell("sealringd and sealring-collector ended in order; the archive is checked from its bytes:")


def count(site, traffic):
    """The last line, and whether it is as it must be."""
    log = site.archived()
    archived = Counter((message.topic, message.payload) for message in log.messages)
    site.tell("counted from the archive by an independent reader, every hash recomputed:")
    topics = Counter()
    for (topic, _), number in archived.items():
        topics[topic] += number
    for topic, number in sorted(topics.items()):
        print(f"          | {number:6}  {topic.decode('utf-8', 'backslashreplace')}")
    lost = sum((traffic.acknowledged - archived).values())
    doubled = sum((archived - traffic.published).values())
    published, acknowledged = traffic.counts()
    total = sum(archived.values())
    fine = lost == 0 and doubled == 0 and published == acknowledged == total
    return fine, f"published {published}, acknowledged {acknowledged}, archived {total}, lost {lost}, duplicated {doubled}"


def serve(site):
    tell = site.tell
    config = site.path("gateway/sealring.toml")
    print(f"""
Ready for your own devices, on this machine:

  broker    127.0.0.1:{site.broker_port}, without user and password
  try it    mosquitto_pub -h 127.0.0.1 -p {site.broker_port} -q 1 -t plant/line1/temp -m 21.0
  status    {site.program("sealring")} status --config {config}
  archive   {site.path("archive")}   (a message is there after some seconds)
  verify    {" ".join(site.verify_command())}

Ctrl-C ends it, checks the archive and removes everything but what --keep asks for.
""", flush=True)
    shown = 0
    try:
        while True:
            time.sleep(1)
            site.processes.check()
            now = site.archived_messages()
            if now != shown:
                tell(f"{now} messages are in the archive")
                shown = now
    except Stop:
        print()
        tell("ending")
    if site.archived() is None:
        tell("nothing was sealed yet, so there is no archive to check")
        return
    settle(site)
    site.verify()


def keep(site, folder):
    os.makedirs(folder, exist_ok=True)
    for name in ("anchor", "policy", "archive", "witness.key", "mirror.key", "gateway", "tls", "collector.toml", "logs"):
        source, target = site.path(name), os.path.join(folder, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))
        elif os.path.exists(source):
            shutil.copy2(source, target)
    print(f"\nKept in {folder}; check it again with\n  {' '.join(site.verify_command(folder))}\n")


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        prog="./run",
        description="Sets up, builds and demonstrates sealring on this machine: devices, a broker, the gateway, a link "
                    "that is cut, a kill -9, a collector, and a check of the archive.")
    parser.add_argument("--serve", action="store_true", help="no demonstration: stay up for your own devices until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="with --serve: port of the broker (default: any free one)")
    parser.add_argument("--keep", metavar="DIR", help="leave keys, policy, anchor, archive and logs in DIR")
    parser.add_argument("--programs", default=os.path.join(ROOT, "build/release"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.keep:
        arguments.keep = os.path.abspath(arguments.keep)
        if os.path.exists(arguments.keep) and (not os.path.isdir(arguments.keep) or os.listdir(arguments.keep)):
            parser.error(f"{arguments.keep} is there already and is not an empty folder")
    if arguments.port and not arguments.serve:
        parser.error("--port is for --serve")
    return arguments


def on_signal(_number, _frame):
    raise Stop()


def tell_story(site, arguments):
    """Gives back the exit code."""
    try:
        site.start(arguments.port)
        if arguments.serve:
            serve(site)
            return 0
        traffic = demonstrate(site)
        settle(site)
        site.verify()
        fine, line = count(site, traffic)
        if arguments.keep:
            keep(site, arguments.keep)
        if not fine:
            raise Failed(line)
        print(line, flush=True)
        return 0
    except Stop:
        print("\nstopped", file=sys.stderr)
        return 130
    except (Failed, archive.Malformed, TimeoutError, RuntimeError, OSError) as error:
        sys.stdout.flush()
        print(f"\nFAILED: {error}", file=sys.stderr)
        for name, lines in site.processes.tails():
            print(f"\n--- the end of {name}", *lines, sep="\n  ", file=sys.stderr)
        return 1


def main(argv):
    arguments = parse_arguments(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    site = None
    folder = tempfile.mkdtemp(prefix="sealring-")
    try:
        site = Site(folder, arguments.programs, Teller())
        return tell_story(site, arguments)
    except Stop:
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
        if site is not None:
            site.close()
            if arguments.keep and not os.path.exists(arguments.keep):
                keep(site, arguments.keep)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
