// What entry.cc (encoder) and entry_decode.cc share: keys, and the rules that no entry breaks. Not for other users.
#pragma once

#include "storage/entry.h"

namespace sealring::entry_rules {

// FORMAT.md has the same table.
struct Key {
  std::uint64_t number;
  const char* name;
};
constexpr Key kVersion{0, "version"}, kKind{1, "kind"}, kWall{2, "wall clock"}, kClock{3, "clock state"},
    kBoot{4, "boot"}, kBoottime{5, "boottime"}, kConnection{6, "connection"}, kReceived{7, "received"};
// 8 to 15 are kept for later common facts
// genesis
constexpr Key kOrigin{16, "origin"}, kIdentity{17, "identity"}, kEpochKey{18, "epoch key"}, kSoftware{19, "software"};
// message; part has salt and payload at the same numbers
constexpr Key kSalt{16, "salt"}, kTopic{17, "topic"}, kFlags{18, "flags"}, kPayload{19, "payload"},
    kPacketId{20, "packet id"}, kProperties{21, "properties"}, kSource{22, "source"}, kAssurance{23, "assurance"},
    kParts{24, "parts"}, kDuplicate{25, "possible duplicate of"};
constexpr std::uint64_t kReservedEnc = 26, kReservedDigest = 27;
constexpr Key kFirst{17, "first"}, kNumber{18, "number"};
// event
constexpr Key kCode{16, "code"}, kDetails{17, "details"};
// handover
constexpr Key kEpoch{16, "epoch"}, kSize{17, "size"}, kRoot{18, "root"}, kNextKey{19, "next key"},
    kByOld{20, "signature by old"}, kByNext{21, "signature by next"};
// break: as a handover, without the signature that nobody can make, and
constexpr Key kReceipted{22, "receipted"};
// rotation
constexpr Key kOldKey{16, "old key"}, kNewKey{17, "new key"}, kRotatedByOld{18, "signature by old"},
    kRotatedByNew{19, "signature by new"};
// succession
constexpr Key kClosedOrigin{16, "origin"}, kClosedSize{17, "size"}, kClosedRoot{18, "root"}, kClosedKey{19, "old key"},
    kClosedByOld{20, "signature by old"};
// carried
constexpr Key kCarriedIndex{16, "index"}, kCarriedLength{17, "length"}, kCarriedOffset{18, "offset"},
    kCarriedBytes{19, "bytes"};
// loss
constexpr Key kLossStart{16, "start"}, kLossEnd{17, "end"}, kLossHashes{18, "hashes"}, kLossMessages{19, "messages"},
    kLossFirst{20, "first wall clock"}, kLossLast{21, "last wall clock"}, kLossReason{22, "reason"};
constexpr std::uint64_t kReasonDamaged = 1;
// receipt
constexpr Key kNote{16, "note"};

// The low four bits of a PUBLISH packet's first byte.
constexpr unsigned kRetainBit = 1, kQosShift = 1, kDupBit = 8;

struct Fault {  // a rule that is broken
  Key key{};
  const char* what = nullptr;  // nullptr: none
  explicit operator bool() const { return what != nullptr; }
};

enum class PropertyType : std::uint8_t { unknown, byte, two_bytes, four_bytes, variable, bytes, pair };
PropertyType property_type(std::uint64_t id);
// Of a number; 0 for the types that are none.
std::uint64_t property_max(PropertyType type);

Fault check_common(const EntryCommon& common);
Fault check(const EntryCommon& common, const Genesis& g);
Fault check(const EntryCommon& common, const Message& m);
Fault check(const EntryCommon& common, const Part& p);
Fault check(const EntryCommon& common, const Event& e);
Fault check(const EntryCommon& common, const Handover& h);
Fault check(const EntryCommon& common, const KeyBreak& b);
Fault check(const EntryCommon& common, const Rotation& r);
Fault check(const EntryCommon& common, const Receipt& r);
Fault check(const EntryCommon& common, const SuccessionEntry& s);
Fault check(const EntryCommon& common, const Carried& c);
Fault check(const EntryCommon& common, const Loss& l);
Fault check(const EntryCommon& common, const Opaque& o);

// RFC 8949 orders keys by their encoded bytes; of text strings that is: shorter ones first.
inline bool canonical_less(ByteView a, ByteView b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

inline std::string described(const Key& key) { return "key " + std::to_string(key.number) + " (" + key.name + ")"; }

inline EntryKind kind_of(const Genesis&) { return EntryKind::genesis; }
inline EntryKind kind_of(const Message&) { return EntryKind::message; }
inline EntryKind kind_of(const Part&) { return EntryKind::part; }
inline EntryKind kind_of(const Event&) { return EntryKind::event; }
inline EntryKind kind_of(const Handover&) { return EntryKind::handover; }
inline EntryKind kind_of(const KeyBreak&) { return EntryKind::key_break; }
inline EntryKind kind_of(const Rotation&) { return EntryKind::rotation; }
inline EntryKind kind_of(const Receipt&) { return EntryKind::receipt; }
inline EntryKind kind_of(const SuccessionEntry&) { return EntryKind::succession; }
inline EntryKind kind_of(const Carried&) { return EntryKind::carried; }
inline EntryKind kind_of(const Loss&) { return EntryKind::loss; }
inline EntryKind kind_of(const Opaque& o) { return static_cast<EntryKind>(o.kind); }

}  // namespace sealring::entry_rules
