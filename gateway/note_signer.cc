#include "gateway/note_signer.h"

#include <pthread.h>

#include <algorithm>
#include <new>

#include "drivers/diag.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxReasons = 32;  // reasons of one outage

}  // namespace

NoteSigner::NoteSigner(IdentitySigners identity, std::function<void()> on_news, std::chrono::milliseconds retry_min,
                       std::chrono::milliseconds retry_max)
    : identity_(identity), on_news_(std::move(on_news)), retry_min_(retry_min), retry_max_(retry_max), thread_([this] {
        loop();
      }) {}

NoteSigner::~NoteSigner() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  identity_.current->stop();
  if (identity_.previous != nullptr) identity_.previous->stop();
  changed_.notify_all();
  thread_.join();
}

void NoteSigner::rotated_at(std::uint64_t index) {
  std::lock_guard<std::mutex> lock(mutex_);
  identity_.since = index;
}

void NoteSigner::put(Request request) {
  std::lock_guard<std::mutex> lock(mutex_);
  requests_.push_back(std::move(request));
  changed_.notify_all();
}

void NoteSigner::hold(bool held) {
  std::lock_guard<std::mutex> lock(mutex_);
  held_ = held;
  changed_.notify_all();
}

NoteSigner::News NoteSigner::take() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(news_, {});
}

void NoteSigner::wait(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return requests_.empty() || !trouble_.empty() || held_; });
}

NoteSigner::Stats NoteSigner::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto is_early = [](const Request& request) { return !request.segment; };
  const auto early = static_cast<std::uint64_t>(std::count_if(requests_.begin(), requests_.end(), is_early));
  return {requests_.size() - early, early, trouble_, held_, identity_.since, latency_.look()};
}

Result<Note> NoteSigner::sign(const Checkpoint& checkpoint, std::uint64_t since) const {
  Signer* const previous = identity_.previous;
  if (since != 0 && checkpoint.size <= since) {
    if (previous != nullptr) return sign_checkpoint(checkpoint, *previous);
    return retry_error("size " + std::to_string(checkpoint.size) +
                       " is of before the rotation and needs the key before it: set previous_identity_key to it");
  }
  SEALRING_ASSIGN(Note note, sign_checkpoint(checkpoint, *identity_.current));
  if (previous == nullptr) return note;
  Result<NoteSignature> line = sign_note_text(note.text, checkpoint.origin, *previous);
  if (!line) return std::move(line).error().in("previous_identity_key");
  note.signatures.push_back(std::move(*line));
  return note;
}

Result<Note> NoteSigner::sign_or_no_memory(const Checkpoint& checkpoint, std::uint64_t since) const {
  try {
    return sign(checkpoint, since);
  } catch (const std::bad_alloc&) {
    return retry_error("no memory");
  }
}

void NoteSigner::loop() {
  ::pthread_setname_np(::pthread_self(), "signer");
  std::chrono::milliseconds backoff = retry_min_;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || (!requests_.empty() && !held_); });
    if (stopping_) return;
    std::optional<bool> made = false;
    try {
      made = make_one(lock);
    } catch (const std::bad_alloc&) {  // the request is still there
      if (!lock.owns_lock()) lock.lock();
    }
    if (!made) continue;
    if (stopping_ && !*made) return;
    changed_.notify_all();
    lock.unlock();
    on_news_();
    lock.lock();
    if (*made) {
      backoff = retry_min_;
      continue;
    }
    changed_.wait_for(lock, backoff, [this] { return stopping_; });
    backoff = std::min(backoff * 2, retry_max_);
  }
}

// Signs what was put first. None: it is held meanwhile. May throw std::bad_alloc; then it is as if it had failed.
std::optional<bool> NoteSigner::make_one(std::unique_lock<std::mutex>& lock) {
  const Request request = requests_.front();
  const std::uint64_t since = identity_.since;
  lock.unlock();
  const auto began = std::chrono::steady_clock::now();
  const auto note = sign_or_no_memory(request.checkpoint, since);
  if (note) latency_.add(std::chrono::steady_clock::now() - began);
  lock.lock();
  if (held_) return std::nullopt;
  if (!note) {
    if (!stopping_) report(note.error(), request);
    return false;
  }
  news_.made.push_back({request.segment, request.checkpoint.size, note->encode()});
  requests_.pop_front();
  const bool again = !trouble_.empty();
  if (again) news_.trouble = "";
  trouble_.clear();
  told_.clear();
  if (again) diag(DiagLevel::notice, "the identity key signs again");
  return true;
}

void NoteSigner::report(const Error& error, const Request& request) {
  if (trouble_.empty()) news_.trouble = error.message;
  trouble_ = error.message;
  if (told_.size() >= kMaxReasons || !told_.insert(trouble_).second) return;
  const std::string what = request.segment ? "segment " + std::to_string(*request.segment) : "a checkpoint";
  diag(DiagLevel::warning,
       "the identity key does not sign, " + what + " waits for it and recording goes on: " + trouble_);
}

}  // namespace sealring
