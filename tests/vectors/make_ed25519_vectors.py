#!/usr/bin/env python3
"""Writes ed25519.tsv and ed25519_keys.tsv beside itself: what crypto/ed25519.h must take and refuse.

Ed25519 on Python's integers, from RFC 8032 section 5.1 and with the standard library alone; it shares nothing with the
C++ that is tested against what it writes. The rule is strict, and these are its parts:

  S < L                   RFC 8032 5.1.7 step 1: with S + L every signature would have a second form
  A, R canonical          5.1.3: y < p, and no sign on x = 0; a second spelling is a second key, or a second signature
  A, R not of small order a key of small order "signs" nearly everything for everybody; libsodium's rule, not the RFC's
  S B = R + k A           without the cofactor 8, as bytes of R: what 5.1.7 step 3 allows and libsodium does

and for keys that are taken in (vkeys, tokens, entries): a point of prime order, as key generation makes them.

Rows: name, "ok" or "refuse", why, then in hex: key, message, signature; or the key alone. A refused row whose reason
begins with "only" satisfies the bare equation, which is asserted here: a verifier that leaves out that one rule takes
it.
"""
import hashlib
import os

HERE = os.path.dirname(os.path.abspath(__file__))

# --- Ed25519, RFC 8032 section 5.1, affine and slow -------------------------------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def recover_x(y, sign):
    """The x of the point with this y; None when there is none. x = 0 with sign 1 gives 0: a lenient reader."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return P - x if x % 2 != sign and x else x


BASE = (recover_x(4 * pow(5, -1, P) % P, 0), 4 * pow(5, -1, P) % P)
IDENTITY = (0, 1)


def add(a, b):
    t = D * a[0] * b[0] * a[1] * b[1] % P
    return ((a[0] * b[1] + a[1] * b[0]) * pow(1 + t, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P)


def mul(k, a):
    result = IDENTITY
    while k:
        if k & 1:
            result = add(result, a)
        a = add(a, a)
        k >>= 1
    return result


def negate(a):
    return (-a[0] % P, a[1])


def encode(a):
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


def decode_leniently(data):
    """Takes y >= p and a sign on x = 0, which RFC 8032 forbids."""
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255 % P, number >> 255
    x = recover_x(y, sign)
    return None if x is None else (x, y)


def digest(*parts):
    """Modulo L, as every implementation does; for points with a part of small order it makes a difference."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


class Key:
    def __init__(self, seed):
        self.seed = seed
        h = hashlib.sha512(seed).digest()
        self.a = int.from_bytes(h[:32], "little") & ~7 & (2**254 - 1) | 2**254
        self.prefix = h[32:]
        self.public = encode(mul(self.a, BASE))

    def sign(self, message):
        r = digest(self.prefix, message)
        big_r = encode(mul(r, BASE))
        k = digest(big_r, self.public, message)
        return big_r + ((r + k * self.a) % L).to_bytes(32, "little")


def verify_leniently(public, message, signature):
    """The bare equation S B = R + k A: no rule about small order, spelling or the range of S."""
    a, r = decode_leniently(public), decode_leniently(signature[:32])
    if a is None or r is None:
        return False
    k = digest(signature[:32], public, message)
    s = int.from_bytes(signature[32:], "little")
    return mul(s, BASE) == add(r, mul(k, a))


def torsion():
    """A point of order 8: what is left of any point after multiplication by L."""
    y = 2
    while True:
        x = recover_x(y, 0)
        if x is not None:
            point = mul(L, (x, y))
            if mul(4, point) != IDENTITY:
                return point
        y += 1


def until(condition):
    """A message for which `condition` holds: most of these attacks need k modulo 8."""
    for n in range(10000):
        message = b"attempt %d" % n
        found = condition(message)
        if found:
            return message, found
    raise AssertionError("no message")


def spellings(point):
    """Every 32 bytes that a lenient reader takes for `point`: y or y + p, and both signs when x is 0."""
    for y in (point[1], point[1] + P):
        if y < 2**255:
            for sign in (0, 1):
                if point[0] == 0 or point[0] & 1 == sign:
                    yield (y | sign << 255).to_bytes(32, "little")


# --- signatures -------------------------------------------------------------------------------------------------------
MESSAGE = b"a message"
OFF_CURVE = next(y for y in range(2, 100) if recover_x(y, 0) is None).to_bytes(32, "little")
EIGHTH = torsion()


class Rows:
    def __init__(self):
        self.rows = []

    def taken(self, name, why, public, text, signature):
        assert verify_leniently(public, text, signature), name
        self.rows.append((name, "ok", why, public.hex(), text.hex(), signature.hex()))

    def refused(self, name, why, public, text, signature):
        assert verify_leniently(public, text, signature) == why.startswith("only "), name
        self.rows.append((name, "refuse", why, public.hex(), text.hex(), signature.hex()))


def scalar(number):
    return number.to_bytes(32, "little")


def valid_rows(out, key):
    for name, text in (("valid", MESSAGE), ("valid, empty message", b""), ("valid, one zero byte", b"\0"),
                       ("valid, a block of SHA-512", bytes(range(128))), ("valid, 1 KiB", bytes(range(256)) * 4)):
        out.taken(name, "RFC 8032", key.public, text, key.sign(text))


def scalar_rows(out, key):
    """S out of range. 2^256 has room for 15 multiples of L."""
    good = key.sign(MESSAGE)
    big_r, s = good[:32], int.from_bytes(good[32:], "little")
    for times in range(1, 15):
        out.refused(f"S plus {times} L", "only S < L is broken", key.public, MESSAGE, big_r + scalar(s + times * L))
    for bit in (252, 253, 254, 255):
        assert s < 2**252
        out.refused(f"S with bit {bit}", "S >= L or another S; who masks the highest bits would take it", key.public,
                    MESSAGE, big_r + scalar(s | 1 << bit))
    for name, number in (("0", 0), ("1", 1), ("L - 1", L - 1), ("L", L), ("L + 1", L + 1), ("2^256 - 1", 2**256 - 1)):
        out.refused(f"S = {name}", "another S" if number < L else "S >= L, and another S", key.public, MESSAGE,
                    big_r + scalar(number))


def small_order_key(public):
    def attempt(message):
        for r in range(1, 4):
            signature = encode(mul(r, BASE)) + scalar(r)
            if verify_leniently(public, message, signature):
                return signature

    return until(attempt)


def spelling_words(data):
    return "canonical" if encode(decode_leniently(data)) == data else "not canonical"


def small_order_rows(out, key):
    for i in range(8):
        for n, public in enumerate(spellings(mul(i, EIGHTH))):
            text, signature = small_order_key(public)
            out.refused(f"small-order A: torsion point {i}, spelling {n}",
                        f"only A is of small order, {spelling_words(public)}", public, text, signature)
    # R of small order: with A = a B + T and S = k a, R must be -k T.
    mixed = encode(add(mul(key.a, BASE), EIGHTH))
    for i in range(8):
        for n, big_r in enumerate(spellings(mul(i, EIGHTH))):
            def attempt(text):
                k = digest(big_r, mixed, text)
                signature = big_r + scalar(k * key.a % L)
                return verify_leniently(mixed, text, signature) and signature

            text, signature = until(attempt)
            out.refused(f"small-order R: torsion point {i}, spelling {n}",
                        f"only R is of small order, {spelling_words(big_r)}", mixed, text, signature)
    neutral = encode(IDENTITY)
    out.refused("small-order A and R, S = 0", "only A and R are of small order", neutral, MESSAGE, neutral + bytes(32))
    out.refused("small-order A and R, S = L", "only A and R are of small order, and S = L", neutral, MESSAGE,
                neutral + scalar(L))


def mixed_order_rows(out, key):
    """Neither of small order nor misspelt: the bare equation decides, without the cofactor."""
    mixed_a, mixed_r = encode(add(mul(key.a, BASE), EIGHTH)), encode(add(mul(7, BASE), EIGHTH))
    for name, public, big_r in (("A", mixed_a, encode(mul(7, BASE))), ("A and R", mixed_a, mixed_r)):
        def signature(text):
            return big_r + scalar((7 + digest(big_r, public, text) * key.a) % L)

        text, _ = until(lambda t: verify_leniently(public, t, signature(t)))
        out.taken(f"mixed-order {name}, equation holds", "the equation holds; no rule names mixed order", public, text,
                  signature(text))
        text, _ = until(lambda t: not verify_leniently(public, t, signature(t)))
        out.refused(f"mixed-order {name}, equation holds only times 8", "the equation holds with the cofactor only",
                    public, text, signature(text))
    k = digest(mixed_r, key.public, MESSAGE)
    out.refused("mixed-order R, equation holds only times 8", "the equation holds with the cofactor only", key.public,
                MESSAGE, mixed_r + scalar((7 + k * key.a) % L))


def other_rows(out, key):
    good = key.sign(MESSAGE)
    high = next(misspelt_points())
    out.refused("A not canonical, of no small order", "y >= p; nobody knows its secret, so no equation holds either", high,
                MESSAGE, good)
    out.refused("R not canonical, of no small order", "y >= p; nobody knows its secret, so no equation holds either",
                key.public, MESSAGE, high + good[32:])
    out.refused("A not on the curve", "is no point", OFF_CURVE, MESSAGE, good)
    out.refused("R not on the curve", "is no point", key.public, MESSAGE, OFF_CURVE + good[32:])
    out.refused("message one byte longer", "another message", key.public, MESSAGE + b"\0", good)
    out.refused("message one byte shorter", "another message", key.public, MESSAGE[:-1], good)
    out.refused("no message", "another message", key.public, b"", good)
    out.refused("another key", "another key", Key(bytes(32)).public, MESSAGE, good)
    out.refused("A negated", "another key", key.public[:31] + bytes([key.public[31] ^ 0x80]), MESSAGE, good)
    out.refused("R negated", "another R", key.public, MESSAGE, good[:31] + bytes([good[31] ^ 0x80]) + good[32:])
    out.refused("S negated", "another S", key.public, MESSAGE,
                good[:32] + scalar(L - int.from_bytes(good[32:], "little")))
    out.refused("R and S exchanged", "another signature", key.public, MESSAGE, good[32:] + good[:32])
    out.refused("S = 0, R = A", "the equation does not hold", key.public, MESSAGE, key.public + bytes(32))
    out.refused("signature all zero", "R is of small order", key.public, MESSAGE, bytes(64))
    out.refused("signature all ones", "S >= L, R not canonical", key.public, MESSAGE, b"\xff" * 64)
    out.refused("key all zero", "A is of small order", bytes(32), MESSAGE, good)
    out.refused("key all ones", "A is not canonical", b"\xff" * 32, MESSAGE, good)
    zero_text, _ = until(lambda t: verify_leniently(bytes(32), t, bytes(64)))
    out.refused("all zero", "only A and R are of small order", bytes(32), zero_text, bytes(64))


def misspelt_points():
    """y + p for the y of points that are not of small order."""
    for y in range(2, 19):
        for sign in (0, 1):
            if recover_x(y, sign) is not None:
                yield (y + P | sign << 255).to_bytes(32, "little")


def signature_rows():
    out, key = Rows(), Key(hashlib.sha256(b"ed25519 vectors").digest())
    for part in (valid_rows, scalar_rows, small_order_rows, mixed_order_rows, other_rows):
        part(out, key)
    return out.rows


# --- keys -------------------------------------------------------------------------------------------------------------
def in_prime_group(point):
    return point != IDENTITY and mul(L, point) == IDENTITY


def key_rows():
    rows = []

    def row(name, why, data):
        point = decode_leniently(data)
        good = point is not None and encode(point) == data and in_prime_group(point)
        assert good == (why == ""), name
        rows.append((name, "ok" if good else "refuse", why or "a point of prime order", data.hex()))

    for n in range(4):
        row(f"key {n}", "", Key(bytes([n]) * 32).public)
        row(f"key {n} negated", "", encode(negate(decode_leniently(Key(bytes([n]) * 32).public))))
    row("base point", "", encode(BASE))
    for i in range(8):
        for n, data in enumerate(spellings(mul(i, EIGHTH))):
            row(f"torsion point {i}, spelling {n}", f"of small order, {spelling_words(data)}", data)
    honest = decode_leniently(Key(bytes(32)).public)
    for i in range(1, 8):
        row(f"mixed order, torsion point {i}", "verifiers with and without the cofactor disagree about its signatures",
            encode(add(honest, mul(i, EIGHTH))))
    for n, data in enumerate(misspelt_points()):
        row(f"not canonical {n}", "y >= p: a second spelling of a key", data)
    for y in range(2, 20):
        if recover_x(y, 0) is None:
            row(f"not on the curve, y = {y}", "no point", y.to_bytes(32, "little"))
    row("all ones", "y >= p", b"\xff" * 32)
    return rows


# --- files ------------------------------------------------------------------------------------------------------------
def write(name, rows):
    assert len({row[0] for row in rows}) == len(rows), name  # names are unique
    with open(os.path.join(HERE, name), "w", encoding="ascii") as file:
        for row in rows:
            file.write("\t".join(row) + "\n")


if __name__ == "__main__":
    write("ed25519.tsv", signature_rows())
    write("ed25519_keys.tsv", key_rows())
