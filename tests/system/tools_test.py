#!/usr/bin/python3
"""The tools of the system tests, tested: a reader of archives that finds nothing wrong would make them all pass."""
import os
import socket
import sys
import tempfile
import threading
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import archive  # noqa: E402
from lib.wire import Wire  # noqa: E402
from relay import Relay  # noqa: E402

VECTORS = os.path.join(os.path.dirname(HERE), "vectors")


def vector(name):
    with open(os.path.join(VECTORS, name + ".hex"), encoding="utf-8") as file:
        return bytes.fromhex("".join(line.split("#")[0] for line in file))


class ArchiveTest(unittest.TestCase):
    """Over the example log of storage/FORMAT.md, which a third program writes: entries 0 to 4, and 5."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = os.path.join(self.temporary.name, "log")
        os.makedirs(os.path.join(self.folder, "segments"))
        self.files = {"00000000000000000000-00000000000000000005.seg": vector("entry-segment"),
                      "00000000000000000005-00000000000000000006.seg": vector("entry-segment-5")}
        for name in self.files:
            self.put(name, self.files[name])

    def tearDown(self):
        self.temporary.cleanup()

    def put(self, name, content):
        path = os.path.join(self.folder, "segments", name)
        if os.path.exists(path):
            os.unlink(path)  # a file that is truncated and written again may be flushed at once: that takes its time
        with open(path, "wb") as file:
            file.write(content)

    def refused(self):
        try:
            archive.read_log(self.folder)
        except archive.Malformed:
            return True
        return False

    def test_reads_the_example(self):
        log, = archive.read_archive(self.temporary.name)
        self.assertEqual((log.origin, log.size, log.segments), ("example.com/site7/gw-0042", 6, 2))
        self.assertEqual(log.kinds, {"genesis": 1, "event": 2, "message": 1, "handover": 1, "receipt": 1})
        self.assertEqual(log.events, {0: 1, 2: 1})
        message, = log.messages
        self.assertEqual((message.index, message.topic, message.payload, message.qos, message.packet_id),
                         (3, b"plant/line1/temp", b"21.0", 1, 7))

    def test_every_bit_counts(self):
        """But for the signature lines, which are for `sealring verify`."""
        for name, good in self.files.items():
            note = archive.read_segment(os.path.join(self.folder, "segments", name)).note
            signatures = good.index(note) + note.index(b"\n\n") + 2, good.index(note) + len(note)
            for at in range(len(good)):
                if signatures[0] <= at < signatures[1]:
                    continue
                for bit in range(8):
                    bad = bytearray(good)
                    bad[at] ^= 1 << bit
                    self.put(name, bad)
                    self.assertTrue(self.refused(), f"{name}: byte {at}, bit {bit}")
            self.put(name, good)

    def test_every_truncation_is_seen(self):
        for name, good in self.files.items():
            for length in range(len(good)):
                self.put(name, good[:length])
                self.assertTrue(self.refused(), f"{name}: cut to {length}")
            self.put(name, good + b"\0")
            self.assertTrue(self.refused(), f"{name}: one byte more")
            self.put(name, good)

    def test_missing_and_misnamed_segments(self):
        first, second = (os.path.join(self.folder, "segments", name) for name in self.files)
        os.rename(first, first + ".away")
        self.assertTrue(self.refused())
        os.rename(first + ".away", first)
        os.rename(second, os.path.join(self.folder, "segments", "00000000000000000005-00000000000000000007.seg"))
        self.assertTrue(self.refused())

    def test_parts_of_a_large_message(self):
        def fields(kind, **more):
            return {1: kind, 16: b"s" * 16, **{int(k[1:]): v for k, v in more.items()}}

        digest = archive.hashlib.sha256(b"abcdef").digest()
        message = fields(1, k17=b"t", k18=2, k19=b"ab", k20=1, k24=[6, 3, digest])
        parts = [fields(2, k17=0, k18=1, k19=b"cd"), fields(2, k17=0, k18=2, k19=b"ef")]

        def read(entries):
            reader = archive.LogReader()
            real, archive.decode_cbor = archive.decode_cbor, lambda entry: entries[int(entry)]
            try:
                for index in range(len(entries)):
                    reader._add_entry(b"%d" % index, "x.seg")
                return reader.finish()
            finally:
                archive.decode_cbor = real

        self.assertEqual(read([message, *parts]).messages[0].payload, b"abcdef")
        wrong = {**parts[1], 19: b"eg"}
        late = {**parts[1], 18: 3}
        for entries in ([message, parts[0]], [message, parts[1], parts[0]], [message, parts[0], wrong],
                        [message, parts[0], late], [parts[0]], [message, parts[0], message]):
            self.assertRaises(archive.Malformed, read, entries)


class RelayTest(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.echo, daemon=True).start()
        self.relay = Relay("127.0.0.1", self.server.getsockname()[1])

    def tearDown(self):
        self.relay.close()
        self.server.close()

    def echo(self):
        def one(peer):
            try:
                while data := peer.recv(1000):
                    peer.sendall(data)
            except OSError:
                pass
            peer.close()

        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(peer,), daemon=True).start()

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.relay.port), 10)
        self.addCleanup(client.close)
        return client

    def exchange(self, client, data):
        client.sendall(data)
        return client.recv(100)

    def test_cut_and_restore(self):
        client = self.connect()
        self.assertEqual(self.exchange(client, b"one"), b"one")
        self.relay.cut()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        self.assertRaises(ConnectionRefusedError, self.connect)
        self.relay.restore()
        client = self.connect()
        self.assertEqual(self.exchange(client, b"two"), b"two")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(1), b"")

    def test_cut_after(self):
        client = self.connect()
        self.assertEqual(self.exchange(client, b"one"), b"one")
        self.relay.cut_after(2)
        client.sendall(b"two")
        with self.assertRaises(ConnectionResetError):
            while client.recv(1):
                pass
        self.assertEqual(self.relay.bytes_up, 6)  # what was read, not what was passed on
        self.assertRaises(ConnectionRefusedError, self.connect)


class WireTest(unittest.TestCase):
    """Two messages of QoS 1 and one of QoS 2 to a client of MQTT 5; the first is acknowledged, the second refused."""
    CONNECT = bytes.fromhex("10 10 0004") + b"MQTT" + bytes.fromhex("05 00 003c 03 21 03e8 0000")
    DOWN = (bytes.fromhex("20 03 00 00 00")
            + bytes.fromhex("30 05 0001") + b"t" + bytes.fromhex("00") + b"0"  # QoS 0: of no interest
            + bytes.fromhex("32 07 0001") + b"t" + bytes.fromhex("0001 00") + b"a"
            + bytes.fromhex("32 0a 0001") + b"t" + bytes.fromhex("0002 02 0101") + b"bc"
            + bytes.fromhex("3c 06 0001") + b"t" + bytes.fromhex("0003 00"))
    UP = bytes.fromhex("40 02 0001") + bytes.fromhex("40 03 0002 97") + bytes.fromhex("50 02 0003")

    def setUp(self):
        self.wire = Wire(1)  # nobody connects
        self.addCleanup(self.wire.close)

    def feed(self, step):
        for up, data in ((True, self.CONNECT), (False, self.DOWN), (True, self.UP)):
            for at in range(0, len(data), step):
                self.wire.passes("pair", up, data[at:at + step])

    def test_counts_however_the_stream_is_cut(self):
        for step in (1, 2, 3, 1000):
            self.setUp()
            self.feed(step)
            self.assertEqual(self.wire.delivered, {(b"t", b"a"): 1, (b"t", b"bc"): 1})
            self.assertEqual(self.wire.repeated, {(b"t", b""): 1})
            self.assertEqual(self.wire.acknowledged, {(b"t", b"a"): 1, (b"t", b""): 1})

    def test_trouble(self):
        self.feed(1000)
        for up, data in ((True, b"\x40\x02\x00\x01"),  # a second time
                         (False, b"\x32\x05\x00\x00\x00\x04\x00"),  # an alias in the place of a topic
                         (False, b"\x30\xff\xff\xff\xff\x01")):
            self.wire.trouble = None
            self.assertRaises(OSError, self.wire.passes, "pair", up, data)
            self.assertIn("on the wire", self.wire.trouble)


if __name__ == "__main__":
    unittest.main()
