#include "drivers/ack_gate.h"

#include <poll.h>

#include <algorithm>

#include "drivers/system_error.h"

namespace sealring {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kBeginBytes = 8;  // enough to tell TLS from MQTT
// Towards Paho: large enough that neither thread waits for the other in full flow, small beside the sink's queue.
constexpr std::size_t kDownBytes = 128u << 10;
constexpr std::uint64_t kWindowBytes = 256u << 10;
constexpr std::uint64_t kWindowMessages = 2048;
constexpr std::uint64_t kAskSinkBytes = 16u << 10;  // it takes a lock
// Towards the broker: it takes acknowledgements as fast as it sends messages, or it is not reading at all.
constexpr std::size_t kUpBytes = 256u << 10;
constexpr milliseconds kLookAgain{100};          // while the sink is full, should a wake() be forgotten
constexpr milliseconds kLastFlush{500};          // for DISCONNECT, once it may go
constexpr std::size_t kKeepCapacity = 1u << 20;  // of a buffer that grew for one large message

int to_ms(std::chrono::steady_clock::duration d) {
  const auto ms = std::chrono::ceil<milliseconds>(d).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000));
}

}  // namespace

void AckGate::Buffer::consume(std::size_t n) {
  at += n;
  if (at < bytes.size()) return;
  at = 0;
  bytes.clear();
  if (bytes.capacity() > kKeepCapacity) bytes.shrink_to_fit();
}

AckGate::AckGate(const Config& config, const SourceSink& sink, Listener& listener, WakeEvent event)
    : config_(config),
      sink_(sink),
      listener_(listener),
      event_(std::move(event)),
      inbound_(config.protocol, config.limits),
      outbound_(inbound_, config.protocol, config.keepalive_s),
      keepalive_s_(config.keepalive_s) {
  in_.resize(kReadBytes + inbound_.max_step_bytes());
}

Result<std::unique_ptr<AckGate>> AckGate::open(const Config& config, std::unique_ptr<Upstream> broker,
                                               const SourceSink& sink, Listener& listener) {
  SEALRING_ASSIGN(auto event, WakeEvent::create());
  std::unique_ptr<AckGate> gate(new AckGate(config, sink, listener, std::move(event)));
  gate->upstream_ = std::move(broker);
  SEALRING_ASSIGN(gate->listening_, listen_loopback(gate->port_));
  gate->opened_ = gate->last_sent_ = gate->last_received_ = Clock::now();
  try {
    gate->thread_ = std::thread([g = gate.get()] { g->run(); });
  } catch (const std::system_error& e) {
    return retry_error(std::string("no thread for the gate: ") + e.what());
  }
  return gate;
}

void AckGate::close() {
  stop_ = true;
  event_.set();
  if (thread_.joinable()) thread_.join();
}

void AckGate::take_facts(std::deque<PublishFacts>& to) {
  const std::lock_guard lock(mutex_);
  std::move(facts_.begin(), facts_.end(), std::back_inserter(to));
  facts_.clear();
}

void AckGate::handed_over(std::uint64_t wire_bytes) {
  handed_bytes_ += wire_bytes;
  ++handed_;
  if (window_full_) signal();
}

void AckGate::release(std::uint64_t tag) {
  std::uint64_t old = durable_;
  while (old < tag && !durable_.compare_exchange_weak(old, tag)) {
  }
  if (old < tag) signal();
}

void AckGate::wake() {
  if (paused_) signal();
}

void AckGate::fail(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = std::move(reason);
  }
  stop_ = true;
  event_.set();
}

void AckGate::finish(Clock::time_point deadline) {
  {
    const std::lock_guard lock(mutex_);
    finish_deadline_ = deadline;
  }
  finishing_ = true;
  event_.set();
}

void AckGate::signal() {
  if (!signalled_.exchange(true)) event_.set();
}

void AckGate::run() {
  Status status;
  try {
    while (status.ok() && !closed_) status = turn();
  } catch (const std::exception& e) {  // out of memory
    status = retry_error(std::string("the gate failed: ") + e.what());
  }
  upstream_.reset();
  listening_.reset();
  paho_.reset();
  acks_held_ = 0;
  std::string reason = status.ok() ? "disconnected" : status.error().message;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) reason = failure_;
  }
  listener_.on_closed(reason);
}

Status AckGate::turn() {
  if (stop_) return retry_error("stopped");
  pass_releases();
  bool progress = true;
  while (progress) {
    progress = false;
    SEALRING_TRY(pass_inbound());
    SEALRING_TRY(flush(progress));
    progress = progress && more_to_pass_;
  }
  const Clock::time_point now = Clock::now();
  SEALRING_TRY(check_deadlines(now));
  SEALRING_TRY(check_taking(now));
  SEALRING_TRY(keep_alive(now));
  SEALRING_TRY(check_finish(now));
  return closed_ ? Status() : wait();
}

// Takes over what the broker sent, as far as the room towards Paho reaches.
Status AckGate::pass_inbound() {
  more_to_pass_ = blocked_ = false;
  if (finishing_) return {};
  bool room = true;
  ask_sink_ = true;
  while (in_at_ < in_end_) {
    more_to_pass_ = down_.size() + output_.forward.size() >= kDownBytes;
    if (more_to_pass_) break;
    const ByteView bytes = ByteView(in_).substr(in_at_, in_end_ - in_at_);
    if (inbound_.at_boundary() && MqttInbound::publish_next(bytes)) room = may_pass_publish();
    if (!room) break;
    auto used = inbound_.step(bytes, output_);
    if (!used.ok() && !connected_) return lost(used.error());
    if (!used.ok()) return std::move(used).error();
    if (*used == 0) break;
    in_at_ += *used;
    for (; counted_ < output_.facts.size(); ++counted_) {
      ++forwarded_;
      const PublishFacts& facts = output_.facts[counted_];
      forwarded_bytes_ += facts.wire_bytes;
      if (facts.item.qos > 0) outbound_.expect(facts.item.packet_id, forwarded_);
    }
  }
  blocked_ = more_to_pass_ || !room;
  compact_input();
  return pass_output();
}

void AckGate::compact_input() {
  if (in_at_ < in_end_ && in_.size() - in_end_ >= kReadBytes) return;
  std::memmove(in_.data(), in_.data() + in_at_, in_end_ - in_at_);
  in_end_ -= in_at_;
  in_at_ = 0;
}

// Each flag is raised before the condition is looked at again: whoever changes the condition after that sees the flag.
bool AckGate::may_pass_publish() {
  if (ask_sink_ || forwarded_bytes_ - sink_asked_at_ >= kAskSinkBytes) {
    if (sink_.full()) {
      paused_ = true;
      if (sink_.full()) return false;
    }
    ask_sink_ = false;
    sink_asked_at_ = forwarded_bytes_;
    if (paused_) paused_ = false;
  }
  const auto window_open = [this] {
    const std::uint64_t messages = forwarded_ - handed_;
    return messages == 0 || (messages < kWindowMessages && forwarded_bytes_ - handed_bytes_ < kWindowBytes);
  };
  if (!window_open()) {
    window_full_ = true;
    if (!window_open()) return false;
  }
  if (window_full_) window_full_ = false;
  return true;
}

// What was learnt from the broker's bytes, before they go to Paho.
Status AckGate::pass_output() {
  if (output_.connack) {
    connected_ = output_.connack->code == 0;
    if (output_.connack->server_keepalive_s) keepalive_s_ = *output_.connack->server_keepalive_s;
    listener_.on_connack(*output_.connack);
    if (!connected_) return retry_error(output_.connack->words + connack_advice(output_.connack->code));
    output_.connack.reset();
  }
  for (const MqttSuback& suback : output_.subacks)
    if (const auto filter = outbound_.take_subscribe(suback.packet_id)) listener_.on_suback(*filter, suback.codes[0]);
  output_.subacks.clear();
  if (output_.disconnect) return retry_error("the broker disconnected: " + *output_.disconnect);
  pings_out_ -= std::min(pings_out_, std::exchange(output_.pingresps, 0u));
  if (!output_.facts.empty()) {
    const std::lock_guard lock(mutex_);
    std::move(output_.facts.begin(), output_.facts.end(), std::back_inserter(facts_));
    output_.facts.clear();
    counted_ = 0;
  }
  down_.bytes.append(output_.forward);
  output_.forward.clear();
  // Paho asks for pings only if the broker changed its keep-alive time; they are answered here.
  if (inbound_.at_boundary())
    for (unsigned n = outbound_.take_pingreqs(); n > 0; --n) down_.bytes.append(ByteView("\xd0\0", 2));
  return {};
}

void AckGate::pass_releases() {
  outbound_.release(durable_, up_.bytes);
  acks_held_.store(outbound_.held(), std::memory_order_relaxed);
  acks_released_.store(outbound_.released(), std::memory_order_relaxed);
}

Status AckGate::flush(bool& progress) {
  if (up_.size() > 0) {
    auto sent = upstream_->write(up_.view());
    if (!sent.ok() && !connected_) return lost(sent.error());
    if (!sent.ok()) return std::move(sent).error().in("sending to the broker");
    if (sent->bytes > 0) last_sent_ = Clock::now();
    up_.consume(sent->bytes);
  }
  if (paho_gone_) down_.consume(down_.size());
  if (down_.size() > 0 && paho_) {
    auto sent = transmit(paho_.get(), down_.view());
    if (!sent.ok()) return std::move(sent).error().in("the MQTT client");
    progress = sent->bytes > 0;
    down_.consume(sent->bytes);
  }
  return {};
}

Status AckGate::keep_alive(Clock::time_point now) {
  if (keepalive_s_ == 0 || !connected_ || closing_) return {};
  if (now - last_sent_ >= ping_interval()) {
    to_broker(ByteView("\xc0\0", 2));
    if (pings_out_++ == 0) ping_since_ = now;
    last_sent_ = now;
    bool progress = false;
    SEALRING_TRY(flush(progress));
  }
  // Its answer may be behind a PUBLISH that we do not take: then silence says nothing.
  if (blocked_ || finishing_) ping_since_ = now;
  if (pings_out_ > 0 && now - std::max(ping_since_, last_received_) >= seconds(keepalive_s_))
    return retry_error("the broker does not answer pings");
  return {};
}

// Its callback only enqueues, so it takes what it is given at once, or not at all: out of memory, Paho's receiving
// thread has been seen to end without a word, with the connection open. A new client is the cure.
Status AckGate::check_taking(Clock::time_point now) {
  const std::uint64_t handed = handed_;
  if (handed != taken_ || handed == forwarded_ || finishing_) {
    taken_ = handed;
    taken_since_ = now;
    return {};
  }
  if (now - taken_since_ < config_.stall_timeout) return {};
  return retry_error("the MQTT client takes nothing any more");
}

Status AckGate::check_deadlines(Clock::time_point now) {
  if (connected_ || now - opened_ < config_.connect_timeout) return {};
  return retry_error(connect_sent_ ? "the broker does not answer CONNECT" : "the MQTT client did not come");
}

Status AckGate::check_finish(Clock::time_point now) {
  if (!finishing_) return {};
  Clock::time_point deadline;
  {
    const std::lock_guard lock(mutex_);
    deadline = finish_deadline_;
  }
  if (!connected_ || (closing_ ? now >= closing_since_ + kLastFlush : now >= deadline + kLastFlush)) {
    closed_ = true;
    return {};
  }
  if (!closing_) {
    if (!paho_) outbound_.add_disconnect(handed_);
    if (now >= deadline) {
      outbound_.add_disconnect(handed_);
      outbound_.abandon(up_.bytes);
    }
    pass_releases();
    bool progress = false;
    SEALRING_TRY(flush(progress));
    closing_ = outbound_.disconnect_sent() && up_.size() == 0;
    closing_since_ = now;
  }
  return {};
}

Status AckGate::wait() {
  const bool reading = closing_ || (!blocked_ && !finishing_);
  const bool pending = reading && upstream_->pending();
  short broker_events = 0;
  if (reading) broker_events |= POLLIN;
  if (up_.size() > 0) broker_events |= POLLOUT;
  if (paused_ && !finishing_) broker_events |= POLLRDHUP;  // not read for long, perhaps: but its end is noticed
  short paho_events = 0;
  if (!paho_ || up_.size() < kUpBytes) paho_events |= POLLIN;
  if (paho_ && down_.size() > 0) paho_events |= POLLOUT;
  pollfd fds[3] = {{event_.fd(), POLLIN, 0},
                   {upstream_->fd(), broker_events, 0},
                   {paho_ ? paho_.get() : listening_.get(), paho_events, 0}};
  const int n = poll(fds, 3, pending ? 0 : timeout_ms(Clock::now()));
  if (n < 0 && errno != EINTR) return retry_error("poll: " + errno_words(errno));
  if (n <= 0 && !pending) return {};
  if (fds[0].revents) {
    event_.clear();
    signalled_ = false;
  }
  if (fds[2].revents & ~POLLOUT) SEALRING_TRY(paho_ ? read_paho() : accept_paho());
  if (!pending && (fds[1].revents & ~POLLOUT) == 0) return {};
  return blocked_ && !closing_ ? Status(retry_error("the broker closed the connection")) : read_broker();
}

int AckGate::timeout_ms(Clock::time_point now) const {
  Clock::duration left = seconds(60);
  const auto at = [&](Clock::time_point when) { left = std::min(left, when - now); };
  if (!connected_) at(opened_ + config_.connect_timeout);
  if (connected_ && keepalive_s_ > 0) {
    at(last_sent_ + ping_interval());
    if (pings_out_ > 0) at(std::max(ping_since_, last_received_) + seconds(keepalive_s_));
  }
  if (taken_ != forwarded_) at(taken_since_ + config_.stall_timeout);
  if (paused_) at(now + kLookAgain);
  if (finishing_) at(now + kLookAgain);
  return to_ms(left);
}

Status AckGate::accept_paho() {
  paho_ = accept_own_peer(listening_.get());
  if (paho_) listening_.reset();
  return {};
}

Status AckGate::read_broker() {
  if (closing_) in_at_ = in_end_ = 0;  // nothing more is taken; read on so that the close is not a reset
  auto got = upstream_->read(in_.data() + in_end_, std::min(in_.size() - in_end_, kReadBytes));
  if (!got.ok() && closing_) {
    closed_ = true;
    return {};
  }
  if (!got.ok() && !connected_) return lost(got.error());
  if (!got.ok()) return std::move(got).error().in("the broker");
  if (got->bytes > 0) last_received_ = Clock::now();
  if (!connected_ && begin_.size() < kBeginBytes)
    begin_.append(in_, in_end_, std::min(got->bytes, kBeginBytes - begin_.size()));
  in_end_ += got->bytes;
  return {};
}

// Before CONNACK. A plain client at a port for TLS, for one, is just hung up on.
Error AckGate::lost(const Error& why) const {
  return retry_error("no answer to CONNECT: " + why.message + ": " + upstream_->advice(begin_));
}

Status AckGate::read_paho() {
  char bytes[16384];
  auto got = receive(paho_.get(), bytes, sizeof bytes);
  const std::uint64_t handed = handed_;  // after the bytes: Paho called back before it wrote them
  if (!got.ok() && finishing_) {
    paho_.reset();
    paho_gone_ = true;
    return {};
  }
  if (!got.ok()) return std::move(got).error().in("the MQTT client");
  if (got->bytes > 0) connect_sent_ = true;
  return outbound_.feed(ByteView(bytes, got->bytes), handed, up_.bytes);
}

}  // namespace sealring
