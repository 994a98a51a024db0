// Configuration files: TOML, read strictly. Nothing else includes toml++.
//
// A config function asks for the keys it knows, in any order, and at the end for the verdict:
//
//     SEALRING_ASSIGN(TomlTable root, TomlTable::load(path));
//     config.store = root.required_path("store");
//     if (auto recorder = root.table("recorder"))
//       config.queue_bytes = recorder->size("queue_bytes", 4u << 20, 64u << 10, 1u << 30);
//     for (TomlTable& broker : root.tables("broker")) ...
//     SEALRING_TRY(root.finish());   // before any of the values is used
//
// A getter that fails notes the error and returns its default (or an empty value), so that the function above needs no
// branches; finish() then tells. A key that nobody asked for is unknown: it is refused with the nearest key that was
// asked for. So ask for every key unconditionally, also for those that only matter beside another one.
//
// Errors are of kind reject and begin "FILE:LINE: ". One thread.
#pragma once

#include <chrono>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

class TomlTable {
 public:
  // missing: no such file. reject: not TOML.
  static Result<TomlTable> load(const std::string& path);
  // `path` is what errors name and what relative paths start from.
  static Result<TomlTable> parse(std::string_view text, const std::string& path);

  bool has(const std::string& key);  // counts as asking

  std::string string(const std::string& key, const std::string& fallback);
  std::string required_string(const std::string& key);  // not empty
  // A string that names a file: relative to the folder of the config file. An empty string stays empty.
  std::string path(const std::string& key, const std::string& fallback);
  std::string required_path(const std::string& key);
  // One of `choices`; the error lists them.
  std::string choice(const std::string& key, const std::string& fallback, std::initializer_list<const char*> choices);
  // An array of strings; empty when it is absent.
  std::vector<std::string> strings(const std::string& key);
  bool boolean(const std::string& key, bool fallback);
  std::uint64_t integer(const std::string& key, std::uint64_t fallback, std::uint64_t min, std::uint64_t max);
  // Bytes: 4096, "4096", "64KiB", "4MiB", "1GiB".
  std::uint64_t size(const std::string& key, std::uint64_t fallback, std::uint64_t min, std::uint64_t max);
  // "250ms", "10s", "10min", "1h".
  std::chrono::milliseconds duration(const std::string& key, std::chrono::milliseconds fallback,
                                     std::chrono::milliseconds min, std::chrono::milliseconds max);

  enum class Absent { none, as_empty };
  std::optional<TomlTable> table(const std::string& key, Absent absent = Absent::none);  // [key] or key = { ... }
  // The tables of [[key]] or key = [ { ... }, ... ]; none when it is absent.
  std::vector<TomlTable> tables(const std::string& key);

  // What the file says of every key that was asked for, defaults filled in: "recorder.queue_bytes" -> "4194304",
  // "broker.0.port" -> "1883"; durations in ms, paths with their folder. Two files with the same settings mean the
  // same.
  const std::map<std::string, std::string>& settings() const;

  // The caller's own check of `key` failed; `message` says what is wrong with the value. An absent key is reported at
  // the line of its table.
  void fail(const std::string& key, const std::string& message);
  // Of the whole file, whichever table it is called on. Several errors: an unknown key first (a misspelt key is the
  // cause of a missing one), then the first line.
  Status finish();

 private:
  struct Document;
  struct Node;
  TomlTable(std::shared_ptr<Document> document, Node* node) : document_(std::move(document)), node_(node) {}
  void set(const std::string& key, std::string value);
  std::shared_ptr<Document> document_;
  Node* node_;  // lives in the document
};

// "4MiB" and "10min" as above, for values that come from a command line. Otherwise reject.
Result<std::uint64_t> parse_size(std::string_view text);
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace sealring
