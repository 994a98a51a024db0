#include "tests/torture/fake_threads.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

namespace sealring::sim {
namespace {

constexpr std::int64_t kNever = INT64_MAX;
constexpr std::int64_t kSecond = 1000000000;
constexpr std::int64_t kWallStart = 1700000000 * kSecond, kBootStart = 1000 * kSecond;
constexpr std::int64_t kSlowestSync = 20000000, kSlowestWrite = 2000000;
constexpr std::int64_t kLook = 1000;  // what it costs to look at a clock: time goes on for who only looks

struct Task {
  enum class State { ready, waiting, ended };
  State state = State::ready;
  Life life = 0;
  bool abandoned = false, timed_out = false;
  std::int64_t deadline = kNever;
  // What it waits for; one of them.
  const void* lock = nullptr;
  const void* condition = nullptr;
  const Task* joined = nullptr;
  pollfd* fds = nullptr;
  nfds_t fd_count = 0;
  const std::function<bool()>* holds = nullptr;

  sem_t turn;
  pthread_t thread{};
  void* (*body)(void*) = nullptr;
  void* argument = nullptr;
};

struct Game {
  bool on = false;
  std::uint64_t random = 0;
  std::int64_t now = 0, wall_step = 0;
  Life lives = 0;
  std::vector<Task*> tasks;  // never shrinks: few thousand
  Life next_life = 0;        // of the thread that is being made, where it is not its maker's
};
Game game;
thread_local Task* self = nullptr;

template <class Function>
Function real(const char* name, const char* version = nullptr) {
  void* found = version != nullptr ? ::dlvsym(RTLD_NEXT, name, version) : ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function>(found);
}
#define REAL(name) static const auto libc = real<decltype(&::name)>(#name)
// Of conditions libc has two kinds, and dlsym() gives the old one.
#define REAL_CONDITION(name) static const auto libc = real<decltype(&::name)>(#name, "GLIBC_2.3.2")

[[noreturn]] void give_up(const char* words) {
  std::fprintf(stderr, "fake threads: %s, at %lld ms\n", words, static_cast<long long>(game.now / 1000000));
  std::_Exit(99);
}

std::uint64_t next_random() {  // splitmix64
  std::uint64_t z = (game.random += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool has_what_it_waits_for(Task& task) {
  if (task.fds != nullptr) {
    REAL(poll);
    return libc(task.fds, task.fd_count, 0) > 0;
  }
  return task.holds != nullptr && (*task.holds)();
}

Task* choose() {
  for (;;) {
    std::vector<Task*> ready;
    std::int64_t next = kNever;
    for (Task* task : game.tasks) {
      if (task->abandoned || task->state == Task::State::ended) continue;
      if (task->state == Task::State::waiting && has_what_it_waits_for(*task)) task->state = Task::State::ready;
      if (task->state == Task::State::ready)
        ready.push_back(task);
      else
        next = std::min(next, task->deadline);
    }
    if (!ready.empty()) return ready[next_random() % ready.size()];
    if (next == kNever) give_up("all threads wait for ever");
    game.now = std::max(game.now, next);
    for (Task* task : game.tasks)
      if (task->state == Task::State::waiting && task->deadline <= game.now) {
        task->state = Task::State::ready;
        task->timed_out = true;
      }
  }
}

void pass_turn(bool comes_back) {
  Task* const me = self;
  Task* const next = choose();
  if (next == me) return;
  ::sem_post(&next->turn);
  while (comes_back && ::sem_wait(&me->turn) != 0) {
  }
}

// Until something makes it ready, or the deadline. True: it was the deadline.
bool wait_here(std::int64_t deadline) {
  self->state = Task::State::waiting;
  self->timed_out = false;
  self->deadline = deadline;
  pass_turn(true);
  self->deadline = kNever;
  self->lock = self->condition = nullptr;
  self->joined = nullptr;
  self->fds = nullptr;
  self->holds = nullptr;
  return self->timed_out;
}

template <class Try>
int lock_by(const void* lock, Try attempt) {
  for (;;) {
    const int rc = attempt();
    if (rc != EBUSY) return rc;
    self->lock = lock;
    wait_here(kNever);
  }
}

void wake_waiting_for_lock(const void* lock) {
  for (Task* task : game.tasks)
    if (task->state == Task::State::waiting && task->lock == lock) task->state = Task::State::ready;
}

void wake_condition(const void* condition, bool all) {
  std::vector<Task*> waiting;
  for (Task* task : game.tasks)
    if (task->state == Task::State::waiting && task->condition == condition && !task->abandoned)
      waiting.push_back(task);
  if (!all && waiting.size() > 1) waiting = {waiting[next_random() % waiting.size()]};
  for (Task* task : waiting) task->state = Task::State::ready;
}

std::int64_t ns_of(const timespec& t) { return t.tv_sec * kSecond + t.tv_nsec; }
std::int64_t start_of(clockid_t clock) { return clock == CLOCK_REALTIME ? kWallStart + game.wall_step : kBootStart; }

int wait_condition(pthread_cond_t* condition, pthread_mutex_t* mutex, std::int64_t deadline) {
  self->condition = condition;
  ::pthread_mutex_unlock(mutex);
  const bool late = wait_here(deadline);
  ::pthread_mutex_lock(mutex);
  return late ? ETIMEDOUT : 0;
}

void* run_task(void* argument) {
  auto* const task = static_cast<Task*>(argument);
  while (::sem_wait(&task->turn) != 0) {
  }
  self = task;
  void* const result = task->body(task->argument);
  task->state = Task::State::ended;
  for (Task* other : game.tasks)
    if (other->state == Task::State::waiting && other->joined == task) other->state = Task::State::ready;
  pass_turn(false);
  self = nullptr;
  return result;
}

// Keys and salts come from the seed as well.
std::uint32_t sodium_random() { return static_cast<std::uint32_t>(next_random()); }
void sodium_buffer(void* const buffer, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    static_cast<std::uint8_t*>(buffer)[i] = static_cast<std::uint8_t>(next_random());
}
randombytes_implementation seeded_random = {[] { return "seeded"; }, sodium_random, nullptr, nullptr,
                                            sodium_buffer,           nullptr};

}  // namespace

void begin(std::uint64_t seed) {
  game.random = seed;
  if (::randombytes_set_implementation(&seeded_random) != 0 || ::sodium_init() < 0) give_up("no libsodium");
  self = new Task;
  ::sem_init(&self->turn, 0, 0);
  game.tasks.push_back(self);
  game.on = true;
}

std::uint64_t random_below(std::uint64_t n) { return next_random() % n; }
bool chance(unsigned percent) { return random_below(100) < percent; }
std::int64_t now_ns() { return game.now; }
void step_wall_clock(std::int64_t by_ns) { game.wall_step += by_ns; }
void sleep_ms(std::int64_t ms) { wait_here(game.now + ms * 1000000); }
Life new_life() { return ++game.lives; }

bool wait_until(const std::function<bool()>& condition, std::int64_t ms) {
  if (condition()) return true;
  self->holds = &condition;
  wait_here(game.now + ms * 1000000);
  return condition();
}

void start(Life life, std::function<void()> body) {
  game.next_life = life;
  pthread_t thread{};
  auto* const argument = new std::function<void()>(std::move(body));
  const int rc = ::pthread_create(
      &thread, nullptr,
      [](void* f) -> void* {
        (*static_cast<std::function<void()>*>(f))();
        return nullptr;
      },
      argument);
  if (rc != 0) give_up("no more threads");
  ::pthread_detach(thread);
}

void abandon(Life life) {
  for (Task* task : game.tasks)
    if (task->life == life) task->abandoned = true;
}

}  // namespace sealring::sim

// --- in the place of libc's ---

using namespace sealring::sim;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* m) {
  REAL(pthread_mutex_lock);
  if (self == nullptr) return libc(m);
  return lock_by(m, [m] { return ::pthread_mutex_trylock(m); });
}
int pthread_mutex_unlock(pthread_mutex_t* m) {
  REAL(pthread_mutex_unlock);
  const int rc = libc(m);
  if (self != nullptr) wake_waiting_for_lock(m);
  return rc;
}
int pthread_rwlock_rdlock(pthread_rwlock_t* l) {
  REAL(pthread_rwlock_rdlock);
  if (self == nullptr) return libc(l);
  return lock_by(l, [l] { return ::pthread_rwlock_tryrdlock(l); });
}
int pthread_rwlock_wrlock(pthread_rwlock_t* l) {
  REAL(pthread_rwlock_wrlock);
  if (self == nullptr) return libc(l);
  return lock_by(l, [l] { return ::pthread_rwlock_trywrlock(l); });
}
int pthread_rwlock_unlock(pthread_rwlock_t* l) {
  REAL(pthread_rwlock_unlock);
  const int rc = libc(l);
  if (self != nullptr) wake_waiting_for_lock(l);
  return rc;
}

int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
  REAL_CONDITION(pthread_cond_wait);
  return self == nullptr ? libc(c, m) : wait_condition(c, m, kNever);
}
int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const timespec* until) {
  REAL_CONDITION(pthread_cond_timedwait);
  return self == nullptr ? libc(c, m, until) : wait_condition(c, m, ns_of(*until) - start_of(CLOCK_REALTIME));
}
int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  REAL(pthread_cond_clockwait);
  return self == nullptr ? libc(c, m, clock, until) : wait_condition(c, m, ns_of(*until) - start_of(clock));
}
int pthread_cond_signal(pthread_cond_t* c) {
  REAL_CONDITION(pthread_cond_signal);
  if (self == nullptr) return libc(c);
  wake_condition(c, false);
  return 0;
}
int pthread_cond_broadcast(pthread_cond_t* c) {
  REAL_CONDITION(pthread_cond_broadcast);
  if (self == nullptr) return libc(c);
  wake_condition(c, true);
  return 0;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  REAL(pthread_create);
  if (self == nullptr) return libc(thread, attributes, body, argument);
  auto* const task = new Task;
  task->life = std::exchange(game.next_life, 0);
  if (task->life == 0) task->life = self->life;
  task->body = body;
  task->argument = argument;
  ::sem_init(&task->turn, 0, 0);
  const int rc = libc(&task->thread, attributes, run_task, task);
  if (rc != 0) return rc;
  *thread = task->thread;
  game.tasks.push_back(task);
  return 0;
}
int pthread_join(pthread_t thread, void** result) {
  REAL(pthread_join);
  if (self != nullptr)
    for (Task* task : game.tasks)
      if (::pthread_equal(task->thread, thread) != 0 && task != self && task->state != Task::State::ended) {
        self->joined = task;
        wait_here(kNever);
        break;
      }
  return libc(thread, result);
}

int poll(pollfd* fds, nfds_t count, int timeout) {
  REAL(poll);
  const int rc = self == nullptr ? libc(fds, count, timeout) : libc(fds, count, 0);
  if (self == nullptr || rc != 0 || timeout == 0) return rc;
  self->fds = fds;
  self->fd_count = count;
  wait_here(timeout < 0 ? kNever : game.now + timeout * std::int64_t{1000000});
  return libc(fds, count, 0);
}
int __poll_chk(pollfd* fds, nfds_t count, int timeout, std::size_t) { return poll(fds, count, timeout); }

int nanosleep(const timespec* time, timespec* rest) {
  REAL(nanosleep);
  if (self == nullptr) return libc(time, rest);
  wait_here(game.now + ns_of(*time));
  return 0;
}

int clock_gettime(clockid_t clock, timespec* out) {
  REAL(clock_gettime);
  if (!game.on || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID) return libc(clock, out);
  const std::int64_t ns = start_of(clock) + (game.now += kLook);
  out->tv_sec = ns / kSecond;
  out->tv_nsec = ns % kSecond;
  return 0;
}
time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

// The disk takes its time, and others get on meanwhile: that is where kills come. What is on it after a power cut is
// another test's matter.
int fsync(int fd) {
  REAL(fsync);
  if (self == nullptr) return libc(fd);
  wait_here(game.now + static_cast<std::int64_t>(next_random() % kSlowestSync));
  return 0;
}
int fdatasync(int fd) {
  REAL(fdatasync);
  if (self == nullptr) return libc(fd);
  wait_here(game.now + static_cast<std::int64_t>(next_random() % kSlowestSync));
  return 0;
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t at) {
  REAL(pwrite);
  if (self != nullptr) wait_here(game.now + static_cast<std::int64_t>(next_random() % kSlowestWrite));
  return libc(fd, bytes, count, at);
}
int rename(const char* from, const char* to) {
  REAL(rename);
  if (self != nullptr) wait_here(game.now + static_cast<std::int64_t>(next_random() % kSlowestWrite));
  return libc(from, to);
}
int unlink(const char* path) {
  REAL(unlink);
  if (self != nullptr) wait_here(game.now + static_cast<std::int64_t>(next_random() % kSlowestWrite));
  return libc(path);
}

// News of links would come from the machine, not from the seed.
int socket(int domain, int type, int protocol) {
  REAL(socket);
  if (self == nullptr || domain != AF_NETLINK) return libc(domain, type, protocol);
  errno = EAFNOSUPPORT;
  return -1;
}

}  // extern "C"
