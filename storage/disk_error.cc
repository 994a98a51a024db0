#include "storage/disk_error.h"

#include <cerrno>
#include <system_error>

namespace sealring {

ErrorKind disk_error_kind(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case ENOMEM:
    case EACCES:
    case EPERM:
    case EMFILE:
    case ENFILE:
    case EINTR:
    case EAGAIN:
      return ErrorKind::retry;
    default:
      return ErrorKind::unknown;
  }
}

Error disk_error(const std::string& what, int error) {
  return {disk_error_kind(error), what + ": " + std::generic_category().message(error)};
}

}  // namespace sealring
