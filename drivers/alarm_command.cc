#include "drivers/alarm_command.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "drivers/diag.h"
#include "drivers/utf8.h"

namespace sealring {
namespace {

constexpr std::chrono::milliseconds kPoll{20};
constexpr std::size_t kMaxText = 512;  // of one value in the JSON

std::string json_string(std::string_view text) { return "\"" + utf8_escaped(text.substr(0, kMaxText)) + "\""; }

// What a child inherits. Both ends of the pipe are closed there by closefrom.
class SpawnSettings {
 public:
  explicit SpawnSettings(int input) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | static_cast<short>(POSIX_SPAWN_SETSID));
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// A pipe's reading end with all of `text` in it and nothing more to come; -1: none left.
int filled_pipe(const std::string& text) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  const bool whole = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(ends[1]);
  if (whole) return ends[0];
  ::close(ends[0]);
  return -1;
}

}  // namespace

std::string alarm_json(const Alarm& alarm, const std::string& log) {
  std::string out =
      "{\"alarm\": " + json_string(alarm.kind) + ", \"state\": " + (alarm.begins ? "\"begins\"" : "\"ends\"") +
      ", \"log\": " + json_string(alarm.subject.empty() ? log : alarm.subject) +
      ", \"words\": " + json_string(alarm.words) + ", \"since_unix\": " + std::to_string(alarm.since_unix) +
      ", \"lasted_s\": " + std::to_string(alarm.lasted_s) + ", \"times\": " + std::to_string(alarm.times);
  for (const auto& [name, value] : alarm.details) {
    std::string text;
    if (const auto* number = std::get_if<std::uint64_t>(&value)) text = std::to_string(*number);
    if (const auto* words = std::get_if<std::string>(&value)) text = json_string(*words);
    if (const auto* hash = std::get_if<Hash>(&value)) text = json_string(hex(view(*hash)));
    if (out.size() + name.size() + text.size() < 3500) out += ", " + json_string(name) + ": " + text;
  }
  return out + "}\n";
}

AlarmCommand::AlarmCommand(std::vector<std::string> command, std::chrono::milliseconds timeout)
    : command_(std::move(command)), timeout_(timeout) {
  if (!command_.empty()) thread_ = std::thread([this] { loop(); });
}

AlarmCommand::~AlarmCommand() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AlarmCommand::run(const Alarm& alarm, std::string json) {
  if (command_.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_ || waiting_.size() >= kMaxWaiting) {
    ++stats_.left_out;
    return;
  }
  waiting_.push_back({alarm.kind, std::move(json), alarm.begins});
  changed_.notify_all();
}

AlarmCommand::Stats AlarmCommand::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void AlarmCommand::loop() {
  std::string told;  // the same trouble is said once
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    bool failed = true;
    try {
      const std::string trouble = execute(job);
      failed = !trouble.empty();
      if (failed && trouble != told)
        diag(DiagLevel::warning, "alarm_command " + command_.front() + " failed: " + trouble);
      told = trouble;
    } catch (const std::bad_alloc&) {  // counted, as one that could not be run
    }
    lock.lock();
    ++stats_.run;
    stats_.failed += failed;
  }
}

// Empty: it ended with 0.
std::string AlarmCommand::execute(const Job& job) {
  const int input = filled_pipe(job.json);
  if (input < 0) return "no pipe is left for it";
  std::vector<std::string> words = command_;
  words.push_back(job.kind);
  words.push_back(job.begins ? "begins" : "ends");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LANG=C.UTF-8";
  char* environment[] = {path, language, nullptr};
  pid_t child = 0;
  const SpawnSettings settings(input);
  const int error =
      ::posix_spawn(&child, arguments[0], settings.actions(), settings.attributes(), arguments.data(), environment);
  ::close(input);
  if (error != 0) return std::string("cannot be run: ") + std::strerror(error);
  return wait_for(child);
}

// Looking every few moments, as long as it runs: nothing of Linux 3 waits for a child and a deadline at once.
std::string AlarmCommand::wait_for(pid_t child) {
  auto deadline = std::chrono::steady_clock::now() + timeout_;
  bool stopping = false;
  for (;;) {
    siginfo_t ended{};
    const int asked = ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
    if (asked != 0 && errno != EINTR) return "its end was not seen";
    const auto now = std::chrono::steady_clock::now();
    const bool done = asked == 0 && ended.si_pid == child;
    if (done || now >= deadline) {
      // With all that it has left behind in its session; before it is reaped, so that the number is still its own.
      ::kill(-child, SIGKILL);
      int status = 0;
      ::waitpid(child, &status, 0);
      if (done && WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
      if (done) return WEXITSTATUS(status) == 0 ? "" : "it ended with " + std::to_string(WEXITSTATUS(status));
      return "it did not end within " + std::to_string(timeout_.count() / 1000) + " s and was killed";
    }
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kPoll, [&] { return stopping_ && !stopping; });
    if (stopping_ && !stopping) {
      stopping = true;
      deadline = std::min(deadline, now + kLastWords);
    }
  }
}

}  // namespace sealring
