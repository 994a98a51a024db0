#include "storage/entry.h"

#include <catch2/catch.hpp>
#include <map>

#include "crypto/ed25519.h"
#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "storage/cbor.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;

namespace sealring {

static bool operator==(const EntryCommon& a, const EntryCommon& b) {
  return a.wall_ns == b.wall_ns && a.clock == b.clock && a.boot == b.boot && a.boottime_ns == b.boottime_ns &&
         a.connection == b.connection && a.received == b.received;
}
static bool operator==(const Genesis& a, const Genesis& b) {
  return a.origin == b.origin && a.identity == b.identity && a.epoch_key == b.epoch_key && a.software == b.software;
}
static bool operator==(const Property& a, const Property& b) {
  return a.id == b.id && a.number == b.number && a.a == b.a && a.b == b.b;
}
static bool operator==(const PartsInfo& a, const PartsInfo& b) {
  return a.total_bytes == b.total_bytes && a.count == b.count && a.payload_sha256 == b.payload_sha256;
}
static bool operator==(const Message& a, const Message& b) {
  return a.salt == b.salt && a.topic == b.topic && a.qos == b.qos && a.retain == b.retain && a.dup == b.dup &&
         a.packet_id == b.packet_id && a.payload == b.payload && a.properties == b.properties && a.source == b.source &&
         a.assurance == b.assurance && a.parts == b.parts && a.possible_duplicate_of == b.possible_duplicate_of;
}
static bool operator==(const Part& a, const Part& b) {
  return a.salt == b.salt && a.first == b.first && a.number == b.number && a.payload == b.payload;
}
static bool operator==(const Detail& a, const Detail& b) { return a.name == b.name && a.value == b.value; }
static bool operator==(const Event& a, const Event& b) { return a.code == b.code && a.details == b.details; }
static bool operator==(const KeyBreak& a, const KeyBreak& b) {
  return a.epoch == b.epoch && a.size == b.size && a.root == b.root && a.next_key == b.next_key &&
         a.receipted == b.receipted && a.by_next == b.by_next;
}
static bool operator==(const Handover& a, const Handover& b) {
  return a.epoch == b.epoch && a.size == b.size && a.root == b.root && a.next_key == b.next_key &&
         a.by_old == b.by_old && a.by_next == b.by_next;
}
static bool operator==(const Rotation& a, const Rotation& b) {
  return a.old_key == b.old_key && a.new_key == b.new_key && a.by_old == b.by_old && a.by_new == b.by_new;
}
static bool operator==(const Receipt& a, const Receipt& b) { return a.note == b.note; }
static bool operator==(const SuccessionEntry& a, const SuccessionEntry& b) {
  return a.origin == b.origin && a.size == b.size && a.root == b.root && a.old_key == b.old_key && a.by_old == b.by_old;
}
static bool operator==(const Carried& a, const Carried& b) {
  return a.index == b.index && a.length == b.length && a.offset == b.offset && a.bytes == b.bytes;
}
static bool operator==(const Loss& a, const Loss& b) {
  return a.start == b.start && a.end == b.end && a.hashes == b.hashes && a.messages == b.messages &&
         a.first_wall_ns == b.first_wall_ns && a.last_wall_ns == b.last_wall_ns && a.damaged == b.damaged;
}
static bool operator==(const Opaque& a, const Opaque& b) { return a.kind == b.kind; }

}  // namespace sealring

namespace {

constexpr std::uint64_t kMax = UINT64_MAX;

Bytes encoded(const Entry& entry) {
  Bytes out;
  const Status status = encode_entry(entry, out);
  INFO((status ? std::string() : status.error().message));
  REQUIRE(status.ok());
  return out;
}

void check_round_trip(const Entry& entry) {
  const Bytes bytes = encoded(entry);
  const auto again = decode_entry(bytes);
  INFO((again ? std::string() : again.error().message) << " " << hex(bytes.substr(0, 200)));
  REQUIRE(again.ok());
  CHECK(again->common == entry.common);
  CHECK(again->body == entry.body);
}

void check_refused(const Entry& entry, const std::string& words) {
  Bytes out = "before";
  const Status status = encode_entry(entry, out);
  INFO("expected: " << words);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().kind == ErrorKind::reject);
  CHECK_THAT(status.error().message, Catch::Contains(words));
  CHECK(out == "before");
}

Message some_message() {
  Message m;
  m.topic = "t";
  m.payload = "p";
  return m;
}

EntryCommon message_vector_common() {
  EntryCommon c;
  c.wall_ns = 1767323048678901234;
  c.clock = ClockState::synchronised;
  c.boot = 1;
  c.boottime_ns = 93000000000;
  c.connection = 2;
  c.received = 1;
  return c;
}

Message message_vector() {
  Message m;
  for (std::uint8_t i = 0; i < 16; ++i) m.salt[i] = static_cast<std::uint8_t>(0xa0 + i);
  m.topic = "plant/line1/temp";
  m.qos = 1;
  m.packet_id = 7;
  m.payload = "21.0";
  m.properties = {{3, 0, "text/plain", ""}};
  return m;
}

}  // namespace

TEST_CASE("entries agree byte for byte with another implementation") {
  SECTION("message") {
    const Bytes vector = entry_vector("message");
    Bytes out = "kept";
    REQUIRE(encode_message(message_vector_common(), message_vector(), out).ok());
    CHECK(hex(out.substr(4)) == hex(vector));
    CHECK(out.substr(0, 4) == "kept");
    CHECK(hex(encoded({message_vector_common(), message_vector()})) == hex(vector));
    const auto entry = decode_entry(vector);
    REQUIRE(entry.ok());
    CHECK(entry->common == message_vector_common());
    CHECK(entry->body == decltype(entry->body)(message_vector()));
  }
  SECTION("message with every key, at the extremes") {
    EntryCommon c;
    c.wall_ns = INT64_MIN;
    c.boot = c.boottime_ns = c.connection = c.received = kMax;
    const Bytes payload(300, '\xff');
    const Bytes value(24, 'v');
    Message m;
    m.qos = 2;
    m.retain = m.dup = true;
    m.packet_id = 65535;
    m.payload = payload;
    m.properties = {{1, 1, "", ""}, {2, 4294967295, "", ""}, {35, 65535, "", ""}, {11, 268435455, "", ""},
                    {9, 0, "", ""}, {8, 0, "\xc3", ""},      {38, 0, "k", ""},    {38, 0, "k", value}};
    m.source = "t7";
    m.assurance = Assurance::device_signed;
    m.parts = PartsInfo{301, 2, sha256(Bytes(301, '\xff'))};
    m.possible_duplicate_of = 1;
    const Bytes vector = entry_vector("full");
    const auto entry = decode_entry(vector);
    REQUIRE(entry.ok());
    CHECK(entry->common == c);
    CHECK(entry->body == decltype(entry->body)(m));
    CHECK(hex(encoded({c, m})) == hex(vector));
  }
  SECTION("every other kind decodes, and encodes to the same bytes") {
    for (const std::string& name : entry_vector_names()) {
      INFO(name);
      const Bytes vector = entry_vector(name);
      const auto entry = decode_entry(vector);
      REQUIRE(entry.ok());
      if (name != "unknown") CHECK(hex(encoded(*entry)) == hex(vector));
    }
  }
  SECTION("facts of the other kinds") {
    const Bytes genesis = entry_vector("genesis"), connected = entry_vector("connected");
    const auto g = decode_entry(genesis), e = decode_entry(connected);
    REQUIRE(g.ok());
    REQUIRE(e.ok());
    CHECK(std::get<Genesis>(g->body).origin == "example.com/site7/gw-0042");
    CHECK(std::get<Genesis>(g->body).software == "sealring 0.1.0");
    const auto& event = std::get<Event>(e->body);
    CHECK(event.code == EventCode::broker_connected);
    REQUIRE(event.details.size() == 3);
    CHECK(event.details[0] == Detail{"client", ByteView("sealring-gw-0042")});
    CHECK(event.details[1] == Detail{"session", ByteView("new")});
    CHECK(event.details[2] == Detail{"protocol", std::uint64_t{5}});
    const Bytes unknown = entry_vector("unknown");
    const auto o = decode_entry(unknown);
    REQUIRE(o.ok());
    CHECK(std::get<Opaque>(o->body).kind == 11);
    CHECK(o->common.boottime_ns == 96000000000);
  }
}

TEST_CASE("the handover of the example is signed by both epoch keys") {
  const Bytes handover_bytes = entry_vector("handover"), genesis_bytes = entry_vector("genesis");
  const auto entry = decode_entry(handover_bytes), genesis = decode_entry(genesis_bytes);
  REQUIRE(entry.ok());
  REQUIRE(genesis.ok());
  const auto& h = std::get<Handover>(entry->body);
  const auto& g = std::get<Genesis>(genesis->body);
  CompactRange range;
  for (const char* name : {"genesis", "start", "connected", "message"}) range.append(leaf_hash(entry_vector(name)));
  CHECK(h.size == 4);
  CHECK(h.root == range.root());
  const Bytes message = handover_message(g.origin, h.epoch, h.size, h.root, h.next_key);
  CHECK(message == "sealring/handover/v1\nexample.com/site7/gw-0042\n0\n4\n" + base64(view(h.root)) + "\n" +
                       base64(view(h.next_key)) + "\n");
  CHECK(ed25519_verify(g.epoch_key, message, h.by_old));
  CHECK(ed25519_verify(h.next_key, message, h.by_next));
}

TEST_CASE("the break beside the example is signed by the key that begins") {
  const Bytes break_bytes = entry_vector("break"), genesis_bytes = entry_vector("genesis");
  const auto entry = decode_entry(break_bytes), genesis = decode_entry(genesis_bytes);
  REQUIRE(entry.ok());
  REQUIRE(genesis.ok());
  const auto& b = std::get<KeyBreak>(entry->body);
  const Bytes origin(std::get<Genesis>(genesis->body).origin);
  CHECK(b.size == 4);
  CHECK(b.receipted == 0);
  CHECK(break_message(origin, b) ==
        "sealring/break/v1\n" + origin + "\n0\n4\n" + base64(view(b.root)) + "\n" + base64(view(b.next_key)) + "\n0\n");
  CHECK(ed25519_verify(b.next_key, break_message(origin, b), b.by_next));
}

TEST_CASE("the rotation beside the example is signed by both keys") {
  const Bytes bytes = entry_vector("rotation"), genesis_bytes = entry_vector("genesis");
  const auto entry = decode_entry(bytes), genesis = decode_entry(genesis_bytes);
  REQUIRE(entry.ok());
  REQUIRE(genesis.ok());
  const auto& r = std::get<Rotation>(entry->body);
  const auto& g = std::get<Genesis>(genesis->body);
  CHECK(r.old_key == g.identity);
  const Bytes message = rotation_message(g.origin, r.old_key, r.new_key);
  CHECK(message == "sealring/rotation/v1\nexample.com/site7/gw-0042\n" + base64(view(r.old_key)) + "\n" +
                       base64(view(r.new_key)) + "\n");
  CHECK(ed25519_verify(r.old_key, message, r.by_old));
  CHECK(ed25519_verify(r.new_key, message, r.by_new));
}

TEST_CASE("every kind survives a round trip") {
  EntryCommon c;
  const Hash hash = to_array<32>(Bytes(32, '\x7f'));
  const Signature signature = to_array<64>(Bytes(64, '\xff'));
  const auto edge = GENERATE(std::uint64_t{0}, std::uint64_t{23}, std::uint64_t{24}, std::uint64_t{255},
                             std::uint64_t{256}, std::uint64_t{65535}, std::uint64_t{65536}, std::uint64_t{4294967295},
                             std::uint64_t{4294967296}, std::uint64_t{INT64_MAX}, std::uint64_t{1} << 63, kMax);
  INFO(edge);
  c.boottime_ns = c.connection = edge;
  c.received = edge == 0 ? 0 : edge;
  for (std::int64_t wall : {static_cast<std::int64_t>(edge), -1 - static_cast<std::int64_t>(edge & INT64_MAX)}) {
    c.wall_ns = wall;
    c.boot = edge;
    check_round_trip({c, Part{{}, edge + (edge == 0), kMax - edge + (edge == kMax), "x"}});
    check_round_trip({c, Event{static_cast<EventCode>(edge), {}}});
    check_round_trip({c, Event{EventCode::alarm, {{"a", edge}, {"b", ByteView()}, {"c", hash}, {"aa", edge}}}});
    check_round_trip({c, Handover{edge, edge + (edge == 0), hash, hash, signature, signature}});
    check_round_trip({c, KeyBreak{edge, edge + (edge == 0), hash, hash, edge / 2, signature}});
    check_round_trip({c, Rotation{hash, to_array<32>(Bytes(32, '\x7e')), signature, signature}});
    check_round_trip({c, Receipt{"anything"}});
    check_round_trip({c, SuccessionEntry{"o", edge + (edge == 0), hash, hash, signature}});
    const std::uint64_t start = edge / 2 / 256 * 256, end = start + 768;
    const std::vector<Hash> hashes(complete_subtrees(start, end).size(), hash);
    check_round_trip({c, Loss{start, end, hashes, edge, wall, -(wall / 2), edge % 2 == 1}});
    if ((edge & 0xffff) < 65535) check_round_trip({c, Carried{edge, 65535, edge & 0xffff, "x"}});
    Message m = some_message();
    m.packet_id = static_cast<std::uint16_t>(edge);
    m.qos = m.packet_id == 0 ? 0 : 1;
    m.properties = {{2, edge & 0xffffffff, "", ""}, {38, 0, "", ""}, {22, 0, ByteView("\0", 1), ""}};
    if (edge != 0) m.possible_duplicate_of = edge;
    check_round_trip({c, m});
  }
}

TEST_CASE("genesis survives a round trip") {
  EntryCommon c;
  c.wall_ns = -1;
  check_round_trip({c, Genesis{"example.com/a", to_array<32>(Bytes(32, 'i')), to_array<32>(Bytes(32, 'e')), ""}});
  check_round_trip({c, Genesis{"x", {}, {}, "s\xc3\xa9"}});
}

TEST_CASE("strings of every head size survive a round trip") {
  for (std::size_t n : {0, 1, 23, 24, 255, 256, 511, 512, 513, 4096, 30000}) {
    INFO(n);
    const Bytes long_one(n, 'x');
    Message m = some_message();
    m.payload = long_one;
    check_round_trip({{}, m});
    std::swap(m.payload, m.topic);
    check_round_trip({{}, m});
    m.topic = "t";
    m.properties = {{38, 0, long_one, "b"}};
    check_round_trip({{}, m});
    if (n == 0) continue;
    m.properties.clear();
    m.source = long_one;
    check_round_trip({{}, m});
    check_round_trip(
        {{}, Event{EventCode::alarm, {{"A", ByteView(long_one).substr(1)}, {long_one, std::uint64_t{1}}}}});
  }
}

TEST_CASE("an entry has at most 65535 bytes, exactly") {
  const Bytes payload(kMaxEntryBytes, 'x');
  Message m = some_message();
  m.payload = ByteView(payload).substr(0, 1000);
  const std::size_t overhead = encoded({{}, m}).size() - 1000;
  m.payload = ByteView(payload).substr(0, kMaxEntryBytes - overhead);
  CHECK(encoded({{}, m}).size() == kMaxEntryBytes);
  check_round_trip({{}, m});
  m.payload = ByteView(payload).substr(0, kMaxEntryBytes - overhead + 1);
  check_refused({{}, m}, "longer than 65535 bytes");
  m.payload = payload;
  check_refused({{}, m}, "longer than 65535 bytes");

  // One byte too many in the last head, not in a string.
  m.payload = ByteView(payload).substr(0, kMaxEntryBytes - overhead - 3);
  m.possible_duplicate_of = 1;
  CHECK(encoded({{}, m}).size() == kMaxEntryBytes);
  m.possible_duplicate_of = 24;
  check_refused({{}, m}, "longer than 65535 bytes");

  Bytes too_long = encoded({{}, some_message()});
  too_long.resize(kMaxEntryBytes + 1);
  const auto entry = decode_entry(too_long);
  REQUIRE_FALSE(entry.ok());
  CHECK_THAT(entry.error().message, Catch::Contains("65536 bytes, at most 65535"));
}

TEST_CASE("details are sorted by the encoder: short names first, then by bytes") {
  const Event e{EventCode::clock,
                {{"bb", std::uint64_t{1}},
                 {"c", std::uint64_t{2}},
                 {"\xc3\xa9", std::uint64_t{4}},
                 {"aaa", std::uint64_t{3}},
                 {"ba", std::uint64_t{0}}}};
  const Bytes bytes = encoded({{}, e});
  const auto entry = decode_entry(bytes);
  REQUIRE(entry.ok());
  std::string names;
  for (const Detail& d : std::get<Event>(entry->body).details) names.append(d.name).append(" ");
  CHECK(names == "c ba bb \xc3\xa9 aaa ");
}

TEST_CASE("the encoder refuses what breaks a rule, and leaves the output alone") {
  const Hash hash{};
  auto message = [](auto change) {
    Entry entry{{}, some_message()};
    change(entry.common, std::get<Message>(entry.body));
    return entry;
  };
  check_refused(message([](auto& c, auto&) { c.received = 1; }), "key 7 (received): a count without its connection");
  check_refused(message([](auto& c, auto&) { c.clock = ClockState{2}; }), "key 3 (clock state)");
  check_refused(message([](auto&, auto& m) { m.qos = 3, m.packet_id = 1; }), "key 18 (flags): QoS 3");
  check_refused(message([](auto&, auto& m) { m.qos = 1; }), "key 18 (flags): QoS 1 or 2 without a packet id");
  check_refused(message([](auto&, auto& m) { m.packet_id = 1; }), "key 20 (packet id): a packet id at QoS 0");
  check_refused(message([](auto&, auto& m) { m.assurance = Assurance::topic_rule; }), "assurance of no source");
  check_refused(message([](auto&, auto& m) { m.source = "s", m.assurance = Assurance{4}; }), "key 23 (assurance)");
  check_refused(message([](auto&, auto& m) { m.possible_duplicate_of = 0; }), "key 25 (possible duplicate of)");
  for (int id : {0, 4, 5, 6, 7, 10, 12, 16, 20, 27, 29, 30, 32, 43, 127, 128, 255}) {
    INFO(id);
    check_refused(message([id](auto&, auto& m) {
                    m.properties = {{static_cast<std::uint8_t>(id), 0, "", ""}};
                  }),
                  "key 21 (properties): not an MQTT 5 property");
  }
  const Property wrong[] = {{1, 256, "", ""},        {33, 65536, "", ""}, {2, 4294967296, "", ""},
                            {11, 268435456, "", ""}, {1, 0, "a", ""},     {1, 0, "", "b"},
                            {3, 1, "a", ""},         {3, 0, "a", "b"},    {38, 1, "name", "value"}};
  for (const Property& p : wrong) {
    INFO(unsigned{p.id} << " " << p.number);
    check_refused(message([&](auto&, auto& m) { m.properties = {{3, 0, "fine", ""}, p}; }), "key 21 (properties)");
  }
  const PartsInfo bad_parts[] = {{100, 1, hash}, {1, 2, hash},    {0, 2, hash},
                                 {3, 4, hash},   {kMax, 2, hash}, {200000, 3, hash}};
  for (const PartsInfo& parts : bad_parts) {
    INFO(parts.total_bytes << " in " << parts.count);
    check_refused(message([&](auto&, auto& m) { m.parts = parts; }), "key 24 (parts)");
  }
  check_refused(message([&](auto&, auto& m) { m.payload = "", m.parts = PartsInfo{5, 2, hash}; }), "key 24 (parts)");

  check_refused({{}, Part{{}, 0, 1, "x"}}, "key 17 (first)");
  check_refused({{}, Part{{}, 1, 0, "x"}}, "key 18 (number)");
  check_refused({{}, Part{{}, 1, 1, ""}}, "key 19 (payload)");
  check_refused({{}, Event{EventCode::stop, {{"a", std::uint64_t{1}}, {"b", hash}, {"a", hash}}}}, "two details");
  check_refused({{}, Event{EventCode::stop, {{"", std::uint64_t{1}}}}}, "without a name");
  check_refused({{}, Event{EventCode::stop, {{"\xff", std::uint64_t{1}}}}}, "name that is not UTF-8");
  check_refused({{}, Event{EventCode::stop, {{"a", ByteView("\xc0\x80")}}}}, "text that is not UTF-8");
  check_refused({{}, Handover{}}, "key 17 (size)");
  check_refused({{}, KeyBreak{}}, "key 17 (size)");
  check_refused({{}, KeyBreak{1, 5, hash, hash, 6, {}}}, "key 22 (receipted)");
  check_refused({{}, Rotation{hash, hash, {}, {}}}, "key 17 (new key)");
  check_refused({{}, Receipt{}}, "key 16 (note)");
  check_refused({{}, SuccessionEntry{"o", 0, hash, {}, {}}}, "key 17 (size)");
  check_refused({{}, SuccessionEntry{"sealring/o", 1, hash, {}, {}}}, "key 16 (origin)");
  check_refused({{}, Carried{0, 65536, 0, "x"}}, "key 17 (length)");
  check_refused({{}, Carried{0, 5, 6, "x"}}, "key 18 (offset)");
  check_refused({{}, Carried{0, 5, 5, "x"}}, "key 19 (bytes)");
  check_refused({{}, Carried{0, 5, 0, "123456"}}, "key 19 (bytes)");
  check_refused({{}, Carried{0, 5, 0, ""}}, "key 19 (bytes)");
  check_refused({{}, Loss{255, 512, {hash}, 0, 0, 0}}, "key 16 (start)");
  check_refused({{}, Loss{256, 513, {hash}, 0, 0, 0}}, "key 17 (end)");
  check_refused({{}, Loss{256, 256, {}, 0, 0, 0}}, "key 17 (end)");
  check_refused({{}, Loss{512, 256, {hash}, 0, 0, 0}}, "key 17 (end)");
  check_refused({{}, Loss{256, 768, {hash}, 0, 0, 0}}, "key 18 (hashes)");
  check_refused({{}, Loss{512, 1024, {hash, hash}, 0, 0, 0}}, "key 18 (hashes)");
  check_refused({{}, Opaque{99}}, "cannot be written");
  EntryCommon booted, connected;
  booted.boot = 1;
  connected.connection = 1;
  check_refused({booted, Genesis{"o", {}, {}, ""}}, "key 4 (boot)");
  check_refused({connected, Genesis{"o", {}, {}, ""}}, "key 6 (connection)");
  check_refused({{}, Genesis{"a b", {}, {}, ""}}, "key 16 (origin)");
  check_refused({{}, Genesis{"o", {}, {}, "\xff"}}, "key 19 (software)");
}

TEST_CASE("every property identifier of MQTT 5 has its type") {
  const std::map<int, std::uint64_t> numbers = {
      {1, 255},         {2, 4294967295},  {11, 268435455}, {17, 4294967295}, {19, 65535}, {23, 255},
      {24, 4294967295}, {25, 255},        {33, 65535},     {34, 65535},      {35, 65535}, {36, 255},
      {37, 255},        {39, 4294967295}, {40, 255},       {41, 255},        {42, 255}};
  for (const auto& [id, max] : numbers) {
    INFO(id);
    Message m = some_message();
    m.properties = {{static_cast<std::uint8_t>(id), max, "", ""}, {static_cast<std::uint8_t>(id), 0, "", ""}};
    check_round_trip({{}, m});
    m.properties[1].number = max + 1;
    check_refused({{}, m}, "number too large");
  }
  for (int id : {3, 8, 9, 18, 21, 22, 26, 28, 31}) {
    INFO(id);
    Message m = some_message();
    m.properties = {{static_cast<std::uint8_t>(id), 0, "\xff any", ""}};
    check_round_trip({{}, m});
  }
}

TEST_CASE("UTF-8 is checked to the letter of RFC 3629") {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xe2\x80\x94z"})
    CHECK(valid_utf8(good));
  CHECK(valid_utf8(ByteView("\0", 1)));
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf",
                          "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x80", "\xe2\x80\x7f", "\xf0\x8f\xbf\xbf",
                          "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x80"}) {
    INFO(hex(bad));
    CHECK_FALSE(valid_utf8(bad));
  }
}

TEST_CASE("every event code has a name") {
  const char* names[] = {"start",    "stop",  "broker-connected", "broker-disconnected",
                         "rejected", "clock", "config-changed",   "heartbeat",
                         "alarm",    "gap"};
  for (std::uint64_t code = 0; code < 10; ++code) CHECK(event_name(EventCode{code}) == std::string(names[code]));
  CHECK(event_name(EventCode{10}) == std::string());
  CHECK(event_name(EventCode{kMax}) == std::string());
}
