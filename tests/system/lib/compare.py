"""What was acknowledged to the publishers, against what the archive holds, as archive.py reads it."""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import archive  # noqa: E402  (beside the tests, also a program of its own)

from .world import ORIGIN, Failure, check, wait_until  # noqa: E402

EVENTS = {"start": 0, "stop": 1, "connected": 2, "disconnected": 3, "rejected": 4, "clock": 5, "config": 6,
          "heartbeat": 7, "alarm": 8}


def log_folder(folder, origin=ORIGIN):
    return os.path.join(folder, archive.hashlib.sha256(origin.encode()).hexdigest())


class GrowingLog(archive.LogReader):
    """A log's folder read as far as it has been written; read() reads on. Keeps the events' details as well."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.files, self.details = folder, [], []

    def _add_entry(self, entry, name):
        index = self.range.size
        super()._add_entry(entry, name)
        fields = archive.decode_cbor(entry)
        if fields[1] == 3:
            self.details.append((index, fields[16], fields.get(17, {})))

    def read(self):
        try:
            for name in archive.segment_names(self.folder)[len(self.files):]:
                segment = archive.read_segment(os.path.join(self.folder, "segments", name))
                check(name == f"{segment.start:020}-{segment.end:020}.seg", f"{name} holds other entries")
                self.add_segment(segment)
                self.files.append(name)
        except archive.Malformed as error:
            raise Failure(f"the archive, read by Python: {error}") from None
        return self

    def events_named(self, name):
        """(index, details) of each."""
        return [(index, details) for index, code, details in self.details if code == EVENTS[name]]

    def flagged(self):
        return [m for m in self.messages if m.duplicate_of]


def differences(sent, log):
    """Words: which messages are missing, and which are there more often than sent. Empty: all is well."""
    got = collections.Counter((m.topic, m.payload) for m in log.messages)
    words = []
    for name, counter in (("lost", sent - got), ("more than once, or never sent", got - sent)):
        if counter:
            shown = [(topic[:40], payload[:40], n) for (topic, payload), n in list(counter.items())[:5]]
            words.append(f"{sum(counter.values())} {name}, such as {shown}")
    return "; ".join(words)


def wait_archived(log, sent, alive=(), patience=120):
    """Until as many messages are archived as were sent; then each must be there exactly as often as it was sent."""
    wanted = sum(sent.values())
    try:
        wait_until(lambda: len(log.read().messages) >= wanted, f"{wanted} messages are archived", patience, alive)
    except Failure as error:
        raise Failure(f"{error}; there are {len(log.messages)}: {differences(sent, log)}") from None
    check_same(sent, log)


def check_same(sent, log):
    words = differences(sent, log)
    check(not words, f"{sum(sent.values())} sent, {len(log.messages)} archived: {words}")
