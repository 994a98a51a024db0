#!/usr/bin/python3
"""A second, independent reader of an archive: storage/FORMAT.md in Python, with nothing but the standard library.

It recomputes every leaf hash and the root of every segment, compares them with the checkpoint beside, checks that the
segments follow one another without a gap, and gives back the messages. Of entries that were dropped unsent it takes the
hashes of their bundles, and keeps which they are beside what the loss entries say. Signatures are not its business:
`sealring verify` checks those.

    archive.py ARCHIVE          prints, per log and topic, how many messages there are, and the root
"""
import base64
import hashlib
import os
import re
import struct
import sys
from dataclasses import dataclass, field

MAGIC = b"sealring/segment/v1\n"
MAGIC_HOLES = b"sealring/segment/v2\n"
BUNDLE = 256
SEGMENT_NAME = re.compile(r"(\d{20})-(\d{20})\.seg")
KINDS = {0: "genesis", 1: "message", 2: "part", 3: "event", 4: "handover", 7: "succession", 8: "receipt",
         9: "loss", 10: "carried"}


class Malformed(Exception):
    """What is wrong and where."""


@dataclass
class Message:
    index: int
    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int = 0
    properties: list = field(default_factory=list)
    duplicate_of: int = 0


@dataclass
class Log:
    origin: str
    size: int
    root: bytes
    segments: int
    messages: list
    kinds: dict  # name -> how many
    events: dict  # code -> how many


# --- CBOR (RFC 8949), the deterministic subset of FORMAT.md -----------------------------------------------------------


def decode_cbor(data):
    value, end = _item(data, 0)
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes after the map")
    return value


def _head(data, at):
    if at >= len(data):
        raise Malformed(f"cut off at offset {at}")
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if low < 24:
        return major, low, at
    if low > 27:
        raise Malformed(f"indefinite or reserved length at offset {at - 1}")
    width = 1 << (low - 24)
    raw = data[at : at + width]
    if len(raw) != width:
        raise Malformed(f"cut off at offset {at}")
    number = int.from_bytes(raw, "big")
    if number < (24 if width == 1 else 1 << (4 * width)):
        raise Malformed(f"number not in its shortest form at offset {at - 1}")
    return major, number, at + width


def _item(data, at):
    major, number, at = _head(data, at)
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        raw = data[at : at + number]
        if len(raw) != number:
            raise Malformed(f"string cut off at offset {at}")
        return (raw if major == 2 else raw.decode("utf-8")), at + number
    if major == 4:
        items = []
        for _ in range(number):
            value, at = _item(data, at)
            items.append(value)
        return items, at
    if major == 5:
        return _map(data, at, number)
    if major == 7 and number in (20, 21, 22):
        return {20: False, 21: True, 22: None}[number], at
    raise Malformed(f"major type {major} at offset {at}")


def _map(data, at, count):
    result, before = {}, b""
    for _ in range(count):
        start = at
        key, at = _item(data, at)
        # RFC 8949's order: by encoded bytes, which puts shorter keys of one type first.
        if data[start:at] <= before:
            raise Malformed(f"map key out of order at offset {start}")
        before = data[start:at]
        result[key], at = _item(data, at)
    return result, at


# --- the tree (RFC 6962) ----------------------------------------------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class CompactRange:
    """The hashes of the complete subtrees, largest first; as many as there are bits set in the size."""

    def __init__(self):
        self.size = 0
        self.hashes = []

    def append(self, leaf):
        size = self.size
        while size & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            size >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def append_bundle(self, node):
        assert self.size % BUNDLE == 0
        size = self.size // BUNDLE
        while size & 1:
            node = node_hash(self.hashes.pop(), node)
            size >>= 1
        self.hashes.append(node)
        self.size += BUNDLE

    def root(self):
        if not self.hashes:
            return hashlib.sha256(b"").digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


# --- segment files ----------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data, name):
        self.data, self.name, self.at = data, name, 0

    def take(self, count):
        raw = self.data[self.at : self.at + count]
        if len(raw) != count:
            raise Malformed(f"{self.name}: cut off at offset {self.at}")
        self.at += count
        return raw

    def number(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]


@dataclass
class Segment:
    name: str
    start: int
    end: int
    range_before: list
    note: bytes
    entries: list  # those that are not in holes
    holes: list


@dataclass
class Hole:
    start: int  # of the range that was dropped
    end: int
    first: int  # that is not here
    loss_entry: bytes
    loss_index: int
    bundles: list


def read_hole(reader):
    first = reader.number(">Q")
    entry = reader.take(reader.number(">H"))
    index = reader.number(">Q")
    reader.take(reader.number(">I"))  # a note with signatures, and a proof: `sealring verify` checks those
    reader.take(32 * reader.number(">B"))
    fields = decode_cbor(entry)
    if fields[1] != 9 or fields[16] % BUNDLE or fields[17] % BUNDLE or not fields[16] <= first < fields[17] <= index:
        raise Malformed(f"{reader.name}: a hole at {first} whose loss entry does not fit")
    bundles = [reader.take(32) for _ in range((fields[17] - fields[16]) // BUNDLE)]
    return Hole(fields[16], fields[17], first, entry, index, bundles)


def read_segment(path):
    name = os.path.basename(path)
    with open(path, "rb") as file:
        reader = Reader(file.read(), name)
    magic = reader.take(len(MAGIC))
    if magic not in (MAGIC, MAGIC_HOLES):
        raise Malformed(f"{name}: is not a segment file of version 1 or 2")
    start, end = reader.number(">Q"), reader.number(">Q")
    if start >= end:
        raise Malformed(f"{name}: start {start} is not below end {end}")
    range_before = [reader.take(32) for _ in range(reader.number(">B"))]
    note = reader.take(reader.number(">I"))
    holes = [read_hole(reader) for _ in range(reader.number(">H"))] if magic == MAGIC_HOLES else []
    lost = sum(hole.end - hole.first for hole in holes)
    entries = [reader.take(reader.number(">H")) for _ in range(end - start - lost)]
    if reader.at != len(reader.data):
        raise Malformed(f"{name}: {len(reader.data) - reader.at} bytes after the last entry")
    return Segment(name, start, end, range_before, note, entries, holes)


def checkpoint_of(note, name):
    """(origin, size, root) of a signed checkpoint; its signatures are not checked."""
    text, gap, _signatures = note.partition(b"\n\n")
    lines = text.split(b"\n")
    if not gap or len(lines) != 3 or not re.fullmatch(rb"0|[1-9][0-9]*", lines[1]):
        raise Malformed(f"{name}: its note is not a checkpoint")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        root = b""
    if len(root) != 32 or base64.b64encode(root) != lines[2]:
        raise Malformed(f"{name}: the root in its note is not the base64 of a hash")
    return lines[0].decode("utf-8", "backslashreplace"), int(lines[1]), root


# --- logs -------------------------------------------------------------------------------------------------------------


class LogReader:
    """Takes segments in order. Large messages are put together from their parts."""

    def __init__(self):
        self.range = CompactRange()
        self.messages, self.kinds, self.events = [], {}, {}
        self.carried = {}  # index in the log before -> entry
        self.follows = None  # (origin, size, root) of that log
        self.segments = 0
        self.origin = None
        self.losses = {}  # index of a loss entry -> its fields
        self.holes = []  # as the segments have them
        self._after_hole = False  # and only parts since, of a message that began in it
        self._open = None  # (message, parts still to come, total, hash) of a large message

    def add_segment(self, segment):
        if segment.start != self.range.size:
            raise Malformed(f"{segment.name}: expected to start at entry {self.range.size}: a segment is missing")
        if segment.range_before != self.range.hashes:
            raise Malformed(f"{segment.name}: the hashes of what is before it are not those of the entries before")
        entries, holes = iter(segment.entries), iter(segment.holes)
        hole = next(holes, None)
        while self.range.size < segment.end:
            if hole and hole.first == self.range.size:
                self._add_hole(hole)
                hole = next(holes, None)
            else:
                self._add_entry(next(entries), segment.name)
        origin, size, root = checkpoint_of(segment.note, segment.name)
        if (size, root) != (segment.end, self.range.root()):
            raise Malformed(f"{segment.name}: its checkpoint has another size or root than its entries give")
        if self.origin != origin:
            raise Malformed(f"{segment.name}: its checkpoint is of {origin!r}, the log's entry 0 of {self.origin!r}")
        self.segments += 1

    def _add_hole(self, hole):
        if self._open:  # the rest of it is lost
            self.messages.remove(self._open[0])
            self._open = None
        for node in hole.bundles[(hole.first - hole.start) // BUNDLE:]:
            self.range.append_bundle(node)
        self.holes.append(hole)
        self._after_hole = True

    def _add_entry(self, entry, name):
        index = self.range.size
        self.range.append(leaf_hash(entry))
        try:
            fields = decode_cbor(entry)
            kind = KINDS.get(fields[1], f"kind {fields[1]}")
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self._after_hole = self._after_hole and kind == "part"
            if self._open and kind != "part":
                raise Malformed("a large message is not complete before this entry")
            if kind == "message":
                self._add_message(index, fields)
            elif kind == "genesis":
                self._add_genesis(index, fields)
            elif kind == "part":
                self._add_part(fields)
            elif kind == "succession":
                self._add_succession(index, fields)
            elif kind == "carried":
                self._add_carried(fields)
            elif kind == "loss":
                self.losses[index] = fields
            elif kind == "event":
                self.events[fields[16]] = self.events.get(fields[16], 0) + 1
        except (Malformed, KeyError, TypeError, UnicodeDecodeError) as error:
            raise Malformed(f"{name}: entry {index}: {error}") from error

    def _add_genesis(self, index, fields):
        if index != 0:
            raise Malformed("a second genesis")
        self.origin = fields[16]

    def _add_succession(self, index, fields):
        if index != 1:
            raise Malformed("a succession that is not entry 1")
        self.follows = (fields[16], fields[17], fields[18])

    def _add_carried(self, fields):
        index, length, offset = fields[16], fields[17], fields.get(18, 0)
        if offset == 0 and self.carried and index <= max(self.carried):
            raise Malformed(f"entry {index} is carried over a second time, or out of order")
        entry = self.carried.get(index, b"") + fields[19]
        if len(entry) != offset + len(fields[19]) or len(entry) > length:
            raise Malformed(f"a piece of entry {index} is not where it belongs")
        self.carried[index] = entry

    def _add_message(self, index, fields):
        flags = fields[18]
        message = Message(
            index=index,
            topic=fields[17],
            payload=fields[19],
            qos=flags >> 1 & 3,
            retain=bool(flags & 1),
            dup=bool(flags & 8),
            packet_id=fields.get(20, 0),
            properties=fields.get(21, []),
            duplicate_of=fields.get(25, 0),
        )
        self.messages.append(message)
        if 24 in fields:
            total, count, digest = fields[24]
            self._open = (message, count, total, digest, 1)

    def _add_part(self, fields):
        if not self._open and self._after_hole:
            return
        if not self._open:
            raise Malformed("a part without its message")
        message, count, total, digest, number = self._open
        if (fields[17], fields[18]) != (message.index, number):
            raise Malformed("a part of another message, or out of order")
        message.payload += fields[19]
        self._open = (message, count, total, digest, number + 1)
        if number + 1 == count:
            self._open = None
            if len(message.payload) != total or hashlib.sha256(message.payload).digest() != digest:
                raise Malformed("the parts do not give the payload that the message announced")

    def carried_messages(self):
        """With the indices that they had in the log before."""
        inner = LogReader()
        for index, entry in sorted(self.carried.items()):
            fields = decode_cbor(entry)
            if fields[1] == 1:
                inner._add_message(index, fields)
            elif fields[1] == 2:
                inner._add_part(fields)
        return inner.messages

    def finish(self):
        if self._open:
            raise Malformed("the last large message is not complete")
        return Log(self.origin, self.range.size, self.range.root(), self.segments, self.messages, self.kinds,
                   self.events)


def segment_names(folder):
    """Names of finished segment files, in order."""
    try:
        names = os.listdir(os.path.join(folder, "segments"))
    except FileNotFoundError:
        return []
    return sorted(name for name in names if SEGMENT_NAME.fullmatch(name))


def read_log(folder):
    """One log's folder; None while it has no segment."""
    reader = LogReader()
    names = segment_names(folder)
    for name in names:
        segment = read_segment(os.path.join(folder, "segments", name))
        if name != f"{segment.start:020}-{segment.end:020}.seg":
            raise Malformed(f"{name}: holds entries {segment.start} to {segment.end}")
        reader.add_segment(segment)
    return reader.finish() if names else None


def log_folders(archive):
    return sorted(
        path for path in (os.path.join(archive, name) for name in os.listdir(archive))
        if os.path.isdir(os.path.join(path, "segments")))


def read_archive(archive):
    return [log for log in map(read_log, log_folders(archive)) if log is not None]


def count_by_topic(messages):
    counts = {}
    for message in messages:
        counts[message.topic] = counts.get(message.topic, 0) + 1
    return counts


def main(argv):
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        logs = read_archive(argv[1])
    except (Malformed, OSError) as error:
        print(f"archive.py: {error}", file=sys.stderr)
        return 1
    for log in logs:
        root = base64.b64encode(log.root).decode()
        print(f"{log.origin}: {log.size} entries in {log.segments} segments, root {root}")
        for topic, count in sorted(count_by_topic(log.messages).items()):
            print(f"  {count:8}  {topic.decode('utf-8', 'backslashreplace')}")
    return 0 if logs else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
