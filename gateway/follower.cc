#include "gateway/follower.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "drivers/diag.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "drivers/pkcs11_uri.h"
#include "gateway/check.h"
#include "gateway/config.h"
#include "gateway/init.h"
#include "gateway/new_store.h"
#include "gateway/reload.h"
#include "gateway/succession.h"
#include "gateway/uplink.h"

namespace sealring {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kWrappingBytes = 128;  // of a carried entry, with what the tree has more

constexpr const char* kMark = "/unfinished-follower";  // in the folder, from its first moment to the exchange

std::string folder_beside(const std::string& store) { return store + ".new"; }
bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Error failed(const std::string& what) { return retry_error(what + ": " + std::generic_category().message(errno)); }

// One of ours, or an empty one.
void remove_unfinished(const std::string& path) {
  if (!exists(path + kMark) && ::rmdir(path.c_str()) != 0)
    return diag(DiagLevel::warning, path + " is not of sealringd, and in the way of a log that would follow: move it");
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return diag(DiagLevel::warning, "cannot remove " + path + ": " + error.message() + "; it is of no use");
  diag(DiagLevel::notice, "removed " + path + ", a log that would follow and was not finished");
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Status set_aside(const std::string& store) {
  // It signs nothing any more, and whoever has the secret could. Before the name is given, so that after a crash the
  // next start does it; and after the exchange is durable, which the kill of an earlier start may have left open.
  SEALRING_TRY(sync_directory(parent_of(store)));
  const Status erased = EpochKeys(folder_beside(store)).erase_before(UINT64_MAX);
  std::string name = store + ".abandoned";
  for (int number = 2; exists(name); ++number) name = store + ".abandoned-" + std::to_string(number);
  if (::rename(folder_beside(store).c_str(), name.c_str()) != 0)
    return failed("cannot rename " + folder_beside(store) + " to " + name);
  if (!erased.ok()) diag(DiagLevel::warning, "the epoch key in " + name + " is not erased: " + erased.error().message);
  diag(DiagLevel::notice, "the abandoned store is kept as " + name + "; nothing here removes it");
  return {};
}

// In one step for whoever looks, also after a power cut. fatal: done, but not synced.
Status exchange(const std::string& a, const std::string& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) != 0)
    return failed("cannot put " + a + " in the place of " + b);
  const Status synced = sync_directory(parent_of(b));
  if (synced.ok()) return {};
  return fatal_error(a + " took the place of " + b + ", and that is not durable: " + synced.error().message);
}

// Of what rename() can exchange: a folder of one file system, by its own name.
Status check_place(const std::string& store) {
  struct stat own {};
  struct stat parent {};
  if (::lstat(store.c_str(), &own) != 0 || ::stat(parent_of(store).c_str(), &parent) != 0)
    return failed("cannot look at " + store);
  if (S_ISLNK(own.st_mode))
    return reject_error(store + " is a symbolic link, and nothing can take the place behind it");
  if (own.st_dev != parent.st_dev) return reject_error(store + " is a mount point, and nothing can take its place");
  return {};
}

// Large enough for what is carried over, wrapped, with as much free beside it as there was, or more.
std::uint64_t ring_bytes(const Ring& ring, std::uint64_t from) {
  const Ring::Usage usage = ring.usage();
  const std::uint64_t needed = usage.used_bytes + (usage.size - from) * kWrappingBytes + usage.reserve_bytes;
  return std::max(usage.map_bytes, (needed + needed / 4 + kMiB - 1) / kMiB * kMiB);
}

Status check_space(const std::string& store, std::uint64_t bytes) {
  SEALRING_ASSIGN(const DiskSpace space, disk_space(parent_of(store)));
  if (space.available >= bytes + kBesideRing) return {};
  return Error{ErrorKind::full, parent_of(store) + ": only " + size_words(space.available) + " are free there, not " +
                                    size_words(bytes + kBesideRing) +
                                    " for a log that follows: make room, and restart sealringd"};
}

// What its own chain of keys and receipts made, the follower has of its own.
bool is_carried(const Entry& entry) {
  return !std::holds_alternative<Genesis>(entry.body) && !std::holds_alternative<Handover>(entry.body) &&
         !std::holds_alternative<KeyBreak>(entry.body) && !std::holds_alternative<Rotation>(entry.body) &&
         !std::holds_alternative<Receipt>(entry.body) && !std::holds_alternative<SuccessionEntry>(entry.body);
}

// The entries of a ring, one after the other.
class Abandoned {
 public:
  Abandoned(const Ring& ring, std::uint64_t from, std::function<Status()> alive)
      : ring_(ring), losses_(ring.losses()), next_(from), end_(ring.size()), alive_(std::move(alive)) {}

  Result<std::optional<Recorder::Taken>> next() {
    while (next_ < end_) {
      if (const LossRecord* loss = at_ == batch_.size() ? find_loss(losses_, next_) : nullptr) {
        next_ = loss->end;
        continue;
      }
      if (at_ == batch_.size()) SEALRING_TRY(read());
      const ByteView bytes = batch_[at_++];
      const std::uint64_t index = next_++;
      const Result<Entry> entry = decode_entry(bytes);
      if (!entry || is_carried(*entry)) return std::optional(Recorder::Taken{index, Bytes(bytes)});
    }
    return std::optional<Recorder::Taken>();
  }

 private:
  Status read() {
    SEALRING_TRY(alive_());
    const std::uint64_t end = std::min(end_, (next_ / kBundleEntries + 1) * kBundleEntries);
    const auto count = static_cast<std::size_t>(end - next_);
    SEALRING_ASSIGN(bytes_, ring_.entries(next_, count));
    SEALRING_ASSIGN(batch_, split_entries(bytes_, count));
    at_ = 0;
    return {};
  }

  const Ring& ring_;
  const std::vector<LossRecord> losses_;  // their entries are carried, what they are of is not here
  std::uint64_t next_;
  const std::uint64_t end_;
  std::function<Status()> alive_;
  Bytes bytes_;
  std::vector<ByteView> batch_;
  std::size_t at_ = 0;
};

// Without a temporary name, which a kill would leave in its place. Durable before there is anything else in the folder:
// what has other files and no mark is taken for somebody's.
Status mark(const std::string& place) {
  const int fd = ::open((place + kMark).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed("cannot make " + place + kMark);
  ::close(fd);
  return sync_directory(place);
}

// Prepared by an operator, or made here; what the next start finds it by is in the new store then.
Result<std::unique_ptr<Signer>> follower_key(const GatewayConfig& config, const std::string& credentials,
                                             const GatewayIdentity& identity, const std::string& origin,
                                             const std::string& place) {
  const std::string& prepared = config.follower_identity_key;
  if (prepared.empty()) {
    SEALRING_ASSIGN(auto made, SoftwareSigner::generate());
    SEALRING_TRY(create_key_file(follower_key_path(place), origin, *made));
    return std::unique_ptr<Signer>(std::move(made));
  }
  auto key = open_key(prepared, origin, credentials);
  if (!key) return std::move(key).error().in("follower_identity_key");
  const PublicKey& own = (*key)->public_key();
  if (own == identity.current->public_key() || (identity.previous && own == identity.previous->public_key()))
    return reject_error("follower_identity_key is a key of this log, and another log needs another one: prepare it");
  SEALRING_TRY(put_follower_place(place, prepared));
  return key;
}

struct Made {
  std::unique_ptr<Signer> key;
  Succession statement;
  SuccessionEntry entry;
};

// The new store with its key and its entry 0, and what the old identity says of it.
Result<Made> begin(const GatewayConfig& config, const std::string& credentials, const GatewayIdentity& identity,
                   const Head& proof, std::uint64_t bytes, const std::string& place, const Clock& clock) {
  SEALRING_ASSIGN(const std::string origin, follower_origin(config.origin));
  SEALRING_TRY(make_directories(place, 0700));
  SEALRING_TRY(mark(place));
  Made made;
  SEALRING_ASSIGN(made.key, follower_key(config, credentials, identity, origin, place));
  const PublicKey& key = made.key->public_key();
  SEALRING_ASSIGN(made.statement.genesis,
                  create_store({origin, bytes, "sealring " SEALRING_VERSION}, place, key, clock));
  made.statement.closed = proof.checkpoint;
  made.statement.follower = {origin, KeyType::ed25519, key};
  Note note;
  note.text = made.statement.text();
  auto line = sign_note_text(note.text, config.origin, *identity.current);
  if (!line) return std::move(line).error().in("the identity key does not sign the succession");
  made.entry.by_old = to_array<64>(line->signature);
  note.signatures.push_back(std::move(line).value());
  SEALRING_TRY(put_succession(place, note));
  made.entry.size = proof.checkpoint.size;
  made.entry.root = proof.checkpoint.root;
  made.entry.old_key = identity.current->public_key();
  return made;
}

// Would a start take it?
Status check_usable(GatewayConfig config, const std::string& credentials, const std::string& place, const Ring& ring) {
  config.store = place;
  SEALRING_ASSIGN(config, config_of_store(std::move(config), credentials));
  SEALRING_ASSIGN(const GatewayIdentity identity, load_identity(config, credentials, ring));
  if (!config.upstream) return {};
  const auto policy = load_policy(config, {identity.current->public_key()});
  return policy ? Status() : Status(policy.error());
}

Result<Succession> build(const GatewayConfig& config, const std::string& credentials, const GatewayIdentity& identity,
                         const Head& proof, const Ring& ring, const std::string& place, const Clock& clock,
                         const std::function<Status()>& alive) {
  const std::uint64_t from = receipted_size(ring.segments());
  const std::uint64_t bytes = ring_bytes(ring, from);
  SEALRING_TRY(check_space(config.store, bytes));
  SEALRING_ASSIGN(Made made, begin(config, credentials, identity, proof, bytes, place, clock));
  made.entry.origin = config.origin;
  SEALRING_ASSIGN(const auto follower, Ring::open({place}));
  EpochKeys epochs(place);
  RecordQueue queue(config.recorder.queue_bytes);
  queue.close();  // nobody will make room: a ring that is full is an error
  Recorder recorder(recorder_config(config), *follower, IdentitySigners(*made.key), epochs, clock, queue);
  recorder.hold_signatures(true);  // the daemon signs, once it has asked what the collector has
  SEALRING_TRY(recorder.open());
  const Status usable = check_usable(config, credentials, place, *follower);
  if (!usable.ok()) return Error(usable.error()).in("this configuration cannot run on it");
  Abandoned entries(ring, from, alive);
  SEALRING_TRY(recorder.take_over(made.entry, [&entries] { return entries.next(); }));
  return made.statement;
}

}  // namespace

void clear_up_beside(const std::string& store) {
  const std::string place = folder_beside(store);
  if (!exists(place)) return;
  if (!exists(place + "/" + kRollbackFile)) return remove_unfinished(place);
  if (const Status s = set_aside(store); !s.ok()) diag(DiagLevel::warning, s.error().message);
}

Status may_follow(const GatewayConfig& config, const GatewayIdentity& identity, const Head& proof) {
  if (!config.follow_rollback) return reject_error("on_rollback = \"hold\"");
  if (is_pkcs11_uri(config.identity_key) && config.follower_identity_key.empty())
    return reject_error(
        "the identity key is on a token, where nothing is made unasked: make another key there, name it in "
        "follower_identity_key, and restart sealringd");
  const auto note = Note::parse(proof.note);
  const VerifierKey key{config.origin, KeyType::ed25519, identity.current->public_key()};
  if (identity.rotation || !note || check_note_signature(*note, key) != SignatureState::valid)
    return reject_error("the proof is not by the key that is the log's identity here");
  return check_place(config.store);
}

Status make_follower(const GatewayConfig& config, const std::string& credentials, const GatewayIdentity& identity,
                     const Head& proof, const Ring& ring, const Clock& clock, const std::function<Status()>& alive) {
  const std::string place = folder_beside(config.store);
  if (exists(place)) return retry_error(place + " is in the way");
  const Result<Succession> made = build(config, credentials, identity, proof, ring, place, clock, alive);
  const Status swapped = made ? exchange(place, config.store) : Status(made.error());
  if (!swapped.ok()) {
    if (swapped.error().kind != ErrorKind::fatal || !made) remove_unfinished(place);
    return swapped;
  }
  ::unlink((config.store + kMark).c_str());  // which a rollback.note would outweigh, should there be one some day
  if (const Status s = set_aside(config.store); !s.ok()) diag(DiagLevel::warning, s.error().message);
  diag(DiagLevel::error, "alarm: succession: " + made->follower.name + " follows " + config.origin +
                             ", whose store is an old copy; its anchor: " + anchor_of(*made));
  return {};
}

}  // namespace sealring
