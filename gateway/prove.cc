#include "gateway/prove.h"

#include "crypto/sha256.h"
#include "gateway/evidence.h"
#include "storage/entry.h"

namespace sealring {
namespace {

Result<Bytes> entry_at(const LogView& log, std::uint64_t index) {
  if (index >= log.size())
    return Error{ErrorKind::missing, "there is no entry " + std::to_string(index) + ": the log has " +
                                         std::to_string(log.size()) + " entries"};
  if (index < log.first_index())
    return Error{ErrorKind::missing, "entry " + std::to_string(index) + " was released: the oldest here is " +
                                         std::to_string(log.first_index()) +
                                         "; the archive has it, prove it from there with --from"};
  SEALRING_ASSIGN(const Bytes bytes, log.entries(index, 1));
  return bytes.substr(2);
}

// The first entry of the record that `index` belongs to. What cannot be decoded is a record of its own.
Result<std::uint64_t> first_of_record(const LogView& log, std::uint64_t index) {
  SEALRING_ASSIGN(const Bytes bytes, entry_at(log, index));
  const Result<Entry> entry = decode_entry(bytes);
  const auto* part = entry ? std::get_if<Part>(&entry->body) : nullptr;
  return part != nullptr && part->first < index ? part->first : index;
}

// The lowest one with receipts, else the lowest one that the identity has signed.
Result<Segment> covering(const LogView& log, std::uint64_t index) {
  std::optional<Segment> best;
  bool closed = false;
  for (Segment& segment : log.segments()) {
    if (segment.end <= index) continue;
    closed = closed || segment.state != SegmentState::open;
    if (segment.note.empty()) continue;
    const bool receipted = segment.state == SegmentState::acknowledged;
    if (!best || (receipted && best->state != SegmentState::acknowledged)) best = std::move(segment);
    if (best->state == SegmentState::acknowledged) break;
  }
  if (!best && closed)
    return retry_error("the segment of entry " + std::to_string(index) +
                       " is sealed, but the identity key has not signed it yet: if it is on a token, is that there? "
                       "(sealring status)");
  if (!best)
    return retry_error("entry " + std::to_string(index) +
                       " is not sealed yet: no signed checkpoint covers it. It will be when its segment is full or old "
                       "enough (segment_age)");
  return std::move(*best);
}

}  // namespace

Result<MadeProof> make_proof(const LogView& log, std::uint64_t asked) {
  MadeProof made;
  SEALRING_ASSIGN(made.index, first_of_record(log, asked));
  Evidence evidence;
  SEALRING_ASSIGN(evidence.entry, entry_at(log, made.index));
  if (const Result<Entry> entry = decode_entry(evidence.entry))
    if (const auto* message = std::get_if<Message>(&entry->body))
      if (message->parts) made.parts = message->parts->count;
  SEALRING_ASSIGN(const Segment segment, covering(log, made.index));
  made.size = segment.end;
  made.receipted = segment.state == SegmentState::acknowledged;
  const NodeSource nodes = [&log](int level, std::uint64_t start) { return log.node(level, start); };
  made.proof.index = made.index;
  SEALRING_ASSIGN(made.proof.inclusion, subtree_proof(made.index, made.index + 1, made.size, nodes));
  made.proof.checkpoint = segment.note;
  // Where it is not here any more, or goes in this very moment, the record is proven without it.
  Result<Bytes> genesis = entry_at(log, 0);
  Result<Proof> first = genesis ? subtree_proof(0, 1, made.size, nodes) : Result<Proof>(genesis.error());
  if (first) {
    evidence.genesis = std::move(genesis).value();
    evidence.genesis_path = std::move(first).value();
    made.genesis = true;
  } else if (first.error().kind != ErrorKind::missing) {
    return std::move(first).error();
  }
  SEALRING_ASSIGN(evidence.rotations, log.rotations(made.size));
  if (evidence.rotations.size() > kMaxProofRotations)
    return reject_error("the log has more rotations than a proof can hold, " + std::to_string(kMaxProofRotations));
  made.proof.extra = evidence.encode();
  return made;
}

Result<Bytes> record_payload(const LogView& log, std::uint64_t asked) {
  SEALRING_ASSIGN(const std::uint64_t index, first_of_record(log, asked));
  SEALRING_ASSIGN(const Bytes bytes, entry_at(log, index));
  SEALRING_ASSIGN(const Entry entry, decode_entry(bytes));
  const auto* message = std::get_if<Message>(&entry.body);
  if (message == nullptr) return reject_error("entry " + std::to_string(index) + " is no message and has no payload");
  Bytes payload(message->payload);
  if (!message->parts) return payload;
  for (std::uint64_t number = 1; number < message->parts->count; ++number) {
    SEALRING_ASSIGN(const Bytes part_bytes, entry_at(log, index + number));
    SEALRING_ASSIGN(const Entry part_entry, decode_entry(part_bytes));
    const auto* part = std::get_if<Part>(&part_entry.body);
    if (part == nullptr || part->first != index || part->number != number)
      return fatal_error("entry " + std::to_string(index + number) + " is not part " + std::to_string(number) +
                         " of message " + std::to_string(index));
    payload += part->payload;
  }
  if (payload.size() != message->parts->total_bytes || sha256(payload) != message->parts->payload_sha256)
    return fatal_error("the parts of message " + std::to_string(index) + " do not make the payload that it names");
  return payload;
}

}  // namespace sealring
