#include "crypto/policy.h"

#include <algorithm>
#include <set>

namespace sealring {
namespace {

constexpr std::string_view kNone = "none";

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = 0; at < line.size();) {
    if (is_blank(line[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < line.size() && !is_blank(line[end])) ++end;
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
  return fields;
}

// Reads line by line into a Policy. Names are opaque bytes, as the specification demands.
class Parser {
 public:
  Status line(std::string_view line) {
    const std::vector<std::string_view> fields = split_fields(line);
    if (fields.empty() || fields[0][0] == '#') return {};
    if (fields[0] == "log") return log(fields);
    if (fields[0] == "witness") return witness(fields);
    if (fields[0] == "group") return group(fields);
    if (fields[0] == "quorum") return quorum(fields);
    return reject_error(quoted(fields[0]) + " is not one of log, witness, group, quorum");
  }

  Result<Policy> finish() && {
    if (policy_.quorum.empty())
      return reject_error("there is no quorum line (\"quorum none\" asks for no cosignature)");
    return std::move(policy_);
  }

 private:
  using Fields = std::vector<std::string_view>;

  static Status check_count(const Fields& fields, std::size_t least, std::size_t most, const char* form) {
    if (fields.size() >= least && fields.size() <= most) return {};
    return reject_error(std::string("must have the form: ") + form);
  }

  static Result<VerifierKey> key(std::string_view vkey, KeyType type, const char* whose) {
    SEALRING_ASSIGN(VerifierKey key, VerifierKey::parse(vkey));
    if (key.type != type) {
      return reject_error("vkey of " + quoted(key.name) + " has signature type " +
                          std::to_string(static_cast<int>(key.type)) + "; a " + whose + "'s must be " +
                          std::to_string(static_cast<int>(type)));
    }
    return key;
  }

  Status define(std::string_view name) {
    if (name == kNone) return reject_error("the name \"none\" is reserved");
    if (!names_.emplace(name).second) return reject_error("name " + quoted(name) + " is defined twice");
    return {};
  }

  Status log(const Fields& fields) {
    SEALRING_TRY(check_count(fields, 2, 3, "log <vkey> [<url>]"));
    SEALRING_ASSIGN(VerifierKey log_key, key(fields[1], KeyType::ed25519, "log"));
    if (!log_keys_.insert(log_key.key).second) return reject_error("another log line has the same public key");
    policy_.logs.push_back({std::move(log_key), std::string(fields.size() > 2 ? fields[2] : "")});
    return {};
  }

  Status witness(const Fields& fields) {
    SEALRING_TRY(check_count(fields, 3, 4, "witness <name> <vkey> [<url>]"));
    SEALRING_ASSIGN(VerifierKey witness_key, key(fields[2], KeyType::cosignature_v1, "witness"));
    if (!witness_keys_.insert(witness_key.key).second) {
      return reject_error("another witness line has the same public key");
    }
    SEALRING_TRY(define(fields[1]));
    policy_.witnesses.push_back(
        {std::string(fields[1]), std::move(witness_key), std::string(fields.size() > 3 ? fields[3] : "")});
    return {};
  }

  Status group(const Fields& fields) {
    SEALRING_TRY(check_count(fields, 4, SIZE_MAX, "group <name> all|any|<k> <name>..."));
    Policy::Group group{std::string(fields[1]), 0, {fields.begin() + 3, fields.end()}};
    SEALRING_ASSIGN(group.threshold, threshold(fields[2], group.members.size()));
    for (const std::string& member : group.members) {
      if (names_.count(member) == 0) return reject_error("member " + quoted(member) + " is not defined above");
      if (!grouped_.insert(member).second) return reject_error(quoted(member) + " is a member twice");
    }
    SEALRING_TRY(define(group.name));  // after its members: a group may not be its own
    policy_.groups.push_back(std::move(group));
    return {};
  }

  static Result<std::size_t> threshold(std::string_view word, std::size_t members) {
    if (word == "all") return members;
    if (word == "any") return std::size_t{1};
    SEALRING_ASSIGN(const std::uint64_t k, from_decimal(word));
    if (k < 1 || k > members) {
      return reject_error("threshold " + std::to_string(k) + " is not from 1 to " + std::to_string(members) +
                          ", the number of members");
    }
    return static_cast<std::size_t>(k);
  }

  Status quorum(const Fields& fields) {
    SEALRING_TRY(check_count(fields, 2, 2, "quorum <name>|none"));
    if (!policy_.quorum.empty()) return reject_error("a second quorum line");
    if (fields[1] != kNone && names_.count(std::string(fields[1])) == 0) {
      return reject_error("quorum " + quoted(fields[1]) + " is not defined above");
    }
    policy_.quorum = std::string(fields[1]);
    return {};
  }

  Policy policy_;
  std::set<std::string> names_;    // of witnesses and groups: one namespace
  std::set<std::string> grouped_;  // those that are a member of some group
  std::set<PublicKey> log_keys_, witness_keys_;
};

Status check_line_characters(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto b = static_cast<std::uint8_t>(line[i]);
    if ((b < 0x20 && b != '\t') || b == 0x7f) {
      return reject_error("control character 0x" + hex(line.substr(i, 1)) + " at offset " + std::to_string(i));
    }
  }
  return {};
}

bool quorum_met(const Policy& policy, const std::map<std::string, std::uint64_t>& cosigned_by) {
  if (policy.quorum == kNone) return true;
  std::set<std::string> met;
  for (const auto& [name, time_s] : cosigned_by) met.insert(name);
  for (const Policy::Group& group : policy.groups) {  // members stand before their group, so one pass is enough
    const auto count = std::count_if(group.members.begin(), group.members.end(),
                                     [&](const std::string& member) { return met.count(member) > 0; });
    if (static_cast<std::size_t>(count) >= group.threshold) met.insert(group.name);
  }
  return met.count(policy.quorum) > 0;
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text) {
  Parser parser;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string here = "line " + std::to_string(number);
    const std::size_t end = text.find('\n');
    // A file that was cut short may still read well, with another meaning.
    if (end == std::string_view::npos) return reject_error(here + ": does not end in a newline");
    const std::string_view line = text.substr(0, end);
    if (auto status = check_line_characters(line); !status.ok()) return std::move(status).error().in(here);
    if (auto status = parser.line(line); !status.ok()) return std::move(status).error().in(here);
    text.remove_prefix(end + 1);
  }
  return std::move(parser).finish();
}

const Policy::Log* Policy::find_log(std::string_view origin) const {
  const auto it = std::find_if(logs.begin(), logs.end(), [&](const Log& log) { return log.key.name == origin; });
  return it == logs.end() ? nullptr : &*it;
}

const Policy::Witness* Policy::find_witness(std::string_view name) const {
  const auto it = std::find_if(witnesses.begin(), witnesses.end(), [&](const Witness& w) { return w.name == name; });
  return it == witnesses.end() ? nullptr : &*it;
}

Result<Policy::Verdict> Policy::evaluate(const Note& checkpoint) const {
  SEALRING_ASSIGN(const Checkpoint parsed, Checkpoint::parse(checkpoint.text));
  if (!find_log(parsed.origin)) return reject_error("log " + quoted(parsed.origin, 255) + " is not in the policy");
  Verdict verdict;
  for (const Log& log : logs) {
    const SignatureState state = check_note_signature(checkpoint, log.key);
    if (state == SignatureState::invalid) {
      return reject_error("signature of log " + quoted(log.key.name, 255) + " does not verify");
    }
    // A log may have several keys, but one log does not vouch for another's origin.
    if (state == SignatureState::valid && log.key.name == parsed.origin) verdict.log_signed = true;
  }
  for (const Witness& witness : witnesses) {
    const CosignatureCheck check = check_cosignature(checkpoint, witness.key);
    if (check.state == SignatureState::invalid) {
      return reject_error("cosignature of witness " + quoted(witness.name, 255) + " does not verify");
    }
    if (check.state == SignatureState::valid) verdict.cosigned_by[witness.name] = check.time_s;
  }
  verdict.quorum_met = quorum_met(*this, verdict.cosigned_by);
  return verdict;
}

}  // namespace sealring
