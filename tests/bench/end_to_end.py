#!/usr/bin/env python3
"""End to end: durable messages per second against mosquitto_sub draining the same prepared backlog, in one run.

    end_to_end.py BUILD_DIR [--messages N] [--rounds N]

For each round a real Mosquitto queues the same messages (200 bytes, QoS 1) for two absent clients with persistent
sessions: one is drained by `mosquitto_sub -q 1` to /dev/null, the other by sealringd, whose time ends when every
message is signed, on disk and acknowledged. Prints each round, the medians and the ratio; asserts nothing about time.
"""
import argparse, contextlib, json, os, shutil, socket, statistics, subprocess, sys, tempfile, time

import paho.mqtt.client as paho

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from lib.ports import free_port  # noqa: E402
from lib.world import wait_until  # noqa: E402

ORIGIN = "example.com/bench/gw"
PATIENCE = 300


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def status(path):
    """By the socket itself: a command each time would take the machine from what is measured. {}: not up yet."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(b'{"get": "status"}\n')
            return json.loads(b"".join(iter(lambda: s.recv(65536), b"")))
    except (FileNotFoundError, ConnectionRefusedError):
        return {}


def prepare_session(port, client):
    subprocess.run(["mosquitto_sub", "-V", "5", "-p", str(port), "-i", client, "-c", "-q", "1", "-t", "bench/#", "-E",
                    "-x", "1000000"], check=True)


def fill(port, count):
    """Not by `mosquitto_pub -l`, which loses lines of a pipe."""
    client = paho.Client(client_id="filler", protocol=paho.MQTTv5)
    client.max_inflight_messages_set(1000)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for i in range(count):
        last = client.publish("bench/t", "%08d" % i + "x" * 192, qos=1)
    last.wait_for_publish(PATIENCE)
    client.disconnect()
    client.loop_stop()


def drain_by_sub(port, client, count):
    begin = time.monotonic()
    with open(os.devnull, "w") as null:
        subprocess.run(["mosquitto_sub", "-V", "5", "-p", str(port), "-i", client, "-c", "-q", "1", "-t", "bench/#",
                        "-C", str(count), "-x", "1000000", "-D", "connect", "receive-maximum", "1000"],
                       check=True, stdout=null)
    return time.monotonic() - begin


def drain_by_sealringd(build, folder, port, client, count, segment="16MiB", identity=None):
    gateway = f"{folder}/gw"
    subprocess.run([f"{build}/gateway/sealring", "init", gateway, "--origin", ORIGIN, "--ring-size", "256MiB",
                    *(["--identity-key", identity] if identity else [])], check=True, capture_output=True)
    config = f"{gateway}/sealring.toml"
    with open(config, "w") as f:
        f.write(f'origin = "{ORIGIN}"\nstore = "store"\nsocket = "sock"\n'
                f'identity_key = "{identity or "identity.key"}"\n'
                f'[recorder]\nsegment_bytes = "{segment}"\nsegment_entries = 10000000\n[[broker]]\n'
                f'port = {port}\nclient_id = "{client}"\n'
                'subscriptions = [ { filter = "bench/#", qos = 1 } ]\n')
    begin = time.monotonic()
    daemon = subprocess.Popen([f"{build}/gateway/sealringd", "--config", config], stderr=subprocess.DEVNULL)
    wait_until(lambda: status(f"{gateway}/sock").get("broker", {}).get("acks_released", 0) >= count,
               "all is acknowledged", PATIENCE)
    seconds = time.monotonic() - begin
    daemon.terminate()
    daemon.wait(30)
    shutil.rmtree(gateway)
    return seconds


@contextlib.contextmanager
def own_broker(folder):
    """Its port."""
    port = free_port()
    with open(f"{folder}/mosquitto.conf", "w") as f:
        f.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                "max_inflight_messages 0\npersistence false\n")
    broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", f"{folder}/mosquitto.conf"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listening(port), "the broker listens")
        yield port
    finally:
        broker.terminate()
        broker.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--messages", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ratios, subs, daemons = [], [], []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="sealring-bench-", dir="/var/tmp") as folder:
            with own_broker(folder) as port:
                prepare_session(port, "sub")
                prepare_session(port, "sealring")
                fill(port, args.messages)
                sub = drain_by_sub(port, "sub", args.messages)
                daemon = drain_by_sealringd(args.build, folder, port, "sealring", args.messages)
        subs.append(args.messages / sub)
        daemons.append(args.messages / daemon)
        ratios.append(sub / daemon)
        print(f"round {number + 1}: mosquitto_sub {subs[-1]:.0f}/s, sealringd durable {daemons[-1]:.0f}/s, "
              f"ratio {ratios[-1]:.2f}", flush=True)
    print(f"median: mosquitto_sub {statistics.median(subs):.0f}/s, sealringd {statistics.median(daemons):.0f}/s, "
          f"ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
