// The `sealring` command: init, status, verify, key generate. Everything it does lies in the library; here are only
// options, files named by options, and what is printed where.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "drivers/file.h"
#include "drivers/key_file.h"
#include "drivers/toml_reader.h"
#include "gateway/config.h"
#include "gateway/init.h"
#include "gateway/status.h"

namespace sealring {
namespace {

constexpr int kFailed = 1, kUsage = 2;

int fail(const Error& error, int code = kFailed) {
  std::fprintf(stderr, "sealring: %s\n", error.message.c_str());
  return code;
}

// Whoever asked must get the whole answer: a full disk or a closed pipe is a failure.
bool print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return true;
  std::fprintf(stderr, "sealring: cannot write to standard output\n");
  return false;
}

// --- init ---

struct InitArguments {
  std::string directory, origin, ring_size = "256MiB";
  bool vkey_only = false;
};

int run_init(const InitArguments& arguments) {
  Result<std::uint64_t> size = parse_size(arguments.ring_size);
  if (!size) return fail(std::move(size).error().in("--ring-size"), kUsage);
  const SystemClock clock;
  Result<InitResult> made =
      init_gateway({arguments.directory, arguments.origin, *size, "sealring " SEALRING_VERSION}, clock);
  if (!made) return fail(made.error());
  const std::string& dir = arguments.directory;
  std::fprintf(
      stderr,
      "%s %s for %s\n\n"
      "Next:\n"
      "  1. Keep the %s printed on standard output where this machine cannot change it: enrol it at the\n"
      "     collector ([[gateway]] anchor), give it to your auditor. `sealring verify %s/store` shows it again.\n"
      "  2. Look through %s/sealring.toml: the broker, and [upstream] to forward the log.\n"
      "  3. Start:  sealringd --config %s/sealring.toml\n",
      made->resumed ? "Completed" : "Made", dir.c_str(), arguments.origin.c_str(),
      arguments.vkey_only ? "vkey" : "anchor", dir.c_str(), dir.c_str(), dir.c_str());
  return print((arguments.vkey_only ? made->anchor.key.encode() : made->anchor.line()) + "\n") ? 0 : kFailed;
}

// --- status ---

int run_status(const std::string& config_path, bool json) {
  Result<GatewayConfig> config = GatewayConfig::load(config_path);
  if (!config) return fail(config.error(), kUsage);
  Result<std::string> answer = Error{ErrorKind::missing, "the config names no status socket"};
  if (!config->socket.empty()) answer = ask_status(config->socket);
  if (!answer && answer.error().kind != ErrorKind::missing) return fail(answer.error());
  if (!answer) {
    std::fprintf(stderr, "sealring: no daemon answers (%s); reading the store itself\n",
                 answer.error().message.c_str());
    answer = offline_status_json(config->store);
    if (!answer) return fail(answer.error());
  }
  if (!json) answer = status_text(*answer);
  if (!answer) return fail(answer.error());
  return print(*answer) ? 0 : kFailed;
}

// --- verify ---

struct VerifyArguments {
  std::string path, policy, anchor;
  std::uint64_t min_size = 0;
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

int run_verify(const VerifyArguments& arguments) {
  VerifyOptions options;
  options.path = arguments.path;
  options.min_size = arguments.min_size;
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
  try {
    const VerifyReport report = verify(options);
    const bool printed = print(arguments.json ? report_json(report) : report_text(report));
    if (!printed && report.verdict == Verdict::fine) return kFailed;
    return static_cast<int>(report.verdict);
  } catch (const std::exception& error) {
    // Out of memory, say: never to be taken for an answer.
    return fail(reject_error(error.what()), static_cast<int>(Verdict::unreadable));
  }
}

// --- key generate ---

struct KeyArguments {
  std::string file, name;
  bool cosigner = false;
};

int run_key_generate(const KeyArguments& arguments) {
  Result<std::unique_ptr<SoftwareSigner>> key = SoftwareSigner::generate();
  if (!key) return fail(key.error());
  if (Status status = create_key_file(arguments.file, arguments.name, **key); !status) return fail(status.error());
  const KeyType type = arguments.cosigner ? KeyType::cosignature_v1 : KeyType::ed25519;
  return print(VerifierKey{arguments.name, type, (*key)->public_key()}.encode() + "\n") ? 0 : kFailed;
}

// --- options ---

void add_init(CLI::App& app, InitArguments& a, int& code) {
  CLI::App* sub = app.add_subcommand("init", "make a gateway's folder: identity key, store, configuration");
  sub->add_option("DIR", a.directory, "folder to make, or one without a gateway in it")->required();
  sub->add_option("--origin", a.origin, "name of the log, unique and for ever, like a URL without scheme")->required();
  sub->add_option("--ring-size", a.ring_size, "disk space of the store, fixed for its life (at least 64MiB)")
      ->capture_default_str();
  sub->add_flag("--vkey-only", a.vkey_only, "print the vkey instead of the anchor");
  sub->footer(
      "Prints the anchor on standard output: the vkey and the hash of the log's first entry. Whoever has it can\n"
      "later check that this log, and no other, is the one that began here.\n\n"
      "Example:\n"
      "  sealring init /var/lib/sealring --origin example.com/site7/gw-0042 > anchor");
  sub->callback([&] { code = run_init(a); });
}

void add_status(CLI::App& app, std::string& config, bool& json, int& code) {
  CLI::App* sub = app.add_subcommand("status", "what the gateway is doing");
  sub->add_option("--config", config, "the gateway's sealring.toml")->required();
  sub->add_flag("--json", json, "for programs");
  sub->footer(
      "Asks the running daemon; when there is none, reads what the store itself tells.\n\n"
      "Example:\n"
      "  sealring status --config /var/lib/sealring/sealring.toml");
  sub->callback([&] { code = run_status(config, json); });
}

void add_verify(CLI::App& app, VerifyArguments& a, int& code) {
  CLI::App* sub = app.add_subcommand("verify", "check a log from its bytes alone: an archive, or a gateway's store");
  sub->add_option("PATH", a.path, "archive, one log's folder in it, or a store")->required();
  sub->add_option("--policy", a.policy, "C2SP tlog-policy file: whose cosignatures make a receipt");
  sub->add_option("--anchor", a.anchor, "the line that `sealring init` printed, or a file of such lines");
  sub->add_option("--min-size", a.min_size, "the log must have at least so many entries");
  sub->add_flag("--json", a.json, "for programs");
  sub->footer(
      "What may be concluded depends on what you bring: without an anchor a log can only be found consistent with\n"
      "itself; without receipts (and a policy that says whose), or a minimum size, its end may have been cut off.\n\n"
      "Exit codes:\n"
      "   0  fine: all that was asked for is proven\n"
      "  10  fine, but with breaks, losses or oddities, which are named\n"
      "  11  unproven: nothing is wrong, but the evidence is too weak\n"
      "  20  tampered or damaged\n"
      "  21  truncated: entries that provably existed are not here\n"
      "  22  forked: two histories under one key\n"
      "  30  unreadable\n"
      "   2  wrong usage\n\n"
      "Example:\n"
      "  sealring verify /srv/archive --policy policy --anchor anchor");
  sub->callback([&] { code = run_verify(a); });
}

void add_key(CLI::App& app, KeyArguments& a, int& code) {
  CLI::App* sub = app.add_subcommand("key", "key files")->require_subcommand(1);
  CLI::App* generate = sub->add_subcommand("generate", "make a key file and print its vkey");
  generate->add_option("FILE", a.file, "file to make (mode 0600); never overwritten")->required();
  generate->add_option("NAME", a.name, "the key's name; a log's is its origin")->required();
  generate->add_flag("--cosigner", a.cosigner, "print the vkey of a witness or mirror");
  generate->footer(
      "Example:\n"
      "  sealring key generate mirror.key mirror.example.com --cosigner");
  generate->callback([&] { code = run_key_generate(a); });
}

int run(int argc, char** argv) {
  CLI::App app("sealring: a signed, tamper-evident log of MQTT traffic");
  app.name("sealring");
  app.require_subcommand(1);
  app.set_version_flag("--version", "sealring " SEALRING_VERSION);
  app.footer("`sealring COMMAND --help` has options and examples.");
  int code = 0;
  InitArguments init;
  std::string config;
  bool json = false;
  VerifyArguments verify_arguments;
  KeyArguments key;
  add_init(app, init, code);
  add_status(app, config, json, code);
  add_verify(app, verify_arguments, code);
  add_key(app, key, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  return code;
}

}  // namespace
}  // namespace sealring

int main(int argc, char** argv) {
  try {
    return sealring::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sealring: %s\n", error.what());
    return sealring::kFailed;
  }
}
