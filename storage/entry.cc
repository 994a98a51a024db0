#include "storage/entry.h"

#include <algorithm>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "storage/cbor.h"
#include "storage/entry_rules.h"

namespace sealring {
namespace entry_rules {
namespace {

using Type = PropertyType;

// MQTT 5.0 §2.2.2.2, by identifier and wire type. All of them, not only those that a PUBLISH may have: what a faulty
// broker sends is to be recorded, not to be argued with.
struct PropertyRow {
  std::uint8_t id;
  PropertyType type;
};
constexpr PropertyRow kPropertyRows[] = {
    {1, Type::byte},       {23, Type::byte},       {25, Type::byte},       {36, Type::byte},
    {37, Type::byte},      {40, Type::byte},       {41, Type::byte},       {42, Type::byte},
    {19, Type::two_bytes}, {33, Type::two_bytes},  {34, Type::two_bytes},  {35, Type::two_bytes},
    {2, Type::four_bytes}, {17, Type::four_bytes}, {24, Type::four_bytes}, {39, Type::four_bytes},
    {11, Type::variable},  {3, Type::bytes},       {8, Type::bytes},       {9, Type::bytes},
    {18, Type::bytes},     {21, Type::bytes},      {22, Type::bytes},      {26, Type::bytes},
    {28, Type::bytes},     {31, Type::bytes},      {38, Type::pair},
};

constexpr std::array<PropertyType, 43> make_property_types() {
  std::array<PropertyType, 43> types{};
  for (const PropertyRow& row : kPropertyRows) types[row.id] = row.type;
  return types;
}
constexpr auto kPropertyTypes = make_property_types();

Fault check_property(const Property& p) {
  const PropertyType type = property_type(p.id);
  if (type == Type::unknown) return {kProperties, "not an MQTT 5 property"};
  const bool text = type == Type::bytes || type == Type::pair;
  if (p.number > property_max(type))
    return {kProperties, text ? "a number in a property that is none" : "number too large for its property"};
  if (!text && !p.a.empty()) return {kProperties, "bytes in a property that is a number"};
  if (type != Type::pair && !p.b.empty()) return {kProperties, "a second value in a property that has one"};
  return {};
}

// Every part has at least one byte, and at most what an entry can hold.
Fault check_parts(const PartsInfo& parts, std::size_t first_bytes) {
  if (parts.count < 2) return {kParts, "a message in parts has at least two"};
  if (first_bytes == 0) return {kParts, "the first part is empty"};
  if (parts.total_bytes <= first_bytes) return {kParts, "total not above the first part"};
  const std::uint64_t rest = parts.total_bytes - first_bytes, later = parts.count - 1;
  if (later > rest) return {kParts, "more parts than bytes"};
  if (rest / kMaxEntryBytes > later) return {kParts, "more bytes than the parts can hold"};
  return {};
}

std::vector<const Detail*> in_canonical_order(const std::vector<Detail>& details) {
  std::vector<const Detail*> sorted;
  sorted.reserve(details.size());
  for (const Detail& d : details) sorted.push_back(&d);
  std::sort(sorted.begin(), sorted.end(),
            [](const Detail* a, const Detail* b) { return canonical_less(a->name, b->name); });
  return sorted;
}

}  // namespace

PropertyType property_type(std::uint64_t id) { return id < kPropertyTypes.size() ? kPropertyTypes[id] : Type::unknown; }

std::uint64_t property_max(PropertyType type) {
  switch (type) {
    case Type::byte:
      return 0xff;
    case Type::two_bytes:
      return 0xffff;
    case Type::four_bytes:
      return 0xffffffff;
    case Type::variable:
      return 268435455;
    default:
      return 0;
  }
}

Fault check_common(const EntryCommon& common) {
  if (common.clock != ClockState::unsynchronised && common.clock != ClockState::synchronised)
    return {kClock, "neither 0 nor 1"};
  if (common.received != 0 && common.connection == 0) return {kReceived, "a count without its connection"};
  return {};
}

Fault check(const EntryCommon& common, const Genesis& g) {
  if (common.boot != 0) return {kBoot, "not 0 in the genesis"};
  if (common.connection != 0) return {kConnection, "a connection before the genesis"};
  if (!check_origin(g.origin).ok()) return {kOrigin, "not a valid origin"};
  if (!valid_utf8(g.software)) return {kSoftware, "not UTF-8"};
  return {};
}

Fault check(const EntryCommon&, const Message& m) {
  if (m.qos > 2) return {kFlags, "QoS 3"};
  if (m.qos == 0 && m.packet_id != 0) return {kPacketId, "a packet id at QoS 0"};
  if (m.qos != 0 && m.packet_id == 0) return {kFlags, "QoS 1 or 2 without a packet id"};
  for (const Property& p : m.properties) {
    if (Fault fault = check_property(p)) return fault;
  }
  if (m.assurance > Assurance::device_signed) return {kAssurance, "above 3"};
  if (m.assurance != Assurance::none && m.source.empty()) return {kAssurance, "assurance of no source"};
  if (m.parts) {
    if (Fault fault = check_parts(*m.parts, m.payload.size())) return fault;
  }
  if (m.possible_duplicate_of == 0u) return {kDuplicate, "entry 0 is the genesis"};
  return {};
}

Fault check(const EntryCommon&, const Part& p) {
  if (p.first == 0) return {kFirst, "entry 0 is the genesis"};
  if (p.number == 0) return {kNumber, "part 0 is the message's first entry"};
  if (p.payload.empty()) return {kPayload, "an empty part"};
  return {};
}

Fault check(const EntryCommon&, const Event& e) {
  const auto sorted = in_canonical_order(e.details);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i]->name.empty()) return {kDetails, "a detail without a name"};
    if (!valid_utf8(sorted[i]->name)) return {kDetails, "a name that is not UTF-8"};
    if (i > 0 && sorted[i]->name == sorted[i - 1]->name) return {kDetails, "two details of one name"};
    const ByteView* text = std::get_if<ByteView>(&sorted[i]->value);
    if (text && !valid_utf8(*text)) return {kDetails, "text that is not UTF-8"};
  }
  return {};
}

Fault check(const EntryCommon&, const Handover& h) {
  if (h.size == 0) return {kSize, "a handover before the genesis"};
  return {};
}

Fault check(const EntryCommon&, const KeyBreak& b) {
  if (b.size == 0) return {kSize, "a break before the genesis"};
  if (b.receipted > b.size) return {kReceipted, "more than there is"};
  return {};
}

Fault check(const EntryCommon&, const Rotation& r) {
  if (r.old_key == r.new_key) return {kNewKey, "the old key"};
  return {};
}

Fault check(const EntryCommon&, const Receipt& r) {
  if (r.note.empty()) return {kNote, "empty"};
  return {};
}

Fault check(const EntryCommon&, const SuccessionEntry& s) {
  if (!check_origin(s.origin).ok()) return {kClosedOrigin, "not a valid origin"};
  if (s.size == 0) return {kClosedSize, "a log without entries is not followed by another"};
  return {};
}

Fault check(const EntryCommon&, const Carried& c) {
  if (c.length > kMaxEntryBytes) return {kCarriedLength, "longer than an entry may be"};
  if (c.offset > c.length) return {kCarriedOffset, "behind the end of the entry"};
  if (c.bytes.empty()) return {kCarriedBytes, "empty"};
  if (c.bytes.size() > c.length - c.offset) return {kCarriedBytes, "more than the entry has"};
  return {};
}

Fault check(const EntryCommon&, const Loss& l) {
  if (l.start % kBundleEntries != 0) return {kLossStart, "not a multiple of 256"};
  if (l.end % kBundleEntries != 0 || l.end <= l.start) return {kLossEnd, "not a multiple of 256 above the start"};
  if (l.hashes.size() != complete_subtrees(l.start, l.end).size())
    return {kLossHashes, "not as many as there are complete subtrees in the range"};
  return {};
}

Fault check(const EntryCommon&, const Opaque&) {
  return {kKind, "an opaque entry cannot be written: its body is gone"};
}

namespace {

void put_uint(CborWriter& w, const Key& key, std::uint64_t v) { w.uint(key.number), w.uint(v); }
void put_bytes(CborWriter& w, const Key& key, ByteView v) { w.uint(key.number), w.bytes(v); }
void put_text(CborWriter& w, const Key& key, ByteView v) { w.uint(key.number), w.text(v); }

std::size_t pairs(const Genesis&) { return 4; }
std::size_t pairs(const Message& m) {
  return 4 + (m.qos != 0) + !m.properties.empty() + !m.source.empty() + (m.assurance != Assurance::none) +
         m.parts.has_value() + m.possible_duplicate_of.has_value();
}
std::size_t pairs(const Part&) { return 4; }
std::size_t pairs(const Event& e) { return 1 + !e.details.empty(); }
std::size_t pairs(const Handover&) { return 6; }
std::size_t pairs(const KeyBreak&) { return 6; }
std::size_t pairs(const Rotation&) { return 4; }
std::size_t pairs(const Receipt&) { return 1; }
std::size_t pairs(const SuccessionEntry&) { return 5; }
std::size_t pairs(const Carried& c) { return 3 + (c.offset != 0); }
std::size_t pairs(const Loss& l) { return 6 + l.damaged; }
std::size_t pairs(const Opaque&) { return 0; }

void put(CborWriter& w, const Genesis& g) {
  put_text(w, kOrigin, g.origin);
  put_bytes(w, kIdentity, view(g.identity));
  put_bytes(w, kEpochKey, view(g.epoch_key));
  put_text(w, kSoftware, g.software);
}

void put_property(CborWriter& w, const Property& p) {
  const PropertyType type = property_type(p.id);
  w.array(type == PropertyType::pair ? 3 : 2);
  w.uint(p.id);
  if (property_max(type) != 0) return w.uint(p.number);
  w.bytes(p.a);
  if (type == PropertyType::pair) w.bytes(p.b);
}

void put(CborWriter& w, const Message& m) {
  put_bytes(w, kSalt, view(m.salt));
  put_bytes(w, kTopic, m.topic);
  put_uint(w, kFlags, (m.dup ? kDupBit : 0) | unsigned{m.qos} << kQosShift | (m.retain ? kRetainBit : 0));
  put_bytes(w, kPayload, m.payload);
  if (m.qos != 0) put_uint(w, kPacketId, m.packet_id);
  if (!m.properties.empty()) {
    w.uint(kProperties.number);
    w.array(m.properties.size());
    for (const Property& p : m.properties) put_property(w, p);
  }
  if (!m.source.empty()) put_bytes(w, kSource, m.source);
  if (m.assurance != Assurance::none) put_uint(w, kAssurance, static_cast<std::uint64_t>(m.assurance));
  if (m.parts) {
    w.uint(kParts.number);
    w.array(3);
    w.uint(m.parts->total_bytes);
    w.uint(m.parts->count);
    w.bytes(view(m.parts->payload_sha256));
  }
  if (m.possible_duplicate_of) put_uint(w, kDuplicate, *m.possible_duplicate_of);
}

void put(CborWriter& w, const Part& p) {
  put_bytes(w, kSalt, view(p.salt));
  put_uint(w, kFirst, p.first);
  put_uint(w, kNumber, p.number);
  put_bytes(w, kPayload, p.payload);
}

struct PutDetail {
  CborWriter& w;
  void operator()(std::uint64_t v) const { w.uint(v); }
  void operator()(ByteView v) const { w.text(v); }
  void operator()(const Hash& v) const { w.bytes(view(v)); }
};

void put(CborWriter& w, const Event& e) {
  put_uint(w, kCode, static_cast<std::uint64_t>(e.code));
  if (e.details.empty()) return;
  w.uint(kDetails.number);
  w.map(e.details.size());
  for (const Detail* d : in_canonical_order(e.details)) {
    w.text(d->name);
    std::visit(PutDetail{w}, d->value);
  }
}

void put(CborWriter& w, const Handover& h) {
  put_uint(w, kEpoch, h.epoch);
  put_uint(w, kSize, h.size);
  put_bytes(w, kRoot, view(h.root));
  put_bytes(w, kNextKey, view(h.next_key));
  put_bytes(w, kByOld, view(h.by_old));
  put_bytes(w, kByNext, view(h.by_next));
}

void put(CborWriter& w, const KeyBreak& b) {
  put_uint(w, kEpoch, b.epoch);
  put_uint(w, kSize, b.size);
  put_bytes(w, kRoot, view(b.root));
  put_bytes(w, kNextKey, view(b.next_key));
  put_bytes(w, kByNext, view(b.by_next));
  put_uint(w, kReceipted, b.receipted);
}

void put(CborWriter& w, const Rotation& r) {
  put_bytes(w, kOldKey, view(r.old_key));
  put_bytes(w, kNewKey, view(r.new_key));
  put_bytes(w, kRotatedByOld, view(r.by_old));
  put_bytes(w, kRotatedByNew, view(r.by_new));
}

void put(CborWriter& w, const Receipt& r) { put_bytes(w, kNote, r.note); }

void put(CborWriter& w, const SuccessionEntry& s) {
  put_text(w, kClosedOrigin, s.origin);
  put_uint(w, kClosedSize, s.size);
  put_bytes(w, kClosedRoot, view(s.root));
  put_bytes(w, kClosedKey, view(s.old_key));
  put_bytes(w, kClosedByOld, view(s.by_old));
}

void put(CborWriter& w, const Carried& c) {
  put_uint(w, kCarriedIndex, c.index);
  put_uint(w, kCarriedLength, c.length);
  if (c.offset != 0) put_uint(w, kCarriedOffset, c.offset);
  put_bytes(w, kCarriedBytes, c.bytes);
}

void put(CborWriter& w, const Loss& l) {
  put_uint(w, kLossStart, l.start);
  put_uint(w, kLossEnd, l.end);
  w.uint(kLossHashes.number);
  w.array(l.hashes.size());
  for (const Hash& hash : l.hashes) w.bytes(view(hash));
  put_uint(w, kLossMessages, l.messages);
  w.uint(kLossFirst.number);
  w.integer(l.first_wall_ns);
  w.uint(kLossLast.number);
  w.integer(l.last_wall_ns);
  if (l.damaged) put_uint(w, kLossReason, kReasonDamaged);
}

void put(CborWriter&, const Opaque&) {}

void put_common(CborWriter& w, const EntryCommon& common, EntryKind kind) {
  put_uint(w, kVersion, kEntryVersion);
  put_uint(w, kKind, static_cast<std::uint64_t>(kind));
  w.uint(kWall.number);
  w.integer(common.wall_ns);
  put_uint(w, kClock, static_cast<std::uint64_t>(common.clock));
  put_uint(w, kBoot, common.boot);
  put_uint(w, kBoottime, common.boottime_ns);
  if (common.connection != 0) put_uint(w, kConnection, common.connection);
  if (common.received != 0) put_uint(w, kReceived, common.received);
}

template <class Body>
Status encode(const EntryCommon& common, const Body& body, Bytes& out) {
  Fault fault = check_common(common);
  if (!fault) fault = check(common, body);
  if (fault) return reject_error("entry: " + described(fault.key) + ": " + fault.what);
  CborWriter w(out, kMaxEntryBytes);
  w.map(6 + (common.connection != 0) + (common.received != 0) + pairs(body));
  put_common(w, common, kind_of(body));
  put(w, body);
  if (!w.finish()) return reject_error("entry: longer than " + std::to_string(kMaxEntryBytes) + " bytes");
  return {};
}

}  // namespace
}  // namespace entry_rules

const char* event_name(EventCode code) {
  switch (code) {
    case EventCode::start:
      return "start";
    case EventCode::stop:
      return "stop";
    case EventCode::broker_connected:
      return "broker-connected";
    case EventCode::broker_disconnected:
      return "broker-disconnected";
    case EventCode::rejected:
      return "rejected";
    case EventCode::clock:
      return "clock";
    case EventCode::config_changed:
      return "config-changed";
    case EventCode::heartbeat:
      return "heartbeat";
    case EventCode::alarm:
      return "alarm";
    case EventCode::gap:
      return "gap";
  }
  return "";
}

const Detail* find_detail(const Event& event, ByteView name) {
  for (const Detail& detail : event.details)
    if (detail.name == name) return &detail;
  return nullptr;
}

std::uint64_t number_of(const Event& event, ByteView name) {
  const Detail* detail = find_detail(event, name);
  const auto* number = detail ? std::get_if<std::uint64_t>(&detail->value) : nullptr;
  return number ? *number : 0;
}

Bytes handover_message(std::string_view origin, std::uint64_t epoch, std::uint64_t size, const Hash& root,
                       const PublicKey& next_key) {
  Bytes text = "sealring/handover/v1\n";
  text.append(origin).append("\n");
  text.append(std::to_string(epoch)).append("\n");
  text.append(std::to_string(size)).append("\n");
  text.append(base64(view(root))).append("\n");
  return text.append(base64(view(next_key))).append("\n");
}

Bytes break_message(std::string_view origin, const KeyBreak& b) {
  Bytes text = "sealring/break/v1\n";
  text.append(origin).append("\n");
  text.append(std::to_string(b.epoch)).append("\n");
  text.append(std::to_string(b.size)).append("\n");
  text.append(base64(view(b.root))).append("\n");
  text.append(base64(view(b.next_key))).append("\n");
  return text.append(std::to_string(b.receipted)).append("\n");
}

Bytes rotation_message(std::string_view origin, const PublicKey& old_key, const PublicKey& new_key) {
  Bytes text = "sealring/rotation/v1\n";
  text.append(origin).append("\n");
  text.append(base64(view(old_key))).append("\n");
  return text.append(base64(view(new_key))).append("\n");
}

Status encode_entry(const Entry& entry, Bytes& out) {
  return std::visit([&](const auto& body) { return entry_rules::encode(entry.common, body, out); }, entry.body);
}

Status encode_message(const EntryCommon& common, const Message& message, Bytes& out) {
  return entry_rules::encode(common, message, out);
}

}  // namespace sealring
