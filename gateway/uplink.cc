#include "gateway/uplink.h"

#include <algorithm>

#include "drivers/diag.h"
#include "drivers/file.h"
#include "gateway/check.h"
#include "gateway/incident.h"

namespace sealring {
namespace {

// The store is an old copy: the identity must sign nothing in it any more, and what proves it is kept in it.
bool on_contradiction(Recorder& recorder, Alarms& alarms, const std::string& store, const Head& head,
                      std::uint64_t size) {
  recorder.hold_signatures(true);
  diag(DiagLevel::error, "alarm: rollback: " + contradiction_words(head, size) +
                             ". Recording goes on; nothing is signed with the identity key and nothing is forwarded");
  alarms.raise(kAlarmRollback, "", contradiction_words(head, size),
               {{"signed-size", head.checkpoint.size}, {"signed-root", head.checkpoint.root}, {"size", size}});
  const Status kept = replace_file(store + "/" + kRollbackFile, head.note, 0600);
  if (!kept.ok()) diag(DiagLevel::error, "the proof of the rollback is not kept: " + kept.error().message);
  return kept.ok();
}

// What cannot be read is taken for one.
bool has_rotation(const std::string& store, const std::string& origin, std::uint64_t start, std::uint64_t end) {
  const auto rotations = recorded_rotations(store, origin);
  if (!rotations) return true;
  return std::any_of(rotations->begin(), rotations->end(),
                     [&](const RecordedRotation& one) { return start <= one.index && one.index < end; });
}

}  // namespace

Result<std::vector<LogKey>> keys_of_log(const GatewayConfig& config, const GatewayIdentity& identity,
                                        const Policy& policy) {
  std::vector<LogKey> keys;
  const auto add = [&](const PublicKey& key, std::uint64_t until) {
    const auto same = [&key](const LogKey& one) { return one.key.key == key; };
    if (std::any_of(keys.begin(), keys.end(), same)) return;
    keys.push_back({{config.origin, KeyType::ed25519, key}, until});
  };
  add(identity.current->public_key(), UINT64_MAX);
  // Until the rotation is recorded, the key before it is the log's.
  if (identity.rotation) add(identity.rotation->rotation.old_key, UINT64_MAX);
  SEALRING_ASSIGN(const auto recorded, recorded_rotations(config.store, config.origin));
  for (const RecordedRotation& one : recorded) add(one.statement.rotation.old_key, one.index);
  // This store may be a copy from before a rotation that the policy knows of.
  for (const Policy::Log& log : policy.logs)
    if (log.key.name == config.origin) add(log.key.key, UINT64_MAX);
  return keys;
}

Result<Uplink> make_uplink(const GatewayConfig& config, const GatewayIdentity& identity, bool assume_current,
                           const Ring& ring, RecordQueue& queue, const std::optional<KnownSuccession>& succession) {
  Uplink out;
  if (!config.upstream) return out;
  const GatewayConfig::Upstream& up = *config.upstream;
  SEALRING_ASSIGN(const Url url, parse_https_url(up.url));
  HttpClient::Config http;
  http.host = url.host;
  http.port = url.port;
  http.server_name = up.server_name;
  http.tls = {up.ca, up.cert, up.key};
  http.timeout = up.timeout;
  SEALRING_ASSIGN(out.client, HttpClient::create(http));
  Forwarder::Config forward;
  forward.ask_first = !assume_current;
  if (succession) {
    forward.succession = Note{succession->note.text, {succession->note.signatures.front()}};
    forward.succession_taken = succession->taken();
  }
  forward.path = url.path;
  forward.mirror = up.mirror;
  forward.call_timeout = up.timeout;
  std::vector<PublicKey> keys = {identity.current->public_key()};
  if (identity.previous) keys.push_back(identity.previous->public_key());
  SEALRING_ASSIGN(forward.policy, load_policy(config, keys));
  SEALRING_ASSIGN(forward.identity, keys_of_log(config, identity, forward.policy));
  forward.needs_skip = config.recorder.drop_oldest;
  forward.retry_min = up.retry_min;
  forward.retry_max = up.retry_max;
  out.forwarder = std::make_unique<Forwarder>(std::move(forward), ring, *out.client, queue);
  return out;
}

void connect_uplink(Forwarder* to, Recorder& recorder, Alarms& alarms, const Ring& ring, const std::string& store,
                    const std::optional<Head>& rollback, const std::function<void(const Head&)>& on_proof) {
  if (rollback) alarms.raise(kAlarmRollback, "", contradiction_words(*rollback, ring.size()));
  if (rollback)
    diag(DiagLevel::error,
         "alarm: rollback, known since an earlier start: " + contradiction_words(*rollback, ring.size()) +
             "; nothing is signed with the identity key");
  if (to == nullptr) return;
  Forwarder& forwarder = *to;
  if (rollback) forwarder.contradict();
  recorder.set_on_segments([&forwarder] { forwarder.wake(); });
  recorder.set_early({[&forwarder] { return forwarder.wants_early(); },
                      [&forwarder](std::uint64_t size, Bytes note) { forwarder.early(size, std::move(note)); }});
  recorder.set_drops({[&forwarder] { return !forwarder.lacks_skip(); },
                      [&forwarder](std::uint64_t start, std::uint64_t end) { return forwarder.give_up(start, end); },
                      [store, &ring](std::uint64_t start, std::uint64_t end) {
                        return has_rotation(store, ring.origin(), start, end);
                      },
                      [store](std::uint64_t bundle, ByteView bytes) { return keep_bundle(store, bundle, bytes); }});
  Forwarder::Events events;
  events.on_fits = [&recorder, store] {
    recorder.hold_signatures(false);
    let_sign(store);
  };
  events.on_damaged = [&recorder](std::uint64_t bundle) { recorder.found_damaged(bundle); };
  events.alarms = &alarms;
  events.on_contradiction = [&recorder, &alarms, &ring, store, on_proof](const Head& head) {
    if (on_contradiction(recorder, alarms, store, head, ring.size())) on_proof(head);
  };
  events.on_taken = [store](const Note& note) -> Status {
    SEALRING_TRY(put_succession(store, note));
    diag(DiagLevel::notice, "the collector has taken the succession, by " + note.signatures.back().name);
    return {};
  };
  forwarder.set_events(std::move(events));
}

std::optional<Head> known_rollback(const GatewayConfig& config, const GatewayIdentity& identity, const Ring& ring) {
  const auto note = read_file(config.store + "/" + kRollbackFile, kMaxNoteBytes);
  if (!note) return std::nullopt;
  Policy policy;  // as the forwarder has judged it
  if (config.upstream)
    if (const auto text = read_file(config.upstream->policy))
      if (auto parsed = Policy::parse(*text)) policy = std::move(parsed).value();
  const auto keys = keys_of_log(config, identity, policy);
  if (!keys) return std::nullopt;  // whoever makes the uplink says so
  auto head = check_head(*note, *keys, ring);
  if (!head || !head->contradicts) return std::nullopt;
  return std::move(head).value();
}

}  // namespace sealring
