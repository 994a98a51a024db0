#include "gateway/init.h"

#include <unistd.h>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/config_keys.h"
#include "gateway/epoch_key.h"
#include "storage/entry.h"
#include "storage/ring.h"

namespace sealring {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<std::unique_ptr<SoftwareSigner>> identity_key(const std::string& path, const std::string& origin,
                                                     bool& resumed) {
  if (exists(path)) {
    SEALRING_ASSIGN(NamedKey key, load_key_file(path));
    if (key.name != origin)
      return reject_error(path + " is the key of " + quoted(key.name, 255) +
                          ", not of this origin; move it away, or take another folder");
    resumed = true;
    return std::move(key.signer);
  }
  SEALRING_ASSIGN(auto key, SoftwareSigner::generate());
  SEALRING_TRY(create_key_file(path, origin, *key));
  return key;
}

Result<Bytes> genesis_entry(const InitOptions& options, const SoftwareSigner& identity, const SoftwareSigner& epoch,
                            const Clock& clock) {
  const ClockReading now = clock.now();
  Entry entry;
  entry.common.wall_ns = now.wall_ns;
  entry.common.clock = now.synchronised ? ClockState::synchronised : ClockState::unsynchronised;
  entry.common.boottime_ns = now.boottime_ns;
  Genesis genesis;
  genesis.origin = options.origin;
  genesis.identity = identity.public_key();
  genesis.epoch_key = epoch.public_key();
  genesis.software = options.software;
  entry.body = genesis;
  Bytes bytes;
  SEALRING_TRY(encode_entry(entry, bytes));
  return bytes;
}

Result<Hash> create_store(const InitOptions& options, const std::string& store, const SoftwareSigner& identity,
                          const Clock& clock) {
  SEALRING_TRY(make_directories(store, 0700));
  SEALRING_ASSIGN(auto epoch, SoftwareSigner::generate());
  // Durable before the log names it. A crash here leaves key files that the next init replaces.
  SEALRING_TRY(EpochKeys(store).save(0, *epoch));
  SEALRING_ASSIGN(const Bytes entry, genesis_entry(options, identity, *epoch, clock));
  Frame frame;
  frame.header.count = 1;
  frame.header.root = leaf_hash(entry);
  SEALRING_ASSIGN(frame.header.signature, epoch->sign(Checkpoint{options.origin, 1, frame.header.root}.text()));
  put_u16(frame.entries, static_cast<std::uint16_t>(entry.size()));
  frame.entries += entry;
  SEALRING_TRY(Ring::create({store, options.ring_bytes}, options.origin, frame));
  return frame.header.root;
}

// A store that an earlier init completed: it must be this gateway's and still at its beginning.
Result<Hash> take_over_store(const InitOptions& options, const std::string& store, const SoftwareSigner& identity) {
  SEALRING_ASSIGN(const auto ring, Ring::open({store, options.ring_bytes}));
  const Error other = reject_error(store +
                                   " is the store of another gateway, or in use already; move it away, or take "
                                   "another folder");
  if (ring->contents().origin != options.origin || ring->size() != 1) return other;
  SEALRING_ASSIGN(const Bytes bundle, ring->entries(0, 1));
  const ByteView bytes = ByteView(bundle).substr(2);
  SEALRING_ASSIGN(const Entry entry, decode_entry(bytes));
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (!genesis || genesis->identity != identity.public_key()) return other;
  SEALRING_ASSIGN(const auto epoch, EpochKeys(store).load(0));
  if (epoch->public_key() != genesis->epoch_key) return other;
  return leaf_hash(bytes);
}

}  // namespace

Result<InitResult> init_gateway(const InitOptions& options, const Clock& clock) {
  SEALRING_TRY(check_origin(options.origin));
  const std::string config = options.directory + "/sealring.toml", store = options.directory + "/store";
  if (exists(config))
    return reject_error(config + " is there already: this folder has a gateway, and nothing in it was touched");
  if (!exists(options.directory)) SEALRING_TRY(make_directories(options.directory, 0750));
  InitResult result;
  SEALRING_ASSIGN(const auto identity,
                  identity_key(options.directory + "/identity.key", options.origin, result.resumed));
  const bool has_store = exists(store + "/ring.lmdb");
  result.resumed = result.resumed || has_store;
  Result<Hash> genesis =
      has_store ? take_over_store(options, store, *identity) : create_store(options, store, *identity, clock);
  if (!genesis) return std::move(genesis).error();
  result.anchor = {VerifierKey{options.origin, KeyType::ed25519, identity->public_key()}, *genesis};
  SEALRING_TRY(create_file(config, config_template(options.origin, {"store", "identity.key", "sealring.sock"}), 0640));
  return result;
}

}  // namespace sealring
