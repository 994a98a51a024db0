// Walks through a trace and tries states at its crash points: right before each sync that makes something durable, and
// at the end. Those are enough: what may be there earlier may be there then as well, and no less is promised.
#pragma once

#include "tests/torture/disk.h"
#include "tests/torture/oracle.h"

namespace sealring::torture {

enum class StateClass { legal, bytes, words };
constexpr const char* kClassNames[] = {"legal", "bytes", "words"};

struct Count {
  std::uint64_t states = 0, good = 0, refused = 0, wrong = 0, killed = 0;
};

struct Failure {
  std::size_t point = 0;
  std::uint64_t variant = 0;
  std::string words;
};

struct Exploring {
  std::uint64_t states = 1000;  // about
  std::uint64_t seed = 1;
  std::size_t job = 0, jobs = 1;  // this one takes each jobs-th crash point
  std::string place;              // a folder to make, in memory
  std::string unsynced_name;      // a file's or folder's, whose syncs are taken for lies; empty: none
  std::optional<Failure> only;
  double parts[3] = {0.8, 0.1, 0.1};  // of the states, by class
  bool list = false;                  // only says what waits at each crash point
  bool loud = false;                  // what the programs print
  std::string keep;                   // with `only`: where the state's folder is left before it is tried
  std::size_t max_failures = 20;
};

struct Explored {
  std::size_t points = 0;
  Count counts[3];
  std::vector<Failure> failures;
  std::map<std::string, std::uint64_t> refusals;  // words, numbers taken out
  double seconds = 0;
};

Explored explore(const Trace& trace, const Exploring& options);

}  // namespace sealring::torture
