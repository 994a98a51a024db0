#include "collector/reading.h"

#include "drivers/gzip.h"

namespace sealring {

namespace {

constexpr char kTileType[] = "application/octet-stream";
constexpr char kForEver[] = "public, max-age=31536000, immutable";

HttpResponse not_kept(HttpResponse response) {
  response.cache_control = "no-store";  // a tile that is missing now may be there in a minute
  return response;
}

}  // namespace

// One of the few who work at the same time; the others wait here.
class Reading::Turn {
 public:
  explicit Turn(Reading& reading) : reading_(reading) {
    std::unique_lock<std::mutex> lock(reading_.mutex_);
    reading_.turn_over_.wait(lock, [&] { return reading_.readers_ < kReadersAtOnce; });
    ++reading_.readers_;
  }
  ~Turn() {
    std::lock_guard<std::mutex> lock(reading_.mutex_);
    --reading_.readers_;
    reading_.turn_over_.notify_one();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Reading& reading_;
};

struct Reading::Unsent {
  explicit Unsent(std::size_t most) : limit(most) {}
  const std::size_t limit;
  std::atomic<std::size_t> bytes{0};

  // nullptr: no room. Otherwise gives the room back when it goes.
  static std::shared_ptr<void> take(const std::shared_ptr<Unsent>& unsent, std::size_t size) {
    std::size_t before = unsent->bytes.load();
    do {
      if (size > unsent->limit - before) return nullptr;
    } while (!unsent->bytes.compare_exchange_weak(before, before + size));
    return {unsent.get(), [unsent, size](void*) { unsent->bytes -= size; }};
  }
};

Reading::Reading(std::size_t unsent_limit) : unsent_(std::make_shared<Unsent>(unsent_limit)) {}

HttpResponse Reading::answer(const OriginLog& log, Of role, std::string_view resource,
                             std::string_view accept_encoding) {
  if (resource == "checkpoint") {
    Bytes note = role == Of::witness ? log.witness_note() : log.mirror_note();
    if (note.empty()) return not_kept(sentence(404, "There is no checkpoint of this log yet."));
    HttpResponse response = note_answer(note);
    response.cache_control = "no-cache";
    return response;
  }
  if (resource == "successor") {
    const Bytes note = log.successor_note();
    if (note.empty()) return not_kept(sentence(404, "This log is not closed."));
    HttpResponse response = note_answer(note);
    response.cache_control = kForEver;
    return response;
  }
  std::optional<TilePath> path = parse_tile_path(resource);
  if (!path) return not_kept(sentence(404, "There is no such resource of a log."));
  return tile(log, *path, accept_encoding);
}

HttpResponse Reading::tile(const OriginLog& log, const TilePath& path, std::string_view accept_encoding) {
  Turn turn(*this);
  Result<Bytes> bytes = log.tiles().read(path);
  if (!bytes.ok()) return not_kept(failed(bytes.error()));
  HttpResponse response{200, kTileType, std::move(bytes).value()};
  response.cache_control = kForEver;
  if (path.level == TilePath::kEntries) {
    response.vary = "Accept-Encoding";
    Result<Bytes> packed = accepts_gzip(accept_encoding) ? gzip(response.body, GzipLevel::fast) : Bytes();
    if (packed.ok() && !packed->empty() && packed->size() < response.body.size()) {
      packed->shrink_to_fit();
      response.body = std::move(packed).value();
      response.content_encoding = "gzip";
    }
  }
  response.until_sent = Unsent::take(unsent_, response.body.size());
  if (response.until_sent != nullptr) return response;
  return not_kept(sentence(503, "Too much is on its way to readers already: try again in a moment."));
}

HttpResponse Reading::failed(const Error& error) {
  if (error.kind == ErrorKind::missing) return sentence(404, "This is not archived: " + error.message + ".");
  damage_.report(DiagLevel::error, "a tile cannot be served: " + error.message);
  if (error.kind == ErrorKind::retry) return sentence(503, "The archive cannot be read at the moment.");
  return sentence(500, "The archive is damaged here; the operator has been told.");
}

}  // namespace sealring
