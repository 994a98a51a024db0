#include "gateway/init.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/config.h"
#include "gateway/config_keys.h"
#include "gateway/epoch_key.h"
#include "gateway/identity_key.h"
#include "gateway/init_folder.h"
#include "gateway/new_store.h"
#include "storage/entry.h"
#include "storage/ring.h"

namespace sealring {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kMinRing = 64 * kMiB, kMaxChosenRing = 4096 * kMiB;
constexpr const char *kUser = "sealring", *kIdentity = "identity.key", *kStore = "store";

struct Places {
  std::string config_directory, data_directory;
  TemplatePaths named;  // as the file says them
  bool defaults = false;

  std::string config() const { return config_directory + "/sealring.toml"; }
  std::string identity() const { return data_directory + "/" + kIdentity; }
  std::string store() const { return data_directory + "/" + kStore; }
};

Places places(const InitOptions& options) {
  if (!options.directory.empty())
    return {options.directory, options.directory, {"store", "identity.key", "sealring.sock"}, false};
  const GatewayConfig defaults;
  return {options.root + "/etc/sealring",
          options.root + "/var/lib/sealring",
          {defaults.store, defaults.identity_key, defaults.socket},
          true};
}

// As the file says them.
TemplatePaths named(const Places& at, const InitOptions& options) {
  TemplatePaths out = at.named;
  if (!options.identity_key.empty()) out.identity_key = options.identity_key;
  return out;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<PublicKey> identity_key(const std::string& path, const InitOptions& options, bool& resumed) {
  const std::string& origin = options.origin;
  if (!options.identity_key.empty()) return token_public_key(options.identity_key, options.credentials);
  if (exists(path)) {
    SEALRING_ASSIGN(NamedKey key, load_key_file(path));
    if (key.name != origin)
      return reject_error(path + " is the key of " + quoted(key.name, 255) +
                          ", not of this origin; move it away, or take another folder");
    resumed = true;
    return key.signer->public_key();
  }
  SEALRING_ASSIGN(auto key, SoftwareSigner::generate());
  SEALRING_TRY(create_key_file(path, origin, *key));
  return key->public_key();
}

// A store that an earlier init completed: it must be this gateway's and still at its beginning.
Result<Hash> take_over_store(const InitOptions& options, const std::string& store, const PublicKey& identity) {
  SEALRING_ASSIGN(const auto ring, Ring::open({store, options.ring_bytes}));
  const Error other = reject_error(store +
                                   " is the store of another gateway, or in use already; move it away, or take "
                                   "another folder");
  if (ring->contents().origin != options.origin || ring->size() != 1) return other;
  SEALRING_ASSIGN(const Bytes bundle, ring->entries(0, 1));
  const ByteView bytes = ByteView(bundle).substr(2);
  SEALRING_ASSIGN(const Entry entry, decode_entry(bytes));
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (!genesis || genesis->identity != identity) return other;
  SEALRING_ASSIGN(const auto epoch, EpochKeys(store).load(0));
  if (epoch->public_key() != genesis->epoch_key) return other;
  return leaf_hash(bytes);
}

}  // namespace

Result<DiskSpace> disk_space(const std::string& path) {
  std::string place = path.empty() ? "." : path;
  struct statvfs s {};
  while (::statvfs(place.c_str(), &s) != 0) {
    if (errno != ENOENT || place == "/" || place == ".")
      return retry_error("cannot ask for the space at " + place + ": " + std::generic_category().message(errno));
    const std::size_t slash = place.rfind('/');
    place = slash == std::string::npos ? "." : slash == 0 ? "/" : place.substr(0, slash);
  }
  return DiskSpace{std::uint64_t{s.f_blocks} * s.f_frsize, std::uint64_t{s.f_bavail} * s.f_frsize};
}

std::string size_words(std::uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  std::uint64_t rest = 0;
  while (bytes >= 1024 && unit + 1 < std::size(units)) {
    rest = bytes % 1024;
    bytes /= 1024;
    ++unit;
  }
  const std::uint64_t tenths = bytes < 10 && unit > 0 ? rest * 10 / 1024 : 0;
  return std::to_string(bytes) + (tenths != 0 ? "." + std::to_string(tenths) : "") + " " + units[unit];
}

Result<std::uint64_t> choose_ring_size(const DiskSpace& space) {
  const std::uint64_t wanted = std::clamp(space.total / 10, kMinRing, kMaxChosenRing);
  const std::uint64_t size = std::min(wanted, space.available / 2) / kMiB * kMiB;
  if (size >= kMinRing) return size;
  return reject_error("only " + size_words(space.available) +
                      " are free there, and a store of at least 64MiB should leave as much free again: make room, name "
                      "a place on a larger disk, or say --ring-size 64MiB if you know that the rest is enough");
}

namespace {

// Before anything is made. What an earlier init has made already is not asked for again.
Result<std::uint64_t> ring_size(const InitOptions& options, const Places& at, std::string& why) {
  auto space = disk_space(at.store());
  if (!space) return std::move(space).error();
  if (options.ring_bytes == 0) {
    auto chosen = choose_ring_size(*space);
    if (!chosen) return std::move(chosen).error().in(at.data_directory);
    why = size_words(*chosen) + ": " +
          (*chosen == kMaxChosenRing                   ? "the most that is chosen by itself"
           : *chosen == kMinRing                       ? "the least"
           : *chosen < space->total / 10 / kMiB * kMiB ? "half of what is free"
                                                       : "a tenth of the file system") +
          "; " + size_words(space->available) + " of " + size_words(space->total) + " are free. --ring-size sets it";
    return chosen;
  }
  if (options.ring_bytes < kMinRing || options.ring_bytes % kMiB != 0)
    return reject_error("ring size " + std::to_string(options.ring_bytes) + ": must be whole MiB, at least 64MiB");
  if (space->available < options.ring_bytes + kBesideRing)
    return reject_error(at.data_directory + ": only " + size_words(space->available) + " are free there, not " +
                        size_words(options.ring_bytes + kBesideRing) +
                        " for the store and its journal: make room, or say a smaller --ring-size");
  return options.ring_bytes;
}

Status make_folder(const std::string& path, unsigned mode) {
  if (exists(path)) return {};
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) SEALRING_TRY(make_directories(path.substr(0, slash), 0755));
  SEALRING_TRY(make_directories(path, mode));
  // Whatever the umask: the group shall find the configuration, and nobody the keys.
  if (::chmod(path.c_str(), mode) == 0) return {};
  return retry_error("cannot set the mode of " + path + ": " + std::generic_category().message(errno));
}

// Both folders, the second of them root's alone where root makes a gateway for the service's user.
Status make_folders(const Places& at, bool key_file, std::optional<RootsFolder>& data) {
  const bool root = ::geteuid() == 0;
  SEALRING_TRY(make_folder(at.config_directory, at.defaults ? 0755 : 0750));
  if (root) SEALRING_TRY(RootsFolder::check_roots(at.config_directory));
  if (!at.defaults) return {};
  SEALRING_TRY(make_folder(at.data_directory, 0700));
  if (!root) return {};
  std::vector<std::string> files;
  if (key_file) files.emplace_back(kIdentity);
  SEALRING_ASSIGN(RootsFolder claimed, RootsFolder::claim(at.data_directory, std::move(files), {kStore}));
  data.emplace(std::move(claimed));
  return {};
}

// To the service's user and its group, where they exist.
Status hand_over(const Places& at, RootsFolder& data) {
  const group* const members = ::getgrnam(kUser);
  if (members != nullptr && ::lchown(at.config().c_str(), 0, members->gr_gid) != 0)
    return retry_error("cannot give " + at.config() + " to the group " + kUser + ": " +
                       std::generic_category().message(errno));
  const passwd* const user = ::getpwnam(kUser);
  return user == nullptr ? Status() : data.hand_over(user->pw_uid, user->pw_gid);
}

}  // namespace

Result<InitResult> init_gateway(const InitOptions& options, const Clock& clock) {
  SEALRING_TRY(check_origin(options.origin));
  const Places at = places(options);
  InitResult result;
  result.config_file = at.config();
  result.store = at.store();
  if (exists(at.config()))
    return reject_error(at.config() + " is there already: this place has a gateway, and nothing in it was touched");
  const bool has_store = exists(at.store() + "/ring.lmdb");
  InitOptions sized = options;
  if (!has_store) {
    SEALRING_ASSIGN(sized.ring_bytes, ring_size(options, at, result.why_so_large));
  }
  result.ring_bytes = sized.ring_bytes;
  std::optional<RootsFolder> data;
  SEALRING_TRY(make_folders(at, options.identity_key.empty(), data));
  SEALRING_ASSIGN(const auto identity, identity_key(at.identity(), options, result.resumed));
  result.resumed = result.resumed || has_store;
  Result<Hash> genesis =
      has_store ? take_over_store(sized, at.store(), identity)
                : create_store({options.origin, sized.ring_bytes, options.software}, at.store(), identity, clock);
  if (!genesis) return std::move(genesis).error();
  result.anchor = {VerifierKey{options.origin, KeyType::ed25519, identity}, *genesis};
  SEALRING_TRY(create_file(at.config(), config_template(options.origin, named(at, options)), 0640));
  if (data) SEALRING_TRY(hand_over(at, *data));
  return result;
}

}  // namespace sealring
