#!/usr/bin/env python3
"""Writes vkey.tsv, note.tsv, checkpoint.tsv, policy.tsv, evaluation.tsv and tlog_proof.tsv beside itself.

A second implementation, from the specifications and with the standard library alone: Ed25519 on integers
(make_ed25519_vectors.py), notes as strings. It shares nothing with the C++ that is tested against what it writes. Run it again after a change; the output
depends on nothing else.

Rows: name, expectation, then the input, divided by tabs. An expectation is "ok", or the words that the error message
must have. Text is escaped as \\n \\t \\\\ \\xHH.
"""
import base64
import hashlib
import os

from make_ed25519_vectors import EIGHTH, Key, encode

HERE = os.path.dirname(os.path.abspath(__file__))

# --- notes ------------------------------------------------------------------------------------------------------------
def b64(data):
    return base64.b64encode(data).decode()


def key_id(name, kind, public):
    return hashlib.sha256(name + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name, kind, public):
    return name + b"+" + key_id(name, kind, public).hex().encode() + b"+" + b64(bytes([kind]) + public).encode()


def line(name, blob):
    return "— ".encode() + name + b" " + b64(blob).encode() + b"\n"


def signed(name, key, text):
    return line(name, key_id(name, 1, key.public) + key.sign(text))


def cosigned(name, key, time, text):
    message = b"cosignature/v1\ntime %d\n" % time + text
    return line(name, key_id(name, 4, key.public) + time.to_bytes(8, "big") + key.sign(message))


LOG = Key(hashlib.sha256(b"log").digest())
OTHER_LOG = Key(hashlib.sha256(b"other log").digest())
WITNESS = Key(hashlib.sha256(b"witness").digest())
MIRROR = Key(hashlib.sha256(b"mirror").digest())
NAME = b"example.com/log"

# Every code point of Unicode's White_Space property.
SPACES = [0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]

NOT_UTF8 = {
    "lone continuation byte": b"\x80", "lone lead byte": b"\xc3", "lead and ASCII": b"\xc3(",
    "overlong NUL": b"\xc0\x80", "overlong slash, 2 bytes": b"\xc1\xaf", "overlong slash, 3 bytes": b"\xe0\x80\xaf",
    "overlong, largest of 3 bytes": b"\xe0\x9f\xbf", "overlong, 4 bytes": b"\xf0\x8f\xbf\xbf",
    "first surrogate": b"\xed\xa0\x80", "last surrogate": b"\xed\xbf\xbf", "above U+10FFFF": b"\xf4\x90\x80\x80",
    "lead F5": b"\xf5\x80\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80", "byte FF": b"\xff",
    "cut, 3 bytes": b"\xe2\x82", "cut, 4 bytes": b"\xf0\x9f\x98",
}


def vkey_rows():
    good = vkey(NAME, 1, LOG.public)
    rows = [
        ("ed25519", "ok", good),
        ("cosignature", "ok", vkey(NAME, 4, LOG.public)),
        ("specification's example", "ok", b"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
        ("name beyond ASCII", "ok", vkey("Zürich/木/😀".encode(), 1, LOG.public)),
        ("largest and smallest of each length", "ok", vkey(b"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
                                                            b"\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 1, LOG.public)),
        ("zero width space is no space", "ok", vkey("a\u200bb".encode(), 1, LOG.public)),
        ("empty", "form name+keyID+key", b""),
        ("name only", "form name+keyID+key", NAME),
        ("no key", "form name+keyID+key", NAME + b"+00000000"),
        ("empty name", "key name is empty", good[len(NAME):]),
        ("empty key ID", "key ID must have 8", NAME + b"++" + good.split(b"+", 2)[2]),
        ("7 digits", "hex: odd number", NAME + b"+" + good.split(b"+")[1][:7] + b"+" + good.split(b"+", 2)[2]),
        ("10 digits", "key ID must have 8", NAME + b"+00" + good[len(NAME) + 1:]),
        ("not hex", "not a hex digit at offset 0", NAME + b"+g" + good[len(NAME) + 2:]),
        ("another key ID", "is not that of its name and key", NAME + b"+00000000+" + good.split(b"+", 2)[2]),
        ("key ID of the other type", "is not that of its name and key",
         NAME + b"+" + key_id(NAME, 4, LOG.public).hex().encode() + b"+" + b64(b"\1" + LOG.public).encode()),
        ("another name", "is not that of its name and key", b"f" + good),
        ("trailing newline", "base64", good + b"\n"),
        ("trailing space", "base64", good + b" "),
        ("leading space", "has a space at offset 0", b" " + good),
        ("padding dropped", "multiple of 4", good[:-1]),
        ("empty base64", "key is empty", NAME + b"+00000000+"),
        ("31-byte key", "has 31 bytes, must have 32", vkey(NAME, 1, LOG.public[:31])),
        ("33-byte key", "has 33 bytes, must have 32", vkey(NAME, 1, LOG.public + b"\0")),
        ("type alone", "has 0 bytes, must have 32", vkey(NAME, 1, b"")),
        # Which keys are refused is ed25519_keys.tsv's matter.
        ("key of small order", "is no Ed25519 key", vkey(NAME, 1, encode(EIGHTH))),
        ("cosigner's key of small order", "is no Ed25519 key", vkey(NAME, 4, bytes(32))),
    ]
    for kind in (0x00, 0x02, 0x03, 0x05, 0x06, 0xFA, 0xFF):
        rows.append((f"type {kind:02x}", f"signature type 0x{kind:02x} is not supported", vkey(NAME, kind, LOG.public)))
    for space in SPACES:
        name = b"a" + chr(space).encode() + b"b"
        rows.append((f"space U+{space:04X}", "has a space at offset 1", vkey(name, 1, LOG.public)))
    for control in (0x00, 0x01, 0x08, 0x0E, 0x1B, 0x1F):
        name = b"ab" + bytes([control])
        rows.append((f"control {control:02x}", "has a control character at offset 2", vkey(name, 1, LOG.public)))
    for what, wrong in NOT_UTF8.items():
        rows.append((what, "is not valid UTF-8 at offset 1", vkey(b"a" + wrong, 1, LOG.public)))
    return rows


def note_rows():
    text = b"First line.\n\nThird line.\n"
    good = signed(NAME, LOG, text)
    unknown = line(b"unknown.example", bytes(range(40)))
    dash = "— ".encode()

    def note(*lines):
        return text + b"\n" + b"".join(lines)

    rows = [
        ("one signature", "ok", note(good)),
        ("specification's example", "ok",
         b"This is an example message.\n\n" + dash + b"example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlT"
         b"gK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"),
        ("cosignature specification's example", "ok",
         b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" + dash +
         b"example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyW"
         b"E+xeMcTOAYQ8=\n" + dash + b"witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZ"
         b"CB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"),
        ("text is one newline", "ok", b"\n\n" + good),
        ("text ends in an empty line", "ok", b"x\n\n\n" + good),
        ("DEL and text beyond ASCII", "ok", "\x7f Ognuno sta solo 😀\n\n".encode() + good),
        ("signature line inside the text", "ok", good + b"\n" + good),
        ("16 signatures", "ok", note(good, *[unknown] * 15)),
        ("64 signatures", "ok", note(*[unknown] * 64)),
        ("shortest signature", "ok", note(line(b"x", bytes(5)))),
        ("post-quantum length", "ok", note(line(b"x", bytes(5000)))),
        ("65 signatures", "line 69: more than 64", note(*[unknown] * 65)),
        ("empty", "no empty line", b""),
        ("text alone", "line 3: signature line must begin", text),
        ("text of one line", "no empty line", b"x\n"),
        ("no text", "no empty line", b"\n" + good),
        ("no blank line", "line 3: signature line must begin", text[:-1].replace(b"\n\n", b"\n\nx\n") + b"\n" + good),
        ("no signature", "line 5: no signature line", note()),
        ("no final newline", "line 5: signature line does not end", note(good)[:-1]),
        ("blank line behind", "line 7: no signature line", note(good, b"\n")),
        ("blank line between, text behind", "line 7: signature line must begin", note(good, b"\n", b"x\n")),
        ("hyphen for dash", "line 5: signature line must begin", note(b"- " + good[4:])),
        ("en dash", "line 5: signature line must begin", note("– ".encode() + good[4:])),
        ("no space after dash", "line 5: signature line must begin", note(good.replace(dash, "—".encode()))),
        ("tab after dash", "line 5, offset 29: control character 0x09", note(good.replace(dash, "—\t".encode()))),
        ("two spaces after dash", "line 5: key name is empty", note(good.replace(dash, dash + b" "))),
        ("two spaces before signature", "line 5: signature: base64", note(good.replace(NAME + b" ", NAME + b"  "))),
        ("no name", "line 5: signature line has no space", note(dash + good.split(b" ")[2])),
        ("plus in the name", "line 5: key name \"a+b\" has a '+'", note(line(b"a+b", bytes(68)))),
        ("no-break space in the name", "has a space at offset 1", note(line("a\u00a0b".encode(), bytes(68)))),
        ("second line bad", "line 6: signature line must begin", note(good, b"x\n")),
        ("trailing space", "line 5: signature: base64", note(good[:-1] + b" \n")),
        ("carriage return", "control character 0x0d", note(good[:-1] + b"\r\n")),
        ("key ID alone", "line 5: signature of 4 bytes", note(line(b"x", bytes(4)))),
        ("less than a key ID", "line 5: signature of 3 bytes", note(line(b"x", bytes(3)))),
        ("empty signature", "line 5: signature of 0 bytes", note(dash + b"x \n")),
        ("no padding", "line 5: signature: base64", note(line(b"x", bytes(68)).replace(b"=", b""))),
        ("unused bits", "unused bits are not zero", note(line(b"x", bytes(68)).replace(b"A=", b"B="))),
        ("URL alphabet", "not a base64 character", note(line(b"x", b"\xff" * 69).replace(b"/", b"_"))),
        ("padding in the middle", "not a base64 character", note(dash + b"x AAA=AAAAAAAA\n")),
        ("NUL in the text", "line 1, offset 1: control character 0x00", b"x\0\n\n" + good),
        ("tab in the text", "line 2, offset 3: control character 0x09", b"x\ny\t\n\n" + good),
        ("escape in the text", "control character 0x1b", b"\x1b[2J\n\n" + good),
    ]
    for what, wrong in NOT_UTF8.items():
        rows.append((what, "line 2, offset 3: not valid UTF-8", b"x\ny" + wrong + b"\n\n" + good))
    return rows


EMPTY = b64(hashlib.sha256(b"").digest()).encode()
ROOT = b64(hashlib.sha256(b"some root").digest()).encode()


def checkpoint_rows():
    return [
        ("ordinary", "ok", NAME + b"\n7\n" + ROOT + b"\n"),
        ("empty tree", "ok", NAME + b"\n0\n" + EMPTY + b"\n"),
        ("largest size", "ok", NAME + b"\n9223372036854775807\n" + ROOT + b"\n"),
        ("origin with spaces", "ok", b"go.sum database tree\n7\n" + ROOT + b"\n"),
        ("specification's example", "ok",
         b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"),
        ("origin near ours", "ok", b"sealring\n7\n" + ROOT + b"\n"),
        ("empty", "must end in a newline", b""),
        ("no final newline", "must end in a newline", NAME + b"\n7\n" + ROOT),
        ("origin alone", "line 2: size is missing", NAME + b"\n"),
        ("origin and size", "line 3: root hash is missing", NAME + b"\n7\n"),
        ("empty origin", "line 1: origin is empty", b"\n7\n" + ROOT + b"\n"),
        ("our own note", "line 1: \"sealring/succession/v1\" is a note of another type",
         b"sealring/succession/v1\n7\n" + ROOT + b"\n"),
        ("size empty", "line 2: decimal number: empty", NAME + b"\n\n" + ROOT + b"\n"),
        ("leading zero", "line 2: decimal number \"07\": leading zero", NAME + b"\n07\n" + ROOT + b"\n"),
        ("two zeros", "leading zero", NAME + b"\n00\n" + EMPTY + b"\n"),
        ("plus sign", "not a digit", NAME + b"\n+7\n" + ROOT + b"\n"),
        ("minus sign", "not a digit", NAME + b"\n-7\n" + ROOT + b"\n"),
        ("hexadecimal", "leading zero", NAME + b"\n0x7\n" + ROOT + b"\n"),
        ("space before size", "not a digit", NAME + b"\n 7\n" + ROOT + b"\n"),
        ("space behind size", "not a digit", NAME + b"\n7 \n" + ROOT + b"\n"),
        ("2^63", "is too large", NAME + b"\n9223372036854775808\n" + ROOT + b"\n"),
        ("2^64 - 1", "is too large", NAME + b"\n18446744073709551615\n" + ROOT + b"\n"),
        ("2^64", "does not fit 64 bits", NAME + b"\n18446744073709551616\n" + ROOT + b"\n"),
        ("10 * 2^64", "does not fit 64 bits", NAME + b"\n184467440737095516160\n" + ROOT + b"\n"),
        ("root empty", "root hash has 0 bytes", NAME + b"\n7\n\n"),
        ("root of 31 bytes", "root hash has 31 bytes", NAME + b"\n7\n" + b64(bytes(31)).encode() + b"\n"),
        ("root of 33 bytes", "root hash has 33 bytes", NAME + b"\n7\n" + b64(bytes(33)).encode() + b"\n"),
        ("root without padding", "line 3: base64", NAME + b"\n7\n" + ROOT[:-1] + b"\n"),
        ("root with unused bits", "unused bits are not zero", NAME + b"\n7\n" + b64(bytes(32))[:-2].encode() + b"B=\n"),
        ("root in hex", "root hash has 48 bytes", NAME + b"\n7\n" + b"0" * 64 + b"\n"),
        ("size 0, another root", "line 3: size is 0", NAME + b"\n0\n" + ROOT + b"\n"),
        ("extension", "line 4: extension lines", NAME + b"\n7\n" + ROOT + b"\nmore\n"),
        ("blank line behind", "line 4: extension lines", NAME + b"\n7\n" + ROOT + b"\n\n"),
        ("carriage returns", "control character 0x0d", NAME + b"\r\n7\r\n" + ROOT + b"\r\n"),
        ("origin not UTF-8", "line 1, offset 0: not valid UTF-8", b"\xff\n7\n" + ROOT + b"\n"),
    ]


def policy_rows():
    log = vkey(NAME, 1, LOG.public)
    other_log = vkey(b"example.com/other", 1, OTHER_LOG.public)
    witness = vkey(b"witness.example", 4, WITNESS.public)
    mirror = vkey(b"mirror.example", 4, MIRROR.public)
    third = vkey(b"third.example", 4, LOG.public)
    head = b"log " + log + b"\nwitness W " + witness + b"\nwitness M " + mirror + b"\n"
    keys = [Key(bytes([i]) * 32).public for i in range(64)]
    many = b"".join(b"log " + vkey(b"l%d" % i, 1, keys[i]) + b"\nwitness w%d " % i +
                    vkey(b"w%d" % i, 4, keys[i]) + b"\ngroup g%d any w%d\n" % (i, i) for i in range(64))
    rows = [
        ("no cosignature asked", "ok", b"quorum none\n"),
        ("one witness", "ok", head + b"quorum W\n"),
        ("nested groups", "ok", head + b"group all-two all W M\nwitness T " + third + b"\ngroup G any all-two T\nquorum G\n"),
        ("threshold", "ok", head + b"group G 2 W M\nquorum G\n"),
        ("URLs", "ok", b"log " + log + b" https://l.example/#x\nwitness W " + witness + b" https://w.example\nquorum W\n"),
        ("blanks and comments", "ok", b"# head\n#none\n \t# another\n\n \t \n\tlog\t " + log + b" \t\n quorum\t none \n"),
        ("a line behind the quorum", "ok", b"quorum none\nlog " + log + b"\n"),
        ("opaque names", "ok", b"witness \xff\xfe+ " + witness + b"\nquorum \xff\xfe+\n"),
        ("keyword as a name", "ok", b"witness any " + witness + b"\ngroup all any any\nquorum all\n"),
        ("one key as log and witness", "ok", b"log " + log + b"\nwitness T " + third + b"\nquorum T\n"),
        ("log of two keys", "ok", b"log " + log + b"\nlog " + vkey(NAME, 1, OTHER_LOG.public) + b"\nquorum none\n"),
        ("64 of each", "ok", many + b"quorum none\n"),
        ("empty", "no quorum line", b""),
        ("no quorum", "no quorum line", head),
        ("quorum twice", "line 2: a second quorum line", b"quorum none\nquorum none\n"),
        ("no final newline", "line 1: does not end in a newline", b"quorum none"),
        ("quorum not defined", "line 1: quorum \"W\" is not defined above", b"quorum W\n"),
        ("quorum before its witness", "line 1: quorum \"W\" is not defined above", b"quorum W\nwitness W " + witness + b"\n"),
        ("quorum of a log", "is not defined above", b"log " + log + b"\nquorum " + NAME + b"\n"),
        ("quorum without name", "line 1: must have the form: quorum", b"quorum\n"),
        ("quorum with two", "line 4: must have the form: quorum", head + b"quorum W M\n"),
        ("comment behind a value", "line 1: must have the form: quorum", b"quorum none # nobody\n"),
        ("unknown keyword", "line 1: \"logs\" is not one of", b"logs " + log + b"\n"),
        ("upper case", "line 1: \"Quorum\" is not one of", b"Quorum none\n"),
        ("byte order mark", "is not one of", b"\xef\xbb\xbfquorum none\n"),
        ("log without key", "line 1: must have the form: log", b"log\n"),
        ("log with too much", "line 1: must have the form: log", b"log " + log + b" url more\n"),
        ("log with a cosigner's key", "line 1: vkey of \"witness.example\" has signature type 4; a log's must be 1",
         b"log " + witness + b"\n"),
        ("log with a bad key", "line 2: vkey", b"\nlog x+y\n"),
        ("log twice", "line 2: another log line has the same public key", b"log " + log + b"\nlog " + log + b"\n"),
        ("one key for two logs", "line 2: another log line has the same public key",
         b"log " + log + b"\nlog " + vkey(b"renamed", 1, LOG.public) + b"\n"),
        ("witness without key", "line 1: must have the form: witness", b"witness W\n"),
        ("witness with too much", "line 1: must have the form: witness", b"witness W " + witness + b" url more\n"),
        ("witness with a log's key", "line 1: vkey of \"example.com/log\" has signature type 1; a witness's must be 4",
         b"witness W " + log + b"\n"),
        ("witness ML-DSA", "line 1: vkey of \"w\": signature type 0x06", b"witness W " + vkey(b"w", 6, bytes(1312)) + b"\n"),
        ("name twice", "line 2: name \"W\" is defined twice", b"witness W " + witness + b"\nwitness W " + mirror + b"\n"),
        ("one key for two witnesses", "line 2: another witness line has the same public key",
         b"witness W " + witness + b"\nwitness X " + vkey(b"renamed", 4, WITNESS.public) + b"\n"),
        ("witness none", "line 1: the name \"none\" is reserved", b"witness none " + witness + b"\n"),
        ("group none", "line 4: the name \"none\" is reserved", head + b"group none any W\n"),
        ("group with none", "line 4: member \"none\" is not defined above", head + b"group G any none\n"),
        ("group named as a witness", "line 4: name \"M\" is defined twice", head + b"group M any W\n"),
        ("witness named as a group", "line 5: name \"G\" is defined twice", head + b"group G any W\nwitness G " + third + b"\n"),
        ("group without members", "line 4: must have the form: group", head + b"group G any\n"),
        ("group without rule", "line 4: must have the form: group", head + b"group G\n"),
        ("member not defined", "line 4: member \"X\" is not defined above", head + b"group G any W X\n"),
        ("member of itself", "line 4: member \"G\" is not defined above", head + b"group G any G\n"),
        ("member twice in a group", "line 4: \"W\" is a member twice", head + b"group G any W W\n"),
        ("member of two groups", "line 5: \"W\" is a member twice", head + b"group G any W\ngroup H any W\n"),
        ("group in two groups", "line 6: \"G\" is a member twice",
         head + b"group G any W\ngroup H any G\ngroup I any G\n"),
        ("threshold 0", "line 4: threshold 0 is not from 1 to 2", head + b"group G 0 W M\n"),
        ("threshold above", "line 4: threshold 3 is not from 1 to 2", head + b"group G 3 W M\n"),
        ("threshold far above", "does not fit 64 bits", head + b"group G 18446744073709551617 W M\n"),
        ("threshold with zero", "leading zero", head + b"group G 01 W M\n"),
        ("threshold negative", "not a digit", head + b"group G -1 W M\n"),
        ("threshold a word", "not a digit", head + b"group G ALL W M\n"),
        ("carriage return", "line 1: control character 0x0d at offset 11", b"quorum none\r\n"),
        ("NUL", "line 1: control character 0x00 at offset 0", b"\0quorum none\n"),
        ("DEL in a comment", "line 2: control character 0x7f at offset 1", b"quorum none\n#\x7f\n"),
        ("vertical tab", "control character 0x0b", b"quorum\x0bnone\n"),
    ]
    return rows


def evaluation_rows():
    """Columns: name, expectation, policy, note. Expectation: reject words, or log=0|1 quorum=0|1 name:time..."""
    text = NAME + b"\n7\n" + ROOT + b"\n"
    log, other = vkey(NAME, 1, LOG.public), vkey(b"example.com/other", 1, OTHER_LOG.public)
    head = (b"log " + log + b"\nlog " + other + b"\nwitness W " + vkey(b"witness.example", 4, WITNESS.public) +
            b"\nwitness M " + vkey(b"mirror.example", 4, MIRROR.public) + b"\n")
    by_log = signed(NAME, LOG, text)
    by_w = cosigned(b"witness.example", WITNESS, 1679315147, text)
    by_m = cosigned(b"mirror.example", MIRROR, 0, text)
    all_of = head + b"group G all W M\nquorum G\n"
    any_of = head + b"group G any W M\nquorum G\n"
    late = 2**63
    message = b"cosignature/v1\ntime %d\n" % late + text
    too_late = line(b"witness.example", key_id(b"witness.example", 4, WITNESS.public) + late.to_bytes(8, "big") +
                    WITNESS.sign(message))
    plain_by_witness = line(b"witness.example", key_id(b"witness.example", 4, WITNESS.public) + bytes(8) + WITNESS.sign(text))
    short = line(b"witness.example", key_id(b"witness.example", 4, WITNESS.public) + WITNESS.sign(text))
    bad = line(b"witness.example", key_id(b"witness.example", 4, WITNESS.public) + bytes(72))
    other_id = line(b"witness.example", bytes(4) + bytes(72))
    other_name = line(b"witness.example2", key_id(b"witness.example", 4, WITNESS.public) + bytes(72))
    bad_log = line(NAME, key_id(NAME, 1, LOG.public) + bytes(64))
    long_log = line(NAME, key_id(NAME, 1, LOG.public) + LOG.sign(text) + b"\0")
    by_other = signed(b"example.com/other", OTHER_LOG, text)
    bad_other = line(b"example.com/other", key_id(b"example.com/other", 1, OTHER_LOG.public) + bytes(64))
    elsewhere = cosigned(b"witness.example", WITNESS, 5, NAME + b"\n8\n" + ROOT + b"\n")
    two_keys = b"log " + log + b"\nlog " + vkey(NAME, 1, OTHER_LOG.public) + b"\nquorum none\n"
    w, m = "W:1679315147", "M:0"

    def note(*lines, body=text):
        return body + b"\n" + b"".join(lines)

    nested = (head + b"witness T " + vkey(b"third.example", 4, LOG.public) +
              b"\ngroup both all W M\ngroup top any both T\nquorum top\n")
    return [
        ("log alone, none asked", "log=1 quorum=1", head + b"quorum none\n", note(by_log)),
        ("log alone, one asked", "log=1 quorum=0", head + b"quorum W\n", note(by_log)),
        ("the witness asked", f"log=1 quorum=1 {w}", head + b"quorum W\n", note(by_log, by_w)),
        ("another witness", f"log=1 quorum=0 {m}", head + b"quorum W\n", note(by_log, by_m)),
        ("all of two, one there", f"log=1 quorum=0 {w}", all_of, note(by_log, by_w)),
        ("all of two, both there", f"log=1 quorum=1 {m} {w}", all_of, note(by_m, by_w, by_log)),
        ("any of two, one there", f"log=1 quorum=1 {m}", any_of, note(by_log, by_m)),
        ("any of two, none there", "log=1 quorum=0", any_of, note(by_log)),
        ("one twice is not two", f"log=1 quorum=0 {w}", all_of, note(by_log, by_w, by_w)),
        ("nested, by the pair", f"log=1 quorum=1 {m} {w}", nested, note(by_log, by_w, by_m)),
        ("nested, half the pair", f"log=1 quorum=0 {m}", nested, note(by_log, by_m)),
        ("nested, by the third", "log=1 quorum=1 T:9", nested, note(by_log, cosigned(b"third.example", LOG, 9, text))),
        ("latest time counts", f"log=1 quorum=1 {w}", head + b"quorum W\n",
         note(by_log, cosigned(b"witness.example", WITNESS, 3, text), by_w, cosigned(b"witness.example", WITNESS, 4, text))),
        ("largest time", "log=1 quorum=1 W:9223372036854775807", head + b"quorum W\n",
         note(by_log, cosigned(b"witness.example", WITNESS, 2**63 - 1, text))),
        ("no line of the log", f"log=0 quorum=1 {w}", head + b"quorum W\n", note(by_w)),
        ("another log's line does not stand in", "log=0 quorum=1", head + b"quorum none\n", note(by_other)),
        ("another log's line beside", "log=1 quorum=1", head + b"quorum none\n", note(by_other, by_log)),
        ("second key of the log", "log=1 quorum=1", two_keys, note(signed(NAME, OTHER_LOG, text))),
        ("unknown key ID is ignored", "log=1 quorum=0", head + b"quorum W\n", note(by_log, other_id)),
        ("unknown name is ignored", "log=1 quorum=0", head + b"quorum W\n", note(by_log, other_name)),
        ("log line invalid", "signature of log \"example.com/log\" does not verify", head + b"quorum none\n", note(bad_log)),
        ("log line valid and invalid", "signature of log", head + b"quorum none\n", note(by_log, bad_log)),
        ("log line invalid and valid", "signature of log", head + b"quorum none\n", note(bad_log, by_log)),
        ("log line too long", "signature of log", head + b"quorum none\n", note(long_log)),
        ("another log's line invalid", "signature of log \"example.com/other\"", head + b"quorum none\n", note(by_log, bad_other)),
        ("witness line invalid", "cosignature of witness \"W\" does not verify", head + b"quorum none\n", note(by_log, bad)),
        ("witness line valid and invalid", "cosignature of witness \"W\"", any_of, note(by_log, by_w, by_m, bad)),
        ("witness signed the plain text", "cosignature of witness", head + b"quorum W\n", note(by_log, plain_by_witness)),
        ("witness line without time", "cosignature of witness", head + b"quorum W\n", note(by_log, short)),
        ("time above 2^63 - 1", "cosignature of witness", head + b"quorum W\n", note(by_log, too_late)),
        ("cosignature of another checkpoint", "cosignature of witness", head + b"quorum W\n", note(by_log, elsewhere)),
        ("log not in the policy", "log \"example.com/unknown\" is not in the policy", head + b"quorum none\n",
         note(by_log, body=b"example.com/unknown\n7\n" + ROOT + b"\n")),
        ("policy without logs", "is not in the policy", b"quorum none\n", note(by_log)),
        ("not a checkpoint", "checkpoint: line 2", head + b"quorum none\n", note(by_log, body=b"example.com/log\n")),
    ]


def tlog_proof_rows():
    """C2SP tlog-proof. The checkpoint is carried, not read: any bytes behind the empty line will do."""
    head, end = b"c2sp.org/tlog-proof@v1\n", b"\ncheckpoint\n"
    h = ROOT + b"\n"
    return [
        ("no hash", "ok", head + b"index 0\n" + end),
        ("hashes", "ok", head + b"index 5\n" + h * 3 + end),
        ("63 hashes, largest index", "ok", head + b"index 18446744073709551615\n" + h * 63 + end),
        ("extra", "ok", head + b"extra AAEC\nindex 5\n" + h + end),
        ("empty extra", "ok", head + b"extra \nindex 5\n" + end),
        ("empty lines in the checkpoint", "ok", head + b"index 5\n" + end + b"\n\nmore"),
        ("empty", "line 1", b""),
        ("another version", "line 1", head.replace(b"v1", b"v2") + b"index 5\n" + end),
        ("no header", "line 1", b"index 5\n" + end),
        ("blank line before the header", "line 1", b"\n" + head + b"index 5\n" + end),
        ("carriage returns", "line 1", (head + b"index 5\n" + end).replace(b"\n", b"\r\n")),
        ("header alone", "line 2", head),
        ("no index", "line 2", head + h + end),
        ("extra alone", "line 3", head + b"extra AAEC\n" + end),
        ("extra behind the index", "line 3", head + b"index 5\nextra AAEC\n" + end),
        ("two extras", "line 3", head + b"extra AAEC\n" * 2 + b"index 5\n" + end),
        ("two indexes", "line 3", head + b"index 5\n" * 2 + end),
        ("unknown line", "line 2", head + b"note x\nindex 5\n" + end),
        ("extra not base64", "line 2", head + b"extra A_EC\nindex 5\n" + end),
        ("extra without padding", "line 2", head + b"extra AA\nindex 5\n" + end),
        ("extra with unused bits", "line 2", head + b"extra AB==\nindex 5\n" + end),
        ("extra with a space behind", "line 2", head + b"extra AAEC \nindex 5\n" + end),
        ("extra without its space", "line 2", head + b"extra\nindex 5\n" + end),
        ("index empty", "line 2", head + b"index \n" + end),
        ("index without its space", "line 2", head + b"index\n" + end),
        ("index with a leading zero", "line 2", head + b"index 05\n" + end),
        ("index with a sign", "line 2", head + b"index +5\n" + end),
        ("index negative", "line 2", head + b"index -5\n" + end),
        ("index in hex", "line 2", head + b"index 0x5\n" + end),
        ("two spaces before the index", "line 2", head + b"index  5\n" + end),
        ("space behind the index", "line 2", head + b"index 5 \n" + end),
        ("index of 2^64", "line 2", head + b"index 18446744073709551616\n" + end),
        ("index of 10 * 2^64", "line 2", head + b"index 184467440737095516160\n" + end),
        ("64 hashes", "line 66", head + b"index 5\n" + h * 64 + end),
        ("hash of 31 bytes", "line 3", head + b"index 5\n" + b64(bytes(31)).encode() + b"\n" + end),
        ("hash of 33 bytes", "line 3", head + b"index 5\n" + b64(bytes(33)).encode() + b"\n" + end),
        ("hash in hex", "line 4", head + b"index 5\n" + h + b"0" * 64 + b"\n" + end),
        ("hash with unused bits", "line 3", head + b"index 5\n" + b64(bytes(32))[:-2].encode() + b"B=\n" + end),
        ("hash with a space behind", "line 3", head + b"index 5\n" + ROOT + b" \n" + end),
        ("no empty line", "line 4", head + b"index 5\n" + h),
        ("no empty line, a checkpoint", "line 4", head + b"index 5\n" + h + end[1:]),
        ("last line cut", "line 3", head + b"index 5\n" + ROOT),
        ("no checkpoint", "line 5", head + b"index 5\n" + h + b"\n"),
    ]


# --- files ------------------------------------------------------------------------------------------------------------
def escape(data):
    if isinstance(data, str):
        return data
    out = []
    for b in data:
        c = chr(b)
        out.append({"\n": "\\n", "\t": "\\t", "\\": "\\\\"}.get(c) or (c if 0x20 <= b < 0x7F else f"\\x{b:02x}"))
    return "".join(out)


def write(name, rows):
    assert len({row[0] for row in rows}) == len(rows), name  # names are unique
    with open(os.path.join(HERE, name), "w", encoding="ascii") as file:
        for row in rows:
            file.write("\t".join(escape(column) for column in row) + "\n")


if __name__ == "__main__":
    write("vkey.tsv", vkey_rows())
    write("note.tsv", note_rows())
    write("checkpoint.tsv", checkpoint_rows())
    write("policy.tsv", policy_rows())
    write("evaluation.tsv", evaluation_rows())
    write("tlog_proof.tsv", tlog_proof_rows())
