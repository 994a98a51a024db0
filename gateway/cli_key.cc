#include <CLI/CLI.hpp>
#include <memory>

#include "crypto/note.h"
#include "drivers/key_file.h"
#include "gateway/cli.h"

namespace sealring {
namespace {

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

}  // namespace

void add_key(CLI::App& app, int& code) {
  auto arguments = std::make_shared<KeyArguments>();
  KeyArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("key", "key files")->require_subcommand(1);
  CLI::App* generate = sub->add_subcommand("generate", "make a key file and print its vkey");
  generate->add_option("FILE", a.file, "file to make (mode 0600); never overwritten")->required();
  generate->add_option("NAME", a.name, "the key's name; a log's is its origin")->required();
  generate->add_flag("--cosigner", a.cosigner, "print the vkey of a witness or mirror");
  generate->footer(
      "Example:\n"
      "  sealring key generate mirror.key mirror.example.com --cosigner");
  generate->callback([arguments, &code] { code = run_key_generate(*arguments); });
}

}  // namespace sealring
