#!/usr/bin/python3
"""Keys on real parts: an epoch key that is lost leaves a break that nobody overlooks, one that has handed over is gone;
the identity key may come from the service manager, which keeps it encrypted."""
import os
import subprocess

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.service import with_environment
from lib.world import ORIGIN, check, check_equal, main, program, wait_until

FINE, NAMED, BROKEN = 0, 10, 12
SEED = slice(22 + 8, 22 + 8 + 32)  # in the file of an epoch key: after the first line and the epoch's number


class Scene:
    def __init__(self, world, segment_age, prepare=lambda gateway: None):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol()
        prepare(self.gateway)
        self.gateway.recorder["segment_age"] = segment_age
        self.gateway.configure()
        self.store = os.path.join(self.gateway.folder, "store")
        self.config = ("--config", os.path.join(self.gateway.folder, "sealring.toml"))
        self.broker.start()
        self.collector.start()
        self.gateway.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))
        self.log = GrowingLog(log_folder(self.collector.archive))

    def publish(self, payload):
        self.device.publish("plant/line1/temp", payload, 1)
        self.device.wait_acknowledged()

    def archived(self):
        wait_archived(self.log, self.device.sent, alive=[self.gateway, self.collector])
        self.gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "the receipts are here")

    def key_files(self, epoch):
        name = os.path.join(self.store, f"epoch-{epoch}.key")
        return name, name + ".copy"

    def epoch(self):
        return self.gateway.status()["keys"]["epoch"]


def lost(world):
    """Both files of the epoch key are gone after a kill: the messages go on, and every verifier hears of it."""
    scene = Scene(world, "10min")
    scene.publish(b"before")
    epoch = scene.epoch()
    scene.gateway.kill()
    for name in scene.key_files(epoch):
        os.unlink(name)
    out, _ = world.run("sealring", "check", *scene.config, code=1)
    check("the log goes on with a break" in out, out)
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure().start()
    scene.gateway.wait_said("alarm: the epoch key file")
    scene.gateway.wait_subscribed()
    scene.publish(b"after")
    scene.archived()

    report = world.verify(scene.collector.archive, code=BROKEN)
    breaks = report["logs"][0]["breaks"]
    check_equal([(b["epoch"], b["identity_only_from"]) for b in breaks], [(epoch, 0)], "the breaks in the report")
    index = breaks[0]["index"]
    # The collector, too, and it has kept it.
    scene.collector.wait_said(f"BREAK: entry {index} says that the key of epoch {epoch} was lost")
    evidence = os.path.join(log_folder(scene.collector.archive), "evidence")
    check_equal(os.listdir(evidence), [f"{index:020}.break"], "the collector's evidence")
    scene.collector.stop()
    scene.collector.start()
    scene.publish(b"after the collector's restart")
    scene.archived()
    check_equal(scene.collector.said(True).count("BREAK"), 1, "how often the break was said")
    check_equal(world.verify(scene.store, code=BROKEN)["logs"][0]["breaks"], breaks, "the breaks in the store")
    accepted = world.verify(scene.collector.archive, code=NAMED, extra=("--accept-break", str(index)))
    check(any("(accepted)" in f["what"] for f in accepted["logs"][0]["findings"]), accepted["logs"][0]["findings"])
    world.verify(scene.collector.archive, code=BROKEN, extra=("--accept-break", str(index - 1)))
    out, _ = world.run("sealring", "show", str(index), *scene.config)
    check(f"the key of epoch {epoch} was lost" in out, out)
    out, _ = world.run("sealring", "tail", "-n", "1000", "--json", *scene.config)
    check('"alarm":"key-lost"' in out.replace('": "', '":"'), "the alarm is a record")
    # A proof of a record stands on the identity's checkpoint and the receipt: it is as good as before.
    proof = world.path("proof")
    world.run("sealring", "prove", str(index - 1), "-o", proof, *scene.config)
    world.verify(proof)
    _, err = world.run("sealring", "verify", proof, "--accept-break", "1", code=2)
    check("not for the proof" in err, err)


def places_of(secret, pid):
    """Where in the memory of a process the bytes are."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, rights, *_ = line.split()
            if "r" not in rights or "[v" in line:  # vvar, vsyscall
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:
                continue  # guard pages
            if secret in content:
                found.append(line.strip())
    return found


def files_with(secret, folder):
    found = []
    for where, _, names in os.walk(folder):
        for path in filter(os.path.isfile, (os.path.join(where, name) for name in names)):
            with open(path, "rb") as f:
                if secret in f.read():
                    found.append(os.path.basename(path))
    return sorted(found)


def erased(world):
    """What an epoch signed with is nowhere once it has handed over: not in the process, not in a file."""
    if os.geteuid() != 0:
        print("skipped: reading the memory of a process that allows no core dumps needs root")
        return
    scene = Scene(world, "1s")
    scene.publish(b"first")

    def secret_of_now():
        """The present epoch and its secret; none in the moment of a handover."""
        epoch = scene.epoch()
        try:
            with open(scene.key_files(epoch)[0], "rb") as f:
                seed = f.read()[SEED]
        except FileNotFoundError:
            return None
        return (epoch, seed) if len(seed) == 32 and any(seed) else None

    # Without messages nothing is sealed, so the present epoch stays: the search finds what it should.
    scene.archived()
    epoch, seed = wait_until(secret_of_now, "there is an epoch key", alive=[scene.gateway])
    scene.gateway.wait_status(lambda s: s["keys"]["epoch"] == epoch, "the epoch stays")
    check(places_of(seed, scene.gateway.pid), "the present key was not found in memory: the search is no search")
    names = [os.path.basename(name) for name in scene.key_files(epoch)]
    check_equal(files_with(seed, scene.gateway.folder), names, "the files that have the present key")
    scene.publish(b"second")
    scene.gateway.wait_status(lambda s: s["keys"]["epoch"] > epoch, "the next epoch has begun")
    wait_until(lambda: not any(map(os.path.exists, scene.key_files(epoch))), "its files are gone",
               alive=[scene.gateway])
    check_equal(places_of(seed, scene.gateway.pid), [], "the old key is in memory still")
    check_equal(files_with(seed, scene.gateway.folder), [], "files that have the old key")
    scene.archived()
    scene.gateway.stop()
    check_equal(files_with(seed, world.folder), [], "files that have the old key, after the end")
    world.verify(scene.collector.archive)


class ServiceManager:
    """systemd's side of LoadCredential= and LoadCredentialEncrypted=, with a secret of its own instead of the
    machine's."""

    def __init__(self, world):
        self.secrets, self.folder = world.path("systemd"), world.path("credentials")
        self.encrypted = world.path("identity.cred")
        os.mkdir(self.secrets)
        os.mkdir(self.folder)

    def creds(self, *arguments):
        return subprocess.run(["unshare", "--mount", "sh", "-c",
                               'mount --bind "$0" /var/lib/systemd && exec systemd-creds "$@"', self.secrets,
                               *arguments], capture_output=True, text=True, check=False)

    def encrypt(self, path):
        """Why not, if it cannot be done here."""
        try:
            done = self.creds("encrypt", "--with-key=host", "--name=identity", path, self.encrypted)
        except OSError as error:
            return str(error)
        return done.stderr if done.returncode != 0 else None

    def load(self):
        done = self.creds("decrypt", "--name=identity", self.encrypted, os.path.join(self.folder, "identity"))
        check_equal(done.returncode, 0, done.stderr)
        os.chmod(os.path.join(self.folder, "identity"), 0o400)


def credential(world):
    """The identity key is a credential: the daemon and the commands find it where the service manager puts it."""
    manager = ServiceManager(world)
    secret = None

    def hand_over(gateway):
        nonlocal secret
        key = os.path.join(gateway.folder, "identity.key")
        with open(key, "rb") as file:
            secret = file.read().strip().split(b"+", 4)[4]  # base64 may have a "+" of its own
        why_not = manager.encrypt(key)
        if why_not is None:
            os.unlink(key)
            manager.load()
        else:
            print(f"systemd-creds does not work here, so the credential was not encrypted: {why_not.strip()}")
            os.rename(key, os.path.join(manager.folder, "identity"))
        gateway.top["identity_key"] = "credential:identity"
        with_environment(gateway, CREDENTIALS_DIRECTORY=manager.folder)

    scene = Scene(world, "1s", hand_over)
    if os.path.exists(manager.encrypted):
        with open(manager.encrypted, "rb") as file:
            check(secret not in file.read(), "the key is in the encrypted credential in clear")
    check_equal(files_with(secret, world.folder), ["identity"], "the files that have the identity key")
    scene.publish(b"one")
    scene.archived()
    scene.gateway.stop()
    world.verify(scene.collector.archive)

    inside = ("env", f"CREDENTIALS_DIRECTORY={manager.folder}", program("sealring"))
    out, _ = world.run(*inside, "check", *scene.config)
    check(f"credential:identity is {world.vkey}" in out, out)
    out, _ = world.run(*inside, "key", "show", "credential:identity")
    check(world.vkey in out and ORIGIN in out and secret.decode() not in out, out)
    _, err = world.run(*inside, "key", "generate", "credential:other", ORIGIN, code=2)
    check("made by the service manager" in err, err)

    # Nobody else gives them, and a credential with another key is refused like a file with one.
    out, _ = world.run("sealring", "check", *scene.config, code=1)
    check("needs $CREDENTIALS_DIRECTORY" in out, out)
    with_environment(scene.gateway, CREDENTIALS_DIRECTORY=None)
    scene.gateway.start(ready=False).wait_end(2)
    check("needs $CREDENTIALS_DIRECTORY" in scene.gateway.said(), scene.gateway.said())
    os.unlink(os.path.join(manager.folder, "identity"))
    with_environment(scene.gateway, CREDENTIALS_DIRECTORY=manager.folder)
    scene.gateway.start(ready=False).wait_end(2)
    check(f"{manager.folder}/identity" in scene.gateway.said(), scene.gateway.said())
    world.run("sealring", "key", "generate", os.path.join(manager.folder, "identity"), ORIGIN)
    scene.gateway.start(ready=False).wait_end(2)
    check("is not the identity key of the log" in scene.gateway.said(), scene.gateway.said())


if __name__ == "__main__":
    main(("lost", lost), ("erased", erased), ("credential", credential))
