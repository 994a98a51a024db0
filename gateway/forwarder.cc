#include "gateway/forwarder.h"

#include <algorithm>
#include <optional>
#include <random>

#include "drivers/diag.h"

namespace sealring {
namespace {

constexpr std::size_t kRequestBytes = 4u << 20;  // packages are added to a request until it has grown to this
constexpr int kMaxRounds = 3;                    // of "no, my size is N" in one attempt
constexpr std::size_t kMaxTold = 32;             // troubles of one outage; some words have the time of day in them
constexpr std::chrono::minutes kIdleWait{5};     // a safety net under wake()

bool is_type(const HttpResponse& response, std::string_view type) {
  return response.content_type.substr(0, type.size()) == type;
}

// An answer that is of the right kind, but not as it should be written: the words must name who wrote it.
template <typename T>
Result<T> understood(Result<T> decoded, const std::string& endpoint) {
  if (decoded) return decoded;
  return retry_error("collector's answer to " + endpoint + " cannot be understood: " + decoded.error().message);
}

Error unexpected(const std::string& endpoint, const HttpResponse& response) {
  std::string said = quoted(ByteView(response.body).substr(0, response.body.find('\n')), 200);
  return retry_error("collector answered " + std::to_string(response.status) + " to " + endpoint + ": " + said);
}

}  // namespace

Forwarder::Forwarder(Config config, const Ring& ring, HttpClient& client, RecordQueue& queue)
    : config_(std::move(config)),
      ring_(ring),
      client_(client),
      queue_(queue),
      retry_min_(config_.retry_min),
      retry_max_(config_.retry_max) {}

Forwarder::~Forwarder() { stop(); }

void Forwarder::start() {
  thread_ = std::thread([this] { loop(); });
}

void Forwarder::set_retry(std::chrono::milliseconds min, std::chrono::milliseconds max) {
  retry_min_ = min;
  retry_max_ = max;
}

void Forwarder::wake() { monitor_.wake(); }

void Forwarder::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  client_.stop();
  monitor_.wake();
  thread_.join();
}

Forwarder::Stats Forwarder::stats() const {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  return stats_;
}

// One line for each trouble of an outage, however often it comes back: a broken link changes its words at every try.
void Forwarder::report(const Status& outcome) {
  const std::string trouble = outcome.ok() ? "" : outcome.error().message;
  std::lock_guard<std::mutex> lock(stats_mutex_);
  const bool goes_on = outcome.ok() && !stats_.last_trouble.empty();
  stats_.reachable = outcome.ok();
  stats_.last_trouble = trouble;
  if (goes_on) diag(DiagLevel::notice, "forwarding goes on");
  if (outcome.ok()) told_.clear();
  if (outcome.ok() || stopping_ || told_.size() >= kMaxTold || !told_.insert(trouble).second) return;
  diag(DiagLevel::warning, "forwarding waits: " + trouble);
}

void Forwarder::loop() {
  std::minstd_rand random(std::random_device{}());
  std::chrono::milliseconds backoff = retry_min_;
  std::optional<std::uint64_t> handed_over;  // segment whose receipt the recorder has not recorded yet
  while (!stopping_) {
    const std::vector<Segment> segments = ring_.segments();
    const auto next = std::find_if(segments.begin(), segments.end(),
                                   [](const Segment& s) { return s.state == SegmentState::sealed; });
    if (next == segments.end() || next->note.empty() || next->number == handed_over) {
      monitor_.wait(kIdleWait, false);
      continue;
    }
    auto receipt = forward(*next);
    report(receipt ? Status() : Status(receipt.error()));
    if (receipt) {
      handed_over = next->number;
      backoff = retry_min_;
      {
        std::lock_guard<std::mutex> lock(stats_mutex_);
        ++stats_.segments;
        stats_.acknowledged_size = next->end;
      }
      queue_.put_receipt(std::move(receipt).value());
      continue;
    }
    // Between half and all of the backoff: gateways that lost their collector together do not come back together.
    backoff = std::min(backoff, retry_max_.load());  // it may have changed
    const auto half = backoff / 2;
    const auto wait = half + std::chrono::milliseconds(random() % static_cast<unsigned long>(half.count() + 1));
    const auto until = std::chrono::steady_clock::now() + wait;
    for (auto left = wait; left.count() > 0 && !stopping_;) {
      // A newly sealed segment is no reason to try earlier; a link that came up is.
      const auto event = monitor_.wait(left, true);
      if (event == LinkMonitor::Event::link) backoff = retry_min_;
      if (event != LinkMonitor::Event::woken) break;
      left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    }
    backoff = std::min(backoff * 2, retry_max_.load());
  }
}

Result<ReceivedReceipt> Forwarder::forward(const Segment& segment) {
  SEALRING_ASSIGN(const auto witnessed, witness(segment));
  SEALRING_TRY(register_at_mirror(segment));
  SEALRING_ASSIGN(const auto mirrored, upload(segment));
  SEALRING_ASSIGN(Note note, Note::parse(segment.note));
  // Lines of keys that the policy does not name prove nothing and could be any number.
  for (const auto* lines : {&witnessed, &mirrored})
    for (const NoteSignature& line : *lines)
      if (in_policy(line)) note.signatures.push_back(line);
  if (note.signatures.size() > kMaxNoteSignatures) return retry_error("collector's receipt has too many signatures");
  auto verdict = config_.policy.evaluate(note);
  if (!verdict) return retry_error("collector's receipt does not verify: " + verdict.error().message);
  if (verdict->cosigned_by.count(config_.mirror) == 0)
    return retry_error("collector's receipt has no cosignature of the mirror " + config_.mirror);
  if (!verdict->quorum_met) return retry_error("collector's receipt does not meet the policy's quorum");
  return ReceivedReceipt{segment.number, note.encode()};
}

bool Forwarder::in_policy(const NoteSignature& line) const {
  for (const Policy::Witness& witness : config_.policy.witnesses)
    if (witness.key.name == line.name && witness.key.id() == line.key_id) return true;
  return false;
}

Result<Proof> Forwarder::proof(std::uint64_t start, std::uint64_t end, std::uint64_t size) const {
  return subtree_proof(start, end, size, [this](int level, std::uint64_t at) { return ring_.node(level, at); });
}

// Until the other side's idea of its own size and ours agree: it says its size in a 409.
Result<HttpResponse> Forwarder::add_checkpoint(const std::string& endpoint, const Segment& segment,
                                               std::uint64_t& known_size) {
  for (int round = 0; round < kMaxRounds; ++round) {
    AddCheckpoint request;
    request.old_size = std::min(known_size, segment.end);
    request.checkpoint = segment.note;
    if (request.old_size > 0) {
      SEALRING_ASSIGN(request.proof, proof(0, request.old_size, segment.end));
    }
    HttpClient::Request call;
    call.target = config_.path + endpoint;
    call.content_type = "text/plain; charset=utf-8";
    call.body = encode_add_checkpoint(request);
    SEALRING_ASSIGN(HttpResponse response, client_.call(call));
    if (response.status != 409 || !is_type(response, kSizeType)) return response;
    SEALRING_ASSIGN(known_size, understood(decode_size(response.body), endpoint));
    if (known_size > segment.end) return response;
  }
  return retry_error("collector changes its size at " + endpoint + " while we ask");
}

Result<std::vector<NoteSignature>> Forwarder::witness(const Segment& segment) {
  const std::string endpoint = "/witness/add-checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, add_checkpoint(endpoint, segment, witness_size_));
  if (response.status == 409)
    return retry_error("collector's witness has seen size " + std::to_string(witness_size_) +
                       " of this log, beyond our segment's end " + std::to_string(segment.end) +
                       ": this store may be an old copy");
  if (response.status != 200) return unexpected(endpoint, response);
  witness_size_ = segment.end;
  return understood(parse_signature_lines(response.body), endpoint);
}

Status Forwarder::register_at_mirror(const Segment& segment) {
  const std::string endpoint = "/mirror/add-checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, add_checkpoint(endpoint, segment, mirror_size_));
  if (response.status == 409)
    return retry_error("collector's mirror has size " + std::to_string(mirror_size_) +
                       " of this log, beyond our segment's end " + std::to_string(segment.end) +
                       ": this store may be an old copy");
  if (response.status != 200) return unexpected(endpoint, response);
  mirror_size_ = segment.end;
  return {};
}

Result<Bytes> Forwarder::upload_body(const Segment& segment, std::uint64_t from, const Bytes& ticket,
                                     std::uint64_t& to) const {
  Bytes body = encode_add_entries({config_.origin, from, segment.end, ticket});
  const std::uint64_t count = package_count(from, segment.end);
  to = from;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kMaxPackagesPerRequest); ++i) {
    const PackageRange range = package_range(from, segment.end, i);
    SEALRING_ASSIGN(const Bytes entries, ring_.entries(range.start, static_cast<std::size_t>(range.end - range.start)));
    SEALRING_ASSIGN(const Proof hashes, proof(range.aligned, range.end, segment.end));
    append_package(body, entries, hashes);
    to = range.end;
    if (body.size() >= kRequestBytes) break;
  }
  return body;
}

Result<std::vector<NoteSignature>> Forwarder::upload(const Segment& segment) {
  const std::string endpoint = "/mirror/add-entries";
  std::uint64_t from = std::min(std::max(segment.start, mirror_next_), segment.end);
  for (int stale = 0; stale < kMaxRounds && !stopping_;) {
    std::uint64_t to = 0;
    HttpClient::Request call;
    call.target = config_.path + endpoint;
    call.content_type = std::string(kAddEntriesType);
    call.gzip = true;
    SEALRING_ASSIGN(call.body, upload_body(segment, from, ticket_, to));
    SEALRING_ASSIGN(const HttpResponse response, client_.call(call));
    if (response.status == 200) {
      mirror_next_ = segment.end;
      return understood(parse_signature_lines(response.body), endpoint);
    }
    if ((response.status != 202 && response.status != 409) || !is_type(response, kMirrorInfoType)) {
      mirror_next_ = 0;  // ask afresh
      return unexpected(endpoint, response);
    }
    SEALRING_ASSIGN(const MirrorInfo info, understood(decode_mirror_info(response.body), endpoint));
    if (info.next_entry > segment.end || info.next_entry < segment.start)
      return retry_error("collector's mirror wants to go on at entry " + std::to_string(info.next_entry) +
                         ", outside the segment " + std::to_string(segment.start) + " to " +
                         std::to_string(segment.end));
    if (response.status == 409 || info.next_entry <= from) ++stale;  // no progress
    from = mirror_next_ = info.next_entry;
    ticket_ = info.ticket;
  }
  return retry_error("collector's mirror takes no entries: it stays at " + std::to_string(from));
}

}  // namespace sealring
