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
#include "gateway/rotation.h"
#include "gateway/uplink.h"
#include "tests/torture/fake_threads.h"
#include "tests/torture/sim_archive.h"
#include "tests/torture/sim_store.h"

namespace sealring::sim {

constexpr const char* kOrigin = "example.com/sim/gw";

// Says it, with the seed's moment, and ends the process with 1: whoever waits for the seed sees it.
[[noreturn]] void fail(const std::string& words);

class SimClock final : public Clock {
 public:
  ClockReading now() const override;
};

// What a seed may have besides kills and a bad network.
struct Plan {
  bool drop = false;      // a small ring, and drop-oldest
  bool rotation = false;  // of the identity key, at some start
  enum class Damage { none, journal, bit } damage = Damage::none;
};

// An identity key, and all that those of the log have ever signed, over all lives: no size with two roots.
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
  const std::map<std::string, std::size_t>& published() const { return published_; }  // by name: how often
  const std::vector<std::string>& order() const { return order_; }                    // of the names

 private:
  bool has_something_to_do() const;
  void pump();
  static constexpr std::size_t kWindow = 64;
  std::map<std::string, std::size_t> published_;
  std::vector<std::string> order_;
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
  World(const std::string& image, std::string folder, const Plan& plan, const Hash& genesis);
  void start_gateway();
  void stop_gateway();  // in order, as on SIGTERM
  void kill_gateway();  // its store is what its files are at this moment
  void start_collector();
  void kill_collector();
  void reconnect();  // the connection to the broker is cut, and made again
  // While no gateway runs:
  bool rotation_is_due() const;  // the next start is to record it
  void prepare_rotation();       // the next start records it
  void do_damage();              // of the plan's kind
  std::size_t losses() const;    // that the running gateway's ring knows of
  bool gateway_runs() const { return gateway_ != nullptr; }
  bool collector_runs() const { return collector_ != nullptr; }
  void drain(std::string last);  // publishes this, too; until all that was published is archived, or it fails
  void check_archive();          // what is archived is what was published, each once, and verifies

  Broker broker;
  bool online = true;
  std::size_t kills = 0;
  std::string story() const;  // what came of the plan

 private:
  struct Gateway;
  struct Call;
  class Client;
  HttpResponse answer(const HttpRequest& request);
  Policy policy() const;
  VerifierKey first_key() const { return {kOrigin, KeyType::ed25519, first_->public_key()}; }
  VerifierKey second_key() const { return {kOrigin, KeyType::ed25519, second_->public_key()}; }
  Recorder::Config recorder_config() const;
  Status open_gateway(Gateway& g, const Recorder::Config& config);
  void run_gateway(const std::shared_ptr<Gateway>& g, const Recorder::Config& config);
  Result<IdentitySigners> signers(Gateway& g);
  void look_at_alarms();
  void heal();
  void check_messages();
  VerifyReport verified(const std::string& path) const;

  const std::string folder_;
  const Plan plan_;
  const std::unique_ptr<SoftwareSigner> first_, second_;
  const Hash genesis_;
  WatchedIdentity identity_, next_identity_;
  SimClock clock_;
  std::string store_, archive_;
  unsigned stores_ = 0;
  std::shared_ptr<Gateway> gateway_;
  Life gateway_life_ = 0, collector_life_ = 0;
  CollectorService* collector_ = nullptr;  // never freed: threads of it may have been abandoned
  std::set<std::shared_ptr<Call>> calls_;
  ArchiveReading read_;
  bool released_ = false;  // the ring has given room back, seen at a stop
  bool rotation_prepared_ = false, rotation_recorded_ = false, overlap_is_over_ = false;
  bool journal_lost_ = false;  // and no start has said so yet
  std::size_t journals_lost_ = 0, bits_flipped_ = 0, refused_ = 0, mended_ = 0;
  std::map<std::string, std::size_t> may_lack_;  // what only those had
  std::optional<FlippedBit> flipped_;            // one at a time
  std::vector<Hash> flipped_files_;
};

}  // namespace sealring::sim
