#include "gateway/forwarder.h"

#include <pthread.h>

#include <algorithm>
#include <optional>
#include <random>

#include "crypto/ed25519.h"
#include "drivers/diag.h"
#include "gateway/collector_answer.h"

namespace sealring {
namespace {

constexpr std::size_t kRequestBytes = 4u << 20;  // packages are added to a request until it has grown to this
constexpr int kMaxRounds = 3;                    // of "no, my size is N" in one attempt
constexpr std::size_t kMaxTold = 32;             // troubles of one outage; some words have the time of day in them
constexpr int kCosignedInARow = 32;              // checkpoints, before the entries of a segment go up
constexpr std::chrono::minutes kIdleWait{5};     // a safety net under wake()

bool is_type(const HttpResponse& response, std::string_view type) {
  return response.content_type.substr(0, type.size()) == type;
}

}  // namespace

Forwarder::Forwarder(Config config, const Ring& ring, HttpClient& client, RecordQueue& queue)
    : config_(std::move(config)),
      ring_(ring),
      client_(client),
      queue_(queue),
      retry_min_(config_.retry_min),
      retry_max_(config_.retry_max),
      offers_succession_(config_.succession && !config_.succession_taken) {}

Forwarder::~Forwarder() { stop(); }

void Forwarder::contradict() { stats_.contradicted = true; }

void Forwarder::start() {
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.succession_waits = offers_succession_;
  }
  if (offers_succession_ && events_.alarms != nullptr)
    events_.alarms->raise(kAlarmSuccession, "",
                          "this log follows one whose store was an old copy; the collector has not taken that yet");
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

bool Forwarder::wants_early() const {
  const Stats now = stats();
  return now.asked && now.last_trouble.empty();
}

void Forwarder::early(std::uint64_t size, Bytes note) {
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    early_ = Sent{size, std::move(note)};
  }
  monitor_.wake();
}

void Forwarder::loop() {
  ::pthread_setname_np(::pthread_self(), "forwarder");
  std::minstd_rand random(get_u32(random_bytes(4).data()));
  std::chrono::milliseconds backoff = retry_min_;
  while (!stopping_) {
    pulse_.within(std::chrono::milliseconds(0));
    const Result<bool> did = step();
    if (did && !*did) {
      pulse_.within(kIdleWait);
      monitor_.wait(kIdleWait, false);
      continue;
    }
    report(did ? Status() : Status(did.error()));
    if (did) {
      backoff = retry_min_;
    } else {
      asked_ = false;  // who answers next may be another one, or have changed
      back_off(backoff, random);
    }
  }
  pulse_.ended();
}

// Between half and all of the backoff: gateways that lost their collector together do not come back together.
void Forwarder::back_off(std::chrono::milliseconds& backoff, std::minstd_rand& random) {
  backoff = std::min(backoff, retry_max_.load());  // it may have changed
  const auto half = backoff / 2;
  const auto wait = half + std::chrono::milliseconds(random() % static_cast<unsigned long>(half.count() + 1));
  const auto until = std::chrono::steady_clock::now() + wait;
  pulse_.within(wait);
  for (auto left = wait; left.count() > 0 && !stopping_;) {
    // A newly sealed segment is no reason to try earlier; a link that came up is.
    const auto event = monitor_.wait(left, true);
    if (event == LinkMonitor::Event::link) backoff = retry_min_;
    if (event != LinkMonitor::Event::woken) break;
    left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  }
  backoff = std::min(backoff * 2, retry_max_.load());
}

// The next thing to do, once. False: there is none before something new comes.
Result<bool> Forwarder::step() {
  if (stats().contradicted) return false;
  const bool asks = !asked_;
  if (asks) SEALRING_TRY(ask());
  // Before the segments: what is sealed below an early checkpoint is among them then, and is witnessed first.
  std::optional<Sent> early = take_early();
  const std::vector<Segment> segments = ring_.segments();
  const auto first =
      std::find_if(segments.begin(), segments.end(), [](const Segment& s) { return s.state == SegmentState::sealed; });
  lines_.erase(lines_.begin(), lines_.lower_bound(first == segments.end() ? segments.back().number : first->number));
  const auto lowest = std::find_if(first, segments.end(), [this](const Segment& s) {
    return s.state == SegmentState::sealed && !lines_of(s).mirror;
  });
  const bool uploadable =
      lowest != segments.end() && !lowest->note.empty() && is_witnessed(*lowest) && lowest->number != handed_over_;
  // Where segments are sealed as fast as they can be witnessed, or the witness refuses, entries must go up all the
  // same.
  if (!uploadable || cosigned_in_a_row_ < kCosignedInARow) {
    const Result<bool> did = step_witness(first, segments.end(), early);
    put_back(std::move(early));
    cosigned_in_a_row_ = did ? cosigned_in_a_row_ + *did : kCosignedInARow;
    if (!did || *did) return did;
  } else {
    put_back(std::move(early));
  }
  if (!uploadable) return asks;
  cosigned_in_a_row_ = 0;
  SEALRING_TRY(send_entries(*lowest, {first, lowest}));
  return true;
}

// `early` is taken when it was sent.
Result<bool> Forwarder::step_witness(SegmentIterator sealed, SegmentIterator end, std::optional<Sent>& early) {
  for (; sealed != end && sealed->state == SegmentState::sealed; ++sealed) {
    if (sealed->note.empty()) break;
    if (is_witnessed(*sealed)) continue;
    if (sealed->number == witnessed_) return false;  // its line is not durable yet
    SEALRING_TRY(witness_sealed(*sealed));
    return true;
  }
  if (early && early->size <= witness_size_) early.reset();
  if (!early) return false;
  const auto lines = witness(*early);  // kept by the witness; nothing here waits for it
  if (!lines) return lines.error();
  early.reset();
  return true;
}

std::optional<Forwarder::Sent> Forwarder::take_early() {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  return std::exchange(early_, std::nullopt);
}

void Forwarder::put_back(std::optional<Sent> early) {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  if (early && !early_) early_ = std::move(early);
}

// --- witness ---

// Whose valid lines the note of a segment has. Its own memory, since signatures are slow to check.
Forwarder::Lines Forwarder::lines_of(const Segment& segment) {
  Lines& known = lines_[segment.number];
  if (known.bytes == segment.note.size()) return known;
  const auto note = Note::parse(segment.note);
  known = note ? lines_in(*note) : Lines();
  known.bytes = segment.note.size();
  return known;
}

Forwarder::Lines Forwarder::lines_in(const Note& note) const {
  Lines out;
  for (const Policy::Witness& witness : config_.policy.witnesses)
    if (check_cosignature(note, witness.key).state == SignatureState::valid)
      (witness.name == config_.mirror ? out.mirror : out.witness) = true;
  return out;
}

// Or it cannot be: a witness does not cosign below what it has cosigned, and one that the policy does not name gives no
// line that counts.
bool Forwarder::is_witnessed(const Segment& segment) {
  return lines_of(segment).witness || segment.end < witness_size_ || segment.end <= lineless_end_;
}

// `note` and what `lines` has of cosigners that the policy names, one each. What else there was proves nothing, and
// could be any number. retry: a line of such a cosigner does not hold.
Result<Note> Forwarder::with_lines(const Segment& segment, const std::vector<NoteSignature>& lines) const {
  SEALRING_ASSIGN(Note note, Note::parse(segment.note));
  if (lines.size() > kMaxNoteSignatures) return retry_error("collector's receipt has too many signatures");
  for (const NoteSignature& line : lines) {
    const auto is_its = [&line](const Policy::Witness& w) {
      return w.key.name == line.name && w.key.id() == line.key_id;
    };
    const auto& cosigners = config_.policy.witnesses;
    const auto by = std::find_if(cosigners.begin(), cosigners.end(), is_its);
    if (by == cosigners.end()) continue;
    if (check_cosignature({note.text, {line}}, by->key).state != SignatureState::valid)
      return retry_error("collector's receipt does not verify: the cosignature of " + by->name + " does not hold");
    const auto same = [&line](const NoteSignature& other) {
      return other.name == line.name && other.key_id == line.key_id;
    };
    note.signatures.erase(std::remove_if(note.signatures.begin(), note.signatures.end(), same), note.signatures.end());
    note.signatures.push_back(line);
  }
  return note;
}

Status Forwarder::witness_sealed(const Segment& segment) {
  SEALRING_ASSIGN(const auto lines, witness({segment.end, segment.note}));
  SEALRING_ASSIGN(const Note note, with_lines(segment, lines));
  if (!lines_in(note).witness) {
    lineless_end_ = segment.end;
    return {};
  }
  witnessed_ = segment.number;
  queue_.put_receipt({segment.number, note.encode(), false});
  return {};
}

// --- mirror ---

// `below`: segments whose entries are up already and whose receipt waits for one that meets the quorum.
Status Forwarder::send_entries(const Segment& segment, std::pair<SegmentIterator, SegmentIterator> below) {
  SEALRING_ASSIGN(ReceivedReceipt receipt, forward(segment));
  handed_over_ = segment.number;
  if (receipt.complete) {
    for (auto covered = below.first; covered != below.second; ++covered)
      queue_.put_receipt({covered->number, covered->note});
    {
      std::lock_guard<std::mutex> lock(stats_mutex_);
      ++stats_.segments;
      stats_.acknowledged_size = segment.end;
      stats_.closed_by.clear();
    }
    if (events_.alarms != nullptr)
      for (const char* kind : {kAlarmFork, kAlarmClosed}) events_.alarms->clear(kind, "");
  } else if (below.first == below.second) {
    diag(DiagLevel::notice, "segment " + std::to_string(segment.number) +
                                " is at the mirror; the witness is beyond it, so the next receipt stands for it, too");
  }
  queue_.put_receipt(std::move(receipt));
  return {};
}

Result<ReceivedReceipt> Forwarder::forward(const Segment& segment) {
  SEALRING_TRY(register_at_mirror(segment));
  SEALRING_ASSIGN(const auto mirrored, upload(segment));
  SEALRING_ASSIGN(const Note note, with_lines(segment, mirrored));
  auto verdict = config_.policy.evaluate(note);
  if (!verdict) return retry_error("collector's receipt does not verify: " + verdict.error().message);
  if (verdict->cosigned_by.count(config_.mirror) == 0)
    return retry_error("collector's receipt has no cosignature of the mirror " + config_.mirror);
  // A witness that is further ahead cosigns this size no more: what it cosigns later covers it, too.
  const bool may_wait = !lines_of(segment).witness;
  if (!verdict->quorum_met && !may_wait) return retry_error("collector's receipt does not meet the policy's quorum");
  return ReceivedReceipt{segment.number, note.encode(), verdict->quorum_met};
}

Result<Proof> Forwarder::proof(std::uint64_t start, std::uint64_t end, std::uint64_t size) const {
  return subtree_proof(start, end, size, [this](int level, std::uint64_t at) { return ring_.node(level, at); });
}

// Until the other side's idea of its own size and ours agree: it says its size in a 409.
Result<HttpResponse> Forwarder::add_checkpoint(const std::string& endpoint, const Sent& sent,
                                               std::uint64_t& known_size) {
  for (int round = 0; round < kMaxRounds; ++round) {
    AddCheckpoint request;
    request.old_size = std::min(known_size, sent.size);
    request.checkpoint = sent.note;
    if (request.old_size > 0) {
      SEALRING_ASSIGN(request.proof, proof(0, request.old_size, sent.size));
    }
    HttpClient::Request call;
    call.target = config_.path + endpoint;
    call.content_type = "text/plain; charset=utf-8";
    call.body = encode_add_checkpoint(request);
    SEALRING_ASSIGN(HttpResponse response, send(call));
    if (response.status != 409 || !is_type(response, kSizeType)) return response;
    SEALRING_ASSIGN(known_size, understood(decode_size(response.body), endpoint));
    if (known_size > sent.size) return response;
  }
  return retry_error("collector changes its size at " + endpoint + " while we ask");
}

// No lines: the witness is beyond that size already, on this very history.
Result<std::vector<NoteSignature>> Forwarder::witness(const Sent& sent) {
  const std::string endpoint = "/witness/add-checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, add_checkpoint(endpoint, sent, witness_size_));
  if (response.status == 409) {
    const std::uint64_t said = witness_size_;
    SEALRING_TRY(ask());
    if (witness_size_ > sent.size) return std::vector<NoteSignature>();
    return retry_error("collector's witness says that it has size " + std::to_string(said) +
                       " of this log, beyond our segment's end " + std::to_string(sent.size) +
                       ", and shows no checkpoint of that");
  }
  if (response.status != 200) return refused(endpoint, response);
  witness_size_ = sent.size;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.witnessed_size = sent.size;
  }
  return understood(parse_signature_lines(response.body), endpoint);
}

Status Forwarder::register_at_mirror(const Segment& segment) {
  const std::string endpoint = "/mirror/add-checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, add_checkpoint(endpoint, {segment.end, segment.note}, mirror_size_));
  if (response.status == 409)
    return retry_error("collector's mirror has size " + std::to_string(mirror_size_) +
                       " of this log, beyond our segment's end " + std::to_string(segment.end));
  if (response.status != 200) return refused(endpoint, response);
  mirror_size_ = segment.end;
  return {};
}

// What bits have flipped in is not sent as if it were what was signed; the collector would not take it either.
Status Forwarder::check_intact(std::uint64_t bundle) const {
  const auto checked = ring_.check_bundle(bundle);
  if (checked || checked.error().kind == ErrorKind::missing) return {};  // in the journal, say: that has checksums
  return retry_error("what is stored here is damaged, and cannot be forwarded: " + checked.error().message);
}

Result<Bytes> Forwarder::upload_body(const Segment& segment, std::uint64_t from, const Bytes& ticket,
                                     std::uint64_t& to) const {
  Bytes body = encode_add_entries({config_.identity.front().key.name, from, segment.end, ticket});
  const std::uint64_t count = package_count(from, segment.end);
  to = from;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kMaxPackagesPerRequest); ++i) {
    const PackageRange range = package_range(from, segment.end, i);
    SEALRING_TRY(check_intact(range.aligned / kBundleEntries));
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
    SEALRING_ASSIGN(const HttpResponse response, send(call));
    if (response.status == 200) {
      mirror_next_ = segment.end;
      return understood(parse_signature_lines(response.body), endpoint);
    }
    if ((response.status != 202 && response.status != 409) || !is_type(response, kMirrorInfoType)) {
      mirror_next_ = 0;  // ask afresh
      return refused(endpoint, response);
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
