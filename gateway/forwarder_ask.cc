// The forwarder's other half: what the collector has of this log, and what it refuses.
#include <algorithm>

#include "crypto/sha256.h"
#include "crypto/succession.h"
#include "drivers/diag.h"
#include "gateway/collector_answer.h"
#include "gateway/forwarder.h"
#include "storage/skip_wire.h"

namespace sealring {

Status Forwarder::ask() {
  lineless_end_ = 0;
  if (offers_succession_) SEALRING_TRY(offer_succession());
  const std::uint64_t receipted = receipted_size(ring_.segments());
  for (const std::string role : {"witness", "mirror"}) {
    SEALRING_ASSIGN(const std::optional<Head> head, head_of(role, receipted));
    if (role == "witness") witness_size_ = head ? head->checkpoint.size : 0;
    if (!head) continue;
    if (!head->contradicts) succession_is_known();  // its operator has enrolled this log
    if (head->contradicts) {
      if (events_.on_contradiction) events_.on_contradiction(*head);
      {
        std::lock_guard<std::mutex> lock(stats_mutex_);
        stats_.contradicted = true;
        stats_.asked = false;
      }
      return retry_error("the collector's " + role +
                         " shows that this store is an old copy: " + contradiction_words(*head, ring_.size()));
    }
    if (role == "mirror") compare_with_receipts(head->checkpoint.size, receipted);
  }
  if (needs_skip_) SEALRING_TRY(ask_for_skip());
  asked_ = true;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.asked = true;
  }
  if (events_.on_fits) events_.on_fits();
  return {};
}

void Forwarder::compare_with_receipts(std::uint64_t size, std::uint64_t receipted) {
  if (size < receipted)
    diag(DiagLevel::warning, "alarm: the collector has size " + std::to_string(size) +
                                 " of this log, but has given a receipt for " + std::to_string(receipted) +
                                 ": its archive is an old copy, or another one");
  if (events_.alarms == nullptr) return;
  if (size >= receipted) return events_.alarms->clear(kAlarmArchive, "");
  events_.alarms->raise(kAlarmArchive, "", "the collector has less of this log than it has given receipts for",
                        {{"collector-size", size}, {"receipted-size", receipted}});
}

// By an empty request, which one that has the endpoint cannot understand.
Status Forwarder::ask_for_skip() {
  HttpClient::Request call;
  call.target = config_.path + kSkipEndpoint;
  call.content_type = std::string(kSkipType);
  SEALRING_ASSIGN(const HttpResponse response, send(call));
  const bool lacks = response.status == 404 || response.status == 405;
  if (!lacks && response.status != 400) return unexpected(kSkipEndpoint, response);
  if (lacks != lacks_skip_.exchange(lacks) && lacks)
    diag(DiagLevel::error, std::string("alarm: ") +
                               (config_.needs_skip ? "when_full is drop-oldest" : "a bundle is damaged") +
                               ", but the collector's mirror has no skip: nothing is dropped, and a full ring stops "
                               "acknowledging");
  return {};
}

// A collector that does not take it may have been told of this log by its operator: then all goes on, and otherwise
// its next answer is the reason why it does not.
Status Forwarder::offer_succession() {
  const std::string endpoint = "/succession";
  HttpClient::Request call;
  call.target = config_.path + endpoint;
  call.content_type = "text/plain; charset=utf-8";
  call.body = config_.succession->encode();
  SEALRING_ASSIGN(const HttpResponse response, send(call));
  if (response.status != 200) {
    const std::string words = unexpected(endpoint, response).message;
    if (told_.insert(words).second) diag(DiagLevel::warning, "the succession is not taken: " + words);
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.succession_waits = true;
    return {};
  }
  SEALRING_ASSIGN(const Note taken, understood(Note::parse(response.body), endpoint));
  const std::string own = config_.succession->signatures.front().line();
  if (taken.text != config_.succession->text || taken.signatures.size() < 2 || taken.signatures.front().line() != own)
    return retry_error("collector's answer at " + endpoint + " is not our succession with its own line");
  if (events_.on_taken) SEALRING_TRY(events_.on_taken(taken));
  succession_is_known();
  return {};
}

void Forwarder::succession_is_known() {
  offers_succession_ = false;
  if (events_.alarms != nullptr) events_.alarms->clear(kAlarmSuccession, "");
  std::lock_guard<std::mutex> lock(stats_mutex_);
  stats_.succession_waits = false;
}

// None: it has nothing of this log.
Result<std::optional<Head>> Forwarder::head_of(const std::string& role, std::uint64_t receipted) {
  HttpClient::Request call;
  call.method = "GET";
  call.target = config_.path + "/" + role + "/" + hex(view(sha256(config_.identity.front().key.name))) + "/checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, send(call));
  const std::string endpoint = "/" + role + "/.../checkpoint";
  // Whatever an earlier one has said: this one does not know of it.
  offers_succession_ = offers_succession_ || (response.status == 404 && config_.succession);
  if (response.status == 404 && (receipted == 0 || !config_.ask_first)) return std::optional<Head>();
  if (response.status == 404)
    return retry_error("collector says at " + endpoint +
                       " that it has nothing of this log, but has given a receipt "
                       "for size " +
                       std::to_string(receipted) + ": is the url right, is it the right archive?");
  if (response.status != 200) return unexpected(endpoint, response);
  Result<Head> head = check_head(response.body, config_.identity, ring_);
  if (!head) return retry_error("collector's checkpoint at " + endpoint + " " + head.error().message);
  return std::optional<Head>(std::move(head).value());
}

// --- what it refuses ---

Result<HttpResponse> Forwarder::send(const HttpClient::Request& request) {
  pulse_.within(config_.call_timeout);
  return client_.call(request);
}

// To be called when what was asked before has fitted: then the collector's "no" is about what we have signed.
Error Forwarder::refused(const std::string& endpoint, const HttpResponse& response) {
  Error error = unexpected(endpoint, response);
  if (response.status == 403) look_whether_closed();
  if (response.status == 422 && events_.alarms != nullptr)
    events_.alarms->raise(kAlarmFork, "", "the collector refuses what this log has signed: " + error.message,
                          {{"reason", error.message}});
  return error;
}

// Its word alone is no alarm: a collector may be set up wrong. The statement, by our own key, is.
void Forwarder::look_whether_closed() {
  const std::string& origin = config_.identity.front().key.name;
  HttpClient::Request call;
  call.method = "GET";
  call.target = config_.path + "/witness/" + hex(view(sha256(origin))) + "/successor";
  const auto response = send(call);
  if (!response || response->status != 200) return;
  const auto note = Note::parse(response->body);
  const auto statement = note ? Succession::parse(note->text) : Result<Succession>(note.error());
  if (!statement || statement->closed.origin != origin) return;
  const auto signed_by = [&note](const LogKey& one) {
    return check_note_signature(*note, one.key) == SignatureState::valid;
  };
  if (std::none_of(config_.identity.begin(), config_.identity.end(), signed_by)) return;
  const std::string follower = statement->follower.name;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    if (stats_.closed_by == follower) return;
    stats_.closed_by = follower;
  }
  const std::string vkey = statement->follower.encode();
  diag(DiagLevel::error, "alarm: closed: the collector has closed this log at size " +
                             std::to_string(statement->closed.size) + " by a statement of our identity key, and " +
                             vkey +
                             " follows it: a copy of this gateway runs elsewhere, or somebody has its key. "
                             "Recording goes on; nothing more of this log is taken there");
  if (events_.alarms == nullptr) return;
  events_.alarms->raise(
      kAlarmClosed, "", "another log follows this one at the collector: " + vkey,
      {{"closed-size", statement->closed.size}, {"closed-root", statement->closed.root}, {"follower", vkey}});
}

}  // namespace sealring
