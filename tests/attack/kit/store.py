"""A gateway's store made anew on the disk, after storage/FORMAT.md: ring and journal with other entries of the same
lengths, and all roots, notes, frame headers and checksums to go with them. For logs of one bundle.

LMDB's own pages stay as they are: a value is found by its bytes, old ones included, and overwritten in its place.
"""
import hashlib
import os

from .forge import archive, bundle

CHUNK = 4080
STATE_MAGIC, RECORD_MAGIC = b"sealring/ring/v1\n", b"SRJ1"
HALVES = (4096, 4096 + (1 << 20), 4096 + (2 << 20))
HEADER = 120  # of a frame


def checksum(data):
    return hashlib.sha256(data).digest()[:16]


class Forgery:
    """`sign`: (epoch, checkpoint text) -> signature of a frame, by whatever key the forger has for it."""

    def __init__(self, folder, old, new, identity, sign):
        assert [len(e) for e in old.entries] == [len(e) for e in new.entries], "entries keep their lengths"
        self.folder, self.old, self.new, self.identity, self.sign = folder, old, new, identity, sign
        self.made = dict.fromkeys(("states", "segments", "chunks", "records"), 0)

    def write(self):
        for name, change in (("ring.lmdb", self.ring), ("journal", self.journal)):
            path = os.path.join(self.folder, name)
            with open(path, "rb") as f:
                data = bytearray(f.read())
            change(data)
            with open(path, "wb") as f:
                f.write(data)
        assert all(self.made.values()), f"something was not found in the store: {self.made}"

    def header(self, header):
        """A frame's header with the new root and a signature to it."""
        first, count = int.from_bytes(header[:8], "big"), int.from_bytes(header[8:12], "big")
        epoch, size = int.from_bytes(header[16:24], "big"), first + count
        return header[:24] + self.new.root(size) + self.sign(epoch, self.new.checkpoint(size))

    def everywhere(self, data, old, new, what):
        assert len(old) == len(new)
        at = data.find(old)
        while at >= 0:
            data[at:at + len(new)] = new
            self.made[what] += 1
            at = data.find(old, at + len(new))

    def ring(self, data):
        sizes = self.states(data)
        for end in self.old.cuts():
            self.segment(data, end)
        for size in sizes:  # the last chunk of a bundle grows: it has had all these contents
            old, new = bundle(self.old.entries[:size]), bundle(self.new.entries[:size])
            for at in range(0, len(old), CHUNK):
                self.everywhere(data, old[at:at + CHUNK], new[at:at + CHUNK], "chunks")

    def states(self, data):
        """The sizes that the ring has had, largest first."""
        sizes, at = set(), data.find(STATE_MAGIC)
        while at >= 0:
            header = at + len(STATE_MAGIC) + 2 + len(self.old.origin) + 9
            size = int.from_bytes(data[header + HEADER + 24:header + HEADER + 32], "big")
            hashes = header + HEADER + 32
            end = hashes + 32 * bin(size).count("1")
            if bytes(data[end:end + 16]) == checksum(data[at:end]):
                tree = archive.CompactRange()
                for leaf in self.new.leaves(size):
                    tree.append(leaf)
                data[header:header + HEADER] = self.header(bytes(data[header:header + HEADER]))
                data[hashes:end] = b"".join(tree.hashes)
                data[end:end + 16] = checksum(data[at:end])
                sizes.add(size)
                self.made["states"] += 1
            at = data.find(STATE_MAGIC, at + 1)
        return sorted(sizes, reverse=True)

    def segment(self, data, end):
        old, new = self.old.note(end, self.identity), self.new.note(end, self.identity)
        at = data.find(old)
        while at >= 0:
            data[at:at + len(new)] = new
            data[at + len(new):at + len(new) + 16] = checksum(data[at - 37:at + len(new)])
            self.made["segments"] += 1
            at = data.find(old, at + len(new))

    def journal(self, data):
        salt = bytes(data[20 + 4 + 32:20 + 4 + 32 + 16])
        for half, end in zip(HALVES, HALVES[1:]):
            at = half
            while at < end and data[at:at + 4] == RECORD_MAGIC:
                length = int.from_bytes(data[at + 8:at + 12], "big")
                body = at + 36
                header = bytes(data[body:body + HEADER])
                first, count = int.from_bytes(header[:8], "big"), int.from_bytes(header[8:12], "big")
                if length > HEADER:
                    data[body + HEADER:body + length] = bundle(self.new.entries[first:first + count])
                data[body:body + HEADER] = self.header(header)
                data[at + 20:at + 36] = checksum(salt + data[at:at + 20] + data[body:body + length])
                self.made["records"] += 1
                at += -(-(36 + length) // 512) * 512
