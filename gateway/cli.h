// The `sealring` command: one file for each of its commands, cli_<command>.cc. Everything they do lies in the library;
// there are only options, files named by options, and what is printed where.
#pragma once

#include <string>

#include "crypto/result.h"
#include "gateway/manual.h"

namespace sealring {

// Exit codes of every command; `verify` has more, see verify.h.
constexpr int kDone = 0, kFailed = 1, kUsage = 2;

// "sealring: <message>" to stderr; returns `code`.
int fail(const Error& error, int code = kFailed);
// Whoever asked must get the whole answer: false, and said, when the disk is full or the pipe closed.
bool print(const std::string& text);
std::string credentials();  // $CREDENTIALS_DIRECTORY, or empty

// Each adds its subcommand, which leaves its exit code in `code` when it was run. `code` outlives the App.
void add_init(CLI::App& app, int& code);
void add_status(CLI::App& app, int& code);
void add_tail(CLI::App& app, int& code);
void add_show(CLI::App& app, int& code);
void add_check(CLI::App& app, int& code);
void add_prove(CLI::App& app, int& code);
void add_verify(CLI::App& app, int& code);
void add_repair(CLI::App& app, int& code);
void add_key(CLI::App& app, int& code);
void add_key_rotate(CLI::App& keys, int& code);  // below `key`
void add_manual(CLI::App& app, int& code);       // man, completion: of everything that is in `app`

}  // namespace sealring
