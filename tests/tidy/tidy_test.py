#!/usr/bin/python3
"""Shows tidy.py a small tree that is as it should be, and then the same tree with one thing wrong at a time."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import linkage  # noqa: E402
import tidy  # noqa: E402

GOOD = {
    "CMakeLists.txt": "add_subdirectory(crypto)\n",
    "crypto/CMakeLists.txt": "add_library(crypto a.cc)\n",
    "crypto/a.h": "#pragma once\n\nnamespace sealring {\nint one();\n}\n",
    "crypto/a.cc": '#include "crypto/a.h"\n\n#include <nettle/sha2.h>\n\n#include <vector>\n\n'
                   "namespace sealring {\nint one() {\n  return 1;\n}\n}  // namespace sealring\n",
    "cmake/setup.sh": "PACKAGES=(\n  # libraries\n  g++\n  " + "\n  ".join(
        sorted({package for package, _ in tidy.THIRD_PARTY.values()})) + "\n)\nLONG_PACKAGES=(clang-tidy)\n",
    "docs/dependencies.md": "".join(
        f"| `{package}` | why |\n"
        for package in sorted({package for package, _ in tidy.THIRD_PARTY.values()} | {"clang-tidy", "g++"})),
    "docs/operations.md": "warning `the disk of DIR is full`: make\nroom\n",
    "docs/trust.md": "`tests/system` and `tests/unit/a.h`\n## Who can do what, and when\n| who | shown by |\n"
                     "|---|---|\n| root | `tests/system/kill.py once twice`, `tests/system/kill.py once` |\n## Files\n"
                     "| file | |\n",
    "tests/system/kill.py": 'if __name__ == "__main__":\n    main(("once", once), ("twice", twice))\n',
    "tests/system/CMakeLists.txt": "sealring_system_test(kill 60)\n",
    "tests/unit/a.h": "\n",
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 120\nAllowShortFunctionsOnASingleLine: None\n",
}


def body(lines):
    return "int long_one() {\n" + "  one();\n" * lines + "}\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        # The lists of what may be long are about the real tree.
        self.lists = tidy.LONG_FILES, tidy.LONG_FUNCTIONS
        tidy.LONG_FILES, tidy.LONG_FUNCTIONS = {}, {}

    def tearDown(self):
        tidy.LONG_FILES, tidy.LONG_FUNCTIONS = self.lists

    def findings(self, changes, checks=tidy.CHECKS):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in {**GOOD, **changes}.items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content)
            tree = tidy.Tree(folder)
            for check in checks:
                check(tree)
            return tree.findings

    def only(self, changes, *words, checks=tidy.CHECKS):
        """One finding, with all of the words."""
        found = self.findings(changes, checks)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def changed(self, name, old, new):
        self.assertIn(old, GOOD[name])
        return {name: GOOD[name].replace(old, new)}

    def test_good(self):
        self.assertEqual(self.findings({}), [])
        self.assertEqual(self.findings({}, [tidy.check_format]), [])

    def test_arrows(self):
        for name, included in (("crypto/b.h", "storage/x.h"), ("storage/b.h", "drivers/x.h"),
                               ("drivers/b.h", "storage/x.h"), ("gateway/b.h", "collector/x.h"),
                               ("collector/b.h", "gateway/x.h")):
            self.only({name: f'#include "{included}"\n', included: "\n"}, f"{name}:1", "may not include", included)
        for name in ("storage/b.h", "drivers/b.h", "gateway/b.h", "collector/b.h", "tests/unit/b.h"):
            self.assertEqual(self.findings({name: '#include "crypto/a.h"\n'}), [])
        self.only({"other/b.h": "\n"}, "other/b.h", "belongs in one of")

    def test_one_rule_for_signatures(self):
        for call in ("C_Verify(s, m, 1, t, 2)", "crypto_sign_verify_detached(t, m, 1, k)", "mbedtls_pk_verify(c)",
                     "EVP_DigestVerify(c)"):
            verifies = self.changed("crypto/a.cc", "return 1;", f"return {call};")
            self.only(verifies, "crypto/a.cc:9", "verifies by itself")
        self.assertEqual(self.findings({"crypto/CMakeLists.txt": "add_library(crypto a.cc ed25519.cc)\n",
                                        "crypto/ed25519.cc": "int x = crypto_sign_verify_detached(t, m, 1, k);\n"}), [])

    def test_own_includes_exist_and_start_at_the_root(self):
        self.only(self.changed("crypto/a.cc", '"crypto/a.h"', '"crypto/b.h"'), "crypto/a.cc:1", "is no file")
        self.only(self.changed("crypto/a.cc", '"crypto/a.h"', '"a.h"'), "crypto/a.cc:1", "may not include")

    def test_third_party(self):
        self.only(self.changed("crypto/a.cc", "<nettle/sha2.h>", "<lmdb.h>"), "crypto/a.cc:3", "liblmdb-dev")
        self.only(self.changed("crypto/a.h", "#pragma once", "#include <nettle/sha1.h>"), "crypto/a.h:1", "in a header")
        self.only(self.changed("crypto/a.cc", "<nettle/sha2.h>", "<sodium.h>"), "for crypto/ed25519.cc, ")
        self.only(self.changed("crypto/a.cc", "<vector>", "<curl/curl.h>"), "crypto/a.cc:5", "not known")
        self.only({"drivers/b.h": "#  include <boost/asio.hpp>\n"}, "drivers/b.h:1", "in a header")

    def test_lines(self):
        self.only({"crypto/a.h": "// " + "x" * 118 + "\n"}, "crypto/a.h:1", "121 characters")
        self.assertEqual(self.findings({"crypto/a.h": "// " + "x" * 117 + "\n"}), [])
        self.only({"cmake/x.sh": "true \n"}, "cmake/x.sh:1", "blanks")

    def test_files(self):
        self.only({"crypto/b.h": "\n" * 501}, "crypto/b.h", "501 lines")
        self.assertEqual(self.findings({"crypto/b.h": "\n" * 500}), [])
        tidy.LONG_FILES = {"crypto/b.h": (510, "why")}
        self.assertEqual(self.findings({"crypto/b.h": "\n" * 510}), [])
        self.only({"crypto/b.h": "\n" * 511}, "511 lines, more than 510")
        self.only({"crypto/b.h": "\n" * 500}, "crypto/b.h", "not needed")

    def test_functions(self):
        self.assertEqual(self.findings({"crypto/b.h": body(68)}), [])
        self.only({"crypto/b.h": body(69)}, "crypto/b.h:1", "long_one has 71 lines")
        in_class = "class C {\n  int m(int a,\n        int b) {\n" + "    one();\n" * 70 + "  }\n};\n"
        self.only({"crypto/b.h": in_class}, "crypto/b.h:2", "m has 73 lines")
        constructor = "C::C(int a)\n    : a_(a), b_(a) {\n" + "  one();\n" * 70 + "}\n"
        self.only({"crypto/b.h": constructor}, "crypto/b.h:1", "C::C has 73 lines")
        self.assertEqual(self.findings({"crypto/b.h": "class C {\n" + "  int a();\n" * 200 + "};\n"}), [])
        self.only({"tests/unit/b.h": "TEST_CASE(\"x (\") {\n" + "  one();\n" * 150 + "}\n"}, "TEST_CASE has 152 lines")
        self.only({"tests/x.py": "def f():\n" + "    f()\n" * 70}, "tests/x.py:1", "f has 71 lines")
        tidy.LONG_FUNCTIONS = {("crypto/b.h", "long_one"): (80, "why")}
        self.assertEqual(self.findings({"crypto/b.h": body(78)}), [])
        self.only({"crypto/b.h": body(79)}, "81 lines, more than 80")
        self.only({"crypto/b.h": body(10)}, "crypto/b.h", "not needed")

    def test_every_source_is_built(self):
        self.only({"crypto/b.cc": "\n"}, "crypto/b.cc", "never built")
        self.only({"crypto/b.cc": "\n", "crypto/CMakeLists.txt": "add_library(crypto a.cc)  # b.cc\n"}, "never built")
        self.assertEqual(
            self.findings({"tests/unit/b.cc": "\n", "tests/CMakeLists.txt": "add_executable(t unit/b.cc)\n"}), [])

    def test_machine_paths(self):
        for place in ("/ho" "me/anna/x", "/wo" "rk/x", "/tm" "p/build-x"):
            self.only({"docs/x.md": f"see\n`{place}`\n"}, "docs/x.md:2", "one machine")
            self.only({"run": f"cd {place}\n"}, "run:1", "one machine")
        self.assertEqual(self.findings({"docs/x.md": "/var/lib/sealring, /run/sealring, a/network/x\n"}), [])

    def test_what_builds_leave_is_not_looked_at(self):
        for name in ("build/x/a.cc", "build-old/a.cc", "tests/__pycache__/a.py"):
            self.assertEqual(self.findings({name: "x" * 200 + "\n"}), [])

    def test_dependencies(self):
        self.only(self.changed("docs/dependencies.md", "| `liblmdb-dev` | why |\n", ""), "no line for liblmdb-dev")
        self.only({"docs/dependencies.md": GOOD["docs/dependencies.md"] + "| `curl` | why |\n"}, "does not install")
        self.only({"docs/dependencies.md": GOOD["docs/dependencies.md"] + "| `catch2` | why |\n"}, "catch2 twice")
        self.only(self.changed("cmake/setup.sh", "(clang-tidy)", "(clang-tidy strace)"), "no line for strace")
        changes = self.changed("cmake/setup.sh", "  catch2\n", "")
        changes.update(self.changed("docs/dependencies.md", "| `catch2` | why |\n", ""))
        self.only(changes, "cmake/setup.sh", "does not install catch2")

    def test_diagnostics(self):
        def said(words):
            return self.changed("crypto/a.cc", "  return 1;", f"  diag(DiagLevel::warning, {words});\n  return 1;")

        self.assertEqual(self.findings(said('"the disk of " + dir + " is full"')), [])
        self.assertEqual(self.findings(said("error.message")), [])
        self.assertEqual(self.findings(said('"make room"')), [])
        self.only(said('"the disc of " + dir'), "crypto/a.cc:9", "does not explain 'the disc of'")
        self.only(said('f(";") +\n       "who knows"'), "crypto/a.cc:9", "who knows")

    def test_named_tests(self):
        self.only(self.changed("docs/trust.md", "once twice", "once thrice"), "trust.md:5", "has no case thrice")
        self.only(self.changed("docs/trust.md", "a.h`", "b.h`"), "trust.md:1", "b.h is not there")
        self.only(self.changed("docs/trust.md", "a.h`", "a.h one`"), "a.h has no case one")
        self.only(self.changed("docs/trust.md", "`tests/system`", "`tests/x`"), "tests/x is not there")
        self.only(self.changed("docs/trust.md", "| file | |", "`tests/system/kill.py never`"), "no case never")
        row = "| thief | `tests/system/kill.py` |\n## Files"
        self.only(self.changed("docs/trust.md", "## Files", row), "trust.md:6", "names no case")
        self.only(self.changed("docs/trust.md", "## Who can do what", "## Whoever"), "no section")
        for other in ("sealring_system_test(killer 60)\n", "# sealring_system_test(kill 60)\n"):
            self.assertEqual(self.findings({"tests/system/CMakeLists.txt": other}),
                             ["docs/trust.md:5: tests/system/kill.py is in no CMakeLists.txt beside it"] * 2)

    def test_format(self):
        self.only(self.changed("crypto/a.cc", "  return 1;", "    return 1;"), "crypto/a.cc", "clang-format",
                  checks=[tidy.check_format])
        self.only({".clang-format": "BasedOnStyle: NoSuchStyle\n"}, "clang-format", checks=[tidy.check_format])


class LinkageTest(unittest.TestCase):
    def test_other_programs_are_blamed(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in linkage.PROGRAMS:
                os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
                os.symlink("/bin/sh", os.path.join(folder, name))
            found = list(linkage.findings(folder))
        for name in linkage.PROGRAMS:
            self.assertTrue(any(f.startswith(f"{name}: does not need libnettle.so") for f in found), found)
            self.assertTrue(any(f.startswith(f"{name}: has no symbol table") for f in found), found)


if __name__ == "__main__":
    unittest.main()
