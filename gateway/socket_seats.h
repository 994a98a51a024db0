// Who may have one of the socket's connections, so that no user of the group keeps the others from asking.
//
// Root and the daemon's own user may have all; of the rest, kSeatsKept are kept from everybody else, however many they
// are. Who follows sits until he leaves: that is allowed fewer times than asking, so that who follows can still ask.
// Any thread.
#pragma once

#include <array>
#include <mutex>

#include "crypto/result.h"

namespace sealring {

constexpr unsigned kSeats = 16;
constexpr unsigned kSeatsKept = 4;  // for root and the daemon's own user
constexpr unsigned kSeatsOfUser = 6;
constexpr unsigned kFollowingOfUser = 4;
static_assert(kFollowingOfUser < kSeatsOfUser && 2 * kSeatsOfUser <= kSeats - kSeatsKept);

class SocketSeats {
 public:
  explicit SocketSeats(unsigned own_user) : own_user_(own_user) {}

  // The number of the seat. retry: none for this user now; the words are for the client.
  Result<unsigned> take(unsigned user);
  // Who has the seat follows from now on. retry: this user does so often enough.
  Status follow(unsigned seat);
  void leave(unsigned seat);
  unsigned taken() const;

 private:
  bool serves(unsigned user) const { return user == 0 || user == own_user_; }

  enum class Use : unsigned char { free, asks, follows };
  struct Seat {
    Use use = Use::free;
    unsigned user = 0;
  };
  const unsigned own_user_;
  mutable std::mutex mutex_;
  std::array<Seat, kSeats> seats_;
};

}  // namespace sealring
