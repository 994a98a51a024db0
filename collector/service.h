// The endpoints of the collector: from an HTTP request to an answer, without a socket.
//
//     POST /witness/add-checkpoint         200 cosignature | 400 403 404 409 422
//     POST /mirror/add-checkpoint          200 empty       | 400 403 404 409 422
//     POST /mirror/add-entries             200 cosignature, 202 go on | 400 403 404 409 422
//     POST /succession                     200 countersigned note | 400 403 404 503
//     GET  /witness/<hex sha256(origin)>/...           checkpoint and tiles, see reading.h; HEAD as well
//     GET  /mirror/<hex sha256(origin)>/...
//
// 500: the archive is damaged or its state is unknown; 503: it cannot be written now, the same request may succeed
// later. Error bodies are sentences.
//
// Who may send: whoever has a certificate of our CA may read. A log with a tls_uri takes requests only from a
// certificate with that URI, so that no gateway can speak for another one. The log's signature is checked besides.
//
// Succession (docs/log.md §7): the closed log's `successor` is the commit point. What follows from it, that the log
// takes nothing more and that its follower is one of our logs, is said by that file alone, and so after any kill by the
// next start: each log that is open has its followers beside it, whether the policy names them or not.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <shared_mutex>

#include "collector/reading.h"

namespace sealring {

class CollectorService {
 public:
  struct Keys {
    NamedKey witness, mirror;                           // two keys with two names
    std::optional<NamedKey> succession = std::nullopt;  // a third one with a third; none: no succession is taken
  };
  static Status check_keys(const Keys& keys);  // that they are; otherwise reject
  // Opens all logs; `clock` must outlive the service. fatal: an archive is damaged. The caller holds the ArchiveLock.
  // `quiet`: a log is closed when the witness has cosigned nothing of it for so long.
  // `alarms`: who is told of what needs a person; it must outlive the service; null: nobody.
  static Result<std::unique_ptr<CollectorService>> open(const std::string& archive, std::vector<LogIdentity> logs,
                                                        Keys keys, const Clock& clock, std::chrono::milliseconds quiet,
                                                        Alarms* alarms = nullptr);
  // Called once with the first error that is fatal or unknown, on the thread that met it, after which every request is
  // answered by 500.
  void on_fatal(std::function<void(const Error&)> callback) { on_fatal_ = std::move(callback); }

  HttpResponse handle(const HttpRequest& request);  // any thread
  std::size_t log_count() const;                    // with those that follow others

  // For operators; any thread.
  struct Counts {
    std::map<std::string, std::uint64_t> requests;  // by endpoint; what is none of ours is "other"
    std::map<std::string, std::uint64_t> refusals;  // by HttpResponse::refusal
    std::uint64_t failures = 0;                     // answered by 500 or 503 for a fault of this side
    std::uint64_t in_flight = 0;
  };
  Counts counts() const;
  std::vector<std::pair<std::string, OriginLog::Summary>> summaries() const;  // by origin
  std::string trouble() const;  // why nothing can be archived now; empty: the last write went well, or none failed

 private:
  CollectorService(std::string archive, Keys keys, const Clock& clock, std::chrono::seconds quiet, Alarms* alarms);
  HttpResponse dispatch(const HttpRequest& request);
  enum class Role { witness, mirror };
  HttpResponse add_checkpoint(const HttpRequest& request, Role role);
  HttpResponse add_entries(const HttpRequest& request);
  HttpResponse skip(const HttpRequest& request);
  HttpResponse succession(const HttpRequest& request);
  Result<HttpResponse> take_succession(const HttpRequest& request);
  Result<std::optional<HttpResponse>> refuse_follower(const Succession& statement);
  Result<std::optional<HttpResponse>> refuse_young(const std::string& origin);
  Result<std::optional<LogIdentity>> follower_of(OriginLog& log, std::vector<LogIdentity>& configured);
  HttpResponse read(const HttpRequest& request);
  std::optional<HttpResponse> refuse_peer(const HttpRequest& request, const LogIdentity& log);
  HttpResponse answer(Result<HttpResponse> result);
  OriginLog* find(const std::string& origin);
  const OriginLog* find_hash(const std::string& hash) const;
  Status add(LogIdentity identity, std::vector<LogIdentity>& configured);

  const std::string archive_;
  const Clock& clock_;
  const std::chrono::seconds quiet_;
  Cosigner witness_, mirror_;
  std::optional<SuccessionKey> succession_key_;
  std::mutex succession_mutex_;  // one succession at a time; taken before any other of ours

  mutable std::shared_mutex logs_mutex_;                    // of the maps; a log that is in them stays
  std::map<std::string, std::unique_ptr<OriginLog>> logs_;  // by origin
  std::map<std::string, OriginLog*> by_hash_;               // by hex sha256(origin)
  std::map<std::string, OriginLog*> closed_;                // by the origin that follows it
  Reading reading_;
  LimitedDiag refusals_, successions_;
  Alarms* const alarms_;
  mutable std::mutex counts_mutex_;
  Counts counts_;
  std::string trouble_;
  std::function<void(const Error&)> on_fatal_;
  std::atomic<bool> failed_{false};
};

}  // namespace sealring
