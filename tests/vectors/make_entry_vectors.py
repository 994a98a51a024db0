#!/usr/bin/python3
"""Writes entry-*.hex: entries, a frame, a segment and a proof's evidence of one small log, by an implementation of
storage/FORMAT.md that shares nothing with the C++ one. Annotated hex: what follows a '#' is for people. The proof as a
whole is text: message.tlog-proof; so is the statement of a rotation: rotation.note. Needs python3-cryptography.

Usage: make_entry_vectors.py [FOLDER]    (default: the folder of this file)
"""
import base64
import hashlib
import os
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "example.com/site7/gw-0042"
WALL = 1767323045678901234  # 2026-01-02T03:04:05.678901234Z


# --- deterministic CBOR ---

def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def cbor(v):
    if isinstance(v, bool) or v is None:
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[v]
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    items = sorted((cbor(k), cbor(x)) for k, x in v.items())
    return head(5, len(items)) + b"".join(k + x for k, x in items)


# --- tree, notes, keys ---

def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def root_of(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + root_of(hashes[:k]) + root_of(hashes[k:])).digest()


def path_of(m, hashes):
    """RFC 6962 2.1.1: from the leaf's sibling to the root's child."""
    if len(hashes) == 1:
        return []
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m < k:
        return path_of(m, hashes[:k]) + [root_of(hashes[k:])]
    return path_of(m - k, hashes[k:]) + [root_of(hashes[:k])]


def b64(b):
    return base64.b64encode(b).decode()


def key(seed_byte):
    return Ed25519PrivateKey.from_private_bytes(bytes([seed_byte]) * 32)


def public(k):
    return k.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def checkpoint(entries):
    return f"{ORIGIN}\n{len(entries)}\n{b64(root_of([leaf(e) for e in entries]))}\n"


def key_id(name, signer):
    return hashlib.sha256(name.encode() + b"\n\x01" + public(signer)).digest()[:4]


def vkey(name, signer):
    return f"{name}+{key_id(name, signer).hex()}+{b64(bytes([1]) + public(signer))}"


def note_line(text, signer, name=ORIGIN):
    return f"\u2014 {name} {b64(key_id(name, signer) + signer.sign(text.encode()))}\n"


def note(entries, signer):
    text = checkpoint(entries)
    return f"{text}\n{note_line(text, signer)}".encode()


# --- annotated hex ---

def rows(data, indent, words):
    """16 bytes a row; the words stand beside the first."""
    for i in range(0, max(len(data), 1), 16):
        text = " " * indent + data[i:i + 16].hex(" ")
        yield f"{text:<51} # {words}" if i == 0 else text


def show(v):
    if isinstance(v, bytes):
        if v and all(32 <= c < 127 for c in v):
            return f'"{v.decode()}" as bytes'
        return f"{len(v)} bytes"
    text = f'"{v}"' if isinstance(v, str) else str(v)
    return text if len(text) < 60 else text[:44] + "..."


def annotate(entry_map, names):
    yield from rows(head(5, len(entry_map)), 0, f"map of {len(entry_map)}")
    for k in sorted(entry_map):
        v = entry_map[k]
        if isinstance(v, (bytes, str)) and len(v) > 12:
            content = v.encode() if isinstance(v, str) else v
            yield from rows(cbor(k) + cbor(v)[:-len(content)], 2, f"{k} {names.get(k, '')}: {show(v)}")
            for i in range(0, len(content), 16):
                yield " " * 4 + content[i:i + 16].hex(" ")
        elif isinstance(v, list) and isinstance(v[0], bytes):
            yield from rows(cbor(k) + head(4, len(v)), 2, f"{k} {names.get(k, '')}: {len(v)} of {len(v[0])} bytes")
            for item in v:
                for i in range(0, len(cbor(item)), 16):
                    yield " " * 4 + cbor(item)[i:i + 16].hex(" ")
        else:
            yield from rows(cbor(k) + cbor(v), 2, f"{k} {names.get(k, '')}: {show(v)}")


COMMON = {0: "version", 1: "kind", 2: "wall clock", 3: "clock state", 4: "boot", 5: "boottime", 6: "connection",
          7: "received"}
NAMES = {
    0: {16: "origin", 17: "identity", 18: "epoch key", 19: "software"},
    1: {16: "salt", 17: "topic", 18: "flags", 19: "payload", 20: "packet id", 21: "properties", 22: "source",
        23: "assurance", 24: "parts", 25: "possible duplicate of"},
    2: {16: "salt", 17: "first", 18: "number", 19: "payload"},
    3: {16: "code", 17: "details"},
    4: {16: "epoch", 17: "size", 18: "root", 19: "next key", 20: "signature by old", 21: "signature by next"},
    5: {16: "epoch", 17: "size", 18: "root", 19: "next key", 21: "signature by next", 22: "receipted"},
    6: {16: "old key", 17: "new key", 18: "signature by old", 19: "signature by new"},
    7: {16: "origin", 17: "size", 18: "root", 19: "old key", 20: "signature by old"},
    8: {16: "note"},
    9: {16: "start", 17: "end", 18: "hashes", 19: "messages", 20: "first wall clock", 21: "last wall clock",
        22: "reason"},
    10: {16: "index", 17: "length", 18: "offset", 19: "bytes"},
}


def common(kind, seconds, connection=0, received=0, boot=1):
    m = {0: 1, 1: kind, 2: WALL + seconds * 10**9, 3: 1, 4: boot, 5: (90 + seconds) * 10**9}
    if connection:
        m[6] = connection
    if received:
        m[7] = received
    return m


def statement(old, new):
    """Of a rotation: the note, as it lies in the store and in a proof."""
    text = f"sealring/rotation/v1\n{ORIGIN}\n{b64(public(old))}\n{b64(public(new))}\n"
    return (text + "\n" + "".join(note_line(text, k) for k in (old, new))).encode()


def rotation(old, new):
    """What stands in a log, beside the example, where another key becomes its identity."""
    text = f"sealring/rotation/v1\n{ORIGIN}\n{b64(public(old))}\n{b64(public(new))}\n".encode()
    return {**common(6, 4), 16: public(old), 17: public(new), 18: old.sign(text), 19: new.sign(text)}


def write_succession(folder, write_entry, log, identity):
    """What would follow the example if its store were an old copy: another log's entries 0 to 2, and the note."""
    name, follower, epoch, collector = ORIGIN + "~1", key(5), key(6), key(7)
    genesis = write_entry("follower", {**common(0, 10, boot=0), 16: name, 17: public(follower), 18: public(epoch),
                                       19: "sealring 0.1.0"})
    text = f"sealring/succession/v1\n{checkpoint(log)}{vkey(name, follower)}\n{b64(leaf(genesis))}\n"
    root = root_of([leaf(e) for e in log])
    write_entry("succession", {**common(7, 11), 16: ORIGIN, 17: len(log), 18: root, 19: public(identity),
                               20: identity.sign(text.encode())})
    write_entry("carried", {**common(10, 11), 16: 3, 17: len(log[3]), 19: log[3]})
    write_entry("piece", {**common(10, 11), 16: 3, 17: len(log[3]), 18: len(log[3]) - 4, 19: log[3][-4:]})
    with open(os.path.join(folder, "succession.note"), "wb") as f:
        f.write((text + "\n" + note_line(text, identity) +
                 note_line(text, collector, "collector.example/succession")).encode())


def write_proof(folder, write, log, index, signed):
    """Of log[index] in the tree that `signed` is the checkpoint of."""
    leaves = [leaf(e) for e in log]
    first = path_of(0, leaves)
    evidence = [(b"sealring/evidence/v1\n", "magic"), (len(log[index]).to_bytes(2, "big"), f"length of entry {index}"),
                (log[index], f"entry {index}"), (len(log[0]).to_bytes(2, "big"), "length of entry 0"),
                (log[0], "entry 0"), (bytes([len(first)]), "hashes of the path of entry 0")]
    evidence += [(h, words) for h, words in zip(first, ["of [1, 2)", "of [2, 4)", "of [4, 5)"])]
    write("evidence", [line for data, words in evidence for line in rows(data, 0, words)])
    lines = ["c2sp.org/tlog-proof@v1", f"extra {b64(b''.join(data for data, _ in evidence))}", f"index {index}"]
    lines += [b64(h) for h in path_of(index, leaves)] + [""]
    with open(os.path.join(folder, "message.tlog-proof"), "wb") as f:
        f.write("\n".join(lines).encode() + b"\n" + signed)


def write_loss(write_entry):
    """Of the bundles 3 to 5 of a log whose entry i has the bytes of the number i: two complete subtrees."""
    leaves = [leaf(str(i).encode()) for i in range(256 * 6)]
    write_entry("loss", {**common(9, 1700), 16: 768, 17: 1536,
                         18: [root_of(leaves[768:1024]), root_of(leaves[1024:1536])],
                         19: 760, 20: WALL - 3600 * 10**9, 21: WALL - 1800 * 10**9})
    write_entry("loss-damaged", {**common(9, 1710), 16: 256, 17: 512, 18: [root_of(leaves[256:512])],
                                 19: 256, 20: WALL - 1700 * 10**9, 21: WALL - 1690 * 10**9, 22: 1})


def range_of(hashes):
    """Of the compact range: the complete subtrees, largest first."""
    out = []
    while hashes:
        k = 1 << (len(hashes).bit_length() - 1)
        out.append(root_of(hashes[:k]))
        hashes = hashes[k:]
    return out


def write_segment_loss(write, identity):
    """The segment [300, 800) of that other log, whose bundle [512, 768) was dropped; the loss entry is 805, the last of the
    tree of the hole's checkpoint."""
    entries = [str(i).encode() for i in range(805)]
    leaves = [leaf(e) for e in entries]
    bundle = root_of(leaves[512:768])
    entries.append(cbor({**common(9, 900), 16: 512, 17: 768, 18: [bundle], 19: 256, 20: WALL, 21: WALL + 10**9}))
    leaves.append(leaf(entries[805]))
    sealed, later, before = note(entries[:800], identity), note(entries, identity), range_of(leaves[:300])
    path = path_of(805, leaves)
    pieces = [(b"sealring/segment/v2\n", "magic"), ((300).to_bytes(8, "big"), "start"), ((800).to_bytes(8, "big"), "end"),
              (bytes([len(before)]), "hashes of the range before start")] + [(h, "") for h in before]
    pieces += [(len(sealed).to_bytes(4, "big"), "length of the note"), (sealed, "note: checkpoint of size 800"),
               ((1).to_bytes(2, "big"), "holes"), ((512).to_bytes(8, "big"), "from"),
               (len(entries[805]).to_bytes(2, "big"), "length of the loss entry"), (entries[805], "loss entry"),
               ((805).to_bytes(8, "big"), "its index"), (len(later).to_bytes(4, "big"), "length of the note"),
               (later, "note: checkpoint of size 806"), (bytes([len(path)]), "hashes of the inclusion proof")]
    pieces += [(h, "") for h in path] + [(bundle, "bundle [512, 768)")]
    for i in [*range(300, 512), *range(768, 800)]:
        pieces += [(len(entries[i]).to_bytes(2, "big") + entries[i], f"entry {i}")]
    write("segment-loss", [line for data, words in pieces for line in rows(data, 0, words)])


def write_others(write, write_entry, identity, salt):
    write_loss(write_entry)
    write_segment_loss(write, identity)
    write_entry("part", {**common(2, 3, 2, 1), 16: salt, 17: 1, 18: 1, 19: b"\xff"})
    write_entry("unknown", {**common(11, 6), 8: 0, 16: [5, {"b": None, "aa": True, -1: False}], 65536: {}})


def main(folder):
    def write(name, lines):
        with open(os.path.join(folder, f"entry-{name}.hex"), "w", encoding="utf-8") as f:
            f.write("\n".join(line.rstrip() for line in lines) + "\n")

    def write_entry(name, m):
        lines = list(annotate(m, {**COMMON, **NAMES.get(m[1], {})}))
        data = bytes.fromhex("".join(line.split("#")[0] for line in lines))
        assert data == cbor(m), name
        write(name, lines)
        return data

    identity, epoch0, epoch1 = key(1), key(2), key(3)
    salt = bytes(range(0xa0, 0xb0))
    log = [write_entry("genesis", {**common(0, 0, boot=0), 16: ORIGIN, 17: public(identity), 18: public(epoch0),
                                   19: "sealring 0.1.0"}),
           write_entry("start", {**common(3, 1), 16: 0}),
           write_entry("connected", {**common(3, 2), 16: 2,
                                     17: {"protocol": 5, "session": "new", "client": "sealring-gw-0042"}}),
           write_entry("message", {**common(1, 3, 2, 1), 16: salt, 17: b"plant/line1/temp", 18: 0b0010, 19: b"21.0",
                                   20: 7, 21: [[3, b"text/plain"]]})]
    frame_first = 3
    text = checkpoint(log)
    frame = [(frame_first.to_bytes(8, "big"), "first index"), ((1).to_bytes(4, "big"), "count"),
             ((2 + len(log[3])).to_bytes(4, "big"), "bytes of entries"), ((0).to_bytes(8, "big"), "epoch"),
             (root_of([leaf(e) for e in log]), "root of size 4"), (epoch0.sign(text.encode()), "signature by the epoch"),
             (len(log[3]).to_bytes(2, "big"), "length of entry 3"), (log[3], "entry 3, as above")]
    write("frame", [line for data, words in frame for line in rows(data, 0, words)])

    root = root_of([leaf(e) for e in log])
    handover = (f"sealring/handover/v1\n{ORIGIN}\n0\n{len(log)}\n{b64(root)}\n{b64(public(epoch1))}\n").encode()
    log.append(write_entry("handover", {**common(4, 4), 16: 0, 17: len(log), 18: root, 19: public(epoch1),
                                        20: epoch0.sign(handover), 21: epoch1.sign(handover)}))
    sealed = note(log, identity)
    segment = [(b"sealring/segment/v1\n", "magic"), ((0).to_bytes(8, "big"), "start"),
               (len(log).to_bytes(8, "big"), "end"), (b"\0", "hashes of the range before start"),
               (len(sealed).to_bytes(4, "big"), "length of the note"), (sealed, "note: checkpoint of size 5")]
    for i, e in enumerate(log):
        segment += [(len(e).to_bytes(2, "big"), f"length of entry {i}"), (e, f"entry {i}")]
    write("segment", [line for data, words in segment for line in rows(data, 0, words)])

    write_proof(folder, write, log, 3, sealed)

    # The second segment, of one entry, has a range before it: the receipt of the first.
    before = [root_of([leaf(e) for e in log[:4]]), leaf(log[4])]
    log.append(write_entry("receipt", {**common(8, 5), 16: sealed}))
    sealed = note(log, identity)
    segment = [(b"sealring/segment/v1\n", "magic"), ((5).to_bytes(8, "big"), "start"), ((6).to_bytes(8, "big"), "end"),
               (b"\2", "hashes of the range before start"), (before[0], "of [0, 4)"), (before[1], "of [4, 5)"),
               (len(sealed).to_bytes(4, "big"), "length of the note"), (sealed, "note: checkpoint of size 6"),
               (len(log[5]).to_bytes(2, "big"), "length of entry 5"), (log[5], "entry 5")]
    write("segment-5", [line for data, words in segment for line in rows(data, 0, words)])

    # Beside the log: what would stand in the place of the handover if the key of epoch 0 were lost.
    lost = f"sealring/break/v1\n{ORIGIN}\n0\n4\n{b64(root)}\n{b64(public(epoch1))}\n0\n".encode()
    write_entry("break", {**common(5, 4), 16: 0, 17: 4, 18: root, 19: public(epoch1), 21: epoch1.sign(lost), 22: 0})

    write_entry("rotation", rotation(identity, key(4)))
    with open(os.path.join(folder, "rotation.note"), "wb") as f:
        f.write(statement(identity, key(4)))

    write_succession(folder, write_entry, log, identity)
    # Every optional key, extremes, and a kind that version 1 does not know.
    write_entry("full", {0: 1, 1: 1, 2: -2**63, 3: 0, 4: 2**64 - 1, 5: 2**64 - 1, 6: 2**64 - 1, 7: 2**64 - 1,
                         16: bytes(16), 17: b"", 18: 0b1101, 19: b"\xff" * 300, 20: 65535,
                         21: [[1, 1], [2, 2**32 - 1], [35, 65535], [11, 268435455], [9, b""], [8, b"\xc3"],
                              [38, b"k", b""], [38, b"k", b"v" * 24]],
                         22: b"t7", 23: 3, 24: [301, 2, hashlib.sha256(b"\xff" * 301).digest()], 25: 1})
    write_others(write, write_entry, identity, salt)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
