#!/usr/bin/python3
"""The identity key on a token, a real one of Debian's SoftHSM. Root at T uses it as long as it is there, and gets as
far as with a key in a file; whoever has only the gateway's disk has no identity key.
"""
import base64
import os
import subprocess

from kit.forge import Key
from kit.offer import Refused, offer
from kit.scene import TAMPERED, Scene, rewritten

from lib.softhsm import LIBRARY, Token
from lib.world import ORIGIN, check, check_equal, main


class TokenKey:
    """A key that signs and is not to be had, by somebody else's tool; with the pin from the gateway's own file."""

    def __init__(self, world, token):
        self.world, self.token = world, token
        self.public = base64.b64decode(world.vkey.split("+", 2)[2])[1:]
        with open(token.pin_file, encoding="ascii") as f:
            self.pin = f.read().strip()

    def sign(self, text):
        text = text if isinstance(text, bytes) else text.encode()
        done = subprocess.run(
            ["pkcs11-tool", "--module", LIBRARY, "--token-label", self.token.label, "--login", "--pin", "env:A_PIN",
             "--sign", "--mechanism", "EDDSA", "--label", "identity", "--input-file", self.world.write("to-sign", text),
             "--output-file", self.world.path("signature")], capture_output=True, check=False, timeout=60,
            env={**os.environ, "A_PIN": self.pin})
        check(done.returncode == 0, f"pkcs11-tool: {done.stderr.decode()}")
        with open(self.world.path("signature"), "rb") as f:
            return f.read()


def scene_with_token(world):
    token = Token(world)
    world.run("sealring", "key", "generate", token.uri(), ORIGIN)
    return Scene(world, segments=3, identity=token.uri()), token


def used(world):
    """Root at T has the token sign what it likes. History from before T needs the epoch keys of then all the same."""
    scene, token = scene_with_token(world)
    scene.gateway.kill()
    scene.loot.identity = TokenKey(world, token)
    scene.honest_archive()
    forged, index = rewritten(scene.honest, 1)
    scene.three_ways(forged.rechain(index, scene.loot.epoch_key), "signed", "epoch that ends does not hold",
               "entries of that epoch were changed, or made without its key")


def left_behind(world):
    """The disk without the token: there is no identity key on it, and without one nothing counts."""
    scene, token = scene_with_token(world)
    scene.gateway.kill()
    scene.loot.identity = TokenKey(world, token)
    honest = scene.honest_archive()
    for folder, _, names in os.walk(scene.gateway.folder):
        for path in filter(os.path.isfile, (os.path.join(folder, name) for name in names)):
            with open(path, "rb") as f:
                check(b"PRIVATE+KEY+" not in f.read(), f"{path} has a private key")
    check(not os.path.exists(scene.gateway.folder + "/identity.key"), "there is a key file")

    own = Key()
    longer = scene.loot.history.copy()  # the epoch that runs could be ended, had one the identity key
    longer.entries.append(longer.entries[-1])
    longer.handover(len(longer.entries) - 1, scene.segments, scene.loot.epoch_key, Key())
    path = scene.in_place(longer, "longer", identity=own)
    scene.condemned(path, TAMPERED, "checkpoint", "has no signature by the identity key " + world.vkey)
    scene.knowing_collector("knowing")
    try:
        offer(scene.client(), longer, own)
        check(False, "the collector took a checkpoint of another key")
    except Refused as refused:
        check_equal(refused.status, 403, str(refused))
        check("has no signature of " + world.vkey in str(refused), str(refused))
    print("    " + scene.collector.wait_said("refused a checkpoint from", "has no signature of"), flush=True)
    world.verify(honest)


if __name__ == "__main__":
    main(("used", used), ("left_behind", left_behind))
