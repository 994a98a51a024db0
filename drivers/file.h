// Durable files: the few patterns that the gateway and the collector share.
#pragma once

#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

// missing: no such file; reject: larger than max_bytes, or a path that is none; retry: any other error of the system,
// with its words.
Result<Bytes> read_file(const std::string& path, std::size_t max_bytes = 64u << 20);
// As read_file, for private keys: reject also when it is not a regular file, belongs to anyone but this process' user
// or root, or is open to others (mode other than 0600 and 0400), with the command that mends it. The caller wipes it.
// `what` it is, for the words.
Result<Bytes> read_secret_file(const std::string& path, std::size_t max_bytes = 1u << 20,
                               const char* what = "private key");
// Replaces or creates: temporary name in the same directory, write, fsync, rename, fsync of the directory. When it
// returns an error the old file, or none, is there; never half of one. Except unknown: only the last step, the sync of
// the directory, failed; the new file is there and whole, but a crash may bring the old one back. A crash may leave a
// temporary name behind: ".<name>.<numbers>.tmp".
Status replace_file(const std::string& path, ByteView bytes, unsigned mode = 0644);
// As replace_file, but never overwrites: reject when `path` exists.
Status create_file(const std::string& path, ByteView bytes, unsigned mode = 0644);
Status sync_directory(const std::string& path);
// With its parents, durably; one that is there already is fine. The mode is of new ones, less the umask.
Status make_directories(const std::string& path, unsigned mode = 0755);
// Names in a directory, sorted, without "." and "..". missing: no such directory.
Result<std::vector<std::string>> list_directory(const std::string& path);

}  // namespace sealring
