#include "storage/cbor.h"
#include "storage/entry.h"
#include "storage/entry_rules.h"

namespace sealring {
namespace entry_rules {
namespace {

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

  // Before anything else of the entry is judged: another version may have other rules.
  void need_version() {
    if (!take(kVersion)) return;
    const std::uint64_t version = item(kVersion, CborItem::Type::uint).number;
    if (ok() && version != kEntryVersion)
      fail(kVersion, "written by version " + std::to_string(version) + " of the format, this program reads version " +
                         std::to_string(kEntryVersion));
    load_key();
  }
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
  const PropertyType type = property_type(id.number);
  if (type == PropertyType::unknown) r.fail_item(kProperties, id, "must be an MQTT 5 property identifier");
  const std::uint64_t items = type == PropertyType::pair ? 3 : 2;
  if (list.number != items) r.fail_item(kProperties, list, "must have " + std::to_string(items) + " items");
  Property p;
  p.id = static_cast<std::uint8_t>(id.number);
  if (property_max(type) != 0) {
    p.number = r.item(kProperties, CborItem::Type::uint).number;
    return p;
  }
  p.a = r.item(kProperties, CborItem::Type::bytes).content;
  if (type == PropertyType::pair) p.b = r.item(kProperties, CborItem::Type::bytes).content;
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
  m.assurance = static_cast<Assurance>(r.opt_uint(kAssurance));
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

void get(EntryReader& r, KeyBreak& b) {
  b.epoch = r.need_uint(kEpoch);
  b.size = r.need_uint(kSize);
  b.root = r.need_array<32>(kRoot);
  b.next_key = r.need_array<32>(kNextKey);
  b.by_next = r.need_array<64>(kByNext);
  b.receipted = r.need_uint(kReceipted);
}

void get(EntryReader& r, Rotation& rotation) {
  rotation.old_key = r.need_array<32>(kOldKey);
  rotation.new_key = r.need_array<32>(kNewKey);
  rotation.by_old = r.need_array<64>(kRotatedByOld);
  rotation.by_new = r.need_array<64>(kRotatedByNew);
}

void get(EntryReader& r, Receipt& receipt) { receipt.note = r.need_bytes(kNote); }

void get(EntryReader& r, SuccessionEntry& s) {
  s.origin = r.need_text(kClosedOrigin);
  s.size = r.need_uint(kClosedSize);
  s.root = r.need_array<32>(kClosedRoot);
  s.old_key = r.need_array<32>(kClosedKey);
  s.by_old = r.need_array<64>(kClosedByOld);
}

void get(EntryReader& r, Carried& c) {
  c.index = r.need_uint(kCarriedIndex);
  c.length = r.need_uint(kCarriedLength);
  c.offset = r.opt_uint(kCarriedOffset);
  c.bytes = r.need_bytes(kCarriedBytes);
}

void get(EntryReader& r, Loss& l) {
  l.start = r.need_uint(kLossStart);
  l.end = r.need_uint(kLossEnd);
  const std::uint64_t count = r.open(kLossHashes, CborItem::Type::array);
  for (std::uint64_t i = 0; r.ok() && i < count; ++i)
    l.hashes.push_back(r.fixed<32>(kLossHashes, r.item(kLossHashes, CborItem::Type::bytes)));
  r.end();
  l.messages = r.need_uint(kLossMessages);
  l.first_wall_ns = r.need_integer(kLossFirst);
  l.last_wall_ns = r.need_integer(kLossLast);
  l.damaged = r.opt_uint(kLossReason, kReasonDamaged) == kReasonDamaged;
}

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
  while (r.has_body_key()) r.skip_value();
  entry.body = Opaque{kind};
}

}  // namespace
}  // namespace entry_rules

Result<Entry> decode_entry(ByteView bytes) {
  if (bytes.size() > kMaxEntryBytes) {
    return reject_error("entry: " + std::to_string(bytes.size()) + " bytes, at most " + std::to_string(kMaxEntryBytes));
  }
  using namespace entry_rules;
  EntryReader r(bytes);
  r.need_version();
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
    case EntryKind::key_break:
      decode_body<KeyBreak>(r, entry);
      break;
    case EntryKind::rotation:
      decode_body<Rotation>(r, entry);
      break;
    case EntryKind::receipt:
      decode_body<Receipt>(r, entry);
      break;
    case EntryKind::succession:
      decode_body<SuccessionEntry>(r, entry);
      break;
    case EntryKind::carried:
      decode_body<Carried>(r, entry);
      break;
    case EntryKind::loss:
      decode_body<Loss>(r, entry);
      break;
    default:
      decode_opaque(r, entry, kind);
      break;
  }
  if (!r.ok()) return r.error();
  return entry;
}

}  // namespace sealring
