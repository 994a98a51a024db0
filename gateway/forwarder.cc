#include "gateway/forwarder.h"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <optional>
#include <random>

#include "crypto/ed25519.h"
#include "drivers/diag.h"
#include "gateway/collector_answer.h"

namespace sealring {

namespace {

constexpr std::size_t kMaxTold = 32;          // troubles of one outage; some words have the time of day in them
constexpr int kCosignedInARow = 32;           // checkpoints, before the entries of a segment go up
constexpr std::chrono::minutes kIdleWait{5};  // a safety net under wake()

}  // namespace

Forwarder::Forwarder(Config config, const Ring& ring, HttpClient& client, RecordQueue& queue)
    : config_(std::move(config)),
      ring_(ring),
      client_(client),
      queue_(queue),
      needs_skip_(config_.needs_skip),
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
    const Result<bool> did = step_or_no_memory();
    if (did && !*did) {
      pulse_.within(kIdleWait);
      monitor_.wait(kIdleWait, false);
      continue;
    }
    report_or_no_memory(did ? Status() : Status(did.error()));
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

Result<bool> Forwarder::step_or_no_memory() {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return retry_error("no memory");
  }
}

// What it cannot say it does not say; it goes on.
void Forwarder::report_or_no_memory(const Status& outcome) {
  try {
    report(outcome);
  } catch (const std::bad_alloc&) {
    diag(DiagLevel::warning, "forwarding waits: there is no memory to say why");
  }
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
  const Turn turn{first, lowest, ahead_of(lowest, segments.end())};
  const bool uploadable =
      lowest != segments.end() && is_ready(*lowest) && lowest->number != handed_over_ && turn.ahead != lowest;
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
  SEALRING_TRY(send_entries(turn));
  return true;
}

bool Forwarder::is_ready(const Segment& segment) {
  return segment.state == SegmentState::sealed && !segment.note.empty() && is_witnessed(segment);
}

// `lowest`: that one, or another below the last loss entry it needs, is not to be registered yet.
Forwarder::SegmentIterator Forwarder::ahead_of(SegmentIterator lowest, SegmentIterator end) {
  if (lowest == end) return lowest;
  std::uint64_t needed = lowest->end;
  for (const LossRecord& loss : ring_.losses())
    if (lowest->start <= loss.start && loss.start < lowest->end) needed = std::max(needed, loss.index + 1);
  auto ahead = lowest;
  for (; ahead != end && ahead->start < needed; ++ahead)
    if (!is_ready(*ahead)) return lowest;
  return ahead;
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
  if (early && (early->size <= witness_size_ || !claim_early(early->size))) early.reset();
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

// Between this and give_up() one comes first: what a witness has cosigned within a range is not dropped, and of what is
// dropped no witness cosigns a size within.
bool Forwarder::claim_early(std::uint64_t size) {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  if (given_up_.first < size && size < given_up_.second) return false;
  const std::vector<LossRecord> losses = ring_.losses();
  if (find_loss(losses, size) != nullptr) return false;
  early_sent_ = size;
  return true;
}

bool Forwarder::give_up(std::uint64_t start, std::uint64_t end) {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  if (start < early_sent_ && early_sent_ < end) return false;
  given_up_ = {start, end};
  return true;
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
      Result<Proof> made = proof(0, request.old_size, sent.size);
      const std::uint64_t last = (sent.size - 1) / kBundleEntries;
      if (!made && made.error().kind == ErrorKind::fatal && !check_intact(last).ok() && events_.on_damaged)
        events_.on_damaged(last);
      if (!made) return std::move(made).error();
      request.proof = std::move(made).value();
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

}  // namespace sealring
