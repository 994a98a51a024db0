// Feeds each target its corpus, and then, for some seconds shared among all, quick mutations of it: bit flips, cuts,
// doubled and spliced pieces, borders of numbers. For every ordinary build, with or without sanitizers; to search in
// earnest, see libfuzzer.cc and run.py.
//
//     test_fuzz CORPUS [--seconds N] [--seed S] [--target NAME]    the folder with <target>.hex, one input a line
//     test_fuzz --target NAME --input FILE                         one input once
//
// An input that fails is written to fuzz-failed-<target> in the current folder.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include "tests/fuzz/fuzz.h"

extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace sealring::fuzz {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr unsigned kHangSeconds = 60;  // under a sanitizer, on a machine that has other things to do

struct {
  std::string target, command;
  ByteView input;
} running;

// From a signal or a sanitizer's last word: only what is safe there.
void keep_input() {
  if (running.target.empty()) return;
  const std::string name = "fuzz-failed-" + running.target;
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ::write(fd, running.input.data(), running.input.size()) < 0) return;
  ::close(fd);
  std::fprintf(stderr, "fuzz: target %s failed; again by: %s --target %s --input %s\n", running.target.c_str(),
               running.command.c_str(), running.target.c_str(), name.c_str());
  running.target.clear();
}

void on_signal(int number) {
  if (number == SIGALRM) std::fprintf(stderr, "fuzz: no answer within %u s\n", kHangSeconds);
  keep_input();
  ::signal(number, SIG_DFL);
  ::raise(number == SIGALRM ? SIGABRT : number);
}

Bytes contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void feed(const Target& target, ByteView input) {
  // A block of its own, so that the sanitizer sees a read behind its end.
  const std::unique_ptr<char[]> copy(new char[std::max<std::size_t>(1, input.size())]);
  std::copy(input.begin(), input.end(), copy.get());
  running.input = {copy.get(), input.size()};
  running.target = target.name;
  ::alarm(kHangSeconds);
  run(target, running.input);
  ::alarm(0);
  running.target.clear();
}

std::vector<Bytes> corpus_of(const fs::path& path) {
  std::vector<Bytes> inputs;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto bytes = from_hex(line);
    SEALRING_ASSERT(bytes.ok());
    inputs.push_back(*bytes);
  }
  return inputs;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}
  Bytes make(const std::vector<Bytes>& corpus, std::size_t most) {
    Bytes bytes = corpus[below(corpus.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) change(bytes, corpus[below(corpus.size())]);
    if (bytes.size() > most) bytes.resize(most);
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }
  void change(Bytes& bytes, const Bytes& other) {
    static const int kBorders[] = {0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '0', '9', '/', '+', '#', '"', '[', '{', '='};
    const std::size_t at = below(bytes.size()), n = 1 + below(16);
    switch (below(8)) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(kBorders[below(std::size(kBorders))]);
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, n);
        break;
      case 4:
        bytes.insert(at, bytes.substr(at, n));
        break;
      case 5:  // the head of one and the tail of another
        bytes = bytes.substr(0, at) + other.substr(std::min(other.size(), below(2) ? at : below(other.size() + 1)));
        break;
      case 6:
        bytes.insert(at, other.substr(below(other.size()), n));
        break;
      default:
        for (std::size_t i = at; i < std::min(bytes.size(), at + 8); ++i)
          bytes[i] = static_cast<char>(below(2) ? 255 : 0);
    }
  }
  std::mt19937_64 random_;
};

struct Options {
  std::string corpus, target, input;
  double seconds = 4;
  std::uint64_t seed = std::random_device()();
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name[0] != '-') {
      options.corpus = name;
      continue;
    }
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (name == "--target") options.target = value;
    if (name == "--input") options.input = value;
    if (name == "--seconds") options.seconds = std::atof(value.c_str());
    if (name == "--seed") options.seed = std::strtoull(value.c_str(), nullptr, 10);
  }
  return (options.input.empty() && !options.corpus.empty()) || (!options.input.empty() && !options.target.empty());
}

int replay(const Options& options) {
  std::vector<const Target*> chosen;
  for (const Target& target : targets())
    if (options.target.empty() || options.target == target.name) chosen.push_back(&target);
  if (chosen.empty()) return std::fprintf(stderr, "fuzz: no target %s\n", options.target.c_str()), 1;
  for (const auto& file : fs::directory_iterator(options.corpus))
    if (find_target(file.path().stem().string()) == nullptr)
      return std::fprintf(stderr, "fuzz: a corpus without a target: %s\n", file.path().c_str()), 1;
  std::printf("seed %llu, %.1f s of mutations for %zu targets\n", static_cast<unsigned long long>(options.seed),
              options.seconds, chosen.size());
  const auto share = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options.seconds / static_cast<double>(chosen.size())));
  for (const Target* target : chosen) {
    const fs::path path = fs::path(options.corpus) / (std::string(target->name) + ".hex");
    const std::vector<Bytes> corpus = corpus_of(path);
    if (corpus.empty()) return std::fprintf(stderr, "fuzz: no corpus: %s\n", path.c_str()), 1;
    for (const Bytes& input : corpus) feed(*target, input);
    feed(*target, {});
    // By its name, so that a target alone sees what it saw among all.
    Mutator mutator(options.seed ^ std::hash<std::string>()(target->name));
    std::uint64_t mutations = 0;
    for (const auto end = Clock::now() + share; Clock::now() < end; ++mutations)
      feed(*target, mutator.make(corpus, target->limits.input_bytes));
    std::printf("%-16s %4zu inputs, %7llu mutations\n", target->name, corpus.size(),
                static_cast<unsigned long long>(mutations));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int replay_main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options))
    return std::fprintf(stderr,
                        "usage: %s CORPUS [--seconds N] [--seed S] [--target NAME]\n"
                        "       %s --target NAME --input FILE\n",
                        argv[0], argv[0]),
           2;
  running.command = argv[0];
  for (const int number : {SIGALRM, SIGABRT}) ::signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr)
    __sanitizer_set_death_callback(keep_input);
  else
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(number, on_signal);
  if (options.input.empty()) return replay(options);
  const Target* target = find_target(options.target);
  if (target == nullptr) return std::fprintf(stderr, "fuzz: no target %s\n", options.target.c_str()), 1;
  if (!fs::is_regular_file(options.input)) return std::fprintf(stderr, "fuzz: no file %s\n", options.input.c_str()), 1;
  feed(*target, contents(options.input));
  std::printf("%s: nothing found\n", target->name);
  return 0;
}

}  // namespace sealring::fuzz

int main(int argc, char** argv) { return sealring::fuzz::replay_main(argc, argv); }
