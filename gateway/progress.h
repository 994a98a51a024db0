// A progress bar on stderr, for people: nothing at all where that is no terminal, or when the work is over in a moment.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sealring {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  // Draws a few times a second at most, from half a second on.
  void show(const std::string& what, std::uint64_t done, std::uint64_t of);
  void clear();  // takes it off the screen

 private:
  const bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_;
};

// Columns of the terminal that `fd` is; none: it is no terminal, or does not say.
std::optional<std::size_t> terminal_width(int fd);

// "[#####-----]  50 %": `width` places between the brackets. `of` 0 counts as done.
std::string progress_bar(std::uint64_t done, std::uint64_t of, std::size_t width);

}  // namespace sealring
