// Durable files: the few patterns that the gateway and the collector share.
#pragma once

#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

// missing: no such file; retry: any other error of the system, with its words.
Result<Bytes> read_file(const std::string& path, std::size_t max_bytes = 64u << 20);
// Replaces or creates: temporary name in the same directory, write, fsync, rename, fsync of the directory. When it
// returns an error the old file, or none, is there; never half of one.
Status replace_file(const std::string& path, ByteView bytes, unsigned mode = 0644);
// As replace_file, but never overwrites: reject when `path` exists.
Status create_file(const std::string& path, ByteView bytes, unsigned mode = 0644);
Status sync_directory(const std::string& path);
Status make_directories(const std::string& path, unsigned mode = 0755);
// Names in a directory, sorted, without "." and "..". missing: no such directory.
Result<std::vector<std::string>> list_directory(const std::string& path);

}  // namespace sealring
