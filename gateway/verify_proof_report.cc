// A proof's report for people and for programs: the same facts twice.
#include <nlohmann/json.hpp>

#include "gateway/render.h"
#include "gateway/verify_proof.h"
#include "gateway/verify_succession.h"

namespace sealring {
namespace {

void row(std::string& out, const std::string& label, const std::string& text) { record_row(out, label, escaped(text)); }

std::string time_of(std::uint64_t unix_s) {
  if (unix_s > INT64_MAX / 1000000000) return std::to_string(unix_s) + " s";
  return utc_time(static_cast<std::int64_t>(unix_s) * 1000000000);
}

Record shown(const ProofReport& report) {
  Record record;
  record.index = report.index;
  record.entry = report.entry;
  const Result<Entry> entry = decode_entry(report.entry);
  if (!entry) return record;
  if (const auto* message = std::get_if<Message>(&entry->body)) {
    record.payload = Bytes(message->payload);
    if (message->parts) record.parts_missing = message->parts->count - 1;
  }
  return record;
}

}  // namespace

std::string proof_report_text(const ProofReport& report) {
  std::string out;
  // Shown only once it is known to be in the tree: what a forger wrote is not what the log says.
  if (!report.entry.empty() && report.verdict != Verdict::tampered) out += record_text(shown(report), {}) + "\n";
  row(out, "proof", report.where);
  if (!report.origin.empty()) row(out, "log", report.origin);
  if (report.size > 0)
    row(out, "checkpoint", "size " + std::to_string(report.size) + ", root " + base64(view(report.root)));
  for (const auto& [from, to] : report.rotations)
    row(out, "rotated", "the identity key from " + from.encode() + " to " + to.encode());
  if (report.closed) row(out, "closed", closed_text(*report.closed, report.index + 1));
  for (const auto& [name, time] : report.cosigned_by) row(out, "cosigned", "by " + name + " at " + time_of(time));
  for (const std::string& sentence : report.proven) row(out, "proven", sentence);
  for (const std::string& sentence : report.open) row(out, "not proven", sentence);
  for (const Finding& finding : report.findings) row(out, verdict_name(finding.verdict), finding.what);
  row(out, "verdict", std::string(verdict_name(report.verdict)) + ": " + verdict_meaning(report.verdict));
  return out;
}

std::string proof_report_json(const ProofReport& report) {
  using Json = nlohmann::ordered_json;
  Json findings = Json::array(), cosigned = Json::object(), rotations = Json::array();
  for (const auto& [from, to] : report.rotations) rotations.push_back({{"from", from.encode()}, {"to", to.encode()}});
  for (const Finding& finding : report.findings)
    findings.push_back({{"verdict", verdict_name(finding.verdict)}, {"what", finding.what}});
  for (const auto& [name, time] : report.cosigned_by) cosigned[name] = time;
  Json json = {{"verdict", verdict_name(report.verdict)},
               {"exit_code", static_cast<int>(report.verdict)},
               {"kind", "proof"},
               {"path", report.where},
               {"origin", report.origin},
               {"index", report.index},
               {"size", report.size},
               {"root", base64(view(report.root))},
               {"leaf_hash", hex(view(report.leaf))},
               {"anchor_matched", report.anchor_matched},
               {"anchor_from", report.anchor_from},
               {"quorum_met", report.quorum_met},
               {"cosigned_by", cosigned},
               {"rotations", rotations},
               {"closed", nullptr},
               {"record", nullptr},
               {"proven", report.proven},
               {"not_proven", report.open},
               {"findings", findings}};
  if (report.closed)
    json["closed"] = {{"where", report.closed->where},
                      {"size", report.closed->statement.closed.size},
                      {"follower", report.closed->statement.follower.encode()},
                      {"countersigned_by", report.closed->countersigned_by}};
  if (!report.entry.empty() && report.verdict != Verdict::tampered)
    json["record"] = Json::parse(record_json(shown(report)), nullptr, false);
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace sealring
