#include "gateway/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "gateway/render.h"

namespace sealring {
namespace {

constexpr std::chrono::milliseconds kQuiet{500}, kBetween{200};
constexpr std::size_t kBarWidth = 30, kNameWidth = 40, kUsualWidth = 80;

}  // namespace

std::optional<std::size_t> terminal_width(int fd) {
  winsize size{};
  if (::isatty(fd) == 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

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
  // One column is left free: a line that fills the terminal would go on in the next, and could not be drawn over.
  const std::size_t width = terminal_width(STDERR_FILENO).value_or(kUsualWidth) - 1;
  const std::string line = progress_bar(done, of, std::min(kBarWidth, width / 3)) + "  " + std::to_string(done) +
                           " of " + std::to_string(of) + " entries of " +
                           fitted(is_utf8(name) ? escaped(name) : "a log", kNameWidth);
  std::fprintf(stderr, "\r%s\x1b[K", fitted(line, width).c_str());
  std::fflush(stderr);
}

void ProgressBar::clear() {
  if (std::exchange(drawn_, false)) std::fputs("\r\x1b[K", stderr);
}

}  // namespace sealring
