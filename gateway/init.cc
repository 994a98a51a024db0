#include "gateway/init.h"

#include <unistd.h>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/config.h"
#include "gateway/epoch_key.h"
#include "storage/entry.h"
#include "storage/ring.h"

namespace sealring {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// An origin is printable ASCII, which may hold what TOML's strings give a meaning.
std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

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
  SEALRING_TRY(create_file(config, config_template(options.origin), 0640));
  return result;
}

std::string config_template(const std::string& origin) {
  return "# Configuration of a sealring gateway. Paths are relative to this file's folder; sizes are bytes or\n"
         "# \"64KiB\", \"4MiB\"; durations \"250ms\", \"10s\", \"10min\", \"1h\". Lines that begin with # show the\n"
         "# default, or an example where there is none. An unknown key is refused.\n"
         "\n"
         "# The name of this log, for ever: it is in every signature.\n"
         "origin = " +
         toml_string(origin) +
         "\n"
         "\n"
         "store = \"store\"                # where the log lies, and the present epoch key\n"
         "identity_key = \"identity.key\"  # signs sealed segments. Whoever has it can speak for this gateway\n"
         "socket = \"sealring.sock\"       # where `sealring status` asks; \"\" for none\n"
         "# diag_level = \"info\"          # error, warning, notice, info, debug\n"
         "\n"
         "[recorder]\n"
         "# queue_bytes = \"4MiB\"         # messages waiting for a commit. Full: the broker is not read, nothing is "
         "lost\n"
         "# commit_interval = \"0ms\"      # raise to spare flash; acknowledgements wait as long\n"
         "# segment_bytes = \"4MiB\"       # a segment is sealed, signed and sent at this size,\n"
         "# segment_entries = 100000     # or at this many entries,\n"
         "# segment_age = \"10min\"        # or at this age\n"
         "# heartbeat = \"60s\"            # an event when nothing else was recorded for so long\n"
         "# max_payload = \"1MiB\"         # above: the message's size and hash are recorded, not its content\n"
         "\n"
         "# Where the messages come from. The broker must hold messages for us while we are away or slow:\n"
         "# for Mosquitto set max_queued_messages high enough, it drops silently beyond.\n"
         "[[broker]]\n"
         "host = \"127.0.0.1\"\n"
         "port = 1883\n"
         "# client_id = " +
         toml_string(default_client_id(origin)) +
         "\n"
         "# protocol = \"auto\"            # auto, 5, 3.1.1\n"
         "# receive_maximum = 1000       # messages under way unacknowledged (MQTT 5)\n"
         "# keepalive = \"30s\"\n"
         "subscriptions = [ { filter = \"#\", qos = 1 } ]  # filters must not overlap\n"
         "\n"
         "# The collector that stores the log and signs receipts. Without it nothing is forwarded, and when the\n"
         "# store is full the gateway stops reading from the broker.\n"
         "# [upstream]\n"
         "# url = \"https://collector.example:8443\"\n"
         "# server_name = \"collector.example\"  # in its certificate; default: host of the url\n"
         "# ca = \"tls/ca.pem\"\n"
         "# cert = \"tls/gateway.pem\"\n"
         "# key = \"tls/gateway.key\"\n"
         "# policy = \"policy\"            # whose cosignatures make a receipt, see `sealring verify --help`\n"
         "# mirror = \"mirror\"            # name in the policy: the cosigner whose signature means \"stored\"\n"
         "# retry_min = \"500ms\"\n"
         "# retry_max = \"60s\"\n"
         "# timeout = \"20s\"\n";
}

}  // namespace sealring
