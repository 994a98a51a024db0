#include "drivers/pkcs11_uri.h"

#include <algorithm>
#include <set>

#include "crypto/note.h"
#include "drivers/secret_line.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxUri = 8192;
constexpr std::string_view kFile = "file:";
// RFC 7512 §2.3: what may stand there as it is, besides letters, digits and -._~
constexpr std::string_view kPathCharacters = ":[]@!$'()*+,=&", kQueryCharacters = ":[]@!$'()*+,=/?|";

Error at(std::size_t offset, const std::string& words) {
  return reject_error("character " + std::to_string(offset + 1) + " of the PKCS#11 URI: " + words);
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

Result<Bytes> decode(std::string_view text, std::size_t offset, std::string_view allowed) {
  Bytes out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      Result<Bytes> byte = from_hex(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return at(offset + i, "'%' needs two hex digits after it");
      out += *byte;
      i += 2;
    } else if (unreserved(c) || allowed.find(c) != std::string_view::npos) {
      out += c;
    } else {
      return at(offset + i, quoted(ByteView(&c, 1)) + " must be written %" + hex(ByteView(&c, 1)));
    }
  }
  return out;
}

std::string encode_value(ByteView value, std::string_view allowed, bool all = false) {
  std::string out;
  for (const char c : value) {
    const bool plain = !all && (unreserved(c) || (c != '=' && allowed.find(c) != std::string_view::npos));
    out += plain ? std::string(1, c) : "%" + hex(ByteView(&c, 1));
  }
  return out;
}

Status check_text(const std::string& text, std::size_t max, std::size_t offset) {
  if (text.empty()) return at(offset, "an empty value fits nothing; leave the attribute out");
  if (max != 0 && text.size() > max) return at(offset, "longer than the " + std::to_string(max) + " bytes it can have");
  if (text.find_first_of("\n\x7f") != std::string::npos || !check_note_text(text + "\n"))
    return at(offset, "must be UTF-8 without control characters");
  return {};
}

Status take_pin_source(Pkcs11Uri& uri, const std::string& value, std::size_t offset) {
  if (is_credential(value)) {
    if (const Status named = check_credential(value); !named) return at(offset, "pin-source " + named.error().message);
    uri.pin_source = value;
    return {};
  }
  if (value[0] == '|') return at(offset, "pin-source names a program; only files and credentials are read");
  std::string path = value.rfind(kFile, 0) == 0 ? value.substr(kFile.size()) : value;
  if (path.rfind("///", 0) == 0) path.erase(0, 2);
  if (path.empty() || path[0] != '/' || path.rfind("//", 0) == 0)
    return at(offset, "pin-source must be file:/PATH, or credential:NAME");
  uri.pin_source = path;
  return {};
}

struct PathAttribute {
  std::string_view name;
  std::string Pkcs11Uri::*member;
  std::size_t max;  // of the fixed fields of PKCS#11; 0: any
};
constexpr PathAttribute kPath[] = {
    {"token", &Pkcs11Uri::token, 32},
    {"serial", &Pkcs11Uri::serial, 16},
    {"manufacturer", &Pkcs11Uri::manufacturer, 32},
    {"model", &Pkcs11Uri::model, 16},
    {"object", &Pkcs11Uri::object, 0},
};

Status take_path(Pkcs11Uri& uri, std::string_view name, std::string_view raw, std::size_t where, std::size_t value_at) {
  if (name.substr(0, 5) == "slot-")
    return at(where, "slots change their numbers: name the token by token=LABEL, not by " + quoted(name, 40));
  if (name.substr(0, 8) == "library-")
    return at(where, quoted(name, 40) + " is not compared here: name the library by module-path, after a '?'");
  if (name == "pin-source" || name == "module-path" || name == "pin-value" || name == "module-name")
    return at(where, std::string(name) + " belongs behind a '?', after the attributes of token and key");
  SEALRING_ASSIGN(Bytes value, decode(raw, value_at, kPathCharacters));
  if (name == "id") {
    if (value.empty()) return at(value_at, "an empty id fits nothing; leave it out");
    uri.id = std::move(value);
    return {};
  }
  if (name == "type") {
    if (value == "private") return {};
    return at(value_at, "type must be private (it may be left out): a key that signs is wanted");
  }
  for (const PathAttribute& one : kPath) {
    if (name != one.name) continue;
    SEALRING_TRY(check_text(value, one.max, value_at));
    uri.*one.member = std::move(value);
    return {};
  }
  return at(where, "unknown attribute " + quoted(name, 40) +
                       "; there are token, serial, manufacturer, model, object, id, type");
}

Status take_query(Pkcs11Uri& uri, std::string_view name, std::string_view raw, std::size_t where,
                  std::size_t value_at) {
  if (name == "pin-value")
    return at(where, "a pin must not stand in a URI: put it into a file of mode 0600 and say pin-source=file:/PATH");
  if (name == "module-name") return at(where, "module-name is not searched for: say module-path=/PATH/TO/LIBRARY.so");
  if (name != "module-path" && name != "pin-source")
    return at(where, "unknown attribute " + quoted(name, 40) + " behind the '?'; there are module-path, pin-source");
  SEALRING_ASSIGN(const Bytes value, decode(raw, value_at, kQueryCharacters));
  SEALRING_TRY(check_text(value, 0, value_at));
  if (name == "pin-source") return take_pin_source(uri, value, value_at);
  if (value[0] != '/') return at(value_at, "module-path must be an absolute path");
  uri.module_path = value;
  return {};
}

using Take = Status (*)(Pkcs11Uri&, std::string_view, std::string_view, std::size_t, std::size_t);

Status take_all(Pkcs11Uri& uri, std::string_view part, std::size_t offset, char separator, Take take) {
  std::set<std::string_view> seen;
  while (!part.empty()) {
    const std::string_view one = part.substr(0, part.find(separator));
    const std::size_t equals = one.find('=');
    const std::string_view name = one.substr(0, equals);
    if (equals == std::string_view::npos || name.empty())
      return at(offset, "NAME=VALUE is wanted" + std::string(one.empty() ? ", not nothing" : ""));
    if (!seen.insert(name).second) return at(offset, quoted(name, 40) + " is there twice");
    SEALRING_TRY(take(uri, name, one.substr(equals + 1), offset, offset + equals + 1));
    if (one.size() == part.size()) return {};
    part.remove_prefix(one.size() + 1);
    offset += one.size() + 1;
    if (part.empty()) return at(offset, "NAME=VALUE is wanted, not nothing");
  }
  return {};
}

std::string named(const char* what, const std::string& value) {
  return value.empty() ? "" : std::string(" ") + what + " " + quoted(value, 64);
}

}  // namespace

Result<Pkcs11Uri> Pkcs11Uri::parse(std::string_view text) {
  if (!is_pkcs11_uri(text)) return reject_error("a PKCS#11 URI begins with pkcs11:");
  if (text.size() > kMaxUri) return reject_error("a PKCS#11 URI of more than " + std::to_string(kMaxUri) + " bytes");
  const std::size_t begin = kPkcs11Scheme.size(), question = std::min(text.find('?'), text.size());
  Pkcs11Uri uri;
  SEALRING_TRY(take_all(uri, text.substr(begin, question - begin), begin, ';', take_path));
  if (question < text.size()) SEALRING_TRY(take_all(uri, text.substr(question + 1), question + 1, '&', take_query));
  if (uri.module_path.empty())
    return at(text.size(), "the library of the token is not named: add ?module-path=/PATH/TO/LIBRARY.so");
  return uri;
}

Status Pkcs11Uri::check_names_token() const {
  if (!token.empty() || !serial.empty()) return {};
  return reject_error("the PKCS#11 URI does not name a token: add token=LABEL, or serial=NUMBER");
}

Status Pkcs11Uri::check_names_key() const {
  SEALRING_TRY(check_names_token());
  if (!object.empty() || !id.empty()) return {};
  return reject_error("the PKCS#11 URI does not name a key on the token: add object=LABEL, or id=%01");
}

std::string Pkcs11Uri::token_words() const {
  return "token" + (token.empty() ? "" : " " + quoted(token, 64)) + named("serial", serial) +
         named("manufacturer", manufacturer) + named("model", model);
}

std::string Pkcs11Uri::words() const {
  return "key" + (object.empty() ? "" : " " + quoted(object, 64)) + (id.empty() ? "" : " id " + hex(id)) + " of " +
         token_words();
}

std::string Pkcs11Uri::encode() const {
  std::string path, query;
  for (const PathAttribute& one : kPath)
    if (const std::string& value = this->*one.member; !value.empty())
      path += (path.empty() ? "" : ";") + std::string(one.name) + "=" + encode_value(value, kPathCharacters);
  if (!id.empty()) path += (path.empty() ? "id=" : ";id=") + encode_value(id, "", true);
  query = "?module-path=" + encode_value(module_path, kQueryCharacters);
  const bool file = !pin_source.empty() && pin_source[0] == '/';
  if (!pin_source.empty())
    query += std::string("&pin-source=") + (file ? "file:" : "") + encode_value(pin_source, kQueryCharacters);
  return std::string(kPkcs11Scheme) + path + query;
}

}  // namespace sealring
