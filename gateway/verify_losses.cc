// Entries that are not there because they were dropped unsent (docs/log.md §6): a hole passes only when the log itself
// says so, in an entry that its identity has signed.
#include <algorithm>

#include "crypto/checkpoint.h"
#include "gateway/verify_log.h"

namespace sealring {
namespace {

std::string span(std::uint64_t start, std::uint64_t end) {
  return "[" + std::to_string(start) + ", " + std::to_string(end) + ")";
}

// The hash of each complete subtree of [start, end), from those of its bundles; the range and the count fit each other.
std::vector<Hash> folded_bundles(const HoleEvidence& hole) {
  std::vector<Hash> out;
  std::size_t next = 0;
  for (const Subtree& subtree : complete_subtrees(hole.start, hole.end)) {
    TreeStack tree;
    const std::uint64_t leaves = std::uint64_t{1} << subtree.level;
    while (tree.size() < leaves) tree.push_bundle(hole.bundles[next++]);
    out.push_back(tree.root());
  }
  return out;
}

std::optional<Loss> loss_in(ByteView bytes) {
  const Result<Entry> entry = decode_entry(bytes);
  const auto* loss = entry ? std::get_if<Loss>(&entry->body) : nullptr;
  return loss == nullptr ? std::optional<Loss>() : std::optional<Loss>(*loss);
}

// What the hole says by itself: of a loss entry that is beyond the end of what is here, its proof. None: a finding.
std::optional<Claim> later_claim(const HoleSeen& seen, const IdentityChain& identity, LogReport& report) {
  const HoleEvidence& hole = seen.hole;
  const std::string where = seen.where + ": loss entry " + std::to_string(hole.loss_index);
  if (hole.loss_entry.empty()) {
    report.find(Verdict::tampered, where, "is not in the log");
    return std::nullopt;
  }
  const std::optional<Checkpoint> checkpoint = check_sealed_note(hole.note, where, identity, false, report);
  if (!checkpoint) return std::nullopt;
  const Status included =
      verify_inclusion(hole.loss_index, checkpoint->size, hole.proof, leaf_hash(hole.loss_entry), checkpoint->root);
  if (!included) {
    report.find(Verdict::tampered, where, "is not proven to be in the log: " + included.error().message);
    return std::nullopt;
  }
  Claim claim;
  claim.size = checkpoint->size;
  claim.root = checkpoint->root;
  claim.where = where;
  return claim;
}

}  // namespace

HoleSeen see_hole(std::string where, const HoleEvidence& hole) {
  HoleSeen seen{std::move(where), hole, folded_bundles(hole)};
  seen.hole.bundles.clear();
  return seen;
}

std::vector<Claim> check_losses(const std::vector<HoleSeen>& holes, const IdentityChain& identity, LogReport& report) {
  std::vector<Claim> claims;
  for (const HoleSeen& seen : holes) {
    const HoleEvidence& hole = seen.hole;
    const std::string lacks = "lacks entries " + span(hole.from, hole.end);
    const auto bad = [&](const std::string& what) { report.find(Verdict::tampered, seen.where, lacks + what); };
    const auto is_it = [&](const LossSeen& loss) { return loss.index == hole.loss_index; };
    auto loss = std::find_if(report.losses.begin(), report.losses.end(), is_it);
    if (hole.loss_index < report.size) {
      if (loss == report.losses.end()) {
        bad(", and entry " + std::to_string(hole.loss_index) + ", which should say so, is no loss entry");
        continue;
      }
      if (!hole.loss_entry.empty() && leaf_hash(hole.loss_entry) != loss->leaf) {
        bad(", and entry " + std::to_string(hole.loss_index) +
            " is not the loss entry that they are said to be lost by");
        continue;
      }
    } else {
      const std::optional<Claim> claim = later_claim(seen, identity, report);
      const std::optional<Loss> beyond = loss_in(hole.loss_entry);
      if (!claim || !beyond) continue;
      claims.push_back(*claim);
      report.losses.push_back(LossSeen{hole.loss_index, leaf_hash(hole.loss_entry), *beyond});
      loss = std::prev(report.losses.end());
      report.find(Verdict::unproven, seen.where,
                  lacks + ", dropped unsent: a later checkpoint has loss entry " + std::to_string(hole.loss_index) +
                      ", which is not here yet, so no receipt covers that");
    }
    // What the identity has signed and nobody has receipted can be made by whoever has the key, at any time.
    const auto covers = [&](std::uint64_t size) { return size > loss->index; };
    const std::vector<std::uint64_t>& receipts = report.receipted_sizes;
    if (!report.is_store && loss->index < report.size && std::none_of(receipts.begin(), receipts.end(), covers))
      report.find(Verdict::unproven, seen.where,
                  lacks + ", and loss entry " + std::to_string(loss->index) +
                      " says that they were dropped unsent; no receipt covers that");
    if (loss->loss.start != hole.start || loss->loss.end != hole.end || hole.from < hole.start)
      bad(", but loss entry " + std::to_string(loss->index) + " is of " + span(loss->loss.start, loss->loss.end));
    else if (loss->loss.hashes != seen.folded)
      bad(", and loss entry " + std::to_string(loss->index) + " has other hashes than the tree");
    else
      loss->missing_from = hole.from;
  }
  return claims;
}

}  // namespace sealring
