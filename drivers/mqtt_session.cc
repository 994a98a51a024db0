#include "drivers/mqtt_session.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "crypto/sha256.h"
#include "drivers/file.h"

namespace sealring {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::hours kBrokerSaves{1};

void add(Bytes& text, ByteView field) {
  put_u64(text, field.size());
  text += field;
}

}  // namespace

MqttSession::MqttSession(const MqttSource::Config& config) {
  Bytes text;
  add(text, config.host);
  put_u16(text, config.port);
  add(text, config.client_id);
  if (!config.state_folder.empty())
    file_ = config.state_folder + "/subscribed-" + hex(view(sha256(text))).substr(0, 16);
  std::vector<Subscription> sorted = config.subscriptions;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.filter < b.filter; });
  for (const Subscription& subscription : sorted) {
    if (subscription.retained_always) continue;  // sent at each connection
    add(text, subscription.filter);
    put_u8(text, static_cast<std::uint8_t>(subscription.qos));
  }
  content_ = hex(view(sha256(text))) + "\n";
}

bool MqttSession::connecting() {
  const bool was = std::exchange(subscribed_, false);
  if (file_.empty() || std::exchange(looked_, true)) return was;
  const auto content = read_file(file_, 4096);
  if (!content && content.error().kind == ErrorKind::missing) return false;
  const std::string folder = file_.substr(0, file_.rfind('/'));
  if (unlink(file_.c_str()) != 0 || !sync_directory(folder).ok()) return false;
  since_ = steady_clock::now();
  return content && *content == content_;
}

void MqttSession::subscribed() {
  subscribed_ = true;
  since_ = steady_clock::now();
}

void MqttSession::broke() {
  if (steady_clock::now() - since_ < kBrokerSaves) subscribed_ = false;
}

void MqttSession::ended() {
  if (subscribed_ && !file_.empty()) (void)replace_file(file_, content_, 0600);  // without it we subscribe again
}

}  // namespace sealring
