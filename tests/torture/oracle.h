// The judge of a state: opens it with the real code, as a gateway would, compares it with what was promised, goes on
// recording, and has all of it verified.
#pragma once

#include "tests/torture/trace.h"

namespace sealring::torture {

enum class Verdict {
  good,
  refused,  // an error with words instead of a store
  wrong,
};
struct Judgement {
  Verdict verdict = Verdict::good;
  std::string words;
};
struct Trial {
  bool seal = false;    // when it goes on
  bool verify = false;  // the whole store at the end, besides what was promised
  // No device leaves such a state. What only says that something was done, and is asked for again, may be lost: that
  // a segment was closed or receipted.
  bool harsh = false;
};
// `root`: the state's folder, which is changed. In a process of its own.
Judgement judge(const std::string& root, const Promise& promise, const ModelEntries& model, const Trial& trial);

}  // namespace sealring::torture
