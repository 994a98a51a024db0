// The verifier's report for people and for programs: the same facts twice.
#include <ctime>
#include <nlohmann/json.hpp>

#include "gateway/verify_succession.h"

namespace sealring {
namespace {

std::string figure(std::uint64_t n) { return std::to_string(n); }

std::string plural(std::uint64_t n, const char* one, const char* many) {
  return figure(n) + " " + (n == 1 ? one : many);
}

std::string utc(std::uint64_t time_s) {
  const auto time = static_cast<std::time_t>(time_s);
  std::tm tm{};
  char text[32];
  if (time_s > 253402300799 || !::gmtime_r(&time, &tm)) return figure(time_s) + " s";  // after the year 9999
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm));
}

constexpr std::size_t kWidth = 108, kUnwrapped = std::string::npos;

// File names and texts from evidence must not forge a line of the report, nor speak to the terminal.
std::string without_controls(const std::string& text) {
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += "\\x" + hex(ByteView(&c, 1));
    else
      out += c;
  }
  return out;
}

// "label      text", text wrapped at word ends under itself.
void report_row(std::string& out, const std::string& label, const std::string& raw, std::size_t width = kWidth) {
  const std::string text = without_controls(raw);
  constexpr std::size_t kLabel = 12;
  std::size_t from = 0;
  bool first = true;
  do {
    std::size_t length = std::min(text.size() - from, width);
    if (from + length < text.size()) {
      const std::size_t space = text.rfind(' ', from + length);
      if (space != std::string::npos && space > from) length = space - from;
    }
    const std::string head = first ? label : "";
    out += head + std::string(head.size() < kLabel ? kLabel - head.size() : 1, ' ') + text.substr(from, length) + "\n";
    from += length;
    while (from < text.size() && text[from] == ' ') ++from;
    first = false;
  } while (from < text.size());
}

std::string counts(const std::map<std::string, std::uint64_t>& map) {
  std::string out;
  for (const auto& [name, n] : map) out += (out.empty() ? "" : ", ") + name + " " + figure(n);
  return out;
}

std::string checked(const LogReport& log) {
  std::string out = plural(log.leaves, "leaf", "leaves") + " in " + plural(log.segments, "segment", "segments") + ", " +
                    plural(log.checkpoints, "sealed checkpoint", "sealed checkpoints") + ", " +
                    plural(log.handovers, "handover", "handovers") + ", " + plural(log.receipts, "receipt", "receipts");
  if (log.receipts_counted > 0) out += " (" + figure(log.receipts_counted) + " count under the policy)";
  if (log.logged_receipts > 0) out += ", " + plural(log.logged_receipts, "receipt", "receipts") + " within the log";
  if (log.epoch_signatures > 0) out += ", " + plural(log.epoch_signatures, "frame signature", "frame signatures");
  return out;
}

std::string receipt_text(const ReceiptSeen& receipt) {
  std::string out = "up to size " + figure(receipt.size);
  for (const auto& [name, time] : receipt.cosigned_by) out += ", by " + sealring::quoted(name) + " at " + utc(time);
  return out;
}

std::string finding_text(const Finding& finding) {
  return (finding.where.empty() ? "" : finding.where + ": ") + finding.what;
}

std::string verdict_text(Verdict verdict) {
  std::string name = verdict_name(verdict);
  for (char& c : name) c = static_cast<char>(c - 'a' + 'A');
  return name + " (" + figure(static_cast<std::uint64_t>(verdict)) + "): " + verdict_meaning(verdict);
}

std::string witnessed_text(const LogReport& log) {
  std::string text = "size " + figure(*log.witnessed);
  if (log.witnessed_unix) text += " at " + utc(*log.witnessed_unix);
  if (*log.witnessed > log.size)
    text += ": entries " + figure(log.size) + " to " + figure(*log.witnessed - 1) + " are not here yet";
  return text;
}

std::string succession_text(const SuccessionSeen& seen) {
  return sealring::quoted(seen.closed.origin, 255) + ", closed at size " + figure(seen.closed.size) +
         (seen.signature_holds ? ", signed by " : "; NOT shown to be signed by ") +
         (seen.old_key_known ? "its key " : "a key that claims to be its, ") + seen.old_key.encode();
}

std::string lost_text(const LossSeen& seen) {
  const Loss& loss = seen.loss;
  return "entries " + figure(loss.start) + " to " + figure(loss.end - 1) +
         (loss.damaged ? ", lost by damage with at most " : ", dropped unsent with ") +
         plural(loss.messages, "message", "messages") + ", by loss entry " + figure(seen.index) +
         (!seen.missing_from                 ? "; all of them are here"
          : *seen.missing_from == loss.start ? ""
                                             : "; from " + figure(*seen.missing_from) + " on they are not here");
}

void log_text(std::string& out, const LogReport& log) {
  report_row(out, "log", log.origin.empty() ? "(not known)" : sealring::quoted(log.origin, 255));
  report_row(out, "in", log.where);
  report_row(out, "size", plural(log.size, "entry", "entries") + ", root " + base64(view(log.root)));
  if (!log.anchor.empty()) report_row(out, log.anchor_matched ? "anchor" : "begins with", log.anchor, kUnwrapped);
  report_row(out, "checked", checked(log));
  if (log.succession) report_row(out, "follows", succession_text(*log.succession));
  if (log.closed) report_row(out, "closed", closed_text(*log.closed, log.size));
  if (log.carried > 0)
    report_row(out, "carried", plural(log.carried, "entry", "entries") + " of the log that it follows");
  for (const RotationSeen& seen : log.rotations)
    report_row(out, "rotated",
               "the identity key, at entry " + figure(seen.index) + ": from " + seen.from.encode() + " to " +
                   seen.to.encode());
  for (const LossSeen& seen : log.losses) report_row(out, "lost", lost_text(seen));
  if (!log.kinds.empty()) report_row(out, "entries", counts(log.kinds));
  if (!log.events.empty()) report_row(out, "events", counts(log.events));
  if (log.highest_receipt) report_row(out, "receipted", receipt_text(*log.highest_receipt));
  if (log.witnessed) report_row(out, "witnessed", witnessed_text(log));
  if (log.pending > 0)
    report_row(out, "pending", plural(log.pending, "checkpoint", "checkpoints") + " registered ahead");
  if (log.staged > 0)
    report_row(out, "staged", plural(log.staged, "file", "files") + " of uploads under way, not evidence");
  for (const std::string& sentence : log.proven) report_row(out, "proven", sentence);
  for (const std::string& sentence : log.open) report_row(out, "not proven", sentence);
  for (const Finding& finding : log.findings) report_row(out, verdict_name(finding.verdict), finding_text(finding));
  if (log.findings_beyond > 0) report_row(out, "", "and " + figure(log.findings_beyond) + " more findings");
  report_row(out, "verdict", verdict_text(log.verdict));
}

using ReportJson = nlohmann::ordered_json;

ReportJson finding_json(const Finding& finding) {
  return {{"verdict", verdict_name(finding.verdict)}, {"where", finding.where}, {"what", finding.what}};
}

ReportJson findings_json(const std::vector<Finding>& findings) {
  ReportJson list = ReportJson::array();
  for (const Finding& finding : findings) list.push_back(finding_json(finding));
  return list;
}

ReportJson receipts_json(const LogReport& log) {
  ReportJson receipts = {{"found", log.receipts}, {"counted", log.receipts_counted}, {"logged", log.logged_receipts}};
  if (!log.highest_receipt) return receipts;
  ReportJson by = ReportJson::object();
  for (const auto& [name, time] : log.highest_receipt->cosigned_by) by[name] = time;
  receipts["highest"] = {{"size", log.highest_receipt->size}, {"cosigned_by", by}};
  return receipts;
}

ReportJson breaks_json(const LogReport& log) {
  ReportJson list = ReportJson::array();
  for (const BreakSeen& seen : log.breaks)
    list.push_back({{"index", seen.index}, {"epoch", seen.epoch}, {"identity_only_from", seen.from}});
  return list;
}

ReportJson losses_json(const LogReport& log) {
  ReportJson list = ReportJson::array();
  for (const LossSeen& seen : log.losses)
    list.push_back({{"index", seen.index},
                    {"start", seen.loss.start},
                    {"end", seen.loss.end},
                    {"messages", seen.loss.messages},
                    {"damaged", seen.loss.damaged},
                    {"first_wall_ns", seen.loss.first_wall_ns},
                    {"last_wall_ns", seen.loss.last_wall_ns},
                    {"missing", seen.missing_from ? seen.loss.end - *seen.missing_from : 0}});
  return list;
}

ReportJson rotations_json(const LogReport& log) {
  ReportJson list = ReportJson::array();
  for (const RotationSeen& seen : log.rotations)
    list.push_back({{"index", seen.index}, {"from", seen.from.encode()}, {"to", seen.to.encode()}});
  return list;
}

ReportJson succession_json(const LogReport& log) {
  if (!log.succession) return nullptr;
  const SuccessionSeen& seen = *log.succession;
  return {{"origin", seen.closed.origin},           {"size", seen.closed.size},
          {"root", base64(view(seen.closed.root))}, {"old_key", seen.old_key.encode()},
          {"old_key_known", seen.old_key_known},    {"signature_holds", seen.signature_holds}};
}

ReportJson closed_json(const LogReport& log) {
  if (!log.closed) return nullptr;
  const ClosedSeen& closed = *log.closed;
  return {{"where", closed.where},
          {"size", closed.statement.closed.size},
          {"root", base64(view(closed.statement.closed.root))},
          {"follower", closed.statement.follower.encode()},
          {"genesis", hex(view(closed.statement.genesis))},
          {"countersigned_by", closed.countersigned_by}};
}

ReportJson log_json(const LogReport& log) {
  ReportJson json = {{"verdict", verdict_name(log.verdict)},
                     {"exit_code", static_cast<int>(log.verdict)},
                     {"origin", log.origin},
                     {"where", log.where},
                     {"kind", log.is_store ? "store" : "archive"},
                     {"first", log.first},
                     {"size", log.size},
                     {"root", base64(view(log.root))},
                     {"anchor", log.anchor},
                     {"anchor_matched", log.anchor_matched},
                     {"anchor_from", log.anchor_from},
                     {"segments", log.segments},
                     {"leaves", log.leaves},
                     {"sealed_checkpoints", log.checkpoints},
                     {"handovers", log.handovers},
                     {"breaks", breaks_json(log)},
                     {"losses", losses_json(log)},
                     {"rotations", rotations_json(log)},
                     {"succession", succession_json(log)},
                     {"carried", log.carried},
                     {"closed", closed_json(log)},
                     {"epoch_signatures", log.epoch_signatures},
                     {"receipts", receipts_json(log)},
                     {"witnessed", nullptr},
                     {"witnessed_unix", nullptr},
                     {"pending", log.pending},
                     {"staged", log.staged},
                     {"entries", log.kinds},
                     {"events", log.events},
                     {"proven", log.proven},
                     {"not_proven", log.open},
                     {"findings", findings_json(log.findings)},
                     {"findings_beyond", log.findings_beyond}};
  if (log.witnessed) json["witnessed"] = *log.witnessed;
  if (log.witnessed_unix) json["witnessed_unix"] = *log.witnessed_unix;
  return json;
}

}  // namespace

std::string report_text(const VerifyReport& report) {
  std::string out;
  for (const LogReport& log : report.logs) {
    if (!out.empty()) out += "\n";
    log_text(out, log);
  }
  if (!report.findings.empty() && !out.empty()) out += "\n";
  for (const Finding& finding : report.findings) report_row(out, verdict_name(finding.verdict), finding_text(finding));
  if (report.logs.size() != 1 || report.verdict != report.logs[0].verdict)
    report_row(out, "verdict",
               verdict_text(report.verdict) +
                   (report.logs.size() > 1 ? " (the worst of " + figure(report.logs.size()) + " logs)" : ""));
  return out;
}

std::string report_json(const VerifyReport& report) {
  ReportJson logs = ReportJson::array();
  for (const LogReport& log : report.logs) logs.push_back(log_json(log));
  const ReportJson json = {{"verdict", verdict_name(report.verdict)},
                           {"exit_code", static_cast<int>(report.verdict)},
                           {"path", report.path},
                           {"logs", logs},
                           {"findings", findings_json(report.findings)}};
  // Names of files are the system's bytes: what is not UTF-8 is replaced, never a reason to fail.
  return json.dump(2, ' ', true, ReportJson::error_handler_t::replace) + "\n";
}

}  // namespace sealring
