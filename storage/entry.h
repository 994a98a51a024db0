// Entries: the canonical bytes of records. Deterministic CBOR (RFC 8949 §4.2.1), at most 65 535 bytes, one map with
// unsigned keys in ascending order; FORMAT.md has the grammar and a worked hexdump. The decoder is strict: what the
// encoder would not have written is an error that names the offset. Pure functions; any thread.
//
// All ByteViews of a decoded Entry point into the decoded bytes; those given to encode point to the caller's.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "crypto/bytes.h"
#include "storage/limits.h"

namespace sealring {

constexpr std::uint64_t kEntryVersion = 1;

enum class EntryKind : std::uint64_t {
  genesis = 0,
  message = 1,
  part = 2,  // a later part of a large message
  event = 3,
  handover = 4,
  key_break = 5,
  rotation = 6,
  succession = 7,
  receipt = 8,
  loss = 9,
  carried = 10,
};

enum class ClockState : std::uint64_t { unsynchronised = 0, synchronised = 1 };

// What every entry has.
struct EntryCommon {
  std::int64_t wall_ns = 0;  // since 1970; may be wrong: order is by index
  ClockState clock = ClockState::unsynchronised;
  std::uint64_t boot = 0;         // starts of this store so far: 0 for genesis
  std::uint64_t boottime_ns = 0;  // CLOCK_BOOTTIME
  std::uint64_t connection = 0;   // index of the "broker-connected" event of the connection; 0: none
  std::uint64_t received = 0;     // 1-based count of PUBLISH packets on that connection; 0: none
};

struct Genesis {
  ByteView origin;
  PublicKey identity{};
  PublicKey epoch_key{};  // of epoch 0
  ByteView software;      // "sealring 0.1.0"
};

// An MQTT 5 property of a PUBLISH. By the type of its identifier: number for byte and integer types, `a` for UTF-8 and
// binary data, `a` and `b` for a user property.
struct Property {
  std::uint8_t id = 0;
  std::uint64_t number = 0;
  ByteView a, b;
};

enum class Assurance : std::uint64_t { none = 0, topic_rule = 1, broker_stamped = 2, device_signed = 3 };

struct PartsInfo {  // in the first entry of a message that spans several
  std::uint64_t total_bytes = 0;
  std::uint64_t count = 0;  // entries, the first included
  Hash payload_sha256{};
};

struct Message {
  std::array<std::uint8_t, 16> salt{};
  ByteView topic;
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;  // 0 at QoS 0
  ByteView payload;             // the first piece where `parts` is there
  std::vector<Property> properties;
  ByteView source;  // who is said to have sent it; may be empty
  Assurance assurance = Assurance::none;
  std::optional<PartsInfo> parts;
  std::optional<std::uint64_t> possible_duplicate_of;  // index
};

struct Part {
  std::array<std::uint8_t, 16> salt{};
  std::uint64_t first = 0;   // index of the message's first entry
  std::uint64_t number = 0;  // 1-based: the first entry is part 0
  ByteView payload;
};

enum class EventCode : std::uint64_t {
  start = 0,
  stop = 1,
  broker_connected = 2,
  broker_disconnected = 3,
  rejected = 4,
  clock = 5,
  config_changed = 6,
  heartbeat = 7,
  alarm = 8,
  gap = 9,
};
const char* event_name(EventCode code);  // "broker-connected"; "" for a code not listed here

struct Detail {  // one named fact of an event
  ByteView name;
  std::variant<std::uint64_t, ByteView /*text: UTF-8, else quoted() first*/, Hash /*bytes*/> value;
};
struct Event {
  EventCode code{};
  std::vector<Detail> details;  // encoded in canonical order of the names; decoded in that order
};
constexpr std::string_view kBrokerDetail = "broker", kDroppedTotalDetail = "dropped-total";
const Detail* find_detail(const Event& event, ByteView name);
std::uint64_t number_of(const Event& event, ByteView name);  // 0 where it is not there

// Last entry of an epoch (docs/log.md §3). `size` is c: the entries before this one; `root` their root.
struct Handover {
  std::uint64_t epoch = 0;  // k, the epoch that ends
  std::uint64_t size = 0;
  Hash root{};
  PublicKey next_key{};
  Signature by_old{};   // E(k) over handover_message
  Signature by_next{};  // E(k+1) over handover_message
};
// "sealring/handover/v1\n" origin "\n" k "\n" c "\n" base64(root) "\n" base64(next key) "\n"
Bytes handover_message(std::string_view origin, std::uint64_t epoch, std::uint64_t size, const Hash& root,
                       const PublicKey& next_key);

// Last entry of an epoch whose secret was lost, in the place of its handover (docs/log.md §3): nobody can sign for that
// epoch any more, so this entry's own frame is signed by the next key, and only the identity vouches for that.
struct KeyBreak {
  std::uint64_t epoch = 0;  // k, the epoch whose key was lost
  std::uint64_t size = 0;   // c: the entries before this one
  Hash root{};
  PublicKey next_key{};
  std::uint64_t receipted = 0;  // the largest size with a receipt that the gateway knew of; at most c
  Signature by_next{};          // E(k+1) over break_message
};
// "sealring/break/v1\n" origin "\n" k "\n" c "\n" base64(root) "\n" base64(next key) "\n" receipted "\n"
Bytes break_message(std::string_view origin, const KeyBreak& b);

// Another key is the log's identity from the next entry on (docs/log.md §3): both say so, over rotation_message.
struct Rotation {
  PublicKey old_key{};
  PublicKey new_key{};
  Signature by_old{};
  Signature by_new{};
};
// "sealring/rotation/v1\n" origin "\n" base64(old key) "\n" base64(new key) "\n"
Bytes rotation_message(std::string_view origin, const PublicKey& old_key, const PublicKey& new_key);

struct Receipt {
  ByteView note;  // the checkpoint with the log's and the cosigners' lines, verbatim
};

// Entry 1 of a log that follows another one (docs/log.md §7): whose signature made it so. What was signed is
// Succession::text() (crypto/succession.h) of these and of this log's own entry 0.
struct SuccessionEntry {
  ByteView origin;         // of the log that was closed
  std::uint64_t size = 0;  // of the checkpoint that its store could not extend
  Hash root{};
  PublicKey old_key{};  // its identity
  Signature by_old{};
};

// An entry of the abandoned store, as it was there, or a piece of one: the wrapping may be too much for one entry. They
// stand behind the succession, pieces of one entry in a row.
struct Carried {
  std::uint64_t index = 0;   // in the abandoned store
  std::uint64_t length = 0;  // of the whole entry
  std::uint64_t offset = 0;  // of these bytes in it
  ByteView bytes;
};

// Entries that were dropped unsent, because the ring was full, or because they were damaged (docs/log.md §6): whole
// bundles of 256. Of what is damaged nothing but the hashes is known: then `messages` is the number of entries, and the
// wall clock is that of the entries beside them, as far as those can be read.
struct Loss {
  std::uint64_t start = 0, end = 0;  // [start, end)
  std::vector<Hash> hashes;          // of complete_subtrees(start, end)
  std::uint64_t messages = 0;        // of which an entry is in there; the parts of a large one count once
  std::int64_t first_wall_ns = 0, last_wall_ns = 0;  // wall clock of the first and of the last of the entries
  bool damaged = false;
};

struct Opaque {  // a kind this version does not know, or one reserved: verifies as a leaf, is shown as such
  std::uint64_t kind = 0;
};

struct Entry {
  EntryCommon common;
  std::variant<Genesis, Message, Part, Event, Handover, KeyBreak, Rotation, Receipt, SuccessionEntry, Carried, Loss,
               Opaque>
      body;
};

// Appends the canonical bytes to `out`. reject, `out` unchanged: longer than kMaxEntryBytes; a rule of FORMAT.md broken
// (the message names the key); an Opaque.
Status encode_entry(const Entry& entry, Bytes& out);
// The same for a message without building an Entry: the recorder's hot path. Allocates only when `out` must grow; 200
// bytes of payload take about 0.12 us on x86-64, decoding them 0.43 us.
Status encode_message(const EntryCommon& common, const Message& message, Bytes& out);

Result<Entry> decode_entry(ByteView bytes);

}  // namespace sealring
