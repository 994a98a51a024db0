#include "gateway/socket_seats.h"

#include <algorithm>
#include <string>

namespace sealring {

Result<unsigned> SocketSeats::take(unsigned user) {
  std::lock_guard<std::mutex> lock(mutex_);
  unsigned of_user = 0, of_others = 0, seat = kSeats;
  for (unsigned i = 0; i < kSeats; ++i) {
    if (seats_[i].use == Use::free) {
      seat = std::min(seat, i);
      continue;
    }
    of_user += seats_[i].user == user;
    of_others += !serves(seats_[i].user);
  }
  if (!serves(user) && of_user >= kSeatsOfUser)
    return retry_error("user " + std::to_string(user) + " has " + std::to_string(kSeatsOfUser) +
                       " connections already, the most that one user may have; end one of them");
  if (seat == kSeats) return retry_error(std::to_string(kSeats) + " others are asking already; try again later");
  if (!serves(user) && of_others >= kSeats - kSeatsKept)
    return retry_error(std::to_string(of_others) +
                       " others are asking already, and the rest is kept for root and the daemon's user; try again "
                       "later");
  seats_[seat] = {Use::asks, user};
  return seat;
}

Status SocketSeats::follow(unsigned seat) {
  std::lock_guard<std::mutex> lock(mutex_);
  Seat& mine = seats_.at(seat);
  unsigned following = 0;
  for (const Seat& other : seats_) following += other.use == Use::follows && other.user == mine.user;
  if (!serves(mine.user) && following >= kFollowingOfUser)
    return retry_error("user " + std::to_string(mine.user) + " follows " + std::to_string(kFollowingOfUser) +
                       " times already, as often as one user may; end one of them");
  mine.use = Use::follows;
  return {};
}

void SocketSeats::leave(unsigned seat) {
  std::lock_guard<std::mutex> lock(mutex_);
  seats_[seat] = {};
}

unsigned SocketSeats::taken() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return kSeats - static_cast<unsigned>(std::count_if(seats_.begin(), seats_.end(),
                                                      [](const Seat& seat) { return seat.use == Use::free; }));
}

}  // namespace sealring
