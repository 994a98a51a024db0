#include "gateway/check.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "drivers/certificate.h"
#include "drivers/file.h"
#include "drivers/http.h"
#include "gateway/epoch_key.h"
#include "gateway/identity_key.h"
#include "gateway/init.h"
#include "gateway/status.h"
#include "gateway/succession.h"
#include "storage/entry.h"
#include "storage/journal_anew.h"
#include "storage/ring_check.h"
#include "storage/store_reader.h"

namespace sealring {
namespace {

using Level = CheckFinding::Level;

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kSoon = 30 * kDay;  // a certificate that ends within that is worth a warning
constexpr std::uint64_t kLittleSpace = 16u << 20;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

class Check {
 public:
  Check(std::string credentials, const Clock& clock) : credentials_(std::move(credentials)), clock_(clock) {}

  CheckReport run(const std::string& config_path) {
    auto config = GatewayConfig::load(config_path);
    if (!config) {
      error("configuration", config.error().message);
      return std::move(report_);
    }
    config_ = std::move(*config);
    check_config_file(config_path);
    if (auto of_store = config_of_store(config_, credentials_))
      config_ = std::move(*of_store);
    else
      error("store", of_store.error().message);
    check_identity_key();
    for (GatewayConfig::Broker& broker : config_.brokers) check_broker(broker);
    if (config_.upstream)
      check_upstream(*config_.upstream);
    else
      warning("upstream",
              "there is no [upstream]: nothing is forwarded, and when the store is full the gateway "
              "stops reading from the brokers");
    check_socket();
    check_operators();
    check_store();
    check_clock();
    return std::move(report_);
  }

 private:
  void add(Level level, const std::string& subject, std::string words) {
    report_.findings.push_back({level, subject, std::move(words)});
  }
  void ok(const std::string& subject, std::string words) { add(Level::ok, subject, std::move(words)); }
  void warning(const std::string& subject, std::string words) { add(Level::warning, subject, std::move(words)); }
  void error(const std::string& subject, std::string words) { add(Level::error, subject, std::move(words)); }

  void check_config_file(const std::string& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) == 0 && (s.st_mode & 022) != 0)
      warning("configuration", path + " can be changed by others than its owner: chmod go-w " + path);
    ok("configuration", path + " is valid, SHA-256 " + hex(view(config_.file_sha256)));
  }

  void check_identity_key() {
    identity_ = try_key("identity key", config_.identity_key);
    if (!config_.previous_identity_key.empty())
      previous_ = try_key("previous identity key", config_.previous_identity_key);
    if (!config_.follower_identity_key.empty()) check_follower_key();
  }

  void check_follower_key() {
    const std::string& place = config_.follower_identity_key;
    if (!config_.follows.empty() && place == config_.identity_key)
      return warning("follower's key", place + " is in use: this log follows " + config_.follows +
                                           " with it; make another one for the next time");
    const auto origin = follower_origin(config_.origin);
    if (!origin) return error("follower's key", origin.error().message);
    const auto key = try_identity(place, *origin, credentials_);
    if (!key) return error("follower's key", key.error().message);
    if (identity_ == *key || previous_ == *key)
      return error("follower's key", place + " is a key of this log, and another log needs another one");
    ok("follower's key", place + " is " + VerifierKey{*origin, KeyType::ed25519, *key}.encode());
  }

  std::optional<PublicKey> try_key(const std::string& subject, const std::string& place) {
    auto key = try_identity(place, config_.origin, credentials_);
    if (!key) return error(subject, key.error().message), std::nullopt;
    ok(subject, place + " is " + vkey(*key));
    return *key;
  }
  std::string vkey(const PublicKey& key) const { return VerifierKey{config_.origin, KeyType::ed25519, key}.encode(); }

  void check_broker(const GatewayConfig::Broker& broker) {
    const std::string subject = "broker " + broker.name;
    const MqttSource::Config& source = broker.source;
    std::string how = source.host + " port " + std::to_string(source.port) +
                      (source.tls ? " by TLS" : " by plain TCP") + ", " + std::to_string(source.subscriptions.size()) +
                      " topic filters";
    GatewayConfig one = config_;
    one.brokers = {broker};
    if (Status s = one.load_secrets(credentials_); !s)
      error(subject, s.error().message);
    else if (!broker.password_file.empty())
      how += ", password from " + broker.password_file;
    else if (!source.username.empty())
      warning(subject, "has a username and no password_file");
    if (!source.tls && !source.username.empty() && source.host != "localhost" && source.host.rfind("127.", 0) != 0 &&
        source.host != "::1")
      warning(subject, "the password goes over plain TCP, where others can read it: set [broker.tls]");
    if (source.tls) check_tls(subject, source.tls->ca_file, source.tls->cert_file, source.tls->key_file);
    ok(subject, how);
  }

  void check_upstream(const GatewayConfig::Upstream& up) {
    check_tls("upstream", up.ca, up.cert, up.key);
    if (!identity_) return error("policy", "cannot be judged without the identity key");
    std::vector<PublicKey> keys = {*identity_};
    if (previous_) keys.push_back(*previous_);
    auto policy = load_policy(config_, keys);
    if (!policy) return error("policy", policy.error().message);
    ok("policy", up.policy + " has this log, and the mirror " + sealring::quoted(up.mirror));
    ok("upstream", up.url + ", server name " + up.server_name);
    if (config_.recorder.drop_oldest)
      warning("recorder",
              "when_full is drop-oldest: when the store is full of what has no receipt, the oldest of that is "
              "dropped for good, and the log says so");
    if (const std::string words = config_.drop_warning(); !words.empty()) warning("recorder", words);
  }

  void check_tls(const std::string& subject, const std::string& ca, const std::string& cert, const std::string& key) {
    auto trusted = read_certificates(ca);
    if (!trusted) {
      error(subject, trusted.error().message);
    } else {
      for (const CertificateFacts& one : *trusted) {
        if (!one.authority)
          warning(subject, ca + ": " + sealring::quoted(one.subject) + " is not a CA, so it vouches for itself only");
        check_validity(subject, ca, one);
      }
    }
    if (cert.empty()) return;
    auto own = read_certificates(cert);
    if (!own) return error(subject, own.error().message);
    for (const CertificateFacts& one : *own) check_validity(subject, cert, one);
    if (Status s = check_certificate_key(cert, key); !s) return error(subject, s.error().message);
    ok(subject, "the key " + key + " belongs to " + cert);
  }

  void check_validity(const std::string& subject, const std::string& file, const CertificateFacts& one) {
    const std::int64_t now = clock_.now().wall_ns / 1'000'000'000;
    const std::string which = file + ": " + sealring::quoted(one.subject);
    if (now < one.not_before)
      return error(subject, which + " is not valid yet, not before in " + days(one.not_before - now) +
                                ": is this machine's clock right?");
    if (now >= one.not_after) return error(subject, which + " expired " + days(now - one.not_after) + " ago: renew it");
    const std::string left = which + " is valid for " + days(one.not_after - now);
    if (one.not_after - now < kSoon) return warning(subject, left + " only: renew it");
    ok(subject, left);
  }
  static std::string days(std::int64_t seconds) {
    return seconds < kDay ? std::to_string(seconds / 3600) + " hours" : std::to_string(seconds / kDay) + " days";
  }

  void check_socket() {
    if (config_.socket.empty()) return warning("socket", "is turned off: no command can ask the daemon");
    if (config_.socket.size() >= sizeof sockaddr_un{}.sun_path)
      return error("socket", config_.socket + ": the path is too long for a socket");
    const std::string folder = folder_of(config_.socket);
    struct stat s {};
    if (::stat(folder.c_str(), &s) == 0) {
      if (!S_ISDIR(s.st_mode)) return error("socket", folder + " is not a folder");
    } else if (::stat(folder_of(folder).c_str(), &s) != 0) {
      return error("socket", folder + " is not there, nor the folder it would be made in");
    }
    const auto members = find_socket_group(config_.socket_group);
    if (!members) return error("socket", members.error().message);
    ok("socket", config_.socket + (*members ? ", for the group " + (*members)->name
                                            : std::string(", for the daemon's own user only")));
  }

  void check_operators() {
    if (config_.metrics)
      ok("metrics", "http://" + listen_words(config_.metrics->address, config_.metrics->port) + "/metrics" +
                        (is_loopback(config_.metrics->address) ? "" : ", for whoever reaches that address"));
    if (config_.alarm_command.empty()) return;
    const std::string& program = config_.alarm_command.front();
    struct stat s {};
    if (::stat(program.c_str(), &s) != 0 || !S_ISREG(s.st_mode) || ::access(program.c_str(), X_OK) != 0)
      return error("alarm_command", program + " is no program that this user may run");
    if ((s.st_mode & 022) != 0)
      warning("alarm_command", program + " can be changed by others than its owner: chmod go-w " + program);
    ok("alarm_command", program);
  }

  void check_store() {
    if (auto space = disk_space(config_.store); space && space->available < kLittleSpace)
      warning("disk", "only " + size_words(space->available) + " are free at " + config_.store +
                          ": epoch keys are small, but they need some");
    else if (space)
      ok("disk", size_words(space->available) + " of " + size_words(space->total) + " are free at " + config_.store);
    if (!config_.socket.empty()) {
      auto answer = ask_status(config_.socket);
      if (answer) return check_running(*answer);
      if (answer.error().kind != ErrorKind::missing)
        return error("store", "a daemon has the socket and does not answer: " + answer.error().message);
    }
    check_store_files();
  }

  void check_running(const std::string& answer) {
    const auto json = nlohmann::json::parse(answer, nullptr, false);
    if (!json.is_object() || !json.contains("origin") || !json["origin"].is_string())
      return error("store", config_.socket + ": what answers there is not a sealringd");
    const std::string origin = json["origin"];
    if (origin != config_.origin)
      return error("store", "the daemon at " + config_.socket + " is of " + sealring::quoted(origin) +
                                ", the configuration says origin " + sealring::quoted(config_.origin));
    const auto size = json.find("size");
    ok("store", "a daemon runs, " + (size != json.end() && size->is_number_unsigned()
                                         ? "at size " + std::to_string(size->get<std::uint64_t>())
                                         : std::string("of unknown size")));
  }

  void check_store_files() {
    // Before it is opened here: a damaged map can kill its reader.
    if (::access((config_.store + "/ring.lmdb").c_str(), F_OK) == 0) {
      const auto examined = examine_ring(config_.store);
      if (!examined)
        return error("store", config_.store + ": " + examined.error().message +
                                  (examined.error().kind == ErrorKind::fatal ? kRepairAdvice : ""));
      if (!examined->empty())
        return warning("store", config_.store + ": " + *examined +
                                    "; the daemon goes on from the commit before, and nothing is lost");
      const auto journal = examine_journal(config_.store);
      if (!journal) return error("store", config_.store + ": " + journal.error().message);
      if (!journal->empty())
        return error("store", *journal +
                                  ": bring it back if you can; a start goes on from the ring, what only the journal "
                                  "had is lost then, and nothing is signed until the collector has said what it has of "
                                  "this log");
    }
    auto store = StoreReader::open(config_.store);
    if (!store) return error("store", store.error().message);
    const RingState& state = (*store)->state();
    if (state.origin != config_.origin)
      return error("store", config_.store + " is of " + sealring::quoted(state.origin) +
                                ", the configuration says origin " + sealring::quoted(config_.origin));
    if (Status s = config_.check_ring((*store)->map_bytes()); !s) error("store", s.error().message);
    check_identity(**store);
    check_tree(**store);
    check_epoch_files((*store)->frames().empty() ? state.last.epoch : (*store)->frames().back().frame.header.epoch);
    ok("store", config_.store + ": " + std::to_string((*store)->size()) + " entries, from " +
                    std::to_string((*store)->first_index()) + " on here, " + size_words((*store)->map_bytes()) +
                    " large; no daemon answers. `sealring verify` checks every byte");
  }

  void check_identity(const StoreReader& store) {
    const auto log = store_identity(config_.store, config_.origin, entries_of(store));
    if (!log) return error("store", log.error().message);
    if (!identity_) return;
    const bool due = log->pending && log->pending->rotation.new_key == *identity_;
    if (due)
      ok("identity key", "the daemon will record the rotation to it at its next start");
    else if (log->key && *log->key != *identity_)
      error("identity key", not_the_identity(config_.identity_key, config_.origin, *log).message);
    else if (log->pending)
      ok("identity key", "a rotation to " + vkey(log->pending->rotation.new_key) +
                             " is prepared: it will be recorded when identity_key names that key");
    const auto before = due                   ? std::optional(log->pending->rotation.old_key)
                        : log->former.empty() ? std::nullopt
                                              : std::optional(log->former.back());
    if (previous_ && before != previous_)
      error("previous identity key", not_the_previous(config_.previous_identity_key, config_.origin, before).message);
  }

  // The tree over what is stored, against the root that the last frame was signed with.
  void check_tree(const StoreReader& store) {
    auto range = store.range_at(store.state().size());
    if (!range) return error("store", config_.store + ": " + range.error().message);
    const FrameHeader& last = store.state().last;
    if (last.end() == store.state().size() && range->root() != last.root)
      error("store", config_.store + ": the tree over its entries does not have the root of the last frame, size " +
                         std::to_string(last.end()) + ": keep all files as they are, and `sealring verify` it");
  }

  void check_epoch_files(std::uint64_t epoch) {
    // A handover that is the last entry has ended that epoch.
    const EpochKeys keys(config_.store);
    for (const std::uint64_t one : {epoch, epoch + 1}) {
      std::size_t whole = 0;
      std::string trouble;
      for (const std::string& path : {keys.path(one), keys.copy_path(one)}) {
        auto bytes = read_secret_file(path, 4096, "epoch key");
        if (bytes) wipe(*bytes);
        whole += bytes.ok();
        if (!bytes && trouble.empty()) trouble = bytes.error().message;
      }
      if (whole == 2) return;
      if (whole == 1)
        return warning("store", "one of the two files of epoch key " + std::to_string(one) + ": " + trouble +
                                    "; the daemon makes it again from the other");
      if (one == epoch + 1)
        error("store", "neither epoch key " + std::to_string(epoch) + " nor " + std::to_string(one) +
                           " has a file that can be read (" + trouble +
                           "): bring it back, or the log goes on with a break");
    }
  }

  void check_clock() {
    if (clock_.now().synchronised) return ok("clock", "is synchronised");
    warning("clock", "is not synchronised, as far as the kernel knows: entries will say so");
  }

  const std::string credentials_;
  const Clock& clock_;
  GatewayConfig config_;
  std::optional<PublicKey> identity_, previous_;
  CheckReport report_;
};

const char* level_word(Level level) {
  return level == Level::ok ? "ok" : level == Level::warning ? "warning" : "error";
}

}  // namespace

bool CheckReport::ok() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const CheckFinding& f) { return f.level == CheckFinding::Level::error; });
}

CheckReport check_gateway(const std::string& config_path, const std::string& credentials, const Clock& clock) {
  return Check(credentials, clock).run(config_path);
}

std::string check_text(const CheckReport& report) {
  std::string out;
  for (const CheckFinding& f : report.findings) {
    std::string line = level_word(f.level);
    line.resize(9, ' ');
    line += f.subject + ": " + f.words;
    // Names and files come from outside: no line of their own, no escape sequence.
    for (char& c : line)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    out += line + "\n";
  }
  std::size_t warnings = 0, errors = 0;
  for (const CheckFinding& f : report.findings) {
    warnings += f.level == Level::warning;
    errors += f.level == Level::error;
  }
  return out + std::to_string(errors) + " errors, " + std::to_string(warnings) + " warnings\n";
}

std::string check_json(const CheckReport& report) {
  nlohmann::ordered_json json;
  json["ok"] = report.ok();
  json["findings"] = nlohmann::ordered_json::array();
  for (const CheckFinding& f : report.findings)
    json["findings"].push_back({{"level", level_word(f.level)}, {"subject", f.subject}, {"words", f.words}});
  return json.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Policy> load_policy(const GatewayConfig& config, const std::vector<PublicKey>& identities) {
  const GatewayConfig::Upstream& up = *config.upstream;
  SEALRING_ASSIGN(const Bytes text, read_file(up.policy));
  auto policy = Policy::parse(text);
  if (!policy) return std::move(policy).error().in(up.policy);
  // Nobody was there to write it down: here it is known whom the log follows.
  if (!config.follows.empty())
    for (const PublicKey& key : identities) policy->logs.push_back({{config.origin, KeyType::ed25519, key}, ""});
  const auto is_own = [&](const Policy::Log& log) {
    return log.key.name == config.origin &&
           std::find(identities.begin(), identities.end(), log.key.key) != identities.end();
  };
  if (std::none_of(policy->logs.begin(), policy->logs.end(), is_own))
    return reject_error(up.policy + ": has no `log` line with this gateway's own vkey " +
                        VerifierKey{config.origin, KeyType::ed25519, identities.front()}.encode());
  if (policy->find_witness(up.mirror) == nullptr)
    return reject_error(up.policy + ": has no `witness` line named " + sealring::quoted(up.mirror) +
                        ", which the config names as mirror");
  // By its lines the recorder knows what must not be dropped (droppable.h).
  const auto is_other = [&](const Policy::Witness& witness) { return witness.name != up.mirror; };
  if (config.recorder.drop_oldest && std::none_of(policy->witnesses.begin(), policy->witnesses.end(), is_other))
    return reject_error(up.policy + ": names no witness beside the mirror " + sealring::quoted(up.mirror) +
                        ", and when_full = \"drop-oldest\" needs one: the collector's");
  return policy;
}

Result<std::optional<SocketGroup>> find_socket_group(const std::string& named) {
  const group* const found = ::getgrnam(named.empty() ? "sealring" : named.c_str());
  if (found != nullptr) return std::optional<SocketGroup>({found->gr_name, found->gr_gid});
  if (named.empty()) return std::optional<SocketGroup>();
  return reject_error("there is no group " + sealring::quoted(named) + ", which socket_group names");
}

Status make_socket_folder(const std::string& socket_path, const std::string& named, const std::string& ours) {
  const std::string folder = folder_of(socket_path);
  const auto failed = [&](const char* what) {
    const bool passes = errno == ENOSPC || errno == EDQUOT || errno == EROFS || errno == ENOMEM || errno == EIO;
    const std::string words =
        std::string("cannot ") + what + " " + folder + " for the socket: " + std::generic_category().message(errno);
    return passes ? retry_error(words) : reject_error(words);
  };
  // Only the last step: a misspelt path should not become a tree of folders.
  const bool made = ::mkdir(folder.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return failed("make");
  if (!made && folder != ours) return {};
  SEALRING_ASSIGN(const std::optional<SocketGroup> members, find_socket_group(named));
  // Who is not of that group cannot give it away; the socket itself will not be given either, and that is said.
  if (members && ::chown(folder.c_str(), static_cast<uid_t>(-1), members->id) != 0 && errno != EPERM)
    return failed("give its group");
  return !made || ::chmod(folder.c_str(), 0750) == 0 ? Status() : failed("set the mode of");
}

}  // namespace sealring
