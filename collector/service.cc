#include "collector/service.h"

#include <algorithm>

#include "drivers/diag.h"

namespace sealring {

namespace {

constexpr std::string_view kWitnessPrefix = "/witness/", kMirrorPrefix = "/mirror/";

// A sentence from an error message: these are written to stand behind a file name or the like.
std::string as_sentence(std::string words) {
  if (!words.empty() && words.front() >= 'a' && words.front() <= 'z') words.front() = char(words.front() - 'a' + 'A');
  return words + ".";
}

HttpResponse unknown_log(const std::string& origin) {
  return sentence(404,
                  "The log " + quoted(origin, 255) + " is not one of this collector's: its policy does not name it.");
}

// Checkpoint::parse refuses it among other things; tlog-witness wants its own status for it.
bool empty_with_other_root(std::string_view text) {
  std::size_t origin = text.find('\n');
  return origin != std::string_view::npos && text.substr(origin + 1, 2) == "0\n" &&
         text.substr(origin + 3) != base64(view(empty_root())) + "\n";
}

}  // namespace

CollectorService::CollectorService(Keys keys, const Clock& clock)
    : witness_(std::move(keys.witness), clock), mirror_(std::move(keys.mirror), clock) {}

Result<std::unique_ptr<CollectorService>> CollectorService::open(const std::string& archive,
                                                                 std::vector<LogIdentity> logs, Keys keys,
                                                                 const Clock& clock) {
  SEALRING_TRY(check_keys(keys));
  std::unique_ptr<CollectorService> service(new CollectorService(std::move(keys), clock));
  for (LogIdentity& identity : logs) {
    std::string origin = identity.key.name;
    if (service->logs_.count(origin) != 0) return reject_error("the log " + quoted(origin) + " is there twice");
    Result<std::unique_ptr<OriginLog>> log =
        OriginLog::open(archive, std::move(identity), service->witness_, service->mirror_);
    if (!log.ok()) return std::move(log).error();
    service->by_hash_[origin_hash(origin)] = log->get();
    service->logs_[origin] = std::move(log).value();
  }
  return service;
}

// A cosignature does not name its signer: one key in both roles would let a witness' line pass for a mirror's.
Status CollectorService::check_keys(const Keys& keys) {
  if (keys.witness.name != keys.mirror.name && keys.witness.signer->public_key() != keys.mirror.signer->public_key())
    return {};
  return reject_error("witness_key and mirror_key must be two keys with two names");
}

HttpResponse CollectorService::handle(const HttpRequest& request) {
  if (failed_) return sentence(500, "The collector has met a fatal error and is stopping.");
  bool post = request.method == "POST", get = request.method == "GET" || request.method == "HEAD";
  const std::string& target = request.target;
  if (target == "/witness/add-checkpoint" || target == "/mirror/add-checkpoint") {
    if (!post) return sentence(405, "This endpoint takes POST.");
    return add_checkpoint(request, target[1] == 'w' ? Role::witness : Role::mirror);
  }
  if (target == "/mirror/add-entries") return post ? add_entries(request) : sentence(405, "This endpoint takes POST.");
  if (!get) return sentence(404, "There is no such endpoint.");
  return read(request);
}

OriginLog* CollectorService::find(const std::string& origin) {
  auto it = logs_.find(origin);
  return it == logs_.end() ? nullptr : it->second.get();
}

HttpResponse CollectorService::add_checkpoint(const HttpRequest& request, Role role) {
  Result<AddCheckpoint> body = decode_add_checkpoint(request.body);
  if (!body.ok()) return sentence(400, as_sentence(body.error().message));
  Result<Note> note = Note::parse(body->checkpoint);
  if (!note.ok()) return sentence(400, as_sentence(note.error().message));
  Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
  if (!checkpoint.ok())
    return sentence(empty_with_other_root(note->text) ? 422 : 400, as_sentence(checkpoint.error().message));
  OriginLog* log = find(checkpoint->origin);
  if (log == nullptr) return unknown_log(checkpoint->origin);
  if (auto refusal = refuse_peer(request, log->identity())) return *refusal;
  Result<SignedCheckpoint> accepted = accept_checkpoint(*note, *checkpoint, log->keys());
  if (!accepted.ok()) {
    refusals_.report(DiagLevel::warning, checkpoint->origin + ": refused a checkpoint from " +
                                             quoted(request.peer_subject, 200) + ": " + accepted.error().message);
    return sentence(403, as_sentence(accepted.error().message));
  }
  return answer(role == Role::witness ? log->witness_checkpoint(*body, *accepted)
                                      : log->mirror_checkpoint(*body, *accepted));
}

HttpResponse CollectorService::add_entries(const HttpRequest& request) {
  if (request.content_type != kAddEntriesType)
    return sentence(400, "The content type must be " + std::string(kAddEntriesType) + ".");
  Result<AddEntriesReader> upload = AddEntriesReader::open(request.body);
  if (!upload.ok()) return sentence(400, as_sentence(upload.error().message));
  OriginLog* log = find(upload->header().origin);
  if (log == nullptr) return unknown_log(upload->header().origin);
  if (auto refusal = refuse_peer(request, log->identity())) return *refusal;
  return answer(log->add_entries(*upload));
}

HttpResponse CollectorService::read(const HttpRequest& request) {
  std::string_view target = request.target;
  bool witness = target.substr(0, kWitnessPrefix.size()) == kWitnessPrefix;
  bool mirror = target.substr(0, kMirrorPrefix.size()) == kMirrorPrefix;
  if (!witness && !mirror) return sentence(404, "There is no such endpoint.");
  target.remove_prefix(witness ? kWitnessPrefix.size() : kMirrorPrefix.size());
  std::size_t slash = target.find('/');
  auto log = by_hash_.find(std::string(target.substr(0, slash)));
  if (slash == std::string_view::npos || log == by_hash_.end())
    return sentence(404, "There is no such log or resource.");
  return reading_.answer(*log->second, witness ? Reading::Of::witness : Reading::Of::mirror, target.substr(slash + 1),
                         request.accept_encoding);
}

std::optional<HttpResponse> CollectorService::refuse_peer(const HttpRequest& request, const LogIdentity& log) {
  if (log.tls_uri.empty()) return std::nullopt;
  const std::vector<std::string>& uris = request.peer_uris;
  if (std::find(uris.begin(), uris.end(), log.tls_uri) != uris.end()) return std::nullopt;
  refusals_.report(DiagLevel::warning, log.key.name + ": refused a request by " + quoted(request.peer_subject, 200) +
                                           ", whose certificate does not have the URI " + log.tls_uri);
  return sentence(403,
                  "The log " + quoted(log.key.name, 255) + " is bound to a certificate with another URI than yours.");
}

HttpResponse CollectorService::answer(Result<HttpResponse> result) {
  if (result.ok()) return std::move(result).value();
  const Error& error = result.error();
  if (error.kind == ErrorKind::retry || error.kind == ErrorKind::full) {
    diag(DiagLevel::error, "a request failed: " + error.message);
    return sentence(503, as_sentence(error.message));
  }
  if (!failed_.exchange(true)) {
    diag(DiagLevel::error, error.message);
    if (on_fatal_) on_fatal_(error);
  }
  return sentence(500, "The collector has met a fatal error and is stopping.");
}

}  // namespace sealring
