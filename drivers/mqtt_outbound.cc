#include "drivers/mqtt_outbound.h"

#include <algorithm>

#include "drivers/mqtt_inbound.h"

namespace sealring {
namespace {

// CONNECT with a password and SUBSCRIBE with many filters are the long ones.
constexpr std::size_t kMaxClientPacket = 1u << 20;
constexpr std::size_t kCompactAt = 16u << 10;

}  // namespace

Status MqttOutbound::feed(ByteView bytes, std::uint64_t handed_over, Bytes& pass) {
  const bool joined = !partial_.empty();
  if (joined) {
    partial_.append(bytes);
    bytes = partial_;
  }
  while (!bytes.empty()) {
    MqttFixedHeader header;
    const WireState state = read_fixed_header(bytes, header);
    if (state == WireState::malformed) return reject_error("the MQTT client sent something that is not MQTT");
    if (state == WireState::more) break;
    const std::size_t size = std::size_t{header.bytes} + header.remaining;
    if (size > kMaxClientPacket) return reject_error("the MQTT client sent an impossibly long packet");
    if (bytes.size() < size) break;
    SEALRING_TRY(frame(header, bytes.substr(0, size), handed_over, pass));
    bytes.remove_prefix(size);
  }
  if (joined) {
    partial_.erase(0, partial_.size() - bytes.size());
  } else {
    partial_.assign(bytes);
  }
  return {};
}

Status MqttOutbound::frame(const MqttFixedHeader& header, ByteView whole, std::uint64_t handed_over, Bytes& pass) {
  if (connect_seen_ == (header.type == MqttPacket::connect))
    return reject_error("the MQTT client's CONNECT is not its first packet");
  switch (header.type) {
    case MqttPacket::connect:
      return connect(header, whole, pass);
    case MqttPacket::puback: {
      if (header.remaining < 2) return reject_error("the MQTT client sent a malformed PUBACK");
      const std::uint16_t packet_id = get_u16(whole.data() + header.bytes);
      SEALRING_TRY(check_handed_over(packet_id, handed_over));
      const bool as_pubrec = inbound_.wants_pubrec(packet_id);
      hold(whole, handed_over, 1);
      if (as_pubrec) held_[held_.size() - whole.size()] = static_cast<char>(static_cast<int>(MqttPacket::pubrec) << 4);
      return {};
    }
    case MqttPacket::pubrec:
      if (header.remaining < 2) return reject_error("the MQTT client sent a malformed PUBREC");
      SEALRING_TRY(check_handed_over(get_u16(whole.data() + header.bytes), handed_over));
      hold(whole, handed_over, 1);
      return {};
    case MqttPacket::pubcomp:
      hold(whole, handed_over, 1);
      return {};
    case MqttPacket::disconnect:
      if (disconnect_seen_) return reject_error("the MQTT client sent DISCONNECT twice");
      disconnect_seen_ = true;
      hold(whole, handed_over, 0);
      return {};
    case MqttPacket::pingreq:
      ++pingreqs_;
      return {};
    case MqttPacket::subscribe: {
      SEALRING_ASSIGN(MqttSubscribe subscribe, read_subscribe(whole.substr(header.bytes), protocol_));
      subscribes_[subscribe.packet_id] = std::move(subscribe.first_filter);
      pass.append(whole);
      return {};
    }
    default:
      pass.append(whole);
      return {};
  }
}

Status MqttOutbound::check_handed_over(std::uint16_t packet_id, std::uint64_t handed_over) {
  // In the order in which they went; the first one, as a rule.
  const auto found = std::find_if(expected_.begin(), expected_.end(),
                                  [packet_id](const Expected& one) { return one.packet_id == packet_id; });
  if (found == expected_.end()) return {};
  const std::uint64_t number = found->number;
  expected_.erase(found);
  if (number <= handed_over) return {};
  return reject_error("the MQTT client acknowledged a message that it has not handed over");
}

Status MqttOutbound::connect(const MqttFixedHeader& header, ByteView whole, Bytes& pass) {
  // Protocol name, level, flags, keep alive.
  const ByteView body = whole.substr(header.bytes);
  const bool ours = body.size() >= 10 && body.substr(0, 6) == ByteView("\0\4MQTT", 6) && body[6] == protocol_;
  if (!ours) return reject_error("the MQTT client sent a CONNECT of another version");
  connect_seen_ = true;
  const std::size_t at = pass.size() + header.bytes + 8;
  pass.append(whole);
  pass[at] = static_cast<char>(keepalive_s_ >> 8);
  pass[at + 1] = static_cast<char>(keepalive_s_ & 0xff);
  return {};
}

std::optional<std::string> MqttOutbound::take_subscribe(std::uint16_t packet_id) {
  const auto found = subscribes_.find(packet_id);
  if (found == subscribes_.end()) return std::nullopt;
  std::optional<std::string> filter = std::move(found->second);
  subscribes_.erase(found);
  return filter;
}

void MqttOutbound::hold(ByteView whole, std::uint64_t tag, std::uint64_t frames) {
  held_.append(whole);
  held_frames_ += frames;
  if (!runs_.empty() && runs_.back().tag == tag) {
    runs_.back().bytes += whole.size();
    runs_.back().frames += frames;
  } else {
    runs_.push_back({tag, whole.size(), frames});
  }
}

void MqttOutbound::release(std::uint64_t durable, Bytes& out) {
  while (!runs_.empty() && runs_.front().tag <= durable) {
    const Run run = runs_.front();
    runs_.pop_front();
    out.append(held_, held_at_, run.bytes);
    held_at_ += run.bytes;
    held_frames_ -= run.frames;
    released_frames_ += run.frames;
  }
  if (runs_.empty()) {
    held_.clear();
    held_at_ = 0;
  } else if (held_at_ >= kCompactAt) {
    held_.erase(0, held_at_);
    held_at_ = 0;
  }
}

void MqttOutbound::add_disconnect(std::uint64_t handed_over) {
  if (disconnect_seen_) return;
  disconnect_seen_ = true;
  hold(ByteView("\xe0\0", 2), handed_over, 0);
}

void MqttOutbound::abandon(Bytes& out) {
  const bool disconnect_held = disconnect_seen_ && !runs_.empty();
  runs_.clear();
  held_.clear();
  held_at_ = 0;
  held_frames_ = 0;
  if (disconnect_held) out.append(ByteView("\xe0\0", 2));
}

}  // namespace sealring
