#include "gateway/verify.h"

#include <algorithm>

#include "crypto/sha256.h"
#include "drivers/file.h"
#include "gateway/verify_log.h"

namespace sealring {
namespace {

int severity(Verdict v) {
  switch (v) {
    case Verdict::fine:
      return 0;
    case Verdict::named:
      return 1;
    case Verdict::unproven:
      return 2;
    case Verdict::broken:
      return 3;
    case Verdict::truncated:
      return 4;
    case Verdict::unreadable:
      return 5;
    case Verdict::forked:
      return 6;
    case Verdict::tampered:
      return 7;
  }
  return 7;
}

std::string folder_of(std::string_view origin) { return hex(view(sha256(origin))); }

std::string last_name(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.find_last_of('/') + 1);
}

class PathVerifier {
 public:
  explicit PathVerifier(const VerifyOptions& options)
      : options_(options), followed_(follow_successions(options.anchors, options.policy, options.successions)) {
    report_.path = options.path;
  }
  VerifyReport run();

 private:
  void verify_root();
  void verify_source(const std::string& folder, Result<std::unique_ptr<EvidenceSource>> source, bool alone);
  const Anchor* anchor_for(const std::string& folder) const;
  const Anchor* anchor_alone(const EvidenceSource& source) const;
  Trust trust_for(const EvidenceSource& source, const Anchor* anchor) const;

  const VerifyOptions& options_;
  const Followed followed_;
  VerifyReport report_;
};

// By the folder's name, which is the hash of the origin; never by what the evidence says of itself.
const Anchor* PathVerifier::anchor_for(const std::string& folder) const {
  for (const Anchor& anchor : followed_.anchors)
    if (folder_of(anchor.key.name) == folder) return &anchor;
  return nullptr;
}

// Of a path whose name does not say whose log it is. With one anchor it has to be that log; or one that follows it, and
// then it may say itself which: each of them is trusted alike.
const Anchor* PathVerifier::anchor_alone(const EvidenceSource& source) const {
  if (options_.anchors.size() > 1) return nullptr;
  for (const Anchor& anchor : followed_.anchors)
    if (!followed_.steps.empty() && anchor.key.name == source.claimed_origin()) return &anchor;
  return options_.anchors.empty() ? nullptr : &followed_.anchors.front();
}

Trust PathVerifier::trust_for(const EvidenceSource& source, const Anchor* anchor) const {
  Trust trust;
  if (anchor) trust.anchor = *anchor;
  trust.min_size = options_.min_size;
  trust.accepted_breaks = options_.accepted_breaks;
  trust.now_unix = options_.now_unix;
  trust.max_lag_s = options_.max_lag_s;
  trust.on_progress = options_.on_progress;
  trust.followed = followed_;
  trust.succession_key = options_.successions.key;
  if (!followed_.policy) return trust;
  trust.policy = &*followed_.policy;
  const std::vector<Policy::Log>& logs = trust.policy->logs;
  std::string origin = anchor ? anchor->key.name : "";
  for (const Policy::Log& log : logs)
    if (!anchor && folder_of(log.key.name) == last_name(source.where())) origin = log.key.name;
  // A copy under another name, or a store: its own line chooses among the logs that the auditor trusts, and no other.
  // So does its name, once there are logs that follow.
  if (origin.empty() && !is_log_folder_name(last_name(source.where()))) {
    const ByteView own = ByteView(source.own_anchor()).substr(0, source.own_anchor().find_first_of(" \n"));
    const auto is_first = [&](const Policy::Log& log) { return log.key.name == logs.front().key.name; };
    const auto claimed = [&](const Policy::Log& log) {
      return !followed_.steps.empty() && log.key.name == source.claimed_origin();
    };
    for (const Policy::Log& log : logs)
      if (log.key.encode() == own || claimed(log) || std::all_of(logs.begin(), logs.end(), is_first))
        origin = log.key.name;
  }
  for (const Policy::Log& log : logs)
    if (log.key.name == origin) trust.policy_keys.push_back(log.key);
  return trust;
}

void PathVerifier::verify_source(const std::string& folder, Result<std::unique_ptr<EvidenceSource>> source,
                                 bool alone) {
  if (!source) {
    LogReport report;
    report.where = folder;
    const bool damaged = source.error().kind == ErrorKind::fatal;
    report.find(damaged ? Verdict::tampered : Verdict::unreadable, folder, source.error().message);
    report_.logs.push_back(std::move(report));
    return;
  }
  const std::string name = last_name(folder);
  const Anchor* anchor = anchor_for(name);
  if (alone && anchor == nullptr) anchor = anchor_alone(**source);
  LogReport report = verify_log(**source, trust_for(**source, anchor));
  if (is_log_folder_name(name) && !report.origin.empty() && name != folder_of(report.origin))
    report.find(Verdict::tampered, "", "the folder's name is not the SHA-256 of " + quoted(report.origin, 255));
  report_.logs.push_back(std::move(report));
}

void PathVerifier::verify_root() {
  Result<std::vector<std::string>> names = list_directory(options_.path);
  if (!names) return report_.find(Verdict::unreadable, options_.path, names.error().message);
  for (const std::string& name : *names) {
    if (name == "lock") continue;  // of a running collector
    if (is_log_folder_name(name))
      verify_source(options_.path + "/" + name, open_archive_source(options_.path + "/" + name), false);
    else
      report_.find(Verdict::named, name, "does not belong here; it was not looked into");
  }
  const auto demand = [&](const std::string& origin, const std::string& why) {
    if (std::find(names->begin(), names->end(), folder_of(origin)) == names->end())
      report_.find(Verdict::truncated, folder_of(origin), "there is no log of " + quoted(origin, 255) + why);
  };
  for (const Anchor& anchor : options_.anchors) demand(anchor.key.name, ", of which an anchor was given");
  for (const FollowedSuccession& step : followed_.steps) {
    const auto is_its = [&](const Anchor& anchor) { return anchor.key.name == step.statement.follower.name; };
    if (std::none_of(options_.anchors.begin(), options_.anchors.end(), is_its))
      demand(step.statement.follower.name, ", which follows by " + step.where);
  }
}

VerifyReport PathVerifier::run() {
  Result<PathKind> kind = path_kind(options_.path);
  if (!kind) {
    report_.find(Verdict::unreadable, options_.path, kind.error().message);
    return std::move(report_);
  }
  for (const Finding& finding : followed_.findings) report_.find(finding.verdict, finding.where, finding.what);
  switch (*kind) {
    case PathKind::archive_root:
      verify_root();
      break;
    case PathKind::archive_log:
      verify_source(options_.path, open_archive_source(options_.path), true);
      break;
    case PathKind::store:
      verify_source(options_.path, open_store_source(options_.path), true);
      break;
    case PathKind::unknown:
      report_.find(Verdict::unreadable, options_.path, "is neither an archive nor a log's folder in one nor a store");
      break;
  }
  if (report_.logs.empty() && report_.findings.empty())
    report_.find(Verdict::unreadable, options_.path, "holds no log");
  for (const LogReport& log : report_.logs) report_.verdict = worse_of(report_.verdict, log.verdict);
  return std::move(report_);
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::fine:
      return "fine";
    case Verdict::named:
      return "named";
    case Verdict::unproven:
      return "unproven";
    case Verdict::broken:
      return "broken";
    case Verdict::tampered:
      return "tampered";
    case Verdict::truncated:
      return "truncated";
    case Verdict::forked:
      return "forked";
    case Verdict::unreadable:
      return "unreadable";
  }
  return "tampered";
}

const char* verdict_meaning(Verdict verdict) {
  switch (verdict) {
    case Verdict::fine:
      return "everything that was asked for is proven";
    case Verdict::named:
      return "nothing contradicts the evidence, but see the breaks, losses or oddities named above";
    case Verdict::broken:
      return "nothing contradicts the evidence, but the chain of epoch keys has a break that was not accepted";
    case Verdict::unproven:
      return "nothing contradicts the evidence, but it is weaker than it should be";
    case Verdict::tampered:
      return "the evidence does not match: it was changed or damaged";
    case Verdict::truncated:
      return "entries that provably existed are not here";
    case Verdict::forked:
      return "the identity key signed two different histories";
    case Verdict::unreadable:
      return "the evidence could not be read";
  }
  return "";
}

Verdict worse_of(Verdict a, Verdict b) { return severity(a) >= severity(b) ? a : b; }

std::string Anchor::line() const { return key.encode() + " " + hex(view(genesis)); }

Result<Anchor> Anchor::parse(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos) return reject_error("an anchor is a vkey, one space and 64 hex digits");
  Anchor anchor;
  Result<VerifierKey> key = VerifierKey::parse(line.substr(0, space));
  if (!key) return std::move(key).error().in("anchor");
  anchor.key = std::move(*key);
  if (anchor.key.type != KeyType::ed25519) return reject_error("anchor: the vkey is not that of a log");
  if (Status status = check_origin(anchor.key.name); !status) return std::move(status).error().in("anchor");
  Result<Bytes> genesis = from_hex(line.substr(space + 1));
  if (!genesis || genesis->size() != anchor.genesis.size())
    return reject_error("anchor: after the vkey must come 64 hex digits");
  anchor.genesis = to_array<32>(*genesis);
  if (anchor.line() != line) return reject_error("anchor: not in its canonical form, " + anchor.line());
  return anchor;
}

Result<std::vector<Anchor>> parse_anchors(std::string_view text) {
  std::vector<Anchor> anchors;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    Result<Anchor> anchor = Anchor::parse(line);
    if (!anchor) return std::move(anchor).error().in("line " + std::to_string(number));
    for (const Anchor& other : anchors)
      if (other.key.name == anchor->key.name)
        return reject_error("line " + std::to_string(number) + ": a second anchor of " + anchor->key.name);
    anchors.push_back(std::move(*anchor));
  }
  if (anchors.empty()) return reject_error("no anchor in it");
  return anchors;
}

void LogReport::find(Verdict v, std::string at, std::string what) {
  verdict = worse_of(verdict, v);
  if (findings.size() < kMaxFindings)
    findings.push_back({v, std::move(at), std::move(what)});
  else
    ++findings_beyond;
}

void VerifyReport::find(Verdict v, std::string at, std::string what) {
  verdict = worse_of(verdict, v);
  findings.push_back({v, std::move(at), std::move(what)});
}

VerifyReport verify(const VerifyOptions& options) { return PathVerifier(options).run(); }

}  // namespace sealring
