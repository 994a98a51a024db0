#!/usr/bin/python3
"""linkage.py BUILD: the programs link the LGPL library libnettle dynamically, and libgmp not at all.

What docs/dependencies.md promises, read from the programs themselves: the library is named as needed, and none of its
code is inside.
"""
import os
import subprocess
import sys

PROGRAMS = ("gateway/sealring", "gateway/sealringd", "collector/sealring-collector")


def needed(program):
    out = subprocess.run(["readelf", "--dynamic", "--wide", program], capture_output=True, text=True, check=True).stdout
    return [line.split("[")[1].rstrip("]") for line in out.splitlines() if "(NEEDED)" in line]


def defined(program):
    """Names of functions that are inside of the program, local ones too."""
    out = subprocess.run(["readelf", "--syms", "--wide", program], capture_output=True, text=True, check=True).stdout
    fields = [line.split() for line in out.splitlines()]
    return {f[7].split("@")[0] for f in fields if len(f) > 7 and f[3] == "FUNC" and f[6] != "UND"}


def findings(build):
    for name in PROGRAMS:
        program = os.path.join(build, name)
        libraries = needed(program)
        if not any(library.startswith("libnettle.so") for library in libraries):
            yield f"{name}: does not need libnettle.so: {libraries}"
        for library in libraries:
            if library.startswith(("libgmp", "libhogweed")):
                yield f"{name}: needs {library}, which docs/dependencies.md says it does not"
        functions = defined(program)
        if "main" not in functions:
            yield f"{name}: has no symbol table, so nothing can be said"
        for function in sorted(f for f in functions if f.startswith(("nettle_", "_nettle_", "__gmp"))):
            yield f"{name}: has {function} inside"


def main(argv):
    found = list(findings(argv[1]))
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
