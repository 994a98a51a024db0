// The daemons' own diagnostics (never called "log": that is the Merkle log). One line each to stderr, with a journal
// priority prefix "<N>" when stderr is the journal ($JOURNAL_STREAM), a plain "warning: ..." otherwise. Any thread;
// lines never interleave. Secrets never come here.
#pragma once

#include <string>

namespace sealring {

enum class DiagLevel { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

void set_diag_level(DiagLevel level);  // nothing less urgent is written; default info
void diag(DiagLevel level, const std::string& message);

}  // namespace sealring
