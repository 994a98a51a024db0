#include "drivers/toml_reader.h"

// Errors as values; and only this file pays for the parser, so the header-only form needs no further library.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_UNRELEASED_FEATURES 0
// What its parser takes for granted a file can break ("[!"): the parser then finds the error by itself, one step later,
// unless the compiler was told that there is none, which it is where NDEBUG is set.
#undef NDEBUG
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "drivers/file.h"
#include "drivers/one_line.h"

namespace sealring {

namespace {

constexpr std::size_t kMaxConfigBytes = 1u << 20;

// What toml++ 3.3 must not be given, line by line: characters beyond ASCII outside of strings and comments, where TOML
// has none (its tables of white space have holes, and falling into one is undefined), and keys of a great many parts
// (each is a table in a table, and they are freed by recursion).
class Preview {
 public:
  explicit Preview(std::string_view text) : rest_(text) { take_prefix(rest_, "\xEF\xBB\xBF"); }

  // Empty: nothing is wrong.
  std::string fault() {
    while (!rest_.empty()) {
      const char c = rest_[0];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size() - 1));
      if (c != '#' && static_cast<unsigned char>(c) >= 0x80)
        return "outside of quotes there is a character beyond ASCII";
      if (rest_[0] == '.' && ++dots_ > kMaxDots) return "a key has more than " + std::to_string(kMaxDots) + " dots";
      if (std::string_view("\n=,[]{}").find(rest_[0]) != std::string_view::npos) dots_ = 0;
      step();
    }
    return {};
  }
  std::size_t line() const { return line_; }

 private:
  static constexpr int kMaxDots = 32;

  void step() {
    if (rest_[0] == '\n') ++line_;
    rest_.remove_prefix(1);
  }
  // To behind its end; one that does not end is for the parser to find.
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool lines = take_prefix(rest_, three);
    if (!lines) rest_.remove_prefix(1);
    while (!rest_.empty() && (lines || rest_[0] != '\n')) {
      if (take_prefix(rest_, lines ? three : three.substr(0, 1))) {
        for (int i = 0; lines && i < 2; ++i) take_prefix(rest_, three.substr(0, 1));  // they may stand before the end
        return;
      }
      if (quote == '"' && rest_[0] == '\\' && rest_.size() > 1) step();
      step();
    }
  }

  std::string_view rest_;
  std::size_t line_ = 1;
  int dots_ = 0;
};

// As it stands in the file, if it can: in quotes a key may be anything.
std::string shown_key(const std::string& key) {
  constexpr std::string_view kBare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const bool bare = !key.empty() && key.size() <= 64 && key.find_first_not_of(kBare) == std::string::npos;
  return bare ? key : quoted(key);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// "<decimal><unit>", no space between them.
Result<std::uint64_t> parse_with_unit(std::string_view text, std::initializer_list<Unit> units, const char* expected) {
  std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  Result<std::uint64_t> number = from_decimal(text.substr(0, digits));
  for (const Unit& unit : units) {
    if (text.substr(digits) != unit.name || !number.ok()) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / unit.factor) break;
    return *number * unit.factor;
  }
  return reject_error(quoted(text) + " is not " + expected);
}

std::string folder_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

std::string range_words(std::uint64_t min, std::uint64_t max, const char* unit) {
  return "must be from " + std::to_string(min) + " to " + std::to_string(max) + unit;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, {{"", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}},
                         "a size: a number of bytes, or one with KiB, MiB or GiB behind it");
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  Result<std::uint64_t> ms = parse_with_unit(text, {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}},
                                             "a duration: a number with ms, s, min or h behind it");
  if (!ms.ok()) return std::move(ms).error();
  return std::chrono::milliseconds(*ms);
}

// One table of the file and which of its keys were asked for.
struct TomlTable::Node {
  const toml::table* table = nullptr;
  std::string prefix;  // for messages: "recorder."
  std::string place;   // as prefix, but with the number of each table of an array: "broker.0."
  std::set<std::string> asked;
};

struct TomlTable::Document {
  enum class Class { unknown_key, value, missing_key };  // in the order in which finish() prefers them
  struct Problem {
    Class what;
    std::uint32_t line;
    std::string message;
  };

  std::string path;
  toml::table root;
  std::vector<std::unique_ptr<Node>> visited;
  std::vector<Problem> problems;
  std::map<std::string, std::string> settings;

  Node* visit(const toml::table& table, std::string prefix, std::string place) {
    visited.push_back(std::make_unique<Node>(Node{&table, std::move(prefix), std::move(place), {}}));
    return visited.back().get();
  }
  static std::uint32_t line_of(const toml::node& node) {
    return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(node.source().begin.line));
  }
  void note(Class what, const toml::node& where, std::string message) {
    problems.push_back({what, line_of(where), std::move(message)});
  }
  void bad_value(const Node& in, const std::string& key, const toml::node& value, const std::string& message) {
    note(Class::value, value, in.prefix + key + " " + message);
  }
  void missing(const Node& in, const std::string& key) {
    note(Class::missing_key, *in.table, "the key " + in.prefix + key + " is missing");
  }

  // The value of `key`, when it is there and of type T. Another type is noted as a problem.
  template <class T>
  const T* get(Node& in, const std::string& key, const char* type_words) {
    in.asked.insert(key);
    const toml::node* node = in.table->get(key);
    if (node == nullptr) return nullptr;
    const T* typed = node->as<T>();
    if (typed == nullptr) bad_value(in, key, *node, std::string("must be ") + type_words);
    return typed;
  }

  std::string suggestion(const Node& in, const std::string& key) const {
    const std::string* nearest = nullptr;
    std::size_t best = std::numeric_limits<std::size_t>::max();
    for (const std::string& known : in.asked) {
      std::size_t distance = edit_distance(key, known);
      if (distance < best) best = distance, nearest = &known;
    }
    bool close = nearest != nullptr && best <= std::max<std::size_t>(2, key.size() / 3);
    if (!close) {
      for (const auto& other : visited)  // perhaps it stands in the wrong table
        if (other->asked.count(key) != 0) return "; " + other->prefix + shown_key(key) + " is a key";
    }
    return nearest == nullptr ? std::string() : "; the nearest key is " + in.prefix + *nearest;
  }
  void find_unknown_keys() {
    for (const auto& node : visited) {
      for (auto&& [name, value] : *node->table) {
        std::string key(name.str());
        if (node->asked.count(key) != 0) continue;
        std::uint32_t line = static_cast<std::uint32_t>(name.source().begin.line);
        problems.push_back({Class::unknown_key, line != 0 ? line : line_of(value),
                            "unknown key " + node->prefix + shown_key(key) + suggestion(*node, key)});
      }
    }
  }
};

Result<TomlTable> TomlTable::load(const std::string& path) {
  Result<Bytes> text = read_file(path, kMaxConfigBytes);
  if (!text.ok()) return std::move(text).error();
  return parse(*text, path);
}

Result<TomlTable> TomlTable::parse(std::string_view text, const std::string& path) {
  Preview preview(text);
  if (const std::string fault = preview.fault(); !fault.empty())
    return reject_error(path + ":" + std::to_string(preview.line()) + ": " + fault);
  toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return reject_error(path + ":" + std::to_string(error.source().begin.line) + ": " + one_line(error.description()));
  }
  auto document = std::make_shared<Document>();
  document->path = path;
  document->root = std::move(parsed).table();
  Node* root = document->visit(document->root, "", "");
  return TomlTable(std::move(document), root);
}

bool TomlTable::has(const std::string& key) {
  node_->asked.insert(key);
  return node_->table->get(key) != nullptr;
}

const std::map<std::string, std::string>& TomlTable::settings() const { return document_->settings; }

void TomlTable::set(const std::string& key, std::string value) {
  document_->settings[node_->place + key] = std::move(value);
}

std::string TomlTable::string(const std::string& key, const std::string& fallback) {
  const auto* value = document_->get<toml::value<std::string>>(*node_, key, "a string");
  std::string out = value == nullptr ? fallback : value->get();
  set(key, out);
  return out;
}

std::string TomlTable::required_string(const std::string& key) {
  if (!has(key)) return document_->missing(*node_, key), std::string();
  std::string value = string(key, "?");
  if (value.empty()) fail(key, "must not be empty");
  return value;
}

std::string TomlTable::path(const std::string& key, const std::string& fallback) {
  std::string value = string(key, fallback);
  if (value.find('\0') != std::string::npos) fail(key, "must not have a zero byte");
  if (!value.empty() && value.front() != '/') value = folder_of(document_->path) + value;
  set(key, value);
  return value;
}

std::string TomlTable::required_path(const std::string& key) {
  std::string value = required_string(key);
  return value.empty() ? value : path(key, "");
}

std::string TomlTable::choice(const std::string& key, const std::string& fallback,
                              std::initializer_list<const char*> choices) {
  set(key, fallback);
  if (!has(key)) return fallback;
  std::string value = string(key, fallback), listed;
  for (const char* one : choices) {
    if (value == one) return value;
    listed += (listed.empty() ? "" : ", ") + std::string(one);
  }
  fail(key, "must be one of " + listed);
  return fallback;
}

std::vector<std::string> TomlTable::strings(const std::string& key) {
  std::vector<std::string> out;
  if (const auto* array = document_->get<toml::array>(*node_, key, "an array of strings")) {
    for (const toml::node& one : *array) {
      const auto* text = one.as_string();
      if (text == nullptr) {
        fail(key, "must be an array of strings");
        break;
      }
      out.push_back(text->get());
    }
  }
  std::string listed;
  for (const std::string& one : out) listed += one + "\n";
  set(key, listed);
  return out;
}

bool TomlTable::boolean(const std::string& key, bool fallback) {
  const auto* value = document_->get<toml::value<bool>>(*node_, key, "true or false");
  const bool out = value == nullptr ? fallback : value->get();
  set(key, out ? "true" : "false");
  return out;
}

std::uint64_t TomlTable::integer(const std::string& key, std::uint64_t fallback, std::uint64_t min, std::uint64_t max) {
  set(key, std::to_string(fallback));
  const auto* value = document_->get<toml::value<std::int64_t>>(*node_, key, "a whole number");
  if (value == nullptr) return fallback;
  std::int64_t number = value->get();
  if (number >= 0 && min <= std::uint64_t(number) && std::uint64_t(number) <= max) {
    set(key, std::to_string(number));
    return std::uint64_t(number);
  }
  fail(key, range_words(min, max, ""));
  return fallback;
}

std::uint64_t TomlTable::size(const std::string& key, std::uint64_t fallback, std::uint64_t min, std::uint64_t max) {
  set(key, std::to_string(fallback));
  if (!has(key)) return fallback;
  if (node_->table->get(key)->is_integer()) return integer(key, fallback, min, max);
  const auto* text = document_->get<toml::value<std::string>>(*node_, key, "a size such as 4096 or \"4MiB\"");
  if (text == nullptr) return fallback;
  Result<std::uint64_t> bytes = parse_size(text->get());
  if (bytes.ok() && min <= *bytes && *bytes <= max) {
    set(key, std::to_string(*bytes));
    return *bytes;
  }
  fail(key, bytes.ok() ? range_words(min, max, " bytes") : "= " + bytes.error().message);
  return fallback;
}

std::chrono::milliseconds TomlTable::duration(const std::string& key, std::chrono::milliseconds fallback,
                                              std::chrono::milliseconds min, std::chrono::milliseconds max) {
  set(key, std::to_string(fallback.count()));
  const auto* text = document_->get<toml::value<std::string>>(*node_, key, "a duration such as \"250ms\" or \"10min\"");
  if (text == nullptr) return fallback;
  Result<std::chrono::milliseconds> value = parse_duration(text->get());
  if (value.ok() && min <= *value && *value <= max) {
    set(key, std::to_string(value->count()));
    return *value;
  }
  fail(key, value.ok() ? range_words(std::uint64_t(min.count()), std::uint64_t(max.count()), "ms")
                       : "= " + value.error().message);
  return fallback;
}

std::optional<TomlTable> TomlTable::table(const std::string& key, Absent absent) {
  static const toml::table empty;
  const bool there = has(key);
  const auto* table = document_->get<toml::table>(*node_, key, "a table");
  if (!there && absent == Absent::as_empty) table = &empty;
  if (table == nullptr) return std::nullopt;
  return TomlTable(document_, document_->visit(*table, node_->prefix + key + ".", node_->place + key + "."));
}

std::vector<TomlTable> TomlTable::tables(const std::string& key) {
  std::vector<TomlTable> result;
  const auto* array = document_->get<toml::array>(*node_, key, "an array of tables");
  if (array == nullptr) return result;
  for (const toml::node& element : *array) {
    const std::string place = node_->place + key + "." + std::to_string(result.size()) + ".";
    if (const toml::table* table = element.as_table())
      result.push_back(TomlTable(document_, document_->visit(*table, node_->prefix + key + ".", place)));
    else
      document_->bad_value(*node_, key, element, "must hold tables only");
  }
  return result;
}

void TomlTable::fail(const std::string& key, const std::string& message) {
  const toml::node* value = node_->table->get(key);
  document_->bad_value(*node_, key, value != nullptr ? *value : *node_->table, message);
}

Status TomlTable::finish() {
  document_->find_unknown_keys();
  if (document_->problems.empty()) return {};
  auto first = std::min_element(
      document_->problems.begin(), document_->problems.end(),
      [](const auto& a, const auto& b) { return std::tie(a.what, a.line) < std::tie(b.what, b.line); });
  return reject_error(document_->path + ":" + std::to_string(first->line) + ": " + first->message);
}

}  // namespace sealring
