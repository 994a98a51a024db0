// What the whole process writes to stderr while something runs: for what diag() says.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "drivers/file.h"
#include "tests/unit/temp_dir.h"

namespace sealring {

template <class Body>
std::string stderr_of(Body&& body) {
  struct Restore {
    int saved;
    ~Restore() {
      dup2(saved, STDERR_FILENO);
      ::close(saved);
    }
  };
  TempDir dir;
  int file = ::open(dir.file("err").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  {
    Restore restore{fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
    REQUIRE(dup2(file, STDERR_FILENO) >= 0);
    ::close(file);
    body();
  }
  return *read_file(dir.file("err"));
}

}  // namespace sealring
