#include "drivers/pkcs11_uri.h"

#include <catch2/catch.hpp>

using namespace sealring;

namespace {

const std::string kModule = "?module-path=/lib/p.so";

std::string error_of(const std::string& uri) {
  const auto parsed = Pkcs11Uri::parse(uri);
  return parsed ? "parsed" : parsed.error().message;
}

}  // namespace

TEST_CASE("pkcs11 uri: every attribute") {
  const auto uri = Pkcs11Uri::parse(
      "pkcs11:token=My%20token%3b%c3%a9;serial=12ab;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=id:a+b&c;"
      "id=%00%01%ff;type=private?module-path=/usr/lib/a%20b.so&pin-source=file:/etc/pin");
  if (!uri) FAIL(uri.error().message);
  CHECK(uri->token == "My token;\xc3\xa9");
  CHECK(uri->serial == "12ab");
  CHECK(uri->manufacturer == "Snake Oil, Inc.");
  CHECK(uri->model == "1.0");
  CHECK(uri->object == "id:a+b&c");
  CHECK(uri->id == std::string("\0\x01\xff", 3));
  CHECK(uri->module_path == "/usr/lib/a b.so");
  CHECK(uri->pin_source == "/etc/pin");

  const auto again = Pkcs11Uri::parse(uri->encode());
  if (!again) FAIL(uri->encode() << ": " << again.error().message);
  CHECK(again->encode() == uri->encode());
  CHECK(again->token == uri->token);
  CHECK(again->object == uri->object);
  CHECK(again->id == uri->id);
  CHECK(again->module_path == uri->module_path);
  CHECK(again->pin_source == uri->pin_source);
}

TEST_CASE("pkcs11 uri: where a pin comes from") {
  const auto source = [](const std::string& text) {
    const auto uri = Pkcs11Uri::parse("pkcs11:token=t" + kModule + "&pin-source=" + text);
    return uri ? uri->pin_source : uri.error().message;
  };
  CHECK(source("file:/etc/pin") == "/etc/pin");
  CHECK(source("file:///etc/pin") == "/etc/pin");
  CHECK(source("/etc/pin") == "/etc/pin");
  CHECK(source("credential:pin") == "credential:pin");
  for (const char* wrong :
       {"file:pin", "pin", "file://host/pin", "credential:", "credential:../pin", "credential:.x"}) {
    INFO(wrong);
    CHECK_THAT(source(wrong), Catch::Contains("character 49 of the PKCS#11 URI: pin-source must be"));
  }
  CHECK_THAT(source("|cat"), Catch::Contains("names a program"));
}

TEST_CASE("pkcs11 uri: a pin in it is refused and not repeated") {
  for (const std::string& uri :
       std::vector<std::string>{"pkcs11:token=t" + kModule + "&pin-value=s3cret", "pkcs11:token=t;pin-value=s3cret"}) {
    CHECK_THAT(error_of(uri), Catch::Contains("pin-value") || Catch::Contains("pin must not"));
    CHECK_THAT(error_of(uri), !Catch::Contains("s3cret"));
  }
}

TEST_CASE("pkcs11 uri: errors name the place") {
  struct Case {
    std::string uri, words;
  };
  const auto in = [](int place, const std::string& words) {
    return "character " + std::to_string(place) + " of the PKCS#11 URI: " + words;
  };
  const std::string too_long(33, 'x');
  for (const Case& one : std::vector<Case>{
           {"file:/x", "begins with pkcs11:"},
           {"PKCS11:token=t", "begins with pkcs11:"},
           {"pkcs11:" + std::string(9000, 'x'), "more than 8192 bytes"},
           {"pkcs11:token=t", in(15, "the library of the token is not named")},
           {"pkcs11:", in(8, "the library of the token is not named")},
           {"pkcs11:token=t?pin-source=/p", in(29, "the library of the token is not named")},
           {"pkcs11:token" + kModule, in(8, "NAME=VALUE is wanted")},
           {"pkcs11:=t" + kModule, in(8, "NAME=VALUE is wanted")},
           {"pkcs11:;token=t" + kModule, in(8, "NAME=VALUE is wanted, not nothing")},
           {"pkcs11:token=t;" + kModule, in(16, "NAME=VALUE is wanted, not nothing")},
           {"pkcs11:token=t" + kModule + "&", in(38, "NAME=VALUE is wanted, not nothing")},
           {"pkcs11:token=t;token=t" + kModule, in(16, "\"token\" is there twice")},
           {"pkcs11:token=t" + kModule + "&module-path=/x", in(38, "\"module-path\" is there twice")},
           {"pkcs11:token=" + kModule, in(14, "an empty value fits nothing")},
           {"pkcs11:token=" + too_long + kModule, in(14, "longer than the 32 bytes")},
           {"pkcs11:serial=12345678901234567" + kModule, in(15, "longer than the 16 bytes")},
           {"pkcs11:token=a%2" + kModule, in(15, "'%' needs two hex digits")},
           {"pkcs11:token=a%" + kModule, in(15, "'%' needs two hex digits")},
           {"pkcs11:token=a%zz" + kModule, in(15, "'%' needs two hex digits")},
           {"pkcs11:token=a b" + kModule, in(15, "\" \" must be written %20")},
           {"pkcs11:token=a/b" + kModule, in(15, "\"/\" must be written %2f")},
           {"pkcs11:token=a\xc3\xa9" + kModule, in(15, "\"\\xc3\" must be written %c3")},
           {"pkcs11:token=%ff" + kModule, in(14, "must be UTF-8")},
           {"pkcs11:token=a%00" + kModule, in(14, "must be UTF-8 without control characters")},
           {"pkcs11:object=a%0a" + kModule, in(15, "must be UTF-8 without control characters")},
           {"pkcs11:id=" + kModule, in(11, "an empty id")},
           {"pkcs11:type=cert" + kModule, in(13, "type must be private")},
           {"pkcs11:slot-id=1" + kModule, in(8, "slots change their numbers")},
           {"pkcs11:library-version=1" + kModule, in(8, "\"library-version\" is not compared here")},
           {"pkcs11:slot-\x1b[2J\n=1" + kModule, in(8,
                                                    "slots change their numbers: name the token by token=LABEL, not by "
                                                    "\"slot-\\x1b[2J\\x0a\"")},
           {"pkcs11:library-" + std::string(8000, 'x') + "=1" + kModule,
            in(8, "\"library-" + std::string(32, 'x') + "\"... is not compared here")},
           {"pkcs11:Token=t" + kModule, in(8, "unknown attribute \"Token\"")},
           {"pkcs11:x-vendor=t" + kModule, in(8, "unknown attribute \"x-vendor\"")},
           {"pkcs11:module-path=/x", in(8, "module-path belongs behind a '?'")},
           {"pkcs11:token=t?module-name=x", in(16, "module-name is not searched for")},
           {"pkcs11:token=t?module-path=x.so", in(28, "module-path must be an absolute path")},
           {"pkcs11:token=t?x=1", in(16, "unknown attribute \"x\" behind the '?'")},
       }) {
    INFO(one.uri);
    CHECK_THAT(error_of(one.uri), Catch::Contains(one.words));
  }
}

TEST_CASE("pkcs11 uri: what must be named") {
  const auto needs = [](const std::string& path) {
    const auto uri = Pkcs11Uri::parse("pkcs11:" + path + kModule);
    REQUIRE(uri.ok());
    const Status status = uri->check_names_key();
    return status.ok() ? "" : status.error().message;
  };
  CHECK(needs("token=t;object=o") == "");
  CHECK(needs("serial=1;id=%01") == "");
  CHECK_THAT(needs("token=t"), Catch::Contains("does not name a key"));
  CHECK_THAT(needs("object=o"), Catch::Contains("does not name a token"));
  CHECK_THAT(needs("manufacturer=m;object=o"), Catch::Contains("does not name a token"));
  CHECK_THAT(needs(""), Catch::Contains("does not name a token"));
}
