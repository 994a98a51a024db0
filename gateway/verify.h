// The verifier: what `sealring verify` does, and the oracle of the tests.
//
// It shares no code with recorder, ring or collector beyond the primitives that have vectors of their own (hashes,
// signatures, notes, the entry decoder): the tree is computed anew from every leaf, and nothing that the evidence says
// about itself is believed before it was recomputed. It only reads. docs/log.md §10 is the rule for what it may say.
//
// Fail closed: whatever cannot be read, parsed or checked becomes a finding, and a finding never lets the verdict be
// fine. Memory: one segment at a time, and about a hundred bytes for each segment and note.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "crypto/policy.h"
#include "crypto/succession.h"
#include "storage/entry.h"

namespace sealring {

// The numbers are the exit codes of `sealring verify`.
enum class Verdict {
  fine = 0,
  named = 10,       // fine, with breaks, losses or oddities that are named
  unproven = 11,    // nothing is wrong, but the evidence is weaker than asked for
  broken = 12,      // the chain of epoch keys has a break that was not accepted by its index
  tampered = 20,    // something does not match: damaged or changed
  truncated = 21,   // entries that provably existed are not here
  forked = 22,      // the identity key signed two histories
  unreadable = 30,  // the bytes could not be had
};
const char* verdict_name(Verdict verdict);  // "fine", "named", ...
Verdict worse_of(Verdict a,
                 Verdict b);  // tampered > forked > unreadable > truncated > broken > unproven > named > fine
const char* verdict_meaning(Verdict verdict);  // a sentence for people

struct Finding {
  Verdict verdict = Verdict::fine;
  std::string where;  // file, index, offset: as exact as known; empty: the log as a whole
  std::string what;
};

// What a verifier must know beforehand: the identity's vkey and the leaf hash of entry 0 (docs/log.md §1).
struct Anchor {
  VerifierKey key;  // type ed25519, named as the origin
  Hash genesis{};

  std::string line() const;  // "<vkey> <hex>", no newline
  static Result<Anchor> parse(std::string_view line);
};
// A file of anchors, one a line; empty lines and lines that start with '#' are skipped. At most one for an origin.
Result<std::vector<Anchor>> parse_anchors(std::string_view text);

// Statements that logs were closed and are followed by others, and whose countersignature makes them count
// (docs/log.md §7).
struct SuccessionsBrought {
  struct File {
    std::string where;
    Bytes note;
  };
  std::vector<File> files;  // in the order of the logs
  std::optional<VerifierKey> key;
};

struct VerifyOptions {
  std::string path;  // an archive, one log's folder in it, or a gateway's store
  std::optional<Policy> policy;
  std::vector<Anchor> anchors;
  SuccessionsBrought successions{};
  std::uint64_t min_size = 0;  // known from outside: fewer entries are a truncation
  // Indices of breaks that the auditor knows of and accepts: they are named then, and no more.
  std::set<std::uint64_t> accepted_breaks;
  // A witness hears of entries before the archive does. What it has cosigned less than max_lag_s ago may still be on
  // its way; older than that it is a finding. No clock: always one.
  std::optional<std::uint64_t> now_unix;
  std::uint64_t max_lag_s = kMaxLagSeconds;
  static constexpr std::uint64_t kMaxLagSeconds = 24 * 3600;
  // Called after each segment, on the caller's thread: entries read of those that one log's evidence claims to have.
  std::function<void(const std::string& where, std::uint64_t done, std::uint64_t of)> on_progress;
};

// A receipt as the policy sees it.
struct ReceiptSeen {
  std::uint64_t size = 0;
  std::map<std::string, std::uint64_t> cosigned_by;  // name -> POSIX time
};

// The secret of an epoch was lost. Entries [from, index) had no more than the identity key to stand on while it was so,
// and no later receipt changes that.
struct BreakSeen {
  std::uint64_t index = 0, epoch = 0;
  Hash leaf{};
  std::uint64_t from = 0;  // the largest size at or below it that a receipt covers
  std::string where;
};

// A loss entry. Of its range, the entries from `missing_from` on are not here; none: all are, they had gone up before.
struct LossSeen {
  std::uint64_t index = 0;
  Hash leaf{};
  Loss loss;
  std::optional<std::uint64_t> missing_from = std::nullopt;
};

// Checkpoints of a size above `index` need the signature of `to`.
struct RotationSeen {
  std::uint64_t index = 0;
  VerifierKey from, to;
};

// Entry 1 of a log that follows a closed one (docs/log.md §7).
struct SuccessionSeen {
  Checkpoint closed;  // what the log that was closed could not extend
  VerifierKey old_key;
  // By old_key. That alone says little: whoever begins a log can make it with a key of his own.
  bool signature_holds = false;
  bool old_key_known = false;  // as one of the closed log: by its anchor, or by the policy
};

// That this log was closed, and which one follows it.
struct ClosedSeen {
  std::string where;
  Succession statement;
  std::string countersigned_by;  // the succession key that was brought; empty: shown, and not believed
};

struct LogReport {
  std::string where;   // folder
  std::string origin;  // empty: not known
  std::string anchor;  // as recomputed from the evidence itself; for comparing, never for trusting
  bool anchor_matched = false;
  std::string anchor_from;  // the statement of a succession that named the anchor; empty: it was brought
  bool is_store = false;

  std::uint64_t first = 0;  // entries [first, size) were read
  std::uint64_t size = 0;
  Hash root{};
  std::uint64_t segments = 0;
  std::uint64_t leaves = 0;       // recomputed
  std::uint64_t checkpoints = 0;  // sealed ones whose root and identity signature hold
  std::uint64_t handovers = 0;    // with both signatures, position and root
  std::vector<BreakSeen> breaks;
  std::vector<LossSeen> losses;
  std::vector<RotationSeen> rotations;  // signed by both keys
  std::optional<SuccessionSeen> succession;
  std::optional<ClosedSeen> closed;
  std::uint64_t carried = 0;                    // entries of the closed log's store, whole ones
  std::uint64_t epoch_signatures = 0;           // of frames; only a store has them
  std::map<std::string, std::uint64_t> kinds;   // "message", "event", "kind 77" -> how many
  std::map<std::string, std::uint64_t> events;  // "start", "heartbeat" -> how many
  std::uint64_t receipts = 0;                   // found
  std::uint64_t receipts_counted = 0;           // of them: root, signatures and quorum hold under the given policy
  std::vector<std::uint64_t> receipted_sizes;   // of those counted, in no order
  std::optional<ReceiptSeen> highest_receipt;   // of those counted
  std::uint64_t logged_receipts = 0;            // receipt entries within the log, root and identity's line right
  std::optional<std::uint64_t> witnessed;       // size of the witness' latest checkpoint
  std::optional<std::uint64_t> witnessed_unix;  // when it was cosigned, by whom the policy names
  std::uint64_t pending = 0;                    // checkpoints registered ahead of their entries
  std::uint64_t staged = 0;                     // files of uploads under way: not evidence, not read

  std::vector<Finding> findings;      // the first kMaxFindings of them
  std::uint64_t findings_beyond = 0;  // not kept
  std::vector<std::string> proven;    // sentences
  std::vector<std::string> open;      // what is not proven
  Verdict verdict = Verdict::fine;

  void find(Verdict v, std::string at, std::string what);
};
constexpr std::size_t kMaxFindings = 200;

struct VerifyReport {
  std::string path;
  std::vector<LogReport> logs;
  std::vector<Finding> findings;  // of the path as a whole
  Verdict verdict = Verdict::fine;

  void find(Verdict v, std::string at, std::string what);
};

// Never fails: what goes wrong is in the report.
VerifyReport verify(const VerifyOptions& options);

std::string report_text(const VerifyReport& report);
std::string report_json(const VerifyReport& report);  // one object, ends in a newline

}  // namespace sealring
