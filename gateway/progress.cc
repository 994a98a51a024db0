#include "gateway/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "gateway/render.h"

namespace sealring {
namespace {

constexpr std::chrono::milliseconds kQuiet{500}, kBetween{200};
constexpr std::size_t kBarWidth = 30, kNameWidth = 40;

}  // namespace

std::string progress_bar(std::uint64_t done, std::uint64_t of, std::size_t width) {
  const double part = of == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(of));
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(width));
  const std::string percent = std::to_string(static_cast<int>(part * 100));
  return "[" + std::string(filled, '#') + std::string(width - filled, '-') + "] " +
         std::string(3 - std::min<std::size_t>(3, percent.size()), ' ') + percent + " %";
}

ProgressBar::ProgressBar()
    : terminal_(::isatty(STDERR_FILENO) == 1), next_(std::chrono::steady_clock::now() + kQuiet) {}

void ProgressBar::show(const std::string& what, std::uint64_t done, std::uint64_t of) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || now < next_) return;
  next_ = now + kBetween;
  drawn_ = true;
  const std::string name = what.substr(what.find_last_of('/') + 1);
  std::fprintf(stderr, "\r%s  %s of %s entries of %s\x1b[K", progress_bar(done, of, kBarWidth).c_str(),
               std::to_string(done).c_str(), std::to_string(of).c_str(),
               fitted(is_utf8(name) ? escaped(name) : "a log", kNameWidth).c_str());
  std::fflush(stderr);
}

void ProgressBar::clear() {
  if (std::exchange(drawn_, false)) std::fputs("\r\x1b[K", stderr);
}

}  // namespace sealring
