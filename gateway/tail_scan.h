// What the end of the log says about the brokers' sessions, for the recorder's start: which messages each broker may
// send again, and what it had counted as dropped.
//
// Entries come newest first. A message names its connection, by the index of that connection's broker-connected event;
// the event names the broker. With several brokers each segment also begins with a heartbeat that names the connections
// then alive, since the event may be released. With one broker what nothing names is its own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/entry.h"

namespace sealring {

class TailScan {
 public:
  struct Found {
    std::uint16_t packet_id;
    std::uint64_t index;
    bool flagged;
    std::uint64_t connection;
  };
  // `enough`: messages of one broker, more than which are not wanted.
  TailScan(const std::vector<std::string>& brokers, std::size_t enough)
      : brokers_(brokers), enough_(enough), sources_(brokers.size()) {}

  void take(std::uint64_t index, const Entry& entry);
  // Nothing older of this broker matters: the connection without a session was met, with which its packet ids began, or
  // there was enough.
  bool complete(std::size_t source) const;
  bool complete() const;  // of all

  // The messages of one broker that may come again, oldest first.
  std::vector<Found> tail(std::size_t source) const;
  // Whether one of them is of a connection that nothing in the log names any more: it is in every broker's tail then,
  // and nothing may be taken for a redelivery for certain.
  bool doubtful() const;
  std::optional<std::uint64_t> dropped(std::size_t source) const { return sources_[source].dropped; }

 private:
  struct Source {
    std::optional<std::uint64_t> lineage;  // index of the event of its newest connection without a session
    std::optional<std::uint64_t> dropped;
    std::size_t found = 0;
  };
  // Of one connection. Its owner may be met after its messages, where the log is read backwards.
  struct Connection {
    bool named = false;
    std::optional<std::size_t> owner;  // none: a broker that is not configured
    std::size_t found = 0;
  };
  std::optional<std::size_t> source_named(const Event& event) const;
  void take_event(std::uint64_t index, const EntryCommon& common, const Event& event);
  void take_connected(std::uint64_t index, const Event& event);
  void add(const Found& found);
  void name(std::uint64_t connection, std::optional<std::size_t> owner);

  const std::vector<std::string> brokers_;
  const std::size_t enough_;
  std::vector<Source> sources_;
  std::map<std::uint64_t, Connection> connections_;
  std::vector<Found> found_;  // newest first
  bool met_others_ = false;   // with one broker configured: the log names another one
};

}  // namespace sealring
