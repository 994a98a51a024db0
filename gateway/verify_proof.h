// The offline check of one record's proof: what `sealring verify FILE` does with a .tlog-proof. The file's bytes are in
// storage/FORMAT.md "Proof file". As verify.h, it believes nothing that it has not recomputed, and fails closed.
#pragma once

#include "gateway/verify.h"

namespace sealring {

struct ProofOptions {
  std::string where;  // of the file, for the report
  Bytes file;
  std::optional<Policy> policy;
  std::vector<Anchor> anchors;
  SuccessionsBrought successions;
  std::optional<Bytes> payload;  // of a large message, to be compared with what its entry says
};

struct ProofReport {
  std::string where;
  std::string origin;
  std::uint64_t index = 0, size = 0;
  Hash root{}, leaf{};
  Bytes entry;                                                 // empty: the file has none that could be read
  std::vector<std::pair<VerifierKey, VerifierKey>> rotations;  // of the identity, from key to key, as the file has them
  std::map<std::string, std::uint64_t> cosigned_by;            // by the policy's names -> POSIX time
  bool quorum_met = false;
  bool anchor_matched = false;  // key and entry 0
  bool payload_matched = false;
  std::string anchor_from;  // as in LogReport
  std::optional<ClosedSeen> closed;
  std::vector<Finding> findings;
  std::vector<std::string> proven, open;
  Verdict verdict = Verdict::fine;

  void find(Verdict v, std::string what);
};

bool is_proof_file(ByteView bytes);  // by its first line

// Fine: the record is in the log by the policy's quorum, or is in the log that began with the anchor's entry 0. Less
// than what was brought asks for: unproven. Something that does not match: tampered.
ProofReport verify_proof(const ProofOptions& options);

std::string proof_report_text(const ProofReport& report);
std::string proof_report_json(const ProofReport& report);  // one object, ends in a newline

}  // namespace sealring
