// `sealring init`: makes what a gateway needs, once. In a folder of its own:
//
//     DIR/identity.key     the identity key (0600)
//     DIR/store/           epoch key 0, and the store with entry 0 (0700)
//     DIR/sealring.toml    the configuration, commented (0640); written last: when it is there, everything is
//
// or in the default places, /etc/sealring/sealring.toml and /var/lib/sealring (0700) for the rest. There root gives the
// files to the user `sealring` where it exists, and lets the group `sealring` read the configuration, which has no
// secret in it; that group reaches nothing else but the socket.
//
// Root makes nothing in a folder that others can change, and follows nothing that they left there (init_folder.h).
//
// A kill in between is mended by calling it again: what is there and fits is taken over, what does not fit is refused
// and left alone.
#pragma once

#include "drivers/clock.h"
#include "gateway/verify.h"

namespace sealring {

struct InitOptions {
  std::string directory;  // empty: the default places
  std::string origin;
  std::uint64_t ring_bytes = 0;   // 0: choose_ring_size()
  std::string software;           // of the genesis: "sealring 0.1.0"
  std::string root = {};          // put before the default places, as when an image is built; not in the file
  std::string identity_key = {};  // a PKCS#11 URI: the key is on that token, and no file is made
  std::string credentials = {};   // $CREDENTIALS_DIRECTORY, for its pin where one is needed
};

struct InitResult {
  Anchor anchor;
  bool resumed = false;  // something of an earlier, cut-short init was taken over
  std::string config_file, store;
  std::uint64_t ring_bytes = 0;
  std::string why_so_large;  // words, where the size was chosen
};

struct DiskSpace {
  std::uint64_t total = 0, available = 0;  // bytes; available: to this user
};
// What a store needs besides its ring: journal, keys, and what the file system wants.
constexpr std::uint64_t kBesideRing = 4u << 20;
// Of the file system on which `path` is or would be.
Result<DiskSpace> disk_space(const std::string& path);

// A tenth of the file system, from 64 MiB to 4 GiB, never more than half of what is free, whole MiB. reject: less than
// 64 MiB would be left by that rule; the words say what to do.
Result<std::uint64_t> choose_ring_size(const DiskSpace& space);

// "4 GiB", "300 MiB": for people.
std::string size_words(std::uint64_t bytes);

// reject: the place has a gateway already, or something of another one, or too little space; says what. Else errors of
// files and store. Space is judged before anything is made.
Result<InitResult> init_gateway(const InitOptions& options, const Clock& clock);

}  // namespace sealring
