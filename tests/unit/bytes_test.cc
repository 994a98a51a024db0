#include "crypto/bytes.h"

#include <catch2/catch.hpp>
#include <random>

#include "crypto/sha256.h"
#include "tests/unit/vectors.h"

namespace sealring {
namespace {

using namespace std::string_literals;
using testing::check_expected;
using testing::contains;

Bytes all_bytes() {
  Bytes bytes;
  for (int b = 0; b < 256; ++b) bytes.push_back(static_cast<char>(b));
  return bytes;
}

TEST_CASE("integers are big-endian", "[bytes]") {
  Bytes out;
  put_u8(out, 0xfe);
  put_u16(out, 0x8001);
  put_u32(out, 0x80fe0102);
  put_u64(out, 0xfedcba9876543210);
  CHECK(hex(out) == "fe800180fe0102fedcba9876543210");
  CHECK(get_u16(out.data() + 1) == 0x8001);
  CHECK(get_u32(out.data() + 3) == 0x80fe0102);
  CHECK(get_u64(out.data() + 7) == 0xfedcba9876543210);

  ByteReader reader(out);
  CHECK(reader.u8() == 0xfe);
  CHECK(reader.u16() == 0x8001);
  CHECK(reader.offset() == 3);
  CHECK(reader.u32() == 0x80fe0102);
  CHECK_FALSE(reader.at_end());
  CHECK(reader.u64() == 0xfedcba9876543210);
  CHECK(reader.at_end());
}

TEST_CASE("reader fails at every length that is too short, and stays failed", "[bytes]") {
  const Bytes whole = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12"s;
  const auto read_all = [](ByteReader& reader) {
    reader.u8();
    reader.u16();
    reader.u32();
    reader.u64();
    reader.array<2>();
    reader.bytes(1);
  };
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Bytes part = whole.substr(0, n);  // a copy, so that a sanitizer sees a read behind it
    ByteReader reader(part);
    read_all(reader);
    INFO("length " << n);
    CHECK_FALSE(reader.ok());
    CHECK_FALSE(reader.at_end());
  }
  ByteReader reader(whole);
  read_all(reader);
  CHECK(reader.at_end());

  ByteReader failed("abc");
  CHECK(failed.u32() == 0);
  CHECK(failed.u8() == 0);  // a byte is there, but the failure stays
  CHECK(failed.bytes(0).empty());
  CHECK(failed.array<1>() == std::array<std::uint8_t, 1>{});
  CHECK_FALSE(failed.ok());
  CHECK(failed.offset() == 0);
  CHECK(failed.rest() == "abc");

  ByteReader huge("abc");
  huge.bytes(SIZE_MAX);
  CHECK_FALSE(huge.ok());
}

TEST_CASE("hex", "[bytes]") {
  CHECK(hex("") == "");
  CHECK(hex("\x00\x0f\xa0\xff"s) == "000fa0ff");
  CHECK(from_hex("000fA0fF").value() == "\x00\x0f\xa0\xff"s);
  CHECK(from_hex(hex(all_bytes())).value() == all_bytes());
  check_expected(from_hex("abc"), "odd number of digits: 3");
  for (int c = 0; c < 256; ++c) {
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    INFO("character " << c);
    check_expected(from_hex("0"s + static_cast<char>(c)), digit ? "ok" : "at offset 1");
    check_expected(from_hex(static_cast<char>(c) + "0"s), digit ? "ok" : "at offset 0");
  }
}

TEST_CASE("base64: vectors of RFC 4648 section 10", "[bytes]") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [bytes, text] : vectors) {
    CHECK(base64(bytes) == text);
    CHECK(from_base64(text).value() == bytes);
  }
  CHECK(base64("\xfb\xff\xbf") == "+/+/");
  CHECK(from_base64("+/+/").value() == "\xfb\xff\xbf");
  for (std::size_t n = 0; n <= 256; ++n) CHECK(from_base64(base64(all_bytes().substr(0, n))).value().size() == n);
}

TEST_CASE("base64 has one spelling for each value", "[bytes]") {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zm8", "Zm9vY", "Zg==\n", "\nZg==", "Zg==Zg", " Zg=", "Zg= ="}) {
    INFO(bad);
    CHECK_FALSE(from_base64(bad).ok());
  }
  check_expected(from_base64("Zg="), "3 characters, must be a multiple of 4");
  check_expected(from_base64("===="), "not a base64 character at offset 0");
  check_expected(from_base64("Z==="), "not a base64 character at offset 1");
  check_expected(from_base64("Zg==Zg=="), "not a base64 character at offset 2");
  check_expected(from_base64("Zm8=Zg=="), "not a base64 character at offset 3");
  check_expected(from_base64("-_-_"), "at offset 0");
  check_expected(from_base64("Zh=="), "unused bits are not zero at offset 1");
  check_expected(from_base64("Zm9="), "unused bits are not zero at offset 2");

  // Of all groups of four characters that end in one or two '=', exactly one is accepted for each value.
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int accepted = 0;
  for (const char a : digits) {
    for (const char b : digits) {
      const auto one = from_base64(std::string{a, b, '=', '='});
      if (one.ok()) {
        ++accepted;
        CHECK(base64(*one) == std::string{a, b, '=', '='});
      }
    }
  }
  CHECK(accepted == 256);
  for (int c = 0; c < 256; ++c) {
    const bool digit = c != 0 && digits.find(static_cast<char>(c)) != std::string::npos;
    INFO("character " << c);
    CHECK(from_base64(std::string{'A', 'A', static_cast<char>(c), 'A'}).ok() == digit);
  }
}

TEST_CASE("decimal numbers", "[bytes]") {
  CHECK(from_decimal("0").value() == 0);
  CHECK(from_decimal("10").value() == 10);
  CHECK(from_decimal("18446744073709551615").value() == UINT64_MAX);
  check_expected(from_decimal(""), "empty");
  check_expected(from_decimal("00"), "\"00\": leading zero");
  check_expected(from_decimal("01"), "leading zero");
  for (const char* bad :
       {"18446744073709551616", "18446744073709551620", "99999999999999999999", "184467440737095516150"}) {
    INFO(bad);
    check_expected(from_decimal(bad), "does not fit 64 bits");
  }
  for (int c = 0; c < 256; ++c) {
    if (c >= '0' && c <= '9') continue;
    INFO("character " << c);
    check_expected(from_decimal("1"s + static_cast<char>(c)), "not a digit");
    check_expected(from_decimal(static_cast<char>(c) + "1"s), "not a digit");
  }
  CHECK(from_decimal(std::string(100000, '9')).error().message.size() < 100);
}

TEST_CASE("quoted is safe to print and can be read back", "[bytes]") {
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("plain text~") == "\"plain text~\"");
  CHECK(quoted("a\"b\\c\n\x1b\x7f\xc3\x00"s) == "\"a\\x22b\\x5cc\\x0a\\x1b\\x7f\\xc3\\x00\"");
  CHECK(quoted("abcd", 4) == "\"abcd\"");
  CHECK(quoted("abcde", 4) == "\"abcd\"...");
  for (const char c : quoted(all_bytes(), 256)) CHECK((c >= 0x20 && c < 0x7f));
  const std::string text = quoted(all_bytes(), 256);
  CHECK(testing::unescape(text.substr(1, text.size() - 2)) == all_bytes());
}

TEST_CASE("SHA-256: vectors of FIPS 180-2", "[sha256]") {
  CHECK(hex(view(sha256(""))) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(view(sha256("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(view(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(view(sha256(Bytes(1000000, 'a')))) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 in pieces is SHA-256 of the whole", "[sha256]") {
  const Bytes text = all_bytes() + all_bytes();
  for (std::size_t i = 0; i <= text.size(); i += 3) {
    const ByteView whole(text);
    const Hash expected = sha256(whole);
    CHECK(sha256({whole.substr(0, i), ByteView(), whole.substr(i)}) == expected);
    Sha256 hash;
    hash.update(whole.substr(0, i));
    const Sha256 copy = hash;  // a copy goes its own way
    hash.update(whole.substr(i));
    CHECK(hash.finish() == expected);
    CHECK(hash.finish() == sha256(""));  // begins anew
    Sha256 other = copy;
    CHECK(other.finish() == sha256(whole.substr(0, i)));
  }
  CHECK(sha256({}) == sha256(""));
}

}  // namespace
}  // namespace sealring
