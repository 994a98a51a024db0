#include "gateway/forwarder.h"

#include <algorithm>
#include <optional>
#include <random>

#include "crypto/sha256.h"
#include "drivers/diag.h"
#include "gateway/forwarder_answer.h"
#include "storage/skip_wire.h"

namespace sealring {

using namespace forwarder_answer;

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
  std::minstd_rand random(std::random_device{}());
  std::chrono::milliseconds backoff = retry_min_;
  while (!stopping_) {
    const Result<bool> did = step();
    if (did && !*did) {
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
}

// Between half and all of the backoff: gateways that lost their collector together do not come back together.
void Forwarder::back_off(std::chrono::milliseconds& backoff, std::minstd_rand& random) {
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

// --- what the collector has ---

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
    if (head->checkpoint.size < (role == "mirror" ? receipted : 0))
      diag(DiagLevel::warning, "alarm: the collector has size " + std::to_string(head->checkpoint.size) +
                                   " of this log, but has given a receipt for " + std::to_string(receipted) +
                                   ": its archive is an old copy, or another one");
  }
  if (config_.needs_skip) SEALRING_TRY(ask_for_skip());
  asked_ = true;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.asked = true;
  }
  if (events_.on_fits) events_.on_fits();
  return {};
}

// By an empty request, which one that has the endpoint cannot understand.
Status Forwarder::ask_for_skip() {
  HttpClient::Request call;
  call.target = config_.path + kSkipEndpoint;
  call.content_type = std::string(kSkipType);
  SEALRING_ASSIGN(const HttpResponse response, client_.call(call));
  const bool lacks = response.status == 404 || response.status == 405;
  if (!lacks && response.status != 400) return unexpected(kSkipEndpoint, response);
  if (lacks != lacks_skip_.exchange(lacks) && lacks)
    diag(DiagLevel::error,
         "alarm: when_full is drop-oldest, but the collector's mirror has no skip: nothing is dropped, and a full ring "
         "stops acknowledging");
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
  SEALRING_ASSIGN(const HttpResponse response, client_.call(call));
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
  std::lock_guard<std::mutex> lock(stats_mutex_);
  stats_.succession_waits = false;
}

// None: it has nothing of this log.
Result<std::optional<Head>> Forwarder::head_of(const std::string& role, std::uint64_t receipted) {
  HttpClient::Request call;
  call.method = "GET";
  call.target = config_.path + "/" + role + "/" + hex(view(sha256(config_.identity.front().key.name))) + "/checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, client_.call(call));
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
      SEALRING_ASSIGN(request.proof, proof(0, request.old_size, sent.size));
    }
    HttpClient::Request call;
    call.target = config_.path + endpoint;
    call.content_type = "text/plain; charset=utf-8";
    call.body = encode_add_checkpoint(request);
    SEALRING_ASSIGN(HttpResponse response, client_.call(call));
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
  if (response.status != 200) return unexpected(endpoint, response);
  witness_size_ = sent.size;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.witnessed_size = sent.size;
  }
  return understood(parse_signature_lines(response.body), endpoint);
}

}  // namespace sealring
