#!/usr/bin/python3
"""What the commands refuse, and that the words say what, where and what to do: those that no other test comes to."""
import hashlib
import os
import socket
import threading

from lib.world import ORIGIN, check, main

FAILED, USAGE = 1, 2


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


if __name__ == "__main__":
    main(("init", init), ("places", places), ("answers", answers))
