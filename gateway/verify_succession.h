// The verifier's side of a succession (docs/log.md §7): which statements count, and what follows from one.
//
// A statement counts only with two valid lines: of a key that is known for the log that it closes, and of the
// collector's succession key, which whoever verifies brings along. Then its follower is trusted as the closed log is:
// like a log whose anchor was brought, if that log's anchor was; by the policy alone, if that log is known by no more.
#pragma once

#include "gateway/verify.h"

namespace sealring {

struct FollowedSuccession {
  std::string where;
  Note note;
  Succession statement;
  bool gave_anchor = false;  // the follower's: nobody brought one
  bool gave_line = false;    // to the policy, the follower's

  Anchor follower() const { return {statement.follower, statement.genesis}; }
};

// What whoever verifies brought, and what the statements among it add to that.
struct Followed {
  std::vector<Anchor> anchors;  // those brought first
  std::optional<Policy> policy;
  std::vector<FollowedSuccession> steps;
  std::vector<Finding> findings;  // what is not followed, and why

  const FollowedSuccession* closing(std::string_view origin) const;     // nullptr: none
  const FollowedSuccession* leading_to(std::string_view origin) const;  // nullptr: none
  const Anchor* anchor_of(std::string_view origin) const;               // nullptr: none

  // Whether that is a key of the log which it names. No: the policy that was brought has others. An anchor or a
  // statement does not say so: the identity may have been rotated since.
  enum class Known { yes, no, cannot_say };
  Known knows(const VerifierKey& key) const;
};
Followed follow_successions(const std::vector<Anchor>& anchors, const std::optional<Policy>& policy,
                            const SuccessionsBrought& brought);

// Whether entry 1 of the follower says the same.
bool agrees(const FollowedSuccession& step, const Checkpoint& closed, const PublicKey& old_key);

// For the reports: what of the trust in the follower is the collector's word; empty: nothing.
std::string vouched_text(const FollowedSuccession& step, const VerifierKey& by);
// For the reports; `size` is that of the closed log as far as it was verified.
std::string closed_text(const ClosedSeen& closed, std::uint64_t size);

}  // namespace sealring
