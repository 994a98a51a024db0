#include "drivers/mqtt_source.h"

#include <mqtt/async_client.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "drivers/ack_gate.h"
#include "drivers/mqtt_session.h"
#include "drivers/tcp_socket.h"

namespace sealring {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds kRetryMin{500};
constexpr milliseconds kRetryMax{30000};
constexpr seconds kGoodConnection{10};    // one that lasts so long starts the backoff anew
constexpr seconds kSubscribeTimeout{30};  // without a SUBACK and without a message
constexpr seconds kLeaveTimeout{2};       // for what is handed over to become durable
// "For ever" is 0xffffffff, but Paho C 1.3.12 writes four-byte numbers as signed ones and makes 255 of it: a session of
// four minutes. So 68 years.
constexpr std::int32_t kSessionForever = 0x7fffffff;

class Backoff {
 public:
  milliseconds next() {
    // Between half and all of the step: many gateways must not come back in the same moment.
    std::uniform_int_distribution<std::int64_t> jitter(step_.count() / 2, step_.count());
    const milliseconds wait(jitter(random_));
    step_ = std::min(step_ * 2, kRetryMax);
    return wait;
  }
  void reset() { step_ = kRetryMin; }

 private:
  milliseconds step_ = kRetryMin;
  std::mt19937 random_{std::random_device{}()};
};

struct Grant {  // of a SUBACK
  std::string filter;
  std::uint8_t code;
};

// How one connection went.
struct Outcome {
  bool connected = false;
  bool refused_protocol = false;   // in so many words
  bool closed_unanswered = false;  // before CONNACK: what some brokers do instead
  std::string reason;
  steady_clock::duration lasted{};
};

class PahoSource final : public MqttSource, private AckGate::Listener {
 public:
  PahoSource(Config config, SourceSink& sink, std::unique_ptr<BrokerConnector> connector)
      : config_(std::move(config)), sink_(sink), connector_(std::move(connector)), session_(config_) {}
  ~PahoSource() override { stop(); }
  Status ready() const { return stop_event_.ok() ? Status() : retry_error("no file descriptor left"); }

  Status start() override;
  void stop() override;
  void release(std::uint64_t connection, std::uint64_t tag) override;
  void wake() override;
  Stats stats() const override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void run();
  int next_protocol() const { return config_.protocol != 0 ? config_.protocol : only_311_ || try_311_ ? 4 : 5; }
  Outcome connection(int protocol);
  Outcome serve(mqtt::async_client& client, int protocol);
  void settle_protocol(const Outcome& outcome, int protocol);
  mqtt::connect_options connect_options(int protocol) const;
  void keep_subscribed(mqtt::async_client& client, int protocol);
  std::vector<Subscription> subscriptions_for(int protocol);
  using Asked = std::map<std::string, Subscription>;  // by filter: SUBSCRIBE sent, no SUBACK yet
  void subscribe(mqtt::async_client& client, int protocol, std::vector<Subscription>& wanted, Asked& asked);
  void take_grant(const Grant& grant, int protocol, Asked& asked, std::vector<Subscription>& wanted);
  void say_goodbye(mqtt::async_client& client, int protocol);
  std::shared_ptr<AckGate> gate() const;
  void tell_trouble(const std::string& reason);
  void tell_refused(const std::string& filter, const std::string& reason);
  void trouble_over();
  void tell_disconnected(const std::string& reason);

  void on_paho_connected();  // Paho's thread
  void on_message(const mqtt::const_message_ptr& message);
  const char* hand_over(const mqtt::message& message);
  void on_connack(const MqttConnack& connack) override;  // the gate's thread
  void on_suback(const std::string& filter, std::uint8_t code) override;
  void on_closed(const std::string& reason) override;

  const Config config_;
  SourceSink& sink_;
  WakeFd stop_event_;                                 // woken by stop()
  const std::unique_ptr<BrokerConnector> connector_;  // of run()'s thread
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Under mutex_.
  bool started_ = false, stopping_ = false;
  std::shared_ptr<AckGate> gate_;
  std::optional<MqttConnack> connack_;  // of the connection under way
  std::vector<Grant> grants_;
  bool paho_connected_ = false;  // it has seen the CONNACK, too: now it takes SUBSCRIBE
  std::optional<std::string> closed_;
  std::string last_trouble_;
  std::uint64_t connections_ = 0;
  std::uint64_t acks_released_before_ = 0;  // on earlier connections

  // Of run()'s thread only.
  Backoff backoff_;
  bool only_311_ = false, try_311_ = false, told_lowered_ = false;
  std::map<std::string, std::string> refused_;  // filter: why, as told
  MqttSession session_;
  bool had_subscriptions_ = false;  // the session, if it is still there

  // Of Paho's callback, and of run()'s thread while there is no client.
  AckGate* paho_gate_ = nullptr;
  std::deque<PublishFacts> facts_;
  std::uint64_t handed_over_ = 0;
  bool broken_ = false;

  std::atomic<int> protocol_{0};
  std::atomic<std::uint64_t> current_{0}, messages_{0};
  std::atomic<bool> connected_{false};
};

Status PahoSource::start() {
  const Lock lock(mutex_);
  if (started_) return reject_error("the MQTT source was started before");
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& e) {
    return retry_error(std::string("no thread for the MQTT source: ") + e.what());
  }
  started_ = true;
  return {};
}

void PahoSource::stop() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  stop_event_.wake();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<AckGate> PahoSource::gate() const {
  const Lock lock(mutex_);
  return gate_;
}

void PahoSource::release(std::uint64_t connection, std::uint64_t tag) {
  const std::shared_ptr<AckGate> g = gate();
  if (g && connection == current_) g->release(tag);
}

void PahoSource::wake() {
  if (const std::shared_ptr<AckGate> g = gate()) g->wake();
}

MqttSource::Stats PahoSource::stats() const {
  const Lock lock(mutex_);
  Stats out;
  out.connected = connected_;
  out.connections = connections_;
  out.messages = messages_;
  out.acks_held = gate_ ? gate_->acks_held() : 0;
  out.acks_released = acks_released_before_ + (gate_ ? gate_->acks_released() : 0);
  out.last_trouble = last_trouble_;
  return out;
}

void PahoSource::tell_trouble(const std::string& reason) {
  {
    const Lock lock(mutex_);
    if (last_trouble_ == reason) return;
    last_trouble_ = reason;
  }
  SourceItem item;
  item.type = SourceItem::Type::trouble;
  item.reason = reason;
  sink_.put(std::move(item));
}

// Of one filter, once, however often it is tried.
void PahoSource::tell_refused(const std::string& filter, const std::string& reason) {
  std::string& told = refused_[filter];
  if (std::exchange(told, reason) != reason) return tell_trouble(reason);
  const Lock lock(mutex_);
  last_trouble_ = reason;
}

void PahoSource::trouble_over() {
  const Lock lock(mutex_);
  last_trouble_.clear();
}

void PahoSource::tell_disconnected(const std::string& reason) {
  SourceItem item;
  item.type = SourceItem::Type::disconnected;
  item.connection = current_;
  item.reason = reason;
  sink_.put(std::move(item));
}

// The thread that makes one connection after the other.
void PahoSource::run() {
  for (;;) {
    const int protocol = next_protocol();
    const Outcome outcome = connection(protocol);
    Lock lock(mutex_);
    if (stopping_) return;
    lock.unlock();
    if (!outcome.connected) tell_trouble(outcome.reason);
    if (outcome.lasted >= kGoodConnection) backoff_.reset();
    const bool was_311 = next_protocol() == 4;
    settle_protocol(outcome, protocol);
    if (!was_311 && next_protocol() == 4) continue;  // the fallback is tried at once
    lock.lock();
    if (changed_.wait_for(lock, backoff_.next(), [this] { return stopping_; })) return;
  }
}

// A broker that refuses MQTT 5 in words is taken at its word. One that just hangs up may only be restarting: 3.1.1 is
// tried once, and MQTT 5 again at the next connection.
void PahoSource::settle_protocol(const Outcome& outcome, int protocol) {
  if (config_.protocol != 0) return;
  if (protocol == 5 && outcome.refused_protocol) only_311_ = true;
  try_311_ = protocol == 5 && outcome.closed_unanswered;
}

Outcome PahoSource::connection(int protocol) {
  const std::string where = config_.host + ":" + std::to_string(config_.port);
  Outcome outcome;
  {
    const Lock lock(mutex_);
    connack_.reset();
    paho_connected_ = false;
    grants_.clear();
    closed_.reset();
    current_ = connections_ + 1;
  }
  facts_.clear();
  handed_over_ = 0;
  broken_ = false;
  protocol_ = protocol;
  AckGate::Config config;
  config.protocol = protocol;
  config.keepalive_s = config_.keepalive_s;
  config.limits = {config_.max_payload_bytes, config_.max_header_bytes};
  auto broker = connector_->connect(config.connect_timeout, stop_event_);
  if (!broker.ok()) {
    outcome.reason = "no connection to the broker " + where + ": " + broker.error().message;
    return outcome;
  }
  auto opened = AckGate::open(config, std::move(*broker), sink_, *this);
  if (!opened.ok()) {
    outcome.reason = "no connection to the broker " + where + ": " + opened.error().message;
    return outcome;
  }
  had_subscriptions_ = session_.connecting();
  std::shared_ptr<AckGate> g = std::move(*opened);
  {
    const Lock lock(mutex_);
    gate_ = g;
  }
  paho_gate_ = g.get();
  const auto since = steady_clock::now();
  try {
    // No persistence, no automatic reconnect, and a client of its own for this connection: all its state dies with it.
    mqtt::async_client client("tcp://127.0.0.1:" + std::to_string(g->port()), config_.client_id,
                              mqtt::create_options(protocol));
    client.set_connected_handler([this](const std::string&) { on_paho_connected(); });
    client.set_message_callback([this](const mqtt::const_message_ptr& message) { on_message(message); });
    client.connect(connect_options(protocol));
    outcome = serve(client, protocol);
  } catch (const std::exception& e) {
    outcome.connected = connected_;
    outcome.reason = std::string("MQTT client: ") + e.what();
  }
  {
    const Lock lock(mutex_);
    gate_.reset();
    acks_released_before_ += g->acks_released();
  }
  g->close();  // a release() under way may own it a little longer
  connected_ = false;
  outcome.lasted = steady_clock::now() - since;
  if (outcome.connected) tell_disconnected(outcome.reason);
  if (!outcome.connected) outcome.reason = "broker " + where + ": " + outcome.reason;
  return outcome;
}

mqtt::connect_options PahoSource::connect_options(int protocol) const {
  mqtt::connect_options options;
  options.set_mqtt_version(protocol);
  options.set_keep_alive_interval(0);  // the gate keeps the connection alive
  options.set_automatic_reconnect(false);
  if (protocol == 5) {
    options.set_clean_start(false);
    options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, kSessionForever},
                            {mqtt::property::RECEIVE_MAXIMUM, static_cast<std::int32_t>(config_.receive_maximum)}});
  } else {
    options.set_clean_session(false);
  }
  if (!config_.username.empty()) options.set_user_name(config_.username);
  if (!config_.password.empty()) options.set_password(config_.password);
  return options;
}

// From CONNECT to the end of the connection.
Outcome PahoSource::serve(mqtt::async_client& client, int protocol) {
  {
    Lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || closed_ || paho_connected_; });
  }
  keep_subscribed(client, protocol);
  say_goodbye(client, protocol);
  const Lock lock(mutex_);
  Outcome outcome;
  outcome.connected = connected_;
  outcome.refused_protocol = connack_ && connack_->refuses_protocol;
  outcome.closed_unanswered = !connack_;
  outcome.reason = stopping_ ? "stopping" : closed_.value_or("closed");
  return outcome;
}

// DISCONNECT leaves behind the acknowledgements, when what was handed over is durable, or after kLeaveTimeout without
// them. Nothing to do when the connection is closed already.
void PahoSource::say_goodbye(mqtt::async_client& client, int protocol) {
  {
    const Lock lock(mutex_);
    if (closed_) return session_.broke();
  }
  paho_gate_->finish(steady_clock::now() + kLeaveTimeout);
  try {
    client.disconnect(0);
  } catch (const std::exception&) {  // not connected: the gate says it
  }
  Lock lock(mutex_);
  changed_.wait_for(lock, 2 * kLeaveTimeout, [this] { return closed_.has_value(); });
  lock.unlock();
  if (protocol == 4) session_.ended();
}

// Subscribes, and again to what was refused, until the connection ends or stop().
void PahoSource::keep_subscribed(mqtt::async_client& client, int protocol) {
  std::vector<Subscription> wanted = subscriptions_for(protocol);
  if (wanted.empty()) trouble_over();
  Asked asked;
  Backoff backoff;
  auto when = steady_clock::now();
  std::uint64_t messages = 0;
  Lock lock(mutex_);
  while (!stopping_ && !closed_) {
    const auto now = steady_clock::now();
    if (!grants_.empty() && !asked.empty()) {
      const std::vector<Grant> grants = std::exchange(grants_, {});
      lock.unlock();
      for (const Grant& grant : grants) take_grant(grant, protocol, asked, wanted);
      if (asked.empty()) when = now + backoff.next();
      if (asked.empty() && wanted.empty()) {
        session_.subscribed();
        trouble_over();
      }
      lock.lock();
    } else if (asked.empty() && !wanted.empty() && now >= when) {
      lock.unlock();
      subscribe(client, protocol, wanted, asked);
      when = now + (asked.empty() ? backoff.next() : milliseconds(kSubscribeTimeout));
      messages = messages_;
      lock.lock();
    } else if (!asked.empty() && now >= when) {
      if (messages == messages_ && !gate_->waiting_for_room()) gate_->fail("the broker does not answer SUBSCRIBE");
      messages = messages_;
      when = now + kSubscribeTimeout;
    } else if (asked.empty() && wanted.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, when);
    }
  }
}

// On MQTT 5 the broker leaves a subscription that it has alone (Retain Handling 1). On 3.1.1 each SUBSCRIBE brings the
// retained messages again: see mqtt_session.h.
std::vector<Subscription> PahoSource::subscriptions_for(int protocol) {
  std::vector<Subscription> out = config_.subscriptions;
  if (protocol == 5) return out;
  {
    const Lock lock(mutex_);
    if (!connack_ || (connack_->session_present && had_subscriptions_))
      out.erase(std::remove_if(out.begin(), out.end(), [](const auto& s) { return !s.retained_always; }), out.end());
    if (connack_ && connack_->session_present && had_subscriptions_) session_.resumed();
  }
  std::string lowered;
  for (Subscription& s : out) {
    if (s.qos < 2) continue;
    s.qos = 1;
    lowered += (lowered.empty() ? "" : ", ") + quoted(s.filter);
  }
  if (!lowered.empty() && !std::exchange(told_lowered_, true))
    tell_trouble("subscribed with QoS 1 instead of 2, because the broker speaks MQTT 3.1.1: " + lowered);
  return out;
}

// One SUBSCRIBE for each filter: Paho C++ 1.2.0 leaves out the options, or crashes, when it is given several.
// What could not be sent stays in `wanted`.
void PahoSource::subscribe(mqtt::async_client& client, int protocol, std::vector<Subscription>& wanted, Asked& asked) {
  mqtt::subscribe_options options;
  try {
    while (!wanted.empty()) {
      if (protocol == 5)
        options.set_retain_handling(wanted.back().retained_always ? mqtt::subscribe_options::SEND_RETAINED_ON_SUBSCRIBE
                                                                  : mqtt::subscribe_options::SEND_RETAINED_ON_NEW);
      client.subscribe(wanted.back().filter, wanted.back().qos, options);
      asked.emplace(wanted.back().filter, wanted.back());
      wanted.pop_back();
    }
  } catch (const std::exception& e) {
    tell_trouble(std::string("cannot subscribe: ") + e.what());
  }
}

// Moves the subscription that is answered out of `asked`, back to `wanted` when it is refused.
void PahoSource::take_grant(const Grant& grant, int protocol, Asked& asked, std::vector<Subscription>& wanted) {
  const auto found = asked.find(grant.filter);
  if (found == asked.end()) return;
  const Subscription subscription = found->second;
  const int qos = subscription.qos;
  asked.erase(found);
  if (grant.code == qos) {
    refused_.erase(grant.filter);
    return;
  }
  if (grant.code >= 0x80) {
    if (!subscription.retained_always) wanted.push_back(subscription);
    tell_refused(grant.filter, "the broker refuses the subscription to " + quoted(grant.filter) +
                                   (protocol == 5 ? ": " + reason_words(grant.code) : ""));
  } else {
    tell_refused(grant.filter, "the broker grants QoS " + std::to_string(grant.code) + " instead of " +
                                   std::to_string(qos) + " for " + quoted(grant.filter));
  }
}

void PahoSource::on_paho_connected() {
  {
    const Lock lock(mutex_);
    paho_connected_ = true;
  }
  changed_.notify_all();
}

void PahoSource::on_message(const mqtt::const_message_ptr& message) {
  if (broken_) return;
  const char* why = "the MQTT client's callback failed";
  try {
    why = hand_over(*message);
  } catch (...) {  // out of memory; nothing may leave a callback of Paho's
  }
  if (!why) return;
  broken_ = true;
  paho_gate_->fail(why);
}

// Pairs the message with the facts that the gate read off the wire. Null, or why they do not belong together: a defect
// of ours or of Paho's. Nothing is acknowledged then; the broker will send it again.
const char* PahoSource::hand_over(const mqtt::message& message) {
  if (facts_.empty()) paho_gate_->take_facts(facts_);
  if (facts_.empty()) return "the MQTT client delivered a message that the broker has not sent";
  PublishFacts facts = std::move(facts_.front());
  facts_.pop_front();
  SourceItem& item = facts.item;
  const bool is_message = item.type == SourceItem::Type::message;
  const std::string& payload = message.get_payload();
  if (payload.size() != (is_message ? item.payload_bytes : 0) || message.is_retained() != item.retain ||
      (facts.topic_known_to_paho && message.get_topic() != item.topic))
    return "the MQTT client delivered another message than the broker sent";
  if (is_message) item.payload = payload;
  item.connection = current_;
  item.tag = ++handed_over_;
  sink_.put(std::move(item));
  ++messages_;
  paho_gate_->handed_over(facts);  // after put(): from here on it may be acknowledged
  return nullptr;
}

void PahoSource::on_connack(const MqttConnack& connack) {
  {
    const Lock lock(mutex_);
    connack_ = connack;
    if (connack.code == 0) ++connections_;
  }
  if (connack.code == 0) {
    connected_ = true;
    SourceItem item;
    item.type = SourceItem::Type::connected;
    item.connection = current_;
    item.session_present = connack.session_present;
    item.protocol = protocol_;
    sink_.put(std::move(item));
  }
  changed_.notify_all();
}

void PahoSource::on_suback(const std::string& filter, std::uint8_t code) {
  {
    const Lock lock(mutex_);
    grants_.push_back({filter, code});
  }
  changed_.notify_all();
}

void PahoSource::on_closed(const std::string& reason) {
  {
    const Lock lock(mutex_);
    closed_ = reason;
  }
  changed_.notify_all();
}

bool plain(const std::string& text) { return text.find('\0') == std::string::npos && text.size() <= 65535; }

Status check(const MqttSource::Config& config) {
  if (config.host.empty()) return reject_error("the broker's host is empty");
  if (config.client_id.empty()) return reject_error("the client id is empty: it names the session at the broker");
  if (!plain(config.host) || !plain(config.client_id) || !plain(config.username) || config.password.size() > 65535)
    return reject_error("host, client id, user name or password is too long or has a NUL in it");
  if (config.protocol != 0 && config.protocol != 4 && config.protocol != 5)
    return reject_error("protocol must be 5, 4 (3.1.1) or 0");
  if (config.receive_maximum == 0) return reject_error("receive_maximum must not be 0");
  if (config.subscriptions.empty()) return reject_error("no subscriptions");
  std::set<std::string> filters;
  for (const Subscription& s : config.subscriptions) {
    if (!filters.insert(s.filter).second) return reject_error("topic filter " + quoted(s.filter) + " is there twice");
    if (s.filter.empty() || !plain(s.filter)) return reject_error("bad topic filter " + quoted(s.filter));
    if (s.qos < 0 || s.qos > 2) return reject_error("QoS of " + quoted(s.filter) + " must be 0, 1 or 2");
  }
  return {};
}

}  // namespace

std::size_t SourceItem::memory_bytes() const {
  std::size_t bytes = sizeof *this + topic.capacity() + payload.capacity() + reason.capacity();
  for (const ReceivedProperty& p : properties) bytes += sizeof p + p.a.capacity() + p.b.capacity();
  return bytes;
}

Result<std::unique_ptr<MqttSource>> MqttSource::create(Config config, SourceSink& sink) {
  SEALRING_TRY(check(config));
  // With one of these set, even empty, Paho goes to the proxy instead of to the gate.
  for (const char* name : {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
    (void)unsetenv(name);
  SEALRING_ASSIGN(auto connector, BrokerConnector::create(config.host, config.port, config.tls));
  auto source = std::make_unique<PahoSource>(std::move(config), sink, std::move(connector));
  SEALRING_TRY(source->ready());
  return std::unique_ptr<MqttSource>(std::move(source));
}

}  // namespace sealring
