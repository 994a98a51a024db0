#!/usr/bin/python3
"""What the commands refuse, and that the words say what, where and what to do: those that no other test comes to."""
import base64
import hashlib
import json
import os
import shutil
import socket
import threading

from lib.compare import log_folder
from lib.load import Publisher
from lib.world import ORIGIN, check, main

FAILED, USAGE, UNPROVEN = 1, 2, 11
VECTORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vectors")
KEY_OF_THE_EXAMPLES_COLLECTOR = (
    "collector.example/succession+fb96d908+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs")


def refused(world, code, words, *command):
    out, err = world.run(*command, code=code)
    check(err.startswith("sealring: ") and all(one in err for one in words), f"{command}: {words} in {err!r}")
    check(out == "", f"{command}: nothing on standard output: {out!r}")
    print("    " + err.splitlines()[0], flush=True)


def made(world, name):
    """The folder of a gateway of its own."""
    folder = world.path(name)
    world.run("sealring", "init", folder, "--origin", ORIGIN, "--ring-size", "64MiB")
    return folder


def init(world):
    folder = made(world, "gw")
    again = ("sealring", "init", folder, "--origin", ORIGIN, "--ring-size", "64MiB")
    refused(world, FAILED, ("sealring.toml is there already", "nothing in it was touched"), *again)
    os.remove(folder + "/sealring.toml")
    refused(world, FAILED, ("identity.key is the key of", ORIGIN, "move it away, or take another folder"),
            "sealring", "init", folder, "--origin", "example.com/other", "--ring-size", "64MiB")
    os.rename(folder + "/identity.key", folder + "/away")
    refused(world, FAILED, ("store is the store of another gateway", "move it away"), *again)
    for size, words in (("67108865", "must be whole MiB, at least 64MiB"), ("8 lots", "--ring-size"),
                        ("99999GiB", "say a smaller --ring-size")):
        code = USAGE if "lots" in size else FAILED
        refused(world, code, (words,), "sealring", "init", world.path("new"), "--origin", ORIGIN, "--ring-size", size)
    check(not os.path.exists(world.path("new")), "nothing was made")
    refused(world, USAGE, ("--root is for the default places", "leave out DIR"), "sealring", "init", world.path("new"),
            "--root", world.path("image"), "--origin", ORIGIN)


def places(world):
    """Logs that are not there, not one, or not proven."""
    folder = made(world, "gw")
    archive = world.path("archive")
    names = [hashlib.sha256(one).hexdigest() for one in (b"example.com/a", b"example.com/b")]
    for name, origin in zip(names, ("example.com/a", "example.com/b")):
        os.makedirs(f"{archive}/{name}/segments")
        world.write(f"archive/{name}/log", f"{origin}+00000000+AAAA 00\n")
    for command in (("tail",), ("show", "0"), ("prove", "0", "-o", world.path("p"))):
        refused(world, FAILED, ("has 2 logs; name one of them", names[0], '"example.com/b"'),
                "sealring", *command, "--from", archive)
        refused(world, FAILED, ("no segment has been archived yet",),
                "sealring", *command, "--from", f"{archive}/{names[0]}")
        refused(world, FAILED, ("neither a store", "nor an archive"), "sealring", *command, "--from", folder + "/..")
    store = ("--from", folder + "/store")
    world.write("there", "precious")
    for option in ("-o", "--entry", "--payload"):
        output = () if option == "-o" else ("-o", world.path("p"))
        refused(world, FAILED, ("there is there already; --force replaces it",),
                "sealring", "prove", "0", option, world.path("there"), *output, *store)
    refused(world, FAILED, ("not sealed yet",), "sealring", "prove", "0", "-o", world.path("p"), *store)
    refused(world, FAILED, ("not sealed yet", "--wait would wait for ever"),
            "sealring", "prove", "0", "--wait", "-o", world.path("p"), *store)
    with open(world.path("there"), encoding="ascii") as f:
        check(f.read() == "precious", "it is untouched")
    check(not os.path.exists(world.path("p")), "nothing was written")
    refused(world, USAGE, ("--payload", "is for the proof of a record", "is none"),
            "sealring", "verify", folder + "/store", "--payload", world.path("there"))


def succession(world):
    """What follows a log is verified by a statement, and only with the key of the collector that countersigned it."""
    def vector(name):
        with open(os.path.join(VECTORS, name), "rb") as f:
            return f.read()

    def vkey(name, public):
        typed = b"\x01" + public
        key_id = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
        return f"{name}+{key_id}+{base64.b64encode(typed).decode()}"

    def genesis(name):
        entry = bytes.fromhex("".join(line.split("#")[0] for line in vector(name).decode().splitlines()))
        return hashlib.sha256(b"\0" + entry).hexdigest()

    origin, identity = vector("rotation.note").splitlines()[1:3]
    anchor = f"{vkey(origin.decode(), base64.b64decode(identity))} {genesis('entry-genesis.hex')}"
    note, key = os.path.join(VECTORS, "succession.note"), KEY_OF_THE_EXAMPLES_COLLECTOR
    verify = ("sealring", "verify", os.path.join(VECTORS, "message.tlog-proof"), "--anchor", anchor)
    refused(world, USAGE, ("--succession: counts only with --succession-key",), *verify, "--succession", note)
    refused(world, USAGE, ("--succession-key",), *verify, "--succession", note, "--succession-key", key[:-4])
    refused(world, USAGE, ("no/such: No such file",),
            *verify, "--succession", "no/such", "--succession-key", key)
    out, _ = world.run(*verify, "--json", "--succession", note, "--succession-key", key, code=0)
    closed = json.loads(out)["closed"]
    check(closed["follower"].startswith(origin.decode() + "~1+") and closed["size"] == 6, f"closed: {closed}")
    # The key of somebody else, and a file that is none, are said and end with another code.
    for file, other, words in ((note, vkey("collector.example/other", base64.b64decode(identity)), "binds nobody"),
                               (verify[2], key, "more than six lines"), (note, anchor.split()[0], "itself")):
        out, _ = world.run(*verify, "--succession", file, "--succession-key", other, code=UNPROVEN)
        check("is not followed" in out and words in out, f"{words}: {out}")


class Answering:
    """In the place of the daemon: everybody gets these bytes, and an end unless it is `silent`."""

    def __init__(self, path):
        self.answer, self.silent, self.kept = b"", False, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
                client.recv(4096)
                if self.silent:
                    self.kept.append(client)
                    continue
                with client:
                    client.sendall(self.answer)
            except OSError:  # it has heard enough; or this is over
                if self.listener.fileno() < 0:
                    return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def answers(world):
    """What is no daemon, at the daemon's socket."""
    folder = made(world, "gw")
    config = ("--config", folder + "/sealring.toml")
    there = world.closing(Answering(folder + "/sealring.sock"))
    commands = {"status": ("status",), "tail": ("tail",), "follow": ("tail", "-f"), "show": ("show", "0"),
                "prove": ("prove", "0", "-o", world.path("p"))}
    head = b'{"records":true,"origin":"o","first_index":0,"size":9}\n'
    for answer, names, words in (
            (b"HTTP/1.0 400 Bad Request\r\n", ("tail", "follow", "show", "prove"), "not one of sealringd"),
            (b"HTTP/1.0 400 Bad Request\r\n", ("status",), "not a status"),
            (b"x" * (2 << 20), commands, "an answer without end"),
            (b"", commands, "hung up without an answer"),
            (b'{"error":"the words of it","kind":"retry"}\n', commands, "the words of it"),
            (head, ("tail", "follow", "show"), "the daemon went away"),
            (head + bytes(9), ("tail", "follow", "show"), "the daemon went away"),
            (head + b"\xff" * 8 + b"\x00\x03abc", ("tail", "follow", "show"), "not one of sealringd")):
        there.answer = answer
        for name in names:
            refused(world, FAILED, (words,), "sealring", *commands[name], *config)
    check(not os.path.exists(world.path("p")), "nothing was written")
    there.silent = True
    refused(world, FAILED, ("sealring.sock: no answer in time",), "sealring", "status", *config)
    with open(folder + "/sealring.toml", encoding="utf-8") as f:
        text = f.read()
    check('socket = "sealring.sock"' in text, text)
    world.write("gw/sealring.toml", text.replace('socket = "sealring.sock"', f'socket = "{"s" * 120}"'))
    for name in ("status", "tail", "show", "prove"):
        refused(world, FAILED, ("the path is too long for a socket",), "sealring", *commands[name], *config)


def record_from(path, index):
    """The answer's first line, and the entries of the record at `index` as they came, without the end."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'{"get": "records", "from": %d, "count": 1}\n' % index)
        head, _, rest = b"".join(iter(lambda: s.recv(65536), b"")).partition(b"\n")
    entries = []
    while rest[:8] != b"\xff" * 8:
        end = 10 + int.from_bytes(rest[8:10], "big")
        entries.append(rest[:end])
        rest = rest[end:]
    return head + b"\n", entries


def torn(world):
    """Of a large message some parts are not here, as when the ring releases them in that moment: said, and nothing of
    it is taken for the payload. And a segment's file under another one's name."""
    broker, collector, gateway = world.enrol()
    config, path = ("--config", gateway.folder + "/sealring.toml"), gateway.folder + "/sealring.sock"
    for process in (broker, collector, gateway):
        process.start()
    gateway.wait_subscribed()
    device = world.closing(Publisher(broker.port, "device"))
    for number in range(2):
        device.publish("plant/large", b"%d" % number * 200000, 1)
        device.wait_acknowledged()
        gateway.wait_status(lambda s, n=number: s["segments"]["acknowledged"] > n, "its segment is receipted")
    out, _ = world.run("sealring", "tail", "--json", "--topic", "plant/large", *config)
    index = json.loads(out.splitlines()[0])["index"]
    head, entries = record_from(path, index)
    check(len(entries) > 2, f"a message in parts: {len(entries)}")
    world.run("sealring", "show", str(index), "--payload", world.path("whole"), *config)
    with open(world.path("whole"), "rb") as f:
        check(f.read() == b"0" * 200000, "the whole payload")
    gateway.stop()
    collector.stop()
    there = world.closing(Answering(path))
    there.answer = head + b"".join(entries[:2]) + b"\xff" * 8 + b"\x00\x0a" + b'{"end": 9}'
    refused(world, FAILED, ("parts of the payload are not here: nothing was written",),
            "sealring", "show", str(index), "--payload", world.path("torn"), *config)
    check(not os.path.exists(world.path("torn")), "nothing was written")
    text, _ = world.run("sealring", "show", str(index), *config)
    check(f"from {index} on; {len(entries) - 2} NOT HERE\n" in text and "(DOES NOT MATCH)" in text, text)
    shown = json.loads(world.run("sealring", "show", str(index), "--json", *config)[0])
    check(shown["parts"]["missing"] == len(entries) - 2 and shown["parts"]["count"] == len(entries), f"{shown}")
    segments = os.path.join(log_folder(collector.archive), "segments")
    first, second = sorted(os.listdir(segments))[:2]
    os.chmod(f"{segments}/{second}", 0o600)
    shutil.copy(f"{segments}/{first}", f"{segments}/{second}")
    where = int(second.split("-")[0])
    report = world.verify(collector.archive, code=20)
    check(any(second in one["where"] and "holds entries [0, " in one["what"] and "not those that its name says" in
              one["what"] for one in report["logs"][0]["findings"]), f"{report['logs'][0]['findings']}")
    for command in (("show", str(where)), ("tail",)):
        refused(world, FAILED, (second, "its bytes are of entries [0, ", "not of what its name says; run sealring"),
                "sealring", *command, "--from", collector.archive)


def group(world):
    """A socket that cannot be given to the group that is to have it: no socket, rather than one for nobody."""
    _, _, gateway = world.enrol()
    gateway.top["socket_group"] = "mail"
    gateway.configure()
    command = gateway.command
    if os.geteuid() == 0:  # without root's right to give anything to anybody
        gateway.command = ["setpriv", "--bounding-set=-chown", "--", *command]
    gateway.start(ready=False).wait_end(USAGE)
    line = gateway.lines()[-1]
    print("    " + line, flush=True)
    check(line.startswith("error: ") and f"socket {gateway.folder}/sealring.sock: cannot be given to the group mail: "
          "Operation not permitted; let the daemon's user be a member of it" in line, line)
    check(not os.path.exists(gateway.folder + "/sealring.sock"), "there is no socket")
    # Only the last folder is made: a misspelt path is no reason for a tree of them.
    gateway.top["socket"] = "no/such/sealring.sock"
    gateway.configure().start(ready=False).wait_end(USAGE)
    line = gateway.lines()[-1]
    check(f"cannot make {gateway.folder}/no/such for the socket: No such file or directory" in line, line)
    check(not os.path.exists(gateway.folder + "/no"), "nothing was made")


if __name__ == "__main__":
    main(("init", init), ("places", places), ("succession", succession), ("answers", answers), ("torn", torn),
         ("group", group))
