#!/usr/bin/python3
"""First inputs for the fuzz targets: whole ones of each kind, from tests/vectors and from here, so that a fuzzer begins
behind the checksums and signatures instead of before them. Writes FOLDER/<target>/<number>.

    seeds.py FOLDER

run.py calls it; what fuzzing made of them is kept in corpus/. The shapes are those at the head of each target.
"""
import base64
import gzip
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(os.path.dirname(HERE), "vectors")


def vector(name):
    """Annotated hex, as tests/unit/entry_vectors.h reads it."""
    with open(os.path.join(VECTORS, f"entry-{name}.hex"), encoding="utf-8") as file:
        return bytes.fromhex("".join(line.split("#")[0] for line in file))


def raw(name):
    with open(os.path.join(VECTORS, name), "rb") as file:
        return file.read()


def unescaped(text):
    pairs = {"n": b"\n", "t": b"\t", "\\": b"\\", "r": b"\r", "0": b"\0"}
    out = b""
    for piece in re.findall(r"\\x[0-9a-f]{2}|\\.|[^\\]+", text, re.S):
        if piece.startswith("\\x"):
            out += bytes([int(piece[2:], 16)])
        elif piece.startswith("\\"):
            out += pairs[piece[1]]
        else:
            out += piece.encode()
    return out


def table(name, column=2, limit=40):
    with open(os.path.join(VECTORS, name), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    return [unescaped(row[column]) for row in rows if len(row) > column][:limit]


def sized(data):
    return struct.pack(">H", len(data)) + data


def h32(text):
    return hashlib.sha256(text).digest()


# --- MQTT -------------------------------------------------------------------------------------------------------------


def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 0x7F
        out += bytes([low | (0x80 if n else 0)])
        if not n:
            return out


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


def publish(qos, packet_id, properties, payload, flags=0, topic=b"a/b"):
    head = sized(topic) + (struct.pack(">H", packet_id) if qos else b"")
    if properties is not None:
        head += varint(len(properties)) + properties
    return packet(0x30 | qos << 1 | flags, head + payload)


ALL_PROPERTIES = (b"\x01\x01" + b"\x02\x00\x00\x00\x3c" + b"\x03" + sized(b"text/plain") + b"\x08" + sized(b"re/ply") +
                  b"\x09" + sized(b"\x00\x01") + b"\x0b\x05" + b"\x26" + sized(b"k") + sized(b"v") +
                  b"\x26" + sized(b"k") + sized(b"w"))


def broker_stream(version):
    five = version == 5
    properties = ALL_PROPERTIES if five else None
    none = b"" if five else None
    connack = packet(0x20, b"\x01\x00" + (b"\x03\x13\x00\x3c" if five else b""))
    ids = struct.pack(">H", 7)
    return (connack + packet(0x90, ids + (b"\x00" if five else b"") + b"\x01\x02") +
            publish(0, 0, none, b"21.0", 1) + publish(1, 8, properties, b"on") + publish(2, 9, none, b"x" * 40) +
            publish(2, 9, none, b"x" * 40, 8) + packet(0x62, struct.pack(">H", 9)) + packet(0xD0, b"") +
            publish(1, 10, b"\x23\x00\x01" if five else None, b"p") +
            publish(1, 11, b"\x23\x00\x01" if five else None, b"q", topic=b"" if five else b"c") +
            (packet(0xE0, b"\x8e\x07\x1f" + sized(b"bye")[0:4] + b"ye") if five else b""))


def client_stream(version):
    five = version == 5
    none = b"\x00" if five else b""
    connect = packet(0x10, sized(b"MQTT") + bytes([version]) + b"\x00\x00\x3c" + none + sized(b"id"))
    subscribe = packet(0x82, b"\x00\x01" + (b"\x00" if five else b"") + sized(b"a/#") + b"\x01")
    ids = [packet(0x40, b"\x00\x08"), packet(0x50, b"\x00\x09"), packet(0x70, b"\x00\x09"), packet(0x40, b"\x00\x0a")]
    return connect + subscribe + b"".join(ids) + packet(0xC0, b"") + packet(0xE0, b"")


def mqtt():
    out = {"mqtt_inbound": [], "mqtt_outbound": [], "mqtt_wire": []}
    for version in (4, 5):
        bit = version - 4
        for limits in (0, 2, 4):
            out["mqtt_inbound"].append(bytes([bit | limits, 4]) + broker_stream(version))
        out["mqtt_outbound"].append(bytes([bit, 4]) + client_stream(version))
        for body in (b"\x00\x00", b"\x01\x05", b"\x00\x84", b"\x00\x00\x03\x13\x00\x3c", b"\x00\x01\x00\x01\x02",
                     b"\x8e\x06\x1f\x00\x03bye", b"\x00\x01\x00" + sized(b"a/#") + b"\x01", ALL_PROPERTIES,
                     publish(1, 8, ALL_PROPERTIES if bit else None, b"on"), publish(0, 0, b"" if bit else None, b"")):
            out["mqtt_wire"].append(bytes([bit]) + body)
    return out


# --- configuration and words ------------------------------------------------------------------------------------------

GATEWAY = b'''origin = "example.com/gw-1"
store = "store"
identity_key = "identity.key"
previous_identity_key = "credential:old"
on_rollback = "hold"
socket = ""
socket_group = "ops"
diag_level = "debug"
[recorder]
queue_bytes = "4MiB"
commit_interval = "5ms"
segment_bytes = "1MiB"
segment_entries = 1000
segment_age = "5min"
heartbeat = "60s"
max_payload = "64KiB"
[[broker]]
name = "hall"
host = "127.0.0.1"
port = 1884
client_id = "x"
username = "u"
password_file = "p"
protocol = "3.1.1"
receive_maximum = 100
keepalive = "30s"
watch_drops = false
subscriptions = [ { filter = "a/#", qos = 2 }, { filter = "b/+/c" } ]
[broker.tls]
ca = "ca.pem"
server_name = "b"
cert = "c.pem"
key = "k.pem"
[upstream]
url = "https://c.example:8443/base"
server_name = "c.example"
ca = "ca.pem"
cert = "c.pem"
key = "k.pem"
policy = "policy"
mirror = "m"
retry_min = "1s"
retry_max = "1min"
timeout = "20s"
'''
SMALL = b'origin = "example.com/gw-1"\n[[broker]]\n'
TOKEN = b'pkcs11:token=gateway;serial=12;object=identity;id=%01?module-path=/usr/lib/m.so&pin-source=file:/etc/pin'
ANCHOR = (b"example.com/log+09fadd6c+AZsfhHkc/HZjBFhU04netcqVRJ2HXydqg4QLBgqznPxx " + b"0" * 64)
COLLECTOR = b'''listen = "127.0.0.1:8443"
archive = "archive"
policy = "policy"
witness_key = "w.key"
mirror_key = "m.key"
succession_key = "s.key"
succession_quiet = "2min"
diag_level = "notice"
[tls]
ca = "ca.pem"
cert = "c.pem"
key = "k.pem"
[[gateway]]
anchor = "''' + ANCHOR + b'''"
tls_uri = "urn:gw-1"
'''
ODD_TOML = [b'a.b.c = [[1, 2.5], [true, 1979-05-27T07:32:00Z]]\n', b'"\\u001b[31m" = 1\n', b"x = '''\n'''\n",
            b"[a]\n[a]\n", b"a = {b = {c = 1}}\n", b'"a\\nb" = "c"\n', b"a = 0x1F\nb = inf\n", b"\xef\xbb\xbfa = 1\r\n"]


def words():
    return {
        "gateway_config": [GATEWAY, SMALL, SMALL.replace(b"\n", b'\nidentity_key = "' + TOKEN + b'"\n', 1)] + ODD_TOML,
        "collector_config": [COLLECTOR] + ODD_TOML,
        "setting": [b"4096", b"64KiB", b"4MiB", b"1GiB", b"250ms", b"10s", b"10min", b"1h", ANCHOR],
        "time_spec": [b"now", b"10min", b"2h ago", b"3d", b"90s", b"14:03", b"14:03:05.25", b"2026-11-25",
                      b"2026-11-25 14:03", b"2026-11-25T14:03:00Z", b"2026-11-25T14:03:00.123456789+01:00",
                      b"1970-01-01T00:00:00Z", b"2262-04-11T23:47:16Z", b"2024-02-29"],
        "topic_filter": [b"a/#\0a/+/c\0a/b/c", b"#\0$SYS/#\0$SYS/x", b"+/b\0a/+\0a/b", b"a\0a/#\0a", b"/\0+/+\0/",
                         b"$share/g/a\0a\0a", b"a/b#\0+a\0a"],
        "pkcs11_uri": [TOKEN, b"pkcs11:token=a%20b;manufacturer=m;model=x;type=private;object=o?module-path=/m.so",
                       b"pkcs11:serial=1;id=%00%ff?module-path=/m.so&pin-source=credential:pin",
                       b"pkcs11:slot-id=3?pin-value=1234", b"pkcs11:library-version=3?module-name=x"],
        "socket_request": [b'{"get":"status"}', b'{"get":"proof","index":7}', b'{"get":"payload","index":7}',
                           b'{"get":"records","from":1,"last":10,"count":5,"topic":"a/#","since":1,"until":-2,'
                           b'"follow":true}', b'{"error":"x","kind":"missing"}',
                           b'{"records":true,"origin":"o","first_index":0,"size":9,"segment":{"start":0,"end":9,'
                           b'"state":"sealed"}}', b'{"proof_bytes":9,"size":3,"receipted":true}',
                           b'{"skipped":{"from":1,"count":2}}'],
        "http_words": [b"gzip", b"br;q=1, gzip;q=0.0, *;q=0.5", b"https://a.example", b"https://a:8443/b/c/",
                       b"https://[::1]:1/x", b"https://u@h/?q#f"],
        "tile_path": [b"tile/0/000", b"tile/entries/x001/x234/067", b"tile/63/255.p/7", b"tile/entries/000.p/255",
                      b"tile/1/x018/x446/x744/x073/x709/x551/615"],
        "bytes": [b"00ff", b"AAEC", b"AA==", b"18446744073709551615", b"0", "Zürich/木/😀".encode(), b"\xed\xa0\x80",
                  b"\xc0\x80", b"\xf4\x90\x80\x80"],
    }


# --- formats ----------------------------------------------------------------------------------------------------------


def frame_bytes(count, entries):
    return struct.pack(">QIIQ", 3, count, len(entries), 2) + b"r" * 32 + b"s" * 64 + entries


def ring_state():
    size, leaf = 1, h32(b"\0x")
    last = struct.pack(">QIIQ", 0, 1, 0, 0) + leaf + b"s" * 64
    return (b"sealring/ring/v1\n" + sized(b"example.com/log") + struct.pack(">QB", 5, 0) + last +
            struct.pack(">QQQQ", 0, 0, 0, size) + leaf)


def journal():
    entry = bytes([0]) * 8 + bytes([0, 3]) + b"abc"  # first, count of entries, one of three bytes
    step = lambda what, sector, sequence: bytes([what]) + struct.pack(">H", sector) + bytes([sequence]) + entry
    return [step(1, 0, 1), step(1, 0, 1) + step(0, 1, 2) + step(0, 2, 3), step(0, 0, 4) + step(0, 2048, 5),
            step(0, 0, 7) + step(0, 1, 8) + step(0, 2048, 5) + step(0, 2049, 6),
            step(0, 0, 1) + step(0, 2, 3), step(1, 0, 1) + step(3, 1, 9), step(1, 0, 1) + step(3, 65535, 0)]


def segment_index():
    body = b"sealring/index/v1\n" + struct.pack(">QQ", 0, 256) + struct.pack(">II", 60, 900) + h32(b"x")
    return bytes([1]) + struct.pack(">HH", 0, 256) + body


def messages():
    head = struct.pack(">qHBQBB", 1_795_000_000_000_000_000, 0x0822, 3, 10**12, 5, 9)  # one property, QoS 1, packet id
    text = b"\x03\x00" + sized(b"text/plain") + sized(b"")
    return [head + sized(b"salt") + sized(b"a/b") + b"\x00\x07" + text + b"21.0",
            struct.pack(">qHBQBB", -1, 0x0789, 0, 0, 0, 0) + sized(b"") + sized(b"t") + sized(b"src") +
            struct.pack(">QQH", 4, 100, 2) + b"x"]


def uploads():
    entries = b"".join(sized(b"e%d" % i) for i in range(3))
    head = lambda start, end: sized(b"example.com/log") + struct.pack(">QQ", start, end) + sized(b"ticket")
    return [head(0, 3) + entries + b"\x01" + b"h" * 32,
            head(255, 258) + sized(b"a") + b"\x00" + sized(b"b") * 2 + b"\x00",
            head(5, 5), head(2**64 - 3, 2**64 - 1) + sized(b"a") * 2 + b"\x00", head(0, 2**63)]


def checkpoint_note():
    return table("note.tsv")[0]


def formats():
    entries = [vector(name[6:-4]) for name in sorted(os.listdir(VECTORS)) if name.startswith("entry-") and
               name[6:-4] not in ("evidence", "frame", "segment", "segment-5")]
    hashes = b"gYUzhjibHpMWpIpvJtex5i7OQKT/xxhLNm6N9ibtbPU=\n"
    proof = raw("message.tlog-proof")
    return {
        "entry": entries,
        "message": messages(),
        "render_record": [bytes([width]) + entry for entry in entries for width in (0, 80)],
        "render_text": [bytes([width]) + text for width in (10, 80) for text in
                        (b'{"a":[1,2.5,{"b":"\\u00e9"}],"c":null}', b"21.0", "\x1b[31m\u202etür\n".encode(),
                         b"\x00\xff", b"a\\b\tc\r\nd", "木木木木木木".encode())],
        "frame": [vector("frame"), frame_bytes(2, sized(b"a") + sized(b"bc")),
                  bytes([0, 2]) + sized(b"a") + sized(b"b")],
        "journal": journal(),
        "segment_file": [vector("segment"), vector("segment-5"), segment_index()],
        "ring_state": [ring_state(), ring_state() + h32(ring_state())[:16], b"sealring/ring/v2\nxx"],
        "evidence": [vector("evidence"), raw("rotation.note"),
                     b"sealring/evidence/v2\n" + sized(b"e") + sized(b"g") + b"\x01" + b"h" * 32 + b"\x01" +
                     sized(b"r")],
        "proof_file": [proof],
        "merkle": [b"\x01\x00\x07\x00\x02\x00\x00", b"\x01\x01\x00\x00\x00\x00\x40\x03\x01\x02",
                   b"\x00" + b"\xff" * 24 + b"\x03abc",
                   b"\x00" + struct.pack(">QQQ", 0, 4, 9) + b"\x02ab",
                   b"\x00" + struct.pack(">QQQ", 9, 9, 9) + b"\x00"],
        "tlog_proof": table("tlog_proof.tsv") + [proof],
        "note": table("note.tsv") + [raw("rotation.note"), raw("succession.note")],
        "vkey": table("vkey.tsv"),
        "checkpoint": table("checkpoint.tsv") + [b"example.com/gw~1", b"example.com/gw~18446744073709551615"],
        "succession": [raw("succession.note").split(b"\n\n")[0] + b"\n"],
        "policy": [text + b"\0" + note for text, note in zip(table("evaluation.tsv", 2), table("evaluation.tsv", 3))] +
                  table("policy.tsv"),
        "signature": [b"\0" * 64, b"\0" * 63 + b"\x20", b"\0" * 72 + b"x", b"\1"],
        "add_checkpoint": [b"old 5\n" + hashes * 2 + b"\n" + checkpoint_note(), b"old 0\n\nx",
                           b"old 5\n" + hashes * 63 + b"\n"],
        "mirror_answer": [b"7\n", b"7\n9\ndGlja2V0\n", b"0\n18446744073709551615\n\n"],
        "add_entries": uploads(),
        "skip": [skip(), skip()[:-1], skip() + b"x", skip(65), b"sealring/skip/v1\n"],
        "gzip": [bytes([17]) + gzip.compress(b"abc" * 100, mtime=0), bytes([2]) + gzip.compress(b"x" * 1000, mtime=0),
                 bytes([17]) + gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), b"\x11\x1f\x8b"],
    }


def skip(proof=2):
    loss = vector("loss")
    # The range of the vector is [768, 1536): three bundles, in subtrees of 256 and of 512 entries.
    return (b"sealring/skip/v1\n" + sized(b"example.com/gw") + struct.pack(">Q", 2100) + sized(loss) +
            struct.pack(">QQ", 2200, 2300) + bytes([proof]) + b"p" * 32 * proof + b"b" * 32 * 3 +
            (b"\x01" + b"q" * 32) * 2)


# --- secrets, and the collector ---------------------------------------------------------------------------------------


def pem():
    """A certificate with names of every kind, and its key."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = os.path.join(folder, "k"), os.path.join(folder, "c")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "3650", "-subj", "/CN=gw/O=ex", "-addext",
                        "subjectAltName=DNS:a.example,IP:127.0.0.1,URI:urn:gw-1"], check=True, capture_output=True)
        with open(key, "rb") as k, open(cert, "rb") as c:
            return c.read() + k.read()


def secrets():
    # The seed of RFC 8032's first test and its public key, in the form of Go's sumdb/note.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key_id = hashlib.sha256(b"example.com/x\n\x01" + public).hexdigest()[:8].encode()
    line = b"PRIVATE+KEY+example.com/x+" + key_id + b"+" + base64.b64encode(b"\x01" + seed) + b"\n"
    return {
        "key_file": [line, line.rstrip(), line.replace(b"+AZ", b"+AY"), b"PRIVATE+KEY+x"],
        "secret_line": [b"1234\n", b"1234", b"a\r\n", b"a\nb\n", b"\n", b""],
        "epoch_key": [bytes([bits]) + b"\x03" + b"s" * 64 for bits in (0x1F, 0x3F, 0x5F, 0x7F, 0x13, 0x4C, 0x11, 0x00)],
        "certificate": [pem()],
    }


def collector():
    known = (0, 1, 2, 3, 7, 8, 9, 16, 100, 255, 256, 257, 300, 511, 512, 513)
    size = {known[i]: i for i in range(16)}
    sizes = lambda start, end: bytes([size[start] << 4 | size[end]])
    witness = lambda start, end, other=0: bytes([0 | other]) + sizes(start, end)
    mirror = lambda start, end, other=0: bytes([1 | other]) + sizes(start, end)
    upload = lambda start, end, other=0: bytes([3 | other]) + sizes(start, end)
    get = lambda target, bits=1: bytes([6, bits, len(target)]) + target
    again = bytes([7, 0])
    return {"collector": [
        witness(0, 7) + witness(7, 9) + witness(9, 257),
        witness(0, 9) + witness(0, 9, 8) + witness(8, 16, 8) + again + witness(9, 16, 8),
        mirror(0, 9) + upload(0, 9) + again + mirror(9, 300) + upload(9, 300) + get(b"tile/entries/000.p/9"),
        mirror(0, 9) + mirror(9, 300) + upload(0, 9) + upload(9, 300, 8) + upload(9, 300) + get(b"tile/0/000"),
        mirror(0, 513) + upload(0, 513) + get(b"tile/1/000.p/2") + get(b"tile/entries/001") + get(b"checkpoint"),
        mirror(0, 300) + upload(0, 300) + bytes([4]) + sizes(0, 513) + again + witness(300, 513) + get(b"successor"),
        bytes([4 | 8]) + sizes(0, 300) + bytes([4]) + sizes(0, 300),
        bytes([0x20]) + sizes(0, 9) + b"\x01\x00\x10\x01" + bytes([0x23]) + sizes(0, 9) + b"\x01\x00\x20\x00",
        bytes([5, 0]) + sized(b"old 0\n\nx\n0\n") + bytes([5, 2]) + sized(b"\x00\x01x"), bytes([16]) + sizes(0, 9),
    ]}


def main(argv):
    folder = argv[1]
    seeds = {}
    for part in (mqtt(), words(), formats(), secrets(), collector()):
        seeds.update(part)
    for target, inputs in seeds.items():
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        for number, data in enumerate(inputs):
            with open(os.path.join(folder, target, f"{number:03d}"), "wb") as file:
                file.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
