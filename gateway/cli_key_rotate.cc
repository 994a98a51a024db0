#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "drivers/pkcs11_uri.h"
#include "gateway/cli.h"
#include "gateway/config.h"
#include "gateway/identity_key.h"
#include "gateway/succession.h"
#include "storage/store_reader.h"

namespace sealring {
namespace {

struct RotateArguments {
  std::string config = kDefaultConfig, place;
};

// Paths in a configuration are relative to its folder, those on a command line to where it is typed.
std::string absolute(const std::string& place) {
  if (is_pkcs11_uri(place)) return place;
  char* const resolved = ::realpath(place.c_str(), nullptr);
  std::string out = resolved == nullptr ? place : resolved;
  std::free(resolved);
  return out;
}

// The statement, once it is durable in the store.
Result<RotationStatement> prepare(const GatewayConfig& config, const std::string& place) {
  SEALRING_ASSIGN(const auto store, StoreReader::open(config.store));
  if (store->state().origin != config.origin)
    return reject_error(config.store + " is the store of " + sealring::quoted(store->state().origin, 255));
  SEALRING_ASSIGN(const StoreIdentity log, store_identity(config.store, config.origin, entries_of(*store)));
  if (log.unfinished)
    return reject_error("the rotation at entry " + std::to_string(log.unfinished->index) +
                        " is in the log and not finished yet: start sealringd, then prepare another one");
  SEALRING_ASSIGN(const auto old_key, open_key(config.identity_key, config.origin, credentials()));
  if (log.key && *log.key != old_key->public_key())
    return std::move(not_the_identity(config.identity_key, config.origin, log)).in("identity_key");
  SEALRING_ASSIGN(const auto new_key, open_key(place, config.origin, credentials()));
  if (std::find(log.former.begin(), log.former.end(), new_key->public_key()) != log.former.end())
    return reject_error(place + ": was the identity of this log before, and can be so only once");
  SEALRING_ASSIGN(RotationStatement made, RotationStatement::make(config.origin, *old_key, *new_key));
  SEALRING_TRY(put_pending_rotation(config.store, made));
  return made;
}

std::string what_next(const RotateArguments& a, const GatewayConfig& config, const Rotation& rotation) {
  const auto vkey = [&](const PublicKey& key) { return VerifierKey{config.origin, KeyType::ed25519, key}.encode(); };
  return "The rotation is prepared, and signed by both keys; it happens when sealringd starts with the new one.\n"
         "  old  " +
         vkey(rotation.old_key) +
         "\n"
         "  new  " +
         vkey(rotation.new_key) +
         "\n\n"
         "Next:\n"
         "  1. In the policies of the collector, the gateway and every auditor, below the old line, which stays" +
         (config.follows.empty() ? ":\n"
                                 : ",\n     or, as the log follows " + config.follows +
                                       ", may not be there yet:\n       log " + vkey(rotation.old_key) + "\n") +
         "       log " + vkey(rotation.new_key) +
         "\n"
         "     and restart the collector. Anchors stay as they are.\n"
         "  2. In " +
         a.config +
         ":\n"
         "       identity_key = \"" +
         absolute(a.place) +
         "\"\n"
         "       previous_identity_key = \"" +
         config.identity_key +
         "\"\n"
         "  3. Restart sealringd. It records the rotation, and both keys sign from then on.\n"
         "  4. When all policies have it: remove previous_identity_key, restart, and put the old key out of use.\n";
}

int run_rotate(const RotateArguments& a) {
  Result<GatewayConfig> config = GatewayConfig::load(a.config);
  if (config) config = config_of_store(std::move(*config), credentials());
  if (!config) return fail(config.error(), kUsage);
  Result<RotationStatement> made = prepare(*config, a.place);
  if (!made) return fail(made.error());
  return print(what_next(a, *config, made->rotation)) ? kDone : kFailed;
}

}  // namespace

void add_key_rotate(CLI::App& keys, int& code) {
  auto arguments = std::make_shared<RotateArguments>();
  CLI::App* sub = keys.add_subcommand("rotate", "prepare another identity key for this gateway's log");
  sub->add_option("NEWKEY", arguments->place, "the new key: a key file, or the pkcs11: URI of a key on a token")
      ->required();
  sub->add_option("--config", arguments->config, "the gateway's sealring.toml")
      ->type_name("FILE")
      ->capture_default_str();
  sub->footer(
      "Signs a statement with the old key, identity_key of the configuration, and the new one, and leaves it in the\n"
      "store. Nothing changes before sealringd starts with the new key, and it may run meanwhile. Says what to do "
      "next.\n\n"
      "Example:\n"
      "  sealring key generate /var/lib/sealring/identity-2.key example.com/site7/gw-0042\n"
      "  sealring key rotate /var/lib/sealring/identity-2.key");
  sub->callback([arguments, &code] { code = run_rotate(*arguments); });
}

}  // namespace sealring
