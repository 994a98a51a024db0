// A folder in memory, where there is such a thing, that goes when its object goes.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "crypto/result.h"

namespace sealring::fuzz {

class Scratch {
 public:
  Scratch() {
    const std::string memory = "/dev/shm";
    std::string name =
        (::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path().string()) +
        "/sealring-fuzz-XXXXXX";
    SEALRING_ASSERT(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sealring::fuzz
