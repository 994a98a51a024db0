#!/usr/bin/python3
"""A store in which bits flipped: the daemon goes on where nothing is lost and the log says so, or it refuses with words
and changes nothing, and `sealring repair` saves what can be proven into a new store."""
import collections
import hashlib
import json
import os
import re
import signal
import struct
import threading

from lib.compare import GrowingLog, log_folder, wait_archived
from lib.load import Publisher
from lib.metrics import Scraper, alarms_heard, command_script
from lib.world import check, check_equal, main, wait_until

PAGE = 4096
META_MAGIC, META_LAST_PAGE, META_TRANSACTION = 16, 136, 144  # offsets in a meta page, on a 64-bit machine
DAMAGED, NOT_ALL, UNPROVEN, UNREADABLE = 3, 10, 11, 30
WRONG = (20, 21, 22, 30)


class Scene:
    def __init__(self, world, **recorder):
        self.world = world
        self.broker, self.collector, self.gateway = world.enrol(ring_size="64MiB")
        self.gateway.recorder.update(recorder)
        self.gateway.configure()
        self.store = os.path.join(self.gateway.folder, "store")
        self.ring = os.path.join(self.store, "ring.lmdb")
        self.config = os.path.join(self.gateway.folder, "sealring.toml")
        for process in (self.broker, self.collector, self.gateway):
            process.start()
        self.gateway.wait_subscribed()
        self.device = world.closing(Publisher(self.broker.port, "device"))

    def publish(self, count, payload=b"reading %d"):
        for i in range(count):
            self.device.publish("plant/x", payload % i, 1)
        self.device.wait_acknowledged()

    def write(self, offset, data):
        with open(self.ring, "r+b") as f:
            f.seek(offset)
            f.write(data)

    def newest_meta(self):
        with open(self.ring, "rb") as f:
            head = f.read(2 * PAGE)
        transactions = [struct.unpack_from("=Q", head, page * PAGE + META_TRANSACTION)[0] for page in (0, 1)]
        return transactions.index(max(transactions))

    def spoil_both_metas(self):
        self.write(META_MAGIC, b"XXXX")
        self.write(PAGE + META_LAST_PAGE, b"\xff" * 8)

    def hashes(self):
        out = {}
        for name in ("ring.lmdb", "journal"):
            with open(os.path.join(self.store, name), "rb") as f:
                out[name] = hashlib.sha256(f.read()).hexdigest()
        return out

    def is_refused(self, *words):
        before = self.hashes()
        self.gateway.start(ready=False)
        self.gateway.wait_end(DAMAGED)
        self.gateway.wait_said("error", *words)
        check_equal(self.hashes(), before, "the files of a store that was refused")

    def hear_alarms(self):
        """From the next start on: where alarm_command keeps what it is given."""
        command, heard = command_script(self.world)
        self.gateway.metrics = {"listen": "127.0.0.1:0"}
        self.gateway.top.update(alarm_quiet="1s", alarm_command=[command])
        self.gateway.configure()
        return heard

    def damage_entries(self):
        """[state] of the alarms of damage in the log, but for those at which forwarding waits."""
        lines, _ = self.world.run("sealring", "tail", "-n", "1000", "--json", "--config", self.config)
        out = []
        for line in lines.splitlines():
            details = json.loads(line).get("details") or {}
            if details.get("alarm") == "damage" and details.get("state") != "waits":
                out.append(details.get("state"))
        return out

    def repair(self, into, code):
        before = self.hashes()
        out, _ = self.world.run("sealring", "repair", self.store, "--into", into, "--json", code=code)
        check_equal(self.hashes(), before, "the files of the old store")
        return json.loads(out)


def torn_meta(world):
    """The last commit of the ring cannot be read: it goes on, everything is archived once, and the log says so."""
    scene = Scene(world, segment_age="1s")
    scene.publish(60)
    log = GrowingLog(log_folder(scene.collector.archive))
    wait_archived(log, scene.device.sent, alive=[scene.gateway, scene.collector])
    scene.publish(60, b"more %d")
    os.kill(scene.gateway.pid, signal.SIGKILL)
    scene.gateway.wait_end(-signal.SIGKILL)
    scene.write(scene.newest_meta() * PAGE + META_LAST_PAGE, b"\xff" * 4)
    heard = scene.hear_alarms()
    out, _ = world.run("sealring", "check", "--config", scene.config, code=None)[:2]
    check("goes on from the commit before, and nothing is lost" in out, out)
    scene.gateway.start()
    scene.gateway.wait_said("error", "alarm: damage: ring: meta page", "nothing is lost")
    wait_until(lambda: len(alarms_heard(heard)) == 2, "the command is run", alive=[scene.gateway])
    check_equal([a[:2] for a in alarms_heard(heard)], [("damage", "begins"), ("damage", "ends")], "heard")
    check_equal(Scraper(scene.gateway).values()["sealring_alarms_total{alarm=damage}"], 1, "counted")
    scene.publish(20, b"after %d")
    scene.gateway.stop()
    scene.gateway.start()  # and finds nothing any more
    check("alarm: damage" not in scene.gateway.said(), scene.gateway.said())
    check_equal(scene.damage_entries(), [None], "alarms of damage")
    names = os.listdir(scene.store)
    check("incident" not in names and any(re.fullmatch(r"incident-\d+", n) for n in names), f"{names}")
    check("ring.lmdb-meta-damaged" in names, f"{names}")
    scene.publish(1, b"last %d")
    wait_archived(log, scene.device.sent, alive=[scene.gateway, scene.collector])
    scene.gateway.stop()
    scene.collector.stop()
    world.verify(scene.store)
    world.verify(scene.collector.archive)


def scrubbed(world):
    """What has flipped in a bundle that no receipt covers is found, told in the log, and not forwarded."""
    scene = Scene(world, segment_age="1s")
    scene.collector.stop()
    scene.publish(700)
    scene.gateway.stop()
    with open(scene.ring, "rb") as f:
        data = f.read()
    for found in re.finditer(rb"reading 100\b", data):
        scene.write(found.start(), b"READING")
    scene.gateway.top["scrub_rate"] = "64MiB"
    heard = scene.hear_alarms()
    scene.gateway.start()
    scene.gateway.wait_said("error", "alarm: damage: ring: bundle 0", "cannot be proven here any more")
    status = scene.gateway.wait_status(lambda s: s["scrub"]["laps"] == 1, "a lap is complete")
    check_equal(status["scrub"]["damaged"], [0], "damaged bundles")
    text, _ = world.run("sealring", "status", "--config", scene.config)
    check("DAMAGED: 1 bundles, the first is 0" in text, text)
    check(re.search(r"ALARM +damage, since .*: ring: bundle 0", text), text)
    check_equal([a["alarm"] for a in status["alarms"]], ["damage"], "alarms in the status")
    scraper = Scraper(scene.gateway)
    check_equal(scraper.values()["sealring_alarm_active{alarm=damage}"], 1, "in the metrics")
    scraper.wait_health("degraded", "alarm: damage")
    scene.publish(5, b"after %d")  # and recording goes on
    scene.collector.start()
    scene.gateway.wait_said("warning", "forwarding waits: ", "bundle 0 is damaged")
    # Where a witness has cosigned something of it, the proof from there is what cannot be made.
    if not os.path.exists(os.path.join(log_folder(scene.collector.archive), "witness")):
        scene.gateway.wait_said("error", "alarm: damage: ring: bundle 0", "cannot be left out: it has entry 0")
    check("FORK?" not in scene.collector.said(), "no proof was made of what is damaged")
    check(not os.path.isdir(os.path.join(log_folder(scene.collector.archive), "segments")) or
          not os.listdir(os.path.join(log_folder(scene.collector.archive), "segments")), "nothing of it is archived")
    scene.gateway.stop()
    scene.gateway.start()  # it lasts, and has its entry
    scene.gateway.wait_status(lambda s: s["scrub"]["laps"] == 1 and [a["alarm"] for a in s["alarms"]] == ["damage"],
                              "the alarm is there again, and a lap is complete")
    check_equal(scene.damage_entries(), ["begins"], "alarms of damage")
    scene.gateway.stop()
    for found in re.finditer(rb"reading 100\b", data):
        scene.write(found.start(), b"reading")
    scene.gateway.start()
    scene.gateway.wait_said("notice", "the alarm damage is over")
    wait_until(lambda: scene.damage_entries() == ["begins", "ends"], "its end is in the log", alive=[scene.gateway])
    wait_archived(GrowingLog(log_folder(scene.collector.archive)), scene.device.sent,
                  alive=[scene.gateway, scene.collector])
    wait_until(lambda: alarms_heard(heard)[-1][:2] == ("damage", "ends"), "its end is heard", alive=[scene.gateway])
    check("bundle 0" in alarms_heard(heard)[0][2]["words"], f"{alarms_heard(heard)}")
    scene.gateway.stop()


def sealed_without_receipt(world):
    """One segment of some bundles that no collector has, and its gateway that runs; the collector is stopped."""
    scene = Scene(world, segment_age="10min")
    scene.collector.stop()
    scene.publish(1500)
    scene.gateway.stop()
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    scene.gateway.wait_status(lambda s: s["segments"]["sealed"] >= 1, "it is sealed")
    return scene


def spoil_reading(scene, number):
    with open(scene.ring, "rb") as f:
        data = f.read()
    for found in re.finditer(rb"reading %d\b" % number, data):  # also of stale pages
        scene.write(found.start(), b"READING")


def all_else_arrives(world, scene, number):
    """The loss of the bundle with that reading is in the log, told on both sides; the archive has everything else."""
    scene.gateway.wait_said("error", "alarm: loss: ring: bundle", "are lost, and no receipt covers them")
    status = scene.gateway.wait_status(lambda s: len(s["losses"]) == 1, "the loss is in the status")
    loss = status["losses"][0]
    check_equal((loss["end"] - loss["start"], loss["damaged"], loss["messages"]), (256, True, 256), "a single bundle")
    bundle = loss["start"] // 256
    scene.publish(20, b"after %d")
    log = GrowingLog(log_folder(scene.collector.archive))

    def all_there():
        got = collections.Counter((m.topic, m.payload) for m in log.read().messages)
        check(not got - scene.device.sent, f"more than was sent: {got - scene.device.sent}")
        return len(scene.device.sent - got) <= 256

    wait_until(all_there, "all else is archived", 180, alive=[scene.gateway, scene.collector])
    wait_until(lambda: log.read().losses, "its loss entry is archived", alive=[scene.gateway, scene.collector])
    got = collections.Counter((m.topic, m.payload) for m in log.messages)
    lost = sorted(int(payload.split()[1]) for _, payload in scene.device.sent - got)
    check(number in lost and len(lost) > 200 and lost == list(range(lost[0], lost[-1] + 1)), f"{lost}")
    check_equal([(hole.start, hole.end) for hole in log.holes], [(loss["start"], loss["end"])], "holes of the archive")
    scene.collector.wait_said("error", "LOSS: entries [", "were lost by damage at the gateway")
    _, err = world.run("sealring", "show", str(loss["start"]), "--config", scene.config, code=1)
    check("was dropped unsent" in err and str(loss["index"]) in err, err)
    out, _ = world.run("sealring", "show", str(loss["index"]), "--config", scene.config)
    check("since they were damaged" in out, out)
    text, _ = world.run("sealring", "status", "--config", scene.config)
    check("LOST" in text and "by damage" in text, text)
    check(os.path.getsize(os.path.join(scene.store, f"bundle-{bundle}-damaged")) > 256, "its bytes are kept")
    scene.gateway.stop()
    scene.collector.stop()
    for where in (scene.store, scene.collector.archive):
        report = world.verify(where, code=None)
        check(report["exit_code"] in (NOT_ALL, UNPROVEN), f"{report}")
        losses = report["logs"][0]["losses"]
        check_equal([(one["start"], one["damaged"]) for one in losses], [(loss["start"], True)], where)
    _, err = world.run("sealring", "show", str(loss["start"]), "--from", scene.collector.archive, code=1)
    check("was dropped unsent" in err, err)
    scene.gateway.start()
    check("alarm: loss" not in scene.gateway.said(), scene.gateway.said())
    scene.gateway.stop()


def lost_behind_the_back(world):
    """While the gateway is down, somebody changes an entry that no receipt covers; the collector comes back."""
    scene = sealed_without_receipt(world)
    scene.gateway.stop()
    spoil_reading(scene, 700)
    scene.gateway.top["scrub_rate"] = "64MiB"
    scene.gateway.configure()
    scene.gateway.start()
    scene.gateway.wait_said("error", "alarm: damage: ring: bundle", "cannot be proven here any more")
    check_equal(scene.gateway.status()["losses"], [], "nothing is given up before it is to go")
    scene.collector.start()
    all_else_arrives(world, scene, 700)


def lost_under_way(world):
    """The same while the gateway runs."""
    scene = sealed_without_receipt(world)
    spoil_reading(scene, 900)
    scene.collector.start()
    all_else_arrives(world, scene, 900)


def spoiled(world):
    """Neither meta page can be read, and frames are in the journal."""
    scene = Scene(world)
    scene.publish(700)
    scene.gateway.kill()
    scene.spoil_both_metas()
    return scene


def goes_on_whole(scene, *alarm):
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure()
    scene.gateway.start()
    if alarm:
        scene.gateway.wait_said("error", "alarm: damage: ", *alarm)
    scene.publish(20, b"after %d")
    wait_archived(GrowingLog(log_folder(scene.collector.archive)), scene.device.sent,
                  alive=[scene.gateway, scene.collector])
    scene.gateway.stop()
    scene.collector.stop()
    scene.world.verify(scene.store)
    scene.world.verify(scene.collector.archive)


def quarantined(world):
    """All that was signed can be proven: it goes on from that by itself, keeps the damaged ring, and says so."""
    scene = spoiled(world)
    goes_on_whole(scene, "ring: meta page", "nothing is lost", "The damaged ring is kept as")
    names = os.listdir(scene.store)
    check("ring.lmdb-damaged" in names and "ring.saved" not in names and "incident" not in names, f"{names}")
    scene.gateway.start()
    check("alarm: damage" not in scene.gateway.said(), scene.gateway.said())
    check_equal(scene.damage_entries(), [None], "alarms of damage")


def repaired_whole(world):
    """The same by hand: repair finds everything, and the log goes on, with nothing lost."""
    scene = spoiled(world)
    text, _ = world.run("sealring", "check", "--config", scene.config, code=1)[:2]
    check("sealring repair" in text, text)
    saved = world.path("saved")
    report = scene.repair(saved, code=0)
    check(report["can_go_on"] and report["missing"] == [] and report["entries"] > 700, f"{report}")
    world.run("sealring", "repair", scene.store, "--into", saved, code=1)  # is there
    os.rename(scene.store, world.path("damaged"))
    os.rename(saved, scene.store)
    goes_on_whole(scene)


def repaired_partly(world):
    """A bundle that nobody else has is damaged: it is named, the rest can be read, and no log goes on from it."""
    scene = Scene(world)
    scene.publish(700)
    scene.gateway.stop()
    with open(scene.ring, "rb") as f:
        data = f.read()
    for found in re.finditer(rb"reading 100\b", data):  # also of stale pages
        scene.write(found.start(), b"READING")
    scene.spoil_both_metas()
    saved = world.path("saved")
    text, _ = world.run("sealring", "repair", scene.store, "--into", saved, code=NOT_ALL)[:2]
    check(re.search(r"NOT SAVED  entries \[\d+, \d+\)", text) and "read only" in text, text)
    os.rename(scene.store, world.path("damaged"))
    os.rename(saved, scene.store)
    scene.is_refused("to be read only")
    report = world.verify(scene.store, code=None)
    check(report["exit_code"] in WRONG, f"{report}")
    shown, _ = world.run("sealring", "show", "650", "--from", scene.store)
    check("plant/x" in shown, shown)
    check(not [n for n in os.listdir(scene.store) if n.startswith("epoch-")], "no epoch key is in it")


def lose_journal(scene, how):
    """A segment that is archived, a few messages that only the journal has, a kill, and the journal is lost. What must
    be archived in the end: all but those."""
    scene.publish(40)
    scene.gateway.stop()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    kept = collections.Counter(scene.device.sent)
    for i in range(5):  # a frame each
        scene.publish(1, b"gone %d " + b"%d" % i)
        scene.gateway.wait_status(lambda s, i=i: s["recorder"]["messages"] > i, "it is recorded")
    scene.gateway.kill()
    path = os.path.join(scene.store, "journal")
    if how == "missing":
        os.remove(path)
    else:
        with open(path, "r+b") as f:
            data = f.read()
            first = data.find(b"gone 0")
            check(first > 0, "it is in the journal")
            f.seek(first)
            f.write(b"GONE 0")
    scene.device.sent.clear()
    scene.device.sent.update(kept)


def archived(log, sent):
    """Whether all of those are archived, each once; besides there are only those that were lost here, and that the
    broker may have had sent again."""
    got = collections.Counter((m.topic, m.payload) for m in log.read().messages)
    check(all(name[1].startswith(b"gone ") for name in got - sent), f"{got - sent}")
    return not sent - got


def goes_on_from_the_ring(world, how):
    """And signs nothing before the collector has answered."""
    scene = Scene(world, segment_age="10min")
    log = GrowingLog(log_folder(scene.collector.archive))
    scene.collector.stop()
    lose_journal(scene, how)
    out, _ = world.run("sealring", "check", "--config", scene.config, code=None)[:2]
    check("goes on from the ring" in out, out)
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure()
    scene.gateway.start()
    scene.gateway.wait_said("error", "alarm: damage: ", "The ring is whole", "LOST", "until the collector has said")
    scene.gateway.wait_subscribed()
    scene.publish(20, b"after %d")
    status = scene.gateway.wait_status(lambda s: s["recorder"]["messages"] >= 20 and s["keys"]["unsigned"] > 0,
                                       "recording and sealing go on")
    check_equal(status["keys"]["identity_held"], True, "the identity is silent")
    check(os.path.exists(os.path.join(scene.store, "journal-lost")), "and would be after a restart")
    scene.collector.start()
    wait_until(lambda: archived(log, scene.device.sent), "all is archived", alive=[scene.gateway, scene.collector])
    check_equal(scene.gateway.status()["keys"]["identity_held"], False, "the identity signs again")
    scene.gateway.stop()
    names = os.listdir(scene.store)
    check("journal-lost" not in names and ("journal-damaged" in names) == (how == "torn"), f"{names}")
    check_equal([details.get("alarm") for _, details in log.read().events_named("alarm")], ["damage"], "alarms")
    scene.gateway.start()
    check("alarm: damage" not in scene.gateway.said(), scene.gateway.said())
    scene.gateway.stop()
    scene.collector.stop()
    world.verify(scene.store)
    world.verify(scene.collector.archive)


def journal_missing(world):
    goes_on_from_the_ring(world, "missing")


def journal_torn(world):
    goes_on_from_the_ring(world, "torn")


def journal_lost_alone(world):
    """Without a collector the operator has to say so, and a restart is no answer."""
    scene = Scene(world, segment_age="10min")
    scene.collector.stop()
    scene.gateway.stop()
    scene.gateway.upstream = {}
    scene.gateway.configure()
    scene.gateway.start()
    scene.gateway.wait_subscribed()
    lose_journal(scene, "missing")
    scene.gateway.recorder["segment_age"] = "1s"
    scene.gateway.configure()
    for _ in range(2):
        scene.gateway.start()
        scene.gateway.wait_said("error", "nothing is signed with the identity key: the journal was lost",
                                "--assume-current")
        scene.gateway.wait_status(lambda s: s["keys"]["unsigned"] > 0, "segments wait for the signature")
        text, _ = world.run("sealring", "status", "--config", scene.config)
        check("HELD: the journal was lost" in text, text)
        scene.gateway.stop()
    scene.gateway.command.append("--assume-current")
    scene.gateway.start()
    scene.gateway.wait_status(lambda s: s["keys"]["unsigned"] == 0 and not s["keys"]["identity_held"], "all is signed")
    scene.gateway.stop()
    scene.gateway.command.remove("--assume-current")
    scene.gateway.start()
    check_equal(scene.gateway.status()["keys"]["identity_held"], False, "once is enough")
    scene.gateway.stop()


def cut_short(world):
    scene = Scene(world)
    scene.publish(50)
    scene.gateway.stop()
    with open(scene.ring, "r+b") as f:
        f.truncate(2 * PAGE)
    scene.is_refused("it was cut short", "sealring repair")


def shrinks_under_verify(world):
    """A store that is cut short while it is read: words and a code, and no signal."""
    scene = Scene(world)
    scene.publish(700)
    scene.gateway.stop()
    journal = os.path.join(scene.store, "journal")
    with open(journal, "rb") as f:
        data = f.read()
    os.remove(journal)
    os.mkfifo(journal)  # verify has mapped the ring when it waits for this
    done = []
    verify = threading.Thread(
        target=lambda: done.extend(world.run("sealring", "verify", scene.store, "--anchor", world.path("anchor"),
                                             code=None)))
    verify.start()
    with open(journal, "wb") as f:
        os.truncate(scene.ring, 2 * PAGE)
        f.write(data)
    verify.join(60)
    check(done, "verify has ended")
    check_equal(done[2], UNREADABLE, f"exit code: {done}")
    check("cannot read " + scene.ring + " by its memory map" in done[1], done[1])


def lock_file(world):
    """LMDB's lock file may be missing or garbage."""
    scene = Scene(world)
    scene.publish(50)
    scene.gateway.stop()
    with open(scene.ring + "-lock", "wb") as f:
        f.write(b"x" * 5000)
    scene.gateway.start()
    scene.publish(5)
    scene.gateway.stop()
    os.remove(scene.ring + "-lock")
    scene.gateway.start()
    scene.publish(5)
    scene.gateway.stop()
    report = world.verify(scene.store, code=(0, NOT_ALL, UNPROVEN))  # sealed and receipted in time, or not
    check(report["logs"][0]["size"] >= 60, f"all is there: {report}")


if __name__ == "__main__":
    main(("torn_meta", torn_meta), ("scrubbed", scrubbed), ("quarantined", quarantined),
         ("lost_behind_the_back", lost_behind_the_back), ("lost_under_way", lost_under_way),
         ("repaired_whole", repaired_whole), ("repaired_partly", repaired_partly),
         ("journal_missing", journal_missing), ("journal_torn", journal_torn),
         ("journal_lost_alone", journal_lost_alone), ("cut_short", cut_short),
         ("shrinks_under_verify", shrinks_under_verify), ("lock_file", lock_file))
