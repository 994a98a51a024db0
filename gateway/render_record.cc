// What a record says: as a line, as JSON, in full. render.cc has how it is kept harmless.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/sha256.h"
#include "gateway/record_query.h"
#include "gateway/render.h"
#include "gateway/render_payload.h"

namespace sealring {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string preview(const Record& record, std::size_t width) {
  ByteView bytes = record.payload;
  if (bytes.empty()) return "(empty)";
  const std::size_t enough = width == 0 ? bytes.size() : 4 * width;
  if (!is_text(bytes)) {
    const std::string size = " (" + std::to_string(bytes.size()) + " bytes)";
    const std::size_t room = width == 0 ? 2 * bytes.size() + 2 : width - std::min(width, size.size());
    return fitted("0x" + hex(bytes.substr(0, enough)), room) + size;
  }
  std::size_t end = std::min(enough, bytes.size());
  while (end < bytes.size() && (static_cast<unsigned char>(bytes[end]) & 0xc0) == 0x80) --end;
  const std::string text = escaped(bytes.substr(0, end));
  return width == 0 ? text : fitted(text, width);
}

std::string detail_text(const Detail& detail) {
  if (const auto* number = std::get_if<std::uint64_t>(&detail.value)) return std::to_string(*number);
  if (const auto* text = std::get_if<ByteView>(&detail.value)) return shown(*text);
  return hex(view(std::get<Hash>(detail.value)));
}

std::string event_title(EventCode code) {
  const std::string name = event_name(code);
  return name.empty() ? "event " + std::to_string(static_cast<std::uint64_t>(code)) : name;
}

std::string kind_title(const Entry& entry) {
  if (std::holds_alternative<Genesis>(entry.body)) return "genesis";
  if (std::holds_alternative<Message>(entry.body)) return "message";
  if (std::holds_alternative<Part>(entry.body)) return "part";
  if (std::holds_alternative<Event>(entry.body)) return "event";
  if (std::holds_alternative<Handover>(entry.body)) return "handover";
  if (std::holds_alternative<KeyBreak>(entry.body)) return "break";
  if (std::holds_alternative<Rotation>(entry.body)) return "rotation";
  if (std::holds_alternative<Receipt>(entry.body)) return "receipt";
  if (std::holds_alternative<SuccessionEntry>(entry.body)) return "succession";
  if (std::holds_alternative<Carried>(entry.body)) return "carried";
  if (std::holds_alternative<Loss>(entry.body)) return "loss";
  return "unknown";
}

// What stands in a whole carried entry.
std::optional<Record> carried_record(const Carried& carried) {
  const std::optional<Entry> inner = carried_entry(carried);
  if (!inner) return std::nullopt;
  Record record;
  record.index = carried.index;
  record.entry = Bytes(carried.bytes);
  if (const auto* message = std::get_if<Message>(&inner->body)) {
    record.payload = Bytes(message->payload);
    if (message->parts) record.parts_missing = message->parts->count - 1;  // carried by themselves
  }
  return record;
}

// From the log that this one follows; one that carried it over itself is opened `levels` times.
std::string carried_words(const Carried& carried, int levels = kMaxCarried) {
  const std::string out = "carried over from entry " + std::to_string(carried.index) + ": ";
  if (carried.bytes.size() != carried.length)
    return out + "bytes " + std::to_string(carried.offset) + " to " +
           std::to_string(carried.offset + carried.bytes.size()) + " of " + std::to_string(carried.length);
  const std::optional<Record> record = carried_record(carried);
  if (!record) return out + "not an entry";
  const Result<Entry> inner = decode_entry(record->entry);
  if (const auto* message = std::get_if<Message>(&inner->body))
    return out + shown(message->topic) + "  " + preview(*record, 0);
  const auto* again = std::get_if<Carried>(&inner->body);
  return out + (again && levels > 1 ? carried_words(*again, levels - 1) : kind_title(*inner));
}

std::string loss_entry_words(const Loss& loss) {
  return "LOSS: entries [" + std::to_string(loss.start) + ", " + std::to_string(loss.end) +
         ") were dropped unsent, with " + (loss.damaged ? "at most " : "") + std::to_string(loss.messages) +
         " messages, from " + utc_time(loss.first_wall_ns) + " to " + utc_time(loss.last_wall_ns) +
         (loss.damaged ? ", since they were damaged" : "");
}

void put_loss(OrderedJson& json, const Loss& loss) {
  json["start"] = loss.start;
  json["end"] = loss.end;
  json["messages"] = loss.messages;
  if (loss.damaged) json["damaged"] = true;
  json["first_time"] = utc_time(loss.first_wall_ns);
  json["last_time"] = utc_time(loss.last_wall_ns);
  json["hashes"] = OrderedJson::array();
  for (const Hash& hash : loss.hashes) json["hashes"].push_back(base64(view(hash)));
}

// What is no message, in words.
std::string words(const Entry& entry) {
  if (const auto* genesis = std::get_if<Genesis>(&entry.body))
    return "genesis of " + shown(genesis->origin) + " by " + shown(genesis->software);
  if (const auto* part = std::get_if<Part>(&entry.body))
    return "part " + std::to_string(part->number) + " of message " + std::to_string(part->first);
  if (const auto* event = std::get_if<Event>(&entry.body)) {
    std::string out = event_title(event->code);
    for (const Detail& detail : event->details) out += " " + shown(detail.name) + "=" + detail_text(detail);
    return out;
  }
  if (const auto* handover = std::get_if<Handover>(&entry.body))
    return "handover: epoch " + std::to_string(handover->epoch) + " ends at size " + std::to_string(handover->size);
  if (const auto* lost = std::get_if<KeyBreak>(&entry.body))
    return "BREAK: the key of epoch " + std::to_string(lost->epoch) + " was lost; at size " +
           std::to_string(lost->size) + " a new one begins";
  if (const auto* rotation = std::get_if<Rotation>(&entry.body))
    return "ROTATION of the identity key, from " + base64(view(rotation->old_key)) + " to " +
           base64(view(rotation->new_key));
  if (const auto* receipt = std::get_if<Receipt>(&entry.body)) {
    const std::size_t line = receipt->note.find('\n');
    const std::size_t end = line == ByteView::npos ? line : receipt->note.find('\n', line + 1);
    return "receipt for size " +
           (end == ByteView::npos ? std::string("?") : shown(receipt->note.substr(line + 1, end - line - 1)));
  }
  if (const auto* succession = std::get_if<SuccessionEntry>(&entry.body))
    return "SUCCESSION: this log follows " + shown(succession->origin) + ", which was closed at size " +
           std::to_string(succession->size);
  if (const auto* carried = std::get_if<Carried>(&entry.body)) return carried_words(*carried);
  if (const auto* loss = std::get_if<Loss>(&entry.body)) return loss_entry_words(*loss);
  return "kind " + std::to_string(std::get<Opaque>(entry.body).kind) + ", which this version does not know";
}

std::string padded(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

const char* property_name(std::uint8_t id) {
  switch (id) {
    case 1:
      return "payload-format-indicator";
    case 2:
      return "message-expiry-interval";
    case 3:
      return "content-type";
    case 8:
      return "response-topic";
    case 9:
      return "correlation-data";
    case 11:
      return "subscription-identifier";
    case 35:
      return "topic-alias";
    case 38:
      return "user-property";
    default:
      return "";
  }
}

enum class PropertyShape { number, one, pair };
PropertyShape shape(std::uint8_t id) {
  if (id == 38) return PropertyShape::pair;
  return id == 3 || id == 8 || id == 9 ? PropertyShape::one : PropertyShape::number;
}

const char* assurance_name(Assurance assurance) {
  switch (assurance) {
    case Assurance::none:
      return "none";
    case Assurance::topic_rule:
      return "topic-rule";
    case Assurance::broker_stamped:
      return "broker-stamped";
    case Assurance::device_signed:
      return "device-signed";
  }
  return "unknown";
}

// `key` where the bytes are UTF-8, else `key`_base64.
void put_bytes(OrderedJson& json, const std::string& key, ByteView bytes) {
  if (is_utf8(bytes))
    json[key] = std::string(bytes);
  else
    json[key + "_base64"] = base64(bytes);
}

OrderedJson property_json(const Property& property) {
  OrderedJson json = {{"id", property.id}, {"name", property_name(property.id)}};
  if (shape(property.id) == PropertyShape::number) json["value"] = property.number;
  if (shape(property.id) == PropertyShape::one) put_bytes(json, "value", property.a);
  if (shape(property.id) != PropertyShape::pair) return json;
  put_bytes(json, "key", property.a);
  put_bytes(json, "value", property.b);
  return json;
}

void put_message(OrderedJson& json, const Record& record, const Message& message) {
  put_bytes(json, "topic", message.topic);
  json["qos"] = message.qos;
  json["retain"] = message.retain;
  json["dup"] = message.dup;
  json["packet_id"] = message.packet_id;
  put_bytes(json, "payload", record.payload);
  json["payload_bytes"] = message.parts ? message.parts->total_bytes : record.payload.size();
  json["properties"] = OrderedJson::array();
  for (const Property& property : message.properties) json["properties"].push_back(property_json(property));
  put_bytes(json, "source", message.source);
  json["assurance"] = assurance_name(message.assurance);
  json["salt"] = hex(view(message.salt));
  if (message.parts)
    json["parts"] = {{"count", message.parts->count},
                     {"missing", record.parts_missing},
                     {"payload_sha256", hex(view(message.parts->payload_sha256))}};
  if (message.possible_duplicate_of) json["possible_duplicate_of"] = *message.possible_duplicate_of;
}

void put_event(OrderedJson& json, const Event& event) {
  json["event"] = event_name(event.code);
  json["code"] = static_cast<std::uint64_t>(event.code);
  OrderedJson details = OrderedJson::object();
  for (const Detail& detail : event.details) {
    const std::string name(detail.name);
    if (const auto* number = std::get_if<std::uint64_t>(&detail.value))
      details[name] = *number;
    else if (const auto* text = std::get_if<ByteView>(&detail.value))
      details[name] = std::string(*text);
    else
      details[name] = hex(view(std::get<Hash>(detail.value)));
  }
  json["details"] = std::move(details);
}

OrderedJson record_object(const Record& record, int levels);

// A carried entry is shown as the record that it is, so many `levels` deep.
void put_body(OrderedJson& json, const Record& record, const Entry& entry, int levels) {
  if (const auto* message = std::get_if<Message>(&entry.body)) return put_message(json, record, *message);
  if (const auto* event = std::get_if<Event>(&entry.body)) return put_event(json, *event);
  if (const auto* genesis = std::get_if<Genesis>(&entry.body)) {
    put_bytes(json, "origin", genesis->origin);
    json["identity"] = base64(view(genesis->identity));
    json["epoch_key"] = base64(view(genesis->epoch_key));
    put_bytes(json, "software", genesis->software);
  } else if (const auto* part = std::get_if<Part>(&entry.body)) {
    json["first"] = part->first;
    json["number"] = part->number;
    put_bytes(json, "payload", part->payload);
    json["salt"] = hex(view(part->salt));
  } else if (const auto* handover = std::get_if<Handover>(&entry.body)) {
    json["epoch"] = handover->epoch;
    json["size"] = handover->size;
    json["root"] = base64(view(handover->root));
    json["next_key"] = base64(view(handover->next_key));
    json["by_old"] = base64(view(handover->by_old));
    json["by_next"] = base64(view(handover->by_next));
  } else if (const auto* lost = std::get_if<KeyBreak>(&entry.body)) {
    json["epoch"] = lost->epoch;
    json["size"] = lost->size;
    json["root"] = base64(view(lost->root));
    json["next_key"] = base64(view(lost->next_key));
    json["by_next"] = base64(view(lost->by_next));
    json["receipted"] = lost->receipted;
  } else if (const auto* rotation = std::get_if<Rotation>(&entry.body)) {
    json["old_key"] = base64(view(rotation->old_key));
    json["new_key"] = base64(view(rotation->new_key));
    json["by_old"] = base64(view(rotation->by_old));
    json["by_new"] = base64(view(rotation->by_new));
  } else if (const auto* receipt = std::get_if<Receipt>(&entry.body)) {
    put_bytes(json, "note", receipt->note);
  } else if (const auto* succession = std::get_if<SuccessionEntry>(&entry.body)) {
    put_bytes(json, "origin", succession->origin);
    json["size"] = succession->size;
    json["root"] = base64(view(succession->root));
    json["old_key"] = base64(view(succession->old_key));
    json["by_old"] = base64(view(succession->by_old));
  } else if (const auto* carried = std::get_if<Carried>(&entry.body)) {
    json["carried_index"] = carried->index;
    json["carried_bytes"] = carried->length;
    json["offset"] = carried->offset;
    const std::optional<Record> inner = levels > 0 ? carried_record(*carried) : std::nullopt;
    if (inner)
      json["entry"] = record_object(*inner, levels - 1);
    else
      json["bytes_base64"] = base64(carried->bytes);
  } else if (const auto* loss = std::get_if<Loss>(&entry.body)) {
    put_loss(json, *loss);
  } else {
    json["kind_number"] = std::get<Opaque>(entry.body).kind;
    json["entry_base64"] = base64(record.entry);
  }
}

void message_rows(std::string& out, const Record& record, const Message& message) {
  record_row(out, "topic", shown(message.topic));
  record_row(out, "delivery",
             "QoS " + std::to_string(message.qos) + (message.retain ? ", retained" : "") +
                 (message.dup ? ", dup" : "") +
                 (message.packet_id != 0 ? ", packet id " + std::to_string(message.packet_id) : ""));
  if (!message.source.empty())
    record_row(out, "source", shown(message.source) + " (assurance: " + assurance_name(message.assurance) + ")");
  for (const Property& p : message.properties) {
    const char* const name = property_name(p.id);
    const std::string label = *name != '\0' ? name : "property " + std::to_string(p.id);
    record_row(out, "property",
               label + ": " + (shape(p.id) == PropertyShape::number ? std::to_string(p.number) : shown(p.a)) +
                   (shape(p.id) == PropertyShape::pair ? " = " + shown(p.b) : ""));
  }
  if (message.parts) {
    record_row(out, "parts",
               std::to_string(message.parts->count) + " entries from " + std::to_string(record.index) + " on" +
                   (record.parts_missing > 0 ? "; " + std::to_string(record.parts_missing) + " NOT HERE" : ""));
    record_row(out, "",
               std::string("SHA-256 of the payload ") + hex(view(message.parts->payload_sha256)) +
                   (sha256(record.payload) == message.parts->payload_sha256 ? " (matches)" : " (DOES NOT MATCH)"));
  }
  if (message.possible_duplicate_of)
    record_row(out, "note", "possible duplicate of " + std::to_string(*message.possible_duplicate_of));
  const std::string json = pretty_json(record.payload);
  const bool text = is_text(record.payload);
  record_row(out, "payload",
             std::to_string(record.payload.size()) + " bytes, " +
                 (record.payload.empty() ? "empty"
                  : !json.empty()        ? "JSON"
                  : text                 ? "text"
                                         : "binary"));
  out += !json.empty() ? indented(json) : text ? indented(record.payload) : hexdump(record.payload);
}

}  // namespace

void record_row(std::string& out, const std::string& label, const std::string& text) {
  out += label + std::string(14 - std::min<std::size_t>(13, label.size()), ' ') + text + "\n";
}

namespace {

constexpr std::size_t kNarrow = 64;  // below: no date

// Fits `width` as far as its parts can be made to.
std::string roughly_fitted_line(const Record& record, std::size_t width) {
  const Result<Entry> entry = decode_entry(record.entry);
  std::string out = padded(std::to_string(record.index), 8) + "  ";
  if (!entry) return out + "cannot be decoded: " + escaped(entry.error().message);
  const bool narrow = width > 0 && width < kNarrow;
  const std::string time = local_time(entry->common.wall_ns, !narrow);
  out += (narrow ? time.substr(time.find(' ') + 1) : time) +
         (entry->common.clock == ClockState::synchronised ? "  " : "~ ");
  const std::size_t rest = width == 0 ? 0 : std::max<std::size_t>(width - std::min(width, out.size()), 20);
  const auto* message = std::get_if<Message>(&entry->body);
  if (message == nullptr) return out + (width == 0 ? "* " + words(*entry) : fitted("* " + words(*entry), rest));
  std::string topic = width == 0 ? shown(message->topic) : fitted(shown(message->topic), rest / 2);
  if (!record.broker.empty())
    topic = (width == 0 ? shown(record.broker) : fitted(shown(record.broker), rest / 4)) + ": " + topic;
  out += topic + "  ";
  const std::size_t left = width == 0 ? 0 : std::max<std::size_t>(rest - std::min(rest, topic.size() + 2), 8);
  return out + preview(record, left);
}

}  // namespace

std::string record_line(const Record& record, std::size_t width) {
  const std::string line = roughly_fitted_line(record, width);
  return width == 0 ? line : fitted(line, width);
}

namespace {

OrderedJson record_object(const Record& record, int levels) {
  const Result<Entry> entry = decode_entry(record.entry);
  OrderedJson json;
  json["index"] = record.index;
  if (entry) {
    json["kind"] = kind_title(*entry);
    json["time"] = utc_time(entry->common.wall_ns);
    json["wall_ns"] = entry->common.wall_ns;
    json["clock"] = entry->common.clock == ClockState::synchronised ? "synchronised" : "unsynchronised";
    json["boot"] = entry->common.boot;
    json["boottime_ns"] = entry->common.boottime_ns;
    json["connection"] = entry->common.connection;
    if (!record.broker.empty()) put_bytes(json, "broker", record.broker);
    json["received"] = entry->common.received;
    put_body(json, record, *entry, levels);
  } else {
    json["kind"] = "undecodable";
    json["error"] = entry.error().message;
    json["entry_base64"] = base64(record.entry);
  }
  json["leaf_hash"] = hex(view(leaf_hash(record.entry)));
  return json;
}

std::string text_of(const Record& record, const std::optional<Segment>& segment, int levels) {
  const Result<Entry> entry = decode_entry(record.entry);
  std::string out;
  record_row(out, "index", std::to_string(record.index));
  record_row(out, "leaf hash", hex(view(leaf_hash(record.entry))));
  if (segment) {
    const char* const state = segment->state == SegmentState::open     ? "open: not sealed yet"
                              : segment->state == SegmentState::sealed ? "sealed, no receipt yet"
                                                                       : "sealed and receipted";
    record_row(out, "segment",
               "[" + std::to_string(segment->start) + ", " + std::to_string(segment->end) + "), " + state);
  }
  if (!entry) {
    record_row(out, "entry", "cannot be decoded: " + escaped(entry.error().message));
    return out + hexdump(record.entry);
  }
  const EntryCommon& c = entry->common;
  record_row(out, "time", local_time(c.wall_ns, true) + " local, " + utc_time(c.wall_ns));
  record_row(out, "",
             c.clock == ClockState::synchronised ? "clock synchronised" : "clock NOT synchronised: may be wrong");
  record_row(out, "uptime",
             std::to_string(c.boottime_ns / 1000000000) + " s after boot, start " + std::to_string(c.boot));
  if (c.connection != 0)
    record_row(out, "connection",
               "that of event " + std::to_string(c.connection) +
                   (record.broker.empty() ? "" : " to broker " + shown(record.broker)) +
                   (c.received != 0 ? ", message " + std::to_string(c.received) + " on it" : ""));
  if (const auto* message = std::get_if<Message>(&entry->body)) {
    message_rows(out, record, *message);
    return out;
  }
  const auto* carried = std::get_if<Carried>(&entry->body);
  const std::optional<Record> inner = carried ? carried_record(*carried) : std::nullopt;
  const bool too_deep = levels == 1 && inner && std::holds_alternative<Carried>(decode_entry(inner->entry)->body);
  if (inner && !too_deep) {
    record_row(out, "carried",
               "over from entry " + std::to_string(inner->index) + " of the log that this one follows:");
    return out + "\n" + text_of(*inner, std::nullopt, levels - 1);
  }
  record_row(out, kind_title(*entry), carried ? carried_words(*carried, 1) : words(*entry));
  if (const auto* receipt = std::get_if<Receipt>(&entry->body)) out += indented(receipt->note);
  return out;
}

}  // namespace

std::string record_json(const Record& record) {
  return record_object(record, kMaxCarried).dump(-1, ' ', true, OrderedJson::error_handler_t::replace);
}

std::string record_text(const Record& record, const std::optional<Segment>& segment) {
  return text_of(record, segment, kMaxCarried);
}

}  // namespace sealring
