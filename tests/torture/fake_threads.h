// Threads one at a time, on a clock that moves only when all of them wait: what a run does depends on its seed alone.
//
// Linking fake_threads.cc into a program puts functions of its own in the place of libc's: pthread mutexes, read-write
// locks, conditions, creation and joining, poll(), nanosleep(), the clocks, fsync(). Until begin() is called, and for
// threads that are not of the game, they do what libc's do. From then on a thread runs until it waits for something;
// then the seed chooses among those that may run. Where none may, the clock goes on to the next moment that somebody
// waits for. Where there is none, they would wait for ever, and the process ends with words.
//
// A *life* is a number that threads inherit from whoever made them: what belongs to one process in reality. abandon()
// stops all its threads where they are, for good, as kill -9 does; what they hold in memory is never freed.
//
// Not replaced, and so not to be used to wait: semaphores, futexes, barriers, other system calls that block.
#pragma once

#include <cstdint>
#include <functional>

namespace sealring::sim {

using Life = unsigned;

void begin(std::uint64_t seed);               // the calling thread is the first of the game, of life 0
std::uint64_t random_below(std::uint64_t n);  // of the seed; n >= 1
bool chance(unsigned percent);

std::int64_t now_ns();  // since begin()
void step_wall_clock(std::int64_t by_ns);
void sleep_ms(std::int64_t ms);  // others run meanwhile

Life new_life();
// A thread of that life, which is not to be joined.
void start(Life life, std::function<void()> body);
void abandon(Life life);

// While `condition` does not hold: others run, and it is looked at again whenever one of them has run. False: it did
// not within `ms`.
bool wait_until(const std::function<bool()>& condition, std::int64_t ms);

}  // namespace sealring::sim
