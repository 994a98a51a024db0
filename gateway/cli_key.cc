#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "crypto/note.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "drivers/pkcs11_signer.h"
#include "drivers/pkcs11_token.h"
#include "drivers/secret_line.h"
#include "gateway/cli.h"

namespace sealring {
std::string credentials() {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  return folder == nullptr ? "" : folder;
}

namespace {

using Json = nlohmann::ordered_json;

struct KeyArguments {
  std::string place, name;
  bool cosigner = false, json = false;

  KeyType type() const { return cosigner ? KeyType::cosignature_v1 : KeyType::ed25519; }
};

// One key as it is shown; what is empty or none is left out.
struct ShownKey {
  std::string place;  // file, or URI
  std::string name;   // of a file, or asked for; a token's keys have none of their own
  std::optional<PublicKey> key;
  std::string label, token, note;
  Bytes id;
};

Result<Pkcs11Access> access_to(const std::string& uri) {
  SEALRING_ASSIGN(Pkcs11Uri parsed, Pkcs11Uri::parse(uri));
  return Pkcs11Access{std::move(parsed), credentials()};
}

std::string vkey(const ShownKey& key, KeyType type) {
  return key.key && !key.name.empty() ? VerifierKey{key.name, type, *key.key}.encode() : "";
}

std::string text_of(const ShownKey& key, KeyType type) {
  std::string out;
  const auto row = [&out](std::string head, const std::string& value) {
    if (value.empty()) return;
    head.resize(14, ' ');
    out += head + value + "\n";
  };
  row("key", key.place);
  row("name", key.name);
  row("vkey", vkey(key, type));
  row("public key", key.key ? hex(view(*key.key)) : "");
  row("label", key.label.empty() ? "" : sealring::quoted(key.label));
  row("id", hex(key.id));
  row("token", key.token);
  row("note", key.note);
  return out;
}

Json json_of(const ShownKey& key, KeyType type) {
  Json out = {{"key", key.place}};
  const auto field = [&out](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  field("name", key.name);
  field("vkey", vkey(key, type));
  field("public_key", key.key ? hex(view(*key.key)) : "");
  field("label", key.label);
  field("id", hex(key.id));
  field("token", key.token);
  field("note", key.note);
  return out;
}

std::string dump(const Json& json) { return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n"; }

ShownKey shown(const Pkcs11Key& key, const Pkcs11Uri& asked, const std::string& name) {
  Pkcs11Uri own = asked;
  own.token = key.token.label;
  own.serial = key.token.serial;
  own.object = key.label;
  own.id = key.id;
  ShownKey out{own.encode(), name, key.key, key.label, key.token.words(), key.trouble, key.id};
  if (!key.key && out.note.empty()) out.note = "its public half is not on the token";
  if (key.key && !key.is_private && !asked.pin_source.empty()) out.note = "its private half is not on the token";
  return out;
}

Result<ShownKey> shown_file(const std::string& path) {
  SEALRING_ASSIGN(const NamedKey key, load_key_file(path, credentials()));
  return ShownKey{path, key.name, key.signer->public_key(), {}, {}, {}, {}};
}

Result<std::vector<ShownKey>> shown_tokens(const std::string& place, const std::string& name) {
  SEALRING_ASSIGN(const Pkcs11Access access, access_to(place));
  SEALRING_ASSIGN(const auto keys, pkcs11_keys(access));
  std::vector<ShownKey> out;
  out.reserve(keys.size());
  for (const Pkcs11Key& key : keys) out.push_back(shown(key, access.uri, name));
  return out;
}

// Those files of a folder that are keys; the others say nothing.
Result<std::vector<ShownKey>> shown_folder(const std::string& path) {
  SEALRING_ASSIGN(const auto names, list_directory(path));
  std::vector<ShownKey> out;
  for (const std::string& name : names) {
    struct stat s {};
    const std::string file = path + "/" + name;
    if (::stat(file.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    if (auto key = shown_file(file)) out.push_back(std::move(*key));
  }
  return out;
}

int run_generate(const KeyArguments& arguments) {
  ShownKey made;
  if (is_credential(arguments.place))
    return fail(
        reject_error("credentials are made by the service manager: generate a file and let it encrypt that, see "
                     "systemd-creds(1)"),
        kUsage);
  if (is_pkcs11_uri(arguments.place)) {
    if (Status status = check_key_name(arguments.name); !status) return fail(status.error());
    auto access = access_to(arguments.place);
    if (!access) return fail(access.error(), kUsage);
    auto key = pkcs11_generate(*access);
    if (!key) return fail(key.error());
    made = shown(*key, access->uri, arguments.name);
  } else {
    auto key = SoftwareSigner::generate();
    if (!key) return fail(key.error());
    if (Status status = create_key_file(arguments.place, arguments.name, **key); !status) return fail(status.error());
    made = {arguments.place, arguments.name, (*key)->public_key(), {}, {}, {}, {}};
  }
  const KeyType type = arguments.type();
  return print(arguments.json ? dump(json_of(made, type)) : vkey(made, type) + "\n") ? kDone : kFailed;
}

int run_show(const KeyArguments& arguments) {
  Result<ShownKey> key = reject_error("");
  if (is_pkcs11_uri(arguments.place)) {
    auto keys = shown_tokens(arguments.place, arguments.name);
    if (!keys) return fail(keys.error());
    if (keys->size() == 1) key = std::move(keys->front());
    if (keys->empty()) key = Error{ErrorKind::missing, "no Ed25519 key that can be seen fits the PKCS#11 URI"};
    if (keys->size() > 1)
      key = reject_error(std::to_string(keys->size()) +
                         " keys fit: name one by token, object and id; `sealring key list` shows them");
  } else {
    key = shown_file(arguments.place);
    if (key && !arguments.name.empty() && arguments.name != key->name)
      key = reject_error(arguments.place + " is the key of " + sealring::quoted(key->name) +
                         ": a key file keeps its name");
  }
  if (!key) return fail(key.error());
  return print(arguments.json ? dump(json_of(*key, arguments.type())) : text_of(*key, arguments.type())) ? kDone
                                                                                                         : kFailed;
}

int run_list(const KeyArguments& arguments) {
  auto keys = is_pkcs11_uri(arguments.place) ? shown_tokens(arguments.place, "") : shown_folder(arguments.place);
  if (!keys) return fail(keys.error());
  Json json = Json::array();
  std::string text;
  for (const ShownKey& key : *keys) {
    json.push_back(json_of(key, KeyType::ed25519));
    text += (text.empty() ? "" : "\n") + text_of(key, KeyType::ed25519);
  }
  if (keys->empty() && !arguments.json) std::fprintf(stderr, "No Ed25519 keys that can be seen.\n");
  return print(arguments.json ? dump(json) : text) ? kDone : kFailed;
}

constexpr const char* kPlace = "a key file, or the pkcs11: URI of a key on a token";

void add_key_show(CLI::App& keys, int& code) {
  auto arguments = std::make_shared<KeyArguments>();
  CLI::App* sub = keys.add_subcommand("show", "the public half of a key, and its vkey");
  sub->add_option("KEY", arguments->place, std::string(kPlace) + "; or credential:NAME, in a service's own folder")
      ->required();
  sub->add_option("NAME", arguments->name, "for the vkey of a key on a token, which has no name of its own");
  sub->add_flag("--cosigner", arguments->cosigner, "the vkey of a witness or mirror");
  sub->add_flag("--json", arguments->json, "for programs");
  sub->footer(
      "Example:\n"
      "  sealring key show 'pkcs11:token=gateway;object=identity?module-path=/usr/lib/softhsm/libsofthsm2.so' \\\n"
      "      example.com/site7/gw-0042");
  sub->callback([arguments, &code] { code = run_show(*arguments); });
}

void add_key_list(CLI::App& keys, int& code) {
  auto arguments = std::make_shared<KeyArguments>();
  CLI::App* sub = keys.add_subcommand("list", "the Ed25519 keys in a folder or on tokens");
  sub->add_option("PLACE", arguments->place, "a folder, or a pkcs11: URI that may leave out token and key")->required();
  sub->add_flag("--json", arguments->json, "for programs");
  sub->footer(
      "Without a pin-source in the URI, what tokens show without a pin: most hide the private halves.\n\n"
      "Example:\n"
      "  sealring key list 'pkcs11:?module-path=/usr/lib/softhsm/libsofthsm2.so'");
  sub->callback([arguments, &code] { code = run_list(*arguments); });
}

}  // namespace

void add_key(CLI::App& app, int& code) {
  auto arguments = std::make_shared<KeyArguments>();
  KeyArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("key", "keys in files and on tokens")->require_subcommand(1);
  CLI::App* generate = sub->add_subcommand("generate", "make a key and print its vkey");
  generate->add_option("KEY", a.place, std::string(kPlace) + ", to make (a file of mode 0600); never overwritten")
      ->required();
  generate->add_option("NAME", a.name, "the key's name; a log's is its origin")->required();
  generate->add_flag("--cosigner", a.cosigner, "print the vkey of a witness or mirror");
  generate->add_flag("--json", a.json, "for programs");
  generate->footer(
      "A key on a token cannot leave it, and its name is not kept there. The pin is read from the URI's pin-source,\n"
      "file:/PATH of mode 0600 or credential:NAME, and never taken from the command line.\n\n"
      "Example:\n"
      "  sealring key generate mirror.key mirror.example.com --cosigner");
  generate->callback([arguments, &code] { code = run_generate(*arguments); });
  add_key_show(*sub, code);
  add_key_list(*sub, code);
  add_key_rotate(*sub, code);
}

}  // namespace sealring
