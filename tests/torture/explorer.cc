#include "tests/torture/explorer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "tests/torture/state_folder.h"
#include "tests/torture/variants.h"

namespace sealring::torture {
namespace {

constexpr std::uint64_t kRandom = 1000000, kBytes = 2000000, kWords = 3000000;  // numbers of variants begin there
constexpr std::size_t kMostPlain = 600;
constexpr unsigned kSecondsAtMost = 60;  // for one state

struct Shared {
  DirtyTable dirty;
  std::atomic<int> verdict;
  char words[4096];
};

std::string without_numbers(std::string text) {
  std::string out;
  for (char c : text)
    if (c < '0' || c > '9')
      out += c;
    else if (out.empty() || out.back() != '#')
      out += '#';
  return out.substr(out.rfind("/store: ") == std::string::npos ? 0 : out.rfind("/store: ") + 8, 150);
}

class Explorer {
 public:
  Explorer(const Trace& trace, const Exploring& options) : trace_(trace), options_(options), folder_(options.place) {
    void* map = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SEALRING_ASSERT(map != MAP_FAILED);
    shared_ = static_cast<Shared*>(map);
  }
  ~Explorer() { ::munmap(shared_, sizeof(Shared)); }

  Explored run() {
    const auto began = std::chrono::steady_clock::now();
    count_points();
    walk([this](const Disk& disk) { try_point(disk); });
    out_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return std::move(out_);
  }

 private:
  // Calls `at_point` at each crash point.
  template <class AtPoint>
  void walk(AtPoint&& at_point) {
    Disk disk;
    promises_ = Promises();
    point_ = 0;
    for (std::size_t i = 0; i < trace_.events().size(); ++i) {
      const Event& event = trace_.events()[i];
      if (event.type() == EventType::mark) {
        promises_.take(event);
        continue;
      }
      if (is_lie(disk, event)) continue;
      if (promises_.begun() && disk.syncs(event)) {
        disk_ = &disk;
        at_point(disk);
        ++point_;
      }
      disk.take(event, i);
    }
    disk_ = &disk;
    at_point(disk);
    ++point_;
  }

  bool is_lie(const Disk& disk, const Event& event) const {
    if (options_.unsynced_name.empty() || !promises_.begun()) return false;
    if (event.type() != EventType::sync && event.type() != EventType::sync_range) return false;
    return disk.name_of(event.header.ino) == options_.unsynced_name;
  }

  // More states where more is undecided.
  void count_points() {
    walk([this](const Disk& disk) {
      weight_ += weight_of(disk);
      ++out_.points;
      metas_ += has_meta_write(disk);
    });
  }
  static double weight_of(const Disk& disk) {
    return 1 + std::min<double>(20, static_cast<double>(disk.waiting().size()));
  }

  // How many of `all` belong to this point: a fraction is carried on.
  std::uint64_t share(double all, double part, double& carried) const {
    carried += all * part;
    const auto whole = static_cast<std::uint64_t>(carried);
    carried -= static_cast<double>(whole);
    return whole;
  }

  // The blocks of files that have no name any more, too: whoever takes the disk apart reads those as well.
  void check_erased(const Disk& disk) {
    for (std::uint64_t k = 0; k < promises_.now().epoch; ++k) {
      const std::string key = "store/epoch-" + std::to_string(k) + ".key";
      for (const auto& [ino, inode] : disk.inodes())
        if ((inode.born == key || inode.born == key + ".copy") &&
            inode.data.bytes().find("sealring/epoch-key") != ByteView::npos)
          out_.failures.push_back({point_, 0, "the secret of epoch " + std::to_string(k) + " is still on the disk"});
    }
  }

  void try_point(const Disk& disk) {
    if (options_.list) {
      const Choices all(disk.waiting().size(), {Tear::whole, 0});
      std::cout << "point " << point_ << ": " << described(disk, all) << "\n";
      return;
    }
    folder_.follow(const_cast<Disk&>(disk));
    if (out_.failures.size() < options_.max_failures) check_erased(disk);
    if (options_.only) {
      if (options_.only->point == point_) try_state(disk, options_.only->variant);
      return;
    }
    if (point_ % options_.jobs != options_.job) return;
    const double n = static_cast<double>(options_.states);
    std::uint64_t legal = share(options_.parts[0] * n, weight_of(disk) / weight_, carried_[0]);
    const std::uint64_t bytes = share(options_.parts[1] * n, weight_of(disk) / weight_, carried_[1]);
    std::vector<std::uint64_t> plain(plain_variants(disk, kMostPlain).size());
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = i;
    std::mt19937_64 random(options_.seed * 1000003 + point_);
    if (plain.size() > legal) std::shuffle(plain.begin(), plain.end(), random);
    plain.resize(std::min<std::size_t>(plain.size(), legal));
    for (const std::uint64_t v : plain) try_state(disk, v);
    if (disk.waiting().empty()) return;
    for (std::uint64_t v = plain.size(); v < legal; ++v) try_state(disk, kRandom + v);
    for (std::uint64_t v = 0; v < bytes; ++v) try_state(disk, kBytes + v);
    if (!has_meta_write(disk)) return;
    const std::uint64_t torn = share(options_.parts[2] * n, 1 / static_cast<double>(metas_), carried_[2]);
    for (std::uint64_t v = 0; v < torn; ++v) try_state(disk, kWords + v);
  }

  Choices choices_of(const Disk& disk, std::uint64_t variant) const {
    std::mt19937_64 random((options_.seed * 1000003 + point_) * 1000003 + variant);
    if (variant >= kWords) return word_variant(disk, random);
    if (variant >= kBytes) return byte_variant(disk, random);
    if (variant >= kRandom) return random_variant(disk, random);
    return plain_variants(disk, kMostPlain).at(variant);
  }

  void try_state(const Disk& disk, std::uint64_t variant) {
    if (out_.failures.size() >= options_.max_failures) return;
    const Choices choices = choices_of(disk, variant);
    const StateClass of = variant >= kWords   ? StateClass::words
                          : variant >= kBytes ? StateClass::bytes
                                              : StateClass::legal;
    folder_.build(disk, choices, options_.seed + variant);
    if (options_.only && !options_.keep.empty())
      std::filesystem::copy(folder_.work(), options_.keep, std::filesystem::copy_options::recursive);
    std::string said = run_child(of);
    Count& count = out_.counts[static_cast<int>(of)];
    ++count.states;
    bool failed = false;
    switch (shared_->verdict) {
      case static_cast<int>(Verdict::good):
        ++count.good;
        break;
      case static_cast<int>(Verdict::refused):
        ++count.refused;
        failed = of != StateClass::words;
        ++out_.refusals[without_numbers(said)];
        break;
      case static_cast<int>(Verdict::wrong):
        ++count.wrong;
        failed = true;
        break;
      default:
        ++count.killed;
        failed = true;
    }
    folder_.restore(disk, shared_->dirty);
    if (failed) out_.failures.push_back({point_, variant, said + "\n    " + described(disk, choices)});
  }

  std::string described(const Disk& disk, const Choices& choices) const {
    std::string out = std::string("promised: ") + std::to_string(promises_.now().durable) + " entries; waiting:";
    for (std::size_t i = 0; i < choices.size() && i < 40; ++i) {
      const Change& change = disk.waiting()[i];
      out += " " + words({choices[i]});
      if (change.kind == Change::Kind::names)
        out += "name " + change.names.front().name;
      else
        out += disk.name_of(change.ino) + "@" + std::to_string(change.offset) + "+" + std::to_string(change.length);
    }
    return out;
  }

  std::string run_child(StateClass of) {
    shared_->dirty.count = 0;
    shared_->verdict = -1;
    shared_->words[0] = '\0';
    const pid_t child = ::fork();
    SEALRING_ASSERT(child >= 0);
    if (child == 0) {
      ::alarm(kSecondsAtMost);
      if (!options_.loud) {
        const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        ::dup2(null, 2);
      }
      sealring_tap_watch(folder_.work().c_str(), &shared_->dirty);
      const Trial trial{(tried_ & 1) != 0, tried_ % 4 == 0, of == StateClass::words};
      const Judgement judged = judge(folder_.work(), promises_.now(), promises_.model(), trial);
      std::snprintf(shared_->words, sizeof shared_->words, "%s", judged.words.c_str());
      shared_->verdict = static_cast<int>(judged.verdict);
      ::_exit(0);
    }
    ++tried_;
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) SEALRING_ASSERT(errno == EINTR);
    if (WIFSIGNALED(status)) {
      shared_->verdict = -1;
      return std::string("killed by a signal: ") + ::strsignal(WTERMSIG(status));
    }
    return shared_->words;
  }

  const Trace& trace_;
  const Exploring& options_;
  StateFolder folder_;
  Shared* shared_ = nullptr;
  Promises promises_;
  const Disk* disk_ = nullptr;
  std::size_t point_ = 0, metas_ = 0;
  std::uint64_t tried_ = 0;
  double weight_ = 0;
  double carried_[3] = {0, 0, 0};
  Explored out_;
};

}  // namespace

Explored explore(const Trace& trace, const Exploring& options) { return Explorer(trace, options).run(); }

}  // namespace sealring::torture
