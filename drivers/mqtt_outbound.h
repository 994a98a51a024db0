// What the gate does to Paho's byte stream on its way to the broker: it holds the acknowledgements. No sockets, no
// threads, no clock.
//
// PUBACK, PUBREC, PUBCOMP and DISCONNECT wait, in order, each with a tag: how many messages had been handed over when
// its bytes were received. Paho calls back before it acknowledges, so the tag is never too small. Everything else
// passes at once, PINGREQ excepted: the pings are the gate's.
//
// But out of memory Paho has been seen to acknowledge a message that it never handed over. So each acknowledgement is
// also compared with what went to Paho under its packet id, and the first that comes too early ends the connection.
#pragma once

#include <deque>
#include <map>

#include "drivers/mqtt_wire.h"

namespace sealring {

class MqttInbound;

class MqttOutbound {
 public:
  // `keepalive_s` is put into CONNECT: Paho itself is told 0, for it does not know what is held.
  MqttOutbound(MqttInbound& inbound, int protocol, std::uint16_t keepalive_s)
      : inbound_(inbound), protocol_(protocol), keepalive_s_(keepalive_s) {}

  // A PUBLISH that wants an acknowledgement goes to Paho, as the `number`-th of all messages.
  void expect(std::uint16_t packet_id, std::uint64_t number) { expected_.push_back({packet_id, number}); }
  // Bytes from Paho, and `handed_over` as read after they were received. What passes is appended to `pass`.
  // reject: not the bytes of an MQTT client of ours, or an acknowledgement of what it has not handed over.
  Status feed(ByteView bytes, std::uint64_t handed_over, Bytes& pass);
  // Appends what may go, now that the messages up to `durable` are.
  void release(std::uint64_t durable, Bytes& out);
  // DISCONNECT behind all that is held, if Paho has not sent one.
  void add_disconnect(std::uint64_t handed_over);
  // Gives up what is held, but for DISCONNECT, which goes to `out` whatever its tag.
  void abandon(Bytes& out);

  std::uint64_t held() const { return held_frames_; }          // acknowledgements; without DISCONNECT
  std::uint64_t released() const { return released_frames_; }  // so far
  std::uint64_t next_tag() const { return runs_.empty() ? ~std::uint64_t{0} : runs_.front().tag; }
  bool disconnect_seen() const { return disconnect_seen_; }
  bool disconnect_sent() const { return disconnect_seen_ && runs_.empty(); }
  // The filter of a SUBSCRIBE that has passed, once: Paho does not tell which packet id it gave it.
  std::optional<std::string> take_subscribe(std::uint16_t packet_id);
  unsigned take_pingreqs() { return std::exchange(pingreqs_, 0u); }

 private:
  struct Run {  // neighbours with the same tag
    std::uint64_t tag;
    std::size_t bytes;
    std::uint64_t frames;
  };
  Status frame(const MqttFixedHeader& header, ByteView whole, std::uint64_t handed_over, Bytes& pass);
  Status connect(const MqttFixedHeader& header, ByteView whole, Bytes& pass);
  void hold(ByteView whole, std::uint64_t tag, std::uint64_t frames);
  Status check_handed_over(std::uint16_t packet_id, std::uint64_t handed_over);

  MqttInbound& inbound_;
  const int protocol_;
  const std::uint16_t keepalive_s_;
  Bytes partial_;  // a frame that has not arrived whole
  Bytes held_;
  std::size_t held_at_ = 0;  // released before here
  std::deque<Run> runs_;
  struct Expected {
    std::uint16_t packet_id;
    std::uint64_t number;
  };
  std::deque<Expected> expected_;  // at Paho and not acknowledged by it: few, it does so at once
  std::uint64_t held_frames_ = 0, released_frames_ = 0;
  std::map<std::uint16_t, std::string> subscribes_;
  unsigned pingreqs_ = 0;
  bool connect_seen_ = false, disconnect_seen_ = false;
};

}  // namespace sealring
