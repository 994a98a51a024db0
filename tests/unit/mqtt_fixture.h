// For the MQTT tests: a sink that collects, a broker played by the test over a real socket, a real Mosquitto, and a
// publisher of few bytes. Everything on 127.0.0.1; every wait has a deadline.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "drivers/mqtt_sockets.h"
#include "drivers/mqtt_source.h"
#include "drivers/mqtt_wire.h"

namespace sealring::test {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{20};  // a deadline, never a measure

// ---- packets ----

inline Bytes with_length(Bytes body) {
  Bytes out;
  put_u16(out, static_cast<std::uint16_t>(body.size()));
  return out + body;
}

inline Bytes packet(int type, int flags, const Bytes& body) {
  Bytes out;
  put_u8(out, static_cast<std::uint8_t>(type << 4 | flags));
  put_varint(out, static_cast<std::uint32_t>(body.size()));
  return out + body;
}

inline Bytes u16(std::uint16_t v) {
  Bytes out;
  put_u16(out, v);
  return out;
}

struct Pub {
  Bytes topic, payload;
  int qos = 1;
  std::uint16_t id = 1;
  bool retain = false, dup = false;
  Bytes properties{};
};
inline Bytes publish_packet(const Pub& p, int protocol = 5) {
  Bytes body = with_length(p.topic);
  if (p.qos > 0) body += u16(p.id);
  if (protocol == 5) {
    put_varint(body, static_cast<std::uint32_t>(p.properties.size()));
    body += p.properties;
  }
  return packet(3, (p.dup ? 8 : 0) | p.qos << 1 | (p.retain ? 1 : 0), body + p.payload);
}

inline Bytes ack_packet(MqttPacket type, std::uint16_t id) {
  return packet(static_cast<int>(type), type == MqttPacket::pubrel ? 2 : 0, u16(id));
}

inline Bytes connect_packet(const Bytes& client_id, int protocol, bool clean = true, Bytes properties = {}) {
  Bytes body = with_length("MQTT");
  put_u8(body, static_cast<std::uint8_t>(protocol));
  put_u8(body, clean ? 2 : 0);
  body += u16(60);
  if (protocol == 5) {
    put_varint(body, static_cast<std::uint32_t>(properties.size()));
    body += properties;
  }
  return packet(1, 0, body + with_length(client_id));
}

inline Bytes connack_packet(bool session, std::uint8_t code, int protocol = 5, const Bytes& properties = {}) {
  Bytes body;
  put_u8(body, session ? 1 : 0);
  put_u8(body, code);
  if (protocol == 5) {
    put_varint(body, static_cast<std::uint32_t>(properties.size()));
    body += properties;
  }
  return packet(2, 0, body);
}

// ---- the sink ----

class CollectingSink final : public SourceSink {
 public:
  using Type = SourceItem::Type;
  void put(SourceItem&& item) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_; });
    items_.push_back(std::move(item));
    changed_.notify_all();
  }
  bool full() const override { return full_; }
  void set_full(bool full) { full_ = full; }
  void hold(bool held) {  // a put() waits: which no real sink does, but a slow Paho looks like it
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }

  using Items = std::vector<SourceItem>;
  Items items() const {
    const std::lock_guard lock(mutex_);
    return items_;
  }
  Items of(Type type) const {
    Items out;
    for (SourceItem& item : items())
      if (item.type == type) out.push_back(std::move(item));
    return out;
  }
  // Messages and rejected messages, in order.
  Items publishes() const {
    Items out;
    for (SourceItem& item : items())
      if (item.type == Type::message || item.type == Type::rejected) out.push_back(std::move(item));
    return out;
  }
  bool wait_for(const std::function<bool(const Items&)>& condition, steady_clock::duration patience = kPatience) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return condition(items_); });
  }
  bool wait_count(Type type, std::size_t n) const {
    return wait_for([&](const Items& items) {
      std::size_t have = 0;
      for (const SourceItem& item : items) have += item.type == type;
      return have >= n;
    });
  }
  bool wait_publishes(std::size_t n) const {
    return wait_for([&](const Items& items) {
      std::size_t have = 0;
      for (const SourceItem& item : items) have += item.type == Type::message || item.type == Type::rejected;
      return have >= n;
    });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Items items_;
  std::atomic<bool> full_{false};
  bool held_ = false;
};

// Polls a condition that nobody announces.
inline bool eventually(const std::function<bool()>& condition, steady_clock::duration patience = kPatience) {
  const auto deadline = steady_clock::now() + patience;
  while (!condition()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::yield();
    (void)::poll(nullptr, 0, 2);
  }
  return true;
}

// ---- sockets ----

class Peer {  // one end of a TCP connection that speaks MQTT packets
 public:
  explicit Peer(UniqueFd fd) : fd_(std::move(fd)) {}
  static Peer connect(std::uint16_t port) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fd.reset();
    return Peer(std::move(fd));
  }
  bool valid() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  // What does not fit into the socket's buffer within the deadline is not sent: false.
  bool send(ByteView bytes) {
    const auto deadline = steady_clock::now() + kPatience;
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (steady_clock::now() > deadline) return false;
      pollfd p{fd_.get(), POLLOUT, 0};
      if (!bytes.empty()) (void)poll(&p, 1, 100);
    }
    return true;
  }
  // The next packet, whole; empty at the end of the stream or after `patience`.
  Bytes read(steady_clock::duration patience = kPatience) {
    const auto deadline = steady_clock::now() + patience;
    for (;;) {
      MqttFixedHeader header;
      if (read_fixed_header(in_, header) == WireState::complete && in_.size() >= header.bytes + header.remaining) {
        Bytes out = in_.substr(0, header.bytes + header.remaining);
        in_.erase(0, out.size());
        return out;
      }
      if (!fill(deadline)) return {};
    }
  }
  bool closed_by_peer(steady_clock::duration patience = kPatience) {
    const auto deadline = steady_clock::now() + patience;
    while (fill(deadline)) {
    }
    return eof_;
  }
  // Nothing comes within `quiet`; for what must not happen, so a short time is only less strict, never wrong.
  bool silent(milliseconds quiet = milliseconds(150)) {
    return in_.empty() && !fill(steady_clock::now() + quiet) && !eof_;
  }

 private:
  bool fill(steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    pollfd p{fd_.get(), POLLIN, 0};
    if (left < 0 || poll(&p, 1, static_cast<int>(left)) <= 0) return false;
    char buffer[65536];
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n <= 0) {
      eof_ = true;
      return false;
    }
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  UniqueFd fd_;
  Bytes in_;
  bool eof_ = false;
};

class FakeBroker {
 public:
  FakeBroker() {
    auto fd = listen_loopback(port_);
    REQUIRE(fd.ok());
    listener_ = std::move(*fd);
  }
  std::uint16_t port() const { return port_; }
  Peer accept(steady_clock::duration patience = kPatience) {
    pollfd p{listener_.get(), POLLIN, 0};
    const auto ms = std::chrono::duration_cast<milliseconds>(patience).count();
    if (poll(&p, 1, static_cast<int>(ms)) <= 0) return Peer(UniqueFd());
    return Peer(UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  // Accepts, reads CONNECT, accepts it, and grants SUBSCRIBE.
  Peer serve(bool session = false, int protocol = 5) {
    Peer peer = accept();
    REQUIRE(peer.valid());
    connect = peer.read();
    REQUIRE(!connect.empty());
    REQUIRE(peer.send(connack_packet(session, 0, protocol)));
    subscribe = peer.read();
    REQUIRE(subscribe.size() > 4);
    REQUIRE(static_cast<std::uint8_t>(subscribe[0]) == 0x82);
    REQUIRE(peer.send(suback(subscribe, protocol, granted)));
    return peer;
  }
  static Bytes suback(const Bytes& subscribe, int protocol, const Bytes& codes) {
    MqttFixedHeader header;
    REQUIRE(read_fixed_header(subscribe, header) == WireState::complete);
    Bytes body = subscribe.substr(header.bytes, 2);
    if (protocol == 5) put_u8(body, 0);
    return packet(9, 0, body + codes);
  }
  Bytes connect, subscribe;  // as received
  Bytes granted = "\1";

 private:
  UniqueFd listener_;
  std::uint16_t port_ = 0;
};

// ---- processes ----

inline pid_t spawn(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nothing behind
  (void)!freopen("/dev/null", "r", stdin);
  execvp(argv[0], argv.data());
  _exit(127);
}

inline int run(const std::vector<std::string>& command) {
  const pid_t pid = spawn(command);
  int status = -1;
  if (pid > 0) waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class Mosquitto {
 public:
  explicit Mosquitto(std::string more_config = {}) : more_(std::move(more_config)) {
    char name[] = "/tmp/sealring-mosquitto-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    dir_ = name;
    UniqueFd taken;
    auto fd = listen_loopback(port_);
    REQUIRE(fd.ok());
    *fd = UniqueFd();
    start();
  }
  ~Mosquitto() {
    stop(SIGKILL);
    std::remove((dir_ + "/conf").c_str());
    std::remove((dir_ + "/acl").c_str());
    std::remove((dir_ + "/passwords").c_str());
    std::remove((dir_ + "/mosquitto.db").c_str());
    rmdir(dir_.c_str());
  }
  std::uint16_t port() const { return port_; }
  const std::string& dir() const { return dir_; }
  void start() {
    std::ofstream(dir_ + "/conf") << "listener " << port_ << " 127.0.0.1\n"
                                  << "log_type none\nmax_queued_messages 0\n"
                                  << (more_.find("allow_anonymous") == std::string::npos ? "allow_anonymous true\n"
                                                                                         : "")
                                  << more_;
    pid_ = spawn({"/usr/sbin/mosquitto", "-c", dir_ + "/conf"});
    REQUIRE(pid_ > 0);
    REQUIRE(eventually([&] { return Peer::connect(port_).valid(); }));
  }
  void stop(int signal = SIGTERM) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  std::string dir_, more_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// Publishes with raw packets and waits for the broker's last acknowledgement of each.
class Publisher {
 public:
  explicit Publisher(std::uint16_t port, int protocol = 5) : peer_(Peer::connect(port)), protocol_(protocol) {
    REQUIRE(peer_.send(connect_packet("publisher", protocol)));
    const Bytes connack = peer_.read();
    REQUIRE(connack.size() >= 4);
    REQUIRE(connack[3] == 0);
  }
  void publish(Pub p) {
    if (p.qos > 0) p.id = ++id_;
    REQUIRE(peer_.send(publish_packet(p, protocol_)));
    if (p.qos == 1) REQUIRE(static_cast<std::uint8_t>(peer_.read()[0]) == 0x40);
    if (p.qos == 2) {
      REQUIRE(static_cast<std::uint8_t>(peer_.read()[0]) == 0x50);
      REQUIRE(peer_.send(ack_packet(MqttPacket::pubrel, p.id)));
      REQUIRE(static_cast<std::uint8_t>(peer_.read()[0]) == 0x70);
    }
  }
  void publish(const Bytes& topic, const Bytes& payload, int qos = 1) { publish(Pub{topic, payload, qos}); }

 private:
  Peer peer_;
  const int protocol_;
  std::uint16_t id_ = 0;
};

// ---- the source ----

inline MqttSource::Config source_config(std::uint16_t port, int qos = 1, int protocol = 0) {
  MqttSource::Config config;
  config.port = port;
  config.client_id = "sealring-test";
  config.protocol = protocol;
  config.keepalive_s = 300;  // so that no ping wakes the gate where something else should have
  config.subscriptions = {{"#", qos}};
  return config;
}

struct RunningSource {
  RunningSource(const MqttSource::Config& config, CollectingSink& sink) {
    auto created = MqttSource::create(config, sink);
    REQUIRE(created.ok());
    source = std::move(*created);
    REQUIRE(source->start().ok());
  }
  MqttSource* operator->() { return source.get(); }
  std::unique_ptr<MqttSource> source;
};

}  // namespace sealring::test
