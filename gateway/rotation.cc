#include "gateway/rotation.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "drivers/file.h"
#include "storage/ring.h"
#include "storage/store_reader.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxStatementBytes = 4096;
constexpr std::string_view kPending = "/rotation.note", kPrefix = "rotation-", kSuffix = ".note";
constexpr std::size_t kDigits = 20;

std::string recorded_name(std::uint64_t index) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(index));
  return std::string(kPrefix) + digits + std::string(kSuffix);
}

// None: the name of something else.
std::optional<std::uint64_t> index_in(const std::string& name) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size() || name.rfind(kPrefix, 0) != 0) return std::nullopt;
  const std::string digits = name.substr(kPrefix.size(), kDigits);
  const std::size_t first = std::min(digits.find_first_not_of('0'), kDigits - 1);
  const Result<std::uint64_t> index = from_decimal(std::string_view(digits).substr(first));
  if (!index || name != recorded_name(*index)) return std::nullopt;
  return *index;
}

Result<RotationStatement> read_statement(const std::string& path, const std::string& origin) {
  SEALRING_ASSIGN(const Bytes bytes, read_file(path, kMaxStatementBytes));
  Result<RotationStatement> statement = RotationStatement::parse(bytes);
  if (!statement) return std::move(statement).error().in(path);
  if (statement->origin == origin) return statement;
  return reject_error(path + ": is of the log " + quoted(statement->origin, 255) + ", this one is " +
                      quoted(origin, 255));
}

VerifierKey named(const std::string& origin, const PublicKey& key) { return {origin, KeyType::ed25519, key}; }

NoteSignature line_of(const VerifierKey& key, const Signature& signature) {
  return {key.name, key.id(), Bytes(view(signature))};
}

Result<Signature> sign(const Bytes& message, Signer& signer) {
  SEALRING_ASSIGN(const Signature signature, signer.sign(message));
  if (ed25519_verify(signer.public_key(), message, signature)) return signature;
  return fatal_error("a signature that does not verify with its own public key");
}

bool is_missing(const Error& error) { return error.kind == ErrorKind::missing; }

// None: the entry was released.
Result<std::optional<PublicKey>> key_of_genesis(const LogReading& log) {
  const Result<Bytes> bytes = log.entries(0, 1);
  if (!bytes && is_missing(bytes.error())) return std::optional<PublicKey>();
  if (!bytes) return bytes.error();
  SEALRING_ASSIGN(const Entry first, decode_entry(ByteView(*bytes).substr(2)));
  if (const auto* genesis = std::get_if<Genesis>(&first.body)) return std::optional(genesis->identity);
  return fatal_error("entry 0 of the store is not a genesis entry");
}

// None: another entry.
Result<std::optional<Rotation>> rotation_at(const LogReading& log, std::uint64_t index) {
  SEALRING_ASSIGN(const Bytes bytes, log.entries(index, 1));
  SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(bytes).substr(2)));
  const auto* rotation = std::get_if<Rotation>(&entry.body);
  return rotation == nullptr ? std::optional<Rotation>() : std::optional(*rotation);
}

Status check_recorded(const std::string& store, const RecordedRotation& one, const LogReading& log) {
  const std::string path = store + "/" + recorded_name(one.index);
  if (one.index >= log.size)
    return fatal_error(path + ": the log has only " + std::to_string(log.size) +
                       " entries: is it the log's file, under its own name?");
  const auto rotation = rotation_at(log, one.index);
  if (!rotation && is_missing(rotation.error())) return {};
  if (!rotation) return rotation.error();
  if (*rotation && **rotation == one.statement.rotation) return {};
  return fatal_error(path + ": entry " + std::to_string(one.index) +
                     " of the log is not this rotation: is it the log's file, under its own name?");
}

// Index of the newest entry that is `wanted`, of those that are still here.
Result<std::optional<std::uint64_t>> find_rotation(const LogReading& log, const Rotation& wanted) {
  for (std::uint64_t end = log.size; end > log.first;) {
    const std::uint64_t begin = std::max(log.first, (end - 1) / kBundleEntries * kBundleEntries);
    const std::size_t count = static_cast<std::size_t>(end - begin);
    const Result<Bytes> bytes = log.entries(begin, count);
    if (!bytes && is_missing(bytes.error())) {  // released meanwhile, or dropped
      end = begin;
      continue;
    }
    if (!bytes) return bytes.error();
    SEALRING_ASSIGN(const auto entries, split_entries(*bytes, count));
    for (std::size_t i = count; i-- > 0;) {
      SEALRING_ASSIGN(const Entry entry, decode_entry(entries[i]));
      const auto* rotation = std::get_if<Rotation>(&entry.body);
      if (rotation != nullptr && *rotation == wanted) return std::optional(begin + i);
    }
    end = begin;
  }
  return std::optional<std::uint64_t>();
}

// Of a kill: the last entry. Or the pending one is further up, because somebody took its file away.
Result<std::optional<RecordedRotation>> unfinished_rotation(const std::string& origin, const LogReading& log,
                                                            const StoreIdentity& known) {
  const std::optional<RecordedRotation> none;
  const std::uint64_t last = log.size - 1;
  if (last == known.since) return none;
  const auto rotation = rotation_at(log, last);
  if (!rotation && !is_missing(rotation.error())) return rotation.error();
  if (rotation && *rotation) {
    auto statement = RotationStatement::parse(RotationStatement{origin, **rotation}.encode());
    if (statement) return std::optional(RecordedRotation{last, std::move(*statement)});
    return fatal_error("entry " + std::to_string(last) + ", a rotation, " + statement.error().message);
  }
  if (!known.pending || (known.key && known.pending->rotation.old_key != *known.key)) return none;
  SEALRING_ASSIGN(const auto index, find_rotation(log, known.pending->rotation));
  return index ? std::optional(RecordedRotation{*index, *known.pending}) : none;
}

Status step(const std::string& store, const RecordedRotation& one, StoreIdentity& identity) {
  const Rotation& rotation = one.statement.rotation;
  if (identity.key && *identity.key != rotation.old_key)
    return fatal_error(store + ": the rotation at entry " + std::to_string(one.index) +
                       (identity.former.empty() ? " is not of the key that entry 0 names"
                                                : " is not of the key that the one before it ends with"));
  identity.former.push_back(rotation.old_key);
  identity.key = rotation.new_key;
  identity.since = one.index;
  return {};
}

}  // namespace

bool operator==(const Rotation& a, const Rotation& b) {
  return a.old_key == b.old_key && a.new_key == b.new_key && a.by_old == b.by_old && a.by_new == b.by_new;
}

Bytes RotationStatement::encode() const {
  const Note note{rotation_message(origin, rotation.old_key, rotation.new_key),
                  {line_of(named(origin, rotation.old_key), rotation.by_old),
                   line_of(named(origin, rotation.new_key), rotation.by_new)}};
  return note.encode();
}

Result<RotationStatement> RotationStatement::parse(ByteView bytes) {
  SEALRING_ASSIGN(const Note note, Note::parse(bytes));
  std::vector<std::string_view> lines;
  for (std::string_view rest = note.text; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
    lines.push_back(rest.substr(0, rest.find('\n')));
  const Error other = reject_error("is not the statement of a rotation");
  if (lines.size() != 4 || note.signatures.size() != 2) return other;
  RotationStatement statement;
  statement.origin = lines[1];
  const Result<Bytes> old_key = from_base64(lines[2]), new_key = from_base64(lines[3]);
  if (!old_key || !new_key || old_key->size() != 32 || new_key->size() != 32) return other;
  Rotation& rotation = statement.rotation;
  rotation.old_key = to_array<32>(*old_key);
  rotation.new_key = to_array<32>(*new_key);
  for (const NoteSignature& line : note.signatures)
    if (line.signature.size() != 64) return other;
  rotation.by_old = to_array<64>(note.signatures[0].signature);
  rotation.by_new = to_array<64>(note.signatures[1].signature);
  if (statement.encode() != bytes || rotation.old_key == rotation.new_key) return other;
  for (const PublicKey* key : {&rotation.old_key, &rotation.new_key})
    if (check_note_signature(note, named(statement.origin, *key)) != SignatureState::valid)
      return reject_error("its signature by " + named(statement.origin, *key).encode() + " does not hold");
  return statement;
}

Result<RotationStatement> RotationStatement::make(const std::string& origin, Signer& old_key, Signer& new_key) {
  RotationStatement made{origin, {old_key.public_key(), new_key.public_key(), {}, {}}};
  if (made.rotation.old_key == made.rotation.new_key) return reject_error("the new key is the old one");
  const Bytes message = rotation_message(origin, made.rotation.old_key, made.rotation.new_key);
  Result<Signature> by_old = sign(message, old_key), by_new = sign(message, new_key);
  if (!by_old) return std::move(by_old).error().in("the old key");
  if (!by_new) return std::move(by_new).error().in("the new key");
  made.rotation.by_old = *by_old;
  made.rotation.by_new = *by_new;
  return made;
}

Result<std::optional<RotationStatement>> pending_rotation(const std::string& store, const std::string& origin) {
  Result<RotationStatement> statement = read_statement(store + std::string(kPending), origin);
  if (!statement && statement.error().kind == ErrorKind::missing) return std::optional<RotationStatement>();
  if (!statement) return std::move(statement).error();
  return std::optional(std::move(*statement));
}

Status put_pending_rotation(const std::string& store, const RotationStatement& statement) {
  return replace_file(store + std::string(kPending), statement.encode());
}

Result<std::vector<RecordedRotation>> recorded_rotations(const std::string& store, const std::string& origin) {
  SEALRING_ASSIGN(const std::vector<std::string> names, list_directory(store));
  std::vector<RecordedRotation> out;
  for (const std::string& name : names) {  // sorted, and so by index
    const std::optional<std::uint64_t> index = index_in(name);
    if (!index) continue;
    SEALRING_ASSIGN(RotationStatement statement, read_statement(store + "/" + name, origin));
    if (!out.empty() && out.back().statement.rotation.new_key != statement.rotation.old_key)
      return fatal_error(store + "/" + name + ": does not begin with the key that the rotation before it ends with");
    out.push_back({*index, std::move(statement)});
  }
  return out;
}

Result<std::vector<Bytes>> rotations_below(const std::string& store, const std::string& origin, std::uint64_t size) {
  SEALRING_ASSIGN(const std::vector<RecordedRotation> all, recorded_rotations(store, origin));
  std::vector<Bytes> out;
  for (const RecordedRotation& one : all)
    if (one.index < size) out.push_back(one.statement.encode());
  return out;
}

Status put_recorded_rotation(const std::string& store, std::uint64_t index, const RotationStatement& statement) {
  SEALRING_TRY(replace_file(store + "/" + recorded_name(index), statement.encode()));
  // Should it stay, then beside its own recorded one, where it says nothing.
  ::unlink((store + std::string(kPending)).c_str());
  return {};
}

std::string StoreIdentity::words() const { return "since entry " + std::to_string(since); }

LogReading entries_of(const Ring& ring) {
  return {ring.usage().first_index, ring.size(),
          [&ring](std::uint64_t first, std::size_t count) { return ring.entries(first, count); }};
}

LogReading entries_of(const StoreReader& store) {
  return {store.first_index(), store.size(),
          [&store](std::uint64_t first, std::size_t count) { return store.entries(first, count); }};
}

Result<StoreIdentity> store_identity(const std::string& store, const std::string& origin, const LogReading& log) {
  StoreIdentity out;
  SEALRING_ASSIGN(out.key, key_of_genesis(log));
  SEALRING_ASSIGN(const std::vector<RecordedRotation> recorded, recorded_rotations(store, origin));
  for (const RecordedRotation& one : recorded) {
    SEALRING_TRY(check_recorded(store, one, log));
    SEALRING_TRY(step(store, one, out));
  }
  SEALRING_ASSIGN(out.pending, pending_rotation(store, origin));
  SEALRING_ASSIGN(out.unfinished, unfinished_rotation(origin, log, out));
  if (out.unfinished) SEALRING_TRY(step(store, *out.unfinished, out));
  // Of another key it is an old one: what it asked for is done, or can be no more.
  if (out.pending && out.key && out.pending->rotation.old_key != *out.key) out.pending.reset();
  return out;
}

Status finish_rotation(const std::string& store, const std::string& origin, const LogReading& log) {
  SEALRING_ASSIGN(const StoreIdentity identity, store_identity(store, origin, log));
  if (!identity.unfinished) return {};
  return put_recorded_rotation(store, identity.unfinished->index, identity.unfinished->statement);
}

}  // namespace sealring
