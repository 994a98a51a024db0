// What others read of a log under either monitoring prefix: the checkpoint, and tlog-tiles of what is archived.
//
//     checkpoint                           text/plain, Cache-Control: no-cache
//     successor                            text/plain: the countersigned succession of a log that is closed
//     tile/<L>/<N>[.p/<W>]                 application/octet-stream, immutable
//     tile/entries/<N>[.p/<W>]             the same; gzip where the request allows it, so Vary: Accept-Encoding
//
// 404, not to be cached: another name, or not archived (yet). 500: the archive is damaged there; all else goes on. 503:
// it cannot be read at the moment, or so much is under way to readers that more would need too much memory.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "collector/origin_log.h"

namespace sealring {

// Any thread.
class Reading {
 public:
  enum class Of { witness, mirror };
  // `unsent_limit`: bytes of answers that may be on their way at the same time.
  explicit Reading(std::size_t unsent_limit = kMaxUnsentBytes);
  // `resource`: what stands behind the log's prefix, without a slash in front.
  HttpResponse answer(const OriginLog& log, Of role, std::string_view resource, std::string_view accept_encoding);

 private:
  static constexpr std::size_t kMaxUnsentBytes = 64u << 20;  // a bundle may have 16 MiB
  static constexpr unsigned kReadersAtOnce = 2;              // who hash and pack: uploads want processors, too

  class Turn;
  struct Unsent;
  HttpResponse tile(const OriginLog& log, const TilePath& path, std::string_view accept_encoding);
  HttpResponse failed(const Error& error);

  std::mutex mutex_;
  std::condition_variable turn_over_;
  unsigned readers_ = 0;
  std::shared_ptr<Unsent> unsent_;
  LimitedDiag damage_;
};

}  // namespace sealring
