// Trust policies: C2SP tlog-policy (untagged, text of 2026-06). Verbatim the specification's file format:
//
//     log <vkey> [<url>]
//     witness <name> <vkey> [<url>]
//     group <name> all|any|<k> <name>...
//     quorum <name>|none            (exactly one)
//
// A line that begins with '#' is a comment. Every line ends in a newline, the last one too: a file that was cut short
// must not read as another policy. Names are defined before use, each in at most one group; no two log lines have the
// same public key, nor two witness lines. Errors name the line.
#pragma once

#include <map>

#include "crypto/cosignature.h"

namespace sealring {

struct Policy {
  struct Log {
    VerifierKey key;
    std::string url;
  };
  struct Witness {
    std::string name;
    VerifierKey key;  // type cosignature_v1
    std::string url;
  };
  struct Group {
    std::string name;
    std::size_t threshold = 0;  // of members; `all` and `any` are resolved here
    std::vector<std::string> members;
  };
  std::vector<Log> logs;
  std::vector<Witness> witnesses;
  std::vector<Group> groups;
  std::string quorum;  // a witness, a group, or "none"

  static Result<Policy> parse(std::string_view text);

  const Log* find_log(std::string_view origin) const;  // by key name = origin; nullptr when not there
  const Witness* find_witness(std::string_view name) const;

  struct Verdict {
    bool log_signed = false;                           // the log's own line is there and valid
    std::map<std::string, std::uint64_t> cosigned_by;  // witness name -> time
    bool quorum_met = false;
  };
  // Checks every line of a known key. An invalid line of any known key, or a log that is not in the policy: reject.
  Result<Verdict> evaluate(const Note& checkpoint) const;
};

}  // namespace sealring
