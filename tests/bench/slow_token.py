#!/usr/bin/env python3
"""A slow token against a key file: durable messages per second with each, in the same round.

    slow_token.py BUILD_DIR [--messages N] [--rounds N] [--delay MS]

The token is Debian's SoftHSM behind a library that takes 150 ms for each signature; a segment is sealed at 1 MiB, so
that there is something to sign. Prints each round, the medians and the ratio; asserts nothing about time.
"""
import argparse, os, statistics, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import end_to_end as bench

PIN = "271828"


def make_token(build, folder, delay):
    """The URI of a new key on a new token."""
    os.makedirs(f"{folder}/tokens")
    with open(f"{folder}/softhsm.conf", "w") as f:
        f.write(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ.update(SOFTHSM2_CONF=f"{folder}/softhsm.conf", SEALRING_SLOW_MS=str(delay),
                      SEALRING_SLOW_MODULE="/usr/lib/softhsm/libsofthsm2.so")
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "bench", "--pin", PIN,
                    "--so-pin", "16180339"], check=True, stdout=subprocess.DEVNULL)
    with open(os.open(f"{folder}/pin", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(PIN)
    uri = (f"pkcs11:token=bench;object=identity?module-path={os.path.abspath(build)}/tests/pkcs11/libslow_pkcs11.so"
           f"&pin-source=file:{folder}/pin")
    subprocess.run([f"{build}/gateway/sealring", "key", "generate", uri, bench.ORIGIN], check=True,
                   stdout=subprocess.DEVNULL)
    return uri


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--messages", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=int, default=150)
    args = parser.parse_args()
    rates = {"file": [], "token": []}
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="sealring-bench-", dir="/var/tmp") as folder:
            uri = make_token(args.build, folder, args.delay)
            with bench.own_broker(folder) as port:
                for client in rates:
                    bench.prepare_session(port, client)
                bench.fill(port, args.messages)
                order = list(rates) if number % 2 == 0 else list(rates)[::-1]
                for client in order:
                    seconds = bench.drain_by_sealringd(args.build, folder, port, client, args.messages, "1MiB",
                                                       uri if client == "token" else None)
                    rates[client].append(args.messages / seconds)
        print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.0f}/s" for k, v in rates.items()), flush=True)
    file, token = (statistics.median(rates[k]) for k in ("file", "token"))
    print(f"median: key file {file:.0f}/s, token of {args.delay} ms {token:.0f}/s, ratio {token / file:.3f}")


if __name__ == "__main__":
    main()
