#include "collector/service.h"

#include <algorithm>
#include <new>

#include "drivers/diag.h"

namespace sealring {

namespace {

// For whoever counts, so that a 0 is shown.
constexpr const char* kEndpoints[] = {"witness/add-checkpoint",
                                      "mirror/add-checkpoint",
                                      "mirror/add-entries",
                                      "mirror/skip",
                                      "succession",
                                      "read",
                                      "other"};
constexpr const char* kRefusals[] = {"fork",       "rollback",   "size",        "not-proven",  "genesis",
                                     "signature",  "former-key", "certificate", "unknown-log", "closed",
                                     "succession", "malformed",  "other"};

constexpr std::int64_t kFollowerMinAgeSeconds = 3600;
constexpr std::string_view kWitnessPrefix = "/witness/", kMirrorPrefix = "/mirror/";

// A sentence from an error message: these are written to stand behind a file name or the like.
std::string as_sentence(std::string words) {
  if (!words.empty() && words.front() >= 'a' && words.front() <= 'z') words.front() = char(words.front() - 'a' + 'A');
  return words + ".";
}

HttpResponse unknown_log(const std::string& origin) {
  return sentence(404,
                  "The log " + quoted(origin, 255) + " is not one of this collector's: its policy does not name it.",
                  "unknown-log");
}

// Checkpoint::parse refuses it among other things; tlog-witness wants its own status for it.
bool empty_with_other_root(std::string_view text) {
  std::size_t origin = text.find('\n');
  return origin != std::string_view::npos && text.substr(origin + 1, 2) == "0\n" &&
         text.substr(origin + 3) != base64(view(empty_root())) + "\n";
}

const char* endpoint_of(const HttpRequest& request) {
  for (const char* endpoint : kEndpoints)
    if (request.method == "POST" && request.target == std::string("/") + endpoint) return endpoint;
  return request.method == "GET" || request.method == "HEAD" ? "read" : "other";
}

// What changes a log: out of memory in the middle, what is in memory may lag behind what is on disk, and a cosignature
// by what is in memory could contradict one that was given. The next start reads what is on disk.
template <class Change>
Result<HttpResponse> whole(Change&& change) {
  try {
    return change();
  } catch (const std::bad_alloc&) {
    return unknown_error("no memory in the middle of a request: what is archived is read again by a restart");
  }
}

}  // namespace

CollectorService::CollectorService(std::string archive, Keys keys, const Clock& clock, std::chrono::seconds quiet,
                                   Alarms* alarms)
    : archive_(std::move(archive)),
      clock_(clock),
      quiet_(quiet),
      witness_(std::move(keys.witness), clock),
      mirror_(std::move(keys.mirror), clock),
      alarms_(alarms) {
  for (const char* endpoint : kEndpoints) counts_.requests[endpoint] = 0;
  for (const char* reason : kRefusals) counts_.refusals[reason] = 0;
  if (keys.succession) succession_key_.emplace(std::move(*keys.succession));
}

Result<std::unique_ptr<CollectorService>> CollectorService::open(const std::string& archive,
                                                                 std::vector<LogIdentity> logs, Keys keys,
                                                                 const Clock& clock, std::chrono::milliseconds quiet,
                                                                 Alarms* alarms) {
  SEALRING_TRY(check_keys(keys));
  std::unique_ptr<CollectorService> service(
      new CollectorService(archive, std::move(keys), clock, std::chrono::ceil<std::chrono::seconds>(quiet), alarms));
  // A log before those that follow it, whose origins are longer or, of one length, greater.
  std::sort(logs.begin(), logs.end(), [](const LogIdentity& a, const LogIdentity& b) {
    const std::string &x = a.key.name, &y = b.key.name;
    return std::make_pair(x.size(), x) < std::make_pair(y.size(), y);
  });
  for (LogIdentity& identity : logs) {
    const std::string origin = identity.key.name;
    if (service->find(origin) != nullptr) return reject_error("the log " + quoted(origin) + " is there twice");
    SEALRING_TRY(service->add(std::move(identity), logs));
  }
  return service;
}

// A cosignature does not name its signer: one key in both roles would let a witness' line pass for a mirror's.
Status CollectorService::check_keys(const Keys& keys) {
  const auto same = [](const NamedKey& a, const NamedKey& b) {
    return a.name == b.name || a.signer->public_key() == b.signer->public_key();
  };
  if (same(keys.witness, keys.mirror))
    return reject_error("witness_key and mirror_key must be two keys with two names");
  if (keys.succession && (same(*keys.succession, keys.witness) || same(*keys.succession, keys.mirror)))
    return reject_error("succession_key must be a third key with a third name, beside witness_key and mirror_key");
  return {};
}

// With those that follow it, one after the other. `configured`: what the policy names and is not open yet.
Status CollectorService::add(LogIdentity identity, std::vector<LogIdentity>& configured) {
  for (std::optional<LogIdentity> next = std::move(identity); next;) {
    const std::string origin = next->key.name;
    SEALRING_ASSIGN(std::unique_ptr<OriginLog> log, OriginLog::open(archive_, std::move(*next), witness_, mirror_,
                                                                    succession_key_ ? &*succession_key_ : nullptr));
    OriginLog& added = *log;
    added.set_alarms(alarms_);
    {
      std::lock_guard<std::shared_mutex> lock(logs_mutex_);
      by_hash_[origin_hash(origin)] = log.get();
      logs_[origin] = std::move(log);
    }
    SEALRING_ASSIGN(next, follower_of(added, configured));
    if (next) added.say_closed();  // at each start until the policy names the follower
  }
  return {};
}

// The log that follows `log`, where it is none of ours yet and the policy does not name it.
Result<std::optional<LogIdentity>> CollectorService::follower_of(OriginLog& log, std::vector<LogIdentity>& configured) {
  std::optional<LogIdentity> none;
  const std::optional<Succession> by = log.successor();
  if (!by) return none;
  const LogIdentity& closed = log.identity();
  if (!succession_key_) {
    diag(DiagLevel::warning, closed.key.name +
                                 " is closed by a succession that succession_key signed, which is not set: " +
                                 by->follower.name + ", which follows it, is taken only if the policy names it");
    return none;
  }
  {
    std::lock_guard<std::shared_mutex> lock(logs_mutex_);
    closed_[by->follower.name] = &log;
  }
  if (find(by->follower.name) != nullptr) return none;
  for (LogIdentity& named : configured) {
    if (named.key.name != by->follower.name) continue;
    if (named.genesis && (!(named.key == by->follower) || *named.genesis != by->genesis))
      return fatal_error(archive_ + "/" + origin_hash(closed.key.name) + "/successor says that " +
                         by->follower.encode() + " " + hex(view(by->genesis)) + " follows " + closed.key.name +
                         ", but the configuration has another anchor for that origin");
    if (!named.genesis) {  // no [[gateway]]: what bound it so far goes on to, and the first of its keys is known here
      LogKeys later = named.keys();
      later.erase(std::remove(later.begin(), later.end(), by->follower), later.end());
      named = {by->follower, by->genesis, closed.tls_uri, std::move(later)};
    }
    return none;
  }
  return std::optional<LogIdentity>(LogIdentity{by->follower, by->genesis, closed.tls_uri});
}

HttpResponse CollectorService::handle(const HttpRequest& request) {
  const char* endpoint = endpoint_of(request);
  {
    std::lock_guard<std::mutex> lock(counts_mutex_);
    ++counts_.in_flight;
    ++counts_.requests[endpoint];
  }
  // Also when it throws, for want of memory.
  const std::shared_ptr<void> done(nullptr, [this](void*) {
    std::lock_guard<std::mutex> lock(counts_mutex_);
    --counts_.in_flight;
  });
  HttpResponse response;
  try {
    response = dispatch(request);
  } catch (const std::bad_alloc&) {
    response = answer(retry_error("no memory"));
  }
  std::lock_guard<std::mutex> lock(counts_mutex_);
  // What a reader asks for in vain is nobody's refusal.
  if (*response.refusal != '\0' && request.method == "POST") ++counts_.refusals[response.refusal];
  return response;
}

CollectorService::Counts CollectorService::counts() const {
  std::lock_guard<std::mutex> lock(counts_mutex_);
  return counts_;
}

std::string CollectorService::trouble() const {
  std::lock_guard<std::mutex> lock(counts_mutex_);
  return trouble_;
}

std::vector<std::pair<std::string, OriginLog::Summary>> CollectorService::summaries() const {
  std::shared_lock<std::shared_mutex> lock(logs_mutex_);
  std::vector<std::pair<std::string, OriginLog::Summary>> out;
  for (const auto& [origin, log] : logs_) out.emplace_back(origin, log->summary());
  return out;
}

HttpResponse CollectorService::dispatch(const HttpRequest& request) {
  if (failed_) return sentence(500, "The collector has met a fatal error and is stopping.");
  bool post = request.method == "POST", get = request.method == "GET" || request.method == "HEAD";
  const std::string& target = request.target;
  if (target == "/witness/add-checkpoint" || target == "/mirror/add-checkpoint") {
    if (!post) return sentence(405, "This endpoint takes POST.");
    return add_checkpoint(request, target[1] == 'w' ? Role::witness : Role::mirror);
  }
  if (target == "/succession") return post ? succession(request) : sentence(405, "This endpoint takes POST.");
  if (target == "/mirror/add-entries") return post ? add_entries(request) : sentence(405, "This endpoint takes POST.");
  if (target == "/mirror/skip") return post ? skip(request) : sentence(405, "This endpoint takes POST.");
  if (!get) return sentence(404, "There is no such endpoint.");
  return read(request);
}

std::size_t CollectorService::log_count() const {
  std::shared_lock<std::shared_mutex> lock(logs_mutex_);
  return logs_.size();
}

OriginLog* CollectorService::find(const std::string& origin) {
  std::shared_lock<std::shared_mutex> lock(logs_mutex_);
  auto it = logs_.find(origin);
  return it == logs_.end() ? nullptr : it->second.get();
}

HttpResponse CollectorService::add_checkpoint(const HttpRequest& request, Role role) {
  Result<AddCheckpoint> body = decode_add_checkpoint(request.body);
  if (!body.ok()) return sentence(400, as_sentence(body.error().message), "malformed");
  Result<Note> note = Note::parse(body->checkpoint);
  if (!note.ok()) return sentence(400, as_sentence(note.error().message), "malformed");
  Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
  if (!checkpoint.ok())
    return sentence(empty_with_other_root(note->text) ? 422 : 400, as_sentence(checkpoint.error().message),
                    "malformed");
  OriginLog* log = find(checkpoint->origin);
  if (log == nullptr) return unknown_log(checkpoint->origin);
  if (auto refusal = refuse_peer(request, log->identity())) return *refusal;
  Result<SignedCheckpoint> accepted = accept_checkpoint(*note, *checkpoint, log->keys());
  if (!accepted.ok()) {
    refusals_.report(DiagLevel::warning, checkpoint->origin + ": refused a checkpoint from " +
                                             quoted(request.peer_subject, 200) + ": " + accepted.error().message);
    return sentence(403, as_sentence(accepted.error().message), "signature");
  }
  return answer(whole([&] {
    return role == Role::witness ? log->witness_checkpoint(*body, *accepted) : log->mirror_checkpoint(*body, *accepted);
  }));
}

HttpResponse CollectorService::add_entries(const HttpRequest& request) {
  if (request.content_type != kAddEntriesType)
    return sentence(400, "The content type must be " + std::string(kAddEntriesType) + ".");
  Result<AddEntriesReader> upload = AddEntriesReader::open(request.body);
  if (!upload.ok()) return sentence(400, as_sentence(upload.error().message), "malformed");
  OriginLog* log = find(upload->header().origin);
  if (log == nullptr) return unknown_log(upload->header().origin);
  if (auto refusal = refuse_peer(request, log->identity())) return *refusal;
  return answer(whole([&] { return log->add_entries(*upload); }));
}

HttpResponse CollectorService::skip(const HttpRequest& request) {
  if (request.content_type != kSkipType)
    return sentence(400, "The content type must be " + std::string(kSkipType) + ".");
  Result<SkipRequest> skip = decode_skip(request.body);
  if (!skip.ok()) return sentence(400, as_sentence(skip.error().message), "malformed");
  OriginLog* log = find(skip->origin);
  if (log == nullptr) return unknown_log(skip->origin);
  if (auto refusal = refuse_peer(request, log->identity())) return *refusal;
  return answer(whole([&] { return log->skip(*skip); }));
}

// Whatever is refused is said here, too: a log that cannot be closed goes on under an operator's eyes only.
HttpResponse CollectorService::succession(const HttpRequest& request) {
  Result<HttpResponse> taken = whole([&] { return take_succession(request); });
  if (taken.ok() && taken->status != 200)
    successions_.report(DiagLevel::warning, "refused a succession from " + quoted(request.peer_subject, 200) + ": " +
                                                taken->body.substr(0, taken->body.size() - 1));
  return answer(std::move(taken));
}

Result<HttpResponse> CollectorService::take_succession(const HttpRequest& request) {
  if (!succession_key_)
    return sentence(403,
                    "This collector takes no succession by itself (succession_key is not set): its operator enrols the "
                    "log that follows like a new one, by its vkey in the policy and its anchor in a [[gateway]].");
  Result<Note> note = Note::parse(request.body);
  if (!note.ok()) return sentence(400, as_sentence(note.error().message), "malformed");
  Result<Succession> statement = Succession::parse(note->text);
  if (!statement.ok()) return sentence(400, as_sentence(statement.error().message), "malformed");
  const std::string& origin = statement->closed.origin;
  OriginLog* log = find(origin);
  if (log == nullptr) return unknown_log(origin);
  if (log->identity().tls_uri.empty())
    return sentence(403, "The log " + quoted(origin, 255) +
                             " is not bound to a certificate (its [[gateway]] has no tls_uri), and is closed by an "
                             "operator only.");
  if (auto refusal = refuse_peer(request, log->identity())) return *refusal;
  Result<SignedSuccession> accepted = accept_succession(*note, *statement, log->keys());
  if (!accepted.ok()) return sentence(403, as_sentence(accepted.error().message));
  std::lock_guard<std::mutex> lock(succession_mutex_);
  if (!log->successor()) {
    SEALRING_ASSIGN(std::optional<HttpResponse> refusal, refuse_follower(*statement));
    if (!refusal) {
      SEALRING_ASSIGN(refusal, refuse_young(origin));
    }
    if (refusal) return *refusal;
  }
  SEALRING_ASSIGN(HttpResponse response,
                  log->close(*accepted, clock_.now().wall_ns / 1'000'000'000, quiet_, find(statement->follower.name)));
  if (response.status != 200) return response;
  // Where this fails the log is closed all the same, and the gateway, or the next start, comes back to here.
  std::vector<LogIdentity> nobody;
  SEALRING_ASSIGN(std::optional<LogIdentity> follower, follower_of(*log, nobody));
  if (follower) SEALRING_TRY(add(std::move(*follower), nobody));
  return response;
}

// What the archive has of its origin, from a time when the policy named it. Where it still does, close() looks.
Result<std::optional<HttpResponse>> CollectorService::refuse_follower(const Succession& statement) {
  std::optional<HttpResponse> refusal;
  const VerifierKey& key = statement.follower;
  if (find(key.name) != nullptr) return refusal;
  const Result<Bytes> line = LogArchive(archive_, key.name).log_line();
  if (!line.ok() && line.error().kind != ErrorKind::missing) return retry_error(line.error().message);
  if (line.ok() && *line != key.encode() + " " + hex(view(statement.genesis)) + "\n") refusal = other_anchor(statement);
  return refusal;
}

// A gateway that closes one log after the other has its store, or its key, in more than one place.
Result<std::optional<HttpResponse>> CollectorService::refuse_young(const std::string& origin) {
  std::optional<HttpResponse> refusal;
  const OriginLog* closed = nullptr;
  {
    std::shared_lock<std::shared_mutex> lock(logs_mutex_);
    if (const auto it = closed_.find(origin); it != closed_.end()) closed = it->second;
  }
  if (closed == nullptr) return refusal;
  SEALRING_ASSIGN(const std::int64_t since_s, closed->closed_time_s());
  if (clock_.now().wall_ns / 1'000'000'000 - kFollowerMinAgeSeconds < since_s)
    refusal = sentence(503, "The log " + quoted(origin, 255) + " follows " + quoted(closed->identity().key.name, 255) +
                                " since less than an hour, and is not closed before that: retry later.");
  return refusal;
}

const OriginLog* CollectorService::find_hash(const std::string& hash) const {
  std::shared_lock<std::shared_mutex> lock(logs_mutex_);
  const auto it = by_hash_.find(hash);
  return it == by_hash_.end() ? nullptr : it->second;
}

HttpResponse CollectorService::read(const HttpRequest& request) {
  std::string_view target = request.target;
  bool witness = target.substr(0, kWitnessPrefix.size()) == kWitnessPrefix;
  bool mirror = target.substr(0, kMirrorPrefix.size()) == kMirrorPrefix;
  if (!witness && !mirror) return sentence(404, "There is no such endpoint.");
  target.remove_prefix(witness ? kWitnessPrefix.size() : kMirrorPrefix.size());
  std::size_t slash = target.find('/');
  const OriginLog* log = slash == std::string_view::npos ? nullptr : find_hash(std::string(target.substr(0, slash)));
  if (log == nullptr) return sentence(404, "There is no such log or resource.");
  return reading_.answer(*log, witness ? Reading::Of::witness : Reading::Of::mirror, target.substr(slash + 1),
                         request.accept_encoding);
}

std::optional<HttpResponse> CollectorService::refuse_peer(const HttpRequest& request, const LogIdentity& log) {
  if (log.tls_uri.empty()) return std::nullopt;
  const std::vector<std::string>& uris = request.peer_uris;
  if (std::find(uris.begin(), uris.end(), log.tls_uri) != uris.end()) return std::nullopt;
  refusals_.report(DiagLevel::warning, log.key.name + ": refused a request by " + quoted(request.peer_subject, 200) +
                                           ", whose certificate does not have the URI " + log.tls_uri);
  return sentence(403,
                  "The log " + quoted(log.key.name, 255) + " is bound to a certificate with another URI than yours.",
                  "certificate");
}

HttpResponse CollectorService::answer(Result<HttpResponse> result) {
  {
    std::lock_guard<std::mutex> lock(counts_mutex_);
    counts_.failures += !result.ok();
    if (!failed_) trouble_ = result.ok() ? "" : result.error().message;
  }
  if (result.ok()) return std::move(result).value();
  const Error& error = result.error();
  if (error.kind == ErrorKind::retry || error.kind == ErrorKind::full) {
    diag(DiagLevel::error, "a request failed: " + error.message);
    return sentence(503, as_sentence(error.message), "");
  }
  if (!failed_.exchange(true)) {
    diag(DiagLevel::error, error.message);
    if (alarms_ != nullptr) alarms_->happened(kAlarmArchiveDamage, "", error.message);
    if (on_fatal_) on_fatal_(error);
  }
  return sentence(500, "The collector has met a fatal error and is stopping.");
}

}  // namespace sealring
