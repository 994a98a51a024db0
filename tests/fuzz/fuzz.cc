#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "crypto/sha256.h"
#include "storage/cbor.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEALRING_FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEALRING_FUZZ_ASAN 1
#endif
#endif

#ifdef SEALRING_FUZZ_ASAN
// Of both compilers' sanitizers; gcc 12 has no header for them.
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, std::size_t),
                                              void (*on_free)(const volatile void*));
std::size_t __sanitizer_get_allocated_size(const volatile void* p);
}
#endif

namespace sealring::fuzz {
namespace {

constexpr std::size_t kMaxMessageBytes = 2048;

// What is allocated at one time, by the address sanitizer's count. Without it nothing is counted.
class Meter {
 public:
#ifdef SEALRING_FUZZ_ASAN
  static void start() {
    static const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    SEALRING_ASSERT(installed != 0);
    now_ = peak_ = 0;
    running_ = true;
  }
  static std::size_t stop() {
    running_ = false;
    return static_cast<std::size_t>(peak_);
  }

 private:
  static void on_malloc(const volatile void*, std::size_t size) {
    if (!running_) return;
    now_ += static_cast<long long>(size);
    peak_ = std::max(peak_, now_);
  }
  static void on_free(const volatile void* p) {
    if (running_ && p != nullptr) now_ -= static_cast<long long>(__sanitizer_get_allocated_size(p));
  }
  static inline bool running_ = false;
  static inline long long now_ = 0, peak_ = 0;
#else
  static void start() {}
  static std::size_t stop() { return 0; }
#endif
};

std::vector<Target>& registered() {
  static std::vector<Target> all;
  return all;
}

}  // namespace

Registration::Registration(const char* name, void (*run)(ByteView), const Limits& limits) {
  std::vector<Target>& all = registered();
  const Target target{name, run, limits};
  const auto before = [](const Target& a, const Target& b) { return std::string(a.name) < b.name; };
  all.insert(std::upper_bound(all.begin(), all.end(), target, before), target);
}

const std::vector<Target>& targets() { return registered(); }

const Target* find_target(const std::string& name) {
  for (const Target& target : targets())
    if (target.name == name) return &target;
  return nullptr;
}

void run(const Target& target, ByteView input) {
  Meter::start();
  target.run(input);
  const std::size_t peak = Meter::stop();
  const std::size_t most = target.limits.memory_bytes + target.limits.memory_per_byte * input.size();
  FUZZ_CHECK_SHOW(peak <= most, std::to_string(peak) + " bytes at one time for an input of " +
                                    std::to_string(input.size()) + ", at most " + std::to_string(most));
}

void check_failed(const char* condition, ByteView shown, const char* file, int line) {
  std::fprintf(stderr, "fuzz: %s:%d: does not hold: %s\n", file, line, condition);
  if (!shown.empty()) std::fprintf(stderr, "fuzz: %s\n", quoted(shown, 4096).c_str());
  std::abort();
}

void check_message(ByteView message) {
  FUZZ_CHECK(!message.empty());
  FUZZ_CHECK_SHOW(message.size() <= kMaxMessageBytes, message);
  for (const char c : message) FUZZ_CHECK_SHOW(static_cast<std::uint8_t>(c) >= 0x20 && c != 0x7f, message);
  FUZZ_CHECK_SHOW(valid_utf8(message), message);
}

Bytes lower_key_id(ByteView vkey) {
  Bytes out(vkey);
  const std::size_t from = out.find('+') + 1;
  for (std::size_t i = from; i < std::min(from + 8, out.size()); ++i)
    if (out[i] >= 'A' && out[i] <= 'F') out[i] = static_cast<char>(out[i] - 'A' + 'a');
  return out;
}

ByteView Pieces::bytes(std::size_t n) {
  const ByteView piece = rest_.substr(0, n);
  rest_.remove_prefix(piece.size());
  return piece;
}

ByteView Pieces::until(char end) {
  const ByteView piece = rest_.substr(0, rest_.find(end));
  rest_.remove_prefix(std::min(rest_.size(), piece.size() + 1));
  return piece;
}

std::uint64_t Pieces::number(std::size_t n) {
  std::uint64_t value = 0;
  for (const char c : bytes(n)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

Bytes with_checksum16(ByteView bytes) {
  const Hash hash = sha256(bytes);
  return Bytes(bytes).append(view(hash).substr(0, 16));
}

}  // namespace sealring::fuzz
