// The targets under libFuzzer: sealring_fuzz --target=NAME CORPUS... [-max_total_time=60 ...]. tests/fuzz/run.py calls
// it with the limits of the target. `--list`: one line for each target, its name and its longest input.
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"

namespace {

const sealring::fuzz::Target* chosen = nullptr;
constexpr char kTarget[] = "--target=";

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

// The argument stays where it is: libFuzzer passes over what begins with two dashes, and hands it on to its children.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) {
    const std::string argument = (*argv)[i];
    if (argument == "--list") {
      for (const auto& target : sealring::fuzz::targets())
        std::printf("%s %zu\n", target.name, target.limits.input_bytes);
      std::exit(0);
    }
    if (argument.rfind(kTarget, 0) == 0) chosen = sealring::fuzz::find_target(argument.substr(sizeof kTarget - 1));
  }
  if (chosen == nullptr) {
    std::fprintf(stderr, "usage: sealring_fuzz --target=NAME [libFuzzer's own arguments], or --list\n");
    std::exit(2);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  sealring::fuzz::run(*chosen, {reinterpret_cast<const char*>(data), size});
  return 0;
}
