// The asking side of the status socket, and how its answer is shown.
#pragma once

#include <chrono>
#include <string>

#include "crypto/result.h"

namespace sealring {

// Asks over the Unix socket. missing: nobody listens there; retry: an answer that did
// not come in time, or the system's words.
Result<std::string> ask_status(const std::string& socket_path,
                               std::chrono::milliseconds timeout = std::chrono::milliseconds(5000));

// Of a store without a daemon: running: false, and of the fields in status_report.h origin, size, segments, ring.
// Errors as StoreReader's.
Result<std::string> offline_status_json(const std::string& store_directory);

// A status object (fields: status_report.h) as aligned lines. What is not there is left out. reject: not an object of
// JSON.
Result<std::string> status_text(const std::string& json);

}  // namespace sealring
