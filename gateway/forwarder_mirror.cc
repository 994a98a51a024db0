// The forwarder's half that brings segments to the mirror.
#include <algorithm>

#include "crypto/note.h"
#include "drivers/diag.h"
#include "gateway/collector_answer.h"
#include "gateway/forwarder.h"
#include "storage/skip_wire.h"

namespace sealring {

namespace {

constexpr std::size_t kRequestBytes = 4u << 20;  // packages are added to a request until it has grown to this

}  // namespace

Status Forwarder::send_entries(const Turn& turn) {
  const Segment& segment = *turn.lowest;
  Result<ReceivedReceipt> got = forward(turn);
  if (!got) {
    registered_ = 0;  // it may have forgotten
    return std::move(got).error();
  }
  ReceivedReceipt receipt = std::move(got).value();
  handed_over_ = segment.number;
  if (receipt.complete) {
    for (auto covered = turn.first; covered != turn.lowest; ++covered)
      queue_.put_receipt({covered->number, covered->note});
    {
      std::lock_guard<std::mutex> lock(stats_mutex_);
      ++stats_.segments;
      stats_.acknowledged_size = segment.end;
      stats_.closed_by.clear();
    }
    if (events_.alarms != nullptr)
      for (const char* kind : {kAlarmFork, kAlarmClosed}) events_.alarms->clear(kind, "");
  } else if (turn.first == turn.lowest) {
    diag(DiagLevel::notice, "segment " + std::to_string(segment.number) +
                                " is at the mirror; the witness is beyond it, so the next receipt stands for it, too");
  }
  queue_.put_receipt(std::move(receipt));
  return {};
}

Result<ReceivedReceipt> Forwarder::forward(const Turn& turn) {
  const Segment& segment = *turn.lowest;
  // A loss entry stands at the end of what was a full ring: all of it is registered once, not for each segment again.
  for (auto one = turn.lowest; one != turn.ahead; ++one) {
    if (one->end <= registered_) continue;
    SEALRING_TRY(register_at_mirror(*one));
    registered_ = one->end;
  }
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

Status Forwarder::register_at_mirror(const Segment& segment) {
  const std::string endpoint = "/mirror/add-checkpoint";
  SEALRING_ASSIGN(const HttpResponse response, add_checkpoint(endpoint, {segment.end, segment.note}, mirror_size_));
  if (response.status == 409) {
    // One that we have registered, for the sake of a loss entry: then this one was before it.
    const std::vector<Segment> segments = ring_.segments();
    const auto is_it = [this](const Segment& s) { return s.end == mirror_size_ && s.state == SegmentState::sealed; };
    if (std::any_of(segments.begin(), segments.end(), is_it)) return {};
    return retry_error("collector's mirror has size " + std::to_string(mirror_size_) +
                       " of this log, beyond our segment's end " + std::to_string(segment.end));
  }
  if (response.status != 200) return refused(endpoint, response);
  mirror_size_ = segment.end;
  return {};
}

// What bits have flipped in is not sent as if it were what was signed; the collector would not take it either. fatal:
// it is damaged.
Status Forwarder::check_intact(std::uint64_t bundle) const {
  const auto checked = ring_.check_bundle(bundle);
  if (checked || checked.error().kind == ErrorKind::missing) return {};  // in the journal, say: that has checksums
  return checked.error();
}

// It is the recorder that can record its loss; until then this waits.
Error Forwarder::tell_damaged(std::uint64_t bundle, const Error& found) {
  needs_skip_ = true;
  if (const Status asked = ask_for_skip(); !asked.ok()) return asked.error();
  if (events_.on_damaged) events_.on_damaged(bundle);
  return retry_error("what is stored here is damaged, and cannot be forwarded: " + found.message);
}

Result<Bytes> Forwarder::upload_body(const Segment& segment, std::uint64_t from, const Bytes& ticket) {
  Bytes body = encode_add_entries({config_.identity.front().key.name, from, segment.end, ticket});
  const std::vector<LossRecord> losses = ring_.losses();
  const std::uint64_t count = package_count(from, segment.end);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kMaxPackagesPerRequest); ++i) {
    const PackageRange range = package_range(from, segment.end, i);
    if (find_loss(losses, range.start) != nullptr) break;  // up to there
    if (const Status intact = check_intact(range.aligned / kBundleEntries); !intact.ok()) {
      if (i > 0) break;  // what is before it goes up
      return tell_damaged(range.aligned / kBundleEntries, intact.error());
    }
    SEALRING_ASSIGN(const Bytes entries, ring_.entries(range.start, static_cast<std::size_t>(range.end - range.start)));
    SEALRING_ASSIGN(const Proof hashes, proof(range.aligned, range.end, segment.end));
    append_package(body, entries, hashes);
    if (body.size() >= kRequestBytes) break;
  }
  return body;
}

Result<Bytes> Forwarder::skip_body(const Segment& segment, const LossRecord& loss) const {
  SkipRequest request;
  request.origin = config_.identity.front().key.name;
  request.upload_end = segment.end;
  request.start = loss.start;
  request.end = loss.end;
  SEALRING_ASSIGN(const Bytes entry, ring_.entries(loss.index, 1));
  request.loss_entry = entry.substr(2);
  request.loss_index = loss.index;
  for (const Segment& later : ring_.segments())
    if (later.start <= loss.index && loss.index < later.end) request.loss_size = later.end;
  SEALRING_ASSIGN(request.inclusion, proof(loss.index, loss.index + 1, request.loss_size));
  for (std::uint64_t at = loss.start; at < loss.end; at += kBundleEntries) {
    SEALRING_ASSIGN(const Hash hash, ring_.node(kStoredNodeLevel, at));
    request.bundles.push_back(hash);
  }
  for (const Subtree& subtree : complete_subtrees(loss.start, loss.end)) {
    SEALRING_ASSIGN(Proof hashes, proof(subtree.start, subtree.start + (1ull << subtree.level), segment.end));
    request.proofs.push_back(std::move(hashes));
  }
  return encode_skip(request);
}

// The entries from `from` on, as many as go into one request; or, where they were dropped, that they do not come.
Result<HttpResponse> Forwarder::send_part(const Segment& segment, std::uint64_t from) {
  const std::vector<LossRecord> losses = ring_.losses();
  const LossRecord* loss = find_loss(losses, from);
  // The checkpoint that has the loss entry is registered by the next try.
  if (loss != nullptr && loss->index >= registered_)
    return retry_error("a part of the segment was dropped while it went up: " + loss_words(*loss));
  HttpClient::Request call;
  call.target = config_.path + (loss != nullptr ? kSkipEndpoint : kEntriesEndpoint);
  call.content_type = std::string(loss != nullptr ? kSkipType : kAddEntriesType);
  call.gzip = true;
  Result<Bytes> body = loss != nullptr ? skip_body(segment, *loss) : upload_body(segment, from, ticket_);
  if (!body && body.error().kind == ErrorKind::missing)
    return retry_error("a part of the segment was dropped while it went up: " + body.error().message);
  if (!body) return std::move(body).error();
  call.body = std::move(body).value();
  return send(call);
}

Result<std::vector<NoteSignature>> Forwarder::upload(const Segment& segment) {
  std::uint64_t from = std::min(std::max(segment.start, mirror_next_), segment.end);
  for (int stale = 0; stale < kMaxRounds && !stopping_;) {
    SEALRING_ASSIGN(const HttpResponse response, send_part(segment, from));
    if (response.status == 200) {
      mirror_next_ = segment.end;
      return understood(parse_signature_lines(response.body), kEntriesEndpoint);
    }
    if ((response.status != 202 && response.status != 409) || !is_type(response, kMirrorInfoType)) {
      mirror_next_ = 0;  // ask afresh
      const std::vector<LossRecord> losses = ring_.losses();
      return refused(find_loss(losses, from) != nullptr ? kSkipEndpoint : kEntriesEndpoint, response);
    }
    SEALRING_ASSIGN(const MirrorInfo info, understood(decode_mirror_info(response.body), kEntriesEndpoint));
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
