#!/usr/bin/python3
"""Others read a log from a collector: Go's sumdb/note and sumdb/tlog (tests/interop/tlogcheck) over real tiles.

More than 65 536 messages go the whole way, so that there are tiles of three levels, full and partial ones, from several
segments. Then the collector is started without its tile indexes, and the same is read again.
"""
import base64
import collections
import gzip
import http.client
import json
import os
import ssl
import subprocess

from lib.compare import archive, log_folder
from lib.world import HERE, MIRROR, ORIGIN, check, check_equal, main, wait_until

TOPICS = 4
FIRST, SECOND = 7000, 11000  # messages per topic, before and after the first checkpoint
RANDOM_RECORDS = 200
FOR_EVER = "public, max-age=31536000, immutable"


def build_tlogcheck():
    """By Go's own cache nothing happens the second time. Offline: Debian's packages have all the sources."""
    build = os.path.abspath(os.environ.get("SEALRING_BUILD", os.path.join(HERE, "..", "..", "build", "release")))
    folder = os.path.join(build, "interop")
    os.makedirs(folder, exist_ok=True)
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOENV": "off",
                   "GOPROXY": "off", "GOCACHE": os.path.join(folder, "cache")}
    path = os.path.join(folder, "tlogcheck")
    for command in (["build", "-trimpath", "-o", path, "."], ["vet", "."]):
        done = subprocess.run(["go", *command], env=environment, capture_output=True, text=True, check=False,
                              cwd=os.path.join(HERE, "..", "interop", "tlogcheck"))
        check(done.returncode == 0, f"go {command[0]}: {done.stderr}")
    return path


class Reader:
    """Of one log under one prefix: tlogcheck, and plain HTTP by Python."""

    def __init__(self, world, collector, tlogcheck, role="mirror"):
        self.world, self.tlogcheck = world, tlogcheck
        self.prefix = f"/{role}/{os.path.basename(log_folder(collector.archive))}/"
        self.port = collector.port
        self.tls = ssl.create_default_context(cafile=world.path("tls/ca.pem"))
        self.tls.load_cert_chain(world.path("tls/gateway.pem"), world.path("tls/gateway.key"))

    def verify(self, *options, code=0, vkey=None, cosigner=None):
        files = {name: self.world.path("tls", file)
                 for name, file in (("ca", "ca.pem"), ("cert", "gateway.pem"), ("key", "gateway.key"))}
        command = [self.tlogcheck, "-base", f"https://127.0.0.1:{self.port}{self.prefix[:-1]}",
                   "-vkey", vkey or self.world.vkey, "-cosigner", cosigner or self.world.keys["mirror"],
                   *(word for name, file in files.items() for word in (f"-{name}", file)), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        check(done.returncode == code, f"tlogcheck {' '.join(options)}: exit code {done.returncode}, expected {code}\n"
              f"{done.stderr}")
        return json.loads(done.stdout) if code == 0 else done.stderr

    def get(self, resource, method="GET", **headers):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=30)
        try:
            connection.request(method, self.prefix + resource, headers=headers)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


def inclusion(leaves, index):
    """PATH of RFC 6962 2.1.1, and the root: from the leaf's sibling to the root's child."""
    if len(leaves) == 1:
        return [], leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left = index < split
    path, near = inclusion(leaves[:split], index) if left else inclusion(leaves[split:], index - split)
    _, far = inclusion(leaves[split:], 0) if left else inclusion(leaves[:split], 0)
    return path + [far], archive.node_hash(near, far) if left else archive.node_hash(far, near)


def check_proofs(world, collector, tlogcheck, size):
    """Offline .tlog-proof files, made here from the archive's bytes: what Go takes, and that it takes nothing else."""
    folder = log_folder(collector.archive)
    entries = [entry for name in archive.segment_names(folder)
               for entry in archive.read_segment(os.path.join(folder, "segments", name)).entries]
    leaves = [archive.leaf_hash(entry) for entry in entries]
    with open(os.path.join(folder, "receipts", f"{size:020}.note"), "rb") as f:
        checkpoint = f.read()

    def verdict(index, path, entry, note=checkpoint):
        lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *(base64.b64encode(h).decode() for h in path), "", ""]
        proof = world.write("a.tlog-proof", "\n".join(lines).encode() + note)
        command = [tlogcheck, "-vkey", world.vkey, "-cosigner", world.keys["mirror"], "-proof", proof, "-entry",
                   world.write("an-entry", entry)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode
    for index in (0, 65535, 65536, size - 1):
        path, _ = inclusion(leaves, index)
        entry = entries[index]
        check_equal(verdict(index, path, entry), 0, f"the proof of {index}")
        for what, code in (("entry", verdict(index, path, entry + b"x")), ("index", verdict(index ^ 1, path, entry)),
                           ("path", verdict(index, path[:-1], entry)),
                           ("hash", verdict(index, path[:-1] + [path[0]], entry)),
                           ("note", verdict(index, path, entry, checkpoint.replace(b"\n7", b"\n8", 1)))):
            check_equal(code, 1, f"a proof of {index} with another {what}")
        made, leaf = world.path(f"{index}.tlog-proof"), world.path(f"{index}.entry")
        world.run("sealring", "prove", str(index), "-o", made, "--entry", leaf, "--from", collector.archive)
        command = [tlogcheck, "-vkey", world.vkey, "-cosigner", world.keys["mirror"], "-proof", made, "-entry"]
        done = subprocess.run([*command, leaf], capture_output=True, text=True, timeout=60, check=False)
        check(done.returncode == 0, f"Go, of what `sealring prove {index}` made: {done.stderr}")
        done = subprocess.run([*command, world.write("an-entry", entry + b"x")], capture_output=True, timeout=60,
                              check=False)
        check_equal(done.returncode, 1, f"Go, of a proof that `sealring prove` made, with another entry {index}")


def publish(world, port, count):
    """`count` messages on each topic, by mosquitto_pub; returns when the broker has acknowledged all."""
    commands = [["mosquitto_pub", "-p", str(port), "-V", "5", "-q", "1", "-t", f"plant/line{i}/temp", "-l"]
                for i in range(TOPICS)]
    children = [subprocess.Popen(c, stdin=subprocess.PIPE, text=True, stderr=subprocess.PIPE) for c in commands]
    try:
        for child in children:
            child.stdin.write("".join(f"{publish.sent + n}\n" for n in range(count)))
            child.stdin.close()
        for child in children:
            check_equal(child.wait(60), 0, "mosquitto_pub")
    finally:
        for child in children:
            child.kill()
            child.wait()
    publish.sent += count


publish.sent = 0


def wait_archived(world, collector, gateway, messages):
    """Until that many messages, and all that is sealed, are in segment files; returns the size."""
    folder = log_folder(collector.archive)

    def size():
        names = archive.segment_names(folder)
        return int(names[-1][21:41]) if names else 0
    wait_until(lambda: size() >= messages, f"{messages} entries are archived", alive=[collector, gateway])
    gateway.wait_status(lambda s: s["segments"]["sealed"] == 0, "nothing sealed is waiting")
    return size()


def check_reading(reader, size, old):
    """Everything, by code that is not ours."""
    edges = [0, 1, 255, 256, size // 2, 65535, 65536, size - 257, size - 256, size - 2, size - 1]
    got = reader.verify("-old", old, "-records", ",".join(map(str, edges)), "-random", str(RANDOM_RECORDS), "-all")
    check_equal((got["size"], got["entries"], got["records"]), (size, size, len(edges) + RANDOM_RECORDS), "verified")
    check(0 < got["old_size"] < size, f"consistency from {got['old_size']} to {size}")
    check(got["gzipped"] > size // 256 // 2, f"only {got['gzipped']} bundles came compressed")
    return got


def check_flips(reader, size, old):
    """One changed byte on its way, anywhere, and nothing holds any more."""
    level_1, level_0 = size // 256, size % 256
    flips = ["checkpoint:30", "tile/2/000.p/1:31", "tile/1/000:8000", f"tile/1/001.p/{level_1 - 256}:5",
             "tile/0/000:0", "tile/0/255:4000", "tile/entries/000:40", "tile/entries/256:100"]
    if level_0:
        flips.append(f"tile/0/{level_1}.p/{level_0}:31")
    words = collections.Counter()
    for flip in flips:
        said = reader.verify("-old", old, "-records", f"0,65535,65536,{size - 1}", "-all", "-flip", flip, code=1)
        words[said.split(":")[1].strip()] += 1
    # A flip that hits nothing must not pass for a refusal.
    reader.verify("-records", "0", "-flip", "tile/0/200:0", code=3)
    print(f"{len(flips)} flips refused: {dict(words)}", flush=True)


def check_names(reader, size):
    """Names, headers and HEAD, as plain HTTP shows them."""
    whole, partial = size // 256, size % 256
    for missing in (f"tile/0/{whole + 1:03}", f"tile/entries/{whole:03}.p/{partial + 1}", f"tile/0/{whole:03}",
                    "tile/3/000.p/1", "tile/0/0", "tile/0/x000/000", "tile/8/0/000", "tile/0/000?", "tile/data/000",
                    "tile/0/000.p/256", "tile/0/000.p/0", "tile/", ""):
        response, _ = reader.get(missing)
        check_equal((response.status, response.getheader("Cache-Control")), (404, "no-store"), missing)
    response, plain = reader.get("tile/entries/001")
    check_equal((response.status, response.getheader("Content-Encoding"), response.getheader("Vary"),
                 response.getheader("Cache-Control")), (200, None, "Accept-Encoding", FOR_EVER), "a bundle")
    response, packed = reader.get("tile/entries/001", **{"Accept-Encoding": "br;q=1, gzip;q=0.1"})
    check_equal((response.getheader("Content-Encoding"), gzip.decompress(packed)), ("gzip", plain), "a packed bundle")
    response, nothing = reader.get("tile/0/001.p/3", method="HEAD")
    check_equal((response.status, response.getheader("Content-Length"), nothing), (200, "96", b""), "HEAD of a tile")
    response, _ = reader.get("checkpoint")
    check_equal(response.getheader("Cache-Control"), "no-cache", "Cache-Control of the checkpoint")


def tiles(world):
    tlogcheck = build_tlogcheck()
    broker, collector, gateway = world.enrol()
    gateway.recorder.update({"segment_age": "2s", "segment_entries": 9000})
    gateway.configure()
    for process in (broker, collector, gateway):
        process.start()
    gateway.wait_subscribed()
    reader = Reader(world, collector, tlogcheck)
    publish(world, broker.port, FIRST)
    first = wait_archived(world, collector, gateway, FIRST * TOPICS)
    old = world.path("old-checkpoint")
    check_equal(reader.verify("-save", old, "-all")["size"], first, "the first checkpoint")
    publish(world, broker.port, SECOND)
    wait_archived(world, collector, gateway, (FIRST + SECOND) * TOPICS)
    gateway.stop()
    size = int(archive.segment_names(log_folder(collector.archive))[-1][21:41])
    check(size > 65536 + 256, f"{size} entries are too few for three levels of tiles")
    got = check_reading(reader, size, old)
    print(f"{size} entries in {len(archive.segment_names(log_folder(collector.archive)))} segments: {got}", flush=True)
    witness = Reader(world, collector, tlogcheck, "witness")
    check(witness.verify("-records", "0", cosigner=world.keys["witness"])["size"] >= first, "the witness' checkpoint")
    reader.verify("-records", "0", cosigner=world.keys["witness"])  # the receipt has both
    other, _ = world.run("sealring", "key", "generate", world.path("other-mirror.key"), MIRROR, "--cosigner")
    reader.verify("-records", "0", cosigner=other.strip().splitlines()[-1], code=1)
    other, _ = world.run("sealring", "key", "generate", world.path("other.key"), ORIGIN)
    reader.verify("-records", "0", vkey=other.strip().splitlines()[-1], code=1)
    check_flips(reader, size, old)
    check_names(reader, size)
    check_proofs(world, collector, tlogcheck, size)
    check_rebuilt(world, collector, reader, size, old)


def check_rebuilt(world, collector, reader, size, old):
    """Without indexes, and with one that is damaged, the same again; and verify does not mind the folder."""
    collector.stop()
    index = os.path.join(log_folder(collector.archive), "index")
    names = sorted(os.listdir(index))
    segments = archive.segment_names(log_folder(collector.archive))
    check_equal([n[:-4] for n in names], [n[:-4] for n in segments], "index")
    before = {}
    for name in names:
        with open(os.path.join(index, name), "rb") as f:
            before[name] = f.read()
    for name in names[1:]:
        os.unlink(os.path.join(index, name))
    with open(os.path.join(index, names[0]), "r+b") as f:
        f.truncate(100)
    collector.start()
    check(f"made the tile index of {len(names)} of {len(names)} segments anew" in collector.said(), "nothing was made")
    for name in names:
        with open(os.path.join(index, name), "rb") as f:
            check(f.read() == before[name], f"{name} is another one than before")
    check_reading(reader, size, old)
    collector.stop()
    check_equal(world.verify(collector.archive)["exit_code"], 0, "verify of the archive")


if __name__ == "__main__":
    main(("tiles", tiles))
