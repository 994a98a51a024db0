#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>

#include "drivers/file.h"
#include "drivers/last_words.h"
#include "drivers/toml_reader.h"
#include "gateway/cli.h"
#include "gateway/progress.h"
#include "gateway/verify_proof.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxProofBytes = 16u << 20;  // of a proof or a payload; far above what can be

struct VerifyArguments {
  std::string path, policy, anchor, succession_key, payload, max_lag = "24h";
  std::vector<std::string> successions;
  std::uint64_t min_size = 0;
  std::vector<std::uint64_t> accepted_breaks;
  bool json = false;
};

Result<std::vector<Anchor>> read_anchors(const std::string& argument) {
  if (Result<Anchor> line = Anchor::parse(argument)) return std::vector<Anchor>{std::move(*line)};
  Result<Bytes> text = read_file(argument, 16u << 20);
  // Whoever meant a line should hear what is wrong with the line.
  if (!text && argument.find('+') != std::string::npos) return Anchor::parse(argument).error();
  if (!text) return std::move(text).error();
  Result<std::vector<Anchor>> anchors = parse_anchors(*text);
  if (!anchors) return std::move(anchors).error().in(argument);
  return anchors;
}

Result<Policy> read_policy(const std::string& path) {
  SEALRING_ASSIGN(const Bytes text, read_file(path, 16u << 20));
  Result<Policy> policy = Policy::parse(text);
  if (!policy) return std::move(policy).error().in(path);
  return policy;
}

Result<SuccessionsBrought> read_successions(const VerifyArguments& arguments) {
  SuccessionsBrought out;
  for (const std::string& path : arguments.successions) {
    SEALRING_ASSIGN(Bytes note, read_file(path, kMaxNoteBytes));
    out.files.push_back({path, std::move(note)});
  }
  if (!arguments.successions.empty() && arguments.succession_key.empty())
    return reject_error("--succession: counts only with --succession-key, the vkey of the collector's succession key");
  if (arguments.succession_key.empty()) return out;
  Result<VerifierKey> key = VerifierKey::parse(arguments.succession_key);
  if (!key) return std::move(key).error().in("--succession-key");
  if (key->type != KeyType::ed25519) return reject_error("--succession-key: is the vkey of a cosigner");
  out.key = std::move(*key);
  return out;
}

// A file that is a proof of one record; none when PATH is something else.
std::optional<int> verify_file(const VerifyArguments& arguments, const VerifyOptions& options) {
  struct stat st {};
  if (::stat(arguments.path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  Result<Bytes> file = read_file(arguments.path, kMaxProofBytes);
  if (!file) return fail(file.error(), static_cast<int>(Verdict::unreadable));
  if (!is_proof_file(*file)) return std::nullopt;
  ProofOptions proof;
  proof.where = arguments.path;
  proof.file = std::move(*file);
  proof.policy = options.policy;
  proof.anchors = options.anchors;
  proof.successions = options.successions;
  if (options.min_size > 0) return fail(reject_error("--min-size: is for logs, not for the proof of a record"), kUsage);
  if (!options.accepted_breaks.empty())
    return fail(reject_error("--accept-break: is for logs, not for the proof of a record"), kUsage);
  if (!arguments.payload.empty()) {
    Result<Bytes> payload = read_file(arguments.payload, kMaxProofBytes);
    if (!payload) return fail(std::move(payload).error().in("--payload"), kUsage);
    proof.payload = std::move(*payload);
  }
  const ProofReport report = verify_proof(proof);
  const bool printed = print(arguments.json ? proof_report_json(report) : proof_report_text(report));
  if (!printed && report.verdict == Verdict::fine) return kFailed;
  return static_cast<int>(report.verdict);
}

int run_verify(const VerifyArguments& arguments) {
  end_on_map_fault(static_cast<int>(Verdict::unreadable));
  VerifyOptions options;
  options.path = arguments.path;
  options.min_size = arguments.min_size;
  options.accepted_breaks = {arguments.accepted_breaks.begin(), arguments.accepted_breaks.end()};
  Result<std::chrono::milliseconds> lag = parse_duration(arguments.max_lag);
  if (!lag) return fail(std::move(lag).error().in("--max-lag"), kUsage);
  options.max_lag_s = static_cast<std::uint64_t>(lag->count()) / 1000;
  if (const std::time_t now = std::time(nullptr); now > 0) options.now_unix = static_cast<std::uint64_t>(now);
  if (!arguments.anchor.empty()) {
    Result<std::vector<Anchor>> anchors = read_anchors(arguments.anchor);
    if (!anchors) return fail(std::move(anchors).error().in("--anchor"), kUsage);
    options.anchors = std::move(*anchors);
  }
  if (!arguments.policy.empty()) {
    Result<Policy> policy = read_policy(arguments.policy);
    if (!policy) return fail(std::move(policy).error().in("--policy"), kUsage);
    options.policy = std::move(*policy);
  }
  Result<SuccessionsBrought> successions = read_successions(arguments);
  if (!successions) return fail(successions.error(), kUsage);
  options.successions = std::move(*successions);
  try {
    if (const std::optional<int> code = verify_file(arguments, options)) return *code;
    if (!arguments.payload.empty())
      return fail(reject_error("--payload: is for the proof of a record, and " + arguments.path + " is none"), kUsage);
    ProgressBar bar;
    options.on_progress = [&bar](const std::string& where, std::uint64_t done, std::uint64_t of) {
      bar.show(where, done, of);
    };
    const VerifyReport report = verify(options);
    bar.clear();
    const bool printed = print(arguments.json ? report_json(report) : report_text(report));
    if (!printed && report.verdict == Verdict::fine) return kFailed;
    return static_cast<int>(report.verdict);
  } catch (const std::exception& error) {
    // Out of memory, say: never to be taken for an answer.
    return fail(reject_error(error.what()), static_cast<int>(Verdict::unreadable));
  }
}

}  // namespace

void add_verify(CLI::App& app, int& code) {
  auto arguments = std::make_shared<VerifyArguments>();
  VerifyArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("verify", "check a log, or one record's proof, from its bytes alone");
  sub->add_option("PATH", a.path, "archive, one log's folder in it, a store, or a .tlog-proof")->required();
  sub->add_option("--policy", a.policy, "C2SP tlog-policy file: whose cosignatures make a receipt")->type_name("FILE");
  sub->add_option("--anchor", a.anchor, "the line that `sealring init` printed, or a file of such lines")
      ->type_name("FILE");
  sub->add_option("--succession", a.successions,
                  "the statement that a log was closed and which one follows (repeatable, in the order of the logs)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  sub->add_option("--succession-key", a.succession_key, "vkey of the collector's key that must have countersigned it")
      ->type_name("VKEY");
  sub->add_option("--min-size", a.min_size, "the log must have at least so many entries")->type_name("N");
  sub->add_option("--max-lag", a.max_lag,
                  "entries that a witness has seen longer ago than this, and that are not here, are a finding")
      ->type_name("DURATION")
      ->capture_default_str();
  sub->add_option("--accept-break", a.accepted_breaks, "a break at this index is known, and no fault (repeatable)")
      ->type_name("INDEX");
  sub->add_option("--payload", a.payload, "of a proof: the payload to compare with the record")->type_name("FILE");
  sub->add_flag("--json", a.json, "for programs");
  sub->footer(
      "What may be concluded depends on what you bring: without an anchor a log can only be found consistent with\n"
      "itself; without receipts (and a policy that says whose), or a minimum size, its end may have been cut off.\n\n"
      "Exit codes:\n"
      "   0  fine: all that was asked for is proven\n"
      "  10  fine, but with breaks, losses or oddities, which are named\n"
      "  11  unproven: nothing is wrong, but the evidence is too weak\n"
      "  12  broken: an epoch key was lost, and no --accept-break names the place\n"
      "  20  tampered or damaged\n"
      "  21  truncated: entries that provably existed are not here\n"
      "  22  forked: two histories under one key\n"
      "  30  unreadable\n"
      "   2  wrong usage\n\n"
      "Example:\n"
      "  sealring verify /srv/archive --policy policy --anchor anchor");
  sub->callback([arguments, &code] { code = run_verify(*arguments); });
}

}  // namespace sealring
