// One gateway, one broker and one collector in a single process, with threads, clock, network and kills of a seed's
// making (fake_threads.h). Recorder, ring, forwarder and collector are the real ones; the broker is a model that keeps
// its session, and the network hands requests to the collector without a socket.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "collector/service.h"
#include "gateway/epoch_key.h"
#include "gateway/recorder.h"
#include "gateway/uplink.h"
#include "tests/torture/fake_threads.h"

namespace sealring::sim {

// Says it, with the seed's moment, and ends the process with 1: whoever waits for the seed sees it.
[[noreturn]] void fail(const std::string& words);

class SimClock final : public Clock {
 public:
  ClockReading now() const override;
};

// The identity key, and all that it has ever signed, over all lives: no size with two roots.
class WatchedIdentity final : public Signer {
 public:
  explicit WatchedIdentity(SoftwareSigner& key) : key_(key) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  Result<Signature> sign(ByteView message) override;

 private:
  SoftwareSigner& key_;
  static std::map<std::uint64_t, Hash>& signed_roots();
};

// What was published, and how far the gateway has it. QoS 1, one session that is never lost.
class Broker {
 public:
  struct Sent {
    std::uint16_t packet_id = 0;
    std::string payload;
    std::uint64_t tag = 0;  // in the present connection; 0: not sent in it yet
    bool again = false;     // sent in an earlier connection
  };
  void publish(std::string payload);
  void connect(RecordQueue& queue);
  void disconnect();        // acknowledgements on their way are lost
  [[noreturn]] void run();  // takes acknowledgements, sends what the window and the queue allow
  void released(std::uint64_t connection, std::uint64_t tag);
  bool connected() const { return queue_ != nullptr; }
  bool idle() const { return waiting_.empty() && under_way_.empty(); }
  const std::map<std::string, std::size_t>& published() const { return published_; }

 private:
  bool has_something_to_do() const;
  void pump();
  static constexpr std::size_t kWindow = 64;
  std::map<std::string, std::size_t> published_;  // payload -> how often
  std::deque<std::string> waiting_;
  std::deque<Sent> under_way_;
  RecordQueue* queue_ = nullptr;
  std::uint64_t connection_ = 0, tag_ = 0, acknowledged_ = 0;
  std::uint16_t next_id_ = 1;
  bool began_ = false;
};

class World {
 public:
  // `image`: a folder with a new store, which is copied; `genesis`: the leaf hash of its entry 0. All is below
  // `folder`.
  World(const std::string& image, std::string folder, SoftwareSigner& identity, const Hash& genesis);
  void start_gateway();
  void stop_gateway();  // in order, as on SIGTERM
  void kill_gateway();  // its store is what its files are at this moment
  void start_collector();
  void kill_collector();
  void reconnect();  // the connection to the broker is cut, and made again
  bool gateway_runs() const { return gateway_ != nullptr; }
  bool collector_runs() const { return collector_ != nullptr; }
  void drain();          // until all that was published is archived, or it fails
  void check_archive();  // what is archived is what was published, each once, and verifies

  Broker broker;
  bool online = true;
  std::size_t kills = 0;

 private:
  struct Gateway;
  struct Call;
  class Client;
  HttpResponse answer(const HttpRequest& request);
  std::size_t archived_messages();
  void read_segment(const std::string& path);
  Policy policy() const;

  const std::string folder_;
  SoftwareSigner& key_;
  const Hash genesis_;
  WatchedIdentity identity_;
  SimClock clock_;
  std::string store_, archive_;
  unsigned stores_ = 0;
  std::shared_ptr<Gateway> gateway_;
  Life gateway_life_ = 0, collector_life_ = 0;
  CollectorService* collector_ = nullptr;  // never freed: threads of it may have been abandoned
  std::set<std::shared_ptr<Call>> calls_;
  // Of the archive, as far as it was read.
  std::set<std::string> read_;
  struct Archived {
    std::size_t all = 0, flagged = 0;
  };
  std::map<std::string, Archived> archived_;  // by the beginning of the payload
  std::size_t archived_count_ = 0;
  bool released_ = false;  // the ring has given room back, seen at a stop
};

constexpr const char* kOrigin = "example.com/sim/gw";
void copy_sparse(const std::string& from, const std::string& to);  // all files of a folder; what is zero stays a hole

}  // namespace sealring::sim
