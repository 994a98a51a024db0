// The endpoints of the collector: from an HTTP request to an answer, without a socket.
//
//     POST /witness/add-checkpoint         200 cosignature | 400 403 404 409 422
//     POST /mirror/add-checkpoint          200 empty       | 400 403 404 409 422
//     POST /mirror/add-entries             200 cosignature, 202 go on | 400 403 404 409 422
//     GET  /witness/<hex sha256(origin)>/...           checkpoint and tiles, see reading.h; HEAD as well
//     GET  /mirror/<hex sha256(origin)>/...
//
// 500: the archive is damaged or its state is unknown; 503: it cannot be written now, the same request may succeed
// later. Error bodies are sentences.
//
// Who may send: whoever has a certificate of our CA may read. A log with a tls_uri takes requests only from a
// certificate with that URI, so that no gateway can speak for another one. The log's signature is checked besides.
#pragma once

#include <functional>
#include <map>

#include "collector/reading.h"

namespace sealring {

class CollectorService {
 public:
  struct Keys {
    NamedKey witness, mirror;  // two keys with two names
  };
  static Status check_keys(const Keys& keys);  // that they are; otherwise reject
  // Opens all logs; `clock` must outlive the service. fatal: an archive is damaged. The caller holds the ArchiveLock.
  static Result<std::unique_ptr<CollectorService>> open(const std::string& archive, std::vector<LogIdentity> logs,
                                                        Keys keys, const Clock& clock);
  // Called once with the first fatal error, on the thread that met it, after which every request is answered by 500.
  void on_fatal(std::function<void(const Error&)> callback) { on_fatal_ = std::move(callback); }

  HttpResponse handle(const HttpRequest& request);  // any thread
  std::size_t log_count() const { return logs_.size(); }

 private:
  CollectorService(Keys keys, const Clock& clock);
  enum class Role { witness, mirror };
  HttpResponse add_checkpoint(const HttpRequest& request, Role role);
  HttpResponse add_entries(const HttpRequest& request);
  HttpResponse read(const HttpRequest& request);
  std::optional<HttpResponse> refuse_peer(const HttpRequest& request, const LogIdentity& log);
  HttpResponse answer(Result<HttpResponse> result);
  OriginLog* find(const std::string& origin);

  Cosigner witness_, mirror_;
  std::map<std::string, std::unique_ptr<OriginLog>> logs_;  // by origin
  std::map<std::string, OriginLog*> by_hash_;               // by hex sha256(origin)
  Reading reading_;
  LimitedDiag refusals_;
  std::function<void(const Error&)> on_fatal_;
  std::atomic<bool> failed_{false};
};

}  // namespace sealring
