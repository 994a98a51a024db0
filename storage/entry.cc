#include "storage/entry.h"

#include <algorithm>

#include "crypto/checkpoint.h"
#include "storage/cbor.h"

namespace sealring {
namespace {

// --- keys: FORMAT.md has the same table ---

struct Key {
  std::uint64_t number;
  const char* name;
};
constexpr Key kVersion{0, "version"}, kKind{1, "kind"}, kWall{2, "wall clock"}, kClock{3, "clock state"},
    kBoot{4, "boot"}, kBoottime{5, "boottime"}, kConnection{6, "connection"}, kReceived{7, "received"};
// genesis
constexpr Key kOrigin{16, "origin"}, kIdentity{17, "identity"}, kEpochKey{18, "epoch key"}, kSoftware{19, "software"};
// message; part has salt and payload at the same numbers
constexpr Key kSalt{16, "salt"}, kTopic{17, "topic"}, kFlags{18, "flags"}, kPayload{19, "payload"},
    kPacketId{20, "packet id"}, kProperties{21, "properties"}, kSource{22, "source"}, kAssurance{23, "assurance"},
    kParts{24, "parts"}, kDuplicate{25, "possible duplicate of"};
constexpr std::uint64_t kReservedEnc = 26, kReservedDigest = 27;
constexpr Key kFirst{17, "first"}, kNumber{18, "number"};
// event
constexpr Key kCode{16, "code"}, kDetails{17, "details"};
// handover
constexpr Key kEpoch{16, "epoch"}, kSize{17, "size"}, kRoot{18, "root"}, kNextKey{19, "next key"},
    kByOld{20, "signature by old"}, kByNext{21, "signature by next"};
// receipt
constexpr Key kNote{16, "note"};

constexpr std::uint64_t kFirstBodyKey = 8;  // 8 to 15 are kept for later common facts

// The low four bits of a PUBLISH packet's first byte.
constexpr unsigned kRetainBit = 1, kQosShift = 1, kDupBit = 8;

// --- rules that encoder and decoder share ---

struct Fault {
  Key key{};
  const char* what = nullptr;  // nullptr: none
  explicit operator bool() const { return what != nullptr; }
};

enum class PropertyType { unknown, number, bytes, pair };
struct PropertyRule {
  PropertyType type = PropertyType::unknown;
  std::uint64_t max = 0;
};
// MQTT 5.0 §2.2.2.2, by wire type alone. All identifiers, not only those that a PUBLISH may have: what a faulty broker
// sends is to be recorded, not to be argued with.
PropertyRule property_rule(std::uint8_t id) {
  switch (id) {
    case 1:
    case 23:
    case 25:
    case 36:
    case 37:
    case 40:
    case 41:
    case 42:
      return {PropertyType::number, 0xff};
    case 19:
    case 33:
    case 34:
    case 35:
      return {PropertyType::number, 0xffff};
    case 2:
    case 17:
    case 24:
    case 39:
      return {PropertyType::number, 0xffffffff};
    case 11:
      return {PropertyType::number, 268435455};
    case 3:
    case 8:
    case 9:
    case 18:
    case 21:
    case 22:
    case 26:
    case 28:
    case 31:
      return {PropertyType::bytes, 0};
    case 38:
      return {PropertyType::pair, 0};
    default:
      return {};
  }
}

Fault check_property(const Property& p) {
  const PropertyRule rule = property_rule(p.id);
  switch (rule.type) {
    case PropertyType::unknown:
      return {kProperties, "not an MQTT 5 property"};
    case PropertyType::number:
      if (p.number > rule.max) return {kProperties, "number too large for its property"};
      if (!p.a.empty() || !p.b.empty()) return {kProperties, "bytes in a property that is a number"};
      return {};
    case PropertyType::bytes:
      if (p.number != 0 || !p.b.empty()) return {kProperties, "more than one value in a property"};
      return {};
    case PropertyType::pair:
      if (p.number != 0) return {kProperties, "a number in a user property"};
      return {};
  }
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
  if (m.qos != 0 && m.packet_id == 0) return {kPacketId, "no packet id at QoS 1 or 2"};
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

// RFC 8949 orders keys by their encoded bytes; of text strings that is: shorter ones first.
bool canonical_less(ByteView a, ByteView b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

std::vector<const Detail*> in_canonical_order(const std::vector<Detail>& details) {
  std::vector<const Detail*> sorted;
  sorted.reserve(details.size());
  for (const Detail& d : details) sorted.push_back(&d);
  std::sort(sorted.begin(), sorted.end(),
            [](const Detail* a, const Detail* b) { return canonical_less(a->name, b->name); });
  return sorted;
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

Fault check(const EntryCommon&, const Receipt& r) {
  if (r.note.empty()) return {kNote, "empty"};
  return {};
}

Fault check(const EntryCommon&, const Opaque&) {
  return {kKind, "an opaque entry cannot be written: its body is gone"};
}

std::string described(const Key& key) { return "key " + std::to_string(key.number) + " (" + key.name + ")"; }

// --- encoding ---

EntryKind kind_of(const Genesis&) { return EntryKind::genesis; }
EntryKind kind_of(const Message&) { return EntryKind::message; }
EntryKind kind_of(const Part&) { return EntryKind::part; }
EntryKind kind_of(const Event&) { return EntryKind::event; }
EntryKind kind_of(const Handover&) { return EntryKind::handover; }
EntryKind kind_of(const Receipt&) { return EntryKind::receipt; }
EntryKind kind_of(const Opaque& o) { return static_cast<EntryKind>(o.kind); }

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
std::size_t pairs(const Receipt&) { return 1; }
std::size_t pairs(const Opaque&) { return 0; }

void put(CborWriter& w, const Genesis& g) {
  put_text(w, kOrigin, g.origin);
  put_bytes(w, kIdentity, view(g.identity));
  put_bytes(w, kEpochKey, view(g.epoch_key));
  put_text(w, kSoftware, g.software);
}

void put_property(CborWriter& w, const Property& p) {
  const PropertyType type = property_rule(p.id).type;
  w.array(type == PropertyType::pair ? 3 : 2);
  w.uint(p.id);
  if (type == PropertyType::number) return w.uint(p.number);
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

void put(CborWriter& w, const Receipt& r) { put_bytes(w, kNote, r.note); }
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

// --- decoding ---

// Walks the map of an entry. Keys come in one order only, so a body is read as a straight line of need_* (missing is
// an error) and opt_* (missing is the empty value, and an empty value that is there is an error).
class EntryReader {
 public:
  explicit EntryReader(ByteView bytes) : in_(bytes) {
    CborItem map;
    if (!in_.next(map)) return;
    if (map.type != CborItem::Type::map) in_.fail(0, "an entry is a map, this is " + name(map));
    pairs_left_ = map.number;
    load_key();
  }

  bool ok() const { return in_.ok(); }
  Error error() const { return reject_error("entry: " + in_.error()); }
  // A rule of `key` is broken, which has been read.
  void fault(const Fault& fault) { fail(fault.key, fault.what); }

  bool has(const Key& key) const { return ok() && has_key_ && key_ == key.number; }
  bool has_body_key() const { return ok() && has_key_; }
  std::uint64_t key() const { return key_; }
  std::size_t key_offset() const { return key_offset_; }
  void fail_at(std::size_t offset, const std::string& what) { in_.fail(offset, what); }

  std::uint64_t need_uint(const Key& key, std::uint64_t max = UINT64_MAX) {
    const CborItem item = need(key, CborItem::Type::uint);
    if (item.number > max) fail(key, "above " + std::to_string(max));
    return item.number;
  }
  std::uint64_t opt_uint(const Key& key, std::uint64_t max = UINT64_MAX) {
    if (!has(key)) return 0;
    const std::uint64_t v = need_uint(key, max);
    if (v == 0) fail(key, "0 is written by leaving the key out");
    return v;
  }
  std::int64_t need_integer(const Key& key) {
    const CborItem item = need_item(key);
    const bool negative = item.type == CborItem::Type::negative;
    if (ok() && !negative && item.type != CborItem::Type::uint) fail(key, "must be an integer, is " + name(item));
    if (item.number > INT64_MAX) fail(key, "beyond 64 bits");
    if (!ok()) return 0;
    const auto v = static_cast<std::int64_t>(item.number);
    return negative ? -1 - v : v;
  }
  ByteView need_bytes(const Key& key) { return need(key, CborItem::Type::bytes).content; }
  ByteView need_text(const Key& key) { return need(key, CborItem::Type::text).content; }
  ByteView opt_bytes(const Key& key) {
    if (!has(key)) return {};
    const ByteView v = need_bytes(key);
    if (v.empty()) fail(key, "empty is written by leaving the key out");
    return v;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> need_array(const Key& key) {
    return fixed<N>(key, need(key, CborItem::Type::bytes));
  }
  // The head of a container; its items follow by item() and at last end().
  std::uint64_t open(const Key& key, CborItem::Type type) {
    if (!take(key)) return 0;
    const std::uint64_t items = item(key, type).number;
    if (items == 0) fail(key, "empty is written by leaving the key out");
    return items;
  }
  CborItem item() {
    CborItem item;
    return in_.next(item) ? item : CborItem{};
  }
  CborItem item(const Key& key, CborItem::Type type) {
    CborItem item = this->item();
    if (ok() && item.type != type) fail_item(key, item, std::string("must be ") + cbor_type_name(type));
    return ok() ? item : CborItem{};
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> fixed(const Key& key, const CborItem& item) {
    if (!ok()) return {};
    if (item.content.size() == N) return to_array<N>(item.content);
    fail_item(key, item, "must be " + std::to_string(N) + " bytes long");
    return {};
  }
  void fail_item(const Key& key, const CborItem& item, const std::string& what) {
    in_.fail(item.offset, described(key) + ": " + what + ", is " + name(item));
  }
  void end() { load_key(); }
  void skip_value() {
    CborItem first;
    if (in_.skip(first)) load_key();
  }

 private:
  static std::string name(const CborItem& item) {
    const bool string = item.type == CborItem::Type::bytes || item.type == CborItem::Type::text;
    return cbor_type_name(item.type) + (string ? " of " + std::to_string(item.content.size()) : std::string());
  }
  void fail(const Key& key, const std::string& what) {
    const std::size_t offset = key.number < offsets_.size() ? offsets_[key.number] : 0;
    in_.fail(offset, described(key) + ": " + what);
  }
  // Reads the next key, or finds the end of the map and of the input.
  void load_key() {
    const bool first = !has_key_;
    has_key_ = false;
    if (!ok()) return;
    if (pairs_left_ == 0) {
      if (!in_.at_end()) in_.fail(in_.offset(), "bytes after the end of the map");
      return;
    }
    --pairs_left_;
    CborItem item;
    if (!in_.next(item)) return;
    if (item.type != CborItem::Type::uint) return in_.fail(item.offset, "a key that is " + name(item));
    if (!first && item.number <= key_)
      return in_.fail(item.offset, "key " + std::to_string(item.number) + " repeated or out of order");
    has_key_ = true;
    key_ = item.number;
    key_offset_ = item.offset;
    if (key_ < offsets_.size()) offsets_[key_] = item.offset;
  }
  bool take(const Key& key) {
    if (!ok()) return false;
    if (has(key)) return true;
    in_.fail(has_key_ ? key_offset_ : in_.offset(),
             described(key) + " is missing" + (has_key_ ? ", key " + std::to_string(key_) + " is there" : ""));
    return false;
  }
  CborItem need_item(const Key& key) {
    if (!take(key)) return {};
    const CborItem item = this->item();
    load_key();
    return item;
  }
  CborItem need(const Key& key, CborItem::Type type) {
    if (!take(key)) return {};
    const CborItem item = this->item(key, type);
    load_key();
    return ok() ? item : CborItem{};
  }

  CborReader in_;
  std::uint64_t pairs_left_ = 0;
  bool has_key_ = false;
  std::uint64_t key_ = 0;
  std::size_t key_offset_ = 0;
  std::array<std::size_t, 32> offsets_{};  // of the keys seen, for messages
};

void get(EntryReader& r, Genesis& g) {
  g.origin = r.need_text(kOrigin);
  g.identity = r.need_array<32>(kIdentity);
  g.epoch_key = r.need_array<32>(kEpochKey);
  g.software = r.need_text(kSoftware);
}

Property get_property(EntryReader& r) {
  const CborItem list = r.item(kProperties, CborItem::Type::array);
  const CborItem id = r.item(kProperties, CborItem::Type::uint);
  if (!r.ok()) return {};
  const PropertyRule rule = id.number <= 0xff ? property_rule(static_cast<std::uint8_t>(id.number)) : PropertyRule{};
  const std::uint64_t items = rule.type == PropertyType::pair ? 3 : 2;
  if (rule.type == PropertyType::unknown) return r.fail_item(kProperties, id, "not an MQTT 5 property"), Property{};
  if (list.number != items) return r.fail_item(kProperties, list, "wrong number of items"), Property{};
  Property p;
  p.id = static_cast<std::uint8_t>(id.number);
  if (rule.type == PropertyType::number) {
    const CborItem number = r.item(kProperties, CborItem::Type::uint);
    if (number.number > rule.max) r.fail_item(kProperties, number, "above " + std::to_string(rule.max));
    p.number = number.number;
    return p;
  }
  p.a = r.item(kProperties, CborItem::Type::bytes).content;
  if (rule.type == PropertyType::pair) p.b = r.item(kProperties, CborItem::Type::bytes).content;
  return p;
}

PartsInfo get_parts(EntryReader& r) {
  PartsInfo parts;
  if (r.open(kParts, CborItem::Type::array) != 3) r.fault({kParts, "must have three items"});
  parts.total_bytes = r.item(kParts, CborItem::Type::uint).number;
  parts.count = r.item(kParts, CborItem::Type::uint).number;
  parts.payload_sha256 = r.fixed<32>(kParts, r.item(kParts, CborItem::Type::bytes));
  r.end();
  return parts;
}

void get(EntryReader& r, Message& m) {
  m.salt = r.need_array<16>(kSalt);
  m.topic = r.need_bytes(kTopic);
  const auto flags = static_cast<unsigned>(r.need_uint(kFlags, 15));
  m.qos = static_cast<std::uint8_t>(flags >> kQosShift & 3);
  m.retain = (flags & kRetainBit) != 0;
  m.dup = (flags & kDupBit) != 0;
  m.payload = r.need_bytes(kPayload);
  m.packet_id = static_cast<std::uint16_t>(r.opt_uint(kPacketId, 0xffff));
  if (r.has(kProperties)) {
    const std::uint64_t count = r.open(kProperties, CborItem::Type::array);
    for (std::uint64_t i = 0; r.ok() && i < count; ++i) m.properties.push_back(get_property(r));
    r.end();
  }
  m.source = r.opt_bytes(kSource);
  m.assurance = static_cast<Assurance>(r.opt_uint(kAssurance, 3));
  if (r.has(kParts)) m.parts = get_parts(r);
  if (r.has(kDuplicate)) m.possible_duplicate_of = r.need_uint(kDuplicate);
}

void get(EntryReader& r, Part& p) {
  p.salt = r.need_array<16>(kSalt);
  p.first = r.need_uint(kFirst);
  p.number = r.need_uint(kNumber);
  p.payload = r.need_bytes(kPayload);
}

Detail get_detail(EntryReader& r, const Detail* previous) {
  Detail d;
  const CborItem name = r.item(kDetails, CborItem::Type::text);
  const CborItem value = r.item();
  if (!r.ok()) return d;
  d.name = name.content;
  if (previous && !canonical_less(previous->name, d.name)) r.fail_item(kDetails, name, "name repeated or out of order");
  if (value.type == CborItem::Type::uint)
    d.value = value.number;
  else if (value.type == CborItem::Type::text)
    d.value = value.content;
  else if (value.type == CborItem::Type::bytes)
    d.value = r.fixed<32>(kDetails, value);
  else
    r.fail_item(kDetails, value, "must be an unsigned integer, text or a hash");
  return d;
}

void get(EntryReader& r, Event& e) {
  e.code = static_cast<EventCode>(r.need_uint(kCode));
  if (!r.has(kDetails)) return;
  const std::uint64_t count = r.open(kDetails, CborItem::Type::map);
  for (std::uint64_t i = 0; r.ok() && i < count; ++i)
    e.details.push_back(get_detail(r, e.details.empty() ? nullptr : &e.details.back()));
  r.end();
}

void get(EntryReader& r, Handover& h) {
  h.epoch = r.need_uint(kEpoch);
  h.size = r.need_uint(kSize);
  h.root = r.need_array<32>(kRoot);
  h.next_key = r.need_array<32>(kNextKey);
  h.by_old = r.need_array<64>(kByOld);
  h.by_next = r.need_array<64>(kByNext);
}

void get(EntryReader& r, Receipt& receipt) { receipt.note = r.need_bytes(kNote); }

EntryCommon get_common(EntryReader& r) {
  EntryCommon common;
  common.wall_ns = r.need_integer(kWall);
  common.clock = static_cast<ClockState>(r.need_uint(kClock, 1));
  common.boot = r.need_uint(kBoot);
  common.boottime_ns = r.need_uint(kBoottime);
  common.connection = r.opt_uint(kConnection);
  common.received = r.opt_uint(kReceived);
  return common;
}

void reject_unread_key(EntryReader& r, EntryKind kind) {
  if (!r.has_body_key()) return;
  const bool payload_kind = kind == EntryKind::message || kind == EntryKind::part;
  const char* why = " is not known in this kind of entry";
  if (payload_kind && r.key() == kReservedEnc) why = " (enc) is reserved: encrypted content is of a later version";
  if (payload_kind && r.key() == kReservedDigest) why = " (digest) is reserved: detached content is of a later version";
  r.fail_at(r.key_offset(), "key " + std::to_string(r.key()) + why);
}

template <class Body>
void decode_body(EntryReader& r, Entry& entry) {
  Body body;
  get(r, body);
  reject_unread_key(r, kind_of(body));
  if (!r.ok()) return;
  if (Fault fault = check(entry.common, body)) r.fault(fault);
  entry.body = std::move(body);
}

void decode_opaque(EntryReader& r, Entry& entry, std::uint64_t kind) {
  if (r.has_body_key() && r.key() < kFirstBodyKey) {
    r.fail_at(r.key_offset(), "key " + std::to_string(r.key()) + " out of place");
  }
  while (r.has_body_key()) r.skip_value();
  entry.body = Opaque{kind};
}

}  // namespace

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
  }
  return "";
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

Status encode_entry(const Entry& entry, Bytes& out) {
  return std::visit([&](const auto& body) { return encode(entry.common, body, out); }, entry.body);
}

Status encode_message(const EntryCommon& common, const Message& message, Bytes& out) {
  return encode(common, message, out);
}

Result<Entry> decode_entry(ByteView bytes) {
  if (bytes.size() > kMaxEntryBytes) {
    return reject_error("entry: " + std::to_string(bytes.size()) + " bytes, at most " + std::to_string(kMaxEntryBytes));
  }
  EntryReader r(bytes);
  const std::uint64_t version = r.need_uint(kVersion);
  if (r.ok() && version != kEntryVersion) {
    r.fault({kVersion, "a version that this program does not read; it reads version 1"});
  }
  const std::uint64_t kind = r.need_uint(kKind);
  Entry entry;
  entry.common = get_common(r);
  if (!r.ok()) return r.error();
  if (Fault fault = check_common(entry.common)) r.fault(fault);
  switch (static_cast<EntryKind>(kind)) {
    case EntryKind::genesis:
      decode_body<Genesis>(r, entry);
      break;
    case EntryKind::message:
      decode_body<Message>(r, entry);
      break;
    case EntryKind::part:
      decode_body<Part>(r, entry);
      break;
    case EntryKind::event:
      decode_body<Event>(r, entry);
      break;
    case EntryKind::handover:
      decode_body<Handover>(r, entry);
      break;
    case EntryKind::receipt:
      decode_body<Receipt>(r, entry);
      break;
    default:
      decode_opaque(r, entry, kind);
      break;
  }
  if (!r.ok()) return r.error();
  return entry;
}

}  // namespace sealring
