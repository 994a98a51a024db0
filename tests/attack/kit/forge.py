"""A log re-made by somebody who has keys: what was changed, and then every hash and every signature that those keys can
make. After storage/FORMAT.md, by the code that writes the test vectors and the one that reads archives; nothing of ours
in C++ is asked."""
import os
import shutil
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TESTS, "system"), os.path.join(TESTS, "vectors")]

import archive  # noqa: E402
import make_entry_vectors as vectors  # noqa: E402

GENESIS, MESSAGE, EVENT, HANDOVER, BREAK, RECEIPT = 0, 1, 3, 4, 5, 8
HEARTBEAT = 7


class Key:
    """An Ed25519 key in somebody's hand."""

    def __init__(self, seed=None):
        seed = os.urandom(32) if seed is None else seed
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = vectors.public(self.private)

    def sign(self, text):
        return self.private.sign(text if isinstance(text, bytes) else text.encode())


def note_line(name, key, text):
    key_id = archive.hashlib.sha256(name.encode() + b"\n\x01" + key.public).digest()[:4]
    return f"\u2014 {name} {vectors.b64(key_id + key.sign(text))}\n"


def vkey(name, key):
    key_id = archive.hashlib.sha256(name.encode() + b"\n\x01" + key.public).hexdigest()[:8]
    return f"{name}+{key_id}+{vectors.b64(bytes([1]) + key.public)}"


def cosignature_line(name, key, text, time):
    """C2SP tlog-cosignature."""
    key_id = archive.hashlib.sha256(name.encode() + b"\n\x04" + key.public).digest()[:4]
    signature = key.sign(f"cosignature/v1\ntime {time}\n{text}")
    return f"\u2014 {name} {vectors.b64(key_id + time.to_bytes(8, 'big') + signature)}\n"


def consistency(old, leaves):
    """RFC 6962 2.1.2: PROOF(old, D[0:len(leaves)])."""
    def sub(m, hashes, whole):
        n = len(hashes)
        if m == n:
            return [] if whole else [vectors.root_of(hashes)]
        k = 1
        while 2 * k < n:
            k *= 2
        if m <= k:
            return sub(m, hashes[:k], whole) + [vectors.root_of(hashes[k:])]
        return sub(m - k, hashes[k:], False) + [vectors.root_of(hashes[:k])]
    return sub(old, leaves, True) if 0 < old < len(leaves) else []


class History:
    """Entries of one log, in order, with the tree over them. Changing one changes nothing else: see rechain()."""

    def __init__(self, origin, entries):
        self.origin, self.entries = origin, list(entries)

    def copy(self):
        return History(self.origin, self.entries)

    def fields(self, index):
        return archive.decode_cbor(self.entries[index])

    def put(self, index, **changes):
        """Changes keys of one entry: put(7, k19=b"payload")."""
        fields = self.fields(index)
        fields.update({int(key[1:]): value for key, value in changes.items()})
        self.entries[index] = vectors.cbor(fields)

    def indices(self, kind):
        return [i for i in range(len(self.entries)) if self.fields(i)[1] == kind]

    def cuts(self):
        """The sizes at which segments end."""
        return [i + 1 for i in range(len(self.entries)) if self.fields(i)[1] in (HANDOVER, BREAK)]

    def sealed(self):
        """As far as segments are closed."""
        return History(self.origin, self.entries[:self.cuts()[-1]])

    def leaves(self, size):
        return [archive.leaf_hash(entry) for entry in self.entries[:size]]

    def root(self, size):
        return vectors.root_of(self.leaves(size))

    def checkpoint(self, size):
        return f"{self.origin}\n{size}\n{vectors.b64(self.root(size))}\n"

    def note(self, size, identity, name=None):
        text = self.checkpoint(size)
        return (text + "\n" + note_line(name or self.origin, identity, text)).encode()

    def proof(self, old, size):
        return consistency(old, self.leaves(size))

    # --- entries that only keys can make ---

    def handover(self, index, epoch, old, following):
        """At `index`, in the form of the entry that is there."""
        fields = {k: v for k, v in self.fields(index).items() if k < 16}
        root = self.root(index)
        text = "\n".join(["sealring/handover/v1", self.origin, str(epoch), str(index), vectors.b64(root),
                          vectors.b64(following.public), ""])
        fields.update({1: HANDOVER, 16: epoch, 17: index, 18: root, 19: following.public, 20: old.sign(text),
                       21: following.sign(text)})
        self.entries[index] = vectors.cbor(fields)

    def key_break(self, index, epoch, following, receipted=0):
        fields = {k: v for k, v in self.fields(index).items() if k < 16}
        root = self.root(index)
        text = "\n".join(["sealring/break/v1", self.origin, str(epoch), str(index), vectors.b64(root),
                          vectors.b64(following.public), str(receipted), ""])
        fields.update({1: BREAK, 16: epoch, 17: index, 18: root, 19: following.public, 21: following.sign(text),
                       22: receipted})
        self.entries[index] = vectors.cbor(fields)

    def heartbeat(self, index):
        """In the place of any other entry: what says nothing contradicts nothing."""
        fields = {k: v for k, v in self.fields(index).items() if k < 6}
        self.entries[index] = vectors.cbor({**fields, 1: EVENT, 16: HEARTBEAT})

    def rechain(self, index, old, begins=None, by_break=False):
        """All that speaks of entry `index` is made anew. The first handover behind it is signed by `old`, in the place
        of a key that is gone, to the key `begins`; from there on the forger has all keys, which are new. Receipts that
        speak of what was there before go: the forger cannot make them."""
        done = False
        for i in range(index, len(self.entries)):
            fields = self.fields(i)
            if fields[1] == RECEIPT:
                self.heartbeat(i)
            if fields[1] not in (HANDOVER, BREAK):
                continue
            following = begins if begins and not done else Key()
            if by_break and not done:
                self.key_break(i, fields[16], following)
            else:
                self.handover(i, fields[16], old, following)
            old, done = following, True
        return self

    # --- as an archive ---

    def segment(self, start, end, identity):
        """`identity`: the key, or the note as bytes."""
        before = archive.CompactRange()
        for leaf in self.leaves(start):
            before.append(leaf)
        note = identity if isinstance(identity, bytes) else self.note(end, identity)
        head = archive.MAGIC + start.to_bytes(8, "big") + end.to_bytes(8, "big") + bytes([len(before.hashes)])
        return (head + b"".join(before.hashes) + len(note).to_bytes(4, "big") + note + bundle(self.entries[start:end]))

    def write(self, folder, identity, cuts=None):
        """Its segments in a log's folder of an archive, in the place of those that were there."""
        segments = os.path.join(folder, "segments")
        shutil.rmtree(segments, ignore_errors=True)
        os.makedirs(segments)
        start = 0
        for end in cuts or self.cuts():
            with open(os.path.join(segments, f"{start:020}-{end:020}.seg"), "wb") as f:
                f.write(self.segment(start, end, identity))
            start = end


def bundle(entries):
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
