// The recorder's other half: from what the sources hand over to the bytes of entries.
#include <algorithm>

#include "crypto/sha256.h"
#include "drivers/diag.h"
#include "gateway/recorder.h"
#include "gateway/tail_scan.h"

namespace sealring {
namespace {

constexpr std::uint8_t kMessageExpiry = 0x02, kTopicAlias = 0x23;  // MQTT 5 property identifiers
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kShownTopicBytes = 1024;  // of the topic, in a rejected event

std::vector<Property> to_properties(const std::vector<ReceivedProperty>& received) {
  std::vector<Property> out;
  out.reserve(received.size());
  for (const ReceivedProperty& p : received) out.push_back({p.id, p.number, p.a, p.b});
  return out;
}

// Changes between two deliveries of one message.
bool is_volatile(std::uint8_t id) { return id == kMessageExpiry || id == kTopicAlias; }

bool same_properties(const std::vector<Property>& stored, const std::vector<ReceivedProperty>& received) {
  auto a = stored.begin();
  auto b = received.begin();
  for (;;) {
    while (a != stored.end() && is_volatile(a->id)) ++a;
    while (b != received.end() && is_volatile(b->id)) ++b;
    if (a == stored.end() || b == received.end()) return a == stored.end() && b == received.end();
    if (a->id != b->id || a->number != b->number || a->a != b->a || a->b != b->b) return false;
    ++a, ++b;
  }
}

bool same_rejected(const Event& event, const SourceItem& item) {
  const Detail* hash = find_detail(event, "payload-sha256");
  const Hash* stored = hash ? std::get_if<Hash>(&hash->value) : nullptr;
  return event.code == EventCode::rejected && item.type == SourceItem::Type::rejected && stored != nullptr &&
         *stored == item.payload_sha256 && number_of(event, "payload-bytes") == item.payload_bytes;
}

}  // namespace

EntryCommon Recorder::common() const {
  EntryCommon c;
  c.wall_ns = now_.wall_ns;
  c.clock = now_.synchronised ? ClockState::synchronised : ClockState::unsynchronised;
  c.boot = boot_;
  c.boottime_ns = now_.boottime_ns;
  if (from_ != nullptr && from_->connection_index != 0) {
    c.connection = from_->connection_index;
    c.received = from_->received;
  }
  return c;
}

void Recorder::append_entry(ByteView entry) {
  put_u16(draft_.entries, static_cast<std::uint16_t>(entry.size()));
  draft_.entries += entry;
  ++draft_.count;
}

std::array<std::uint8_t, 16> Recorder::next_salt() {
  if (salts_used_ + kSaltBytes > salts_.size()) {
    salts_ = random_bytes(256 * kSaltBytes);  // one system call for 256 messages
    salts_used_ = 0;
  }
  salts_used_ += kSaltBytes;
  return to_array<kSaltBytes>(ByteView(salts_).substr(salts_used_ - kSaltBytes, kSaltBytes));
}

Status Recorder::take_item(SourceItem&& item) {
  last_record_ = std::chrono::steady_clock::now();
  SEALRING_ASSERT(item.source < sources_.size());
  Source& source = sources_[item.source];
  from_ = &source;
  Status status;
  switch (item.type) {
    case SourceItem::Type::connected:
      status = take_connected(source, item);
      break;
    case SourceItem::Type::disconnected:
    case SourceItem::Type::trouble:
      status = take_disconnected(source, item);
      break;
    case SourceItem::Type::drops:
      status = take_drops(source, item);
      break;
    case SourceItem::Type::message:
    case SourceItem::Type::rejected: {
      source.last_tag = item.tag;
      source.connection = item.connection;
      const bool may_be_held = item.qos > 0;
      const std::uint64_t suppressed = source.redelivery.suppressed();
      auto records = source.redelivery.offer(std::move(item));
      if (may_be_held && source.redelivery.holding()) source.held_since = last_record_;  // from the newest: it was held
      if (source.redelivery.suppressed() != suppressed) {
        std::lock_guard<std::mutex> lock(stats_mutex_);
        stats_.suppressed += source.redelivery.suppressed() - suppressed;
      }
      status = add_all(source, std::move(records));
    }
  }
  from_ = nullptr;
  return status;
}

void Recorder::Source::name_in(std::vector<Detail>& details) const {
  if (!name.empty()) details.push_back({kBrokerDetail, ByteView(name)});
}

Status Recorder::take_connected(Source& source, const SourceItem& item) {
  SEALRING_TRY(commit());  // the tail must be in the log before it is compared with what comes
  auto lost = source.redelivery.connected(item.session_present);
  if (!lost.empty()) {
    SEALRING_TRY(add_all(source, std::move(lost)));
    SEALRING_TRY(commit());
    (void)source.redelivery.connected(false);  // they belong to the session that is gone, not to the tail of this one
  }
  source.connection_index = source.received = 0;
  source.last_tag = 0;
  source.connection = item.connection;
  source.tag = 0;
  const std::uint64_t index = next_index();
  std::vector<Detail> details = {{"protocol", ByteView(item.protocol == 5 ? "5" : "3.1.1")},
                                 {"session-present", std::uint64_t{item.session_present}}};
  source.name_in(details);
  SEALRING_TRY(add_event(EventCode::broker_connected, std::move(details)));
  source.connection_index = index;
  source.redelivery.connection_began(index);
  return {};
}

Status Recorder::take_disconnected(Source& source, const SourceItem& item) {
  const bool ended = item.type == SourceItem::Type::disconnected;
  if (!ended) diag(DiagLevel::warning, source.words() + ": " + item.reason);
  std::vector<Detail> details = {{"reason", ByteView(item.reason)}};
  source.name_in(details);
  if (source.dropped) details.push_back({kDroppedTotalDetail, *source.dropped});
  Status status = add_event(EventCode::broker_disconnected, std::move(details));
  if (!ended) return status;
  source.connection_index = source.received = 0;
  source.redelivery.disconnected();
  source.tag = 0;  // nothing more can be acknowledged there, and what is held must not be
  return status;
}

// The broker's count is over all its clients and begins anew with each of its starts. An event for each increase, and
// for a count that nothing is known to compare with; it is also what the next start of ours compares with, and so there
// is one, of a heartbeat, for a count of 0 that was not known.
Status Recorder::take_drops(Source& source, const SourceItem& item) {
  source.last_tag = item.tag;
  source.connection = item.connection;
  source.tag = source.last_tag;  // release_acknowledgements() minds what is held
  const std::uint64_t total = item.dropped_total;
  const auto before = std::exchange(source.dropped, total);
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.sources[item.source].dropped = total;
  }
  if (before == total) return {};
  std::vector<Detail> details = {{kDroppedTotalDetail, total}};
  source.name_in(details);
  if (total == 0) return add_event(EventCode::heartbeat, std::move(details));
  std::string how_many = std::to_string(total) + " messages at some time since its start";
  if (before) {
    const std::uint64_t more = total < *before ? total : total - *before;
    details.push_back({"dropped", more});
    how_many = std::to_string(more) + " messages";
  }
  diag(DiagLevel::warning,
       source.words() + " dropped " + how_many + ", for this or another of its clients: its queue is too short");
  return add_event(EventCode::gap, std::move(details));
}

// With several brokers, a segment begins with which connection is whose: the events that say so may be long released
// when a start must know it (TailScan).
Status Recorder::name_connections() {
  if (sources_.size() < 2) return {};
  std::vector<Detail> details;
  for (const Source& source : sources_)
    if (source.connection_index != 0) details.push_back({source.name, source.connection_index});
  return details.empty() ? Status{} : add_event(EventCode::heartbeat, std::move(details));
}

// The tag of the draft never runs ahead of what is in it: a commit in between must not release what comes after.
Status Recorder::add_all(Source& source, std::vector<Redelivery::ToRecord>&& records) {
  if (!records.empty()) source.tag = records.front().item.tag - 1;
  for (Redelivery::ToRecord& record : records) {
    const SourceItem& item = record.item;
    source.received = item.tag;
    if (draft_.entries.size() + item.payload_bytes + 4 * kMaxEntryBytes > kMaxFrameBytes) SEALRING_TRY(commit());
    if (record.possible_duplicate_of) {
      std::lock_guard<std::mutex> lock(stats_mutex_);
      ++stats_.flagged;
    }
    if (item.type == SourceItem::Type::rejected) {
      SEALRING_TRY(add_rejected(item, record.possible_duplicate_of, item.reason));
    } else {
      SEALRING_TRY(add_message(item, record.possible_duplicate_of));
    }
    source.tag = item.tag;
  }
  // All that was taken is now in the log, in the draft, or held.
  source.tag = source.last_tag;
  return {};
}

void Recorder::note_tail(const SourceItem& item, std::uint64_t index, bool flagged) {
  if (item.qos > 0) draft_.tail.push_back({item.source, item.packet_id, index, flagged});
}

void Recorder::note_record() {
  if (std::exchange(segment_has_records_, true)) return;
  std::lock_guard<std::mutex> lock(stats_mutex_);
  stats_.open_has_records = true;
  stats_.open_first_ns = now_.boottime_ns;
}

Status Recorder::add_message(const SourceItem& item, std::optional<std::uint64_t> duplicate_of) {
  const std::uint64_t index = next_index();
  const std::vector<Property> properties = to_properties(item.properties);
  Message message;
  message.salt = next_salt();
  message.topic = item.topic;
  message.qos = item.qos;
  message.retain = item.retain;
  message.dup = item.dup;
  message.packet_id = item.packet_id;
  message.payload = item.payload;
  message.properties = properties;
  message.possible_duplicate_of = duplicate_of;
  scratch_.clear();
  Status status;
  if (item.payload.size() > kPartPayloadBytes) {
    status = add_parts(item, message);
  } else {
    status = encode_message(common(), message, scratch_);
    if (status.ok()) append_entry(scratch_);
  }
  if (!status.ok() && status.error().kind == ErrorKind::reject) {  // e.g. topic and properties too long for an entry
    SourceItem rejected = item;
    rejected.payload_bytes = item.payload.size();
    rejected.payload_sha256 = sha256(item.payload);
    return add_rejected(rejected, duplicate_of, status.error().message);
  }
  SEALRING_TRY(status);
  note_tail(item, index, duplicate_of.has_value());
  note_record();
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.messages;
  ++stats_.sources[item.source].messages;
  stats_.sources[item.source].payload_bytes += item.payload.size();
  return {};
}

Status Recorder::add_parts(const SourceItem& item, Message message) {
  if (item.payload.size() > kMaxPayloadBytes)
    return reject_error("payload of " + std::to_string(item.payload.size()) + " bytes is above the limit of " +
                        std::to_string(kMaxPayloadBytes));
  const std::uint64_t first = next_index();
  ByteView rest = item.payload;
  PartsInfo parts;
  parts.total_bytes = rest.size();
  parts.count = (rest.size() + kPartPayloadBytes - 1) / kPartPayloadBytes;
  parts.payload_sha256 = sha256(rest);
  message.parts = parts;
  message.payload = rest.substr(0, kPartPayloadBytes);
  rest.remove_prefix(kPartPayloadBytes);
  SEALRING_TRY(encode_message(common(), message, scratch_));
  append_entry(scratch_);
  for (std::uint64_t number = 1; number < parts.count; ++number) {
    Part part;
    part.salt = next_salt();
    part.first = first;
    part.number = number;
    part.payload = rest.substr(0, kPartPayloadBytes);
    rest.remove_prefix(part.payload.size());
    SEALRING_TRY(add_entry(part));
  }
  return {};
}

Status Recorder::add_rejected(const SourceItem& item, std::optional<std::uint64_t> duplicate_of,
                              const std::string& reason) {
  const std::uint64_t index = next_index();
  std::vector<Detail> details = {{"payload-bytes", item.payload_bytes},
                                 {"payload-sha256", item.payload_sha256},
                                 {"qos", std::uint64_t{item.qos}},
                                 {"reason", ByteView(reason)}};
  const std::string topic = quoted(item.topic, kShownTopicBytes);
  details.push_back({"topic", ByteView(topic)});
  if (item.packet_id != 0) details.push_back({"packet-id", std::uint64_t{item.packet_id}});
  if (duplicate_of) details.push_back({"possible-duplicate-of", *duplicate_of});
  diag(DiagLevel::warning, "rejected a message on " + sealring::quoted(item.topic) + ": " + reason);
  SEALRING_TRY(add_event(EventCode::rejected, std::move(details)));
  note_tail(item, index, duplicate_of.has_value());
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.rejected;
  return {};
}

Status Recorder::add_entry(EntryBody body) {
  scratch_.clear();
  SEALRING_TRY(encode_entry({common(), std::move(body)}, scratch_));
  append_entry(scratch_);
  return {};
}

Status Recorder::add_event(EventCode code, std::vector<Detail> details) {
  scratch_.clear();
  Status status = encode_entry({common(), Event{code, details}}, scratch_);
  std::vector<std::string> shown(details.size());
  if (!status.ok() && status.error().kind == ErrorKind::reject) {
    // A text that a peer chose may be no UTF-8, or too long. The event is a record all the same.
    for (std::size_t i = 0; i < details.size(); ++i)
      if (auto* text = std::get_if<ByteView>(&details[i].value)) *text = shown[i] = quoted(*text, kShownTopicBytes);
    status = encode_entry({common(), Event{code, std::move(details)}}, scratch_);
  }
  SEALRING_TRY(status);
  append_entry(scratch_);
  last_record_ = std::chrono::steady_clock::now();
  note_record();
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.events;
  return {};
}

bool Recorder::same_content(std::uint64_t index, const SourceItem& item) const {
  auto bytes = ring_.entries(index, 1);
  if (!bytes) return false;
  auto entry = decode_entry(ByteView(*bytes).substr(2));
  if (!entry) return false;
  if (const auto* event = std::get_if<Event>(&entry->body)) return same_rejected(*event, item);
  const auto* message = std::get_if<Message>(&entry->body);
  if (message == nullptr || item.type != SourceItem::Type::message || message->topic != item.topic ||
      message->qos != item.qos || message->retain != item.retain ||
      !same_properties(message->properties, item.properties))
    return false;
  if (!message->parts) return message->payload == item.payload;
  return message->parts->total_bytes == item.payload.size() && message->parts->payload_sha256 == sha256(item.payload);
}

}  // namespace sealring
